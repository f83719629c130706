// SPDX-License-Identifier: GPL-2.0
/*
 * SEND, which copies, from a ring of provided registered buffers: the same ring
 * serves SEND and SEND_ZC, and a bundle of SEND goes on by itself.
 */
#include "issued.h"

#define REG		(&ways[1])
#define BUNDLE		IORING_RECVSEND_BUNDLE

FIXTURE_SETUP(issued)
{
	ASSERT_EQ(0, env_init(&self->e, &variant->issue));
}

FIXTURE_TEARDOWN(issued)
{
	EXPECT_EQ(0, env_finish(&self->e));
}

TEST_F(issued, single)
{
	struct env *e = &self->e;
	struct result r;

	way_add(e, REG, 1, 4095, 10000);
	env_want(e, e->mem[1] + 4095, 10000);
	ASSERT_EQ(0, way_send(e, REG, 0, 0, &r));
	EXPECT_TOOK(&r, 10000, 0);
	EXPECT_FALSE(r.flags & IORING_CQE_F_MORE);

	/* sqe->len cuts it, and it is gone as a whole */
	way_add(e, REG, 2, 1, 5000);
	env_want(e, e->mem[2] + 1, 77);
	ASSERT_EQ(0, way_send(e, REG, 77, 0, &r));
	EXPECT_TOOK(&r, 77, 1);
	EXPECT_EQ(2, env_head(e));
}

/* Small ones are copied, large ones are not, in the order of the ring. */
TEST_F(issued, one_ring_serves_both)
{
	struct env *e = &self->e;
	struct result r;
	int i;

	for (i = 0; i < 20; i++)
		env_add_want(e, i % NR_MEM, i * 9000, i % 2 ? 9000 : 100);
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, way_send(e, &ways[!(i % 2)], 0, 0, &r));
		EXPECT_TOOK(&r, i % 2 ? 9000 : 100, i);
		EXPECT_EQ(i % 2, r.nr_notifs);
		EXPECT_EQ(i + 1, env_head(e));
	}
}

/* Collect the CQEs of one request from entry @bid on; returns the next one. */
static int collect(struct __test_metadata *_metadata, struct env *e, int bid,
		   int nr, int len)
{
	struct result r;
	int n;

	do {
		ASSERT_EQ(0, env_wait(e, &r));
		n = nr - bid < 256 ? nr - bid : 256;
		EXPECT_TOOK(&r, n * len, bid);
		bid += n;
	} while (r.flags & IORING_CQE_F_MORE);
	EXPECT_EQ(bid, env_head(e));
	return bid;
}

/* More than a bundle may have: bundle after bundle of the same request. */
static void goes_on(struct __test_metadata *_metadata, struct env *e,
		    const struct way *way, bool on)
{
	int i, next, bid = 0;

	for (i = 0; i < 512; i++) {
		way_add(e, way, i / 7 % NR_MEM, i * 5 % 256 * 4096, 1000);
		env_want(e, e->mem[i / 7 % NR_MEM] + i * 5 % 256 * 4096, 1000);
	}
	while (bid < 512) {
		ASSERT_EQ(0, way_submit(e, way, 0, BUNDLE, 0));
		next = collect(_metadata, e, bid, 512, 1000);
		/* one that has been polled for ends after the first */
		ASSERT_EQ(on ? 512 : bid + 256, next);
		bid = next;
	}
}

TEST_F(issued, bundle)
{
	bool polled = variant->issue.sqe_flags & IOSQE_ASYNC ||
		      variant->issue.ioprio & IORING_RECVSEND_POLL_FIRST;

	goes_on(_metadata, &self->e, REG, !polled);
}

/* The base of it all: addresses, and no registered buffers. */
TEST_F(issued, user_memory)
{
	static const struct way way = { "SEND", IORING_OP_SEND, 0 };
	struct env *e = &self->e;
	struct result r;
	int i;

	for (i = 0; i < 50; i++) {
		way_add(e, &way, i % NR_MEM, i * 5000, 1000);
		env_want(e, e->mem[i % NR_MEM] + i * 5000, 1000);
	}
	ASSERT_EQ(0, way_send(e, &way, 0, BUNDLE, &r));
	EXPECT_TOOK(&r, 50 * 1000, 0);
	EXPECT_EQ(50, env_head(e));

	ASSERT_EQ(0, way_send(e, &way, 0, BUNDLE, &r));
	EXPECT_EQ(-ENOBUFS, r.res);
	EXPECT_FALSE(r.flags & IORING_CQE_F_BUFFER);
	EXPECT_EQ(50, env_head(e));
}

/* Bad entries end a bundle, and the request when it meets them first. */
TEST_F(issued, later_bad)
{
	struct env *e = &self->e;
	struct result r;
	int i;

	for (i = 0; i < 5; i++)
		env_add_want(e, 0, i * 5000, 1000);
	env_add(e, NR_MEM, 0, 1000);
	env_add(e, 0, 0, 1000);

	ASSERT_EQ(0, way_send(e, REG, 0, BUNDLE, &r));
	EXPECT_TOOK(&r, 5000, 0);
	EXPECT_EQ(5, env_head(e));
	if (!(r.flags & IORING_CQE_F_MORE))
		ASSERT_EQ(0, way_submit(e, REG, 0, BUNDLE, 0));
	ASSERT_EQ(0, env_wait(e, &r));
	EXPECT_EQ(-EFAULT, r.res);
	EXPECT_FALSE(r.flags & (IORING_CQE_F_BUFFER | IORING_CQE_F_MORE));
	ASSERT_EQ(0, way_send(e, REG, 0, 0, &r));
	EXPECT_EQ(-EFAULT, r.res);
	EXPECT_FALSE(r.flags & IORING_CQE_F_BUFFER);
	EXPECT_EQ(5, env_head(e));
}

TEST_F(issued, nothing_there)
{
	struct env *e = &self->e;
	struct io_uring_sqe *sqe;
	struct result r;

	ASSERT_EQ(0, way_send(e, REG, 0, 0, &r));
	EXPECT_EQ(-ENOBUFS, r.res);
	EXPECT_FALSE(r.flags & IORING_CQE_F_BUFFER);
	ASSERT_EQ(0, way_send(e, REG, 0, BUNDLE, &r));
	EXPECT_EQ(-ENOBUFS, r.res);
	EXPECT_FALSE(r.flags & IORING_CQE_F_BUFFER);

	/* a group that isn't there, whose ID is a registered buffer's index */
	sqe = env_prep(e, IORING_OP_SEND, 100, SEL_REG);
	sqe->addr = (unsigned long)e->mem[0];
	sqe->buf_group = 0;
	ASSERT_EQ(0, ring_submit(&e->ring));
	ASSERT_EQ(0, env_wait(e, &r));
	EXPECT_EQ(-ENOENT, r.res);
}

/* FIXED_BUF without SELECT names its buffer in the SQE, as ever. */
TEST_F(issued, without_select)
{
	struct env *e = &self->e;
	struct result r;
	int i;

	for (i = 0; i < NR_MEM; i++) {
		env_want(e, e->mem[i] + 4000, 5000);
		env_prep_named(e, IORING_OP_SEND, i, 4000, 5000);
		ASSERT_EQ(0, ring_submit(&e->ring));
		ASSERT_EQ(0, env_wait(e, &r));
		EXPECT_EQ(5000, r.res);
		EXPECT_EQ(0, r.flags);
	}
}

FIXTURE(socket) {
	struct env e;
};

FIXTURE_SETUP(socket)
{
	struct env *e = &self->e;

	ASSERT_EQ(0, env_init_tagged(e, NULL));
	ASSERT_EQ(0, env_init_socket(e, AF_INET, SOCK_STREAM, 8192, 8192));
}

FIXTURE_TEARDOWN(socket)
{
	EXPECT_EQ(0, env_finish(&self->e));
}

/* It goes on with what it has picked when the socket takes a part. */
TEST_F(socket, waits)
{
	struct env *e = &self->e;
	struct result r;
	int i;

	for (i = 0; i < 256; i++)
		env_add_want(e, i % NR_MEM, i * 5 % 256 * 4096, 4096);
	ASSERT_EQ(0, way_submit(e, REG, 0, BUNDLE, 0));
	ASSERT_EQ(0, env_wait_arrival(e));
	ASSERT_EQ(NULL, ring_peek(&e->ring));
	EXPECT_EQ(256, env_head(e));
	ASSERT_EQ(0, reader_start(&e->reader));
	ASSERT_EQ(0, env_wait(e, &r));
	EXPECT_TOOK(&r, 256 * 4096, 0);
	EXPECT_FALSE(r.flags & IORING_CQE_F_MORE);
}

/* MSG_DONTWAIT completes short, and what was not sent is gone all the same. */
static void dontwait(struct __test_metadata *_metadata, struct env *e,
		     unsigned int step)
{
	struct result r;
	int i;

	for (i = 0; i < 256; i++)
		env_add_want(e, 0, i * step % 256 * 4096, 4096);
	ASSERT_EQ(0, way_submit(e, REG, 0, BUNDLE, MSG_DONTWAIT));
	ASSERT_EQ(0, env_wait(e, &r));
	EXPECT_LT(0, r.res);
	EXPECT_GT(256 * 4096, r.res);
	EXPECT_TOOK(&r, r.res, 0);
	EXPECT_EQ(256, env_head(e));
	e->want_len = r.res;
	ASSERT_EQ(0, reader_start(&e->reader));
}

TEST_F(socket, dontwait)
{
	dontwait(_metadata, &self->e, 5);
}

TEST_F(socket, dontwait_in_a_row)
{
	dontwait(_metadata, &self->e, 1);
}

/*
 * The first bundle has been sent, and its registered buffer is free, while the
 * second one waits and keeps that of its own.
 */
TEST_F(socket, holds_one_bundle)
{
	struct env *e = &self->e;
	unsigned int tags = 0;
	struct io_uring_cqe cqe;
	struct result r;
	int i;

	for (i = 0; i < 256; i++)
		env_add_want(e, 0, i * 2, 1);
	for (i = 0; i < 64; i++)
		env_add_want(e, 1 + i % 2, i * 16384, 16384);
	ASSERT_EQ(0, way_submit(e, REG, 0, BUNDLE, 0));
	ASSERT_EQ(0, env_wait(e, &r));
	EXPECT_TOOK(&r, 256, 0);
	EXPECT_TRUE(r.flags & IORING_CQE_F_MORE);
	EXPECT_EQ(NULL, ring_peek(&e->ring));

	ASSERT_EQ(0, ring_register(&e->ring, IORING_UNREGISTER_BUFFERS, NULL, 0));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
		tags |= 1 << (cqe.user_data - TAG);
	}
	EXPECT_EQ(1 << 0 | 1 << 3, tags);
	EXPECT_EQ(NULL, ring_peek(&e->ring));

	ASSERT_EQ(0, reader_start(&e->reader));
	ASSERT_EQ(0, env_wait(e, &r));
	EXPECT_TOOK(&r, 64 * 16384, 256);
	EXPECT_FALSE(r.flags & IORING_CQE_F_MORE);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
		tags |= 1 << (cqe.user_data - TAG);
	}
	EXPECT_EQ(0xf, tags);
}

/* However often it has to wait, all of it gets sent. */
TEST_F(socket, waits_often)
{
	struct env *e = &self->e;
	struct result r;
	int i;

	for (i = 0; i < 64; i++)
		env_add_want(e, i % NR_MEM, i * 8192, 65536);
	ASSERT_EQ(0, reader_start(&e->reader));
	ASSERT_EQ(0, way_submit(e, REG, 0, BUNDLE, 0));
	ASSERT_EQ(0, env_wait(e, &r));
	EXPECT_TOOK(&r, 64 * 65536, 0);
}

/* A datagram that there is no room for waits as a whole, whatever it is sent by. */
static const struct {
	const char *name;
	unsigned char opcode;
	unsigned short ioprio;
	bool select;
} datagrams[] = {
	{ "selected", IORING_OP_SEND, IORING_RECVSEND_FIXED_BUF, true },
	{ "bundle", IORING_OP_SEND, SEL_BUNDLE, true },
	{ "named", IORING_OP_SEND, IORING_RECVSEND_FIXED_BUF, false },
	{ "user memory", IORING_OP_SEND, 0, false },
	{ "SENDMSG", IORING_OP_SENDMSG, 0, false },
};

TEST(datagram_waits)
{
	struct env env, *e = &env;
	int i, fd[2], taken = 0;

	ASSERT_EQ(0, env_init_mem(e, NULL));
	ASSERT_EQ(0, socket_full(fd));
	e->fd = fd[0];
	for (i = 0; i < ARRAY_SIZE(datagrams); i++) {
		bool is_msg = datagrams[i].opcode == IORING_OP_SENDMSG;
		char *p = e->mem[i % NR_MEM] + i * 5000;
		struct iovec iov = { p, 1000 };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
		struct io_uring_sqe *sqe;
		struct result r;

		TH_LOG("%s", datagrams[i].name);
		sqe = env_prep(e, datagrams[i].opcode, is_msg ? 1 : 1000,
			       datagrams[i].ioprio);
		if (datagrams[i].select) {
			env_add(e, i % NR_MEM, i * 5000, 1000);
			taken++;
		} else {
			sqe->flags &= ~IOSQE_BUFFER_SELECT;
			sqe->buf_index = is_msg ? 0 : i % NR_MEM;
			sqe->addr = (unsigned long)(is_msg ? (void *)&msg : p);
		}
		ASSERT_EQ(0, ring_submit(&e->ring));
		EXPECT_EQ(NULL, ring_peek(&e->ring));
		ASSERT_EQ(0, socket_drop_one(fd[1]));
		ASSERT_EQ(0, env_wait(e, &r));
		EXPECT_EQ(1000, r.res);
		EXPECT_EQ(datagrams[i].select, !!(r.flags & IORING_CQE_F_BUFFER));
		ASSERT_EQ(0, socket_expect(fd[1], p, 1000));
		ASSERT_EQ(0, socket_fill(fd[1]));
	}
	EXPECT_EQ(taken, env_head(e));
}

/*
 * A socket that poll takes for ready when it isn't: its peer doesn't read and is
 * addressed by name. That is no reason to fail, nor to try for ever.
 */
TEST(poll_disagrees)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct env env, *e = &env;
	struct io_uring_sqe *sqe;
	struct result r;
	int fd[2];

	ASSERT_EQ(0, env_init_mem(e, NULL));
	ASSERT_EQ(0, socket_full(fd));
	ASSERT_EQ(0, getsockname(fd[1], (void *)&ss, &len));
	e->fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	ASSERT_LE(0, e->fd);

	env_add(e, 0, 0, 1000);
	sqe = env_prep(e, IORING_OP_SEND, 0, SEL_BUNDLE);
	sqe->addr2 = (unsigned long)&ss;
	sqe->addr_len = len;
	ASSERT_EQ(0, ring_submit(&e->ring));
	EXPECT_EQ(NULL, ring_peek(&e->ring));
	ASSERT_EQ(0, socket_drop_one(fd[1]));
	ASSERT_EQ(0, env_wait(e, &r));
	EXPECT_TOOK(&r, 1000, 0);
	EXPECT_EQ(1, env_head(e));
	EXPECT_EQ(0, socket_expect(fd[1], e->mem[0], 1000));
}

TEST_HARNESS_MAIN

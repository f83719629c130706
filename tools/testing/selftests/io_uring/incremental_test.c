// SPDX-License-Identifier: GPL-2.0
/*
 * Rings with IOU_PBUF_RING_INC: a request that completes in its first attempt
 * takes exactly the bytes that it sends, one that has to wait takes all that
 * it has picked.
 */
#include "issued.h"

#define INC_BGID	(BGID + 1)
#define BUNDLE		IORING_RECVSEND_BUNDLE
#define NR		64
#define LEN		4096

static int inc_init(struct env *e)
{
	munmap(e->pbufs.br, e->pbufs.size);
	return pbuf_ring_init(&e->ring, &e->pbufs, INC_BGID, RING_ENTRIES,
			      IOU_PBUF_RING_INC);
}

/* Of entry @nr, @left bytes are to be left. */
#define EXPECT_LEFT(e, nr, addr, left) \
	expect_left(_metadata, __LINE__, e, nr, addr, left)

static void expect_left(struct __test_metadata *_metadata, int line,
			struct env *e, unsigned int nr, __u64 addr, __u32 left)
{
	const struct io_uring_buf *buf = &e->pbufs.br->bufs[nr & e->pbufs.mask];

	EXPECT_EQ(left, buf->len) TH_LOG("from line %d", line);
	if (left)
		EXPECT_EQ(addr, buf->addr) TH_LOG("from line %d", line);
}

static __u64 entry_addr(struct env *e, unsigned int nr)
{
	return e->pbufs.br->bufs[nr & e->pbufs.mask].addr;
}

/* How many of @len bytes in each of @nr entries have been taken. */
static long taken(struct env *e, unsigned int nr, unsigned int len)
{
	long sum = 0;
	unsigned int i;

	for (i = 0; i < nr; i++)
		sum += len - e->pbufs.br->bufs[i & e->pbufs.mask].len;
	return sum;
}

FIXTURE_SETUP(issued)
{
	ASSERT_EQ(0, env_init(&self->e, &variant->issue));
	ASSERT_EQ(0, inc_init(&self->e));
}

FIXTURE_TEARDOWN(issued)
{
	EXPECT_EQ(0, env_finish(&self->e));
}

TEST_F(issued, single)
{
	struct env *e = &self->e;
	struct result r;
	unsigned int i;
	__u64 addr;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		TH_LOG("%s", ways[i].name);
		way_add(e, &ways[i], i, 100, 10000);
		env_want(e, e->mem[i] + 100, 10000);
		addr = entry_addr(e, i);

		ASSERT_EQ(0, way_send(e, &ways[i], 3001, 0, &r));
		EXPECT_TOOK(&r, 3001, i);
		EXPECT_TRUE(r.flags & IORING_CQE_F_BUF_MORE);
		EXPECT_EQ(i, env_head(e));
		EXPECT_LEFT(e, i, addr + 3001, 6999);

		ASSERT_EQ(0, way_send(e, &ways[i], 6998, 0, &r));
		EXPECT_TOOK(&r, 6998, i);
		EXPECT_TRUE(r.flags & IORING_CQE_F_BUF_MORE);
		EXPECT_LEFT(e, i, addr + 9999, 1);

		ASSERT_EQ(0, way_send(e, &ways[i], 0, 0, &r));
		EXPECT_TOOK(&r, 1, i);
		EXPECT_FALSE(r.flags & IORING_CQE_F_BUF_MORE);
		EXPECT_EQ(i + 1, env_head(e));
	}
}

TEST_F(issued, bundle)
{
	struct env *e = &self->e;
	struct result r;
	unsigned int i, j;
	__u64 addr;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		TH_LOG("%s", ways[i].name);
		for (j = 0; j < 5; j++) {
			way_add(e, &ways[i], j % NR_MEM, j * 5000, 1000);
			env_want(e, e->mem[j % NR_MEM] + j * 5000, 1000);
		}
		addr = entry_addr(e, i * 5 + 2);

		/* the last one is cut and its rest stays */
		ASSERT_EQ(0, way_send(e, &ways[i], 2500, BUNDLE, &r));
		EXPECT_TOOK(&r, 2500, i * 5);
		EXPECT_TRUE(r.flags & IORING_CQE_F_BUF_MORE);
		if (!e->zc && r.flags & IORING_CQE_F_MORE) {
			/* it goes on by itself, and sqe->len was for the first */
			ASSERT_EQ(0, env_wait(e, &r));
		} else {
			EXPECT_EQ(i * 5 + 2, env_head(e));
			EXPECT_LEFT(e, i * 5 + 2, addr + 500, 500);
			ASSERT_EQ(0, way_send(e, &ways[i], 0, BUNDLE, &r));
		}
		EXPECT_TOOK(&r, 2500, i * 5 + 2);
		EXPECT_FALSE(r.flags & IORING_CQE_F_BUF_MORE);
		EXPECT_EQ(i * 5 + 5, env_head(e));
	}
}

/* Nothing is sent: nothing is taken, unless a worker had to take it first. */
TEST_F(issued, shut_down)
{
	bool worker = variant->issue.sqe_flags & IOSQE_ASYNC;
	unsigned int i, j, head = 0;
	struct env *e = &self->e;
	struct result r;

	ASSERT_EQ(0, shutdown(e->fd, SHUT_WR));
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		TH_LOG("%s", ways[i].name);
		e->pbufs.tail = head;
		for (j = 0; j < 4; j++)
			way_add(e, &ways[i], 0, j * 5000, 1000);
		for (j = 0; j < 2; j++) {
			ASSERT_EQ(0, way_send(e, &ways[i], 1500, j ? BUNDLE : 0, &r));
			EXPECT_EQ(-EPIPE, r.res);
			EXPECT_EQ(worker, !!(r.flags & IORING_CQE_F_BUFFER));
			head += worker;
			EXPECT_EQ(head, env_head(e));
		}
	}
}

/* Sockets that take a part. */
FIXTURE(socket) {
	struct env e;
};

FIXTURE_VARIANT(socket) {
	struct way way;
	bool async;
};

FIXTURE_VARIANT_ADD(socket, send_zc) {
	.way = { "SEND_ZC", IORING_OP_SEND_ZC, IORING_RECVSEND_FIXED_BUF },
};

FIXTURE_VARIANT_ADD(socket, send) {
	.way = { "SEND", IORING_OP_SEND, IORING_RECVSEND_FIXED_BUF },
};

FIXTURE_VARIANT_ADD(socket, user_memory) {
	.way = { "SEND_ZC, user memory", IORING_OP_SEND_ZC, 0 },
};

FIXTURE_VARIANT_ADD(socket, send_zc_async) {
	.way = { "SEND_ZC", IORING_OP_SEND_ZC, IORING_RECVSEND_FIXED_BUF },
	.async = true,
};

FIXTURE_SETUP(socket)
{
	struct issue issue = { .sqe_flags = variant->async ? IOSQE_ASYNC : 0 };
	struct env *e = &self->e;
	int i;

	ASSERT_EQ(0, env_init_mem(e, &issue));
	ASSERT_EQ(0, inc_init(e));
	ASSERT_EQ(0, env_init_socket(e, AF_INET, SOCK_STREAM, 8192, 8192));
	for (i = 0; i < NR; i++) {
		way_add(e, &variant->way, i % NR_MEM, i * 5 % NR * LEN, LEN);
		env_want(e, e->mem[i % NR_MEM] + i * 5 % NR * LEN, LEN);
	}
}

FIXTURE_TEARDOWN(socket)
{
	EXPECT_EQ(0, env_finish(&self->e));
}

/*
 * MSG_DONTWAIT takes what it sends and no more: whatever comes next goes on
 * where it has stopped, not a byte is lost or sent twice.
 */
TEST_F(socket, dontwait)
{
	struct env *e = &self->e;
	unsigned int flags = MSG_DONTWAIT;
	struct io_uring_cqe cqe;
	int notifs = 0;
	long sent = 0;

	while (sent < NR * LEN || notifs) {
		unsigned int head = env_head(e);

		if (sent < NR * LEN)
			ASSERT_EQ(0, way_submit(e, &variant->way, 0, BUNDLE, flags));
		ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
		while (cqe.flags & IORING_CQE_F_NOTIF) {
			if (!--notifs && sent == NR * LEN)
				return;
			ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
		}
		notifs += e->zc;
		if (variant->async) {
			/* a worker takes all that it picks, sent or not */
			EXPECT_EQ(NR * LEN, taken(e, NR, LEN));
			e->want_len = cqe.res;
			ASSERT_EQ(0, reader_start(&e->reader));
			ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
			return;
		}
		if (cqe.res > 0) {
			sent += cqe.res;
			EXPECT_TRUE(cqe.flags & IORING_CQE_F_BUFFER);
			EXPECT_EQ(head, cqe_bid(cqe.flags));
			EXPECT_EQ(sent % LEN != 0,
				  !!(cqe.flags & IORING_CQE_F_BUF_MORE));
		} else {
			/* the socket is full: from now on there is a reader */
			ASSERT_EQ(-EAGAIN, cqe.res);
			EXPECT_FALSE(cqe.flags & IORING_CQE_F_BUFFER);
			EXPECT_LT(0, sent);
			EXPECT_GT(NR * LEN, sent);
			ASSERT_EQ(MSG_DONTWAIT, flags);
			flags = 0;
			ASSERT_EQ(0, reader_start(&e->reader));
		}
		EXPECT_EQ(sent, taken(e, NR, LEN));
		EXPECT_EQ(sent / LEN, env_head(e));
	}
}

/* One that waits has taken all, nobody else is to send that. */
TEST_F(socket, waits)
{
	struct env *e = &self->e;
	struct result r;

	ASSERT_EQ(0, way_submit(e, &variant->way, 0, BUNDLE, 0));
	ASSERT_EQ(0, env_wait_arrival(e));
	ASSERT_EQ(NULL, ring_peek(&e->ring));
	EXPECT_EQ(NR, env_head(e));
	EXPECT_EQ(NR * LEN, taken(e, NR, LEN));

	way_add(e, &variant->way, 1, 7, 100);
	env_want(e, e->mem[1] + 7, 100);
	ASSERT_EQ(0, reader_start(&e->reader));
	ASSERT_EQ(0, env_wait(e, &r));
	EXPECT_TOOK(&r, NR * LEN, 0);
	EXPECT_EQ(NR, env_head(e));
	ASSERT_EQ(0, way_send(e, &variant->way, 0, BUNDLE, &r));
	EXPECT_TOOK(&r, 100, NR);
	EXPECT_EQ(NR + 1, env_head(e));
}

/* Of a cut entry it takes the part that it has picked. */
TEST_F(socket, waits_cut)
{
	struct env *e = &self->e;
	struct result r;

	ASSERT_EQ(0, way_submit(e, &variant->way, NR * LEN - 1000, BUNDLE, 0));
	ASSERT_EQ(0, env_wait_arrival(e));
	ASSERT_EQ(NULL, ring_peek(&e->ring));
	EXPECT_EQ(NR - 1, env_head(e));
	EXPECT_EQ(NR * LEN - 1000, taken(e, NR, LEN));
	ASSERT_EQ(0, reader_start(&e->reader));
	ASSERT_EQ(0, env_wait(e, &r));
	EXPECT_TOOK(&r, NR * LEN - 1000, 0);
	EXPECT_TRUE(r.flags & IORING_CQE_F_BUF_MORE);
	ASSERT_EQ(0, way_send(e, &variant->way, 0, BUNDLE, &r));
	EXPECT_TOOK(&r, 1000, NR - 1);
	EXPECT_EQ(NR, env_head(e));
}

/* Nothing of it has been sent, and nobody else is to send it. */
TEST(datagram_waits)
{
	struct env env, *e = &env;
	struct result r;
	__u64 addr;
	int fd[2];

	ASSERT_EQ(0, env_init_mem(e, NULL));
	ASSERT_EQ(0, inc_init(e));
	ASSERT_EQ(0, socket_full(fd));
	e->fd = fd[0];
	env_add(e, 0, 100, 5000);
	addr = entry_addr(e, 0);
	ASSERT_EQ(0, way_submit(e, &ways[1], 1000, BUNDLE, 0));
	EXPECT_EQ(NULL, ring_peek(&e->ring));
	EXPECT_LEFT(e, 0, addr + 1000, 4000);
	ASSERT_EQ(0, socket_drop_one(fd[1]));
	ASSERT_EQ(0, env_wait(e, &r));
	EXPECT_TOOK(&r, 1000, 0);
	EXPECT_TRUE(r.flags & IORING_CQE_F_BUF_MORE);
	EXPECT_LEFT(e, 0, addr + 1000, 4000);
	EXPECT_EQ(0, socket_expect(fd[1], e->mem[0] + 100, 1000));
}

/* A datagram goes as a whole or stays as a whole. */
TEST(datagram_too_long)
{
	struct env env, *e = &env;
	struct result r;
	unsigned int i, j;

	ASSERT_EQ(0, env_init_mem(e, NULL));
	ASSERT_EQ(0, inc_init(e));
	ASSERT_EQ(0, env_init_socket(e, AF_INET, SOCK_DGRAM, 0, 0));
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		e->pbufs.tail = 0;
		for (j = 0; j < 3; j++)
			way_add(e, &ways[i], 0, j * 40000, 30000);
		ASSERT_EQ(0, way_send(e, &ways[i], 0, BUNDLE, &r));
		EXPECT_EQ(-EMSGSIZE, r.res);
		EXPECT_FALSE(r.flags & IORING_CQE_F_BUFFER);
		EXPECT_EQ(0, env_head(e));
		EXPECT_EQ(0, taken(e, 3, 30000));
	}
}

TEST_HARNESS_MAIN

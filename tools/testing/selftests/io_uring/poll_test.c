// SPDX-License-Identifier: GPL-2.0
/*
 * Requests that wait until a file is ready: IORING_RECVSEND_POLL_FIRST, by each
 * of the operations that take it, and multishot ones that a worker gets.
 */
#include <fcntl.h>

#include "issued.h"

#define LEN		3000

FIXTURE_SETUP(issued)
{
	struct env *e = &self->e;

	ASSERT_EQ(0, env_init_mem(e, &variant->issue));
	ASSERT_EQ(0, env_init_socket(e, AF_INET, SOCK_STREAM, 0, 0));
	e->issue.ioprio |= IORING_RECVSEND_POLL_FIRST;
}

FIXTURE_TEARDOWN(issued)
{
}

static struct io_uring_sqe *prep(struct env *e, unsigned char opcode, int fd)
{
	struct io_uring_sqe *sqe = ring_prep(&e->ring, opcode);

	sqe->fd = fd;
	sqe->flags = e->issue.sqe_flags;
	sqe->ioprio = e->issue.ioprio;
	sqe->msg_flags = MSG_WAITALL;
	e->zc = opcode == IORING_OP_SEND_ZC || opcode == IORING_OP_SENDMSG_ZC;
	return sqe;
}

TEST_F(issued, send)
{
	static const unsigned char opcodes[] = {
		IORING_OP_SEND, IORING_OP_SEND_ZC,
		IORING_OP_SENDMSG, IORING_OP_SENDMSG_ZC,
	};
	struct env *e = &self->e;
	struct result r;
	unsigned int i;

	ASSERT_EQ(0, reader_start(&e->reader));
	for (i = 0; i < ARRAY_SIZE(opcodes); i++) {
		struct io_uring_sqe *sqe = prep(e, opcodes[i], e->fd);
		struct iovec iov = { e->mem[i], LEN };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

		env_want(e, e->mem[i], LEN);
		sqe->addr = (unsigned long)e->mem[i];
		sqe->len = LEN;
		if (i >= 2) {
			sqe->addr = (unsigned long)&msg;
			sqe->len = 1;
		}
		ASSERT_EQ(0, ring_submit(&e->ring));
		ASSERT_EQ(0, env_wait(e, &r));
		EXPECT_EQ(LEN, r.res) TH_LOG("opcode %d", opcodes[i]);
		EXPECT_EQ(e->zc, r.nr_notifs) TH_LOG("opcode %d", opcodes[i]);
	}
	EXPECT_EQ(0, env_finish(e));
}

/* With the flag and without, when something has come, and before it does. */
TEST_F(issued, receive)
{
	static const struct {
		unsigned char opcode;
		bool late, plain;
	} t[] = {
		{ IORING_OP_RECV, false }, { IORING_OP_RECV, true },
		{ IORING_OP_RECV, false, true }, { IORING_OP_RECV, true, true },
		{ IORING_OP_RECVMSG, false }, { IORING_OP_RECVMSG, true },
		{ IORING_OP_RECVMSG, false, true }, { IORING_OP_RECVMSG, true, true },
	};
	struct env *e = &self->e;
	struct result r;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		struct io_uring_sqe *sqe = prep(e, t[i].opcode, e->reader.fd);
		char *data = e->mem[i % NR_MEM] + i;
		struct iovec iov = { e->reader.got, LEN };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

		sqe->addr = (unsigned long)e->reader.got;
		sqe->len = LEN;
		if (t[i].opcode == IORING_OP_RECVMSG) {
			sqe->addr = (unsigned long)&msg;
			sqe->len = 1;
		}
		if (t[i].plain)
			sqe->ioprio = 0;
		if (!t[i].late) {
			ASSERT_EQ(LEN, send(e->fd, data, LEN, 0));
			ASSERT_EQ(0, env_wait_arrival(e));
		}
		ASSERT_EQ(0, ring_submit(&e->ring));
		if (t[i].late)
			ASSERT_EQ(LEN, send(e->fd, data, LEN, 0));
		ASSERT_EQ(0, env_wait(e, &r));
		EXPECT_EQ(LEN, r.res) TH_LOG("%u", i);
		EXPECT_EQ(0, memcmp(e->reader.got, data, LEN)) TH_LOG("%u", i);
	}
}

/* To memory that the ring hands out, without a NIC that would write there. */
TEST(receive_zero_copy)
{
	static const struct issue issue = {
		.setup = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_CQE32,
	};
	struct io_uring_region_desc region = {
		.flags		= IORING_MEM_REGION_TYPE_USER,
		.size		= 4 * 4096,
	};
	struct io_uring_zcrx_area_reg area = { .len = MEM_SIZE };
	struct io_uring_zcrx_ifq_reg reg = {
		.flags		= ZCRX_REG_NODEV,
		.rq_entries	= 64,
		.area_ptr	= (unsigned long)&area,
		.region_ptr	= (unsigned long)&region,
	};
	struct env env, *e = &env;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe cqe;
	size_t len = 0;
	int ret;

	ASSERT_EQ(0, env_init_ring(e, &issue));
	ASSERT_EQ(0, env_mem(e, 0, LEN, 0, 0));
	ASSERT_EQ(0, env_mem(e, 1, MEM_SIZE, 0, 0));
	ASSERT_EQ(0, env_mem(e, 2, 4 * 4096, 0, 0));
	ASSERT_EQ(0, env_init_socket(e, AF_INET, SOCK_STREAM, 0, 0));
	area.addr = (unsigned long)e->mem[1];
	region.user_addr = (unsigned long)e->mem[2];
	ret = ring_register(&e->ring, IORING_REGISTER_ZCRX_IFQ, &reg, 1);
	if (ret == -EOPNOTSUPP)
		SKIP(return, "no CONFIG_IO_URING_ZCRX");
	ASSERT_EQ(0, ret);

	ASSERT_EQ(LEN, send(e->fd, e->mem[0], LEN, 0));
	sqe = ring_prep(&e->ring, IORING_OP_RECV_ZC);
	sqe->fd = e->reader.fd;
	sqe->ioprio = IORING_RECVSEND_POLL_FIRST | IORING_RECV_MULTISHOT;
	sqe->len = LEN;
	sqe->zcrx_ifq_idx = reg.zcrx_id;
	ASSERT_EQ(0, ring_submit(&e->ring));
	while (len < LEN) {
		const struct io_uring_zcrx_cqe *where;
		struct io_uring_cqe *next;

		while (!(next = ring_peek(&e->ring)))
			ASSERT_LE(0, io_uring_enter(e->ring.ring_fd, 0, 1,
						    IORING_ENTER_GETEVENTS, NULL));
		ASSERT_LT(0, next->res);
		ASSERT_TRUE(next->flags & IORING_CQE_F_MORE);
		where = (const void *)(next + 1);
		EXPECT_EQ(0, memcmp(e->mem[0] + len, e->mem[1] +
				    (where->off & ~IORING_ZCRX_AREA_MASK), next->res));
		len += next->res;
		io_uring_cqe_seen(&e->ring);
	}
	EXPECT_EQ(LEN, len);
	/* that was all that it was to receive */
	ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
	EXPECT_EQ(0, cqe.res);
	EXPECT_FALSE(cqe.flags & IORING_CQE_F_MORE);
}

/*
 * A file that a worker has to wait for, without polling: it reads once. A pipe
 * is one that has been spliced from.
 */
TEST(multishot_in_worker)
{
	struct env env, *e = &env;
	struct io_uring_sqe *sqe;
	struct result r;
	int fd[2], to[2];

	ASSERT_EQ(0, env_init_ring(e, NULL));
	ASSERT_EQ(0, env_mem(e, 0, LEN, 0, 0));
	ASSERT_EQ(0, pipe(fd));
	ASSERT_EQ(0, pipe(to));
	ASSERT_EQ(1, write(fd[1], "", 1));
	ASSERT_EQ(1, splice(fd[0], NULL, to[1], NULL, 1, 0));

	pbuf_ring_add(&e->pbufs, (unsigned long)e->mem[0], LEN, 5);
	pbuf_ring_add(&e->pbufs, (unsigned long)e->mem[0], LEN, 6);
	pbuf_ring_publish(&e->pbufs);
	sqe = ring_prep_select(&e->ring, IORING_OP_READ_MULTISHOT, fd[0], BGID, 0, 0);
	sqe->flags |= IOSQE_ASYNC;
	sqe->off = -1;
	ASSERT_EQ(0, ring_submit(&e->ring));
	ASSERT_EQ(4, write(fd[1], "late", 4));
	ASSERT_EQ(0, env_wait(e, &r));
	EXPECT_TOOK(&r, 4, 5);
	EXPECT_FALSE(r.flags & IORING_CQE_F_MORE);
	EXPECT_EQ(0, memcmp(e->mem[0], "late", 4));
	EXPECT_EQ(1, env_head(e));
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/*
 * SEND_ZC in link chains: a notification comes exactly where the CQE of its
 * send has announced it.
 */
#include "issued.h"

FIXTURE_SETUP(issued)
{
	ASSERT_EQ(0, env_init(&self->e, &variant->issue));
}

FIXTURE_TEARDOWN(issued)
{
	EXPECT_EQ(0, env_finish(&self->e));
}

static void check_nothing_left(struct __test_metadata *_metadata, struct env *e)
{
	struct io_uring_cqe cqe;
	int i;

	/* task work that is pending runs ahead of these */
	for (i = 0; i < 4; i++) {
		ring_prep(&e->ring, IORING_OP_NOP)->user_data = 0x6e6f70;
		ASSERT_EQ(0, ring_submit(&e->ring));
		ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
		EXPECT_EQ(0x6e6f70, cqe.user_data);
	}
}

/* Collect @left send CQEs in the order of their user_data, from 1 on. */
static void collect(struct __test_metadata *_metadata, struct env *e, int left,
		    int res)
{
	struct io_uring_cqe cqe;
	int notifs = 0, next = 1;

	while (left || notifs) {
		ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
		if (cqe.flags & IORING_CQE_F_NOTIF) {
			EXPECT_LT(0, notifs);
			notifs--;
			continue;
		}
		EXPECT_EQ(next, cqe.user_data);
		EXPECT_EQ(res, cqe.res);
		EXPECT_TRUE(cqe.flags & IORING_CQE_F_MORE);
		notifs++;
		next++;
		left--;
	}
}

/* Links keep the order of bundles on one socket. */
TEST_F(issued, in_order)
{
	struct env *e = &self->e;
	struct io_uring_sqe *sqe;
	int i;

	for (i = 0; i < 40; i++)
		env_add_want(e, 0, i * 5 * 4096 % MEM_SIZE, 1000);
	for (i = 0; i < 4; i++) {
		sqe = env_prep(e, IORING_OP_SEND_ZC, 10 * 1000, SEL_BUNDLE);
		sqe->user_data = i + 1;
		if (i < 3)
			sqe->flags |= IOSQE_IO_LINK;
	}
	ASSERT_EQ(0, ring_submit(&e->ring));
	collect(_metadata, e, 4, 10 * 1000);
}

/* More of them than the ring keeps memory for when they are done. */
TEST(long_chain)
{
	const struct issue issue = { .entries = 256 };
	struct env env, *e = &env;
	struct io_uring_sqe *sqe;
	int i;

	ASSERT_EQ(0, env_init(e, &issue));
	for (i = 0; i < 200; i++) {
		env_add_want(e, i % NR_MEM, i * 1009, 100);
		sqe = env_prep(e, IORING_OP_SEND_ZC, 0, SEL_REG);
		sqe->user_data = i + 1;
		if (i < 199)
			sqe->flags |= IOSQE_IO_LINK;
	}
	ASSERT_EQ(0, ring_submit(&e->ring));
	collect(_metadata, e, 200, 100);
	EXPECT_EQ(0, env_finish(e));
}

static struct io_uring_sqe *prep_accept(struct env *e, int server,
					unsigned short ioprio)
{
	struct io_uring_sqe *sqe = ring_prep(&e->ring, IORING_OP_ACCEPT);

	sqe->fd = server;
	sqe->ioprio = ioprio;
	e->zc = false;
	return sqe;
}

/* A worker goes on with what is linked, and does not poll for that. */
TEST(poll_first_in_worker)
{
	static const unsigned char opcodes[] = {
		IORING_OP_SEND_ZC, IORING_OP_SEND, IORING_OP_RECV,
		IORING_OP_ACCEPT,
	};
	struct sockaddr_storage ss;
	struct env env, *e = &env;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe cqe;
	unsigned int i, left;
	char got[1000];
	int fd[2], server, client;

	ASSERT_EQ(0, env_init(e, NULL));
	server = socket_listen(AF_INET, SOCK_STREAM, &ss);
	client = socket(AF_INET, SOCK_STREAM, 0);
	ASSERT_EQ(0, connect(client, (void *)&ss, sizeof(struct sockaddr_in)));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	ASSERT_EQ(sizeof(got), send(fd[1], e->mem[0], sizeof(got), 0));
	for (i = 0; i < 2; i++)
		env_add_want(e, i, 5000, 1000);
	sqe = ring_prep(&e->ring, IORING_OP_NOP);
	sqe->flags = IOSQE_ASYNC | IOSQE_IO_LINK;
	sqe->user_data = ARRAY_SIZE(opcodes);
	for (i = 0; i < ARRAY_SIZE(opcodes); i++) {
		switch (opcodes[i]) {
		case IORING_OP_RECV:
			sqe = ring_prep(&e->ring, IORING_OP_RECV);
			sqe->fd = fd[0];
			sqe->addr = (unsigned long)got;
			sqe->len = sizeof(got);
			sqe->ioprio = IORING_RECVSEND_POLL_FIRST;
			break;
		case IORING_OP_ACCEPT:
			sqe = prep_accept(e, server, IORING_ACCEPT_POLL_FIRST);
			break;
		default:
			sqe = env_prep(e, opcodes[i], 1000, SEL_BUNDLE);
			sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
		}
		if (i < ARRAY_SIZE(opcodes) - 1)
			sqe->flags |= IOSQE_IO_LINK;
		sqe->user_data = i;
	}
	ASSERT_EQ(0, ring_submit(&e->ring));
	/* the NOP, the notification and these */
	for (left = ARRAY_SIZE(opcodes) + 2; left; left--) {
		ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
		if (cqe.user_data == ARRAY_SIZE(opcodes) ||
		    cqe.flags & IORING_CQE_F_NOTIF)
			continue;
		if (opcodes[cqe.user_data] == IORING_OP_ACCEPT) {
			EXPECT_EQ(0, close(cqe.res))
				TH_LOG("accepted: %d", cqe.res);
		} else {
			EXPECT_EQ(1000, cqe.res)
				TH_LOG("opcode %d", opcodes[cqe.user_data]);
		}
	}
	EXPECT_EQ(0, memcmp(got, e->mem[0], sizeof(got)));
	EXPECT_EQ(2, env_head(e));
	EXPECT_EQ(0, env_finish(e));
}

/* Nor does it block for what may not wait. */
TEST(poll_first_without_waiting)
{
	static const unsigned char opcodes[] = {
		IORING_OP_SEND_ZC, IORING_OP_SEND, IORING_OP_ACCEPT,
	};
	struct env env, *e = &env;
	struct sockaddr_storage ss;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe cqe;
	struct result r;
	unsigned int i;
	int server;

	ASSERT_EQ(0, env_init(e, NULL));
	server = socket_listen(AF_INET, SOCK_STREAM, &ss);
	ASSERT_LE(0, server);
	env_add(e, 0, 0, 1000);
	for (i = 0; i < ARRAY_SIZE(opcodes); i++) {
		ring_prep(&e->ring, IORING_OP_NOP)->flags = IOSQE_ASYNC | IOSQE_IO_LINK;
		if (opcodes[i] == IORING_OP_ACCEPT) {
			prep_accept(e, server, IORING_ACCEPT_POLL_FIRST | IORING_ACCEPT_DONTWAIT);
		} else {
			sqe = env_prep(e, opcodes[i], 0, SEL_BUNDLE | IORING_RECVSEND_POLL_FIRST);
			sqe->msg_flags |= MSG_DONTWAIT;
		}
		ASSERT_EQ(0, ring_submit(&e->ring));
		ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
		EXPECT_EQ(0, cqe.res);
		ASSERT_EQ(0, env_wait(e, &r));
		EXPECT_EQ(-EAGAIN, r.res)
			TH_LOG("opcode %d", opcodes[i]);
		EXPECT_FALSE(r.flags & IORING_CQE_F_BUFFER);
	}
	EXPECT_EQ(0, env_head(e));
	EXPECT_EQ(0, env_finish(e));
	close(server);
}

/*
 * IOSQE_IO_DRAIN: after all that came before, and ahead of all that comes
 * after. Its own notification is not among what it waits for, but is for what
 * is behind it.
 */
TEST_F(issued, drained)
{
	struct env *e = &self->e;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe cqe;
	int fd[2], notifs = 0, next = 1;

	ASSERT_EQ(0, pipe(fd));
	env_add_want(e, 0, 0, 1000);
	env_add_want(e, 1, 0, 1000);

	sqe = ring_prep(&e->ring, IORING_OP_POLL_ADD);
	sqe->user_data = 1;
	sqe->fd = fd[0];
	sqe->poll_events = POLLIN;
	sqe = env_prep(e, IORING_OP_SEND_ZC, 0, SEL_REG);
	sqe->user_data = 2;
	sqe->flags |= IOSQE_IO_DRAIN | IOSQE_IO_LINK;
	env_prep(e, IORING_OP_SEND_ZC, 0, SEL_REG)->user_data = 3;
	ring_prep(&e->ring, IORING_OP_NOP)->user_data = 4;
	ASSERT_EQ(0, ring_submit(&e->ring));
	EXPECT_EQ(0, env_head(e));
	EXPECT_EQ(NULL, ring_peek(&e->ring));
	ASSERT_EQ(1, write(fd[1], "", 1));
	while (next <= 4 || notifs) {
		ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
		if (cqe.flags & IORING_CQE_F_NOTIF) {
			EXPECT_LE(0, --notifs);
			continue;
		}
		EXPECT_EQ(next, cqe.user_data);
		if (next == 4)
			EXPECT_EQ(0, notifs);
		next++;
		if (cqe.flags & IORING_CQE_F_MORE) {
			EXPECT_EQ(1000, cqe.res);
			notifs++;
		}
	}
	close(fd[0]);
	close(fd[1]);
}

/* The head fails: the CQE of each member that has a notification announces it. */
TEST_F(issued, cancelled)
{
	struct env *e = &self->e;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe cqe;
	int i;

	sqe = ring_prep(&e->ring, IORING_OP_READ);
	sqe->fd = -1;
	sqe->flags = IOSQE_IO_LINK;
	ring_prep(&e->ring, IORING_OP_NOP)->flags = IOSQE_IO_LINK;
	for (i = 1; i <= 3; i++) {
		sqe = env_prep(e, IORING_OP_SEND_ZC, 0, SEL_BUNDLE);
		sqe->user_data = i;
		if (i < 3)
			sqe->flags |= IOSQE_IO_LINK;
	}
	env_add(e, 0, 0, 1000);
	ASSERT_EQ(0, ring_submit(&e->ring));
	ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
	EXPECT_EQ(-EBADF, cqe.res);
	ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
	EXPECT_EQ(-ECANCELED, cqe.res);
	EXPECT_EQ(0, cqe.flags);
	collect(_metadata, e, 3, -ECANCELED);
	EXPECT_EQ(0, env_head(e));
	check_nothing_left(_metadata, e);
}

/* No CQEs are wanted of what follows: no notifications, either. */
TEST_F(issued, cancelled_silently)
{
	struct env *e = &self->e;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe cqe;

	sqe = ring_prep(&e->ring, IORING_OP_READ);
	sqe->fd = -1;
	sqe->flags = IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
	env_prep(e, IORING_OP_SEND_ZC, 0, SEL_BUNDLE)->user_data = 1;
	env_add(e, 0, 0, 1000);
	ASSERT_EQ(0, ring_submit(&e->ring));
	ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
	EXPECT_EQ(-EBADF, cqe.res);
	check_nothing_left(_metadata, e);
	EXPECT_EQ(0, env_head(e));
}

TEST_HARNESS_MAIN

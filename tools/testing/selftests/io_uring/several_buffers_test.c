// SPDX-License-Identifier: GPL-2.0
/*
 * Bundles that cross from one registered buffer into another: one request, one
 * notification, and all of them are held until then.
 */
#include "issued.h"

#define NR		256
#define LEN		4096
/* slots of a larger table, of a piece of memory each */
#define SLOTS		256
#define SLOT_LEN	5000

FIXTURE_SETUP(issued)
{
	ASSERT_EQ(0, env_init(&self->e, &variant->issue));
}

FIXTURE_TEARDOWN(issued)
{
	EXPECT_EQ(0, env_finish(&self->e));
}

TEST_F(issued, in_turn)
{
	struct env *e = &self->e;
	struct result r;
	int i, sum = 0;

	for (i = 0; i < NR; i++) {
		env_add_want(e, i % NR_MEM, i * 1009, 999 + i);
		sum += 999 + i;
	}
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, sum, 0);
	EXPECT_EQ(NR, env_head(e));
}

/*
 * Neighbours in one, then the other. Where the second one starts is where the
 * first one ends, as far as offsets tell.
 */
TEST_F(issued, neighbours)
{
	struct env *e = &self->e;
	struct result r;
	int i;

	for (i = 0; i < 60; i++)
		env_add_want(e, i / 20, i * 1009, 1009);
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, 60 * 1009, 0);
	EXPECT_EQ(60, env_head(e));
}

/* Where the memory of one ends that of the other starts. */
TEST_F(issued, adjacent)
{
	struct env *e = &self->e;
	struct iovec iov[2] = {
		{ e->mem[0], 16 * LEN }, { e->mem[0] + 16 * LEN, 16 * LEN },
	};
	struct result r;
	int i;

	ASSERT_EQ(0, ring_register(&e->ring, IORING_UNREGISTER_BUFFERS, NULL, 0));
	ASSERT_EQ(0, io_uring_register_buffers(&e->ring, iov, 2));
	for (i = 0; i < 32; i++) {
		env_add(e, i / 16, i % 16 * LEN, LEN);
		env_want(e, e->mem[0] + i * LEN, LEN);
	}
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, 32 * LEN, 0);
}

/* sqe->len ends it at an entry, whichever buffer that is of. */
TEST_F(issued, len)
{
	struct env *e = &self->e;
	struct result r;
	int i;

	for (i = 0; i < 8; i++)
		env_add_want(e, i % NR_MEM, i * LEN, LEN);
	ASSERT_EQ(0, env_send(e, 3 * LEN + 1, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, 3 * LEN, 0);
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, 5 * LEN, 3);
}

/* A bad one ends it, and those ahead of it are sent. */
TEST_F(issued, later_bad)
{
	struct env *e = &self->e;
	struct result r;
	int i;

	for (i = 0; i < 5; i++)
		env_add_want(e, i % NR_MEM, i * LEN, LEN);
	env_add(e, NR_MEM, 0, LEN);
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, 5 * LEN, 0);
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_NOTHING_TAKEN(&r, -EFAULT);
	EXPECT_EQ(5, env_head(e));
}

/* Each entry may name another one. */
TEST_F(issued, as_many_as_entries)
{
	struct env *e = &self->e;
	struct iovec iov[SLOTS];
	struct result r;
	int i, round;

	ASSERT_EQ(0, ring_register(&e->ring, IORING_UNREGISTER_BUFFERS, NULL, 0));
	for (i = 0; i < SLOTS; i++) {
		iov[i].iov_base = e->mem[i % NR_MEM] + i / NR_MEM * SLOT_LEN;
		iov[i].iov_len = SLOT_LEN;
	}
	ASSERT_EQ(0, io_uring_register_buffers(&e->ring, iov, SLOTS));
	for (round = 0; round < 3; round++) {
		for (i = 0; i < SLOTS; i++) {
			env_add(e, i, i, 1000);
			env_want(e, iov[i].iov_base + i, 1000);
		}
		ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
		EXPECT_SENT(&r, SLOTS * 1000, round * SLOTS);
		EXPECT_EQ((round + 1) * SLOTS, env_head(e));
	}
}

/* A bundle of 0, 1 and 2, but not 3, that is stuck half way. */
FIXTURE(stuck) {
	struct env e;
};

FIXTURE_VARIANT(stuck) {
	struct issue issue;
};

FIXTURE_VARIANT_ADD(stuck, inline) {
	.issue = { 0 },
};

FIXTURE_VARIANT_ADD(stuck, defer_taskrun) {
	.issue.setup = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

FIXTURE_VARIANT_ADD(stuck, async) {
	.issue.sqe_flags = IOSQE_ASYNC,
};

FIXTURE_SETUP(stuck)
{
	struct env *e = &self->e;
	int i;

	ASSERT_EQ(0, env_init_tagged(e, &variant->issue));
	ASSERT_EQ(0, env_init_socket(e, AF_INET, SOCK_STREAM, 8192, 8192));
	for (i = 0; i < NR; i++)
		env_add_want(e, i % 3, i * 5 % NR * LEN, LEN);
	env_prep(e, IORING_OP_SEND_ZC, 0, SEL_BUNDLE)->user_data = 1;
	ASSERT_EQ(0, ring_submit(&e->ring));
	ASSERT_EQ(0, env_wait_arrival(e));
	ASSERT_EQ(NULL, ring_peek(&e->ring));
	EXPECT_EQ(NR, env_head(e));
}

FIXTURE_TEARDOWN(stuck)
{
	EXPECT_EQ(0, env_finish(&self->e));
}

TEST_F(stuck, unregister)
{
	struct env *e = &self->e;
	struct io_uring_cqe cqe;
	int i;

	ASSERT_EQ(0, ring_register(&e->ring, IORING_UNREGISTER_BUFFERS, NULL, 0));
	ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
	EXPECT_EQ(TAG + 3, cqe.user_data);
	EXPECT_EQ(NULL, ring_peek(&e->ring));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, env_poison(e, i));
	expect_in_order(_metadata, e, NR * LEN, 0x7);
}

/* Who waits for both CQEs at once is woken for each of them. */
TEST_F(stuck, both_at_once)
{
	struct env *e = &self->e;
	struct io_uring_cqe cqe;

	ASSERT_EQ(0, reader_start(&e->reader));
	ASSERT_LE(0, io_uring_enter(e->ring.ring_fd, 0, 2, IORING_ENTER_GETEVENTS,
				    NULL));
	ASSERT_NE(NULL, ring_peek(&e->ring));
	ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
	EXPECT_EQ(NR * LEN, cqe.res);
	ASSERT_NE(NULL, ring_peek(&e->ring));
	ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
	EXPECT_EQ(IORING_CQE_F_NOTIF, cqe.flags);
}

/* One slot of them is given to other memory. */
TEST_F(stuck, update)
{
	struct env *e = &self->e;
	struct result r;

	ASSERT_EQ(0, env_update(e, 1, 3));
	EXPECT_EQ(NULL, ring_peek(&e->ring));
	ASSERT_EQ(0, env_poison(e, 1));
	expect_in_order(_metadata, e, NR * LEN, 0x2);

	env_add(e, 1, 100, LEN);
	env_want(e, e->mem[3] + 100, LEN);
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, LEN, NR);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/*
 * Registered memory stays pinned until the notification, whatever happens to
 * the table meanwhile, and the tag of a slot comes after that.
 */
#include "common.h"

#define NR		256
#define LEN		4096

FIXTURE(lifetime) {
	struct env e;
};

FIXTURE_VARIANT(lifetime) {
	bool without_select;
};

FIXTURE_VARIANT_ADD(lifetime, bundle) {
	.without_select = false,
};

/* one registered buffer, named in the SQE */
FIXTURE_VARIANT_ADD(lifetime, without_select) {
	.without_select = true,
};

FIXTURE_SETUP(lifetime)
{
	struct env *e = &self->e;
	struct io_uring_sqe *sqe;
	unsigned int i;

	ASSERT_EQ(0, env_init_tagged(e, NULL));
	ASSERT_EQ(0, env_init_socket(e, AF_INET, SOCK_STREAM, 8192, 8192));
	/* something that is stuck half way */
	if (variant->without_select) {
		sqe = env_prep_named(e, IORING_OP_SEND_ZC, 0, 0, NR * LEN);
		env_want(e, e->mem[0], NR * LEN);
	} else {
		sqe = env_prep(e, IORING_OP_SEND_ZC, 0, SEL_BUNDLE);
		for (i = 0; i < NR; i++)
			env_add_want(e, 0, i * 5 % NR * LEN, LEN);
	}
	sqe->user_data = 1;
	ASSERT_EQ(0, ring_submit(&e->ring));
	ASSERT_EQ(0, env_wait_arrival(e));
	ASSERT_EQ(NULL, ring_peek(&e->ring));
}

FIXTURE_TEARDOWN(lifetime)
{
	EXPECT_EQ(0, env_finish(&self->e));
}

TEST_F(lifetime, unregister)
{
	struct env *e = &self->e;
	struct io_uring_cqe cqe;
	int i;

	ASSERT_EQ(0, ring_register(&e->ring, IORING_UNREGISTER_BUFFERS, NULL, 0));
	/* those that nobody uses are free at once */
	for (i = 1; i < NR_MEM; i++) {
		ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
		EXPECT_LT(TAG, cqe.user_data);
	}
	EXPECT_EQ(NULL, ring_peek(&e->ring));
	ASSERT_EQ(0, env_poison(e, 0));
	expect_in_order(_metadata, e, NR * LEN, 1 << 0);
}

/* The slot is free for other memory at once. */
TEST_F(lifetime, update)
{
	struct env *e = &self->e;
	struct result r;

	ASSERT_EQ(0, env_update(e, 0, 1));
	EXPECT_EQ(NULL, ring_peek(&e->ring));
	ASSERT_EQ(0, env_poison(e, 0));
	expect_in_order(_metadata, e, NR * LEN, 1 << 0);

	env_add(e, 0, 100, LEN);
	env_want(e, e->mem[1] + 100, LEN);
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, LEN, variant->without_select ? 0 : NR);
}

/* Nor does it matter what becomes of the group. */
TEST_F(lifetime, group_unregistered)
{
	struct io_uring_buf_reg reg = { .bgid = BGID };
	struct env *e = &self->e;

	ASSERT_EQ(0, ring_register(&e->ring, IORING_UNREGISTER_PBUF_RING, &reg, 1));
	memset(e->pbufs.br, 0xff, e->pbufs.size);
	munmap(e->pbufs.br, e->pbufs.size);
	ASSERT_EQ(0, ring_register(&e->ring, IORING_UNREGISTER_BUFFERS, NULL, 0));
	while (ring_peek(&e->ring))
		io_uring_cqe_seen(&e->ring);
	ASSERT_EQ(0, env_poison(e, 0));
	expect_in_order(_metadata, e, NR * LEN, 1 << 0);
}

TEST_HARNESS_MAIN

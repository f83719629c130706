// SPDX-License-Identifier: GPL-2.0
/*
 * Entries that name no registered memory. User space writes them and may write
 * anything: a bad first one fails the request and stays, a bad later one ends
 * the bundle before it.
 */
#include "issued.h"

#define SLOTS		16
#define FILLED		3
#define EMPTY		4

FIXTURE(bad) {
	struct env e;
};

FIXTURE_VARIANT(bad) {
	__u64 addr;
	__u32 len;
	int err;
};

FIXTURE_VARIANT_ADD(bad, len_0) {
	.addr = IOU_BUF_REGBUF_ADDR(FILLED, 0),
	.len = 0,
	.err = -ENOBUFS,
};

FIXTURE_VARIANT_ADD(bad, len_0_and_bad_index) {
	.addr = IOU_BUF_REGBUF_ADDR(SLOTS, 0),
	.len = 0,
	.err = -ENOBUFS,
};

/* where the last good entry of 'later' has ended */
FIXTURE_VARIANT_ADD(bad, len_0_in_a_row) {
	.addr = IOU_BUF_REGBUF_ADDR(FILLED, 2 * 8192 + 4096),
	.len = 0,
	.err = -ENOBUFS,
};

FIXTURE_VARIANT_ADD(bad, empty_slot) {
	.addr = IOU_BUF_REGBUF_ADDR(EMPTY, 0),
	.len = 1,
	.err = -EFAULT,
};

FIXTURE_VARIANT_ADD(bad, index_behind_the_table) {
	.addr = IOU_BUF_REGBUF_ADDR(SLOTS, 0),
	.len = 1,
	.err = -EFAULT,
};

FIXTURE_VARIANT_ADD(bad, index_of_17_bits) {
	.addr = IOU_BUF_REGBUF_ADDR(65536 + FILLED, 0),
	.len = 1,
	.err = -EFAULT,
};

FIXTURE_VARIANT_ADD(bad, largest_index) {
	.addr = IOU_BUF_REGBUF_ADDR((1 << 20) - 1, 0),
	.len = 1,
	.err = -EFAULT,
};

FIXTURE_VARIANT_ADD(bad, one_byte_too_long) {
	.addr = IOU_BUF_REGBUF_ADDR(FILLED, 0),
	.len = MEM_SIZE + 1,
	.err = -EFAULT,
};

FIXTURE_VARIANT_ADD(bad, one_byte_behind) {
	.addr = IOU_BUF_REGBUF_ADDR(FILLED, MEM_SIZE),
	.len = 1,
	.err = -EFAULT,
};

FIXTURE_VARIANT_ADD(bad, across_the_end) {
	.addr = IOU_BUF_REGBUF_ADDR(FILLED, MEM_SIZE - 1),
	.len = 2,
	.err = -EFAULT,
};

FIXTURE_VARIANT_ADD(bad, longest) {
	.addr = IOU_BUF_REGBUF_ADDR(FILLED, 0),
	.len = ~0U,
	.err = -EFAULT,
};

FIXTURE_VARIANT_ADD(bad, longest_from_the_last_byte) {
	.addr = IOU_BUF_REGBUF_ADDR(FILLED, MEM_SIZE - 1),
	.len = ~0U,
	.err = -EFAULT,
};

FIXTURE_VARIANT_ADD(bad, largest_offset) {
	.addr = IOU_BUF_REGBUF_ADDR(FILLED, (1ULL << 44) - 1),
	.len = 1,
	.err = -EFAULT,
};

FIXTURE_VARIANT_ADD(bad, offset_of_33_bits) {
	.addr = IOU_BUF_REGBUF_ADDR(FILLED, 1ULL << 32),
	.len = 1,
	.err = -EFAULT,
};

FIXTURE_VARIANT_ADD(bad, all_ones) {
	.addr = ~0ULL,
	.len = ~0U,
	.err = -EFAULT,
};

FIXTURE_SETUP(bad)
{
	struct env *e = &self->e;

	ASSERT_EQ(0, env_init_ring(e, NULL));
	ASSERT_EQ(0, env_mem(e, FILLED, MEM_SIZE, 0, 0));
	ASSERT_EQ(0, env_register_sparse(e, SLOTS));
	ASSERT_EQ(0, env_update(e, FILLED, FILLED));
	ASSERT_EQ(0, env_init_socket(e, AF_INET, SOCK_STREAM, 0, 0));
	ASSERT_EQ(0, reader_start(&e->reader));
}

FIXTURE_TEARDOWN(bad)
{
	EXPECT_EQ(0, env_finish(&self->e));
}

TEST_F(bad, first)
{
	static const unsigned short ioprio[] = { SEL_REG, SEL_BUNDLE };
	/* 0 and 1: that sqe->len cuts the entry does not make it a good one */
	static const unsigned int len[] = { 0, 1 };
	struct env *e = &self->e;
	struct result r;
	unsigned int i, j;

	pbuf_ring_add(&e->pbufs, variant->addr, variant->len, 0);
	env_add(e, FILLED, 0, 4096);
	for (i = 0; i < ARRAY_SIZE(ioprio); i++) {
		for (j = 0; j < ARRAY_SIZE(len); j++) {
			ASSERT_EQ(0, env_send(e, len[j], ioprio[i], &r));
			EXPECT_NOTHING_TAKEN(&r, variant->err);
			EXPECT_EQ(0, env_head(e));
		}
	}
}

TEST_F(bad, later)
{
	struct env *e = &self->e;
	struct result r;
	int i;

	/* in a row, then apart, so that there is something to unwind */
	for (i = 0; i < 3; i++)
		env_add_want(e, FILLED, i * 4096, 4096);
	for (i = 0; i < 3; i++)
		env_add_want(e, FILLED, i * 8192, 4096);
	pbuf_ring_add(&e->pbufs, variant->addr, variant->len, 6);
	env_add(e, FILLED, 0, 4096);

	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, 6 * 4096, 0);
	EXPECT_EQ(6, env_head(e));
	/* the next one meets it first */
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_NOTHING_TAKEN(&r, variant->err);
	EXPECT_EQ(6, env_head(e));
}

/* No entry at all, no group, no table. */
FIXTURE_SETUP(issued)
{
	ASSERT_EQ(0, env_init(&self->e, &variant->issue));
}

FIXTURE_TEARDOWN(issued)
{
	EXPECT_EQ(0, env_finish(&self->e));
}

TEST_F(issued, empty_ring)
{
	struct env *e = &self->e;
	struct result r;

	ASSERT_EQ(0, env_send(e, 0, SEL_REG, &r));
	EXPECT_NOTHING_TAKEN(&r, -ENOBUFS);
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_NOTHING_TAKEN(&r, -ENOBUFS);
	/* the last good one, then none */
	env_add_want(e, 0, 0, 10);
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, 10, 0);
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_NOTHING_TAKEN(&r, -ENOBUFS);
}

TEST_F(issued, no_group)
{
	struct env *e = &self->e;
	struct io_uring_sqe *sqe;
	struct result r;

	env_add(e, 0, 0, 10);
	/* the group's ID is the index of a registered buffer, too */
	sqe = env_prep(e, IORING_OP_SEND_ZC, 0, SEL_REG);
	sqe->buf_group = 0;
	sqe->addr = (unsigned long)e->mem[0];
	sqe->len = 4096;
	ASSERT_EQ(0, ring_submit(&e->ring));
	ASSERT_EQ(0, env_wait(e, &r));
	EXPECT_NOTHING_TAKEN(&r, -ENOENT);
	EXPECT_EQ(0, env_head(e));
}

TEST_F(issued, no_table)
{
	struct env *e = &self->e;
	struct result r;

	ASSERT_EQ(0, ring_register(&e->ring, IORING_UNREGISTER_BUFFERS, NULL, 0));
	env_add(e, 0, 0, 10);
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_NOTHING_TAKEN(&r, -EFAULT);
	EXPECT_EQ(0, env_head(e));
}

TEST_HARNESS_MAIN

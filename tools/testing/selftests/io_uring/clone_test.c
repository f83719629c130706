// SPDX-License-Identifier: GPL-2.0
/*
 * Two rings that share registered memory, one of which has cloned the table of
 * the other.
 */
#include "common.h"

#define NR		256
#define LEN		4096
#define SLOTS		8

FIXTURE(clone) {
	struct env src, dst;
};

static int clone_buffers(struct env *dst, const struct env *src,
			 unsigned int src_off, unsigned int dst_off, unsigned int nr)
{
	struct io_uring_clone_buffers arg = {
		.src_fd		= src->ring.ring_fd,
		.src_off	= src_off,
		.dst_off	= dst_off,
		.nr		= nr,
	};
	unsigned int i;

	for (i = 0; i < NR_MEM; i++) {
		dst->mem[i] = src->mem[i];
		dst->mem_len[i] = src->mem_len[i];
	}
	return ring_register(&dst->ring, IORING_REGISTER_CLONE_BUFFERS, &arg, 1);
}

FIXTURE_SETUP(clone)
{
	ASSERT_EQ(0, env_init_mem(&self->src, NULL));
	ASSERT_EQ(0, env_init_ring(&self->dst, NULL));
	ASSERT_EQ(0, env_init_socket(&self->src, AF_INET, SOCK_STREAM, 8192, 8192));
	ASSERT_EQ(0, env_init_socket(&self->dst, AF_INET, SOCK_STREAM, 8192, 8192));
}

FIXTURE_TEARDOWN(clone)
{
}

static int stuck_half_way(struct env *e, unsigned int step)
{
	int i;

	for (i = 0; i < NR; i++)
		env_add_want(e, i % NR_MEM, i * step % NR * LEN, LEN);
	env_prep(e, IORING_OP_SEND_ZC, 0, SEL_BUNDLE);
	if (ring_submit(&e->ring) || env_wait_arrival(e))
		return -errno;
	return ring_peek(&e->ring) ? -EPROTO : 0;
}

static void finish(struct __test_metadata *_metadata, struct env *e)
{
	struct result r;

	ASSERT_EQ(0, reader_start(&e->reader));
	ASSERT_EQ(0, env_wait(e, &r));
	EXPECT_SENT(&r, NR * LEN, 0);
	EXPECT_EQ(0, env_finish(e));
}

/*
 * Both send the same memory, and neither cares for the other's table. An emulator
 * takes its time to use that much memory.
 */
TEST_F_TIMEOUT(clone, both_in_flight, 120)
{
	struct env *src = &self->src, *dst = &self->dst;
	int i;

	ASSERT_EQ(0, clone_buffers(dst, src, 0, 0, 0));
	ASSERT_EQ(0, stuck_half_way(src, 5));
	ASSERT_EQ(0, stuck_half_way(dst, 7));
	ASSERT_EQ(0, ring_register(&src->ring, IORING_UNREGISTER_BUFFERS, NULL, 0));
	ASSERT_EQ(0, ring_register(&dst->ring, IORING_UNREGISTER_BUFFERS, NULL, 0));
	for (i = 0; i < NR_MEM; i++)
		ASSERT_EQ(0, env_poison(src, i));
	finish(_metadata, dst);
	finish(_metadata, src);
}

/* The ring that it was cloned from is gone, and so is all user memory. */
TEST_F_TIMEOUT(clone, source_closed, 120)
{
	struct env *src = &self->src, *dst = &self->dst;
	int i;

	ASSERT_EQ(0, clone_buffers(dst, src, 0, 0, 0));
	ring_exit(&src->ring);
	ASSERT_EQ(0, stuck_half_way(dst, 5));
	for (i = 0; i < NR_MEM; i++)
		ASSERT_EQ(0, env_poison(src, i));
	finish(_metadata, dst);
}

/* A part of the table, elsewhere in a table that is otherwise empty. */
TEST_F(clone, sparse)
{
	struct env *src = &self->src, *dst = &self->dst;
	struct result r;
	int i;

	ASSERT_EQ(0, clone_buffers(dst, src, 1, SLOTS - 2, 2));
	ASSERT_EQ(0, reader_start(&dst->reader));
	for (i = 0; i < 20; i++) {
		env_add(dst, SLOTS - 2 + i % 2, i * LEN, LEN);
		env_want(dst, src->mem[1 + i % 2] + i * LEN, LEN);
	}
	env_add(dst, 1, 0, LEN);
	ASSERT_EQ(0, env_send(dst, 0, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, 20 * LEN, 0);
	ASSERT_EQ(0, env_send(dst, 0, SEL_BUNDLE, &r));
	EXPECT_NOTHING_TAKEN(&r, -EFAULT);
	EXPECT_EQ(20, env_head(dst));
	EXPECT_EQ(0, env_finish(dst));
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/*
 * One provided registered buffer a request: SEND_ZC with IOSQE_BUFFER_SELECT
 * and IORING_RECVSEND_FIXED_BUF.
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

/* Ranges that start and end inside, at and across the borders of pages. */
TEST_F(issued, every_border)
{
	static const struct {
		size_t off, len;
	} range[] = {
		{ 0, 1 }, { 0, 4096 }, { 1, 4095 }, { 1, 4096 }, { 4095, 1 },
		{ 4095, 2 }, { 4096, 4096 }, { 4096, 4097 }, { 8191, 8194 },
		{ 0, 65536 }, { 12345, 54321 }, { MEM_SIZE - 1, 1 },
		{ MEM_SIZE - 4096, 4096 }, { 0, MEM_SIZE },
	};
	struct env *e = &self->e;
	struct result r;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(range); i++) {
		env_add_want(e, i % NR_MEM, range[i].off, range[i].len);
		ASSERT_EQ(0, env_send(e, 0, SEL_REG | IORING_SEND_ZC_REPORT_USAGE, &r));
		EXPECT_SENT(&r, range[i].len, i);
		/* loopback copies when it delivers */
		EXPECT_EQ(IORING_NOTIF_USAGE_ZC_COPIED, r.notif_res);
		ASSERT_EQ(i + 1, env_head(e));
	}
}

/* sqe->len cuts the entry, which is gone as a whole; 0 does not cut. */
TEST_F(issued, len)
{
	struct env *e = &self->e;
	struct result r;

	env_add(e, 1, 100, 5000);
	env_want(e, e->mem[1] + 100, 4097);
	ASSERT_EQ(0, env_send(e, 4097, SEL_REG, &r));
	EXPECT_SENT(&r, 4097, 0);

	env_add_want(e, 2, 0, 5000);
	ASSERT_EQ(0, env_send(e, 5001, SEL_REG, &r));
	EXPECT_SENT(&r, 5000, 1);
	EXPECT_EQ(2, env_head(e));
}

/* However many are there, a request that is no bundle takes one. */
TEST_F(issued, one_of_many)
{
	struct env *e = &self->e;
	struct result r;
	int i;

	for (i = 0; i < 5; i++)
		env_add_want(e, 0, i * 4096, 4096);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, env_send(e, 0, SEL_REG, &r));
		EXPECT_SENT(&r, 4096, i);
		EXPECT_EQ(i + 1, env_head(e));
	}
}

/* The notification's user_data is sqe->addr3, if that is set. */
TEST_F(issued, notification_user_data)
{
	struct env *e = &self->e;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe cqe;

	env_add_want(e, 0, 0, 4096);
	sqe = env_prep(e, IORING_OP_SEND_ZC, 0, SEL_REG);
	sqe->user_data = 0x1234;
	sqe->addr3 = 0x5678;
	ASSERT_EQ(0, ring_submit(&e->ring));
	ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
	EXPECT_EQ(0x1234, cqe.user_data);
	EXPECT_TRUE(cqe.flags & IORING_CQE_F_MORE);
	ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
	EXPECT_EQ(0x5678, cqe.user_data);
	EXPECT_EQ(IORING_CQE_F_NOTIF, cqe.flags);
}

/* Nothing of this touches the requests that name one buffer in the SQE. */
TEST_F(issued, without_select)
{
	struct env *e = &self->e;
	struct result r;
	int i;

	for (i = 0; i < NR_MEM; i++) {
		env_want(e, e->mem[i] + 4000, 5000);
		env_prep_named(e, IORING_OP_SEND_ZC, i, 4000, 5000);
		ASSERT_EQ(0, ring_submit(&e->ring));
		ASSERT_EQ(0, env_wait(e, &r));
		EXPECT_EQ(5000, r.res);
		EXPECT_FALSE(r.flags & IORING_CQE_F_BUFFER);
		EXPECT_EQ(1, r.nr_notifs);
	}
	/* no bytes at all can be sent, too */
	env_prep_named(e, IORING_OP_SEND_ZC, 0, 4000, 0);
	ASSERT_EQ(0, ring_submit(&e->ring));
	ASSERT_EQ(0, env_wait(e, &r));
	EXPECT_EQ(0, r.res);
	EXPECT_EQ(1, r.nr_notifs);
	/* but not what is behind the end, or of a buffer that is not there */
	for (i = 0; i < 2; i++) {
		env_prep_named(e, IORING_OP_SEND_ZC, 0, i ? 0 : MEM_SIZE, 1)->buf_index =
			i ? NR_MEM : 0;
		ASSERT_EQ(0, ring_submit(&e->ring));
		ASSERT_EQ(0, env_wait(e, &r));
		EXPECT_EQ(-EFAULT, r.res);
	}
	EXPECT_EQ(0, env_head(e));
}

/* The last slot of the largest table: its address is no user address. */
TEST(last_slot)
{
	const unsigned int nr = 16384;
	struct env env, *e = &env;
	struct result r;

	ASSERT_EQ(0, env_init_ring(e, NULL));
	ASSERT_EQ(0, env_mem(e, 0, MEM_SIZE, 0, 0));
	ASSERT_EQ(0, env_register_sparse(e, nr));
	ASSERT_EQ(0, env_update(e, nr - 1, 0));
	ASSERT_EQ(0, env_init_socket(e, AF_INET, SOCK_STREAM, 0, 0));
	ASSERT_EQ(0, reader_start(&e->reader));
	env_add(e, nr - 1, 5000, 10000);
	env_want(e, e->mem[0] + 5000, 10000);
	ASSERT_EQ(0, env_send(e, 0, SEL_REG, &r));
	EXPECT_SENT(&r, 10000, 0);
	env_add(e, nr - 2, 0, 1);
	ASSERT_EQ(0, env_send(e, 0, SEL_REG, &r));
	EXPECT_NOTHING_TAKEN(&r, -EFAULT);
	EXPECT_EQ(0, env_finish(e));
}

/* Memory of other kinds than aligned pages of 4 KiB. */
FIXTURE(memory) {
	struct env e;
};

FIXTURE_VARIANT(memory) {
	size_t off;
	size_t len;
	int flags;
};

FIXTURE_VARIANT_ADD(memory, unaligned) {
	.off = 1234,
	.len = 100000,
};

FIXTURE_VARIANT_ADD(memory, last_byte_of_a_page) {
	.off = 4095,
	.len = 100000,
};

FIXTURE_VARIANT_ADD(memory, hugetlb) {
	.len = 2 * HUGE_SIZE,
	.flags = MAP_HUGETLB,
};

FIXTURE_VARIANT_ADD(memory, hugetlb_unaligned) {
	.off = 4096 * 3 + 77,
	.len = HUGE_SIZE + 12345,
	.flags = MAP_HUGETLB,
};

FIXTURE_SETUP(memory)
{
	struct env *e = &self->e;
	FILE *f;

	if (variant->flags & MAP_HUGETLB) {
		f = fopen("/proc/sys/vm/nr_hugepages", "w");
		/* some processors have none, as those that QEMU has for s390x */
		if (!f && errno == ENOENT)
			SKIP(return, "huge pages are not supported");
		ASSERT_NE(NULL, f);
		fputs("16", f);
		fclose(f);
	}
	ASSERT_EQ(0, env_init_ring(e, NULL));
	ASSERT_EQ(0, env_mem(e, 0, variant->len, variant->off, variant->flags));
	ASSERT_EQ(0, env_register(e, 1));
	ASSERT_EQ(0, env_init_socket(e, AF_INET, SOCK_STREAM, 0, 0));
	ASSERT_EQ(0, reader_start(&e->reader));
}

FIXTURE_TEARDOWN(memory)
{
	EXPECT_EQ(0, env_finish(&self->e));
}

TEST_F(memory, single)
{
	size_t len = variant->len;
	struct {
		size_t off, len;
	} range[] = {
		{ 0, 1 }, { 0, 2861 }, { 2861, 1 }, { 2862, 1 }, { 2862, 4096 },
		{ 4096, 4096 }, { 4096 + 2862, 8192 }, { len - 1, 1 },
		{ len - 4096, 4096 }, { len / 2 - 10000, 20000 },
	};
	struct env *e = &self->e;
	struct result r;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(range); i++) {
		env_add_want(e, 0, range[i].off, range[i].len);
		ASSERT_EQ(0, env_send(e, 0, SEL_REG, &r));
		EXPECT_SENT(&r, range[i].len, i);
	}
}

/* Ranges that the request names itself are mapped in the same way. */
TEST_F(memory, vectored)
{
	static const unsigned char opcodes[] = {
		IORING_OP_SEND_ZC, IORING_OP_SENDMSG_ZC,
	};
	size_t len = variant->len;
	struct env *e = &self->e;
	struct iovec iov[] = {
		{ e->mem[0] + 2861, 5000 }, { e->mem[0], 1 },
		{ e->mem[0] + len - 4097, 4097 }, { e->mem[0] + len / 2, 20000 },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = ARRAY_SIZE(iov) };
	struct io_uring_sqe *sqe;
	struct result r;
	unsigned int i, j;
	int sum;

	for (i = 0; i < ARRAY_SIZE(opcodes); i++) {
		sqe = env_prep_named(e, opcodes[i], 0, 0, 1);
		sqe->addr = (unsigned long)&msg;
		if (opcodes[i] == IORING_OP_SEND_ZC) {
			sqe->ioprio |= IORING_SEND_VECTORIZED;
			sqe->addr = (unsigned long)iov;
			sqe->len = ARRAY_SIZE(iov);
		}
		for (j = sum = 0; j < ARRAY_SIZE(iov); j++) {
			env_want(e, iov[j].iov_base, iov[j].iov_len);
			sum += iov[j].iov_len;
		}
		ASSERT_EQ(0, ring_submit(&e->ring));
		ASSERT_EQ(0, env_wait(e, &r));
		EXPECT_EQ(sum, r.res);
		EXPECT_EQ(1, r.nr_notifs);
	}
}

/*
 * A piece is charged to the socket as what it is, wherever it lies: datagrams
 * from the end of a huge page fit into the receiver's buffer as any others do.
 */
TEST_F(memory, charge)
{
	struct env *e = &self->e;
	struct result r;
	char got[1000];
	int fd[2], i;

	ASSERT_EQ(0, socket_pair(AF_INET, SOCK_DGRAM, fd, 0, 0));
	for (i = 0; i < 8; i++) {
		env_add(e, 0, variant->len - 1000 * (i + 1), 1000);
		env_prep(e, IORING_OP_SEND_ZC, 0, SEL_REG)->fd = fd[0];
		ASSERT_EQ(0, ring_submit(&e->ring));
		ASSERT_EQ(0, env_wait(e, &r));
		EXPECT_SENT(&r, 1000, i);
	}
	/* after its notification each one is there, or has been dropped */
	for (i = 0; i < 8; i++) {
		ASSERT_EQ(1000, recv(fd[1], got, sizeof(got), MSG_DONTWAIT));
		EXPECT_EQ(0, memcmp(got, e->mem[0] + variant->len - 1000 * (i + 1),
				    sizeof(got)));
	}
}

/* In order, against the order, and in pieces that are no multiple of a page. */
TEST_F(memory, bundle)
{
	struct env *e = &self->e;
	size_t step = 1009, sum = 0, n = 60;
	struct result r;
	size_t i;

	for (i = 0; i < n; i++, sum += step)
		env_add_want(e, 0, i * step, step);
	for (i = n; i; i--, sum += step)
		env_add_want(e, 0, i * step - 500, step);
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, sum, 0);
	EXPECT_EQ(2 * n, env_head(e));
}

TEST_HARNESS_MAIN

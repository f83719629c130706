// SPDX-License-Identifier: GPL-2.0
/*
 * Many provided registered buffers in one SEND_ZC: which of them a bundle
 * takes, and that they arrive as they lie in the ring.
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

TEST_F(issued, in_a_row)
{
	struct env *e = &self->e;
	struct result r;
	int i;

	for (i = 0; i < 64; i++)
		env_add_want(e, 0, i * 4096, 4096);
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, 64 * 4096, 0);
	EXPECT_EQ(64, env_head(e));
}

/* Pieces of one page that touch, then such that overlap. */
TEST_F(issued, smaller_than_a_page)
{
	struct env *e = &self->e;
	struct result r;
	int i, sum = 0;

	for (i = 0; i < 100; i++, sum += 100)
		env_add_want(e, 1, i * 100, 100);
	for (i = 0; i < 100; i++, sum += 100)
		env_add_want(e, 1, i * 50, 100);
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, sum, 0);
	EXPECT_EQ(200, env_head(e));
}

TEST_F(issued, scattered)
{
	struct env *e = &self->e;
	unsigned int seed = 1;
	struct result r;
	int i, round, sum;

	for (round = 0; round < 8; round++) {
		for (i = sum = 0; i < 50; i++) {
			size_t off, len;

			seed = seed * 1103515245 + 12345;
			len = 1 + (seed >> 8) % 9000;
			off = (seed >> 4) % (MEM_SIZE - len);
			env_add_want(e, 2, off, len);
			sum += len;
		}
		ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
		EXPECT_SENT(&r, sum, round * 50);
		EXPECT_EQ((round + 1) * 50, env_head(e));
	}
}

/* 256 entries are the most, and they may all be scattered. */
TEST_F(issued, at_most_256)
{
	struct env *e = &self->e;
	struct result r;
	int i;

	for (i = 0; i < 300; i++)
		env_add_want(e, 3, (i * 5 % 256) * 4096, 2000);
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, 256 * 2000, 0);
	EXPECT_EQ(256, env_head(e));
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, 44 * 2000, 256);
	EXPECT_EQ(300, env_head(e));
}

/* sqe->len ends a bundle at the last entry that fits whole. */
TEST_F(issued, len)
{
	struct env *e = &self->e;
	struct result r;
	int i;

	for (i = 0; i < 10; i++)
		env_add(e, 0, i * 8192, i ? 4000 : 100);

	/* the first is shorter than the others: no estimate is made from it */
	env_want(e, e->mem[0], 100);
	for (i = 1; i < 6; i++)
		env_want(e, e->mem[0] + i * 8192, 4000);
	ASSERT_EQ(0, env_send(e, 100 + 5 * 4000 + 3999, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, 100 + 5 * 4000, 0);
	EXPECT_EQ(6, env_head(e));

	/* exactly */
	env_want(e, e->mem[0] + 6 * 8192, 4000);
	env_want(e, e->mem[0] + 7 * 8192, 4000);
	ASSERT_EQ(0, env_send(e, 8000, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, 8000, 6);
	EXPECT_EQ(8, env_head(e));

	/* only the first may be cut */
	env_want(e, e->mem[0] + 8 * 8192, 1);
	ASSERT_EQ(0, env_send(e, 1, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, 1, 8);
	EXPECT_EQ(9, env_head(e));

	env_want(e, e->mem[0] + 9 * 8192, 4000);
	ASSERT_EQ(0, env_send(e, 4000, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, 4000, 9);
}

/* The ring's indices wrap, at its size and at 65536. */
TEST_F(issued, wrap)
{
	struct env *e = &self->e;
	struct result r;
	int i, n;

	/* nearly free bundles up to the border */
	for (n = 0; n + 256 < 65536 - 100; n += 256) {
		for (i = 0; i < 256; i++)
			env_add_want(e, 0, i, 1);
		ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
		ASSERT_EQ(256, r.res);
	}
	for (i = 0; i < 350; i++)
		env_add_want(e, 1, i * 2, 1);
	ASSERT_EQ(0, env_send(e, 200, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, 200, n);
	/* across it, and none of those that are in the ring no more */
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, 150, n + 200);
	EXPECT_EQ((n + 350) & 0xffff, env_head(e));
}

/* Other sockets than TCP over IPv4. */
FIXTURE(transport) {
	struct env e;
	struct sockaddr_storage ss;
};

FIXTURE_VARIANT(transport) {
	int family;
	int type;
};

FIXTURE_VARIANT_ADD(transport, tcp6) {
	.family = AF_INET6,
	.type = SOCK_STREAM,
};

FIXTURE_VARIANT_ADD(transport, udp4) {
	.family = AF_INET,
	.type = SOCK_DGRAM,
};

FIXTURE_VARIANT_ADD(transport, udp6) {
	.family = AF_INET6,
	.type = SOCK_DGRAM,
};

FIXTURE_SETUP(transport)
{
	struct env *e = &self->e;

	ASSERT_EQ(0, env_init_ring(e, NULL));
	ASSERT_EQ(0, env_mem(e, 0, MEM_SIZE, 0, 0));
	ASSERT_EQ(0, env_register(e, 1));
	ASSERT_EQ(0, env_init_socket(e, variant->family, variant->type, 0, 0));
}

FIXTURE_TEARDOWN(transport)
{
}

/* A bundle is one datagram; on a stream it is so many bytes. */
TEST_F(transport, bundle)
{
	struct env *e = &self->e;
	struct io_uring_cqe cqe;
	ssize_t ret;
	int i;

	for (i = 0; i < 10; i++)
		env_add_want(e, 0, i * 1000, 500);
	env_prep(e, IORING_OP_SEND_ZC, 0, SEL_BUNDLE);
	ASSERT_EQ(0, ring_submit(&e->ring));
	ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
	EXPECT_EQ(5000, cqe.res);
	ret = recv(e->reader.fd, e->reader.got, WANT_MAX, 0);
	EXPECT_EQ(5000, ret);
	EXPECT_EQ(0, memcmp(e->reader.got, e->want, 5000));
	ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
	EXPECT_EQ(IORING_CQE_F_NOTIF, cqe.flags);
	EXPECT_EQ(10, env_head(e));
}

/* With an address in the SQE, from a socket that is not connected. */
TEST_F(transport, destination)
{
	struct env *e = &self->e;
	socklen_t len = sizeof(self->ss);
	struct io_uring_sqe *sqe;
	struct io_uring_cqe cqe;

	if (variant->type != SOCK_DGRAM)
		SKIP(return, "stream sockets are connected");
	ASSERT_EQ(0, getsockname(e->reader.fd, (void *)&self->ss, &len));
	close(e->fd);
	e->fd = socket(variant->family, SOCK_DGRAM, 0);
	ASSERT_LE(0, e->fd);

	env_add_want(e, 0, 4000, 1000);
	env_add_want(e, 0, 9000, 1000);
	sqe = env_prep(e, IORING_OP_SEND_ZC, 0, SEL_BUNDLE);
	sqe->addr2 = (unsigned long)&self->ss;
	sqe->addr_len = len;
	ASSERT_EQ(0, ring_submit(&e->ring));
	ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
	EXPECT_EQ(2000, cqe.res);
	EXPECT_EQ(2000, recv(e->reader.fd, e->reader.got, WANT_MAX, 0));
	EXPECT_EQ(0, memcmp(e->reader.got, e->want, 2000));
	ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
}

/* All or nothing: one that is too long fails, and its entries are gone. */
TEST_F(transport, too_long)
{
	struct env *e = &self->e;
	struct result r;
	int i;

	if (variant->type != SOCK_DGRAM)
		SKIP(return, "a stream has no longest message");
	for (i = 0; i < 20; i++)
		env_add(e, 0, i * 4096, 4096);
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, -EMSGSIZE, 0);
	EXPECT_EQ(20, env_head(e));
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/*
 * Through a NIC, where nothing is copied: what an echo server sends back is
 * what was sent, and the notifications say that it was read in place.
 *
 * ECHO_SERVER=address:port names the server. It has to be on another machine:
 * on this one, all data gets copied.
 */
#include "issued.h"

#define USAGE		IORING_SEND_ZC_REPORT_USAGE
#define LEN		4096

FIXTURE_SETUP(issued)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct env *e = &self->e;
	char *server = getenv("ECHO_SERVER"), *port;
	int one = 1;

	if (!server)
		SKIP(return, "ECHO_SERVER is not set");
	server = strdup(server);
	port = strchr(server, ':');
	ASSERT_NE(NULL, port);
	*port++ = 0;
	ASSERT_EQ(1, inet_pton(AF_INET, server, &in.sin_addr));
	in.sin_port = htons(atoi(port));
	free(server);

	ASSERT_EQ(0, env_init_mem(e, &variant->issue));
	e->fd = socket(AF_INET, SOCK_STREAM, 0);
	ASSERT_LE(0, e->fd);
	ASSERT_EQ(0, connect(e->fd, (void *)&in, sizeof(in)));
	ASSERT_EQ(0, setsockopt(e->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)));
	e->reader.fd = e->fd;
	ASSERT_EQ(0, reader_start(&e->reader));
}

FIXTURE_TEARDOWN(issued)
{
	EXPECT_EQ(0, env_finish(&self->e));
}

/* Sent, and not copied on the way. */
#define EXPECT_NOT_COPIED(r, len, bid) \
	expect_not_copied(_metadata, __LINE__, r, len, bid)

static void expect_not_copied(struct __test_metadata *_metadata, int line,
			      const struct result *r, int len, unsigned int bid)
{
	expect_sent(_metadata, line, r, len, bid);
	EXPECT_EQ(0, r->notif_res) TH_LOG("from line %d", line);
}

TEST_F(issued, single)
{
	struct env *e = &self->e;
	struct result r;
	int i;

	for (i = 0; i < 8; i++) {
		env_add_want(e, i % NR_MEM, i * 5000 + 4095, i * 9000 + 1);
		ASSERT_EQ(0, env_send(e, 0, SEL_REG | USAGE, &r));
		EXPECT_NOT_COPIED(&r, i * 9000 + 1, i);
	}
}

TEST_F(issued, in_a_row)
{
	struct env *e = &self->e;
	struct result r;
	int i, round;

	for (round = 0; round < 4; round++) {
		for (i = 0; i < 200; i++)
			env_add_want(e, round, i * LEN, LEN);
		ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE | USAGE, &r));
		EXPECT_NOT_COPIED(&r, 200 * LEN, round * 200);
	}
}

/* Smaller than a page, over several registered buffers. */
TEST_F(issued, scattered)
{
	struct env *e = &self->e;
	struct result r;
	int i, round, sum;

	for (round = 0; round < 4; round++) {
		for (i = sum = 0; i < 250; i++) {
			env_add_want(e, i % NR_MEM, i * 4001, 1 + i * 7);
			sum += 1 + i * 7;
		}
		ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE | USAGE, &r));
		EXPECT_NOT_COPIED(&r, sum, round * 250);
	}
}

/* Addresses instead of registered buffers. */
TEST_F(issued, user_memory)
{
	struct env *e = &self->e;
	struct result r;
	int i;

	for (i = 0; i < 100; i++) {
		way_add(e, &ways[2], i % NR_MEM, i * 5000, 3000);
		env_want(e, e->mem[i % NR_MEM] + i * 5000, 3000);
	}
	ASSERT_EQ(0, env_send(e, 0, IORING_RECVSEND_BUNDLE | USAGE, &r));
	EXPECT_NOT_COPIED(&r, 100 * 3000, 0);
}

/*
 * Several requests end up in one packet, whose release tells the notification
 * of the first one only. The others were not copied either, and are told so
 * whether or not the first one wants to know.
 */
TEST_F(issued, linked_notifications)
{
	struct env *e = &self->e;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe cqe;
	int i, round, left;

	for (round = 0; round < 8; round++) {
		for (i = 0; i < 12; i++) {
			env_add_want(e, i % NR_MEM, i * 4001, 100);
			sqe = env_prep(e, IORING_OP_SEND_ZC, 0,
				       SEL_BUNDLE | (i || round % 2 ? USAGE : 0));
			sqe->msg_flags = i < 11 ? MSG_MORE : 0;
			/* keeps the entries of each, and the order */
			sqe->len = 100;
			if (i < 11)
				sqe->flags |= IOSQE_IO_LINK;
		}
		ASSERT_EQ(0, ring_submit(&e->ring));
		for (left = 24; left; left--) {
			ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
			EXPECT_EQ(cqe.flags & IORING_CQE_F_NOTIF ? 0 : 100, cqe.res);
		}
	}
}

/*
 * Each request begins in the packet of the one before and takes another, more
 * pieces than fit: what the release of a packet tells one that does not want to
 * know is of use to those behind it.
 */
TEST_F(issued, linked_in_a_chain)
{
	struct env *e = &self->e;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe cqe;
	int i, j, round, left;

	for (round = 0; round < 8; round++) {
		for (i = 0; i < 12; i++) {
			for (j = 0; j < 13; j++)
				env_add_want(e, j % NR_MEM, (i * 13 + j) * 4001, 8);
			sqe = env_prep(e, IORING_OP_SEND_ZC, 0,
				       SEL_BUNDLE | (i > round ? USAGE : 0));
			sqe->msg_flags = i < 11 ? MSG_MORE : 0;
			/* keeps the entries of each, and the order */
			sqe->len = 13 * 8;
			if (i < 11)
				sqe->flags |= IOSQE_IO_LINK;
		}
		ASSERT_EQ(0, ring_submit(&e->ring));
		for (left = 24; left; left--) {
			ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
			EXPECT_EQ(cqe.flags & IORING_CQE_F_NOTIF ? 0 : 13 * 8, cqe.res);
		}
	}
}

/* The pages are unmapped while the NIC has yet to read them. */
TEST_F(issued, unregistered)
{
	struct env *e = &self->e;
	struct io_uring_cqe cqe;
	int i;

	for (i = 0; i < 240; i++)
		env_add_want(e, i % NR_MEM, i * 4001, 4000);
	env_prep(e, IORING_OP_SEND_ZC, 0, SEL_BUNDLE | USAGE);
	ASSERT_EQ(0, ring_submit(&e->ring));
	ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
	EXPECT_EQ(240 * 4000, cqe.res);
	ASSERT_EQ(0, ring_register(&e->ring, IORING_UNREGISTER_BUFFERS, NULL, 0));
	for (i = 0; i < NR_MEM; i++)
		ASSERT_EQ(0, env_poison(e, i));
	ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
	EXPECT_EQ(IORING_CQE_F_NOTIF, cqe.flags);
	EXPECT_EQ(0, cqe.res);
}

TEST_HARNESS_MAIN

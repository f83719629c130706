// SPDX-License-Identifier: GPL-2.0
/*
 * The program of Documentation/networking/iou-sendzc-provided.rst, the very
 * text: that it sends what it is given, whole, once and in order.
 */
#include "common.h"

/* So many that each entry of its ring gets used many times. */
#define TOTAL		(3 * MEM_SIZE)

static char want[TOTAL];
static size_t given;

/* What the text has from liburing, and mini_liburing.h doesn't have. */
static int io_uring_register(int fd, unsigned int op, const void *arg,
			     unsigned int nr)
{
	int ret = syscall(__NR_io_uring_register, fd, op, arg, nr);

	return ret < 0 ? -errno : ret;
}

static void io_uring_cq_advance(struct io_uring *ring, unsigned int nr)
{
	while (nr--)
		io_uring_cqe_seen(ring);
}

/* What it has from the application: pieces of any length, most of them full. */
static int next_piece(char *piece, int size)
{
	size_t len = given % 3 ? size : 1 + given % size;

	if (len > TOTAL - given)
		len = TOTAL - given;
	memcpy(piece, want + given, len);
	given += len;
	return len;
}

#include "doc_example.h"

TEST(program)
{
	static struct sender s;
	struct reader reader = { .got = malloc(WANT_MAX) };
	struct pbuf_ring pbufs = { .bgid = GROUP };
	int fd[2] = { -1, -1 };
	int most = 0, i;

	ASSERT_NE(NULL, reader.got);
	ASSERT_EQ(0, socket_pair(AF_INET, SOCK_STREAM, fd, 0, 0));
	reader.fd = fd[1];
	ASSERT_EQ(0, reader_start(&reader));
	fill(want, TOTAL, 0);

	s.sockfd = fd[0];
	ASSERT_EQ(0, set_up(&s));
	ASSERT_EQ(0, register_memory(&s));
	ASSERT_EQ(0, register_ring(&s));
	EXPECT_EQ(0, send_all(&s));

	shutdown(fd[0], SHUT_WR);
	pthread_join(reader.thread, NULL);
	EXPECT_EQ(0, reader.err);
	ASSERT_EQ(TOTAL, reader.len);
	EXPECT_EQ(0, memcmp(want, reader.got, TOTAL));

	/* it is done with all that it began, and agrees with the kernel about it */
	EXPECT_EQ(NULL, ring_peek(&s.ring));
	EXPECT_FALSE(s.sending);
	EXPECT_EQ(0, s.notifs);
	EXPECT_EQ(s.tail, s.head);
	EXPECT_EQ(s.head, pbuf_ring_head(&s.ring, &pbufs));

	/* and it has sent bundles */
	for (i = 0; i < ENTRIES; i++)
		most = s.taken[i] > most ? s.taken[i] : most;
	EXPECT_LT(1, most);
}

TEST_HARNESS_MAIN

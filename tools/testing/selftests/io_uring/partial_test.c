// SPDX-License-Identifier: GPL-2.0
/*
 * Bundles that the socket does not take at once: small buffers and a reader
 * that starts only when the request is seen to be stuck half way.
 */
#include <sched.h>

#include "issued.h"

#define NR		256
#define LEN		4096

static int setup(struct env *e, const struct issue *issue)
{
	int ret = env_init_mem(e, issue);

	if (!ret)
		ret = env_init_socket(e, AF_INET, SOCK_STREAM, 8192, 8192);
	return ret;
}

/* A bundle of a megabyte: in a row, or scattered. */
static void add_all(struct env *e, unsigned int step)
{
	int i;

	for (i = 0; i < NR; i++)
		env_add_want(e, 0, i * step % NR * LEN, LEN);
}

/* Submit, and wait until some bytes have arrived while the request goes on. */
static int stuck_half_way(struct env *e, unsigned int len)
{
	struct io_uring_sqe *sqe = env_prep(e, IORING_OP_SEND_ZC, len, SEL_BUNDLE);

	sqe->user_data = 1;
	/* a bundle implies MSG_WAITALL */
	sqe->msg_flags = 0;
	if (ring_submit(&e->ring) || env_wait_arrival(e))
		return -errno;
	return ring_peek(&e->ring) ? -EPROTO : 0;
}

FIXTURE_SETUP(issued)
{
	ASSERT_EQ(0, setup(&self->e, &variant->issue));
}

FIXTURE_TEARDOWN(issued)
{
}

/* It goes on with what it has picked, and there is one CQE for all of it. */
static void goes_on(struct __test_metadata *_metadata, struct env *e,
		    unsigned int step)
{
	struct result r;

	add_all(e, step);
	ASSERT_EQ(0, stuck_half_way(e, 0));
	EXPECT_EQ(NR, env_head(e));
	/* these are not for the request that has begun */
	env_add_want(e, 1, 0, 1000);
	ASSERT_EQ(0, reader_start(&e->reader));
	ASSERT_EQ(0, env_wait(e, &r));
	EXPECT_SENT(&r, NR * LEN, 0);
	EXPECT_EQ(NR, env_head(e));
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, 1000, NR);
	EXPECT_EQ(0, env_finish(e));
}

TEST_F(issued, in_a_row)
{
	goes_on(_metadata, &self->e, 1);
}

TEST_F(issued, scattered)
{
	goes_on(_metadata, &self->e, 5);
}

/* What the entries say later does not matter to a request that has them. */
TEST_F(issued, entries_rewritten)
{
	struct env *e = &self->e;
	struct result r;
	int i;

	add_all(e, 5);
	ASSERT_EQ(0, stuck_half_way(e, 0));
	for (i = 0; i < RING_ENTRIES; i++)
		e->pbufs.br->bufs[i] = (struct io_uring_buf) {
			.addr = ~0ULL, .len = ~0U, .bid = ~0,
		};
	ASSERT_EQ(0, reader_start(&e->reader));
	ASSERT_EQ(0, env_wait(e, &r));
	EXPECT_EQ(NR * LEN, r.res);
	EXPECT_EQ(1, r.nr_notifs);
	e->pbufs.br->tail = e->pbufs.tail;
	EXPECT_EQ(0, env_finish(e));
}

static void cancel(struct env *e)
{
	ring_prep(&e->ring, IORING_OP_ASYNC_CANCEL)->addr = 1;
	ring_submit(&e->ring);
}

/* Cancelled half way: res is what was sent. */
TEST_F(issued, cancelled)
{
	struct env *e = &self->e;
	struct io_uring_cqe cqe;
	struct result r = { };
	bool cancelling = true, sent = false;

	add_all(e, 5);
	ASSERT_EQ(0, stuck_half_way(e, 0));
	cancel(e);
	/* the send's CQE, the cancel's, and once all is read the notification */
	while (cancelling || !r.nr_notifs) {
		ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
		if (cqe.flags & IORING_CQE_F_NOTIF) {
			EXPECT_TRUE(sent);
			r.nr_notifs++;
		} else if (cqe.user_data == 1) {
			r.res = cqe.res;
			r.flags = cqe.flags;
			sent = true;
			ASSERT_EQ(0, reader_start(&e->reader));
		} else if (cqe.res == -EALREADY && !sent) {
			/* met it while a worker was at it */
			cancel(e);
		} else {
			cancelling = false;
		}
	}
	EXPECT_GT(NR * LEN, r.res);
	EXPECT_LT(0, r.res);
	EXPECT_SENT(&r, r.res, 0);
	EXPECT_EQ(NR, env_head(e));
	e->want_len = r.res;
	EXPECT_EQ(0, env_finish(e));
}

/* The peer resets the connection half way. */
TEST_F(issued, reset)
{
	struct linger now = { .l_onoff = 1 };
	struct env *e = &self->e;
	struct result r;

	add_all(e, 5);
	ASSERT_EQ(0, stuck_half_way(e, 0));
	ASSERT_EQ(0, setsockopt(e->reader.fd, SOL_SOCKET, SO_LINGER, &now,
				sizeof(now)));
	close(e->reader.fd);
	ASSERT_EQ(0, env_wait(e, &r));
	EXPECT_GT(NR * LEN, r.res);
	EXPECT_LT(0, r.res);
	EXPECT_SENT(&r, r.res, 0);
	EXPECT_EQ(NR, env_head(e));
}

/* The ring goes away half way; what is pinned has to be given back. */
TEST_F(issued, ring_closed)
{
	struct env *e = &self->e;
	long pinned;

	if (variant->issue.setup & IORING_SETUP_SQPOLL)
		SKIP(return, "the thread ends when all is sent, and we would have to read");
	add_all(e, 5);
	ASSERT_EQ(0, stuck_half_way(e, 0));
	pinned = pinned_pages();
	ASSERT_LE(NR_MEM * NR, pinned);
	ring_exit(&e->ring);
	close(e->fd);
	close(e->reader.fd);
	while (pinned_pages() > pinned - NR_MEM * NR)
		sched_yield();
}

FIXTURE(socket) {
	struct env e;
};

FIXTURE_SETUP(socket)
{
	ASSERT_EQ(0, setup(&self->e, NULL));
}

FIXTURE_TEARDOWN(socket)
{
}

/* MSG_DONTWAIT completes short, then with -EAGAIN, and does not wait. */
TEST_F(socket, dontwait)
{
	struct env *e = &self->e;
	struct io_uring_cqe cqe;
	int sent, i;

	add_all(e, 5);
	env_prep(e, IORING_OP_SEND_ZC, 0, SEL_BUNDLE)->msg_flags = MSG_DONTWAIT;
	ASSERT_EQ(0, ring_submit(&e->ring));
	ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
	EXPECT_LT(0, cqe.res);
	EXPECT_GT(NR * LEN, cqe.res);
	EXPECT_TRUE(cqe.flags & IORING_CQE_F_BUFFER);
	EXPECT_TRUE(cqe.flags & IORING_CQE_F_MORE);
	EXPECT_EQ(NR, env_head(e));
	sent = cqe.res;

	/* until the socket takes nothing more */
	for (i = 0; cqe.res != -EAGAIN; i++) {
		e->want_len = sent;
		env_add_want(e, 1, 0, LEN);
		env_prep(e, IORING_OP_SEND_ZC, 0, SEL_BUNDLE)->msg_flags = MSG_DONTWAIT;
		ASSERT_EQ(0, ring_submit(&e->ring));
		do {
			ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
		} while (cqe.flags & IORING_CQE_F_NOTIF);
		EXPECT_TRUE(cqe.flags & IORING_CQE_F_BUFFER);
		EXPECT_EQ(NR + i, cqe_bid(cqe.flags));
		EXPECT_EQ(NR + i + 1, env_head(e));
		if (cqe.res > 0)
			sent += cqe.res;
	}
	e->want_len = sent;
	ASSERT_EQ(0, reader_start(&e->reader));
	shutdown(e->fd, SHUT_WR);
	pthread_join(e->reader.thread, NULL);
	EXPECT_EQ(sent, e->reader.len);
	EXPECT_EQ(0, memcmp(e->want, e->reader.got, sent));
}

/*
 * A buffer of a legacy group belongs to the request that waits with it,
 * whatever becomes of the group: emptied, removed, turned into a ring.
 */
TEST_F(socket, legacy_group_upgraded)
{
	struct env *e = &self->e;
	struct pbuf_ring pbufs;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe cqe;
	struct result r;

	ASSERT_EQ(0, env_provide_legacy(e, BGID + 1, e->mem[0], MEM_SIZE / 2, 2));

	sqe = env_prep(e, IORING_OP_SEND_ZC, 0, 0);
	sqe->buf_group = BGID + 1;
	sqe->msg_flags = MSG_WAITALL;
	env_want(e, e->mem[0], MEM_SIZE / 2);
	ASSERT_EQ(0, ring_submit(&e->ring));
	ASSERT_EQ(0, env_wait_arrival(e));
	ASSERT_EQ(NULL, ring_peek(&e->ring));

	sqe = ring_prep(&e->ring, IORING_OP_REMOVE_BUFFERS);
	sqe->fd = 2;
	sqe->buf_group = BGID + 1;
	ASSERT_EQ(0, ring_submit(&e->ring));
	ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
	EXPECT_EQ(1, cqe.res);
	ASSERT_EQ(0, pbuf_ring_init(&e->ring, &pbufs, BGID + 1, 8, 0));
	pbuf_ring_add(&pbufs, (unsigned long)e->mem[1], 100, 77);
	pbuf_ring_publish(&pbufs);

	ASSERT_EQ(0, reader_start(&e->reader));
	ASSERT_EQ(0, env_wait(e, &r));
	EXPECT_SENT(&r, MEM_SIZE / 2, 0);
	EXPECT_EQ(0, pbuf_ring_head(&e->ring, &pbufs));
	EXPECT_EQ(0, env_finish(e));
}

/* Nothing was sent: the error, beside the entries that are gone. */
TEST_F(socket, shut_down)
{
	struct env *e = &self->e;
	struct result r;

	add_all(e, 5);
	ASSERT_EQ(0, shutdown(e->fd, SHUT_WR));
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, -EPIPE, 0);
	EXPECT_EQ(NR, env_head(e));
}

TEST_HARNESS_MAIN

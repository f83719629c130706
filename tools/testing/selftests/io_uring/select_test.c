// SPDX-License-Identifier: GPL-2.0
/*
 * SEND_ZC of provided buffers that are user memory: IOSQE_BUFFER_SELECT
 * without IORING_RECVSEND_FIXED_BUF, from rings and from legacy groups.
 */
#include "issued.h"

#define LEGACY		(BGID + 1)
#define BUNDLE		IORING_RECVSEND_BUNDLE

FIXTURE_SETUP(issued)
{
	ASSERT_EQ(0, env_init(&self->e, &variant->issue));
}

FIXTURE_TEARDOWN(issued)
{
	EXPECT_EQ(0, env_finish(&self->e));
}

static void add_entry(struct env *e, char *p, size_t len)
{
	pbuf_ring_add(&e->pbufs, (unsigned long)p, len, e->next_bid++);
	pbuf_ring_publish(&e->pbufs);
}

static void add(struct env *e, unsigned int i, size_t off, size_t len)
{
	add_entry(e, e->mem[i] + off, len);
	env_want(e, e->mem[i] + off, len);
}

static int send_legacy(struct env *e, unsigned int len, unsigned short ioprio,
		       struct result *r)
{
	env_prep(e, IORING_OP_SEND_ZC, len, ioprio)->buf_group = LEGACY;
	ring_submit(&e->ring);
	return env_wait(e, r);
}

TEST_F(issued, single)
{
	struct env *e = &self->e;
	struct result r;

	add(e, 0, 100, 5000);
	add(e, 1, 0, 10000);
	ASSERT_EQ(0, env_send(e, 0, 0, &r));
	EXPECT_SENT(&r, 5000, 0);
	EXPECT_EQ(1, env_head(e));
	e->want_len -= 1;
	ASSERT_EQ(0, env_send(e, 9999, 0, &r));
	EXPECT_SENT(&r, 9999, 1);
	EXPECT_EQ(2, env_head(e));
}

TEST_F(issued, bundle)
{
	struct env *e = &self->e;
	struct result r;
	int i, round, sum;

	for (round = 0; round < 3; round++) {
		for (i = sum = 0; i < 30; i++) {
			add(e, i % NR_MEM, i * 5000, 3000 + i);
			sum += 3000 + i;
		}
		ASSERT_EQ(0, env_send(e, 0, BUNDLE, &r));
		EXPECT_SENT(&r, sum, round * 30);
		EXPECT_EQ((round + 1) * 30, env_head(e));
	}
}

TEST_F(issued, legacy)
{
	struct env *e = &self->e;
	struct result r;
	int i;

	ASSERT_EQ(0, env_provide_legacy(e, LEGACY, e->mem[0], 4096, 3));
	for (i = 0; i < 3; i++) {
		/* one at a time, and sqe->len counts */
		env_want(e, e->mem[0] + i * 4096, 4000);
		ASSERT_EQ(0, send_legacy(e, 4000, i == 1 ? BUNDLE : 0, &r));
		EXPECT_SENT(&r, 4000, i);
	}
	ASSERT_EQ(0, send_legacy(e, 0, 0, &r));
	EXPECT_NOTHING_TAKEN(&r, -ENOBUFS);
}

TEST_F(issued, nothing_there)
{
	struct env *e = &self->e;
	struct io_uring_sqe *sqe;
	struct result r;

	ASSERT_EQ(0, env_send(e, 0, 0, &r));
	EXPECT_NOTHING_TAKEN(&r, -ENOBUFS);
	ASSERT_EQ(0, env_send(e, 0, BUNDLE, &r));
	EXPECT_NOTHING_TAKEN(&r, -ENOBUFS);

	sqe = env_prep(e, IORING_OP_SEND_ZC, 0, 0);
	sqe->buf_group = LEGACY;
	ASSERT_EQ(0, ring_submit(&e->ring));
	ASSERT_EQ(0, env_wait(e, &r));
	EXPECT_NOTHING_TAKEN(&r, -ENOENT);
}

/* User memory is charged, and if it can't be it stays in the group. */
FIXTURE(memlock) {
	struct env e;
};

FIXTURE_VARIANT(memlock) {
	struct issue issue;
};

FIXTURE_VARIANT_ADD(memlock, inline) {
	.issue = { 0 },
};

FIXTURE_VARIANT_ADD(memlock, async) {
	.issue.sqe_flags = IOSQE_ASYNC,
};

static int set_memlock(unsigned long pages)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_MEMLOCK, &lim))
		return -errno;
	lim.rlim_cur = pages * 4096;
	return setrlimit(RLIMIT_MEMLOCK, &lim) ? -errno : 0;
}

FIXTURE_SETUP(memlock)
{
	struct env *e = &self->e;
	uid_t uid = getpid();

	if (geteuid())
		SKIP(return, "needs to be root");

	/*
	 * The superuser is not charged, and another test's user may still be:
	 * what a ring held is given back some time after it was closed.
	 */
	if (setresuid(uid, uid, uid))
		SKIP(return, "no other user to be");
	ASSERT_EQ(0, env_init(e, &variant->issue));
	ASSERT_EQ(0, set_memlock(0));
}

FIXTURE_TEARDOWN(memlock)
{
	EXPECT_EQ(0, env_finish(&self->e));
}

TEST_F(memlock, user_memory)
{
	struct env *e = &self->e;
	struct result r;

	pbuf_ring_add(&e->pbufs, (unsigned long)e->mem[0], 4096, 0);
	pbuf_ring_add(&e->pbufs, (unsigned long)e->mem[1], 4096, 1);
	pbuf_ring_publish(&e->pbufs);
	ASSERT_EQ(0, env_send(e, 0, 0, &r));
	EXPECT_NOTHING_TAKEN(&r, -ENOMEM);
	ASSERT_EQ(0, env_send(e, 0, BUNDLE, &r));
	EXPECT_NOTHING_TAKEN(&r, -ENOMEM);
	EXPECT_EQ(0, env_head(e));
}

/* As many pages are charged for registered memory. */
#define CHARGED		(NR_MEM * MEM_SIZE / 4096)

#define NO_GROUP	(-1)

/* How many pages RLIMIT_MEMLOCK has to allow for @len bytes to be sent. */
static int pages_needed(struct env *e, size_t len, int group,
			unsigned short ioprio)
{
	struct io_uring_sqe *sqe;
	struct result r;
	int pages;

	for (pages = CHARGED; !set_memlock(pages); pages++) {
		sqe = env_prep(e, IORING_OP_SEND_ZC, len, ioprio);
		if (group == NO_GROUP) {
			sqe->flags &= ~IOSQE_BUFFER_SELECT;
			sqe->buf_group = 0;
			sqe->addr = (unsigned long)e->mem[0];
		} else {
			sqe->buf_group = group;
		}
		if (ring_submit(&e->ring) || env_wait(e, &r))
			break;
		if (r.res != -ENOMEM)
			return r.res == (int)len ? pages : -EPROTO;
	}
	return -EPROTO;
}

/*
 * It is charged as what a request names itself is, once, by what is sent, and
 * given back.
 */
TEST_F(memlock, as_without_select)
{
	static const size_t len[] = { 1, 16 * 4096, 1 };
	int pages[ARRAY_SIZE(len)];
	struct env *e = &self->e;
	unsigned int i;
	char *p = e->mem[0];

	for (i = 0; i < ARRAY_SIZE(len); i++) {
		env_want(e, p, len[i]);
		pages[i] = pages_needed(e, len[i], NO_GROUP, 0);
		ASSERT_LT(CHARGED, pages[i]);
		add_entry(e, p, 32 * 4096);
		env_want(e, p, len[i]);
		EXPECT_EQ(pages[i], pages_needed(e, len[i], BGID, 0));
	}
	EXPECT_EQ(pages[0], pages[2]);

	add_entry(e, p, 10 * 4096);
	add_entry(e, p + 10 * 4096, 6 * 4096);
	env_want(e, p, len[1]);
	EXPECT_EQ(pages[1], pages_needed(e, len[1], BGID, BUNDLE));
}

TEST_F(memlock, legacy)
{
	struct env *e = &self->e;
	struct result r;
	int i;

	ASSERT_EQ(0, env_provide_legacy(e, LEGACY, e->mem[0], 4096, 1));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, send_legacy(e, 0, 0, &r));
		EXPECT_NOTHING_TAKEN(&r, -ENOMEM);
	}
	/* It is still there. */
	env_want(e, e->mem[0], 4096);
	EXPECT_LT(CHARGED, pages_needed(e, 4096, LEGACY, 0));
}

/* Registered memory was charged once, when it was registered. */
TEST_F(memlock, registered_memory)
{
	struct env *e = &self->e;
	struct result r;
	int i;

	for (i = 0; i < 20; i++)
		env_add_want(e, 0, i * 8192, 4096);
	ASSERT_EQ(0, env_send(e, 0, SEL_REG, &r));
	EXPECT_SENT(&r, 4096, 0);
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, 19 * 4096, 1);
}

TEST_HARNESS_MAIN

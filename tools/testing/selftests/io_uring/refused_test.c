// SPDX-License-Identifier: GPL-2.0
/*
 * Combinations of flags that make no sense: the errno, and that nothing is
 * taken from the ring.
 */
#include "common.h"

#define SELECT		IOSQE_BUFFER_SELECT
#define BUNDLE		IORING_RECVSEND_BUNDLE
#define FIXED		IORING_RECVSEND_FIXED_BUF
#define VEC		IORING_SEND_VECTORIZED

FIXTURE(refused) {
	struct env e;
};

FIXTURE_SETUP(refused)
{
	ASSERT_EQ(0, env_init(&self->e, NULL));
}

FIXTURE_TEARDOWN(refused)
{
	EXPECT_EQ(0, env_finish(&self->e));
}

TEST_F(refused, flags)
{
	static const struct {
		const char *what;
		unsigned char opcode;
		unsigned char sqe_flags;
		unsigned short ioprio;
		unsigned int len;
		int res;
		/* refused after the notification was allocated */
		bool notif;
	} t[] = {
		{ "SEND_ZC, BUNDLE without SELECT", IORING_OP_SEND_ZC,
		  0, BUNDLE, 10, -EINVAL, true },
		{ "SEND_ZC, BUNDLE and FIXED_BUF without SELECT", IORING_OP_SEND_ZC,
		  0, BUNDLE | FIXED, 10, -EINVAL, true },
		{ "SEND_ZC, SELECT and VECTORIZED", IORING_OP_SEND_ZC,
		  SELECT, VEC, 1, -EINVAL, true },
		{ "SEND_ZC, SELECT, FIXED_BUF and VECTORIZED", IORING_OP_SEND_ZC,
		  SELECT, FIXED | VEC, 1, -EINVAL, true },
		{ "SENDMSG_ZC, SELECT", IORING_OP_SENDMSG_ZC,
		  SELECT, 0, 0, -EOPNOTSUPP, false },
		{ "SENDMSG_ZC, BUNDLE", IORING_OP_SENDMSG_ZC,
		  0, BUNDLE, 0, -EINVAL, true },
		{ "SEND_ZC, SELECT, INT_MAX + 1", IORING_OP_SEND_ZC,
		  SELECT, 0, 1U << 31, -EINVAL, true },
		{ "SEND_ZC, SELECT, FIXED_BUF, UINT_MAX", IORING_OP_SEND_ZC,
		  SELECT, FIXED, -1, -EINVAL, true },
		{ "SEND_ZC, SELECT, BUNDLE, UINT_MAX", IORING_OP_SEND_ZC,
		  SELECT, BUNDLE, -1, -EINVAL, true },
		{ "SENDMSG_ZC, SELECT and FIXED_BUF", IORING_OP_SENDMSG_ZC,
		  SELECT, FIXED, 0, -EOPNOTSUPP, false },
		{ "SEND, SELECT, FIXED_BUF and VECTORIZED", IORING_OP_SEND,
		  SELECT, FIXED | VEC, 1, -EINVAL, false },
		{ "SEND, BUNDLE and FIXED_BUF without SELECT", IORING_OP_SEND,
		  0, BUNDLE | FIXED, 10, -EINVAL, false },
		{ "SEND, SELECT, FIXED_BUF, INT_MAX + 1", IORING_OP_SEND,
		  SELECT, FIXED, 1U << 31, -EINVAL, false },
		{ "SENDMSG, SELECT and FIXED_BUF", IORING_OP_SENDMSG,
		  SELECT, FIXED, 0, -EOPNOTSUPP, false },
		{ "RECV, SELECT and FIXED_BUF", IORING_OP_RECV,
		  SELECT, FIXED, 0, -EINVAL, false },
		{ "SEND_ZC, CQE_SKIP_SUCCESS", IORING_OP_SEND_ZC,
		  SELECT | IOSQE_CQE_SKIP_SUCCESS, FIXED, 0, -EINVAL, false },
		{ "SEND_ZC, an unknown flag", IORING_OP_SEND_ZC,
		  SELECT, FIXED | 1 << 7, 0, -EINVAL, true },
	};
	struct env *e = &self->e;
	struct io_uring_sqe *sqe;
	struct result r;
	unsigned int i;

	env_add(e, 0, 0, 4096);
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		sqe = env_prep(e, t[i].opcode, t[i].len, t[i].ioprio);
		sqe->flags = t[i].sqe_flags;
		ASSERT_EQ(0, ring_submit(&e->ring));
		ASSERT_EQ(0, env_wait(e, &r)) TH_LOG("%s", t[i].what);
		EXPECT_EQ(t[i].res, r.res) TH_LOG("%s", t[i].what);
		EXPECT_EQ(t[i].notif, r.nr_notifs) TH_LOG("%s", t[i].what);
		EXPECT_FALSE(r.flags & IORING_CQE_F_BUFFER) TH_LOG("%s", t[i].what);
		EXPECT_EQ(0, env_head(e)) TH_LOG("%s", t[i].what);
	}
}

/* Entries of a legacy group are addresses, there is no ring to encode in. */
TEST_F(refused, legacy_group)
{
	struct env *e = &self->e;
	struct io_uring_sqe *sqe;
	struct result r;

	ASSERT_EQ(0, env_provide_legacy(e, BGID + 1, e->mem[0], 4096, 1));
	sqe = env_prep(e, IORING_OP_SEND_ZC, 0, SEL_REG);
	sqe->buf_group = BGID + 1;
	ASSERT_EQ(0, ring_submit(&e->ring));
	ASSERT_EQ(0, env_wait(e, &r));
	EXPECT_NOTHING_TAKEN(&r, -EINVAL);
	sqe = env_prep(e, IORING_OP_SEND, 0, SEL_BUNDLE);
	sqe->buf_group = BGID + 1;
	ASSERT_EQ(0, ring_submit(&e->ring));
	ASSERT_EQ(0, env_wait(e, &r));
	EXPECT_EQ(-EINVAL, r.res);
	EXPECT_FALSE(r.flags & IORING_CQE_F_BUFFER);

	/* it is still there for a request that can take it */
	env_want(e, e->mem[0], 4096);
	sqe = env_prep(e, IORING_OP_SEND_ZC, 0, 0);
	sqe->buf_group = BGID + 1;
	ASSERT_EQ(0, ring_submit(&e->ring));
	ASSERT_EQ(0, env_wait(e, &r));
	EXPECT_SENT(&r, 4096, 0);
}

TEST_HARNESS_MAIN

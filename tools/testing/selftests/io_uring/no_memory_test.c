// SPDX-License-Identifier: GPL-2.0
/*
 * Selection where no memory can be had: a bundle ends at a whole entry, and
 * once the ring has cached what it needs none is asked for.
 *
 * Needs what fault.h does and CONFIG_FAULT_INJECTION_STACKTRACE_FILTER: only the
 * allocations that are made by io_regbufs_select() fail, and only ours.
 */
#include "fault.h"

#define NR		256
#define LEN		2000

FIXTURE(no_memory) {
	struct env e;
};

/* Otherwise arrays are freed rather than cached, for KASAN to see each use. */
static bool caches_arrays(void)
{
	unsigned long long range[2];

	return function_range("kasan_report", range) == -ENOENT;
}

#define NOT_CACHED	"a kernel with KASAN does not cache arrays"

static void inject(struct __test_metadata *_metadata, bool on)
{
	ASSERT_EQ(0, put("/proc/self/make-it-fail", on ? "1" : "0"));
}

FIXTURE_SETUP(no_memory)
{
	unsigned long long range[2];
	char value[32];

	if (!fault_available())
		SKIP(return, NOT_AVAILABLE);
	if (access(FAULT "failslab/require-start", W_OK))
		SKIP(return, "no " FAULT "failslab/require-start");
	ASSERT_EQ(0, fault_init());
	ASSERT_EQ(0, function_range("io_regbufs_select", range));
	snprintf(value, sizeof(value), "%#llx", range[0]);
	ASSERT_EQ(0, fault_set("failslab", "require-start", value));
	snprintf(value, sizeof(value), "%#llx", range[1]);
	ASSERT_EQ(0, fault_set("failslab", "require-end", value));
	ASSERT_EQ(0, fault_set("failslab", "times", "-1"));
	ASSERT_EQ(0, env_init(&self->e, NULL));
}

FIXTURE_TEARDOWN(no_memory)
{
	fault_exit();
	EXPECT_EQ(0, env_finish(&self->e));
}

/* Entry @i of @nr that lie apart, in one registered buffer or in turns in all. */
static void add(struct env *e, int i, bool turns)
{
	env_add_want(e, turns ? i % NR_MEM : 0, i * 5 % NR * 4096, LEN);
}

/* The first entry is used in place, and the others stay where they are. */
TEST_F(no_memory, segments)
{
	struct env *e = &self->e;
	struct result r;
	int i;

	for (i = 0; i < 20; i++)
		add(e, i, false);
	inject(_metadata, true);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
		EXPECT_SENT(&r, LEN, i);
		EXPECT_EQ(i + 1, env_head(e));
	}
	inject(_metadata, false);
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, 17 * LEN, 3);
}

/* There is an array for 256 segments, these are more. */
TEST_F(no_memory, more_segments)
{
	struct env *e = &self->e;
	struct result r;
	int i;

	if (!caches_arrays())
		SKIP(return, NOT_CACHED);
	add(e, 0, false);
	add(e, 1, false);
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, 2 * LEN, 0);

	/* of three pages each: 85 fit, and the next one does not */
	for (i = 0; i < 100; i++)
		env_add_want(e, 0, i * 7 % 100 * 8192 + 4000, 4300);
	inject(_metadata, true);
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, 85 * 4300, 2);
	EXPECT_EQ(87, env_head(e));
	inject(_metadata, false);
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, 15 * 4300, 87);
}

/* Nothing to hold a second registered buffer with: it ends ahead of that. */
TEST_F(no_memory, second_buffer)
{
	struct env *e = &self->e;
	struct result r;
	int i;

	if (!caches_arrays())
		SKIP(return, NOT_CACHED);
	for (i = 0; i < 4; i++)
		add(e, i, false);
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, 4 * LEN, 0);

	for (i = 0; i < 3; i++)
		env_add_want(e, 0, i * 8192, LEN);
	for (i = 0; i < 3; i++)
		env_add_want(e, 1, i * 8192, LEN);
	inject(_metadata, true);
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, 3 * LEN, 4);
	EXPECT_EQ(7, env_head(e));
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, 3 * LEN, 7);
	inject(_metadata, false);
}

/* Once it is warm it takes all that it may take, and asks for nothing. */
TEST_F(no_memory, steady_state)
{
	struct env *e = &self->e;
	struct result r;
	int i, round;

	if (!caches_arrays())
		SKIP(return, NOT_CACHED);
	for (round = 0; round < 4; round++) {
		for (i = 0; i < NR; i++)
			add(e, i, true);
		ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
		EXPECT_SENT(&r, NR * LEN, round * NR);
		inject(_metadata, true);
	}
	inject(_metadata, false);
}

TEST_HARNESS_MAIN

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Have allocations of one thread fail: the n-th that it makes, whichever that
 * is, and some that follow it.
 *
 * Needs CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC and
 * CONFIG_FAULT_INJECTION_DEBUG_FS.
 */
#ifndef SELFTESTS_IO_URING_FAULT_H
#define SELFTESTS_IO_URING_FAULT_H

#include <fcntl.h>

#include "common.h"

/*
 * What fails: the @nth allocation that a thread makes, of what fault_choose()
 * has chosen, and those that follow it, @burst all in all of each kind.
 */
struct inject {
	unsigned int nth;
	unsigned int burst;
};

/*
 * Objects of which kind fail, and are counted. How many pages are asked for
 * depends on what the slabs have left: objects are counted without them.
 */
enum { SLAB = 1, PAGES = 2 };

#define FAULT		"/sys/kernel/debug/"
#define FAULT_PATH	128

/* Write a setting of the kernel. */
static inline int put(const char *path, const char *value)
{
	FILE *f = fopen(path, "w");
	int ret;

	if (!f)
		return -errno;
	ret = fputs(value, f) < 0 ? -errno : 0;
	if (fclose(f))
		ret = -errno;
	return ret;
}

/* The first address of a function, and that of what comes after it. */
static inline int function_range(const char *name, unsigned long long range[2])
{
	FILE *f = fopen("/proc/kallsyms", "r");
	unsigned long long addr;
	char sym[256];

	range[0] = 0;
	range[1] = -1ULL;
	if (!f)
		return -errno;
	while (fscanf(f, "%llx %*c %255s%*[^\n]", &addr, sym) == 2) {
		if (!strcmp(sym, name))
			range[0] = addr;
	}
	rewind(f);
	while (fscanf(f, "%llx %*c %255s%*[^\n]", &addr, sym) == 2) {
		if (addr > range[0] && addr < range[1])
			range[1] = addr;
	}
	fclose(f);
	return range[0] ? 0 : -ENOENT;
}

static const char * const kinds[] = { "failslab", "fail_page_alloc" };
/* how many more of each kind are to fail */
static int times[ARRAY_SIZE(kinds)];

static inline int fault_set(const char *kind, const char *name, const char *value)
{
	char path[FAULT_PATH];

	snprintf(path, sizeof(path), FAULT "%s/%s", kind, name);
	return put(path, value);
}

/*
 * The allocations that kmemleak makes to record another one are none of a
 * request's. It has a reserve for when they fail. What it remembers of stacks
 * and tables, apart from that, does fail, and it goes on without.
 */
static inline int fault_spare_kmemleak(const char *kind)
{
	char path[FAULT_PATH], value[32] = "";
	unsigned long long range[2];
	int fd, ret;

	snprintf(path, sizeof(path), FAULT "%s/reject-start", kind);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return 0;
	ret = read(fd, value, sizeof(value) - 1);
	close(fd);
	/* the first test has looked it up, which takes its time */
	if (ret < 0 || strtoull(value, NULL, 0) ||
	    function_range("__alloc_object", range))
		return 0;
	snprintf(value, sizeof(value), "%#llx", range[1]);
	ret = fault_set(kind, "reject-end", value);
	snprintf(value, sizeof(value), "%#llx", range[0]);
	return ret ? ret : fault_set(kind, "reject-start", value);
}

#define NOT_AVAILABLE "no " FAULT "failslab or fail_page_alloc that we may write to"

static inline bool fault_available(void)
{
	return !access(FAULT "failslab/times", W_OK) &&
	       !access(FAULT "fail_page_alloc/times", W_OK);
}

static inline int fault_choose(unsigned int kind)
{
	int ret = fault_set("failslab", "cache-filter", kind & SLAB ? "N" : "Y");

	return ret ? ret : fault_set("fail_page_alloc", "min-order",
				     kind & PAGES ? "0" : "16");
}

static inline int fault_init(void)
{
	static const struct {
		const char *name, *value;
		/* of one kind, or where there is a filter for what calls it */
		bool optional;
	} settings[] = {
		{ "probability", "0" },
		{ "interval", "1" },
		{ "times", "0" },
		{ "space", "0" },
		{ "verbose", "0" },
		{ "task-filter", "Y" },
		{ "ignore-gfp-wait", "N" },
		{ "ignore-gfp-highmem", "N", true },
		{ "stacktrace-depth", "32", true },
		{ "require-start", "0", true },
		{ "require-end", "0xffffffffffffffff", true },
		/* once nothing comes to an end before all of it is set */
		{ "probability", "100" },
	};
	char path[FAULT_PATH];
	unsigned int i, j;
	int ret;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		ret = fault_spare_kmemleak(kinds[i]);
		for (j = 0; !ret && j < ARRAY_SIZE(settings); j++) {
			snprintf(path, sizeof(path), FAULT "%s/%s", kinds[i],
				 settings[j].name);
			if (!settings[j].optional || !access(path, F_OK))
				ret = put(path, settings[j].value);
		}
		if (ret)
			return ret;
		snprintf(path, sizeof(path), FAULT "%s/times", kinds[i]);
		times[i] = open(path, O_WRONLY);
		if (times[i] < 0)
			return -errno;
	}
	return fault_choose(SLAB | PAGES);
}

static inline void fault_exit(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		fault_set(kinds[i], "probability", "0");
}

/* The thread whose allocations fail. */
struct target {
	int fail_nth;
	int make_it_fail;
};

static inline int target_open(struct target *t, int tid)
{
	char path[FAULT_PATH];

	snprintf(path, sizeof(path), "/proc/self/task/%d/fail-nth", tid);
	t->fail_nth = open(path, O_RDWR);
	snprintf(path, sizeof(path), "/proc/self/task/%d/make-it-fail", tid);
	t->make_it_fail = open(path, O_WRONLY);
	return t->fail_nth < 0 || t->make_it_fail < 0 ? -errno : 0;
}

static inline void target_close(struct target *t)
{
	close(t->fail_nth);
	close(t->make_it_fail);
}

static inline void write_number(int fd, unsigned int n)
{
	char buf[16];
	int len = snprintf(buf, sizeof(buf), "%u", n);

	if (write(fd, buf, len) != len)
		abort();
}

/* Nothing here allocates anything: it would be what fails. */
static inline void arm(const struct target *t, const struct inject *inject)
{
	unsigned int i;

	write_number(t->fail_nth, inject->nth);
	if (inject->burst == 1)
		return;
	for (i = 0; i < ARRAY_SIZE(times); i++)
		write_number(times[i], inject->burst);
	write_number(t->make_it_fail, 1);
}

/* Returns how many allocations there were to go, 0 if it has come to that. */
static inline unsigned int disarm(const struct target *t)
{
	char buf[16] = "";
	unsigned int i;

	write_number(t->make_it_fail, 0);
	/* a worker of that thread's has inherited it */
	for (i = 0; i < ARRAY_SIZE(times); i++)
		write_number(times[i], 0);
	if (pread(t->fail_nth, buf, sizeof(buf) - 1, 0) <= 0)
		abort();
	write_number(t->fail_nth, 0);
	return strtoul(buf, NULL, 0);
}

#endif

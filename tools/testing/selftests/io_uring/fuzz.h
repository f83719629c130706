/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the fuzzer knows of the ring that it plays with, and what follows from
 * that: which entries a request takes, and which bytes have to arrive.
 */
#ifndef SELFTESTS_IO_URING_FUZZ_H
#define SELFTESTS_IO_URING_FUZZ_H

#include <limits.h>
#include <stdarg.h>
#include <stddef.h>

#include "kselftest.h"
#include "peer.h"
#include "ring.h"

#define NR_SLOTS	6
/* behind the slots: memory that is never registered */
#define USER_MEM	NR_SLOTS
#define NR_VERSIONS	2
#define NR_GROUPS	4
#define NR_CONNS	4
#define GROUP_ENTRIES	512
#define GROUP_BYTES	(1024U << 10)
#define MEM_MAX		(512U << 10)
#define NR_REQUESTS	32
#define MAX_GONE	1024
/* of one connection in one round */
#define GOT_MAX		(8U << 20)
#define MAX_SEGMENTS	256
#define DGRAM_MAX	65507

/* What bytes are there, whoever has them mapped: for each slot, two kinds. */
static char *pattern[NR_SLOTS + 1][NR_VERSIONS];

/* A sequence that is the same for the same seed. */
struct draw {
	__u64 state;
};

static inline unsigned int draw(struct draw *d, unsigned int n)
{
	__u64 x = d->state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return (x ^ x >> 31) % n;
}

static inline bool chance(struct draw *d, unsigned int percent)
{
	return draw(d, 100) < percent;
}

#define pick(d, array)	((array)[draw(d, sizeof(array) / sizeof((array)[0]))])

struct slot {
	/* in the table */
	unsigned int index;
	unsigned int version;
	/* registered; none if @p is NULL */
	char *map, *p;
	size_t map_len, len;
	/* its tag, 0 if it has none */
	unsigned int instance;
};

/* What is, or was, in the ring at some position. Its bid is that position. */
struct entry {
	__u64 addr;
	__u32 len;
};

enum group_kind {
	GROUP_REG,
	GROUP_REG_INC,
	GROUP_USER,
	GROUP_USER_INC,
	GROUP_LEGACY,
	/* named, but never made */
	GROUP_NONE,
};

struct group {
	enum group_kind kind;
	struct pbuf_ring pbufs;
	unsigned short head;
	/* of the entry at the head */
	__u32 eaten;
	/* also those that are taken, until what was sent of them is compared */
	struct entry entries[USHRT_MAX + 1];
};

/* One CQE that says how much was sent. */
struct part {
	unsigned short pos;
	int res;
	unsigned int flags;
	/* of the entry at @pos, before */
	__u32 eaten;
};

struct request {
	unsigned char opcode;
	unsigned char sqe_flags;
	unsigned short ioprio;
	unsigned int msg_flags;
	unsigned int len;
	struct conn *conn;
	/* NULL if it names its memory itself, which is then at @named */
	struct group *group;
	const char *named;
	/* a CQE of it has been asked for */
	bool cancelled;
	/* others may change the table, or the entries, while it runs */
	bool table_races, entries_race;

	/* what it takes: from the head of the group on, that much was eaten of it */
	int err;
	bool no_notif;
	bool settled;
	unsigned short first;
	__u32 first_eaten;
	unsigned int nr;
	size_t taken;
	/* bytes of an incremental ring that are gone, and not the whole of the last entry */
	size_t consumed;
	bool buf_more;

	/* what came of it */
	bool final;
	bool notified;
	unsigned int notif_seq;
	unsigned int nr_parts;
	struct part part[GROUP_ENTRIES + 1];
	/* of the slot of each entry from @first on, when it was taken */
	unsigned char version[GROUP_ENTRIES];
};

struct conn {
	int fd, peer;
	int type;
	bool small;
	/* nobody reads for now */
	bool blocked;
	/* nothing can be sent any more */
	bool broken;
	/* what was sent might not arrive */
	bool reset;
	bool closed;
	/* nothing comes any more */
	bool ended;
	struct request *request;
	/* all of this round, in order */
	struct request *order[NR_REQUESTS];
	unsigned int nr_order;
	char *got;
	size_t got_len;
	/* that is known to have been sent */
	size_t due;
	/* where datagrams end */
	size_t dgram[GROUP_ENTRIES];
	unsigned int nr_dgrams;
};

/* What a request is going to take. */
struct selection {
	int err;
	unsigned int nr;
	size_t len;
	/* pages at most, which is how many fragments there may be */
	unsigned int pages;
};

static inline bool group_is_user(const struct group *g)
{
	return g->kind == GROUP_USER || g->kind == GROUP_USER_INC ||
	       g->kind == GROUP_LEGACY;
}

static inline bool group_is_inc(const struct group *g)
{
	return g->kind == GROUP_REG_INC || g->kind == GROUP_USER_INC;
}

static inline struct entry *group_entry(struct group *g, unsigned short pos)
{
	return &g->entries[pos];
}

static inline unsigned int group_nr(const struct group *g)
{
	return (__u16)(g->pbufs.tail - g->head);
}

static inline bool request_is_zc(const struct request *r)
{
	return r->opcode == IORING_OP_SEND_ZC ||
	       r->opcode == IORING_OP_SENDMSG_ZC;
}

static inline bool request_is_bundle(const struct request *r)
{
	return r->ioprio & IORING_RECVSEND_BUNDLE;
}

/* The slot that an address names, NULL if there is no memory. */
static inline struct slot *slot_find(struct slot *slots, __u64 addr)
{
	unsigned int i;

	for (i = 0; i < NR_SLOTS; i++) {
		if (slots[i].p && slots[i].index == addr >> IOU_BUF_OFFSET_BITS)
			return &slots[i];
	}
	return NULL;
}

static inline size_t addr_offset(__u64 addr)
{
	return addr & ((1ULL << IOU_BUF_OFFSET_BITS) - 1);
}

static inline int entry_check(struct slot *slots, const struct group *g,
			      const struct entry *e, __u32 eaten)
{
	struct slot *s;
	__u64 off = (e->addr & ((1ULL << IOU_BUF_OFFSET_BITS) - 1)) + eaten;

	if (e->len == eaten)
		return -ENOBUFS;
	if (group_is_user(g))
		return 0;
	s = slot_find(slots, e->addr);
	return s && off <= s->len && e->len - eaten <= s->len - off ? 0 : -EFAULT;
}

/* How contract and table say that a request selects, now. */
static inline struct selection model_select(struct slot *slots, struct group *g,
					    const struct request *r,
					    unsigned int max_len)
{
	unsigned int nr_max = request_is_bundle(r) ? MAX_SEGMENTS : 1, avail;
	size_t max = max_len ?: 0x7ffff000;
	struct selection sel = { };

	if (g->kind == GROUP_NONE || (g->kind == GROUP_LEGACY && !g->pbufs.tail)) {
		sel.err = -ENOENT;
		return sel;
	}
	/* 7.3 has SEND ignore the length there */
	if (g->kind == GROUP_LEGACY) {
		nr_max = 1;
		if (r->ioprio & IORING_RECVSEND_FIXED_BUF)
			sel.err = -EINVAL;
		else if (!request_is_zc(r))
			max = 0x7ffff000;
	}
	avail = group_nr(g);
	if (!avail && !sel.err)
		sel.err = -ENOBUFS;
	if (nr_max > avail)
		nr_max = avail;

	for (; !sel.err && sel.nr < nr_max && sel.len < max; sel.nr++) {
		__u32 eaten = sel.nr ? 0 : g->eaten;
		struct entry *e = group_entry(g, g->head + sel.nr);
		int err = entry_check(slots, g, e, eaten);
		size_t len = e->len - eaten;

		if (err && !sel.nr)
			sel.err = err;
		if (err)
			break;
		if (len > max - sel.len) {
			if (sel.nr && !group_is_inc(g))
				break;
			len = max - sel.len;
		}
		sel.len += len;
		sel.pages += len / 4096 + 2;
	}
	return sel;
}

/* Where the bytes of an entry are to be found. */
static inline const char *entry_bytes(struct slot *slots, const struct group *g,
				      const struct entry *e, unsigned int version)
{
	unsigned int i;

	if (group_is_user(g))
		return pattern[USER_MEM][0] + (e->addr & (MEM_MAX - 1));
	for (i = 0; i < NR_SLOTS; i++) {
		if (slots[i].index == e->addr >> IOU_BUF_OFFSET_BITS)
			return pattern[i][version] + addr_offset(e->addr);
	}
	return NULL;
}

/* These bytes are what the @len ones from @r's part @p on have to be. */
static inline bool part_matches(struct slot *slots, const struct request *r,
				const struct part *p, const char *got, size_t len)
{
	struct group *g = r->group;
	__u32 eaten = p->eaten;
	unsigned int pos, v;

	if (!g)
		return !memcmp(got, r->named, len);
	for (pos = p->pos; len; pos++, eaten = 0) {
		struct entry *e = group_entry(g, pos);
		size_t n = e->len - eaten;
		unsigned int version = 0;

		if (!group_is_user(g))
			version = r->version[(__u16)(pos - r->first) % GROUP_ENTRIES];
		if (n > len)
			n = len;
		for (v = 0; v < NR_VERSIONS; v++) {
			const char *want = entry_bytes(slots, g, e, v);

			if (!want || (v != version && !r->table_races))
				continue;
			if (!memcmp(got, want + eaten, n))
				break;
		}
		if (v == NR_VERSIONS)
			return false;
		got += n;
		len -= n;
	}
	return true;
}

/* A registered buffer that has left its slot, and the tag that is to tell. */
struct gone {
	unsigned int instance;
	unsigned int seq;
};

static struct fuzz {
	unsigned long long seed, nr_case;
	unsigned int round, step;
	struct draw d;

	unsigned int setup;
	struct io_uring ring;
	unsigned int table_size;
	bool table;
	struct slot slots[NR_SLOTS];
	unsigned int instances;
	struct group groups[NR_GROUPS];
	struct conn conns[NR_CONNS];
	struct request requests[NR_REQUESTS];
	unsigned int nr_requests;
	/* which instances a request may have sent from */
	unsigned int used[NR_REQUESTS][NR_SLOTS];
	struct gone gone[MAX_GONE];
	unsigned int nr_gone;
	/* CQEs of what isn't a send */
	unsigned int others_due;
	unsigned int seq;
	/* looks since something last completed or arrived, and when that was, about */
	unsigned int in_vain;
	double idle_since;
	/* of the round */
	bool table_races, entries_race, cancel_races, conns_race;
} f;

/* so many were asked for, and so many got bytes across */
static unsigned long long nr_sends, nr_sent, nr_bytes;
/* tell each step */
static bool verbose;

static void __noreturn __printf(1, 2)
failed(const char *fmt, ...)
{
	va_list ap;

	printf("# seed %llu, case %llu, round %u, step %u: ", f.seed, f.nr_case,
	       f.round, f.step);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n# again, and step by step: fuzz_test -s %llu -c %llu -v\n",
	       f.seed, f.nr_case);
	ksft_test_result_fail("what arrives and completes is what the model says\n");
	ksft_finished();
}

static void __printf(1, 2) tell(const char *fmt, ...)
{
	va_list ap;

	if (!verbose)
		return;
	printf("# %llu.%u.%u ", f.nr_case, f.round, f.step);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

#define check(cond, ...) do { if (!(cond)) failed(__VA_ARGS__); } while (0)

/* The first @nr entries of @r go out with what is registered now. */
static void take(struct request *r, unsigned int nr)
{
	struct group *g = r->group;
	unsigned int i;

	for (i = 0; i < nr && !group_is_user(g); i++) {
		struct slot *s = slot_find(f.slots, group_entry(g, r->first + i)->addr);

		if (!s)
			continue;
		r->version[i] = s->version;
		f.used[r - f.requests][s - f.slots] = s->instance;
	}
}

#endif

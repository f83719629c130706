// SPDX-License-Identifier: GPL-2.0
/*
 * Another thread changes the table of registered buffers, or the entries of the
 * ring, while bundles are sent: what arrives is what some state of them said.
 */
#include <sched.h>

#include "common.h"

#define LEN		16384
#define ROUNDS		100
#define PER_ROUND	32
#define VERSIONS	2
#define MAX_SEND	(3 * LEN)

/* What the thread does until it is told to stop. */
struct other {
	pthread_t thread;
	struct env *e;
	bool stop;
	/* how often it has changed all that there is to change */
	unsigned int done;
	int err;
	char *mem[NR_MEM];
};

static unsigned int next_random(unsigned int *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed >> 8;
}

static bool other_stop(const struct other *o)
{
	return __atomic_load_n(&o->stop, __ATOMIC_ACQUIRE);
}

static unsigned int other_count(const struct other *o)
{
	return __atomic_load_n(&o->done, __ATOMIC_ACQUIRE);
}

static void other_done(struct other *o)
{
	__atomic_fetch_add(&o->done, 1, __ATOMIC_RELEASE);
}

static int other_finish(struct other *o)
{
	__atomic_store_n(&o->stop, true, __ATOMIC_RELEASE);
	pthread_join(o->thread, NULL);
	return o->err;
}

/* Memory of its own for each version of each buffer. */
static char *version_map(unsigned int i, unsigned int version)
{
	char *p = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
		       MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	fill(p, LEN, i + NR_MEM * version);
	return p;
}

FIXTURE(table) {
	struct env e;
};

/* a ring with a single issuer lets no other thread change its table */
FIXTURE_VARIANT(table) {
	struct issue issue;
};

FIXTURE_VARIANT_ADD(table, inline) {
	.issue = { 0 },
};

FIXTURE_VARIANT_ADD(table, sqpoll) {
	.issue.setup = IORING_SETUP_SQPOLL,
};

FIXTURE_VARIANT_ADD(table, async) {
	.issue.sqe_flags = IOSQE_ASYNC,
};

FIXTURE_SETUP(table)
{
	struct env *e = &self->e;
	int i;

	ASSERT_EQ(0, env_init_ring(e, &variant->issue));
	for (i = 0; i < NR_MEM; i++) {
		e->mem[i] = version_map(i, 0);
		ASSERT_NE(NULL, e->mem[i]);
		e->mem_len[i] = LEN;
	}
	ASSERT_EQ(0, env_register(e, NR_MEM));
	ASSERT_EQ(0, env_init_socket(e, AF_INET, SOCK_STREAM, 0, 0));
	ASSERT_EQ(0, reader_start(&e->reader));
}

FIXTURE_TEARDOWN(table)
{
}

/* Give the slots to new memory, in turns, and unmap what they had. */
static void *update_main(void *arg)
{
	struct other *o = arg;
	unsigned int round, i;

	for (round = 1; !other_stop(o); round++) {
		for (i = 0; i < NR_MEM; i++) {
			char *p = version_map(i, round % VERSIONS);
			struct iovec iov = { p, LEN };
			struct io_uring_rsrc_update2 up = {
				.data	= (unsigned long)&iov,
				.offset	= i,
				.nr	= 1,
			};

			if (!p)
				o->err = -ENOMEM;
			else if (ring_register(&o->e->ring, IORING_REGISTER_BUFFERS_UPDATE,
					       &up, sizeof(up)) != 1)
				o->err = -EPROTO;
			else if (munmap(o->mem[i], LEN))
				o->err = -errno;
			if (o->err)
				return NULL;
			o->mem[i] = p;
		}
		other_done(o);
	}
	return NULL;
}

/* Empty the table and fill it again, with other memory. */
static void *unregister_main(void *arg)
{
	struct other *o = arg;
	unsigned int i, round;

	for (round = 1; !other_stop(o); round++) {
		struct iovec iov[NR_MEM];

		for (i = 0; i < NR_MEM; i++) {
			iov[i].iov_base = version_map(i, round % VERSIONS);
			iov[i].iov_len = LEN;
			if (!iov[i].iov_base)
				o->err = -ENOMEM;
		}
		if (o->err)
			return NULL;
		if (ring_register(&o->e->ring, IORING_UNREGISTER_BUFFERS, NULL, 0) ||
		    ring_register(&o->e->ring, IORING_REGISTER_BUFFERS, iov, NR_MEM)) {
			o->err = -EPROTO;
			return NULL;
		}
		for (i = 0; i < NR_MEM; i++) {
			munmap(o->mem[i], LEN);
			o->mem[i] = iov[i].iov_base;
		}
		other_done(o);
	}
	return NULL;
}

/* What an entry names. */
struct piece {
	unsigned int i;
	size_t off, len;
};

/* Each piece is one of the versions, and not a mixture. */
static int check_versions(struct env *e, const struct piece *piece,
			  unsigned int nr)
{
	char *version[NR_MEM][VERSIONS];
	size_t pos = 0;
	unsigned int i, v;

	for (i = 0; i < NR_MEM; i++) {
		for (v = 0; v < VERSIONS; v++) {
			version[i][v] = version_map(i, v);
			if (!version[i][v])
				return -ENOMEM;
		}
	}
	for (i = 0; i < nr; pos += piece[i++].len) {
		const struct piece *p = &piece[i];

		for (v = 0; v < VERSIONS; v++) {
			if (!memcmp(e->reader.got + pos, version[p->i][v] + p->off, p->len))
				break;
		}
		if (v == VERSIONS) {
			printf("# piece %u of %zu bytes is of no version\n", i, p->len);
			return -EBADMSG;
		}
	}
	return pos == e->reader.len ? 0 : -EMSGSIZE;
}

static void table_changes(struct __test_metadata *_metadata, struct env *e,
			  void *(*other_main)(void *), bool may_be_empty)
{
	static struct piece piece[ROUNDS * PER_ROUND];
	struct other o = { .e = e };
	unsigned int i, round, sum, nr = 0, seed = 1, empty = 0;
	struct result r;

	memcpy(o.mem, e->mem, sizeof(o.mem));
	ASSERT_EQ(0, pthread_create(&o.thread, NULL, other_main, &o));
	for (round = 0; round < ROUNDS; round++) {
		/* of all the buffers, or of one: that is held in another way */
		unsigned int mask = round % 2 ? NR_MEM - 1 : 0;

		for (i = sum = 0; i < PER_ROUND; i++) {
			struct piece *p = &piece[nr++];

			p->i = (round + (next_random(&seed) & mask)) % NR_MEM;
			p->len = 1 + next_random(&seed) % 4000;
			p->off = next_random(&seed) % (LEN - p->len);
			env_add(e, p->i, p->off, p->len);
			sum += p->len;
		}
		for (;;) {
			unsigned int count = other_count(&o);

			ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
			if (r.res != -EFAULT || !may_be_empty)
				break;
			EXPECT_NOTHING_TAKEN(&r, -EFAULT);
			empty++;
			while (other_count(&o) == count) {
				ASSERT_EQ(0, __atomic_load_n(&o.err, __ATOMIC_RELAXED));
				sched_yield();
			}
		}
		/* all of them are found in one state of the table */
		EXPECT_SENT(&r, sum, nr - PER_ROUND);
		ASSERT_EQ(sum, r.res);
	}
	EXPECT_EQ(0, other_finish(&o));
	EXPECT_LT(0, o.done);
	TH_LOG("%u changes, %u times nothing there", o.done, empty);
	shutdown(e->fd, SHUT_WR);
	pthread_join(e->reader.thread, NULL);
	EXPECT_EQ(0, check_versions(e, piece, nr));
}

TEST_F(table, update)
{
	table_changes(_metadata, &self->e, update_main, false);
}

TEST_F(table, unregister)
{
	table_changes(_metadata, &self->e, unregister_main, true);
}

/*
 * Entries that are rewritten at any time. Registered memory starts and ends
 * inside of a page, has no byte that is 0, and everything around it is 0.
 */
FIXTURE(entries) {
	struct env e;
};

FIXTURE_VARIANT(entries) {
	struct issue issue;
	unsigned int ring_flags;
};

FIXTURE_VARIANT_ADD(entries, inline) {
	.ring_flags = 0,
};

FIXTURE_VARIANT_ADD(entries, incremental) {
	.ring_flags = IOU_PBUF_RING_INC,
};

FIXTURE_VARIANT_ADD(entries, async) {
	.issue.sqe_flags = IOSQE_ASYNC,
};

FIXTURE_SETUP(entries)
{
	struct env *e = &self->e;
	int i;

	ASSERT_EQ(0, env_init_ring(e, &variant->issue));
	munmap(e->pbufs.br, e->pbufs.size);
	ASSERT_EQ(0, pbuf_ring_init(&e->ring, &e->pbufs, BGID + 1, RING_ENTRIES,
				    variant->ring_flags));
	for (i = 0; i < NR_MEM; i++)
		ASSERT_EQ(0, env_mem(e, i, LEN, 1234, 0));
	ASSERT_EQ(0, env_register(e, NR_MEM));
	ASSERT_EQ(0, env_init_socket(e, AF_INET, SOCK_STREAM, 0, 0));
	ASSERT_EQ(0, reader_start(&e->reader));
}

FIXTURE_TEARDOWN(entries)
{
}

static void *rewrite_main(void *arg)
{
	struct other *o = arg;
	struct io_uring_buf *bufs = o->e->pbufs.br->bufs;
	unsigned int i, seed = 7;

	while (!other_stop(o)) {
		for (i = 0; i < RING_ENTRIES; i++) {
			unsigned int r = next_random(&seed);
			unsigned int off = next_random(&seed) % LEN;
			__u64 addr = IOU_BUF_REGBUF_ADDR(r % NR_MEM, off);
			/* as long as it may be, a byte longer, or far too long */
			__u32 len = LEN - off + (r >> 4 & 1);

			if (r >> 5 & 1)
				len = 1 + off % 3000;
			if (!(r >> 6 & 63))
				len = ~0U;
			if (!(r >> 12 & 63))
				addr = IOU_BUF_REGBUF_ADDR(r % NR_MEM, ~0ULL >> 20);
			__atomic_store_n(&bufs[i].addr, addr, __ATOMIC_RELAXED);
			__atomic_store_n(&bufs[i].len, len, __ATOMIC_RELAXED);
		}
		other_done(o);
	}
	return NULL;
}

TEST_F(entries, rewritten)
{
	struct env *e = &self->e;
	struct other o = { .e = e };
	unsigned int sent = 0, failed = 0;
	struct result r;
	size_t i, sum = 0;

	ASSERT_EQ(0, pthread_create(&o.thread, NULL, rewrite_main, &o));
	while (sent < ROUNDS || other_count(&o) < ROUNDS) {
		/* as much as the reader has room for */
		if (sum + MAX_SEND > WANT_MAX)
			break;
		e->pbufs.tail = env_head(e) + 16;
		pbuf_ring_publish(&e->pbufs);
		ASSERT_EQ(0, env_send(e, MAX_SEND, SEL_BUNDLE, &r));
		if (r.res > 0) {
			ASSERT_GE(MAX_SEND, r.res);
			sum += r.res;
			sent++;
		} else {
			ASSERT_TRUE(r.res == -EFAULT || r.res == -ENOBUFS);
			EXPECT_NOTHING_TAKEN(&r, r.res);
			failed++;
			/* get past it */
			e->pbufs.br->bufs[env_head(e) & e->pbufs.mask].len = 1;
		}
	}
	other_finish(&o);
	EXPECT_LT(0, o.done);
	EXPECT_LT(0, sent);
	TH_LOG("%u sent, %u bad, %u times rewritten", sent, failed, o.done);
	shutdown(e->fd, SHUT_WR);
	pthread_join(e->reader.thread, NULL);
	EXPECT_EQ(sum, e->reader.len);
	for (i = 0; i < e->reader.len; i++)
		ASSERT_NE(0, e->reader.got[i]) TH_LOG("byte %zu", i);
}

TEST_HARNESS_MAIN

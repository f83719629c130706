/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of sending provided buffers share: a ring, a connection with
 * a reader behind it, registered memory whose every byte tells where it is
 * from, and a record of what has to arrive.
 */
#ifndef SELFTESTS_IO_URING_COMMON_H
#define SELFTESTS_IO_URING_COMMON_H

#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>

#include "kselftest_harness.h"
#include "peer.h"
#include "ring.h"

#define BGID		7
#define RING_ENTRIES	512
#define NR_MEM		4
#define MEM_SIZE	(256 * 4096)
#define HUGE_SIZE	(2UL << 20)
#define WANT_MAX	(8 * MEM_SIZE)

#define SEL_REG		IORING_RECVSEND_FIXED_BUF
#define SEL_BUNDLE	(IORING_RECVSEND_FIXED_BUF | IORING_RECVSEND_BUNDLE)

/* How a request gets issued; the same has to come out of all of them. */
struct issue {
	unsigned int setup;
	unsigned char sqe_flags;
	unsigned short ioprio;
	/* of the submission queue, if not the usual */
	unsigned int entries;
};

/* Reads whatever comes, into memory of its own. */
struct reader {
	pthread_t thread;
	int fd;
	char *got;
	size_t len;
	/* of the read that ended it */
	int err;
};

struct env {
	struct issue issue;
	struct io_uring ring;
	struct pbuf_ring pbufs;
	int fd;
	struct reader reader;
	/* registered buffer i is len[i] bytes at mem[i] */
	char *mem[NR_MEM];
	size_t mem_len[NR_MEM];
	char *want;
	size_t want_len;
	unsigned short next_bid;
	/* of the last request that was prepared */
	bool zc;
};

/* What one request completed with. */
struct result {
	int res;
	unsigned int flags;
	int nr_notifs;
	int notif_res;
};

/* How many pages are pinned, of everybody's. */
static inline long pinned_pages(void)
{
	long n, pins = 0;
	char name[64];
	FILE *f;

	/* fold what the processors have counted */
	f = fopen("/proc/sys/vm/stat_refresh", "w");
	if (f) {
		fputs("1", f);
		fclose(f);
	}
	f = fopen("/proc/vmstat", "r");
	if (!f)
		abort();
	while (fscanf(f, "%63s %ld", name, &n) == 2) {
		if (!strcmp(name, "nr_foll_pin_acquired"))
			pins += n;
		else if (!strcmp(name, "nr_foll_pin_released"))
			pins -= n;
	}
	fclose(f);
	return pins;
}

static inline void *reader_main(void *arg)
{
	struct reader *r = arg;
	ssize_t ret;

	while ((ret = read(r->fd, r->got + r->len, WANT_MAX - r->len)) > 0)
		r->len += ret;
	r->err = ret < 0 ? errno : 0;
	return NULL;
}

static inline int reader_start(struct reader *r)
{
	return -pthread_create(&r->thread, NULL, reader_main, r);
}

/* Memory for registered buffer @i, from @off bytes into a page on. */
static inline int env_mem(struct env *e, unsigned int i, size_t len, size_t off,
			  int mmap_flags)
{
	size_t size = off + len;
	char *p;

	size = (size + HUGE_SIZE - 1) & ~(HUGE_SIZE - 1);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		 MAP_ANONYMOUS | MAP_PRIVATE | mmap_flags, -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	if (!(mmap_flags & MAP_HUGETLB))
		madvise(p, size, MADV_NOHUGEPAGE);
	e->mem[i] = p + off;
	e->mem_len[i] = len;
	fill(e->mem[i], len, i);
	return 0;
}

static inline int env_register(struct env *e, unsigned int nr)
{
	struct iovec iov[NR_MEM];
	unsigned int i;

	for (i = 0; i < nr; i++)
		iov[i] = (struct iovec) { e->mem[i], e->mem_len[i] };
	return io_uring_register_buffers(&e->ring, iov, nr);
}

/* Tags for the first four slots of a table of registered buffers. */
#define TAG		0x7a61670000

/* As env_register(), but tell when a slot's memory is free. */
static inline int env_register_tags(struct env *e)
{
	__u64 tag[NR_MEM] = { TAG, TAG + 1, TAG + 2, TAG + 3 };
	struct io_uring_rsrc_register reg = { .nr = NR_MEM };
	struct iovec iov[NR_MEM];
	unsigned int i;

	for (i = 0; i < NR_MEM; i++)
		iov[i] = (struct iovec) { e->mem[i], e->mem_len[i] };
	reg.data = (unsigned long)iov;
	reg.tags = (unsigned long)tag;
	return ring_register(&e->ring, IORING_REGISTER_BUFFERS2, &reg, sizeof(reg));
}

/* A table of @nr slots, all of them empty. */
static inline int env_register_sparse(struct env *e, unsigned int nr)
{
	struct io_uring_rsrc_register reg = {
		.nr	= nr,
		.flags	= IORING_RSRC_REGISTER_SPARSE,
	};

	return ring_register(&e->ring, IORING_REGISTER_BUFFERS2, &reg, sizeof(reg));
}

/* Give slot @slot, whatever it has now, to memory @i. */
static inline int env_update(struct env *e, unsigned int slot, unsigned int i)
{
	struct iovec iov = { e->mem[i], e->mem_len[i] };
	struct io_uring_rsrc_update2 up = {
		.offset	= slot,
		.data	= (unsigned long)&iov,
		.nr	= 1,
	};
	int ret = ring_register(&e->ring, IORING_REGISTER_BUFFERS_UPDATE, &up,
				sizeof(up));

	return ret == 1 ? 0 : ret ? ret : -EPROTO;
}

static inline int env_init_ring(struct env *e, const struct issue *issue)
{
	int ret;

	memset(e, 0, sizeof(*e));
	if (issue)
		e->issue = *issue;
	e->want = malloc(WANT_MAX);
	e->reader.got = malloc(WANT_MAX);
	if (!e->want || !e->reader.got)
		return -ENOMEM;
	/* so few that CQEs of 32 bytes fit in what mini_liburing.h maps */
	ret = ring_init(&e->ring, e->issue.entries ?: 32, e->issue.setup);
	if (ret < 0)
		return -errno;
	return pbuf_ring_init(&e->ring, &e->pbufs, BGID, RING_ENTRIES, 0);
}

static inline int env_init_socket(struct env *e, int family, int type,
				  int sndbuf, int rcvbuf)
{
	int fd[2] = { -1, -1 };
	int ret = socket_pair(family, type, fd, sndbuf, rcvbuf);

	e->fd = fd[0];
	e->reader.fd = fd[1];
	return ret;
}

/* A ring with four registered buffers of 4 KiB pages. */
static inline int env_init_mem(struct env *e, const struct issue *issue)
{
	unsigned int i;
	int ret = env_init_ring(e, issue);

	for (i = 0; !ret && i < NR_MEM; i++)
		ret = env_mem(e, i, MEM_SIZE, 0, 0);
	return ret ? ret : env_register(e, NR_MEM);
}

/* The same, but tell when a slot's memory is free. */
static inline int env_init_tagged(struct env *e, const struct issue *issue)
{
	unsigned int i;
	int ret = env_init_ring(e, issue);

	for (i = 0; !ret && i < NR_MEM; i++)
		ret = env_mem(e, i, MEM_SIZE, 0, 0);
	return ret ? ret : env_register_tags(e);
}

/* The usual: registered memory, TCP, and a willing reader. */
static inline int env_init(struct env *e, const struct issue *issue)
{
	int ret = env_init_mem(e, issue);

	if (!ret)
		ret = env_init_socket(e, AF_INET, SOCK_STREAM, 0, 0);
	if (!ret)
		ret = reader_start(&e->reader);
	return ret;
}

/* These bytes have to arrive next. */
static inline void env_want(struct env *e, const void *p, size_t len)
{
	memcpy(e->want + e->want_len, p, len);
	e->want_len += len;
}

/* Provide a range of a registered buffer. */
static inline void env_add(struct env *e, unsigned int index, size_t off,
			   size_t len)
{
	pbuf_ring_add(&e->pbufs, IOU_BUF_REGBUF_ADDR(index, off), len,
		      e->next_bid++);
	pbuf_ring_publish(&e->pbufs);
}

/* The same, to be sent as a whole. */
static inline void env_add_want(struct env *e, unsigned int index, size_t off,
				size_t len)
{
	env_add(e, index, off, len);
	env_want(e, e->mem[index] + off, len);
}

/* Unmap buffer @i and use as much memory as it takes to get its pages again. */
static inline int env_poison(struct env *e, unsigned int i)
{
	size_t size = 64 * MEM_SIZE;
	char *p;

	if (munmap(e->mem[i], HUGE_SIZE))
		return -errno;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		 MAP_ANONYMOUS | MAP_PRIVATE | MAP_POPULATE, -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	memset(p, 0, size);
	return munmap(p, size) ? -errno : 0;
}

static inline int env_head(struct env *e)
{
	return pbuf_ring_head(&e->ring, &e->pbufs);
}

static inline struct io_uring_sqe *env_prep(struct env *e, unsigned char opcode,
					    unsigned int len,
					    unsigned short ioprio)
{
	struct io_uring_sqe *sqe;

	sqe = ring_prep_select(&e->ring, opcode, e->fd, e->pbufs.bgid, len,
			       ioprio | e->issue.ioprio);
	sqe->flags |= e->issue.sqe_flags;
	/* what is no bundle would complete short if the socket is full */
	sqe->msg_flags = MSG_WAITALL;
	e->zc = opcode == IORING_OP_SEND_ZC || opcode == IORING_OP_SENDMSG_ZC;
	return sqe;
}

/* One that names a range of a registered buffer itself, as ever. */
static inline struct io_uring_sqe *env_prep_named(struct env *e,
						  unsigned char opcode,
						  unsigned int index, size_t off,
						  unsigned int len)
{
	struct io_uring_sqe *sqe;

	sqe = env_prep(e, opcode, len, IORING_RECVSEND_FIXED_BUF);
	sqe->flags &= ~IOSQE_BUFFER_SELECT;
	sqe->buf_index = index;
	sqe->addr = (unsigned long)e->mem[index] + off;
	return sqe;
}

/* @nr buffers of @len bytes each, from @p on, for a group that is no ring. */
static inline int env_provide_legacy(struct env *e, unsigned short bgid, void *p,
				     unsigned int len, int nr)
{
	struct io_uring_sqe *sqe = ring_prep(&e->ring, IORING_OP_PROVIDE_BUFFERS);
	struct io_uring_cqe cqe;
	int ret;

	sqe->fd = nr;
	sqe->addr = (unsigned long)p;
	sqe->len = len;
	sqe->buf_group = bgid;
	ret = ring_submit(&e->ring);
	if (!ret)
		ret = ring_wait(&e->ring, &cqe);
	return ret ? ret : cqe.res;
}

/*
 * Collect the send CQE and the notification that it announces. A notification
 * that comes first, or unannounced, is an error.
 */
static inline int env_wait(struct env *e, struct result *r)
{
	struct io_uring_cqe cqe;
	int ret = ring_wait(&e->ring, &cqe);

	memset(r, 0, sizeof(*r));
	if (ret)
		return ret;
	if (cqe.flags & IORING_CQE_F_NOTIF)
		return -EPROTO;
	r->res = cqe.res;
	r->flags = cqe.flags;
	/* a SEND has no notification, there it means another bundle */
	if (!(cqe.flags & IORING_CQE_F_MORE) || !e->zc)
		return 0;
	ret = ring_wait(&e->ring, &cqe);
	if (ret)
		return ret;
	if (!(cqe.flags & IORING_CQE_F_NOTIF) || cqe.flags & IORING_CQE_F_MORE)
		return -EPROTO;
	r->nr_notifs = 1;
	r->notif_res = cqe.res;
	return 0;
}

/* Send @len bytes at most by SEND_ZC, and wait for all that comes of it. */
static inline int env_send(struct env *e, unsigned int len,
			   unsigned short ioprio, struct result *r)
{
	env_prep(e, IORING_OP_SEND_ZC, len, ioprio);
	if (ring_submit(&e->ring))
		return -errno;
	return env_wait(e, r);
}

/*
 * The ways to send from a ring, which selection and consumption don't care
 * about; without IORING_RECVSEND_BUNDLE.
 */
struct way {
	const char *name;
	unsigned char opcode;
	unsigned short ioprio;
};

static const struct way ways[] = {
	{ "SEND_ZC, registered", IORING_OP_SEND_ZC, IORING_RECVSEND_FIXED_BUF },
	{ "SEND, registered", IORING_OP_SEND, IORING_RECVSEND_FIXED_BUF },
	{ "SEND_ZC, user memory", IORING_OP_SEND_ZC, 0 },
};

/* Provide a range in the form that @way takes. */
static inline void way_add(struct env *e, const struct way *way,
			   unsigned int index, size_t off, size_t len)
{
	__u64 addr = (unsigned long)e->mem[index] + off;

	if (way->ioprio & IORING_RECVSEND_FIXED_BUF)
		addr = IOU_BUF_REGBUF_ADDR(index, off);
	pbuf_ring_add(&e->pbufs, addr, len, e->next_bid++);
	pbuf_ring_publish(&e->pbufs);
}

static inline int way_submit(struct env *e, const struct way *way,
			     unsigned int len, unsigned short ioprio,
			     unsigned int msg_flags)
{
	env_prep(e, way->opcode, len, way->ioprio | ioprio)->msg_flags |= msg_flags;
	return ring_submit(&e->ring);
}

static inline int way_send(struct env *e, const struct way *way,
			   unsigned int len, unsigned short ioprio,
			   struct result *r)
{
	int ret = way_submit(e, way, len, ioprio, 0);

	return ret ? ret : env_wait(e, r);
}

/* Wait until the other end has something to read, by an event, not a time. */
static inline int env_wait_arrival(struct env *e)
{
	struct pollfd p = { .fd = e->reader.fd, .events = POLLIN };

	return poll(&p, 1, -1) == 1 ? 0 : -errno;
}

/* 0 if what has arrived is all that was wanted. */
static inline int env_compare(struct env *e)
{
	size_t i;

	if (e->reader.err) {
		printf("# read: %s\n", strerror(e->reader.err));
		return -e->reader.err;
	}
	for (i = 0; i < e->want_len && i < e->reader.len; i++) {
		if (e->reader.got[i] == e->want[i])
			continue;
		printf("# byte %zu of %zu is %#hhx, not %#hhx\n", i,
		       e->want_len, e->reader.got[i], e->want[i]);
		return -EBADMSG;
	}
	if (e->reader.len != e->want_len) {
		printf("# %zu bytes arrived, not %zu\n", e->reader.len,
		       e->want_len);
		return -EBADMSG;
	}
	return 0;
}

/* The same, once there is no more to come. */
static inline int env_finish(struct env *e)
{
	int ret;

	shutdown(e->fd, SHUT_WR);
	pthread_join(e->reader.thread, NULL);
	ret = env_compare(e);
	if (ret)
		return ret;
	/* nothing is left over in the completion queue, either */
	return ring_peek(&e->ring) ? -EPROTO : 0;
}

static inline unsigned int cqe_bid(unsigned int flags)
{
	return flags >> IORING_CQE_BUFFER_SHIFT;
}

/* A request of any kind that took buffers, the first of them @bid. */
#define EXPECT_TOOK(r, len, bid) expect_took(_metadata, __LINE__, r, len, bid)

static inline void expect_took(struct __test_metadata *_metadata, int line,
			       const struct result *r, int len, unsigned int bid)
{
	EXPECT_EQ(len, r->res) TH_LOG("from line %d", line);
	EXPECT_TRUE(r->flags & IORING_CQE_F_BUFFER) TH_LOG("from line %d", line);
	EXPECT_EQ(bid, cqe_bid(r->flags)) TH_LOG("from line %d", line);
}

/* A SEND_ZC that did, and sent @len bytes. */
#define EXPECT_SENT(r, len, bid) expect_sent(_metadata, __LINE__, r, len, bid)

static inline void expect_sent(struct __test_metadata *_metadata, int line,
			       const struct result *r, int len, unsigned int bid)
{
	expect_took(_metadata, line, r, len, bid);
	EXPECT_TRUE(r->flags & IORING_CQE_F_MORE) TH_LOG("from line %d", line);
	EXPECT_EQ(1, r->nr_notifs) TH_LOG("from line %d", line);
}

/* A SEND_ZC that failed before it took any. */
#define EXPECT_NOTHING_TAKEN(r, err) \
	expect_nothing_taken(_metadata, __LINE__, r, err)

static inline void expect_nothing_taken(struct __test_metadata *_metadata,
					int line, const struct result *r, int err)
{
	EXPECT_EQ(err, r->res) TH_LOG("from line %d", line);
	EXPECT_FALSE(r->flags & IORING_CQE_F_BUFFER) TH_LOG("from line %d", line);
	EXPECT_TRUE(r->flags & IORING_CQE_F_MORE) TH_LOG("from line %d", line);
	EXPECT_EQ(1, r->nr_notifs) TH_LOG("from line %d", line);
}

/*
 * The send that has been stuck, its notification, and only then the tags of
 * @slots, a bit for each.
 */
static inline void expect_in_order(struct __test_metadata *_metadata,
				   struct env *e, int len, unsigned int slots)
{
	struct io_uring_cqe cqe;

	ASSERT_EQ(0, reader_start(&e->reader));
	ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
	EXPECT_EQ(1, cqe.user_data);
	EXPECT_EQ(len, cqe.res);
	ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
	EXPECT_EQ(1, cqe.user_data);
	EXPECT_EQ(IORING_CQE_F_NOTIF, cqe.flags);
	while (slots) {
		ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
		ASSERT_LE(TAG, cqe.user_data);
		ASSERT_NE(0, slots & 1 << (cqe.user_data - TAG));
		slots &= ~(1 << (cqe.user_data - TAG));
	}
}

#endif

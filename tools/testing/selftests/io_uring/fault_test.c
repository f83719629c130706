// SPDX-License-Identifier: GPL-2.0
/*
 * Memory runs out: each allocation that is made for a request fails, one after
 * the other, alone and together with those that follow it. The request fails or
 * sends less, nothing is taken from the ring that it does not report, all that
 * it reports arrives, and the next request goes on from there.
 *
 * There is always room for completions: one that is lost for want of memory is
 * counted by the ring, and nobody knows of what it was.
 *
 * Needs what fault.h does.
 */
#include <dirent.h>
#include <linux/capability.h>
#include <sched.h>
#include <time.h>

#include "fault.h"

#define LEGACY		(BGID + 1)
#define BUNDLE		IORING_RECVSEND_BUNDLE
#define MAX_SLOTS	64
#define AREA		(256 * 1024)
/* how many fail at once: the kernel tries something else first, more than once */
#define BURST		4
/* user_data of what completes only when the ring is closed */
#define HELD		0x68656c64
/* of a socket that takes all that there is, each byte of it in a page */
#define ROOM		(4 * 1024 * 1024)
/* for how many seconds to wait for what has to come */
#define PATIENCE	20

/* Say what is wrong, and be an error. */
#define wrong(fmt, ...) (fprintf(stderr, "# " fmt "\n", ##__VA_ARGS__), -1)

/* Entries of @len bytes each, in turns in @slots registered buffers. */
struct layout {
	unsigned int nr, len, slots;
	/* where the first one of a registered buffer is, and how far the others */
	unsigned int start, stride;
	/* how many are in one before it is the next one's turn, if not one */
	unsigned int turn;
};

static const struct layout one = { 1, 5000, 1, 100 };
static const struct layout large = { 2, 5000, 1, 100, 5500 };
static const struct layout in_a_row = { 3, 50, 1, 0, 50 };
static const struct layout apart = { 20, 50, 4, 0, 200 };
static const struct layout in_one_buffer = { 20, 50, 1, 0, 200 };
/* as many as fit in a datagram, with another one */
static const struct layout few = { 10, 50, 4, 0, 200 };
/* a set of references is not enough */
static const struct layout many_buffers = { 28, 50, 28, 0, 200 };
/* each of them crosses a page: more than there is an array for at first */
static const struct layout many_segments = { 130, 40, 4, 4060, 1 };
/* and for a piece of the next buffer, which takes a set, too, there is none */
static const struct layout full_array = { 130, 130, 2, 3968, 1, 128 };
/* more than a bundle takes */
static const struct layout many_entries = { 300, 50, 1, 0, 50 };
/* in a small socket */
static const struct layout more_than_room = { 14, 4000, 4, 0, 4096 };

/* What is to be sent, and how. */
struct scenario {
	unsigned char opcode;
	unsigned short ioprio;
	unsigned int sqe_len;
	/* AF_INET and SOCK_STREAM if not set */
	int family, type;
	const struct layout *layout;
	unsigned int pbuf_flags;
	bool legacy;
	/* by what the SQE itself names */
	bool named;
	/* the socket takes a part of it */
	bool waits;
	/* how many requests are linked, 0 is one that is not */
	unsigned int links;
	/* it is issued after all that came before */
	bool drained;
	/* how many other requests the ring has memory for are in use */
	unsigned int held;
};

enum issuer { SUBMITTER, SQ_THREAD, WORKER };

#define MAX_REQUESTS	16

struct request {
	bool done;
	/* its notification has been announced and has not come yet */
	bool announced;
	/* has sent from these slots */
	__u64 slots;
};

struct walker {
	const struct scenario *s;
	int (*step)(struct walker *w, const struct inject *inject);
	/* each step in one of its own */
	bool new_thread;
	enum issuer issuer;
	/* there is a worker that goes on where polling fails */
	bool primed;
	int worker;
	/* what has to be there before the table is made, how, and what fails */
	int (*before)(struct walker *w);
	int (*table)(struct walker *w);
	int (*injected)(struct walker *w);
	struct env e;
	/* a ring that buffers are cloned from */
	struct io_uring source;
	/* a pipe that nothing comes through */
	int silent[2];
	/* pages, of everybody's, before there was a ring */
	long pinned;
	/* how much of the table has been updated */
	unsigned int updated;
	struct target target;
	/* has no reader yet */
	bool unread;
	/* nothing had completed when it got one */
	bool waited;
	/* a byte position in the stream of entries: what comes next */
	unsigned int pos;
	/* some has been taken and not been sent, only the ring knows how much */
	bool lost;
	unsigned int nr_entries;
	unsigned int failed, undone, datagrams;
	/* what may fail right now, if anything */
	const struct inject *inject;
	/* an allocation has failed in what is no request */
	bool hit;
	__u64 tags;
	unsigned int nr_req;
	struct request req[MAX_REQUESTS];
};

static bool fixed(const struct scenario *s)
{
	return s->ioprio & IORING_RECVSEND_FIXED_BUF;
}

static bool inc(const struct scenario *s)
{
	return s->pbuf_flags & IOU_PBUF_RING_INC;
}

static unsigned int slot_len(const struct scenario *s)
{
	return s->layout->slots <= NR_MEM ? 4 * 4096 : 4096;
}

static unsigned int turn(const struct scenario *s)
{
	return s->layout->turn ?: 1;
}

static unsigned int entry_slot(const struct scenario *s, unsigned int i)
{
	return i / turn(s) % s->layout->slots;
}

static unsigned int entry_off(const struct scenario *s, unsigned int i)
{
	unsigned int nr = i / (turn(s) * s->layout->slots) * turn(s) + i % turn(s);

	return s->layout->start + nr * s->layout->stride;
}

static char *entry_mem(const struct walker *w, unsigned int i)
{
	const struct scenario *s = w->s;

	return w->e.mem[0] + entry_slot(s, i) * slot_len(s) + entry_off(s, i);
}

static void add_entry(struct walker *w)
{
	const struct scenario *s = w->s;
	unsigned int i = w->nr_entries++;

	if (fixed(s)) {
		env_add(&w->e, entry_slot(s, i), entry_off(s, i), s->layout->len);
	} else {
		pbuf_ring_add(&w->e.pbufs, (unsigned long)entry_mem(w, i),
			      s->layout->len, w->e.next_bid++);
		pbuf_ring_publish(&w->e.pbufs);
	}
}

/* The slots of the table, with a tag each. */
static void describe(const struct walker *w, struct iovec *iov, __u64 *tags)
{
	unsigned int i;

	for (i = 0; i < w->s->layout->slots; i++) {
		iov[i].iov_base = w->e.mem[0] + i * slot_len(w->s);
		iov[i].iov_len = slot_len(w->s);
		tags[i] = TAG + i;
	}
}

static int register_slots(struct walker *w)
{
	struct io_uring_rsrc_register reg = { .nr = w->s->layout->slots };
	struct iovec iov[MAX_SLOTS];
	__u64 tags[MAX_SLOTS];

	describe(w, iov, tags);
	reg.data = (unsigned long)iov;
	reg.tags = (unsigned long)tags;
	return ring_register(&w->e.ring, IORING_REGISTER_BUFFERS2, &reg, sizeof(reg));
}

static int register_sparse(struct walker *w)
{
	return env_register_sparse(&w->e, w->s->layout->slots);
}

static int register_untagged(struct walker *w)
{
	struct iovec iov[MAX_SLOTS];
	__u64 tags[MAX_SLOTS];

	describe(w, iov, tags);
	return io_uring_register_buffers(&w->e.ring, iov, w->s->layout->slots);
}

/* Returns how far it got, and if that is not far enough goes on from there. */
static int update_slots(struct walker *w)
{
	struct iovec iov[MAX_SLOTS];
	__u64 tags[MAX_SLOTS];
	struct io_uring_rsrc_update2 up = {
		.offset	= w->updated,
		.nr	= w->s->layout->slots - w->updated,
	};
	int ret;

	describe(w, iov, tags);
	up.data = (unsigned long)(iov + w->updated);
	up.tags = (unsigned long)(tags + w->updated);
	ret = ring_register(&w->e.ring, IORING_REGISTER_BUFFERS_UPDATE, &up,
			    sizeof(up));
	if (ret < 0)
		return ret;
	w->updated += ret;
	return w->updated == w->s->layout->slots ? 0 : -ENOMEM;
}

static int open_source(struct walker *w)
{
	struct iovec iov[MAX_SLOTS];
	__u64 tags[MAX_SLOTS];

	if (io_uring_queue_init(4, &w->source, 0))
		return -errno;
	describe(w, iov, tags);
	return io_uring_register_buffers(&w->source, iov, w->s->layout->slots);
}

static int clone_slots(struct walker *w)
{
	struct io_uring_clone_buffers arg = { .src_fd = w->source.ring_fd };

	return ring_register(&w->e.ring, IORING_REGISTER_CLONE_BUFFERS, &arg, 1);
}

/* A ring by the way. */
static int set_up_ring(struct walker *w)
{
	struct io_uring_params p = { .flags = w->e.issue.setup };
	int fd = io_uring_setup(8, &p);

	return fd < 0 ? -errno : close(fd);
}

static int open_sockets(struct walker *w)
{
	const struct timeval patience = { .tv_sec = PATIENCE };
	int sndbuf = w->s->waits ? 8192 : 0, room = ROOM;
	int type = w->s->type ?: SOCK_STREAM;
	int fd[2], ret;

	if (w->s->family == AF_UNIX) {
		ret = socketpair(AF_UNIX, type, 0, fd) ? -errno : 0;
		if (!ret && sndbuf)
			ret = setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &sndbuf,
					 sizeof(sndbuf));
	} else {
		ret = socket_pair(AF_INET, type, fd, sndbuf, sndbuf);
	}
	if (ret)
		return ret;
	w->e.fd = fd[0];
	w->e.reader.fd = fd[1];
	if (!w->s->waits &&
	    (setsockopt(fd[0], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) ||
	     setsockopt(fd[1], SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room))))
		return -errno;
	return setsockopt(fd[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

/* The kernel thread that submits for the ring. */
static int sq_thread(struct io_uring *ring)
{
	char path[64], line[128];
	int tid = -1;
	FILE *f;

	/* it is the one that set up the ring until the thread has started */
	do {
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", ring->ring_fd);
		f = fopen(path, "r");
		if (!f)
			return -1;
		while (fgets(line, sizeof(line), f))
			sscanf(line, "SqThread: %d", &tid);
		fclose(f);
	} while (tid == gettid());
	return tid;
}

/* The worker that issues what is IOSQE_ASYNC. There is one, see prime(). */
static int worker_thread(void)
{
	char path[64], comm[32];
	struct dirent *d;
	int tid = -1;
	DIR *dir;
	FILE *f;

	dir = opendir("/proc/self/task");
	if (!dir)
		return -1;
	while ((d = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/self/task/%d/comm", atoi(d->d_name));
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fgets(comm, sizeof(comm), f) && !strncmp(comm, "iou-wrk-", 8))
			tid = atoi(d->d_name);
		fclose(f);
	}
	closedir(dir);
	return tid;
}

/* A worker is there, and stays for as long as this thread does. */
static int prime(struct io_uring *ring)
{
	unsigned int max_workers[2] = { 1, 1 };
	struct io_uring_sqe *sqe;
	struct io_uring_cqe cqe;
	int fd[2], ret;
	char c;

	ret = io_uring_queue_init(4, ring, 0);
	if (!ret)
		ret = ring_register(ring, IORING_REGISTER_IOWQ_MAX_WORKERS,
				    max_workers, 2);
	if (!ret)
		ret = socketpair(AF_UNIX, SOCK_STREAM, 0, fd);
	if (ret || write(fd[1], "", 1) != 1)
		return -1;
	sqe = ring_prep(ring, IORING_OP_RECV);
	sqe->flags = IOSQE_ASYNC;
	sqe->fd = fd[0];
	sqe->addr = (unsigned long)&c;
	sqe->len = 1;
	ret = ring_submit(ring);
	if (!ret)
		ret = ring_wait(ring, &cqe);
	close(fd[0]);
	close(fd[1]);
	return ret ? ret : cqe.res == 1 ? 0 : -1;
}

/* Use most of the requests that the ring gets at once for something else. */
static int hold(struct walker *w)
{
	struct io_uring_sqe *sqe;
	unsigned int i;

	for (i = 0; i < w->s->held; i++) {
		sqe = ring_prep(&w->e.ring, IORING_OP_POLL_ADD);
		sqe->fd = w->silent[0];
		sqe->poll_events = POLLIN;
		sqe->user_data = HELD;
	}
	if (i && ring_submit(&w->e.ring))
		return -1;
	/* a kernel thread takes its time */
	while (ring_load(w->e.ring.sq.khead) != *w->e.ring.sq.ktail)
		sched_yield();
	return 0;
}

static int open_group(struct walker *w)
{
	const struct scenario *s = w->s;
	struct env *e = &w->e;

	if (s->named)
		return 0;
	if (s->legacy) {
		e->pbufs.bgid = LEGACY;
		return env_provide_legacy(e, LEGACY, entry_mem(w, 0),
					  s->layout->len, s->layout->nr);
	}
	if (e->pbufs.br)
		munmap(e->pbufs.br, e->pbufs.size);
	return pbuf_ring_init(&e->ring, &e->pbufs, BGID, RING_ENTRIES,
			      s->pbuf_flags);
}

/* If it is the one that fails, it has done nothing, and can be done again. */
static int stage(struct walker *w, int (*func)(struct walker *w),
		 const struct inject *inject)
{
	int left, ret;

	if (w->injected != func)
		return func(w);
	arm(&w->target, inject);
	ret = func(w);
	left = disarm(&w->target);
	w->hit = !left;
	if (ret && (left || ret != -ENOMEM))
		return ret;
	return ret ? func(w) : 0;
}

/* All is new: the ring has nothing cached. */
static int setup(struct walker *w, const struct inject *inject)
{
	const struct scenario *s = w->s;
	struct env *e = &w->e;
	unsigned int i;
	int tid, ret;

	e->want_len = 0;
	e->reader.len = 0;
	e->next_bid = 0;
	w->unread = true;
	w->lost = false;
	w->hit = false;
	w->inject = NULL;
	w->pos = 0;
	w->failed = 0;
	w->datagrams = 0;
	w->updated = 0;
	w->nr_entries = s->legacy || s->named ? s->layout->nr : 0;
	w->tags = 0;
	w->nr_req = 0;
	memset(w->req, 0, sizeof(w->req));

	tid = w->issuer == WORKER ? w->worker : gettid();
	if (w->issuer != SQ_THREAD && target_open(&w->target, tid))
		return wrong("no thread %d: %s", tid, strerror(errno));
	if (w->injected == set_up_ring && stage(w, set_up_ring, inject))
		return wrong("no ring: %s", strerror(errno));
	if (ring_init(&e->ring, 64, e->issue.setup))
		return wrong("no ring: %s", strerror(errno));
	if (w->issuer == SQ_THREAD) {
		tid = sq_thread(&e->ring);
		if (target_open(&w->target, tid))
			return wrong("no thread %d: %s", tid, strerror(errno));
	}
	if (fixed(s)) {
		ret = w->before ? w->before(w) : 0;
		if (!ret)
			ret = stage(w, w->table, inject);
		if (ret)
			return wrong("no registered buffers: %s", strerror(-ret));
	}
	ret = open_sockets(w);
	if (ret)
		return wrong("no sockets: %s", strerror(errno));
	ret = stage(w, open_group, inject);
	if (ret)
		return wrong("no provided buffers: %s", strerror(-ret));
	for (i = w->nr_entries; i < s->layout->nr; i++)
		add_entry(w);
	if (hold(w))
		return wrong("nothing held: %s", strerror(errno));
	return 0;
}

static void teardown(struct walker *w)
{
	target_close(&w->target);
	ring_exit(&w->e.ring);
	if (w->before == open_source)
		ring_exit(&w->source);
	if (w->e.pbufs.br)
		munmap(w->e.pbufs.br, w->e.pbufs.size);
	w->e.pbufs.br = NULL;
	close(w->e.fd);
	close(w->e.reader.fd);
}

/* Submit @n, and wait for @wait completions, but not forever. */
static int enter(struct io_uring *ring, unsigned int n, unsigned int wait)
{
	struct __kernel_timespec ts = { .tv_sec = PATIENCE };
	struct io_uring_getevents_arg arg = { .ts = (unsigned long)&ts };
	unsigned int flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
	int ret;

	if (ring->flags & IORING_SETUP_SQPOLL && ring_sleeps(ring))
		flags |= IORING_ENTER_SQ_WAKEUP;
	ret = syscall(__NR_io_uring_enter, ring->ring_fd, n, wait, flags, &arg,
		      sizeof(arg));
	return ret < 0 ? -errno : ret;
}

/* Whether it may be that nobody goes on where polling fails. */
static bool may_have_no_worker(const struct walker *w)
{
	if (!w->inject || w->primed)
		return false;
	/* polling fails, and then a worker can't be had, either */
	return w->inject->burst > 1 || w->e.issue.sqe_flags & IOSQE_ASYNC;
}

/* The errors that there may be where memory runs out. */
static bool clean_error(const struct walker *w, int err)
{
	switch (err) {
	case -ENOMEM:
	case -ENOBUFS:
		return w->inject;
	case -ECANCELED:
		/* another one of the chain, or there is nobody to issue it */
		return w->inject && (w->s->links || may_have_no_worker(w));
	}
	return false;
}

/* Whether it may end half way. TCP does not fail, it tries again. */
static bool may_stop(const struct walker *w)
{
	return may_have_no_worker(w) ||
	       (w->inject && w->s->waits && w->s->family == AF_UNIX);
}

/*
 * Whether a request that fails may have taken what it has picked. A ring that
 * is consumed by the byte keeps what is not sent, unless that had to be taken
 * before sending, or for good.
 */
static bool may_take(const struct walker *w)
{
	return !inc(w->s) || w->s->waits || w->e.issue.sqe_flags & IOSQE_ASYNC ||
	       may_have_no_worker(w);
}

/* What a CQE says was sent, and from where. */
static int account(struct walker *w, struct request *req,
		   const struct io_uring_cqe *cqe)
{
	const struct scenario *s = w->s;
	bool took = cqe->flags & IORING_CQE_F_BUFFER;
	unsigned int left, n, i;

	if (took && s->named)
		return wrong("flags %#x of what selects nothing", cqe->flags);
	if (took && cqe_bid(cqe->flags) != w->pos / s->layout->len)
		return wrong("bid %u, not %u", cqe_bid(cqe->flags), w->pos / s->layout->len);
	if (cqe->res <= 0) {
		w->failed++;
		if (!clean_error(w, cqe->res))
			return wrong("it fails with %d", cqe->res);
		if (took) {
			if (!may_take(w))
				return wrong("it fails with %d and takes entries",
					     cqe->res);
			w->lost = true;
			req->slots = ~0ULL;
		}
		return 0;
	}

	if (s->named) {
		n = s->layout->nr * s->layout->len;
		if ((unsigned int)cqe->res != n && !may_stop(w))
			return wrong("%d bytes sent of %u", cqe->res, n);
		w->pos = 0;
	} else if (!took) {
		return wrong("%d bytes sent, and no F_BUFFER", cqe->res);
	}
	if (w->e.zc && !(cqe->flags & IORING_CQE_F_MORE))
		return wrong("%d bytes sent, and no F_MORE", cqe->res);
	w->datagrams++;
	for (left = cqe->res; left; left -= n) {
		i = w->pos / s->layout->len;
		if (i == w->nr_entries)
			return wrong("%d bytes sent, %u too many", cqe->res, left);
		n = s->layout->len - w->pos % s->layout->len;
		if (n > left)
			n = left;
		env_want(&w->e, entry_mem(w, i) + w->pos % s->layout->len, n);
		if (fixed(s))
			req->slots |= 1ULL << entry_slot(s, i);
		w->pos += n;
	}
	if (inc(s)) {
		if (!!(cqe->flags & IORING_CQE_F_BUF_MORE) != !!(w->pos % s->layout->len) &&
		    !may_stop(w))
			return wrong("flags %#x, %u bytes into the entry",
				     cqe->flags, w->pos % s->layout->len);
	} else if (w->pos % s->layout->len) {
		/* it is gone as a whole */
		if ((unsigned int)cqe->res != s->sqe_len && !may_stop(w))
			return wrong("%d bytes sent of %u each", cqe->res, s->layout->len);
		w->pos += s->layout->len - w->pos % s->layout->len;
	}
	return 0;
}

/* Wait for a CQE and see what it is. */
static int take_cqe(struct walker *w)
{
	struct io_uring_cqe *next, cqe;
	struct env *e = &w->e;
	struct request *req;
	unsigned int i;
	int ret;

	while (!(next = ring_peek(&e->ring))) {
		ret = enter(&e->ring, 0, 1);
		if (ret == -ETIME)
			return wrong("nothing completes");
		/* for want of memory, which it has again the next time */
		if (ret < 0 && ret != -ENOMEM && ret != -EAGAIN && ret != -EINTR)
			return wrong("waiting fails with %d", ret);
	}
	cqe = *next;
	io_uring_cqe_seen(&e->ring);

	if (cqe.user_data >= TAG && cqe.user_data < TAG + MAX_SLOTS) {
		__u64 slot = 1ULL << (cqe.user_data - TAG);

		if (w->tags & slot)
			return wrong("a second tag of slot %llu", cqe.user_data - TAG);
		w->tags |= slot;
		for (i = 0; i < w->nr_req; i++) {
			req = &w->req[i];
			if (req->slots & slot && (req->announced || !req->done))
				return wrong("tag of slot %llu while it is in use",
					     cqe.user_data - TAG);
		}
		return 0;
	}
	if (cqe.user_data >= w->nr_req)
		return wrong("a CQE of %#llx", cqe.user_data);
	req = &w->req[cqe.user_data];
	if (cqe.flags & IORING_CQE_F_NOTIF) {
		if (!req->announced)
			return wrong("an unannounced notification");
		if (cqe.flags != IORING_CQE_F_NOTIF)
			return wrong("flags %#x of a notification", cqe.flags);
		if (cqe.res && !(w->s->ioprio & IORING_SEND_ZC_REPORT_USAGE))
			return wrong("a notification of %#x", cqe.res);
		req->announced = false;
		return 0;
	}
	if (req->done)
		return wrong("a second CQE: %d, flags %#x", cqe.res, cqe.flags);
	if (cqe.flags & IORING_CQE_F_MORE && e->zc)
		req->announced = true;
	if (e->zc || !(cqe.flags & IORING_CQE_F_MORE)) {
		req->done = true;
		w->undone--;
	}
	return account(w, req, &cqe);
}

/* The ring's head is where the completions say, or past what has failed. */
static int check_ring(struct walker *w)
{
	const struct scenario *s = w->s;
	struct env *e = &w->e;
	unsigned int pos;
	int head;

	if (s->named)
		return 0;
	if (s->legacy) {
		/* they are taken one by one */
		if (w->lost)
			w->pos += s->layout->len;
		w->lost = false;
		return 0;
	}
	head = env_head(e);
	if (head < 0)
		return wrong("no status of the ring: %d", head);
	pos = head * s->layout->len;
	if (inc(s) && (unsigned int)head < w->nr_entries)
		pos += s->layout->len - e->pbufs.br->bufs[head].len;
	if (may_stop(w) && pos > w->pos)
		w->lost = true;
	if (w->lost ? pos <= w->pos : pos != w->pos)
		return wrong("the ring is at %u, %u were reported%s", pos, w->pos,
			     w->lost ? ", and more" : "");
	w->lost = false;
	w->pos = pos;
	return 0;
}

static struct io_uring_sqe *prep(struct walker *w)
{
	static struct iovec iov[64];
	static struct msghdr msg = { .msg_iov = iov };
	const struct scenario *s = w->s;
	struct env *e = &w->e;
	struct io_uring_sqe *sqe;
	unsigned int i;

	sqe = env_prep(e, s->opcode, s->sqe_len, s->ioprio);
	sqe->user_data = w->nr_req++;
	if (!s->named)
		return sqe;

	sqe->flags &= ~IOSQE_BUFFER_SELECT;
	sqe->buf_index = 0;
	for (i = 0; i < s->layout->nr; i++)
		iov[i] = (struct iovec) { entry_mem(w, i), s->layout->len };
	msg.msg_iovlen = s->layout->nr;
	if (s->opcode == IORING_OP_SENDMSG || s->opcode == IORING_OP_SENDMSG_ZC) {
		sqe->addr = (unsigned long)&msg;
		sqe->len = 1;
	} else if (s->ioprio & IORING_SEND_VECTORIZED) {
		sqe->addr = (unsigned long)iov;
		sqe->len = s->layout->nr;
	} else {
		sqe->addr = (unsigned long)entry_mem(w, 0);
		sqe->len = s->layout->nr * s->layout->len;
	}
	return sqe;
}

/* Until what is in flight has completed, but for its notifications. */
static int collect(struct walker *w)
{
	while (w->undone) {
		if (take_cqe(w))
			return -1;
	}
	return 0;
}

/* It is stuck, unless it has failed: now there is a reader. */
static int unstick(struct walker *w)
{
	struct pollfd p[2] = {
		{ .fd = w->e.reader.fd, .events = POLLIN },
		{ .fd = w->e.ring.ring_fd, .events = POLLIN },
	};

	if (poll(p, 2, PATIENCE * 1000) <= 0)
		return wrong("nothing arrives");
	w->waited = !ring_peek(&w->e.ring);
	w->unread = false;
	return reader_start(&w->e.reader);
}

/* The requests that allocations fail of. Returns whether one did. */
static int send_injected(struct walker *w, const struct inject *inject)
{
	unsigned int n, left, submitted = 0;
	struct io_uring *ring = &w->e.ring;
	struct inject rest = *inject;
	int ret;

	w->inject = inject;
	arm(&w->target, &rest);
	/* a kernel thread that is awake takes them at once */
	n = ring_publish(ring);
	ret = enter(ring, n, 0);
	if (ring->flags & IORING_SETUP_SQPOLL)
		submitted = n;
	else if (ret > 0)
		submitted = ret;
	w->undone = submitted;
	if (w->s->waits) {
		/* a thread of ours is not to inherit it */
		if (w->issuer == SUBMITTER)
			rest.nth = disarm(&w->target);
		if (submitted && unstick(w))
			return -1;
		if (w->issuer == SUBMITTER && rest.nth)
			arm(&w->target, &rest);
	}
	if (collect(w))
		return -1;
	left = disarm(&w->target);
	if (w->issuer == SUBMITTER && !rest.nth)
		left = 0;
	if (left && (ret < 0 || w->failed))
		return wrong("it fails by itself: %d", ret);
	if (left && w->s->waits && !w->waited)
		return wrong("it does not wait");
	if (ret < 0 && ret != -ENOMEM && ret != -EAGAIN)
		return wrong("submitting fails with %d", ret);
	if (check_ring(w))
		return -1;
	w->inject = NULL;

	/* what was not accepted stays in the queue, as if nothing had been */
	while (submitted < n) {
		ret = enter(ring, n - submitted, 0);
		if (ret <= 0)
			return wrong("submitting again fails with %d", ret);
		submitted += ret;
		w->undone = ret;
		if (w->unread && w->s->waits && unstick(w))
			return -1;
		if (collect(w) || check_ring(w))
			return -1;
	}
	return !left;
}

/* The rest of the entries, without failures. */
static int send_rest(struct walker *w)
{
	const struct scenario *s = w->s;
	unsigned int end, before, failed = w->failed;

	if (!s->legacy && !s->named)
		add_entry(w);
	end = w->nr_entries * s->layout->len;
	do {
		before = w->pos;
		if (w->nr_req == MAX_REQUESTS)
			return wrong("at %u after as many requests", w->pos);
		prep(w);
		w->undone = ring_publish(&w->e.ring);
		if (enter(&w->e.ring, 1, 0) < 0)
			return wrong("what follows can't be submitted");
		if (w->unread && s->waits && unstick(w))
			return -1;
		if (collect(w) || check_ring(w))
			return -1;
		if (w->failed != failed || (w->pos == before && !s->named))
			return wrong("what follows fails, at %u", w->pos);
	} while (w->pos < end);
	return 0;
}

static int receive(struct walker *w)
{
	struct reader *r = &w->e.reader;

	if (w->s->type != SOCK_DGRAM) {
		/* until the end of the stream */
		reader_main(r);
		return r->err;
	}
	while (w->datagrams--) {
		ssize_t ret = recv(r->fd, r->got + r->len, WANT_MAX - r->len, 0);

		if (ret < 0)
			return errno;
		r->len += ret;
	}
	return recv(r->fd, r->got, 1, MSG_DONTWAIT) < 0 ? 0 : EMSGSIZE;
}

/*
 * All that was reported arrives, and nothing else. The registered buffers are
 * free once their notifications have come.
 */
static int finish(struct walker *w)
{
	__u64 all = fixed(w->s) ? ~0ULL >> (64 - w->s->layout->slots) : 0;
	struct env *e = &w->e;
	unsigned int i;
	int ret;

	if (fixed(w->s)) {
		ret = ring_register(&e->ring, IORING_UNREGISTER_BUFFERS, NULL, 0);
		if (ret)
			return wrong("unregistering fails with %d", ret);
	}
	shutdown(e->fd, SHUT_WR);
	if (!w->unread)
		pthread_join(e->reader.thread, NULL);
	else
		e->reader.err = receive(w);
	ret = env_compare(e);
	if (ret)
		return ret;
	/* have TCP acknowledge all of it right now */
	shutdown(e->reader.fd, SHUT_WR);
	for (i = 0; i < w->nr_req; i++) {
		while (w->req[i].announced) {
			if (take_cqe(w))
				return wrong("no notification");
		}
	}
	/* what is cloned has none */
	while (w->tags != all && w->table != clone_slots) {
		if (take_cqe(w))
			return wrong("tags %#llx of %#llx", w->tags, all);
	}
	/* what is pending is posted now */
	enter(&e->ring, 0, 0);
	return ring_peek(&e->ring) ? wrong("a CQE too many") : 0;
}

static int step(struct walker *w, const struct inject *inject)
{
	unsigned int i, n = w->s->links ?: 1;
	int hit;

	if (setup(w, NULL))
		return -1;
	for (i = 0; i < n; i++) {
		struct io_uring_sqe *sqe = prep(w);

		sqe->flags |= i < n - 1 ? IOSQE_IO_LINK : 0;
		sqe->flags |= !i && w->s->drained ? IOSQE_IO_DRAIN : 0;
	}
	hit = send_injected(w, inject);
	if (hit < 0 || send_rest(w) || finish(w)) {
		disarm(&w->target);
		return -1;
	}
	teardown(w);
	return hit;
}

/* What comes before a request. */
static int step_before(struct walker *w, const struct inject *inject)
{
	if (setup(w, inject) || send_rest(w) || finish(w))
		return -1;
	teardown(w);
	return w->hit;
}

struct thread {
	struct walker *w;
	const struct inject *inject;
	int ret;
};

static void *thread_main(void *arg)
{
	struct thread *t = arg;

	t->ret = t->w->step(t->w, t->inject);
	return NULL;
}

/* In a thread that has never had a ring, nor a worker. */
static int step_in_thread(struct walker *w, const struct inject *inject)
{
	struct thread t = { .w = w, .inject = inject, .ret = -1 };
	pthread_t thread;

	if (!pthread_create(&thread, NULL, thread_main, &t))
		pthread_join(thread, NULL);
	return t.ret;
}

/*
 * Have the first allocation fail, the second and so on, for as long as there
 * are that many.
 */
static void walk(struct __test_metadata *_metadata, struct walker *w,
		 unsigned int kind, unsigned int burst)
{
	struct inject inject = { .nth = 1, .burst = burst };
	unsigned int hits = 0, missed = 0;
	int ret;

	ASSERT_EQ(0, fault_choose(kind));
	/*
	 * Once may be by chance: it did not have to wait. Of pages, it is by chance
	 * how many are asked for.
	 */
	while (missed < (kind & SLAB ? 2 : 1)) {
		ret = w->new_thread ? step_in_thread(w, &inject) :
				      w->step(w, &inject);
		ASSERT_LE(0, ret)
			TH_LOG("allocation %u of %u failed, %u in a row", inject.nth,
			       kind, burst);
		if (!ret) {
			missed++;
			continue;
		}
		missed = 0;
		hits++;
		/* the beginning is where it matters which of them follow */
		inject.nth += inject.nth < 8 ? 1 : burst;
	}
	/* pages may all be there */
	if (kind & SLAB)
		EXPECT_LT(0, hits);
	TH_LOG("%u allocations of %u failed, %u in a row", hits, kind, burst);
}

static void walk_single(struct __test_metadata *_metadata, struct walker *w)
{
	walk(_metadata, w, SLAB, 1);
	walk(_metadata, w, PAGES, 1);
}

/* Where one fails, the kernel may try another, or others. */
static void walk_bursts(struct __test_metadata *_metadata, struct walker *w)
{
	walk(_metadata, w, SLAB | PAGES, BURST);
}

/* Memory is charged to whoever may not lock as much as they like. */
static int drop_ipc_lock(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	if (syscall(__NR_capget, &header, data))
		return -errno;
	data[0].effective &= ~(1U << CAP_IPC_LOCK);
	return syscall(__NR_capset, &header, data) ? -errno : 0;
}

/* Register a page with a new ring when one page is all that may be charged. */
static int register_last_page(const struct walker *w)
{
	const struct rlimit page = { 4096, RLIM_INFINITY };
	struct iovec iov = { w->e.mem[0], 4096 };
	struct io_uring ring;
	int ret;

	if (setrlimit(RLIMIT_MEMLOCK, &page) || io_uring_queue_init(4, &ring, 0))
		return -errno;
	ret = io_uring_register_buffers(&ring, &iov, 1);
	ring_exit(&ring);
	return ret;
}

/*
 * No more pages are pinned than before, and nothing is charged. The kernel
 * takes a ring apart some time after it was closed: unpins first, then uncharges.
 */
static int nothing_left(const struct walker *w)
{
	time_t end = time(NULL) + PATIENCE;
	long pinned;
	int ret;

	while ((pinned = pinned_pages()) > w->pinned) {
		if (time(NULL) > end)
			return wrong("%ld pages pinned, not %ld", pinned, w->pinned);
		sched_yield();
	}
	while ((ret = register_last_page(w)) == -ENOMEM && time(NULL) <= end)
		sched_yield();
	return ret ? wrong("memory is still charged: %d", ret) : 0;
}

static int walker_init(struct walker *w, const struct scenario *s)
{
	const struct rlimit no_limit = { RLIM_INFINITY, RLIM_INFINITY };
	int ret;

	w->e.mem[0] = mmap(NULL, AREA, PROT_READ | PROT_WRITE,
			   MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	if (w->e.mem[0] == MAP_FAILED)
		return -errno;
	fill(w->e.mem[0], AREA, 1);
	/* no page fault is to ask for memory */
	if (setrlimit(RLIMIT_MEMLOCK, &no_limit) || mlockall(MCL_CURRENT))
		return -errno;
	ret = drop_ipc_lock();
	if (ret)
		return ret;
	w->pinned = pinned_pages();
	w->s = s;
	w->step = step;
	w->table = register_slots;
	w->e.want = malloc(WANT_MAX);
	w->e.reader.got = malloc(WANT_MAX);
	if (!w->e.want || !w->e.reader.got)
		return -ENOMEM;
	return pipe(w->silent) ? -errno : 0;
}

FIXTURE(request) {
	struct walker w;
	/* has had a worker do something */
	struct io_uring ring;
};

FIXTURE_VARIANT(request) {
	struct scenario s;
};

FIXTURE_VARIANT_ADD(request, zc_single) {
	.s = {
		.opcode = IORING_OP_SEND_ZC,
		.ioprio = SEL_REG,
		.layout = &large,
	},
};

FIXTURE_VARIANT_ADD(request, zc_several_buffers) {
	.s = {
		.opcode = IORING_OP_SEND_ZC,
		.ioprio = SEL_BUNDLE,
		.layout = &apart,
	},
};

FIXTURE_VARIANT_ADD(request, zc_many_buffers) {
	.s = {
		.opcode = IORING_OP_SEND_ZC,
		.ioprio = SEL_BUNDLE,
		.layout = &many_buffers,
	},
};

FIXTURE_VARIANT_ADD(request, send_many_segments) {
	.s = {
		.opcode = IORING_OP_SEND,
		.family = AF_UNIX,
		.ioprio = SEL_BUNDLE,
		.layout = &many_segments,
	},
};

FIXTURE_VARIANT_ADD(request, send_full_array) {
	.s = {
		.opcode = IORING_OP_SEND,
		.family = AF_UNIX,
		.ioprio = SEL_BUNDLE,
		.layout = &full_array,
	},
};

FIXTURE_VARIANT_ADD(request, zc_many_entries) {
	.s = {
		.opcode = IORING_OP_SEND_ZC,
		.ioprio = SEL_BUNDLE | IORING_SEND_ZC_REPORT_USAGE,
		.layout = &many_entries,
	},
};

FIXTURE_VARIANT_ADD(request, zc_poll_first) {
	.s = {
		.opcode = IORING_OP_SEND_ZC,
		.ioprio = SEL_BUNDLE | IORING_RECVSEND_POLL_FIRST,
		.layout = &apart,
	},
};

FIXTURE_VARIANT_ADD(request, zc_last_request) {
	.s = {
		.opcode = IORING_OP_SEND_ZC,
		.ioprio = SEL_BUNDLE,
		.held = 7,
		.layout = &apart,
	},
};

FIXTURE_VARIANT_ADD(request, zc_linked) {
	.s = {
		.opcode = IORING_OP_SEND_ZC,
		.ioprio = SEL_BUNDLE,
		.sqe_len = 300,
		.links = 3,
		.held = 5,
		.layout = &apart,
	},
};

FIXTURE_VARIANT_ADD(request, zc_drained) {
	.s = {
		.opcode = IORING_OP_SEND_ZC,
		.ioprio = SEL_BUNDLE,
		.sqe_len = 300,
		.links = 3,
		.drained = true,
		.layout = &apart,
	},
};

FIXTURE_VARIANT_ADD(request, zc_incremental) {
	.s = {
		.opcode = IORING_OP_SEND_ZC,
		.ioprio = SEL_BUNDLE,
		.sqe_len = 375,
		.pbuf_flags = IOU_PBUF_RING_INC,
		.layout = &apart,
	},
};

FIXTURE_VARIANT_ADD(request, zc_datagram) {
	.s = {
		.opcode = IORING_OP_SEND_ZC,
		.ioprio = SEL_BUNDLE,
		.type = SOCK_DGRAM,
		.layout = &few,
	},
};

FIXTURE_VARIANT_ADD(request, zc_waits) {
	.s = {
		.opcode = IORING_OP_SEND_ZC,
		.ioprio = SEL_BUNDLE,
		.waits = true,
		.layout = &more_than_room,
	},
};

FIXTURE_VARIANT_ADD(request, send_single) {
	.s = {
		.opcode = IORING_OP_SEND,
		.ioprio = SEL_REG,
		.layout = &large,
	},
};

FIXTURE_VARIANT_ADD(request, send_several_buffers) {
	.s = {
		.opcode = IORING_OP_SEND,
		.family = AF_UNIX,
		.ioprio = SEL_BUNDLE,
		.layout = &apart,
	},
};

FIXTURE_VARIANT_ADD(request, send_many_entries) {
	.s = {
		.opcode = IORING_OP_SEND,
		.family = AF_UNIX,
		.ioprio = SEL_BUNDLE,
		.layout = &many_entries,
	},
};

FIXTURE_VARIANT_ADD(request, send_incremental) {
	.s = {
		.opcode = IORING_OP_SEND,
		.family = AF_UNIX,
		.ioprio = SEL_BUNDLE,
		.sqe_len = 375,
		.pbuf_flags = IOU_PBUF_RING_INC,
		.layout = &apart,
	},
};

FIXTURE_VARIANT_ADD(request, send_datagram) {
	.s = {
		.opcode = IORING_OP_SEND,
		.ioprio = SEL_BUNDLE,
		.pbuf_flags = IOU_PBUF_RING_INC,
		.type = SOCK_DGRAM,
		.layout = &few,
	},
};

FIXTURE_VARIANT_ADD(request, send_waits) {
	.s = {
		.opcode = IORING_OP_SEND,
		.ioprio = SEL_BUNDLE,
		.pbuf_flags = IOU_PBUF_RING_INC,
		.waits = true,
		.layout = &more_than_room,
	},
};

FIXTURE_VARIANT_ADD(request, send_unix_waits) {
	.s = {
		.opcode = IORING_OP_SEND,
		.ioprio = SEL_BUNDLE,
		.waits = true,
		.family = AF_UNIX,
		.layout = &more_than_room,
	},
};

FIXTURE_VARIANT_ADD(request, user_single) {
	.s = {
		.opcode = IORING_OP_SEND_ZC,
		.layout = &large,
	},
};

FIXTURE_VARIANT_ADD(request, user_bundle) {
	.s = {
		.opcode = IORING_OP_SEND_ZC,
		.ioprio = BUNDLE,
		.layout = &apart,
	},
};

FIXTURE_VARIANT_ADD(request, user_legacy) {
	.s = {
		.opcode = IORING_OP_SEND_ZC,
		.legacy = true,
		.layout = &in_a_row,
	},
};

FIXTURE_VARIANT_ADD(request, user_incremental) {
	.s = {
		.opcode = IORING_OP_SEND_ZC,
		.ioprio = BUNDLE,
		.sqe_len = 375,
		.pbuf_flags = IOU_PBUF_RING_INC,
		.layout = &apart,
	},
};

FIXTURE_VARIANT_ADD(request, user_waits) {
	.s = {
		.opcode = IORING_OP_SEND_ZC,
		.ioprio = BUNDLE,
		.pbuf_flags = IOU_PBUF_RING_INC,
		.waits = true,
		.layout = &more_than_room,
	},
};

FIXTURE_VARIANT_ADD(request, user_send_bundle) {
	.s = {
		.opcode = IORING_OP_SEND,
		.family = AF_UNIX,
		.ioprio = BUNDLE,
		.layout = &apart,
	},
};

FIXTURE_VARIANT_ADD(request, named_fixed) {
	.s = {
		.opcode = IORING_OP_SEND_ZC,
		.ioprio = SEL_REG,
		.named = true,
		.layout = &one,
	},
};

FIXTURE_VARIANT_ADD(request, named_msg) {
	.s = {
		.opcode = IORING_OP_SENDMSG_ZC,
		.named = true,
		.layout = &apart,
	},
};

FIXTURE_VARIANT_ADD(request, named_msg_fixed) {
	.s = {
		.opcode = IORING_OP_SENDMSG_ZC,
		.ioprio = SEL_REG,
		.named = true,
		.layout = &in_one_buffer,
	},
};

FIXTURE_VARIANT_ADD(request, named_vectored) {
	.s = {
		.opcode = IORING_OP_SEND_ZC,
		.ioprio = IORING_SEND_VECTORIZED,
		.named = true,
		.layout = &apart,
	},
};

FIXTURE_VARIANT_ADD(request, named_vectored_fixed) {
	.s = {
		.opcode = IORING_OP_SEND_ZC,
		.ioprio = IORING_SEND_VECTORIZED | SEL_REG,
		.named = true,
		.layout = &in_one_buffer,
	},
};

FIXTURE_VARIANT_ADD(request, named_sendmsg) {
	.s = {
		.opcode = IORING_OP_SENDMSG,
		.named = true,
		.layout = &apart,
	},
};

FIXTURE_SETUP(request)
{
	if (!fault_available())
		SKIP(return, NOT_AVAILABLE);
	ASSERT_EQ(0, walker_init(&self->w, &variant->s));
	ASSERT_EQ(0, prime(&self->ring));
	self->w.primed = true;
	ASSERT_EQ(0, fault_init());
}

FIXTURE_TEARDOWN(request)
{
	fault_exit();
}

TEST_F_TIMEOUT(request, issued_inline, 300)
{
	walk_single(_metadata, &self->w);
	walk_bursts(_metadata, &self->w);
	EXPECT_EQ(0, nothing_left(&self->w));
}

/* It allocates the same, and only completes in another way. */
TEST_F_TIMEOUT(request, defer_taskrun, 300)
{
	self->w.e.issue.setup = IORING_SETUP_SINGLE_ISSUER |
				IORING_SETUP_DEFER_TASKRUN;
	walk_single(_metadata, &self->w);
	EXPECT_EQ(0, nothing_left(&self->w));
}

TEST_F_TIMEOUT(request, sqpoll, 300)
{
	self->w.e.issue.setup = IORING_SETUP_SQPOLL;
	self->w.issuer = SQ_THREAD;
	self->w.primed = false;
	walk_single(_metadata, &self->w);
	walk_bursts(_metadata, &self->w);
	EXPECT_EQ(0, nothing_left(&self->w));
}

/* What the submitter allocates, then what the worker does. */
TEST_F_TIMEOUT(request, async, 300)
{
	self->w.e.issue.sqe_flags = IOSQE_ASYNC;
	walk_single(_metadata, &self->w);
	self->w.issuer = WORKER;
	self->w.worker = worker_thread();
	walk_single(_metadata, &self->w);
	walk_bursts(_metadata, &self->w);
	EXPECT_EQ(0, nothing_left(&self->w));
}

/* There is no worker yet, and it takes memory to have one. */
FIXTURE(new_worker) {
	struct walker w;
};

FIXTURE_VARIANT(new_worker) {
	struct scenario s;
};

FIXTURE_VARIANT_ADD(new_worker, zc) {
	.s = {
		.opcode = IORING_OP_SEND_ZC,
		.ioprio = SEL_BUNDLE,
		.layout = &apart,
	},
};

FIXTURE_VARIANT_ADD(new_worker, send_incremental) {
	.s = {
		.opcode = IORING_OP_SEND,
		.ioprio = SEL_BUNDLE,
		.pbuf_flags = IOU_PBUF_RING_INC,
		.layout = &apart,
	},
};

FIXTURE_SETUP(new_worker)
{
	if (!fault_available())
		SKIP(return, NOT_AVAILABLE);
	ASSERT_EQ(0, walker_init(&self->w, &variant->s));
	ASSERT_EQ(0, fault_init());
}

FIXTURE_TEARDOWN(new_worker)
{
	fault_exit();
}

TEST_F_TIMEOUT(new_worker, issued, 300)
{
	self->w.e.issue.sqe_flags = IOSQE_ASYNC;
	self->w.new_thread = true;
	/* a worker would inherit that more are to fail */
	walk_single(_metadata, &self->w);
	EXPECT_EQ(0, nothing_left(&self->w));
}

/* What is there before a request is: it is done as a whole or not at all. */
FIXTURE(table) {
	struct walker w;
};

FIXTURE_VARIANT(table) {
	int (*before)(struct walker *w);
	int (*table)(struct walker *w);
	int (*injected)(struct walker *w);
};

FIXTURE_VARIANT_ADD(table, ring) {
	.table = register_slots,
	.injected = set_up_ring,
};

FIXTURE_VARIANT_ADD(table, registered) {
	.table = register_slots,
	.injected = register_slots,
};

FIXTURE_VARIANT_ADD(table, updated) {
	.before = register_sparse,
	.table = update_slots,
	.injected = update_slots,
};

FIXTURE_VARIANT_ADD(table, replaced) {
	.before = register_untagged,
	.table = update_slots,
	.injected = update_slots,
};

FIXTURE_VARIANT_ADD(table, cloned) {
	.before = open_source,
	.table = clone_slots,
	.injected = clone_slots,
};

FIXTURE_VARIANT_ADD(table, group) {
	.table = register_slots,
	.injected = open_group,
};

FIXTURE_SETUP(table)
{
	static const struct scenario bundle = {
		.opcode = IORING_OP_SEND_ZC,
		.ioprio = SEL_BUNDLE,
		.layout = &apart,
	};
	struct walker *w = &self->w;

	if (!fault_available())
		SKIP(return, NOT_AVAILABLE);
	ASSERT_EQ(0, walker_init(w, &bundle));
	w->before = variant->before;
	w->table = variant->table;
	w->injected = variant->injected;
	ASSERT_EQ(0, fault_init());
}

FIXTURE_TEARDOWN(table)
{
	fault_exit();
}

TEST_F_TIMEOUT(table, made, 300)
{
	self->w.step = step_before;
	self->w.new_thread = true;
	walk_single(_metadata, &self->w);
	walk_bursts(_metadata, &self->w);
	EXPECT_EQ(0, nothing_left(&self->w));
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/*
 * Random sends of provided, registered and named buffers, while tables, rings,
 * entries and connections change, against a model of what must come of it:
 * which entries each request takes, which bytes arrive, one CQE for each send,
 * one notification for each SEND_ZC, and a tag for each registered buffer that
 * comes after the notifications of whoever sent from it.
 *
 * usage: fuzz_test [-s SEED] [-c CASE] [-n CASES | -t MINUTES] [-v]
 *
 * A case is a ring with what belongs to it, and some rounds of requests. What
 * is drawn in it depends on the seed and on its number only: -c repeats it, and
 * -v tells each step.
 */
#include <err.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>
#include <poll.h>

#include "fuzz.h"
#include "fuzz_judge.h"

#define BGID		20
#define ROUNDS		32
/* nothing takes that long, even where everything is emulated */
#define STUCK_SECONDS	120

/* user_data: what it is of, and the number of that */
#define UD_REQUEST	0x100000000ULL
#define UD_NOTIF	0x200000000ULL
#define UD_TAG		0x300000000ULL
#define UD_OTHER	0x400000000ULL
#define UD_KIND		0xffffffff00000000ULL

#define FIXED		IORING_RECVSEND_FIXED_BUF
#define BUNDLE		IORING_RECVSEND_BUNDLE

/* What another thread is asked to do. */
struct task {
	void (*run)(struct task *t);
	struct io_uring *ring;
	struct slot *slot;
	struct group *group;
	unsigned int nr;
	int fd;
	__u64 data;
};

struct worker {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	struct task tasks[64];
	unsigned int head, tail;
	bool stop;
};

enum { WORKER_TABLE, WORKER_OTHER, NR_WORKERS };

static struct worker workers[NR_WORKERS];
static char *user_mem;

/* Draws of a step don't depend on what came of the ones before. */
static void step(unsigned int nr)
{
	f.step = nr;
	f.d.state = ((f.seed * 1000003 + f.nr_case) * 1000003 + f.round) * 1000003 + nr;
	draw(&f.d, 1);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Other threads. */

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	pthread_mutex_lock(&w->lock);
	while (!w->stop) {
		struct task *t = &w->tasks[w->head % 64];

		if (w->head == w->tail) {
			pthread_cond_wait(&w->cond, &w->lock);
			continue;
		}
		pthread_mutex_unlock(&w->lock);
		t->run(t);
		pthread_mutex_lock(&w->lock);
		w->head++;
		pthread_cond_broadcast(&w->cond);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static void worker_wait(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
	while (w->head != w->tail)
		pthread_cond_wait(&w->cond, &w->lock);
	pthread_mutex_unlock(&w->lock);
}

static void worker_post(struct worker *w, const struct task *t)
{
	pthread_mutex_lock(&w->lock);
	while (w->tail - w->head == 64)
		pthread_cond_wait(&w->cond, &w->lock);
	w->tasks[w->tail++ % 64] = *t;
	pthread_cond_broadcast(&w->cond);
	pthread_mutex_unlock(&w->lock);
}

/* A ring with a single issuer is used by no other thread. */
static bool others_may(void)
{
	return !(f.setup & IORING_SETUP_SINGLE_ISSUER);
}

/* Here or elsewhere; if it isn't to race, it is done when this returns. */
static void run_task(struct task *t, unsigned int worker, bool race)
{
	t->ring = &f.ring;
	if (!others_may() || (!race && chance(&f.d, 70))) {
		t->run(t);
		return;
	}
	worker_post(&workers[worker], t);
	if (!race)
		worker_wait(&workers[worker]);
}

/* Lengths, at the borders of pages and folios more often than not. */
static size_t draw_len(struct draw *d, size_t max)
{
	static const size_t border[] = { 1, 512, 1400, 4096, 8192, 16384, 65536, };
	size_t len;

	switch (draw(d, 4)) {
	case 0:
		len = 1 + draw(d, 6000);
		break;
	case 1:
		len = 1 + draw(d, chance(d, 10) ? 200000 : 30000);
		break;
	default:
		len = pick(d, border) + draw(d, 3) - 1;
	}
	if (len > max)
		len = max;
	return len ?: 1;
}

/* The table of registered buffers. */

static void slot_unmap(struct slot *s)
{
	if (s->p)
		munmap(s->map, s->map_len);
	s->p = NULL;
}

/* Memory that has @s->version's bytes, and starts and ends somewhere in a page. */
static void slot_map(struct slot *s, struct draw *d)
{
	static const size_t lens[] = {
		1, 4096, 3 * 4096 + 123, 20000, 65536, 100000, MEM_MAX,
	};
	size_t huge = 2UL << 20, off = chance(d, 50) ? draw(d, 4096) : 0;
	bool thp = chance(d, 6);

	s->len = lens[draw(d, 7)];
	if (chance(d, 30))
		off = 0;
	s->map_len = (s->len + off + 4095) & ~4095UL;
	if (thp) {
		/* across the border of two huge pages */
		s->map_len = 3 * huge;
		if (chance(d, 50))
			off += huge - (s->len / 2 & ~4095UL);
	}
	s->map = mmap(NULL, s->map_len, PROT_READ | PROT_WRITE,
		      MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	if (s->map == MAP_FAILED)
		err(1, "mmap of %zu bytes", s->map_len);
	if (thp) {
		off += -(unsigned long)s->map & (huge - 1);
		if (off + s->len > s->map_len)
			off = 0;
	}
	madvise(s->map, s->map_len, thp ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	s->p = s->map + off;
	memcpy(s->p, pattern[s - f.slots][s->version], s->len);
}

static void slot_gone(struct slot *s)
{
	if (s->p && s->instance) {
		check(f.nr_gone < MAX_GONE, "too many buffers left the table");
		f.gone[f.nr_gone].instance = s->instance;
		f.gone[f.nr_gone].seq = 0;
		/* a tag may come to the other thread as soon as it's out of the table */
		__atomic_store_n(&f.nr_gone, f.nr_gone + 1, __ATOMIC_RELEASE);
	}
	s->instance = 0;
}

static int slot_register(struct io_uring *ring, struct slot *s, __u64 tag)
{
	struct iovec iov = { s->p, s->p ? s->len : 0 };
	struct io_uring_rsrc_update2 up = {
		.offset	= s->index,
		.data	= (unsigned long)&iov,
		.tags	= (unsigned long)&tag,
		.nr	= 1,
	};

	return ring_register(ring, IORING_REGISTER_BUFFERS_UPDATE, &up, sizeof(up));
}

/* Give a slot to other memory, or to none, and unmap what it had. */
static void task_update(struct task *t)
{
	struct draw d = { t->data };
	struct slot old = *t->slot, *s = t->slot;
	int ret;

	slot_gone(s);
	s->p = NULL;
	if (t->nr) {
		s->version = draw(&d, NR_VERSIONS);
		slot_map(s, &d);
		s->instance = ++f.instances;
	}
	ret = slot_register(t->ring, s, s->p ? UD_TAG | s->instance : 0);
	check(ret == 1, "update of slot %u: %d", s->index, ret);
	slot_unmap(&old);
}

static int register_sparse(struct io_uring *ring, unsigned int nr)
{
	struct io_uring_rsrc_register reg = {
		.nr	= nr,
		.flags	= IORING_RSRC_REGISTER_SPARSE,
	};

	return ring_register(ring, IORING_REGISTER_BUFFERS2, &reg, sizeof(reg));
}

static void task_unregister(struct task *t)
{
	int i, ret;

	for (i = 0; i < NR_SLOTS; i++) {
		slot_gone(&f.slots[i]);
		slot_unmap(&f.slots[i]);
	}
	ret = ring_register(t->ring, IORING_UNREGISTER_BUFFERS, NULL, 0);
	check(!ret, "unregister: %d", ret);
	f.table = false;
}

static void task_register(struct task *t)
{
	struct draw d = { t->data };
	int i, ret = register_sparse(t->ring, f.table_size);

	check(!ret, "registering a table of %u: %d", f.table_size, ret);
	f.table = true;
	for (i = 0; i < NR_SLOTS; i++) {
		struct task update = {
			.ring	= t->ring,
			.slot	= &f.slots[i],
			.nr	= !chance(&d, 10),
			.data	= t->data + i,
		};

		task_update(&update);
	}
}

/* Have all slots be those of another ring, which goes away. */
static void task_clone(struct task *t)
{
	struct io_uring_clone_buffers clone = {
		.flags	= IORING_REGISTER_DST_REPLACE,
	};
	struct io_uring source;
	int i, ret;

	if (io_uring_queue_init(1, &source, 0) < 0)
		err(1, "io_uring_setup");
	ret = register_sparse(&source, f.table_size);
	check(!ret, "registering a table to clone: %d", ret);
	for (i = 0; i < NR_SLOTS; i++) {
		ret = slot_register(&source, &f.slots[i], 0);
		check(ret == 1, "update of a slot to clone: %d", ret);
		slot_gone(&f.slots[i]);
	}
	clone.src_fd = source.ring_fd;
	ret = ring_register(t->ring, IORING_REGISTER_CLONE_BUFFERS, &clone, 1);
	check(!ret, "clone: %d", ret);
	ring_exit(&source);
}

static void op_table(bool race)
{
	struct task t = { .data = draw(&f.d, 1U << 31) };
	unsigned int i;

	/* in a race there is one, each time that the other thread gets to it */
	if (!race && !f.table) {
		tell("register");
		t.run = task_register;
	} else if (chance(&f.d, 70)) {
		i = draw(&f.d, NR_SLOTS);
		t.slot = &f.slots[i];
		t.nr = chance(&f.d, 80);
		t.run = task_update;
		tell("%s slot %u", t.nr ? "update" : "empty", t.slot->index);
	} else if (!race && chance(&f.d, 40)) {
		t.run = task_clone;
		tell("clone");
	} else {
		t.run = task_unregister;
		tell("unregister");
	}
	if (race && t.run == task_unregister) {
		t.ring = &f.ring;
		worker_post(&workers[WORKER_TABLE], &t);
		t.run = task_register;
	}
	run_task(&t, WORKER_TABLE, race);
}

/* Groups of provided buffers. */

static __u64 draw_addr(struct group *g, __u32 *len)
{
	struct entry *prev = group_entry(g, g->pbufs.tail - 1);
	struct slot *s = &f.slots[draw(&f.d, NR_SLOTS)];
	size_t off, max = s->p ? s->len : 4096;

	if (group_is_user(g)) {
		off = draw(&f.d, MEM_MAX - 1);
		*len = draw_len(&f.d, MEM_MAX - off);
		return (unsigned long)user_mem + off;
	}

	*len = draw_len(&f.d, max);
	/* after the one before, as a sender walks a large buffer */
	if (chance(&f.d, 40) && prev->len) {
		s = slot_find(f.slots, prev->addr);
		off = addr_offset(prev->addr) + prev->len;
		if (s && off < s->len) {
			if (*len > s->len - off)
				*len = s->len - off;
			return prev->addr + prev->len;
		}
		s = &f.slots[0];
	}
	off = draw(&f.d, max);
	if (chance(&f.d, 30))
		off &= ~4095UL;
	if (off + *len > max)
		off = max > *len ? max - *len : 0;
	if (chance(&f.d, 97))
		return IOU_BUF_REGBUF_ADDR(s->index, off);

	/* no such slot, past the end, wraps around, or nothing at all */
	switch (draw(&f.d, 5)) {
	case 0:
		return IOU_BUF_REGBUF_ADDR(f.table_size + draw(&f.d, 4), off);
	case 1:
		return IOU_BUF_REGBUF_ADDR(s->index + 65536, off);
	case 2:
		*len = chance(&f.d, 50) ? max - off + 1 : UINT_MAX - draw(&f.d, 4096);
		return IOU_BUF_REGBUF_ADDR(s->index, off);
	case 3:
		return IOU_BUF_REGBUF_ADDR(s->index, (1ULL << IOU_BUF_OFFSET_BITS) - 1 -
					   draw(&f.d, 4096));
	default:
		*len = 0;
		return IOU_BUF_REGBUF_ADDR(s->index, off);
	}
}

static void entry_write(struct group *g, unsigned short pos)
{
	struct io_uring_buf *buf = &g->pbufs.br->bufs[pos & g->pbufs.mask];
	struct entry *e = group_entry(g, pos);

	buf->addr = e->addr;
	buf->len = e->len;
	buf->bid = pos;
}

static size_t group_bytes(struct group *g)
{
	size_t sum = 0;
	unsigned int i;

	for (i = 0; i < group_nr(g); i++) {
		__u32 len = group_entry(g, g->head + i)->len;

		sum += len < MEM_MAX ? len : 0;
	}
	return sum;
}

static int submit(void)
{
	return ring_submit(&f.ring);
}

/* Get rid of what no request gets past. */
static void group_mend(struct group *g)
{
	unsigned int i;

	if (g->kind == GROUP_NONE || g->kind == GROUP_LEGACY || !group_nr(g))
		return;
	if (!f.entries_race && !entry_check(f.slots, g, group_entry(g, g->head), g->eaten))
		return;
	for (i = 0; i < group_nr(g); i++) {
		struct entry *e = group_entry(g, g->head + i);

		if (!f.entries_race && i)
			break;
		e->addr = draw_addr(g, &e->len);
		entry_write(g, g->head + i);
	}
	g->eaten = 0;
}

static void op_add(struct group *g)
{
	unsigned int i, nr = 1 + draw(&f.d, chance(&f.d, 20) ? 300 : 12);
	size_t sum = group_bytes(g);
	struct entry *e;

	if (g->kind == GROUP_NONE)
		return;
	/* what was eaten of it is still to be compared */
	if (!g->eaten && chance(&f.d, 50))
		group_mend(g);
	if (g->kind == GROUP_LEGACY)
		nr = 1;
	for (i = 0; i < nr && group_nr(g) < GROUP_ENTRIES; i++) {
		e = group_entry(g, g->pbufs.tail);
		e->addr = draw_addr(g, &e->len);
		sum += e->len < MEM_MAX ? e->len : 0;
		if (sum > GROUP_BYTES)
			break;
		tell("add %u: %#llx, %u bytes at %u", g->pbufs.bgid,
		     (unsigned long long)e->addr, e->len, g->pbufs.tail);
		if (g->kind == GROUP_LEGACY) {
			struct io_uring_sqe *sqe;

			sqe = ring_prep(&f.ring, IORING_OP_PROVIDE_BUFFERS);
			sqe->fd = 1;
			sqe->addr = e->addr;
			sqe->len = e->len;
			sqe->off = g->pbufs.tail;
			sqe->buf_group = g->pbufs.bgid;
			sqe->user_data = UD_OTHER;
			check(!submit(), "submitting PROVIDE_BUFFERS");
			f.others_due++;
		} else {
			entry_write(g, g->pbufs.tail);
		}
		g->pbufs.tail++;
	}
	if (g->kind != GROUP_LEGACY)
		pbuf_ring_publish(&g->pbufs);
}

/* Another thread writes anything that will do. */
static void task_rewrite(struct task *t)
{
	struct group *g = t->group;
	struct draw d = { t->data };
	unsigned int i;

	for (i = 0; i < t->nr; i++) {
		struct io_uring_buf *buf = &g->pbufs.br->bufs[draw(&d, GROUP_ENTRIES)];
		struct slot *s = &f.slots[draw(&d, NR_SLOTS)];

		__atomic_store_n(&buf->addr, IOU_BUF_REGBUF_ADDR(s->index, draw(&d, MEM_MAX)),
				 __ATOMIC_RELAXED);
		__atomic_store_n(&buf->len, chance(&d, 95) ? draw(&d, 3000) : draw(&d, UINT_MAX),
				 __ATOMIC_RELAXED);
	}
}

static void op_rewrite(struct group *g, bool race)
{
	struct task t = {
		.run	= task_rewrite,
		.group	= g,
		.nr	= 500,
		.data	= draw(&f.d, 1U << 31),
	};
	unsigned short pos;
	struct entry *e;

	if (race) {
		run_task(&t, WORKER_OTHER, true);
		return;
	}
	if (group_nr(g) < 2 || g->kind == GROUP_LEGACY)
		return;
	pos = g->head + 1 + draw(&f.d, group_nr(g) - 1);
	e = group_entry(g, pos);
	e->addr = draw_addr(g, &e->len);
	entry_write(g, pos);
	tell("rewrite %u: %#llx, %u bytes at %u", g->pbufs.bgid,
	     (unsigned long long)e->addr, e->len, pos);
}

/* What completes, and what arrives. */

static void handle_send(struct request *r, const struct io_uring_cqe *cqe)
{
	struct part *p = &r->part[r->nr_parts];

	check(!r->final, "a CQE after the last one: %d, flags %#x", cqe->res, cqe->flags);
	check(r->nr_parts <= GROUP_ENTRIES, "too many CQEs");
	p->res = cqe->res;
	p->flags = cqe->flags;
	p->pos = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
	r->nr_parts++;
	if (p->res > 0)
		r->conn->due += p->res;
	if (request_is_zc(r) || !(cqe->flags & IORING_CQE_F_MORE)) {
		r->final = true;
		r->conn->request = NULL;
	}
}

static void handle_notif(struct request *r, const struct io_uring_cqe *cqe)
{
	unsigned int nr = r - f.requests;

	check(!r->notified, "a second notification of request %u", nr);
	check(r->final, "notification of request %u ahead of its CQE", nr);
	check(r->part[r->nr_parts - 1].flags & IORING_CQE_F_MORE,
	      "notification of request %u without F_MORE", nr);
	check(cqe->flags == IORING_CQE_F_NOTIF, "notification has flags %#x", cqe->flags);
	check(!(cqe->res & ~IORING_NOTIF_USAGE_ZC_COPIED), "notification says %#x", cqe->res);
	r->notified = true;
	r->notif_seq = f.seq;
}

static void handle_tag(unsigned int instance)
{
	unsigned int i, nr = __atomic_load_n(&f.nr_gone, __ATOMIC_ACQUIRE);

	for (i = 0; i < nr; i++) {
		if (f.gone[i].instance == instance && !f.gone[i].seq)
			break;
	}
	check(i < nr, "tag %u is of nothing that has gone", instance);
	f.gone[i].seq = f.seq;
}

static void handle_cqe(const struct io_uring_cqe *cqe)
{
	bool notif = cqe->flags & IORING_CQE_F_NOTIF;
	unsigned int nr = cqe->user_data;

	tell("CQE of %#llx: %d, flags %#x", (unsigned long long)cqe->user_data,
	     cqe->res, cqe->flags);
	f.seq++;
	switch (cqe->user_data & UD_KIND) {
	case UD_REQUEST:
	case UD_NOTIF:
		check(nr < f.nr_requests, "a CQE of no request: %u", nr);
		check(notif || (cqe->user_data & UD_KIND) == UD_REQUEST,
		      "no notification, but its user_data: flags %#x", cqe->flags);
		if (notif)
			handle_notif(&f.requests[nr], cqe);
		else
			handle_send(&f.requests[nr], cqe);
		return;
	case UD_TAG:
		handle_tag(nr);
		return;
	case UD_OTHER:
		check(f.others_due, "one CQE too many: %d", cqe->res);
		f.others_due--;
		return;
	}
	failed("a CQE of nothing: %#llx", (unsigned long long)cqe->user_data);
}

static bool reap(void)
{
	struct io_uring_cqe *next, cqe;
	bool any = false;

	/* others complete on the way back from any system call */
	if (f.setup & IORING_SETUP_DEFER_TASKRUN)
		io_uring_enter(f.ring.ring_fd, 0, 0, IORING_ENTER_GETEVENTS, NULL);
	while ((next = ring_peek(&f.ring))) {
		cqe = *next;
		io_uring_cqe_seen(&f.ring);
		handle_cqe(&cqe);
		any = true;
	}
	return any;
}

/* Whether bytes may arrive that this round has to see. */
static bool conn_expects(const struct conn *c)
{
	return !c->blocked && !c->ended && c->peer >= 0 && (c->request || c->got_len < c->due);
}

static bool conn_read(struct conn *c)
{
	bool any = false;
	int one = 1;
	ssize_t ret;

	if (!conn_expects(c))
		return false;
	while ((ret = recv(c->peer, c->got + c->got_len, GOT_MAX - c->got_len,
			   MSG_DONTWAIT)) > 0) {
		c->got_len += ret;
		check(c->got_len < GOT_MAX, "more than %u bytes arrive", GOT_MAX);
		if (c->type == SOCK_DGRAM) {
			check(c->nr_dgrams < GROUP_ENTRIES, "too many datagrams");
			c->dgram[c->nr_dgrams++] = ret;
		}
		any = true;
	}
	if (!ret || errno != EAGAIN)
		c->ended = true;
	/* a notification waits for it */
	if (any && c->type == SOCK_STREAM)
		setsockopt(c->peer, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof(one));
	return any;
}

static bool pump(void)
{
	bool any = reap();
	unsigned int i;

	for (i = 0; i < NR_CONNS; i++)
		any |= conn_read(&f.conns[i]);
	if (any)
		f.in_vain = 0;
	return any;
}

/*
 * Whether nothing has happened for too long. This looks at the clock rarely, as
 * that is a slow system call in user mode Linux.
 */
static bool stuck(void)
{
	if (++f.in_vain % 1024)
		return false;
	if (f.in_vain == 1024)
		f.idle_since = now();
	return now() - f.idle_since > STUCK_SECONDS;
}

/* Wait for something to complete or to arrive. */
static void wait_any(const char *what)
{
	struct pollfd p[NR_CONNS + 1] = { { .fd = f.ring.ring_fd, .events = POLLIN } };
	unsigned int i;

	for (i = 0; i < NR_CONNS; i++) {
		struct conn *c = &f.conns[i];

		p[i + 1].fd = conn_expects(c) ? c->peer : -1;
		p[i + 1].events = POLLIN;
	}
	/* also what did not fit in the ring of completions */
	io_uring_enter(f.ring.ring_fd, 0, 0, IORING_ENTER_GETEVENTS, NULL);
	if (ring_peek(&f.ring))
		return;
	check(poll(p, NR_CONNS + 1, STUCK_SECONDS * 1000) && !stuck(),
	      "waiting for %s, but nothing happens any more", what);
}

/* Requests. */

/* Others may take what is left once the kernel has taken what it wants. */
static bool request_took(struct request *r)
{
	struct group *g = r->group;

	if (r->final)
		return true;
	if (!g || g->kind == GROUP_NONE || g->kind == GROUP_LEGACY)
		return false;
	if (pbuf_ring_head(&f.ring, &g->pbufs) != g->head)
		return true;
	return group_is_inc(g) && group_nr(g) &&
	       __atomic_load_n(&g->pbufs.br->bufs[g->head & g->pbufs.mask].len, __ATOMIC_RELAXED) !=
	       group_entry(g, g->head)->len - g->eaten;
}

/* An incremental ring: by how much has it moved? */
static size_t group_moved(struct group *g, unsigned short head, __u32 *eaten)
{
	size_t sum = -(size_t)g->eaten;
	unsigned short pos;

	for (pos = g->head; pos != head; pos++)
		sum += group_entry(g, pos)->len;
	*eaten = 0;
	if (head != g->pbufs.tail) {
		__u32 left = g->pbufs.br->bufs[head & g->pbufs.mask].len;
		__u32 len = group_entry(g, head)->len;

		check(left <= len, "entry %u has grown from %u to %u bytes", head, len, left);
		*eaten = len - left;
	}
	return sum + *eaten;
}

static void settle_inc(struct request *r, const struct selection *sel, unsigned short head)
{
	struct group *g = r->group;
	bool async = r->sqe_flags & IOSQE_ASYNC, ours = r->ioprio & FIXED || request_is_zc(r);
	size_t sent, all = sel->len;
	__u32 eaten;
	int res;

	r->consumed = group_moved(g, head, &eaten);
	/* what completed in its first attempt did that before we had the lock */
	reap();
	res = r->final ? r->part[0].res : 0;
	sent = res > 0 ? res : 0;
	if (!ours)
		check(r->consumed == all || r->consumed == sent, "a ring moved by %zu, sent is %zu",
		      r->consumed, sent);
	else if (!r->final || async)
		check(r->consumed == all, "%zu of %zu bytes are consumed of a request that waits",
		      r->consumed, all);
	else if (r->msg_flags & MSG_DONTWAIT)
		check(r->consumed == sent, "%zu bytes are consumed, %zu are sent",
		      r->consumed, sent);
	else
		check(r->consumed == all || r->consumed == sent,
		      "%zu bytes are consumed, %zu selected, %zu sent", r->consumed, all, sent);
	g->head = head;
	g->eaten = eaten;
	r->buf_more = r->consumed && eaten;
}

/*
 * The request has taken from its group what it is going to take, or failed:
 * that is what the model says that it does.
 */
static void settle(struct request *r)
{
	struct group *g = r->group;
	struct selection sel;
	unsigned short head;
	unsigned int nr, i;

	r->settled = true;
	if (!g || r->err)
		return;
	sel = model_select(f.slots, g, r, r->len);
	r->err = sel.err;
	r->first = g->head;
	r->first_eaten = g->eaten;
	r->taken = sel.len;
	if (g->kind == GROUP_NONE)
		return;
	if (g->kind == GROUP_LEGACY) {
		nr = !sel.err;
		/* sending may fail, and give it back, but for SEND_ZC */
		if (nr && !(r->part[0].flags & IORING_CQE_F_BUFFER)) {
			check(r->part[0].res < 0, "%d bytes sent of no buffer", r->part[0].res);
			nr = 0;
		}
		take(r, nr);
		g->head += nr;
		return;
	}

	head = pbuf_ring_head(&f.ring, &g->pbufs);
	nr = (__u16)(head - g->head);
	check(nr <= group_nr(g), "%u entries are taken, of %u", nr, group_nr(g));
	if (sel.err) {
		__u32 eaten = g->eaten;

		check(!nr, "%u entries are taken, but %d is to come", nr, sel.err);
		if (group_is_inc(g))
			check(!group_moved(g, head, &eaten), "bytes are taken, but %d is to come",
			      sel.err);
		return;
	}
	take(r, sel.nr);
	r->nr = nr;
	if (group_is_inc(g) && request_is_bundle(r) && !request_is_zc(r)) {
		r->consumed = group_moved(g, head, &g->eaten);
		take(r, nr + !!g->eaten);
		g->head = head;
		return;
	}
	if (group_is_inc(g)) {
		settle_inc(r, &sel, head);
		return;
	}
	/* SEND goes on from bundle to bundle */
	if (request_is_bundle(r) && !request_is_zc(r)) {
		check(nr || (group_is_user(g) && r->part[0].res < 0),
		      "nothing is taken, but %zu bytes are to be sent", sel.len);
		take(r, nr);
	} else if (group_is_user(g)) {
		/* how much of it depends on what is cached, or fails */
		check(nr <= sel.nr, "%u entries are taken, %u at most", nr, sel.nr);
		if (nr != sel.nr) {
			size_t len = 0;

			check(request_is_bundle(r) || (!request_is_zc(r) && !nr),
			      "%u entries are taken, not %u", nr, sel.nr);
			for (i = 0; i < nr; i++)
				len += group_entry(g, g->head + i)->len;
			r->taken = len;
		}
	} else {
		check(nr == sel.nr, "%u entries are taken, not %u", nr, sel.nr);
	}
	g->head = head;
}

/* Until it has completed, or at least taken what it takes. */
static void wait_settled(struct request *r, bool final)
{
	f.in_vain = 0;
	while (!(final ? r->final : request_took(r))) {
		if (pump())
			continue;
		if (final) {
			wait_any("a request to complete");
			continue;
		}
		check(!stuck(), "request %u does not start", (unsigned int)(r - f.requests));
		sched_yield();
	}
	settle(r);
}

static void task_enter(struct task *t)
{
	int ret = io_uring_enter(t->ring->ring_fd, t->nr, 0, IORING_ENTER_GETEVENTS, NULL);

	check(ret == (int)t->nr, "io_uring_enter() of %u: %d", t->nr, ret < 0 ? -errno : ret);
}

/* From here, or from another thread. */
static void submit_somewhere(bool race)
{
	struct task t = { .run = task_enter };

	if (f.setup & IORING_SETUP_SQPOLL) {
		check(!submit(), "submission fails");
		return;
	}
	t.nr = ring_publish(&f.ring);
	run_task(&t, WORKER_OTHER, race);
}

static void request_prep(struct request *r)
{
	struct io_uring_sqe *sqe = ring_prep(&f.ring, r->opcode);
	unsigned int nr = r - f.requests;

	sqe->flags = r->sqe_flags;
	sqe->ioprio = r->ioprio;
	sqe->fd = r->conn->fd;
	sqe->len = r->len;
	sqe->msg_flags = r->msg_flags;
	sqe->user_data = UD_REQUEST | nr;
	if (request_is_zc(r) && chance(&f.d, 30))
		sqe->addr3 = UD_NOTIF | nr;
	if (r->sqe_flags & IOSQE_BUFFER_SELECT)
		sqe->buf_group = r->group->pbufs.bgid;
	nr_sends++;
	r->conn->order[r->conn->nr_order++] = r;
	r->conn->request = r;
	tell("request %u on %u%s%s: op %u, flags %#x, ioprio %#x, group %d, len %u, msg %#x",
	     nr, (unsigned int)(r->conn - f.conns), r->conn->blocked ? " (nobody reads)" : "",
	     r->conn->broken ? " (broken)" : "", r->opcode, r->sqe_flags, r->ioprio,
	     r->group ? r->group->pbufs.bgid : -1, r->len, r->msg_flags);
}

/* Put in a mistake, and say what comes of it. */
static void request_spoil(struct request *r)
{
	r->err = -EINVAL;
	switch (draw(&f.d, 6)) {
	case 0:
		r->opcode = IORING_OP_SEND_ZC;
		r->ioprio |= BUNDLE;
		r->sqe_flags &= ~IOSQE_BUFFER_SELECT;
		break;
	case 1:
		r->ioprio |= IORING_SEND_VECTORIZED | FIXED;
		r->sqe_flags |= IOSQE_BUFFER_SELECT;
		break;
	case 2:
		r->ioprio |= 1 << (8 + draw(&f.d, 8));
		break;
	case 3:
		r->opcode = IORING_OP_SEND_ZC;
		r->sqe_flags |= IOSQE_CQE_SKIP_SUCCESS;
		r->no_notif = true;
		break;
	case 4:
		r->sqe_flags |= IOSQE_BUFFER_SELECT;
		r->opcode = IORING_OP_SEND_ZC;
		r->len = 0x80000000 + draw(&f.d, 0x7fffffff);
		break;
	default:
		r->opcode = IORING_OP_SENDMSG_ZC;
		r->sqe_flags |= IOSQE_BUFFER_SELECT;
		r->ioprio &= FIXED | IORING_RECVSEND_POLL_FIRST;
		r->err = -EOPNOTSUPP;
		r->no_notif = true;
		break;
	}
}

/* Draw one that sends on @c, NULL if there is nothing to send. */
static struct request *request_draw(struct conn *c, bool race)
{
	struct group *g = &f.groups[draw(&f.d, NR_GROUPS)];
	struct request *r = &f.requests[f.nr_requests];

	if (f.nr_requests == NR_REQUESTS || c->request || c->closed ||
	    c->nr_order == NR_REQUESTS)
		return NULL;
	if (race) {
		g = &f.groups[0];
		if (f.entries_race && c->type == SOCK_DGRAM)
			return NULL;
	}
	memset(r, 0, offsetof(struct request, part));
	memset(f.used[f.nr_requests], 0, sizeof(f.used[0]));

	r->conn = c;
	r->group = g;
	r->table_races = f.table_races;
	r->entries_race = f.entries_race;
	r->opcode = chance(&f.d, 70) ? IORING_OP_SEND_ZC : IORING_OP_SEND;
	r->sqe_flags = IOSQE_BUFFER_SELECT;
	if (!group_is_user(g) || g->kind == GROUP_LEGACY)
		r->ioprio |= g->kind == GROUP_LEGACY && chance(&f.d, 90) ? 0 : FIXED;
	if (chance(&f.d, 60) && g->kind != GROUP_LEGACY && g->kind != GROUP_USER_INC)
		r->ioprio |= BUNDLE;
	if (chance(&f.d, 10))
		r->ioprio |= IORING_RECVSEND_POLL_FIRST;
	if (request_is_zc(r) && chance(&f.d, 30))
		r->ioprio |= IORING_SEND_ZC_REPORT_USAGE;
	if (chance(&f.d, 15))
		r->sqe_flags |= IOSQE_ASYNC;
	if (chance(&f.d, 60))
		r->msg_flags |= MSG_WAITALL;
	if (chance(&f.d, 10))
		r->msg_flags |= MSG_DONTWAIT;
	if (chance(&f.d, 1) && c->type == SOCK_STREAM)
		r->msg_flags |= MSG_MORE;
	if (chance(&f.d, 50))
		r->len = draw_len(&f.d, INT_MAX);
	if (race && (f.entries_race || !r->len))
		r->len = 1 + draw(&f.d, 40000);

	if (!race && chance(&f.d, 6)) {
		struct slot *s = &f.slots[draw(&f.d, NR_SLOTS)];

		/* as ever: memory that it names itself */
		if (!s->p)
			return NULL;
		r->group = NULL;
		r->sqe_flags &= ~IOSQE_BUFFER_SELECT;
		r->ioprio &= ~BUNDLE;
		r->ioprio |= FIXED;
		if (!request_is_zc(r))
			r->msg_flags |= MSG_WAITALL;
		r->len = draw_len(&f.d, s->len);
		r->named = pattern[s - f.slots][s->version];
		r->taken = r->len;
	} else if (!race && chance(&f.d, 4)) {
		request_spoil(r);
	}
	/* neither is it to poll, nor to try before that */
	if (r->msg_flags & MSG_DONTWAIT && r->ioprio & IORING_RECVSEND_POLL_FIRST) {
		if (r->sqe_flags & IOSQE_ASYNC || race)
			r->ioprio &= ~IORING_RECVSEND_POLL_FIRST;
		else if (!r->err)
			r->err = -EAGAIN;
	}
	f.nr_requests++;
	return r;
}

/* Whether this can be told to have taken its entries before it completes. */
static bool request_shows(const struct request *r)
{
	return r->group && r->group->kind != GROUP_LEGACY && r->group->kind != GROUP_NONE &&
	       !r->err && (r->ioprio & FIXED || request_is_zc(r)) &&
	       !(request_is_bundle(r) && !request_is_zc(r)) &&
	       !(r->ioprio & IORING_RECVSEND_POLL_FIRST) && r->conn->blocked;
}

static void op_send(bool race)
{
	struct conn *c = &f.conns[draw(&f.d, NR_CONNS)];
	struct request *r = request_draw(c, race);

	if (!r)
		return;
	request_prep(r);
	if (!r->group) {
		struct io_uring_sqe *sqe = &f.ring.sq.sqes[(f.ring.sq.sqe_tail - 1) &
							   *f.ring.sq.kring_mask];
		struct slot *s = f.slots;

		while (pattern[s - f.slots][s->version] != r->named)
			s++;
		sqe->buf_index = s->index;
		sqe->addr = (unsigned long)s->p;
		/* one that is to poll and may not wait fails before it gets to its memory */
		if (!r->err)
			f.used[r - f.requests][s - f.slots] = s->instance;
	}
	if (race) {
		submit_somewhere(true);
		return;
	}
	if (request_shows(r)) {
		submit_somewhere(false);
		wait_settled(r, false);
		return;
	}
	c->blocked = false;
	submit_somewhere(false);
	wait_settled(r, true);
}

static void op_cancel(bool race)
{
	struct request *r = &f.requests[draw(&f.d, NR_REQUESTS)];
	struct io_uring_sqe *sqe;

	if (r >= f.requests + f.nr_requests || (r->final && !race))
		return;
	r->cancelled = true;
	tell("cancel %u", (unsigned int)(r - f.requests));
	sqe = ring_prep(&f.ring, IORING_OP_ASYNC_CANCEL);
	sqe->addr = UD_REQUEST | (r - f.requests);
	sqe->user_data = UD_OTHER;
	f.others_due++;
	submit_somewhere(race);
}

static void task_shutdown(struct task *t)
{
	if (t->nr) {
		struct linger linger = { .l_onoff = 1 };

		setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		close(t->fd);
	} else {
		shutdown(t->fd, SHUT_WR);
	}
}

static void op_conn(bool race)
{
	struct conn *c = &f.conns[draw(&f.d, NR_CONNS)];
	struct task t = { .run = task_shutdown };

	if (c->broken || c->closed || c->type != SOCK_STREAM)
		return;
	switch (draw(&f.d, 3)) {
	case 0:
		tell("shutdown of %u", (unsigned int)(c - f.conns));
		c->broken = true;
		t.fd = c->fd;
		break;
	case 1:
		tell("reset of %u", (unsigned int)(c - f.conns));
		c->broken = true;
		c->reset = true;
		conn_read(c);
		t.fd = c->peer;
		t.nr = 1;
		c->peer = -1;
		break;
	default:
		/* who is to submit may not have looked at it yet */
		if (race)
			return;
		tell("close of %u", (unsigned int)(c - f.conns));
		close(c->fd);
		c->closed = true;
		return;
	}
	run_task(&t, WORKER_OTHER, race);
}

static bool all_done(void)
{
	unsigned int i;

	for (i = 0; i < f.nr_requests; i++) {
		const struct request *r = &f.requests[i];

		if (!r->final || (request_is_zc(r) && !r->notified &&
				  r->part[r->nr_parts - 1].flags & IORING_CQE_F_MORE))
			return false;
	}
	for (i = 0; i < f.nr_gone; i++) {
		if (!f.gone[i].seq)
			return false;
	}
	return !f.others_due;
}

static bool all_arrived(void)
{
	unsigned int i;

	for (i = 0; i < NR_CONNS; i++) {
		if (f.conns[i].got_len < f.conns[i].due && !f.conns[i].reset)
			return false;
	}
	return true;
}

/* Rings, connections, rounds. */

static void conn_open(struct conn *c)
{
	static const int size = 4 << 20;
	int fd[2] = { -1, -1 }, small = 16384, ret;

	c->type = chance(&f.d, 25) ? SOCK_DGRAM : SOCK_STREAM;
	c->small = c->type == SOCK_STREAM && chance(&f.d, 50);
	if (!c->small)
		small = 0;
	ret = socket_pair(chance(&f.d, 50) ? AF_INET : AF_INET6, c->type, fd,
			  small && chance(&f.d, 20) ? 4608 : small, small);
	if (ret)
		errx(1, "no connection: %s", strerror(-ret));
	if (c->type == SOCK_DGRAM &&
	    setsockopt(fd[1], SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		err(1, "SO_RCVBUFFORCE");
	c->fd = fd[0];
	c->peer = fd[1];
	c->broken = false;
	c->reset = false;
	c->closed = false;
	c->ended = false;
	tell("connection %u: %s%s", (unsigned int)(c - f.conns),
	     c->type == SOCK_DGRAM ? "UDP" : "TCP", c->small ? ", small" : "");
}

static void conn_close(struct conn *c)
{
	if (!c->closed)
		close(c->fd);
	if (c->peer >= 0)
		close(c->peer);
}

/* A round of which everything is known at any time, or one that races. */
static void round_draw(void)
{
	unsigned int i;

	f.nr_requests = 0;
	f.nr_gone = 0;
	f.table_races = false;
	f.entries_race = false;
	f.cancel_races = false;
	f.conns_race = false;
	for (i = 0; i < NR_CONNS; i++) {
		struct conn *c = &f.conns[i];

		if (c->broken || c->closed || chance(&f.d, 2)) {
			conn_close(c);
			conn_open(c);
		}
		c->request = NULL;
		c->nr_order = 0;
		c->nr_dgrams = 0;
		c->got_len = 0;
		c->due = 0;
		c->blocked = c->small && chance(&f.d, 60);
	}
	if (!f.table)
		op_table(false);
	/* nothing but the first group is provided for these */
	if (others_may() && f.groups[0].kind == GROUP_REG && chance(&f.d, 30)) {
		f.table_races = chance(&f.d, 50);
		f.entries_race = chance(&f.d, 25);
		f.cancel_races = chance(&f.d, 30);
		f.conns_race = chance(&f.d, 20);
	}
}

static void round_exact(void)
{
	unsigned int ops = 8 + draw(&f.d, 48), i, what;
	struct group *g;

	for (i = 1; i <= ops; i++) {
		step(i);
		what = draw(&f.d, 100);
		g = &f.groups[draw(&f.d, NR_GROUPS)];

		if (what < 33)
			op_add(g);
		else if (what < 90)
			op_send(false);
		else if (what < 93)
			op_table(false);
		else if (what < 95)
			op_rewrite(g, false);
		else if (what < 98)
			op_cancel(false);
		else
			op_conn(false);
		pump();
	}
}

static void round_race(void)
{
	unsigned int ops = 16 + draw(&f.d, 48), i, what;

	op_add(&f.groups[0]);
	for (i = 1; i <= ops; i++) {
		step(i);
		what = draw(&f.d, 100);

		if (what < 60)
			op_send(true);
		else if (what < 70 && f.table_races)
			op_table(true);
		else if (what < 80 && f.entries_race)
			op_rewrite(&f.groups[0], true);
		else if (what < 90 && f.cancel_races)
			op_cancel(true);
		else if (what < 95 && f.conns_race)
			op_conn(true);
		pump();
	}
}

static void round_run(void)
{
	unsigned int i;
	bool race;

	step(0);
	round_draw();
	race = f.table_races || f.entries_race || f.cancel_races || f.conns_race;
	if (race)
		round_race();
	else
		round_exact();

	for (i = 0; i < NR_WORKERS; i++)
		worker_wait(&workers[i]);
	for (i = 0; i < NR_CONNS; i++)
		f.conns[i].blocked = false;
	f.in_vain = 0;
	while (!all_done() || !all_arrived()) {
		if (!pump())
			wait_any(all_done() ? "bytes" : "completions");
	}

	for (i = 0; i < f.nr_requests; i++) {
		struct request *r = &f.requests[i];

		judge_parts(r);
		if (!r->entries_race)
			place_parts(r);
		if (!r->settled)
			continue;
		judge_settled(r);
		if (r->group && !r->err && r->group->kind < GROUP_USER_INC &&
		    !group_is_inc(r->group) && request_is_bundle(r) && !request_is_zc(r))
			judge_send_bundle(r);
	}
	if (race)
		judge_race();
	for (i = 0; i < NR_CONNS; i++)
		judge_conn(&f.conns[i]);
	if (!f.table_races)
		judge_tags();
	for (i = 0; i < NR_GROUPS; i++)
		group_mend(&f.groups[i]);
}

static void group_open(struct group *g, unsigned int nr)
{
	static const enum group_kind kinds[] = {
		GROUP_REG, GROUP_REG, GROUP_REG, GROUP_REG_INC, GROUP_REG_INC,
		GROUP_USER, GROUP_USER_INC, GROUP_LEGACY, GROUP_NONE,
	};
	unsigned int flags = 0;
	int ret;

	memset(g, 0, offsetof(struct group, entries));
	g->kind = nr ? pick(&f.d, kinds) : GROUP_REG;
	g->pbufs.bgid = BGID + nr;
	if (g->kind == GROUP_NONE || g->kind == GROUP_LEGACY)
		return;
	if (group_is_inc(g))
		flags |= IOU_PBUF_RING_INC;
	if (chance(&f.d, 25))
		flags |= IOU_PBUF_RING_MMAP;
	ret = pbuf_ring_init(&f.ring, &g->pbufs, BGID + nr, GROUP_ENTRIES, flags);
	check(!ret, "ring of buffers: %d", ret);
}

static void case_run(unsigned long long nr)
{
	static const unsigned int setups[] = {
		0, 0, IORING_SETUP_SQPOLL, IORING_SETUP_SQPOLL | IORING_SETUP_CQE32,
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQE32,
		IORING_SETUP_CQE32, IORING_SETUP_COOP_TASKRUN,
	};
	static const unsigned int sizes[] = { NR_SLOTS, NR_SLOTS, 100, 16384 };
	unsigned int i;

	f.nr_case = nr;
	f.round = 0;
	step(0);
	f.setup = pick(&f.d, setups);
	f.table_size = pick(&f.d, sizes);
	f.table = false;
	f.instances = 0;
	f.nr_gone = 0;
	f.others_due = 0;
	f.seq = 0;
	f.nr_requests = 0;
	if (ring_init(&f.ring, 32, f.setup) < 0)
		err(1, "io_uring_setup with flags %#x", f.setup);
	tell("setup %#x, a table of %u", f.setup, f.table_size);
	for (i = 0; i < NR_SLOTS; i++)
		f.slots[i].index = i * (f.table_size / NR_SLOTS) + f.table_size % NR_SLOTS;
	for (i = 0; i < NR_GROUPS; i++)
		group_open(&f.groups[i], i);
	for (i = 0; i < NR_CONNS; i++)
		conn_open(&f.conns[i]);

	for (f.round = 1; f.round <= ROUNDS; f.round++)
		round_run();

	for (i = 0; i < NR_CONNS; i++)
		conn_close(&f.conns[i]);
	for (i = 0; i < NR_GROUPS; i++)
		munmap(f.groups[i].pbufs.br, f.groups[i].pbufs.size);
	ring_exit(&f.ring);
	for (i = 0; i < NR_SLOTS; i++)
		slot_unmap(&f.slots[i]);
}

static unsigned long long parse(const char *s)
{
	char *end;
	unsigned long long n = strtoull(s, &end, 0);

	if (!*s || *end)
		errx(2, "'%s' is no number", s);
	return n;
}

int main(int argc, char **argv)
{
	unsigned long long first = 0, cases = 20, minutes = 0, i;
	double start;
	int opt;

	f.seed = 1;
	while ((opt = getopt(argc, argv, "s:c:n:t:v")) != -1) {
		switch (opt) {
		case 's':
			f.seed = parse(optarg);
			break;
		case 'c':
			first = parse(optarg);
			cases = 1;
			break;
		case 'n':
			cases = parse(optarg);
			break;
		case 't':
			minutes = parse(optarg);
			break;
		case 'v':
			verbose = true;
			break;
		default:
			errx(2, "usage: fuzz_test [-s SEED] [-c CASE] [-n CASES|-t MINUTES] [-v]");
		}
	}

	ksft_print_header();
	ksft_set_plan(1);
	start = now();
	for (i = 0; i < (NR_SLOTS + 1) * NR_VERSIONS; i++) {
		char *p = malloc(MEM_MAX + 4096);

		if (!p)
			err(1, "malloc");
		fill(p, MEM_MAX + 4096, i);
		pattern[i / NR_VERSIONS][i % NR_VERSIONS] = p;
	}
	user_mem = aligned_alloc(MEM_MAX, MEM_MAX);
	for (i = 0; i < NR_CONNS; i++)
		f.conns[i].got = malloc(GOT_MAX);
	if (!user_mem || !f.conns[NR_CONNS - 1].got)
		err(1, "malloc");
	memcpy(user_mem, pattern[USER_MEM][0], MEM_MAX);
	for (i = 0; i < NR_WORKERS; i++) {
		pthread_mutex_init(&workers[i].lock, NULL);
		pthread_cond_init(&workers[i].cond, NULL);
		if (pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]))
			errx(1, "no thread");
	}

	for (i = 0; minutes ? now() - start < minutes * 60.0 : i < cases; i++) {
		case_run(first + i);
		if (i % 100 == 99)
			ksft_print_msg("seed %llu so far: %llu cases, %llu requests, %.0f s\n",
				       f.seed, i + 1, nr_sends, now() - start);
	}
	ksft_print_msg("seed %llu: %llu cases, %llu requests, %llu sent, %llu bytes, %.0f s\n",
		       f.seed, i, nr_sends, nr_sent, nr_bytes, now() - start);
	ksft_test_result_pass("what arrives and completes is what the model says\n");
	ksft_finished();
}

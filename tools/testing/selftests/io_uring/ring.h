/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What mini_liburing.h leaves out: rings with any setup flags, tables of
 * registered buffers, and rings of provided ones.
 */
#ifndef SELFTESTS_IO_URING_RING_H
#define SELFTESTS_IO_URING_RING_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <linux/io_uring.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <io_uring/mini_liburing.h>

#ifndef MSG_WAITALL
#include <sys/socket.h>
#endif

static inline int ring_register(struct io_uring *ring, unsigned int op,
				const void *arg, unsigned int nr)
{
	int ret = syscall(__NR_io_uring_register, ring->ring_fd, op, arg, nr);

	return ret < 0 ? -errno : ret;
}

static inline unsigned int ring_load(const unsigned int *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

/*
 * Have the scheduler run this thread as soon as something wakes it. Otherwise,
 * on one processor, the kernel thread of a SQPOLL ring goes on spinning until
 * the next tick after each request that it has completed.
 */
static inline void run_when_woken(void)
{
	struct sched_attr attr = {
		.size		= sizeof(attr),
		.sched_policy	= SCHED_NORMAL,
		.sched_flags	= SCHED_FLAG_RESET_ON_FORK,
		.sched_runtime	= 100000,
	};

	/* a kernel that refuses this is only slower */
	syscall(__NR_sched_setattr, 0, &attr, 0);
}

/* Set up a ring whose kernel thread, if it has one, spins for as short as possible. */
static inline int ring_init(struct io_uring *ring, unsigned int entries,
			    unsigned int flags)
{
	struct io_uring_params p = { .flags = flags, .sq_thread_idle = 1 };

	if (flags & IORING_SETUP_SQPOLL)
		run_when_woken();
	return io_uring_queue_init_params(entries, ring, &p);
}

/*
 * Let the kernel see all that was prepared, and return how much that is.
 * io_uring_submit() does not do: it drops what comes while a kernel thread is
 * still busy with what it got before.
 */
static inline unsigned int ring_publish(struct io_uring *ring)
{
	struct io_uring_sq *sq = &ring->sq;
	unsigned int n = sq->sqe_tail - sq->sqe_head;
	unsigned int tail = *sq->ktail;

	while (sq->sqe_head != sq->sqe_tail)
		sq->array[tail++ & *sq->kring_mask] = sq->sqe_head++ & *sq->kring_mask;
	__atomic_store_n(sq->ktail, tail, __ATOMIC_SEQ_CST);
	return n;
}

/* Whether the kernel thread sleeps, so that it has to be told. */
static inline bool ring_sleeps(struct io_uring *ring)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return ring_load(ring->sq.kflags) & IORING_SQ_NEED_WAKEUP;
}

/* Submit all that was prepared. */
static inline int ring_submit(struct io_uring *ring)
{
	unsigned int n = ring_publish(ring);
	unsigned int flags = IORING_ENTER_GETEVENTS;
	int ret;

	if (ring->flags & IORING_SETUP_SQPOLL) {
		if (!ring_sleeps(ring))
			return 0;
		flags = IORING_ENTER_SQ_WAKEUP;
	}
	ret = io_uring_enter(ring->ring_fd, n, 0, flags, NULL);
	return ret == (int)n ? 0 : -EIO;
}

/* The next completion without waiting, NULL if there is none. */
static inline struct io_uring_cqe *ring_peek(struct io_uring *ring)
{
	unsigned int head = *ring->cq.khead;

	if (head == ring_load(ring->cq.ktail))
		return NULL;
	head &= *ring->cq.kring_mask;
	if (ring->flags & IORING_SETUP_CQE32)
		head <<= 1;
	return &ring->cq.cqes[head];
}

/* Wait for a completion and take it. */
static inline int ring_wait(struct io_uring *ring, struct io_uring_cqe *cqe)
{
	struct io_uring_cqe *next;

	while (!(next = ring_peek(ring))) {
		int ret = io_uring_enter(ring->ring_fd, 0, 1,
					 IORING_ENTER_GETEVENTS, NULL);

		if (ret < 0 && errno != EINTR)
			return -errno;
	}
	*cqe = *next;
	io_uring_cqe_seen(ring);
	return 0;
}

/*
 * Close the ring for good. io_uring_queue_exit() leaves mappings behind, and
 * they keep the ring alive until the process ends.
 */
static inline void ring_exit(struct io_uring *ring)
{
	unsigned long mask = ~(sysconf(_SC_PAGESIZE) - 1UL);

	munmap(ring->sq.sqes,
	       *ring->sq.kring_entries * sizeof(struct io_uring_sqe));
	munmap((void *)((unsigned long)ring->cq.khead & mask), ring->cq.ring_sz);
	munmap((void *)((unsigned long)ring->sq.khead & mask), ring->sq.ring_sz);
	close(ring->ring_fd);
}

/* A ring of provided buffers, also the kernel's name for it. */
struct pbuf_ring {
	struct io_uring_buf_ring *br;
	size_t size;
	unsigned short bgid;
	unsigned short mask;
	unsigned short tail;
};

static inline int pbuf_ring_init(struct io_uring *ring, struct pbuf_ring *pr,
				 unsigned short bgid, unsigned int entries,
				 unsigned int flags)
{
	struct io_uring_buf_reg reg = {
		.ring_entries	= entries,
		.bgid		= bgid,
		.flags		= flags,
	};

	*pr = (struct pbuf_ring) { .bgid = bgid, .mask = entries - 1 };
	pr->size = entries * sizeof(struct io_uring_buf);
	if (flags & IOU_PBUF_RING_MMAP) {
		off_t off = IORING_OFF_PBUF_RING |
			    (off_t)bgid << IORING_OFF_PBUF_SHIFT;
		int ret = ring_register(ring, IORING_REGISTER_PBUF_RING, &reg, 1);

		if (ret)
			return ret;
		pr->br = mmap(NULL, pr->size, PROT_READ | PROT_WRITE, MAP_SHARED,
			      ring->ring_fd, off);
		return pr->br == MAP_FAILED ? -errno : 0;
	}
	/* that registering it faults no pages in, where that has no memory */
	pr->br = mmap(NULL, pr->size, PROT_READ | PROT_WRITE,
		      MAP_ANONYMOUS | MAP_PRIVATE | MAP_POPULATE, -1, 0);
	if (pr->br == MAP_FAILED)
		return -errno;
	reg.ring_addr = (unsigned long)pr->br;
	return ring_register(ring, IORING_REGISTER_PBUF_RING, &reg, 1);
}

/* Write an entry, which the kernel sees after pbuf_ring_publish(). */
static inline void pbuf_ring_add(struct pbuf_ring *pr, __u64 addr, __u32 len,
				 __u16 bid)
{
	struct io_uring_buf *buf = &pr->br->bufs[pr->tail++ & pr->mask];

	buf->addr = addr;
	buf->len = len;
	buf->bid = bid;
}

static inline void pbuf_ring_publish(struct pbuf_ring *pr)
{
	__atomic_store_n(&pr->br->tail, pr->tail, __ATOMIC_RELEASE);
}

/* How many entries the kernel has taken so far, modulo 65536. */
static inline int pbuf_ring_head(struct io_uring *ring, struct pbuf_ring *pr)
{
	struct io_uring_buf_status status = { .buf_group = pr->bgid };
	int ret = ring_register(ring, IORING_REGISTER_PBUF_STATUS, &status, 1);

	return ret < 0 ? ret : (__u16)status.head;
}

/* A cleared SQE. The tests never have more of them than there are. */
static inline struct io_uring_sqe *ring_prep(struct io_uring *ring,
					     unsigned char opcode)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	if (!sqe)
		abort();
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = opcode;
	return sqe;
}

/* A request that sends from buffer group @bgid. */
static inline struct io_uring_sqe *
ring_prep_select(struct io_uring *ring, unsigned char opcode, int fd,
		 unsigned short bgid, unsigned int len, unsigned short ioprio)
{
	struct io_uring_sqe *sqe = ring_prep(ring, opcode);

	sqe->flags = IOSQE_BUFFER_SELECT;
	sqe->ioprio = ioprio;
	sqe->fd = fd;
	sqe->len = len;
	sqe->buf_group = bgid;
	return sqe;
}

#endif

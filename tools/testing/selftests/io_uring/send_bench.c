// SPDX-License-Identifier: GPL-2.0
/*
 * What it costs to send a chunk, in each way that there is.
 *
 * usage: send_bench [-c BYTES] [-n CHUNKS] [-t TOGETHER] [-i KIBIBYTES]
 *                   [-m 4k|2m] [-M MEBIBYTES] [-o OFFSET] [-s SLOTS] [-f DIR]
 *                   [-r ROUNDS] udp|tcp ADDRESS PORT WAY...
 *
 * Each way sends the same number of bytes: batches of CHUNKS times BYTES from
 * OFFSET on in registered memory of MEBIBYTES in 4 KiB or 2 MiB pages, a table
 * of SLOTS registered buffers, or a file in DIR. A batch is sent when all of the
 * one before has been, and all but KIBIBYTES of those before are released: none
 * by default, which is one batch at a time. What is copied, or is a file's, is
 * not waited for. UDP has a datagram for each request: one for a bundle as for a
 * vector, and one for each chunk that is sent alone. Sockets are as they are by
 * default, but for their room.
 *
 * All ways are tried, which tells whether the network copies what it should not,
 * and then measured in turn; with KIBIBYTES or TOGETHER the first time doesn't
 * count, for what is in flight, and caches, take that long to settle. A line a
 * measurement: the transport, KIBIBYTES, BYTES, CHUNKS, the pages, MEBIBYTES,
 * OFFSET, SLOTS, the way, what a chunk has cost in nanoseconds, in CQEs and in
 * system calls, and what a count takes, see below.
 *
 * That is the time in which the processor was busy, by soaker.h: system calls,
 * interrupts and softirqs are in the figures, and to wait is not.
 *
 * With TOGETHER it is the time by the clock. One io_uring_enter() submits all
 * batches of TOGETHER chunks and waits for them, because user mode Linux takes
 * longer for a system call than for a chunk. The ways that are no requests still
 * make a system call for each chunk. The way "nothing" is an io_uring_enter()
 * that submits no requests.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "ring.h"
#include "soaker.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define BGID		0
#define MAX_CHUNKS	256
#define RING_ENTRIES	(2 * MAX_CHUNKS)
#define MAX_SLOTS	16384
/* less than the socket takes */
#define MAX_IN_FLIGHT	(8 << 20)
/* how long to measure, about */
#define MEASURED_NS	10000000
#define MEASURED_TURNS	2
/* by the clock not longer, and each time the same, for to read the clock is a system call */
#define MAX_CLOCK_TURNS	20
/* how much to warm up by, unless it takes longer than to measure */
#define WARMUP_TURNS	8
/* no measurement takes that long, even on an emulator */
#define TIMEOUT_SEC	60

#define FIXED		IORING_RECVSEND_FIXED_BUF
#define BUNDLE		IORING_RECVSEND_BUNDLE

/* The whole memory is one registered buffer, and each quarter is another. */
enum { WHOLE, QUARTER, SLOTS_USED = QUARTER + 4 };

static struct {
	bool tcp;
	int fd, file;
	/* registered memory, and where in it chunks begin */
	char *mem;
	size_t size, offset;
	unsigned int chunk, chunks;
	/* of the first of SLOTS_USED */
	unsigned int slot;
	struct io_uring ring;
	struct pbuf_ring pbufs;
	/* for SEND, which goes on until the ring is empty: one for each batch of a turn */
	struct pbuf_ring send_pbufs[MAX_CHUNKS];
	unsigned long long cqes, calls, bytes;
	/* how many batches are submitted together, and how many of them are ready */
	unsigned int together, ready;
	bool by_clock;
	/* what a bundle takes at most, if entries of the next one follow */
	unsigned int bundle_len;
	/* batches that need not be released before the next one is sent */
	unsigned int in_flight;
	/* completions that are still to come, and those of sendmsg() calls */
	unsigned int sends, notifs;
	/* the kernel tells what was copied, and to require that nothing is */
	bool tells, check;
} b;

/* Every other place where a chunk begins a page. */
static size_t apart(unsigned int i)
{
	return (size_t)i * 2 * ((b.chunk + 4095) & ~4095);
}

/* And against the order. */
static size_t scattered(unsigned int i)
{
	return b.offset + apart(b.chunks - 1 - i);
}

static size_t in_a_row(unsigned int i)
{
	return b.offset + (size_t)i * b.chunk;
}

static void take(const struct io_uring_cqe *cqe)
{
	b.cqes++;
	if (cqe->flags & IORING_CQE_F_NOTIF) {
		if (!b.notifs--)
			errx(1, "more notifications than were to come");
		if (b.check && cqe->res & IORING_NOTIF_USAGE_ZC_COPIED)
			errx(1, "the network copied what was sent");
		return;
	}
	if (!b.sends--)
		errx(1, "more completions than were to come");
	if (cqe->res < 0)
		errx(1, "send: %s", strerror(-cqe->res));
	b.bytes += cqe->res;
}

/*
 * Submit @n requests, and wait until they are complete and no more than @left
 * notifications are to come.
 */
static void complete(unsigned int n, unsigned int left)
{
	struct io_uring_cqe *cqe;

	ring_publish(&b.ring);
	while (b.sends || b.notifs > left) {
		unsigned int wait = b.sends + (b.notifs > left ? b.notifs - left : 0);

		b.calls++;
		if (io_uring_enter(b.ring.ring_fd, n, wait, IORING_ENTER_GETEVENTS, NULL) != (int)n)
			err(1, "io_uring_enter");
		n = 0;
		while ((cqe = ring_peek(&b.ring))) {
			take(cqe);
			io_uring_cqe_seen(&b.ring);
		}
	}
}

/* Return true if the batch that is ready now is the last one of a turn. */
static bool turn_is_ready(void)
{
	if (++b.ready < b.together)
		return false;
	b.ready = 0;
	return true;
}

/* Submit a batch of @n requests that have @notifs notifications. */
static void submit(unsigned int n, unsigned int notifs)
{
	b.sends += n;
	b.notifs += notifs;
	if (turn_is_ready())
		complete(b.together * n, b.in_flight * notifs);
}

static void timed_out(int sig)
{
	struct io_uring_cqe *cqe = ring_peek(&b.ring);

	if (cqe)
		take(cqe);
	errx(1, "no end within %d s, %u completions and %u notifications are to come", TIMEOUT_SEC,
	     b.sends, b.notifs);
}

static void prep_common(struct io_uring_sqe *sqe, unsigned int ioprio)
{
	sqe->fd = b.fd;
	sqe->ioprio = ioprio;
	if (b.check)
		sqe->ioprio |= IORING_SEND_ZC_REPORT_USAGE;
	if (b.tcp)
		sqe->msg_flags = MSG_WAITALL;
}

/* Requests for a chunk each. A stream is in order only if they are linked. */
static void prep_chunk(unsigned char op, unsigned int ioprio, unsigned int i)
{
	struct io_uring_sqe *sqe = ring_prep(&b.ring, op);

	prep_common(sqe, ioprio);
	sqe->addr = (unsigned long)b.mem + in_a_row(i);
	sqe->len = b.chunk;
	sqe->buf_index = b.slot + WHOLE;
	if (b.tcp && i + 1 < b.chunks)
		sqe->flags |= IOSQE_IO_LINK;
}

static void way_send(void)
{
	unsigned int i;

	for (i = 0; i < b.chunks; i++)
		prep_chunk(IORING_OP_SEND, 0, i);
	submit(b.chunks, 0);
}

static void way_zc(void)
{
	unsigned int i;

	for (i = 0; i < b.chunks; i++)
		prep_chunk(IORING_OP_SEND_ZC, 0, i);
	submit(b.chunks, b.chunks);
}

static void way_zc_fixed(void)
{
	unsigned int i;

	for (i = 0; i < b.chunks; i++)
		prep_chunk(IORING_OP_SEND_ZC, FIXED, i);
	submit(b.chunks, b.chunks);
}

static void way_limit(void)
{
	struct io_uring_sqe *sqe = ring_prep(&b.ring, IORING_OP_SEND_ZC);

	prep_common(sqe, FIXED);
	sqe->addr = (unsigned long)b.mem + in_a_row(0);
	sqe->len = b.chunks * b.chunk;
	sqe->buf_index = b.slot + WHOLE;
	submit(1, 1);
}

static void way_zc_vector(void)
{
	static struct iovec iovs[MAX_CHUNKS];
	static struct msghdr msgs[MAX_CHUNKS];
	struct io_uring_sqe *sqe = ring_prep(&b.ring, IORING_OP_SENDMSG_ZC);
	unsigned int i, nr = b.chunks, len = b.chunk;
	struct iovec *iov = &iovs[b.ready * nr];
	struct msghdr *msg = &msgs[b.ready];
	size_t step = apart(1);
	char *from = b.mem + scattered(0);

	for (i = 0; i < nr; i++, from -= step)
		iov[i] = (struct iovec) { from, len };
	msg->msg_iov = iov;
	msg->msg_iovlen = nr;
	prep_common(sqe, FIXED);
	sqe->addr = (unsigned long)msg;
	sqe->len = 1;
	sqe->buf_index = b.slot + WHOLE;
	submit(1, 1);
}

/*
 * Entries are written as an application would do it that is in a hurry: with
 * the ring's memory and its tail at hand, as pbuf_ring_add() has not.
 */
struct writer {
	struct io_uring_buf *buf, *first, *end;
	unsigned int bid;
};

static inline struct writer write_start(const struct pbuf_ring *pr)
{
	unsigned int tail = pr->tail;

	return (struct writer) {
		.buf	= &pr->br->bufs[tail & pr->mask],
		.first	= pr->br->bufs,
		.end	= pr->br->bufs + pr->mask + 1,
		.bid	= tail,
	};
}

static inline void write_entry(struct writer *w, __u64 addr, __u32 len)
{
	w->buf->addr = addr;
	w->buf->len = len;
	w->buf->bid = w->bid++;
	if (++w->buf == w->end)
		w->buf = w->first;
}

static void submit_bundle(struct pbuf_ring *pr, unsigned char op, unsigned int ioprio,
			  unsigned int notifs)
{
	struct io_uring_sqe *sqe;

	pr->tail += b.chunks;
	pbuf_ring_publish(pr);
	sqe = ring_prep_select(&b.ring, op, b.fd, pr->bgid, b.bundle_len, 0);
	prep_common(sqe, ioprio | BUNDLE);
	submit(1, notifs);
}

/* Entries for a batch, each @step behind the one before. */
static inline void write_entries(struct pbuf_ring *pr, __u64 addr, __s64 step)
{
	unsigned int nr = b.chunks, len = b.chunk;
	struct writer w = write_start(pr);

	for (; nr--; addr += step)
		write_entry(&w, addr, len);
}

static void way_send_bundle(void)
{
	struct pbuf_ring *pr = &b.send_pbufs[b.ready];

	write_entries(pr, (unsigned long)b.mem + in_a_row(0), b.chunk);
	submit_bundle(pr, IORING_OP_SEND, 0, 0);
}

static void way_in_a_row(void)
{
	write_entries(&b.pbufs, IOU_BUF_REGBUF_ADDR(b.slot + WHOLE, in_a_row(0)), b.chunk);
	submit_bundle(&b.pbufs, IORING_OP_SEND_ZC, FIXED, 1);
}

static void way_scattered(void)
{
	__u64 addr = IOU_BUF_REGBUF_ADDR(b.slot + WHOLE, scattered(0));

	write_entries(&b.pbufs, addr, -(__s64)apart(1));
	submit_bundle(&b.pbufs, IORING_OP_SEND_ZC, FIXED, 1);
}

static void way_four_buffers(void)
{
	__u64 addr = IOU_BUF_REGBUF_ADDR(b.slot + QUARTER, 0);
	__u64 end = IOU_BUF_REGBUF_ADDR(b.slot + QUARTER + 4, 0);
	unsigned int nr = b.chunks, len = b.chunk;
	struct writer w = write_start(&b.pbufs);
	size_t step = apart(1);

	while (nr--) {
		write_entry(&w, addr, len);
		addr += IOU_BUF_REGBUF_ADDR(1, 0);
		/* all four had their turn */
		if (__builtin_expect(addr >= end, 0))
			addr += step - IOU_BUF_REGBUF_ADDR(4, 0);
	}
	submit_bundle(&b.pbufs, IORING_OP_SEND_ZC, FIXED, 1);
}

static void way_single(void)
{
	unsigned int i;

	for (i = 0; i < b.chunks; i++) {
		struct io_uring_sqe *sqe;

		pbuf_ring_add(&b.pbufs, IOU_BUF_REGBUF_ADDR(b.slot + WHOLE, in_a_row(i)),
			      b.chunk, i);
		sqe = ring_prep_select(&b.ring, IORING_OP_SEND_ZC, b.fd, BGID, 0, FIXED);
		prep_common(sqe, FIXED);
		if (b.tcp && i + 1 < b.chunks)
			sqe->flags |= IOSQE_IO_LINK;
	}
	pbuf_ring_publish(&b.pbufs);
	submit(b.chunks, b.chunks);
}

static void way_sendfile(void)
{
	unsigned int i;

	for (i = 0; i < b.chunks; i++) {
		off_t off = in_a_row(i) - b.offset;
		size_t done = 0;

		while (done < b.chunk) {
			ssize_t ret = sendfile(b.fd, b.file, &off, b.chunk - done);

			b.calls++;
			if (ret <= 0)
				err(1, "sendfile");
			done += ret;
			b.bytes += ret;
		}
	}
}

/* Take what says that sendmsg() calls are done with their memory: how many. */
static unsigned int take_errors(void)
{
	union {
		struct cmsghdr aligned;
		char room[128];
	} control;
	struct msghdr msg = { .msg_control = &control, .msg_controllen = sizeof(control) };
	struct sock_extended_err *e;
	struct cmsghdr *cm;

	b.calls++;
	if (recvmsg(b.fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
		struct pollfd pfd = { .fd = b.fd };

		if (errno != EAGAIN)
			err(1, "recvmsg");
		b.calls++;
		if (poll(&pfd, 1, -1) < 0)
			err(1, "poll");
		return 0;
	}
	cm = CMSG_FIRSTHDR(&msg);
	if (!cm)
		errx(1, "no message in the error queue");
	e = (void *)CMSG_DATA(cm);
	if (e->ee_errno || e->ee_origin != SO_EE_ORIGIN_ZEROCOPY)
		errx(1, "sendmsg: %s", strerror(e->ee_errno));
	if (b.check && e->ee_code & SO_EE_CODE_ZEROCOPY_COPIED)
		errx(1, "the network copied what was sent");
	return e->ee_data - e->ee_info + 1;
}

static void way_msg_zerocopy(void)
{
	unsigned int i;

	for (i = 0; i < b.chunks; i++) {
		struct iovec iov = { b.mem + in_a_row(i), b.chunk };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

		while (iov.iov_len) {
			ssize_t ret = sendmsg(b.fd, &msg, MSG_ZEROCOPY);

			b.calls++;
			if (ret < 0)
				err(1, "sendmsg");
			iov.iov_base += ret;
			iov.iov_len -= ret;
			b.bytes += ret;
			b.notifs++;
		}
	}
	if (!turn_is_ready())
		return;
	while (b.notifs > b.in_flight * b.chunks)
		b.notifs -= take_errors();
}

static void way_nothing(void)
{
	if (!turn_is_ready())
		return;
	b.calls++;
	if (io_uring_enter(b.ring.ring_fd, 0, 0, IORING_ENTER_GETEVENTS, NULL))
		err(1, "io_uring_enter");
}

static const struct way {
	const char *name;
	void (*batch)(void);
	/* it is for the network to take what is sent where it is */
	bool zerocopy;
} ways[] = {
	{ "send", way_send },
	{ "send-bundle", way_send_bundle },
	{ "sendfile", way_sendfile },
	{ "msg-zerocopy", way_msg_zerocopy, true },
	{ "zc", way_zc, true },
	{ "zc-fixed", way_zc_fixed, true },
	{ "zc-vector", way_zc_vector, true },
	{ "single", way_single, true },
	{ "in-a-row", way_in_a_row, true },
	{ "scattered", way_scattered, true },
	{ "four-buffers", way_four_buffers, true },
	{ "limit", way_limit, true },
	{ "nothing", way_nothing },
};

/* All that was sent has been received, and nothing remains to be done for it. */
static void drain(const struct way *way)
{
	int queued;

	if (way->batch != way_msg_zerocopy)
		complete(0, 0);
	while (b.notifs)
		b.notifs -= take_errors();
	for (;;) {
		if (ioctl(b.fd, SIOCOUTQ, &queued))
			err(1, "SIOCOUTQ");
		if (!queued)
			return;
		/* seldom: to look costs, and only what is copied comes here */
		usleep(5000);
	}
}

/* What @turns of batches cost, with all that remains to be done for them. */
static double busy_ns(const struct way *way, unsigned int turns)
{
	unsigned int batches = turns * b.together;
	unsigned long long bytes = (unsigned long long)batches * b.chunks * b.chunk;
	unsigned long count = soaked();
	unsigned long long ns = now_ns();
	unsigned int i;

	b.bytes = 0;
	b.cqes = 0;
	/* to read the clock is one */
	b.calls = b.by_clock;
	for (i = 0; i < batches; i++)
		way->batch();
	/* by the clock each turn has waited for all that it sent */
	if (!b.by_clock)
		drain(way);
	ns = now_ns() - ns;
	if (b.bytes != (way->batch == way_nothing ? 0 : bytes))
		errx(1, "%s sent %llu bytes of %llu", way->name, b.bytes, bytes);
	return ns - (soaked() - count) * soaker.ns;
}

static unsigned int turns_in(double ns, unsigned int min, unsigned int max)
{
	double nr = MEASURED_NS / ns;

	return nr < min ? min : nr > max ? max : nr;
}

/* How many turns are to be measured. */
static unsigned int warm_up(const struct way *way)
{
	unsigned int nr;

	b.check = way->zerocopy && (b.tells || way->batch == way_msg_zerocopy);
	nr = turns_in(busy_ns(way, 1), MEASURED_TURNS, WARMUP_TURNS);
	b.check = false;
	return turns_in(busy_ns(way, nr) / nr, MEASURED_TURNS,
			b.by_clock ? MAX_CLOCK_TURNS : UINT_MAX);
}

/* What it is made of comes when it is registered. */
static void set_up_memory(bool huge)
{
	int flags = MAP_ANONYMOUS | MAP_PRIVATE | (huge ? MAP_HUGETLB : 0);

	b.mem = mmap(NULL, b.size, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (b.mem == MAP_FAILED)
		err(1, "mmap of %zu bytes%s", b.size, huge ? ", huge" : "");
	/* EINVAL: the kernel has no huge pages */
	if (madvise(b.mem, b.size, MADV_NOHUGEPAGE) && !huge && errno != EINVAL)
		err(1, "MADV_NOHUGEPAGE");
}

static void set_up_pbufs(struct pbuf_ring *pr, unsigned short bgid, unsigned int entries)
{
	int ret = pbuf_ring_init(&b.ring, pr, bgid, entries, 0);

	if (ret)
		errx(1, "register a ring of buffers: %s", strerror(-ret));
}

static void set_up_ring(unsigned int slots)
{
	struct io_uring_params p = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE,
		.cq_entries = 64 * MAX_CHUNKS,
	};
	static struct iovec iov[MAX_SLOTS];
	unsigned int i, nr;
	int ret;

	ret = io_uring_queue_init_params(MAX_CHUNKS, &b.ring, &p);
	if (ret < 0)
		errx(1, "io_uring_setup: %s", strerror(-ret));
	/* Without the series, of requests that share a packet all but one seem to be copied. */
	b.tells = p.features & IORING_FEAT_SEND_ZC_SELECT;
	/* a table of one has the whole memory only */
	b.slot = slots > SLOTS_USED ? slots - SLOTS_USED : 0;
	for (i = 0; i < b.slot; i++)
		iov[i] = (struct iovec) { b.mem, 1 };
	iov[b.slot + WHOLE] = (struct iovec) { b.mem, b.size };
	for (i = 0; i < 4; i++)
		iov[b.slot + QUARTER + i] = (struct iovec) { b.mem + i * (b.size / 4), b.size / 4 };
	ret = io_uring_register_buffers(&b.ring, iov, slots);
	if (ret)
		errx(1, "register %u buffers: %s", slots, strerror(-ret));
	set_up_pbufs(&b.pbufs, BGID, RING_ENTRIES);
	/* many rings are no larger than a batch, to stay in the caches */
	for (nr = RING_ENTRIES; b.together > 1 && nr / 2 >= b.chunks;)
		nr /= 2;
	for (i = 0; i < b.together; i++)
		set_up_pbufs(&b.send_pbufs[i], BGID + 1 + i, nr);
}

/* A file whose pages are of the kind that its file system has. */
static void set_up_file(const char *dir)
{
	size_t done = 0, size = (size_t)b.chunks * b.chunk;

	b.file = open(dir, O_TMPFILE | O_RDWR, 0600);
	if (b.file < 0)
		err(1, "a file in %s", dir);
	while (done < size) {
		ssize_t ret = write(b.file, b.mem, size - done < b.size ? size - done : b.size);

		if (ret <= 0)
			err(1, "write to a file in %s", dir);
		done += ret;
	}
}

static void set_up_socket(const char *address, unsigned int port)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
	};
	/* no batch has to wait for room */
	int room = 64 << 20, one = 1;

	if (inet_pton(AF_INET, address, &in.sin_addr) != 1)
		errx(2, "%s is no IPv4 address", address);
	b.fd = socket(AF_INET, b.tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
	if (b.fd < 0)
		err(1, "socket");
	if (setsockopt(b.fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)))
		err(1, "SO_SNDBUFFORCE");
	if (setsockopt(b.fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)))
		err(1, "SO_ZEROCOPY");
	if (connect(b.fd, (struct sockaddr *)&in, sizeof(in)))
		err(1, "connect to %s:%u", address, port);
}

static const struct way *find_way(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		if (!strcmp(name, ways[i].name))
			return &ways[i];
	}
	fprintf(stderr, "send_bench: %s is no way to send, use some of:", name);
	for (i = 0; i < ARRAY_SIZE(ways); i++)
		fprintf(stderr, " %s", ways[i].name);
	fprintf(stderr, "\n");
	exit(2);
}

static unsigned long parse_number(const char *what, const char *s, unsigned long min,
				  unsigned long max)
{
	char *end;
	unsigned long n = strtoul(s, &end, 10);

	if (!*s || *end || n < min || n > max)
		errx(2, "%s=%s is not a number from %lu to %lu", what, s, min, max);
	return n;
}

static void print_usage(void)
{
	fprintf(stderr, "usage: send_bench [-c BYTES] [-n CHUNKS] [-t TOGETHER] [-i KIBIBYTES]\n"
		"                  [-m 4k|2m] [-M MEBIBYTES] [-o OFFSET] [-s SLOTS] [-f DIR]\n"
		"                  [-r ROUNDS] udp|tcp ADDRESS PORT WAY...\n");
	exit(2);
}

int main(int argc, char **argv)
{
	unsigned int i, r, nr, slots = SLOTS_USED, rounds = 5, kib = 0, together = 0;
	unsigned int turns[ARRAY_SIZE(ways)];
	const char *pages = "4k", *dir = NULL;
	const struct way *way[ARRAY_SIZE(ways)];
	int opt;

	b.size = 64UL << 20;
	b.chunk = 4096;
	b.chunks = 15;
	while ((opt = getopt(argc, argv, "c:n:t:i:m:M:o:s:f:r:")) != -1) {
		switch (opt) {
		case 'c':
			b.chunk = parse_number("BYTES", optarg, 1, 65536);
			break;
		case 'n':
			b.chunks = parse_number("CHUNKS", optarg, 1, MAX_CHUNKS);
			break;
		case 't':
			together = parse_number("TOGETHER", optarg, 1, MAX_CHUNKS);
			break;
		case 'i':
			kib = parse_number("KIBIBYTES", optarg, 0, MAX_IN_FLIGHT >> 10);
			break;
		case 'm':
			pages = optarg;
			break;
		case 'M':
			b.size = parse_number("MEBIBYTES", optarg, 64, 1024) << 20;
			break;
		case 'o':
			b.offset = parse_number("OFFSET", optarg, 0, 1UL << 30);
			break;
		case 's':
			slots = parse_number("SLOTS", optarg, 1, MAX_SLOTS);
			break;
		case 'f':
			dir = optarg;
			break;
		case 'r':
			rounds = parse_number("ROUNDS", optarg, 1, 1000);
			break;
		default:
			print_usage();
		}
	}
	argc -= optind;
	argv += optind;
	if (argc < 4 || (strcmp(argv[0], "udp") && strcmp(argv[0], "tcp")) ||
	    (strcmp(pages, "4k") && strcmp(pages, "2m")))
		print_usage();
	b.tcp = !strcmp(argv[0], "tcp");
	if (b.offset + apart(b.chunks) > b.size)
		errx(2, "OFFSET=%zu is too far back in %zu bytes", b.offset, b.size);
	if (together % b.chunks)
		errx(2, "TOGETHER=%u is no multiple of CHUNKS=%u", together, b.chunks);
	if (together && kib)
		errx(2, "TOGETHER waits for all that it sends, leave out KIBIBYTES");
	b.by_clock = together;
	b.together = together ? together / b.chunks : 1;
	b.bundle_len = b.together > 1 ? b.chunks * b.chunk : 0;
	nr = argc - 3;
	if (nr > ARRAY_SIZE(ways))
		print_usage();
	for (i = 0; i < nr; i++)
		way[i] = find_way(argv[3 + i]);

	if (sysconf(_SC_NPROCESSORS_ONLN) != 1)
		errx(1, "there are several processors, and what others do would not be seen");

	set_up_memory(!strcmp(pages, "2m"));
	set_up_socket(argv[1], parse_number("PORT", argv[2], 1, 65535));
	set_up_ring(slots);
	for (i = 0; i < nr; i++) {
		if (way[i]->batch == way_sendfile) {
			if (!dir)
				errx(2, "sendfile needs -f DIR");
			set_up_file(dir);
		}
		if (way[i]->batch == way_four_buffers && slots < SLOTS_USED)
			errx(2, "four-buffers needs %u SLOTS", SLOTS_USED);
		if (way[i]->batch == way_four_buffers && b.offset)
			errx(2, "four-buffers has no OFFSET");
	}
	signal(SIGALRM, timed_out);
	/* what a count takes is 0 without it */
	if (!b.by_clock)
		set_up_soaker();

	b.in_flight = kib * 1024UL / (b.chunks * b.chunk);
	for (i = 0; i < nr; i++) {
		alarm(TIMEOUT_SEC);
		turns[i] = warm_up(way[i]);
	}
	setlinebuf(stdout);
	for (r = b.in_flight || b.by_clock ? 0 : 1; r <= rounds; r++) {
		for (i = 0; i < nr; i++) {
			double ns, chunks = (double)turns[i] * b.together * b.chunks;

			alarm(TIMEOUT_SEC);
			ns = busy_ns(way[i], turns[i]);
			if (!r)
				continue;
			printf("%s\t%u\t%u\t%u\t%s\t", argv[0], kib, b.chunk, b.chunks, pages);
			printf("%zu\t%zu\t%u\t%s\t", b.size >> 20, b.offset, slots, way[i]->name);
			printf("%.1f\t%.3f\t%.5f\t%.3f\n", ns / chunks, b.cqes / chunks,
			       b.calls / chunks, soaker.ns);
		}
	}
	/* at once, whoever comes next needs the memory */
	if (ring_register(&b.ring, IORING_UNREGISTER_BUFFERS, NULL, 0))
		errx(1, "the registered buffers can't be unregistered");
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * A static file server, HTTP/1.1: one thread, one ring, many connections. All
 * files are in registered buffers, and each answer is one bundle of provided
 * registered buffers: its header and the pieces of the file. Large answers are
 * not copied (SEND_ZC), small ones are (SEND), from the same ring of buffers.
 *
 * usage: file-server [-p PORT] [-z BYTES] [-c CONNECTIONS] DIRECTORY
 *
 * file-server.md tells how to build and run it, and what a request costs.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "liburing.h"
#include "file-server.h"

#define T_EXIT_SKIP	77

/* answers of a connection that may wait for their notification */
#define HEADERS		4
/*
 * Of the file that an entry names. Any size does that is less than what one
 * request sends at most, 2 GiB less a page.
 */
#define PIECE_SIZE	(16U << 20)
/* of a connection's ring: a header, and pieces */
#define RING_ENTRIES	128
#define BACKLOG		128

_Static_assert(1 + MAX_FILE_SIZE / PIECE_SIZE <= RING_ENTRIES, "a file fits into a ring");

/* Seconds. Until the first byte of a request, and from then to its end; */
#define IDLE_SEC	60
#define REQUEST_SEC	10
/* for an answer, beside what it may take at the lowest rate; */
#define ANSWER_SEC	10
#define LOWEST_RATE	(16U << 10)
/* until a peer that acknowledges nothing is given up; */
#define PEER_SEC	20
/* and for all that is under way when we are to stop. */
#define STOP_SEC	30

enum { OP_ACCEPT, OP_CANCEL, OP_TICK, OP_SIGNAL, OP_RECV, OP_SEND, OP_SEND_ZC };

enum state {
	/* waits for a request */
	RECEIVING,
	/* is being answered */
	SENDING,
	/* all its headers are in use: waits for a notification */
	WAITING,
	/* has had its last answer; what still comes is dropped up to its end */
	DRAINING,
	/* is at an end, and waits for notifications */
	FINISHING,
};

/*
 * The buffer group is the connection's own, and has its number. With one for
 * all, an answer that failed before its entries were taken would leave them
 * there, and the next one to send would send them to somebody else.
 */
struct conn {
	int fd;
	unsigned int index;
	enum state state;
	struct conn *next_free;
	struct io_uring_buf_ring *br;
	/* requests that use each header, until their last CQE, for how many bytes */
	unsigned int users[HEADERS];
	size_t bytes[HEADERS];
	/* the current answer: its header, how much is still to be sent */
	unsigned int slot;
	size_t left;
	bool zc, keep;
	/* in seconds, when we give up */
	time_t deadline, answer_by;
	/* we have given up */
	bool expired;
	/* the first byte of a request is there, and its deadline runs */
	bool begun;
	struct input in;
};

static struct {
	struct io_uring ring;
	int listen_fd, signal_fd;
	struct signalfd_siginfo signal;
	/* of connections: all, those in use, and where accepting pauses */
	struct conn *conns, *free;
	unsigned int nr_conns, used, max;
	/* registered buffer 0: HEADERS for each connection */
	char *headers;
	size_t zc_size;
	time_t now, stop_by;
	bool accepting, pausing, stopping;
	unsigned long requests, sends, zc_sends, notifs, announced, copied, cut;
} s;

static struct io_uring_sqe *get_sqe(void)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&s.ring);

	if (sqe)
		return sqe;
	io_uring_submit(&s.ring);
	sqe = io_uring_get_sqe(&s.ring);
	if (!sqe)
		errx(1, "the submission queue stays full");
	return sqe;
}

static uint64_t pack(unsigned int op, unsigned int index, unsigned int slot)
{
	return (uint64_t)index << 16 | slot << 8 | op;
}

static void set_deadline(struct conn *c, time_t deadline)
{
	if (s.stopping && deadline > s.stop_by)
		deadline = s.stop_by;
	c->deadline = deadline;
}

/* Accept while there is room. Who came before it could pause has room, too. */
static void pause_or_accept(void)
{
	bool want = s.used < s.max && !s.stopping;
	struct io_uring_sqe *sqe;

	if (want == s.accepting || s.pausing)
		return;
	sqe = get_sqe();
	if (want) {
		io_uring_prep_multishot_accept(sqe, s.listen_fd, NULL, NULL, SOCK_CLOEXEC);
		io_uring_sqe_set_data64(sqe, pack(OP_ACCEPT, 0, 0));
		s.accepting = true;
	} else {
		io_uring_prep_cancel64(sqe, pack(OP_ACCEPT, 0, 0), 0);
		io_uring_sqe_set_data64(sqe, pack(OP_CANCEL, 0, 0));
		s.pausing = true;
	}
}

static void receive(struct conn *c)
{
	struct io_uring_sqe *sqe = get_sqe();
	/* what is drained goes nowhere */
	size_t at = c->state == DRAINING ? 0 : c->in.len;

	io_uring_prep_recv(sqe, c->fd, c->in.buf + at, REQUEST_SIZE - at, 0);
	sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
	io_uring_sqe_set_data64(sqe, pack(OP_RECV, c->index, 0));
}

/* The bytes of answers whose headers are in use, so 0 if none is. */
static size_t under_way(const struct conn *c)
{
	size_t bytes = 0;
	unsigned int i;

	for (i = 0; i < HEADERS; i++) {
		if (c->users[i])
			bytes += c->bytes[i];
	}
	return bytes;
}

/* Nobody else gets a connection whose headers may still be read. */
static void free_conn(struct conn *c)
{
	c->next_free = s.free;
	s.free = c;
	s.used--;
	pause_or_accept();
}

static void close_conn(struct conn *c)
{
	close(c->fd);
	c->fd = -1;
	if (!under_way(c))
		free_conn(c);
}

/*
 * Have the kernel throw away what it still has to send: then notifications come
 * soon, whatever the peer does.
 */
static void set_reset(struct conn *c)
{
	struct linger linger = { .l_onoff = 1 };

	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	s.cut++;
}

/*
 * The socket stays ours until all notifications have come: only then can we
 * still cut a peer off that takes its answer too slowly.
 */
static void finish(struct conn *c)
{
	if (under_way(c) && !c->expired) {
		shutdown(c->fd, SHUT_WR);
		c->state = FINISHING;
		set_deadline(c, c->answer_by);
		return;
	}
	if (under_way(c))
		set_reset(c);
	close_conn(c);
}

/*
 * After the last answer: to close now would be a reset if the peer has sent
 * more than we have read, and could cost it the end of the answer.
 */
static void drain(struct conn *c)
{
	shutdown(c->fd, SHUT_WR);
	c->state = DRAINING;
	set_deadline(c, c->answer_by);
	receive(c);
}

/* The bytes of the entries that were not taken from the connection's ring. */
static size_t in_ring(struct conn *c, uint16_t *head)
{
	size_t n = 0;
	uint16_t i;
	int ret;

	ret = io_uring_buf_ring_head(&s.ring, c->index, head);
	if (ret)
		errx(1, "the state of buffer ring %u: %s", c->index, strerror(-ret));
	for (i = *head; i != c->br->tail; i++)
		n += c->br->bufs[i & io_uring_buf_ring_mask(RING_ENTRIES)].len;
	return n;
}

/* Entries that were not taken are not for the next one on this ring. */
static void fail_send(struct conn *c)
{
	uint16_t head;

	in_ring(c, &head);
	io_uring_buf_ring_advance(c->br, head - c->br->tail);
	set_reset(c);
	close_conn(c);
}

static void send_bundle(struct conn *c)
{
	struct io_uring_sqe *sqe = get_sqe();

	/* all that is left, as one bundle unless memory is short */
	if (c->zc) {
		io_uring_prep_send_zc_bundle_fixed(sqe, c->fd, c->left, 0,
						   IORING_SEND_ZC_REPORT_USAGE, c->index);
		s.zc_sends++;
	} else {
		io_uring_prep_send_bundle(sqe, c->fd, c->left, 0);
		sqe->ioprio |= IORING_RECVSEND_FIXED_BUF;
		sqe->flags |= IOSQE_BUFFER_SELECT;
		sqe->buf_group = c->index;
		s.sends++;
	}
	io_uring_sqe_set_data64(sqe, pack(c->zc ? OP_SEND_ZC : OP_SEND, c->index, c->slot));
	c->users[c->slot]++;
}

static void add_entry(struct conn *c, unsigned int buf_index, size_t offset, size_t len, int nr)
{
	/* the ID is not looked at: all entries are the same answer's */
	io_uring_buf_ring_add_fixed(c->br, buf_index, offset, len, nr,
				    io_uring_buf_ring_mask(RING_ENTRIES), nr);
	c->left += len;
}

/* Write a header, put it and what follows it into the ring, and send that. */
static void send_answer(struct conn *c, const struct answer *a, bool head)
{
	size_t at = ((size_t)c->index * HEADERS + c->slot) * HEADER_SIZE, offset;
	char *p = s.headers + at;
	int nr = 0;

	p = stpcpy(stpcpy(p, a->header), changing[c->keep]);
	if (a->text && !head)
		p = stpcpy(p, a->text);
	c->left = 0;
	add_entry(c, 0, at, p - (s.headers + at), nr++);
	for (offset = 0; !head && offset < a->size; offset += PIECE_SIZE) {
		size_t len = a->size - offset;

		add_entry(c, a->buf_index, offset, len < PIECE_SIZE ? len : PIECE_SIZE, nr++);
	}
	io_uring_buf_ring_advance(c->br, nr);

	c->bytes[c->slot] = c->left;
	c->zc = nr > 1 && a->size >= s.zc_size;
	c->state = SENDING;
	s.requests++;
	send_bundle(c);
	/* those before it go first */
	c->answer_by = s.now + ANSWER_SEC + under_way(c) / LOWEST_RATE;
	set_deadline(c, c->answer_by);
}

/* Answer the next request if all of it is there, or wait for what is missing. */
static void serve(struct conn *c)
{
	const struct answer *a = NULL;
	struct request r = { };
	size_t len = 0;
	int ret;

	for (c->slot = 0; c->slot < HEADERS && c->users[c->slot]; c->slot++)
		;
	if (c->slot == HEADERS) {
		c->state = WAITING;
		set_deadline(c, c->answer_by);
		return;
	}

	/* empty lines ahead of a request don't count */
	while (c->in.len >= 2 && !memcmp(c->in.buf, "\r\n", 2))
		drop_input(&c->in, 2);
	ret = parse_request(&c->in, &r, &len);
	if (ret == INCOMPLETE) {
		c->state = RECEIVING;
		if (s.stopping) {
			finish(c);
			return;
		}
		if (!c->begun)
			set_deadline(c, s.now + (c->in.len ? REQUEST_SEC : IDLE_SEC));
		c->begun = c->in.len;
		receive(c);
		return;
	}

	if (ret == OK) {
		a = find_file(r.path);
		if (!a)
			ret = NOT_FOUND;
	}
	c->keep = (ret == OK || ret == NOT_FOUND) && !r.close && (!r.http10 || r.keep_alive) &&
		  !s.stopping;
	c->begun = false;
	drop_input(&c->in, len);
	send_answer(c, a ? a : &errors[ret], r.head);
}

static void accepted(const struct io_uring_cqe *cqe)
{
	struct conn *c = s.free;

	if (!(cqe->flags & IORING_CQE_F_MORE))
		s.accepting = s.pausing = false;
	if (cqe->res >= 0 && (!c || s.stopping)) {
		close(cqe->res);
	} else if (cqe->res >= 0) {
		s.free = c->next_free;
		s.used++;
		c->fd = cqe->res;
		c->expired = c->begun = false;
		c->answer_by = s.now;
		drop_input(&c->in, c->in.len);
		serve(c);
	} else if (cqe->res != -ECANCELED) {
		/* no descriptors, perhaps: try again with the next tick */
		return;
	}
	pause_or_accept();
}

static void received(struct conn *c, int res)
{
	if (res <= 0 || c->expired) {
		finish(c);
	} else if (c->state == DRAINING) {
		receive(c);
	} else {
		c->in.len += res;
		serve(c);
	}
}

/* The header may be written to again. */
static void notified(struct conn *c, unsigned int slot, const struct io_uring_cqe *cqe)
{
	s.notifs++;
	if (cqe->res & IORING_NOTIF_USAGE_ZC_COPIED)
		s.copied++;
	c->users[slot]--;
	if (c->fd < 0 && !under_way(c))
		free_conn(c);
	else if (c->fd >= 0 && c->state == FINISHING && !under_way(c))
		close_conn(c);
	else if (c->fd >= 0 && c->state == WAITING)
		serve(c);
}

static void sent(struct conn *c, unsigned int slot, const struct io_uring_cqe *cqe)
{
	uint16_t head;

	if (cqe->res > 0)
		c->left -= cqe->res;
	if (cqe->flags & IORING_CQE_F_MORE) {
		/* SEND goes on by itself, SEND_ZC has a notification */
		if (!c->zc)
			return;
		s.announced++;
	} else {
		c->users[slot]--;
	}

	/*
	 * A bundle that memory was too short for has left entries that the next
	 * one takes. One that failed half way has taken more than it has sent,
	 * and to go on would leave a hole.
	 */
	if (c->expired || (c->left && (cqe->res <= 0 || in_ring(c, &head) != c->left)))
		fail_send(c);
	else if (c->left)
		send_bundle(c);
	else if (c->keep)
		serve(c);
	else
		drain(c);
}

/* What is under way completes, and then it is cut off. */
static void expire(struct conn *c)
{
	c->expired = true;
	switch (c->state) {
	case RECEIVING:
	case DRAINING:
		shutdown(c->fd, SHUT_RD);
		break;
	case SENDING:
		shutdown(c->fd, SHUT_RDWR);
		break;
	case WAITING:
	case FINISHING:
		finish(c);
		break;
	}
}

static void read_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	s.now = ts.tv_sec;
	set_date();
}

static void start_ticking(void)
{
	static struct __kernel_timespec second = { .tv_sec = 1 };
	struct io_uring_sqe *sqe = get_sqe();

	io_uring_prep_timeout(sqe, &second, 0, IORING_TIMEOUT_MULTISHOT);
	io_uring_sqe_set_data64(sqe, pack(OP_TICK, 0, 0));
}

static void tick(const struct io_uring_cqe *cqe)
{
	unsigned int i;

	read_clock();
	if (!(cqe->flags & IORING_CQE_F_MORE))
		start_ticking();
	for (i = 0; i < s.nr_conns; i++) {
		struct conn *c = &s.conns[i];

		if (c->fd >= 0 && !c->expired && s.now > c->deadline)
			expire(c);
	}
	pause_or_accept();
}

static void wait_for_signal(void)
{
	struct io_uring_sqe *sqe = get_sqe();

	io_uring_prep_read(sqe, s.signal_fd, &s.signal, sizeof(s.signal), 0);
	io_uring_sqe_set_data64(sqe, pack(OP_SIGNAL, 0, 0));
}

/* Finish what is being answered; the second time, don't wait for that. */
static void stop(void)
{
	unsigned int i;

	s.stop_by = s.stopping ? s.now - 1 : s.now + STOP_SEC;
	s.stopping = true;
	for (i = 0; i < s.nr_conns; i++) {
		struct conn *c = &s.conns[i];

		if (c->fd < 0)
			continue;
		set_deadline(c, c->deadline);
		if (c->state == RECEIVING)
			shutdown(c->fd, SHUT_RD);
	}
	/* nobody is to wait for us to be accepted */
	shutdown(s.listen_fd, SHUT_RD);
	pause_or_accept();
	wait_for_signal();
}

static void handle(const struct io_uring_cqe *cqe)
{
	struct conn *c = &s.conns[cqe->user_data >> 16];
	unsigned int slot = cqe->user_data >> 8 & 0xff;

	switch (cqe->user_data & 0xff) {
	case OP_ACCEPT:
		accepted(cqe);
		break;
	case OP_TICK:
		tick(cqe);
		break;
	case OP_SIGNAL:
		stop();
		break;
	case OP_RECV:
		received(c, cqe->res);
		break;
	case OP_SEND:
	case OP_SEND_ZC:
		if (cqe->flags & IORING_CQE_F_NOTIF)
			notified(c, slot, cqe);
		else
			sent(c, slot, cqe);
		break;
	}
}

static void run(void)
{
	start_ticking();
	wait_for_signal();
	pause_or_accept();
	/* nobody is waited for for ever */
	while (!s.stopping || ((s.used || s.accepting) && s.now <= s.stop_by + PEER_SEC)) {
		struct io_uring_cqe *cqe;
		unsigned int head, nr = 0;
		int ret = io_uring_submit_and_wait(&s.ring, 1);

		if (ret < 0 && ret != -EINTR && ret != -EAGAIN && ret != -EBUSY)
			errx(1, "io_uring_enter: %s", strerror(-ret));
		io_uring_for_each_cqe(&s.ring, head, cqe) {
			handle(cqe);
			nr++;
		}
		io_uring_cq_advance(&s.ring, nr);
	}
}

/* What it came to, and whether anything was lost. */
static int report(void)
{
	unsigned int i, j, headers = 0;
	size_t entries = 0;
	uint16_t head;

	for (i = 0; i < s.nr_conns; i++) {
		in_ring(&s.conns[i], &head);
		entries += (uint16_t)(s.conns[i].br->tail - head);
		for (j = 0; j < HEADERS; j++)
			headers += !!s.conns[i].users[j];
	}
	printf("%lu requests, %lu SENDs, %lu SEND_ZCs, %lu of %lu notifications, %lu copied, ",
	       s.requests, s.sends, s.zc_sends, s.notifs, s.announced, s.copied);
	printf("%lu connections cut, left: %u connections, %u headers, %zu entries\n", s.cut, s.used,
	       headers, entries);
	return s.used || headers || entries || s.notifs != s.announced;
}

static void set_up_ring(void)
{
	struct io_uring_params p = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE,
		/* a receive or a send, and the notifications */
		.cq_entries = (1 + HEADERS) * s.nr_conns,
	};
	unsigned int i;
	int ret;

	ret = io_uring_queue_init_params(256, &s.ring, &p);
	if (ret)
		errx(1, "io_uring_setup: %s", strerror(-ret));
	if (!(p.features & IORING_FEAT_SEND_ZC_SELECT)) {
		fprintf(stderr, "file-server: the kernel has no IORING_FEAT_SEND_ZC_SELECT; "
			"boot one that sends provided registered buffers\n");
		exit(T_EXIT_SKIP);
	}
	ret = io_uring_register_buffers(&s.ring, buffers, nr_buffers);
	if (ret == -ENOMEM)
		errx(1, "not enough memory may be locked; raise ulimit -l, or serve fewer files");
	if (ret)
		errx(1, "register %u buffers: %s", nr_buffers, strerror(-ret));

	for (i = s.nr_conns; i--;) {
		struct conn *c = &s.conns[i];

		c->fd = -1;
		c->index = i;
		c->br = io_uring_setup_buf_ring(&s.ring, RING_ENTRIES, i, 0, &ret);
		if (!c->br)
			errx(1, "a buffer ring for connection %u: %s", i, strerror(-ret));
		c->next_free = s.free;
		s.free = c;
	}
}

/* Connections inherit the options. */
static void set_up_socket(unsigned int port)
{
	struct sockaddr_in6 addr = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(port),
		.sin6_addr = IN6ADDR_ANY_INIT,
	};
	unsigned int timeout = PEER_SEC * 1000;
	int one = 1;

	s.listen_fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s.listen_fd < 0)
		err(1, "socket");
	if (setsockopt(s.listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    setsockopt(s.listen_fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) ||
	    setsockopt(s.listen_fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout)))
		err(1, "setsockopt");
	if (bind(s.listen_fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(s.listen_fd, BACKLOG))
		err(1, "port %u", port);
}

static void set_up_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	s.signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (s.signal_fd < 0)
		err(1, "signalfd");
}

/* What else is open is standard input and output, the ring, and such. */
static void check_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		err(1, "getrlimit");
	limit.rlim_cur = limit.rlim_max;
	if (limit.rlim_max < s.nr_conns + 16)
		errx(1, "no more than %lu files may be open; raise ulimit -n, or lower CONNECTIONS",
		     (unsigned long)limit.rlim_max);
	if (setrlimit(RLIMIT_NOFILE, &limit))
		err(1, "setrlimit");
}

static unsigned long parse_number(const char *what, const char *string, unsigned long min,
				  unsigned long max)
{
	char *end;
	unsigned long n = strtoul(string, &end, 10);

	if (!is_digit(*string) || *end || n < min || n > max)
		errx(2, "%s=%s is not a number from %lu to %lu", what, string, min, max);
	return n;
}

static void usage(void)
{
	fprintf(stderr, "usage: file-server [-p PORT] [-z BYTES] [-c CONNECTIONS] DIRECTORY\n"
		"  -p PORT         to listen on; default: 8080\n"
		"  -z BYTES        files from this size on are not copied; default: 16384\n"
		"  -c CONNECTIONS  at a time, others wait; default: 512\n");
	exit(2);
}

int main(int argc, char **argv)
{
	unsigned int port = 8080, i;
	size_t size = 0, headers;
	int opt;

	s.zc_size = 16384;
	s.max = 512;
	while ((opt = getopt(argc, argv, "p:z:c:")) != -1) {
		switch (opt) {
		case 'p':
			port = parse_number("PORT", optarg, 1, 65535);
			break;
		case 'z':
			s.zc_size = parse_number("BYTES", optarg, 0, MAX_FILE_SIZE + 1);
			break;
		case 'c':
			s.max = parse_number("CONNECTIONS", optarg, 1, 32768);
			break;
		default:
			usage();
		}
	}
	if (optind != argc - 1)
		usage();

	s.nr_conns = s.max + BACKLOG;
	check_limit();
	s.conns = calloc(s.nr_conns, sizeof(*s.conns));
	if (!s.conns)
		err(1, "%u connections", s.nr_conns);
	headers = (size_t)s.nr_conns * HEADERS * HEADER_SIZE;
	s.headers = allocate(headers);
	add_buffer(s.headers, headers);
	load_files(argv[optind]);
	make_errors();
	read_clock();
	set_up_signals();
	set_up_socket(port);
	set_up_ring();

	for (i = 0; i < nr_buffers; i++)
		size += buffers[i].iov_len;
	setlinebuf(stdout);
	printf("port %u: %u files, %zu bytes in %u registered buffers\n", port, nr_files, size,
	       nr_buffers);
	run();
	return report();
}

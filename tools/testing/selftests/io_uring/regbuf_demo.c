// SPDX-License-Identifier: GPL-2.0
/*
 * Send a file to a sink, 4 KiB by 4 KiB, in two ways: as bundles of provided
 * registered buffers, and with one SEND_ZC a chunk. The sink answers with a
 * line of its own, which is handed on. Fails if a byte was copied.
 *
 * usage: regbuf_demo FILE ADDRESS PORT-OF-BUNDLES PORT-OF-CHUNKS
 */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <time.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "ring.h"

#define CHUNK		4096
#define BGID		0
#define BUNDLE		256
/* SQEs of one io_uring_enter(), linked to keep the stream in order */
#define BATCH		64

struct way {
	const char *name;
	/* submits what comes after @off, returns how much that is */
	size_t (*submit)(struct way *w, size_t off);
	int fd;
	unsigned int sends;
	unsigned int cqes;
	unsigned int notifs;
	unsigned int copied;
	size_t sent;
	double busy;
	char answer[128];
};

static struct io_uring ring;
static struct pbuf_ring pbufs;
static char *data;
static size_t size;

static size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t submit_bundle(struct way *w, size_t off)
{
	size_t end = min_size(size, off + BUNDLE * CHUNK), pos;
	struct io_uring_sqe *sqe;

	for (pos = off; pos < end; pos += CHUNK)
		pbuf_ring_add(&pbufs, IOU_BUF_REGBUF_ADDR(0, pos),
			      min_size(CHUNK, end - pos), pos / CHUNK);
	pbuf_ring_publish(&pbufs);
	sqe = ring_prep_select(&ring, IORING_OP_SEND_ZC, w->fd, BGID, 0,
			       IORING_RECVSEND_FIXED_BUF |
			       IORING_RECVSEND_BUNDLE |
			       IORING_SEND_ZC_REPORT_USAGE);
	sqe->user_data = end - off;
	w->sends++;
	return end - off;
}

static size_t submit_chunks(struct way *w, size_t off)
{
	size_t end = min_size(size, off + BATCH * CHUNK), pos, len;
	struct io_uring_sqe *sqe;

	for (pos = off; pos < end; pos += len) {
		len = min_size(CHUNK, end - pos);
		sqe = ring_prep(&ring, IORING_OP_SEND_ZC);
		sqe->flags = pos + len < end ? IOSQE_IO_LINK : 0;
		sqe->ioprio = IORING_RECVSEND_FIXED_BUF |
			      IORING_SEND_ZC_REPORT_USAGE;
		sqe->fd = w->fd;
		sqe->addr = (unsigned long)data + pos;
		sqe->len = len;
		sqe->msg_flags = MSG_WAITALL;
		sqe->user_data = len;
		w->sends++;
	}
	return end - off;
}

static void take_cqe(struct way *w)
{
	struct io_uring_cqe cqe;
	int ret = ring_wait(&ring, &cqe);

	if (ret)
		errx(1, "%s: waiting: %s", w->name, strerror(-ret));
	w->cqes++;
	if (cqe.flags & IORING_CQE_F_NOTIF) {
		w->notifs++;
		w->copied += !!(cqe.res & IORING_NOTIF_USAGE_ZC_COPIED);
		return;
	}
	if (cqe.res < 0)
		errx(1, "%s: send: %s", w->name, strerror(-cqe.res));
	if (cqe.res != (int)cqe.user_data)
		errx(1, "%s: %d of %llu bytes sent", w->name, cqe.res,
		     (unsigned long long)cqe.user_data);
	w->sent += cqe.res;
}

/* Seconds that all processors together were idle, and that have passed. */
static double now_idle(double *now)
{
	unsigned long long user, nice, sys, idle, iowait;
	struct timespec ts;
	FILE *f = fopen("/proc/stat", "r");

	if (!f || fscanf(f, "cpu %llu %llu %llu %llu %llu", &user, &nice, &sys,
			 &idle, &iowait) != 5)
		errx(1, "/proc/stat is not what it was");
	fclose(f);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	*now = ts.tv_sec + ts.tv_nsec / 1e9;
	return (double)(idle + iowait) / sysconf(_SC_CLK_TCK);
}

static int connect_to(const char *address, const char *port)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET,
		.sin_port = htons(atoi(port)),
	};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (inet_pton(AF_INET, address, &in.sin_addr) != 1)
		errx(1, "%s is no IPv4 address", address);
	if (fd < 0 || connect(fd, (void *)&in, sizeof(in)))
		err(1, "connect to %s:%s", address, port);
	return fd;
}

static void run(struct way *w)
{
	double start, end, idle;
	size_t off, len = 0;
	ssize_t ret;

	idle = now_idle(&start);
	for (off = 0; off < size; off += len) {
		len = w->submit(w, off);
		if (ring_submit(&ring))
			err(1, "%s: submit", w->name);
		while (w->sent < off + len)
			take_cqe(w);
	}
	while (w->notifs < w->sends)
		take_cqe(w);
	idle = now_idle(&end) - idle;
	w->busy = (end - start) * sysconf(_SC_NPROCESSORS_ONLN) - idle;

	shutdown(w->fd, SHUT_WR);
	for (len = 0; len < sizeof(w->answer) - 1; len += ret) {
		ret = read(w->fd, w->answer + len, sizeof(w->answer) - 1 - len);
		if (ret < 0)
			err(1, "%s: reading the sink's answer", w->name);
		if (!ret)
			break;
	}
	w->answer[strcspn(w->answer, "\n")] = 0;
	close(w->fd);
}

static void load(const char *path)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	ssize_t ret;
	size_t pos;

	if (fd < 0 || fstat(fd, &st))
		err(1, "%s", path);
	size = st.st_size;
	if (!size)
		errx(1, "%s is empty", path);
	data = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	if (data == MAP_FAILED)
		err(1, "%zu bytes of memory", size);
	for (pos = 0; pos < size; pos += ret) {
		ret = read(fd, data + pos, size - pos);
		if (ret <= 0)
			err(1, "reading %s", path);
	}
	close(fd);
}

int main(int argc, char **argv)
{
	struct way ways[] = {
		{ .name = "bundles of 256", .submit = submit_bundle },
		{ .name = "SEND_ZC a chunk", .submit = submit_chunks },
	};
	struct io_uring_params p = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_CQSIZE,
		.cq_entries = 4096,
	};
	struct iovec iov;
	unsigned int i;
	int ret, failed = 0;

	if (argc != 5)
		errx(2, "usage: regbuf_demo FILE ADDRESS PORT-OF-BUNDLES PORT-OF-CHUNKS");
	load(argv[1]);

	ret = io_uring_queue_init_params(BATCH, &ring, &p);
	if (ret < 0)
		err(1, "io_uring_setup");
	if (!(p.features & IORING_FEAT_SEND_ZC_SELECT))
		errx(1, "this kernel has no IORING_FEAT_SEND_ZC_SELECT");
	iov = (struct iovec) { data, size };
	ret = io_uring_register_buffers(&ring, &iov, 1);
	if (!ret)
		ret = pbuf_ring_init(&ring, &pbufs, BGID, BUNDLE, 0);
	if (ret)
		errx(1, "registering buffers: %s", strerror(-ret));

	for (i = 0; i < 2; i++) {
		ways[i].fd = connect_to(argv[2], argv[3 + i]);
		run(&ways[i]);
	}

	printf("%-16s %7s %7s %7s %11s %7s %12s\n", "way", "sends", "CQEs",
	       "notifs", "bytes", "copied", "us/chunk");
	for (i = 0; i < 2; i++) {
		struct way *w = &ways[i];

		printf("%-16s %7u %7u %7u %11zu %7s %12.2f\n", w->name, w->sends,
		       w->cqes, w->notifs, w->sent, w->copied ? "yes" : "no",
		       w->busy * 1e6 / ((size + CHUNK - 1) / CHUNK));
		failed |= w->copied || w->sent != size;
	}
	for (i = 0; i < 2; i++)
		printf("sink of %s: %s\n", ways[i].name, ways[i].answer);
	return failed;
}

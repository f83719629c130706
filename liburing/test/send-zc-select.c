/* SPDX-License-Identifier: MIT */
/*
 * Description: test zerocopy sends of provided buffers, one and a bundle, of
 *		user memory and of registered buffers: what is prepared, what
 *		arrives, what is taken from the ring, and what is refused.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "liburing.h"
#include "helpers.h"

#define BGID		0x123
#define LEGACY_BGID	0x124
#define NO_BGID		0x125
#define ENTRIES		16
#define LEN		3000
#define USER_DATA	0x1111
#define NOTIF_DATA	0x2222

/* registered buffers; there is no fourth, and the third is an empty slot */
#define NR_BUFS		2
#define EMPTY_SLOT	2
#define NR_SLOTS	3
#define BUF_SIZE	(ENTRIES * LEN)

static struct io_uring ring;
static struct io_uring_buf_ring *br;
static char *bufs[NR_BUFS];
/* what the entries in the ring have, in that order */
static char want[ENTRIES * LEN];
static unsigned nr_want;
static unsigned short next_bid;

struct result {
	int res;
	unsigned flags;
};

enum {
	USER,
	FIXED,
	NR_KINDS,
};

static void add_user(unsigned len)
{
	char *p = bufs[0] + nr_want;

	io_uring_buf_ring_add(br, p, len, next_bid++,
			      io_uring_buf_ring_mask(ENTRIES), 0);
	io_uring_buf_ring_advance(br, 1);
	memcpy(want + nr_want, p, len);
	nr_want += len;
}

/* neither from the start nor in a row, and from both of the buffers in turns */
static void add_fixed(unsigned len)
{
	unsigned index = next_bid % NR_BUFS;
	unsigned offset = BUF_SIZE - nr_want - len;

	io_uring_buf_ring_add_fixed(br, index, offset, len, next_bid++,
				    io_uring_buf_ring_mask(ENTRIES), 0);
	io_uring_buf_ring_advance(br, 1);
	memcpy(want + nr_want, bufs[index] + offset, len);
	nr_want += len;
}

static void add(int kind, unsigned len)
{
	if (kind == FIXED)
		add_fixed(len);
	else
		add_user(len);
}

static int available(void)
{
	return io_uring_buf_ring_available(&ring, br, BGID);
}

/* an empty ring, which continues where it is */
static int reset_ring(void)
{
	int left = available();

	if (left < 0) {
		fprintf(stderr, "buf_ring_available: %d\n", left);
		return T_EXIT_FAIL;
	}
	io_uring_buf_ring_advance(br, -left);
	nr_want = 0;
	return T_EXIT_PASS;
}

/* submit what is prepared, and get the CQE of the send */
static int submit(struct io_uring_sqe *sqe, struct result *r)
{
	struct io_uring_cqe *cqe;
	int ret;

	sqe->user_data = USER_DATA;
	ret = io_uring_submit(&ring);
	if (ret != 1) {
		fprintf(stderr, "submit: %d\n", ret);
		return T_EXIT_FAIL;
	}
	ret = io_uring_wait_cqe(&ring, &cqe);
	if (ret) {
		fprintf(stderr, "wait_cqe: %d\n", ret);
		return T_EXIT_FAIL;
	}
	if (cqe->user_data != USER_DATA || cqe->flags & IORING_CQE_F_NOTIF) {
		fprintf(stderr, "not the send: %llx, flags %x\n",
			(unsigned long long) cqe->user_data, cqe->flags);
		return T_EXIT_FAIL;
	}
	r->res = cqe->res;
	r->flags = cqe->flags;
	io_uring_cqe_seen(&ring, cqe);
	return T_EXIT_PASS;
}

/* get the notification, if there is to be one, and nothing else */
static int finish(const struct result *r, __u64 user_data)
{
	struct io_uring_cqe *cqe;
	int ret;

	if (r->flags & IORING_CQE_F_MORE) {
		ret = io_uring_wait_cqe(&ring, &cqe);
		if (ret) {
			fprintf(stderr, "wait_cqe: %d\n", ret);
			return T_EXIT_FAIL;
		}
		if (cqe->user_data != user_data ||
		    cqe->flags != IORING_CQE_F_NOTIF) {
			fprintf(stderr, "not the notification: %llx, flags %x\n",
				(unsigned long long) cqe->user_data, cqe->flags);
			return T_EXIT_FAIL;
		}
		io_uring_cqe_seen(&ring, cqe);
	}
	if (!io_uring_peek_cqe(&ring, &cqe)) {
		fprintf(stderr, "one CQE too many: %llx, flags %x\n",
			(unsigned long long) cqe->user_data, cqe->flags);
		return T_EXIT_FAIL;
	}
	return T_EXIT_PASS;
}

static int arrived(int fd, const char *p, int len)
{
	static char got[sizeof(want)];
	int ret = recv(fd, got, len, MSG_WAITALL);

	if (ret != len) {
		fprintf(stderr, "received %d of %d\n", ret, len);
		return T_EXIT_FAIL;
	}
	if (memcmp(got, p, len)) {
		fprintf(stderr, "what arrived is not what was sent\n");
		return T_EXIT_FAIL;
	}
	return T_EXIT_PASS;
}

static void prep_sqe(struct io_uring_sqe *sqe, int fd, int kind, bool bundle,
		     size_t len, int flags, unsigned zc_flags, int buf_group)
{
	if (kind == FIXED && bundle)
		io_uring_prep_send_zc_bundle_fixed(sqe, fd, len, flags, zc_flags,
						   buf_group);
	else if (kind == FIXED)
		io_uring_prep_send_zc_select_fixed(sqe, fd, len, flags, zc_flags,
						   buf_group);
	else if (bundle)
		io_uring_prep_send_zc_bundle(sqe, fd, len, flags, zc_flags,
					     buf_group);
	else
		io_uring_prep_send_zc_select(sqe, fd, len, flags, zc_flags,
					     buf_group);
}

static struct io_uring_sqe *prep(int fd, int kind, bool bundle, size_t len,
				 int flags, unsigned zc_flags, int buf_group)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	prep_sqe(sqe, fd, kind, bundle, len, flags, zc_flags, buf_group);
	return sqe;
}

/*
 * Send once from a ring with entries of @lens: it is to be @nr_sent bytes, and
 * to take @nr_taken entries.
 */
static int test_send(int fd[2], int kind, bool bundle, size_t len,
		     const unsigned *lens, int nr_sent, int nr_taken)
{
	unsigned short bid = next_bid;
	struct io_uring_sqe *sqe;
	struct result r;
	int nr;

	if (reset_ring())
		return T_EXIT_FAIL;
	for (nr = 0; lens[nr]; nr++)
		add(kind, lens[nr]);

	sqe = prep(fd[1], kind, bundle, len, 0, 0, BGID);
	sqe->addr3 = NOTIF_DATA;
	if (submit(sqe, &r))
		return T_EXIT_FAIL;
	if (r.res != nr_sent) {
		fprintf(stderr, "sent %d\n", r.res);
		return T_EXIT_FAIL;
	}
	if (!(r.flags & IORING_CQE_F_BUFFER) || !(r.flags & IORING_CQE_F_MORE) ||
	    r.flags >> IORING_CQE_BUFFER_SHIFT != bid) {
		fprintf(stderr, "flags %x, not of buffer %d\n", r.flags, bid);
		return T_EXIT_FAIL;
	}
	if (available() != nr - nr_taken) {
		fprintf(stderr, "%d are left of %d\n", available(), nr);
		return T_EXIT_FAIL;
	}
	if (arrived(fd[0], want, nr_sent))
		return T_EXIT_FAIL;
	return finish(&r, NOTIF_DATA);
}

static int test_sends(int fd[2], bool stream)
{
	static const unsigned some[] = { 1, LEN, 17, LEN - 1, 0 };
	static const unsigned long_first[] = { LEN, 5, 0 };
	unsigned many[ENTRIES + 1] = { };
	const int all = 1 + LEN + 17 + LEN - 1;
	int kind, i, many_all = 0;

	for (i = 0; i < ENTRIES; i++) {
		many[i] = LEN - 7 * i;
		many_all += many[i];
	}

	for (kind = 0; kind < NR_KINDS; kind++) {
		const struct {
			bool bundle;
			size_t len;
			const unsigned *lens;
			int nr_sent;
			int nr_taken;
		} t[] = {
			{ false, 0, some, 1, 1 },
			{ false, 0, long_first, LEN, 1 },
			{ false, LEN - 3, long_first, LEN - 3, 1 },
			{ false, LEN + 3, long_first, LEN, 1 },
			{ true, 0, some, all, 4 },
			{ true, all, some, all, 4 },
			/* the first may be cut, */
			{ true, LEN - 3, long_first, LEN - 3, 1 },
			/* more pages than a packet can have */
			{ true, 0, many, many_all, ENTRIES },
		};

		for (i = 0; i < ARRAY_SIZE(t) - !stream; i++) {
			if (test_send(fd, kind, t[i].bundle, t[i].len, t[i].lens,
				      t[i].nr_sent, t[i].nr_taken)) {
				fprintf(stderr, "kind %d, case %d failed\n", kind, i);
				return T_EXIT_FAIL;
			}
		}
	}

	/* but no other one */
	if (test_send(fd, FIXED, true, all - 1, some, 1 + LEN + 17, 3)) {
		fprintf(stderr, "bundle with a limit failed\n");
		return T_EXIT_FAIL;
	}
	return T_EXIT_PASS;
}

/* Ordinary sends take the same entries. */
static int test_copied(int fd[2])
{
	struct io_uring_sqe *sqe;
	struct result r;
	int left;

	if (reset_ring())
		return T_EXIT_FAIL;
	add_fixed(LEN);
	add_fixed(11);
	add_fixed(LEN);

	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_send(sqe, fd[1], NULL, 0, 0);
	sqe->ioprio |= IORING_RECVSEND_FIXED_BUF;
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = BGID;
	if (submit(sqe, &r))
		return T_EXIT_FAIL;
	if (r.res != LEN || r.flags & IORING_CQE_F_MORE) {
		fprintf(stderr, "send: %d, flags %x\n", r.res, r.flags);
		return T_EXIT_FAIL;
	}

	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_send_bundle(sqe, fd[1], 0, 0);
	sqe->ioprio |= IORING_RECVSEND_FIXED_BUF;
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = BGID;
	if (submit(sqe, &r))
		return T_EXIT_FAIL;
	left = available();
	if (r.res != 11 + LEN || left) {
		fprintf(stderr, "send bundle: %d, %d left\n", r.res, left);
		return T_EXIT_FAIL;
	}
	if (arrived(fd[0], want, nr_want))
		return T_EXIT_FAIL;
	return finish(&r, USER_DATA);
}

/* @sqe fails with @res, and takes nothing. */
static int refused(struct io_uring_sqe *sqe, int res, const char *what)
{
	int before = available(), after;
	struct result r;

	if (submit(sqe, &r) || finish(&r, USER_DATA))
		goto err;
	after = available();
	if (r.res != res || r.flags & IORING_CQE_F_BUFFER || after != before) {
		fprintf(stderr, "res %d, flags %x, took %d\n", r.res, r.flags,
			before - after);
		goto err;
	}
	return T_EXIT_PASS;
err:
	fprintf(stderr, "%s failed\n", what);
	return T_EXIT_FAIL;
}

static int test_refused(int fd[2])
{
	struct iovec iov = { .iov_base = bufs[0], .iov_len = 10 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	const size_t too_long = (size_t) INT_MAX + 1;
	struct io_uring_sqe *sqe;
	int kind, bundle;
	struct result r;

	if (reset_ring())
		return T_EXIT_FAIL;

	for (kind = 0; kind < NR_KINDS; kind++) {
		for (bundle = 0; bundle < 2; bundle++) {
			sqe = prep(fd[1], kind, bundle, 0, 0, 0, BGID);
			if (refused(sqe, -ENOBUFS, "an empty ring"))
				return T_EXIT_FAIL;
			sqe = prep(fd[1], kind, bundle, 0, 0, 0, NO_BGID);
			if (refused(sqe, -ENOENT, "a group that isn't there"))
				return T_EXIT_FAIL;
		}
	}

	/* something to take */
	add_fixed(LEN);
	for (kind = 0; kind < NR_KINDS; kind++) {
		for (bundle = 0; bundle < 2; bundle++) {
			sqe = prep(fd[1], kind, bundle, too_long, 0, 0, BGID);
			if (refused(sqe, -EINVAL, "more than INT_MAX"))
				return T_EXIT_FAIL;
			sqe = prep(fd[1], kind, bundle, 1, 0,
				   IORING_SEND_VECTORIZED, BGID);
			if (refused(sqe, -EINVAL, "a vector"))
				return T_EXIT_FAIL;
			sqe = prep(fd[1], kind, bundle, 0, 0, 0, BGID);
			sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
			if (refused(sqe, -EINVAL, "CQE_SKIP_SUCCESS"))
				return T_EXIT_FAIL;
		}
	}

	sqe = prep(fd[1], USER, true, 10, 0, 0, BGID);
	sqe->flags &= ~IOSQE_BUFFER_SELECT;
	if (refused(sqe, -EINVAL, "a bundle of no group"))
		return T_EXIT_FAIL;

	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_sendmsg_zc(sqe, fd[1], &msg, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = BGID;
	if (refused(sqe, -EOPNOTSUPP, "sendmsg_zc"))
		return T_EXIT_FAIL;

	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_sendmsg_zc(sqe, fd[1], &msg, 0);
	sqe->ioprio |= IORING_RECVSEND_BUNDLE;
	if (refused(sqe, -EINVAL, "sendmsg_zc of a bundle"))
		return T_EXIT_FAIL;

	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_recv(sqe, fd[0], NULL, 0, 0);
	sqe->ioprio |= IORING_RECVSEND_FIXED_BUF;
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = BGID;
	if (refused(sqe, -EINVAL, "recv"))
		return T_EXIT_FAIL;

	/* a group of the other kind: only without fixed buffers */
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_provide_buffers(sqe, bufs[1], LEN, 1, LEGACY_BGID, 9);
	if (submit(sqe, &r) || finish(&r, USER_DATA))
		return T_EXIT_FAIL;
	if (r.res < 0) {
		fprintf(stderr, "provide_buffers: %d\n", r.res);
		return T_EXIT_FAIL;
	}
	sqe = prep(fd[1], FIXED, false, 0, 0, 0, LEGACY_BGID);
	if (refused(sqe, -EINVAL, "a legacy group"))
		return T_EXIT_FAIL;
	sqe = prep(fd[1], USER, false, 10, 0, 0, LEGACY_BGID);
	if (submit(sqe, &r) || r.res != 10 ||
	    r.flags >> IORING_CQE_BUFFER_SHIFT != 9 ||
	    arrived(fd[0], bufs[1], 10) || finish(&r, USER_DATA)) {
		fprintf(stderr, "send from a legacy group failed\n");
		return T_EXIT_FAIL;
	}
	return T_EXIT_PASS;
}

static int test_bad_entries(int fd[2])
{
	static const struct {
		const char *what;
		unsigned index;
		__u64 offset;
		unsigned len;
		int res;
	} t[] = {
		{ "no length", 0, 0, 0, -ENOBUFS },
		{ "no such index", NR_SLOTS, 0, 1, -EFAULT },
		{ "the largest index", (1U << IOU_BUF_REGBUF_BITS) - 1, 0, 1, -EFAULT },
		{ "an index that is 0 in 16 bits", 1U << 16, 0, 1, -EFAULT },
		{ "an empty slot", EMPTY_SLOT, 0, 1, -EFAULT },
		{ "one byte too long", 0, BUF_SIZE - 1, 2, -EFAULT },
		{ "from the end on", 0, BUF_SIZE, 1, -EFAULT },
		{ "an offset that is 0 in 32 bits", 0, 1ULL << 32, 1, -EFAULT },
		{ "the largest offset", 0, (1ULL << IOU_BUF_OFFSET_BITS) - 1, 1, -EFAULT },
		{ "a length that is too long by far", 0, 1, UINT_MAX, -EFAULT },
	};
	struct io_uring_sqe *sqe;
	struct result r;
	int i, bundle;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		if (reset_ring())
			return T_EXIT_FAIL;

		/* behind another one: it ends the bundle */
		add_fixed(LEN);
		io_uring_buf_ring_add_fixed(br, t[i].index, t[i].offset, t[i].len,
				next_bid++, io_uring_buf_ring_mask(ENTRIES), 0);
		io_uring_buf_ring_advance(br, 1);
		add_fixed(LEN);
		sqe = prep(fd[1], FIXED, true, 0, 0, 0, BGID);
		if (submit(sqe, &r) || r.res != LEN || available() != 2 ||
		    arrived(fd[0], want, LEN) || finish(&r, USER_DATA)) {
			fprintf(stderr, "%s, second: %d\n", t[i].what, r.res);
			return T_EXIT_FAIL;
		}

		/* and is first now, whatever is sent of it */
		for (bundle = 0; bundle < 2; bundle++) {
			sqe = prep(fd[1], FIXED, bundle, 1, 0, 0, BGID);
			if (refused(sqe, t[i].res, t[i].what))
				return T_EXIT_FAIL;
		}
	}
	return T_EXIT_PASS;
}

/* a send has failed with @res after it has taken all that there is */
static int failed(const struct result *r, int res, const char *what)
{
	int left = available();

	if (r->res != res || !(r->flags & IORING_CQE_F_BUFFER) || left) {
		fprintf(stderr, "%s: res %d, flags %x, %d left\n", what, r->res,
			r->flags, left);
		return T_EXIT_FAIL;
	}
	return finish(r, USER_DATA);
}

static int test_too_long(int fd[2])
{
	int kind, i, mask = io_uring_buf_ring_mask(ENTRIES);
	struct result r;

	for (kind = 0; kind < NR_KINDS; kind++) {
		if (reset_ring())
			return T_EXIT_FAIL;
		for (i = 0; i < ENTRIES; i++) {
			if (kind == FIXED)
				io_uring_buf_ring_add_fixed(br, 0, 0, BUF_SIZE,
							    next_bid++, mask, i);
			else
				io_uring_buf_ring_add(br, bufs[0], BUF_SIZE,
						      next_bid++, mask, i);
		}
		io_uring_buf_ring_advance(br, ENTRIES);
		if (submit(prep(fd[1], kind, true, 0, 0, 0, BGID), &r) ||
		    failed(&r, -EMSGSIZE, "a datagram that is too long"))
			return T_EXIT_FAIL;
	}
	return T_EXIT_PASS;
}

/*
 * With MSG_DONTWAIT and no room. There may be some again when the other side
 * has acknowledged what it got: then something is sent, and not released
 * before that is read, which nobody does. Fill it up again.
 */
static int test_no_room(int fd[2])
{
	static char fill[65536];
	struct result r;
	int kind;

	for (kind = 0; kind < NR_KINDS; kind++) {
		do {
			if (reset_ring())
				return T_EXIT_FAIL;
			add(kind, LEN);
			add(kind, LEN);
			while (send(fd[1], fill, sizeof(fill), MSG_DONTWAIT) > 0)
				;
			if (submit(prep(fd[1], kind, true, 0, MSG_DONTWAIT, 0, BGID),
				   &r))
				return T_EXIT_FAIL;
		} while (r.res > 0);
		if (failed(&r, -EAGAIN, "MSG_DONTWAIT"))
			return T_EXIT_FAIL;
	}
	return T_EXIT_PASS;
}

/* What the helpers make of their arguments, which needs no kernel. */
static int test_prep(void)
{
	static const unsigned kinds[] = {
		[USER] = 0,
		[FIXED] = IORING_RECVSEND_FIXED_BUF,
	};
	int kind, bundle;

	for (kind = 0; kind < NR_KINDS; kind++) {
		for (bundle = 0; bundle < 2; bundle++) {
			struct io_uring_sqe want_sqe = {
				.opcode = IORING_OP_SEND_ZC,
				.flags = IOSQE_BUFFER_SELECT,
				.ioprio = IORING_SEND_ZC_REPORT_USAGE | kinds[kind] |
					(bundle ? IORING_RECVSEND_BUNDLE : 0),
				.fd = 77,
				.len = INT_MAX,
				.msg_flags = MSG_DONTWAIT,
				.buf_group = USHRT_MAX,
			};
			struct io_uring_sqe sqe = { };

			prep_sqe(&sqe, 77, kind, bundle, INT_MAX, MSG_DONTWAIT,
				 IORING_SEND_ZC_REPORT_USAGE, USHRT_MAX);
			if (memcmp(&sqe, &want_sqe, sizeof(sqe))) {
				fprintf(stderr, "prep, kind %d, bundle %d\n", kind,
					bundle);
				return T_EXIT_FAIL;
			}
		}
	}
	return T_EXIT_PASS;
}

static int setup(void)
{
	struct iovec iovs[NR_SLOTS] = { };
	int ret, i, j;

	for (i = 0; i < NR_BUFS; i++) {
		/* starts and ends somewhere in a page */
		bufs[i] = (char *) t_malloc(BUF_SIZE + 13) + 13;
		for (j = 0; j < BUF_SIZE; j++)
			bufs[i][j] = (j * 2654435761U + i * 40503U) >> 11;
		iovs[i].iov_base = bufs[i];
		iovs[i].iov_len = BUF_SIZE;
	}
	ret = t_register_buffers(&ring, iovs, NR_SLOTS);
	if (ret == T_SETUP_SKIP)
		return T_EXIT_SKIP;
	if (ret != T_SETUP_OK)
		return T_EXIT_FAIL;

	br = io_uring_setup_buf_ring(&ring, ENTRIES, BGID, 0, &ret);
	if (!br) {
		fprintf(stderr, "setup_buf_ring: %d\n", ret);
		return T_EXIT_FAIL;
	}
	return T_EXIT_PASS;
}

static int test(int ring_flags)
{
	struct io_uring_params p = { .flags = ring_flags };
	int tcp[2], udp[2], ret;

	ret = t_create_ring_params(8, &ring, &p);
	if (ret == T_SETUP_SKIP)
		return T_EXIT_SKIP;
	if (ret != T_SETUP_OK)
		return T_EXIT_FAIL;
	if (test_prep()) {
		fprintf(stderr, "test_prep failed\n");
		return T_EXIT_FAIL;
	}
	if (!(p.features & IORING_FEAT_SEND_ZC_SELECT)) {
		printf("no IORING_FEAT_SEND_ZC_SELECT, skipping\n");
		return T_EXIT_SKIP;
	}

	ret = setup();
	if (ret)
		return ret;
	if (t_create_socket_pair(tcp, true) || t_create_socket_pair(udp, false)) {
		fprintf(stderr, "no sockets\n");
		return T_EXIT_FAIL;
	}

	if (test_sends(tcp, true)) {
		fprintf(stderr, "test_sends failed\n");
		return T_EXIT_FAIL;
	}
	if (test_sends(udp, false)) {
		fprintf(stderr, "test_sends failed with datagrams\n");
		return T_EXIT_FAIL;
	}
	if (test_copied(tcp)) {
		fprintf(stderr, "test_copied failed\n");
		return T_EXIT_FAIL;
	}
	if (test_refused(tcp)) {
		fprintf(stderr, "test_refused failed\n");
		return T_EXIT_FAIL;
	}
	if (test_bad_entries(tcp)) {
		fprintf(stderr, "test_bad_entries failed\n");
		return T_EXIT_FAIL;
	}
	if (test_too_long(udp)) {
		fprintf(stderr, "test_too_long failed\n");
		return T_EXIT_FAIL;
	}
	/* the last one with that socket */
	if (test_no_room(tcp)) {
		fprintf(stderr, "test_no_room failed\n");
		return T_EXIT_FAIL;
	}

	close(tcp[0]);
	close(tcp[1]);
	close(udp[0]);
	close(udp[1]);
	io_uring_free_buf_ring(&ring, br, ENTRIES, BGID);
	io_uring_queue_exit(&ring);
	free(bufs[0] - 13);
	free(bufs[1] - 13);
	return T_EXIT_PASS;
}

int main(int argc, char *argv[])
{
	int ret;

	if (argc > 1)
		return T_EXIT_SKIP;

	ret = test(0);
	if (ret) {
		if (ret != T_EXIT_SKIP)
			fprintf(stderr, "test 0 failed\n");
		return ret;
	}
	if (!t_probe_defer_taskrun())
		return T_EXIT_PASS;
	ret = test(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
	if (ret)
		fprintf(stderr, "test DEFER_TASKRUN failed\n");
	return ret;
}

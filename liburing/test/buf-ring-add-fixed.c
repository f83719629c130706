/* SPDX-License-Identifier: MIT */
/*
 * Description: test that io_uring_buf_ring_add_fixed() writes the entry that
 *		it is to write, and that a piece that is more than 4 GiB into
 *		a registered buffer is the one that gets sent.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "liburing.h"
#include "helpers.h"

#define BGID	1
#define ENTRIES	4
#define LEN	5000

#define FAR	((1ULL << 32) + 4321)

/*
 * The same memory again and again. 4 GiB are no multiple of it: what an offset
 * without its high bits leads to has other bytes.
 */
#define CHUNK	(15UL << 20)
#define TOTAL	((FAR + LEN + CHUNK - 1) / CHUNK * CHUNK)

/* Entries, and that those beside them are left alone. */
static int test_entries(void)
{
	static const struct {
		unsigned index;
		__u64 offset;
		__u64 addr;
	} t[] = {
		{ 0, 0, 0 },
		{ 0, 1, 1 },
		{ 1, 0, 0x100000000000ULL },
		{ 3, 0xffffffffULL, 0x3000ffffffffULL },
		{ 3, FAR, 0x3001000010e1ULL },
		{ 0xfffff, 0xfffffffffffULL, 0xffffffffffffffffULL },
	};
	struct io_uring_buf bufs[ENTRIES], *buf;
	struct io_uring_buf_ring *br = (struct io_uring_buf_ring *) bufs;
	int i, j, k;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		memset(bufs, 0x5a, sizeof(bufs));
		/* the entry is one that is not the first, and it wraps */
		br->tail = 0xfffe;
		io_uring_buf_ring_add_fixed(br, t[i].index, t[i].offset, 0x12345678,
					    0xabcd, io_uring_buf_ring_mask(ENTRIES), 3);
		buf = &bufs[1];
		if (buf->addr != t[i].addr || buf->len != 0x12345678 ||
		    buf->bid != 0xabcd) {
			fprintf(stderr, "case %d: addr %llx, len %x, bid %x\n", i,
				(unsigned long long) buf->addr, buf->len, buf->bid);
			return T_EXIT_FAIL;
		}
		if (buf->addr != IOU_BUF_REGBUF_ADDR(t[i].index, t[i].offset)) {
			fprintf(stderr, "case %d: IOU_BUF_REGBUF_ADDR\n", i);
			return T_EXIT_FAIL;
		}
		for (j = 0; j < ENTRIES; j++) {
			const unsigned char *p = (unsigned char *) &bufs[j];

			/* but for the tail, which is in the first one */
			for (k = 0; j != 1 && k < offsetof(struct io_uring_buf, resv); k++) {
				if (p[k] != 0x5a) {
					fprintf(stderr, "case %d: entry %d\n", i, j);
					return T_EXIT_FAIL;
				}
			}
		}
		if (br->tail != 0xfffe) {
			fprintf(stderr, "case %d: tail %x\n", i, br->tail);
			return T_EXIT_FAIL;
		}
	}
	return T_EXIT_PASS;
}

#if UINTPTR_MAX > 0xffffffffUL
static char *map_memory(void)
{
	char *mem, *p;
	size_t i;
	int fd;

	fd = memfd_create("buf-ring-add-fixed", 0);
	if (fd < 0 || ftruncate(fd, CHUNK)) {
		perror("memfd");
		return NULL;
	}
	mem = mmap(NULL, TOTAL, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		   -1, 0);
	if (mem == MAP_FAILED) {
		perror("mmap");
		return NULL;
	}
	for (p = mem; p != mem + TOTAL; p += CHUNK) {
		if (mmap(p, CHUNK, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
			 0) == MAP_FAILED) {
			perror("mmap of a chunk");
			return NULL;
		}
	}
	close(fd);
	for (i = 0; i < CHUNK; i++)
		mem[i] = (i * 2654435761U) >> 13;
	return mem;
}

static int test_far(struct io_uring *ring)
{
	static char got[LEN];
	struct io_uring_buf_ring *br;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	struct iovec iovs[2] = { };
	int ret, fd[2], flags;

	if (t_create_socket_pair(fd, true)) {
		fprintf(stderr, "no sockets\n");
		return T_EXIT_FAIL;
	}

	/* not the first, for an index to be there */
	iovs[1].iov_base = map_memory();
	iovs[1].iov_len = TOTAL;
	if (!iovs[1].iov_base)
		return T_EXIT_FAIL;
	ret = t_register_buffers(ring, iovs, 2);
	if (ret == T_SETUP_SKIP)
		return T_EXIT_SKIP;
	if (ret != T_SETUP_OK)
		return T_EXIT_FAIL;
	br = io_uring_setup_buf_ring(ring, ENTRIES, BGID, 0, &ret);
	if (!br) {
		fprintf(stderr, "setup_buf_ring: %d\n", ret);
		return T_EXIT_FAIL;
	}

	io_uring_buf_ring_add_fixed(br, 1, FAR, LEN, 5,
				    io_uring_buf_ring_mask(ENTRIES), 0);
	io_uring_buf_ring_advance(br, 1);
	sqe = io_uring_get_sqe(ring);
	io_uring_prep_send_zc_select_fixed(sqe, fd[1], 0, MSG_WAITALL, 0, BGID);
	ret = io_uring_submit(ring);
	if (ret != 1) {
		fprintf(stderr, "submit: %d\n", ret);
		return T_EXIT_FAIL;
	}
	ret = io_uring_wait_cqe(ring, &cqe);
	if (ret || cqe->res != LEN) {
		fprintf(stderr, "wait_cqe: %d, res %d\n", ret, ret ? 0 : cqe->res);
		return T_EXIT_FAIL;
	}
	flags = cqe->flags;
	io_uring_cqe_seen(ring, cqe);
	ret = recv(fd[0], got, LEN, MSG_WAITALL);
	if (ret != LEN || memcmp(got, (char *) iovs[1].iov_base + FAR, LEN)) {
		fprintf(stderr, "what arrived is not what was sent (%d)\n", ret);
		return T_EXIT_FAIL;
	}
	if (flags & IORING_CQE_F_MORE) {
		ret = io_uring_wait_cqe(ring, &cqe);
		if (ret || !(cqe->flags & IORING_CQE_F_NOTIF)) {
			fprintf(stderr, "no notification: %d\n", ret);
			return T_EXIT_FAIL;
		}
		io_uring_cqe_seen(ring, cqe);
	}

	io_uring_free_buf_ring(ring, br, ENTRIES, BGID);
	munmap(iovs[1].iov_base, TOTAL);
	close(fd[0]);
	close(fd[1]);
	return T_EXIT_PASS;
}
#else
/* There is no room for such a buffer. */
static int test_far(struct io_uring *ring)
{
	return T_EXIT_PASS;
}
#endif

int main(int argc, char *argv[])
{
	struct io_uring_params p = { };
	struct io_uring ring;
	int ret;

	if (argc > 1)
		return T_EXIT_SKIP;

	ret = test_entries();
	if (ret) {
		fprintf(stderr, "test_entries failed\n");
		return ret;
	}

	ret = t_create_ring_params(4, &ring, &p);
	if (ret == T_SETUP_SKIP)
		return T_EXIT_SKIP;
	if (ret != T_SETUP_OK)
		return T_EXIT_FAIL;
	if (!(p.features & IORING_FEAT_SEND_ZC_SELECT)) {
		printf("no IORING_FEAT_SEND_ZC_SELECT, skipping\n");
		return T_EXIT_SKIP;
	}
	ret = test_far(&ring);
	if (ret == T_EXIT_FAIL)
		fprintf(stderr, "test_far failed\n");
	io_uring_queue_exit(&ring);
	return ret;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Registered buffers that are a driver's: what is written to a disk made by
 * ublk is sent from the memory of whoever writes it. Its segments are of any
 * size, and the write ends when the last of them is not used any more.
 */
#include <fcntl.h>
#include <linux/ublk_cmd.h>

#include "fault.h"

#define DISK_SIZE	MEM_SIZE
/* requests at a time, each of which has the slot of its number */
#define DEPTH		2
/* a slot for user memory */
#define USER		DEPTH
/* user_data of what waits for the request of that number */
#define REQUEST		0x7265710000

/* The server's side of a disk. */
struct disk {
	struct io_uring ctrl;
	int ctrl_fd;
	int fd;
	struct ublksrv_ctrl_dev_info info;
};

/* Who uses it. */
struct user {
	pthread_t thread;
	char path[32];
	bool reads;
	struct iovec *iov;
	int nr;
	/* of what it read or wrote, once that is done */
	ssize_t ret;
};

FIXTURE(disk) {
	struct env e;
	struct disk d;
};

/* A command of 128 bytes to the driver: the ring has room for one. */
static int disk_ctrl(struct disk *d, unsigned int op, void *arg, size_t len,
		     __u64 data)
{
	struct io_uring_sqe *sqe = ring_prep(&d->ctrl, IORING_OP_URING_CMD);
	struct ublksrv_ctrl_cmd *cmd = (void *)sqe->cmd;
	struct io_uring_cqe cqe;
	int ret;

	sqe->fd = d->ctrl_fd;
	sqe->cmd_op = op;
	*cmd = (struct ublksrv_ctrl_cmd) {
		.dev_id		= d->info.dev_id,
		.queue_id	= -1,
		.len		= len,
		.addr		= (unsigned long)arg,
		.data		= { data },
	};
	ret = ring_submit(&d->ctrl);
	if (!ret)
		ret = ring_wait(&d->ctrl, &cqe);
	return ret ? ret : cqe.res;
}

/* Wait for request @tag; @op may complete the one before with @result. */
static int disk_next(struct env *e, struct disk *d, unsigned int op,
		     unsigned int tag, int result)
{
	struct io_uring_sqe *sqe = ring_prep(&e->ring, IORING_OP_URING_CMD);
	struct ublk_auto_buf_reg reg = { .index = tag };

	sqe->fd = d->fd;
	sqe->cmd_op = op;
	sqe->addr = ublk_auto_buf_reg_to_sqe_addr(&reg);
	sqe->user_data = REQUEST + tag;
	*(struct ublksrv_io_cmd *)sqe->cmd = (struct ublksrv_io_cmd) {
		.tag	= tag,
		.result	= result,
	};
	return ring_submit(&e->ring);
}

static int disk_done(struct env *e, struct disk *d, unsigned int tag, int result)
{
	return disk_next(e, d, UBLK_U_IO_COMMIT_AND_FETCH_REQ, tag, result);
}

static int disk_start(struct env *e, struct disk *d)
{
	struct ublk_params params = {
		.len	= sizeof(params),
		.types	= UBLK_PARAM_TYPE_BASIC,
		.basic	= {
			.logical_bs_shift	= 9,
			.physical_bs_shift	= 9,
			.io_opt_shift		= 9,
			.io_min_shift		= 9,
			.max_sectors		= DISK_SIZE >> 9,
			.dev_sectors		= DISK_SIZE >> 9,
		},
	};
	char path[32];
	int i, ret;

	ret = io_uring_queue_init(1, &d->ctrl, IORING_SETUP_SQE128);
	if (ret < 0)
		return -errno;
	d->info = (struct ublksrv_ctrl_dev_info) {
		.nr_hw_queues		= 1,
		.queue_depth		= DEPTH,
		.max_io_buf_bytes	= DISK_SIZE,
		.dev_id			= -1,
		.flags			= UBLK_F_SUPPORT_ZERO_COPY |
					  UBLK_F_AUTO_BUF_REG |
					  UBLK_F_NO_AUTO_PART_SCAN,
	};
	ret = disk_ctrl(d, UBLK_U_CMD_ADD_DEV, &d->info, sizeof(d->info), 0);
	if (!ret)
		ret = disk_ctrl(d, UBLK_U_CMD_SET_PARAMS, &params, sizeof(params), 0);
	if (ret)
		return ret;
	snprintf(path, sizeof(path), "/dev/ublkc%u", d->info.dev_id);
	d->fd = open(path, O_RDWR);
	if (d->fd < 0)
		return -errno;
	for (i = 0; !ret && i < DEPTH; i++)
		ret = disk_next(e, d, UBLK_U_IO_FETCH_REQ, i, 0);
	return ret ? ret : disk_ctrl(d, UBLK_U_CMD_START_DEV, NULL, 0, getpid());
}

/* It is not gone before all that was registered is free. */
static int disk_stop(struct env *e, struct disk *d)
{
	struct io_uring_cqe cqe;
	int i, ret;

	ret = disk_ctrl(d, UBLK_U_CMD_STOP_DEV, NULL, 0, 0);
	for (i = 0; !ret && i < DEPTH; i++) {
		ret = ring_wait(&e->ring, &cqe);
		if (!ret && cqe.res != UBLK_IO_RES_ABORT)
			ret = -EPROTO;
	}
	close(d->fd);
	return ret ? ret : disk_ctrl(d, UBLK_U_CMD_DEL_DEV, NULL, 0, 0);
}

/* How many writes have not ended yet. */
static int disk_writes(const struct disk *d)
{
	char path[64];
	int nr = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/block/ublkb%u/inflight", d->info.dev_id);
	f = fopen(path, "r");
	if (!f)
		return -errno;
	if (fscanf(f, "%*d %d", &nr) != 1)
		nr = -EPROTO;
	fclose(f);
	return nr;
}

static void *user_main(void *arg)
{
	struct user *u = arg;
	int fd = open(u->path, O_RDWR | O_DIRECT);

	u->ret = fd;
	if (fd >= 0) {
		u->ret = u->reads ? preadv(fd, u->iov, u->nr, 0) :
				    pwritev(fd, u->iov, u->nr, 0);
		close(fd);
	}
	return NULL;
}

/* Have @u write @iov, or read it, and get the slot that has its memory. */
static int user_start(struct env *e, struct disk *d, struct user *u,
		      struct iovec *iov, int nr, bool reads)
{
	struct io_uring_cqe cqe;
	int ret;

	*u = (struct user) { .iov = iov, .nr = nr, .reads = reads };
	snprintf(u->path, sizeof(u->path), "/dev/ublkb%u", d->info.dev_id);
	ret = pthread_create(&u->thread, NULL, user_main, u);
	if (ret)
		return -ret;
	ret = ring_wait(&e->ring, &cqe);
	if (ret || cqe.res != UBLK_IO_RES_OK)
		return ret ?: cqe.res;
	return cqe.user_data < REQUEST ? -EPROTO : cqe.user_data - REQUEST;
}

/* All that user_main() has read or written. */
static ssize_t user_finish(struct user *u)
{
	pthread_join(u->thread, NULL);
	return u->ret;
}

/* A range of what @iov has is to arrive. */
static void want(struct env *e, const struct iovec *iov, size_t off, size_t len)
{
	for (; len; iov++, off = 0) {
		size_t n;

		while (off >= iov->iov_len)
			off -= iov++->iov_len;
		n = iov->iov_len - off < len ? iov->iov_len - off : len;
		env_want(e, iov->iov_base + off, n);
		len -= n;
	}
}

/* Provide a range of what @iov has, in slot @slot. */
static void add(struct env *e, int slot, const struct iovec *iov, size_t off,
		size_t len)
{
	env_add(e, slot, off, len);
	want(e, iov, off, len);
}

/* Send a range of slot @slot with a request that names it. */
static int send_named(struct env *e, int slot, size_t off, unsigned int len,
		      struct result *r)
{
	struct io_uring_sqe *sqe = env_prep_named(e, IORING_OP_SEND_ZC, 0, 0, len);
	int ret;

	/* a kernel buffer begins at 0 */
	sqe->addr = off;
	sqe->buf_index = slot;
	ret = ring_submit(&e->ring);
	return ret ? ret : env_wait(e, r);
}

FIXTURE_SETUP(disk)
{
	struct disk *d = &self->d;
	struct env *e = &self->e;
	int i;

	d->ctrl_fd = open("/dev/ublk-control", O_RDWR);
	if (d->ctrl_fd < 0)
		SKIP(return, "no /dev/ublk-control");
	ASSERT_EQ(0, env_init_ring(e, NULL));
	for (i = 0; i < NR_MEM; i++)
		ASSERT_EQ(0, env_mem(e, i, MEM_SIZE, 0, 0));
	ASSERT_EQ(0, env_register_sparse(e, DEPTH + 1));
	ASSERT_EQ(0, env_update(e, USER, USER));
	ASSERT_EQ(0, disk_start(e, d));
}

FIXTURE_TEARDOWN(disk)
{
	EXPECT_EQ(0, disk_stop(&self->e, &self->d));
	EXPECT_EQ(0, env_finish(&self->e));
}

static int connect_reader(struct env *e)
{
	int ret = env_init_socket(e, AF_INET, SOCK_STREAM, 0, 0);

	return ret ? ret : reader_start(&e->reader);
}

/* Segments that are neither whole pages nor of one size. */
#define PIECES		5
#define SCATTERED_LEN	(4 * 4096 + 5 * 512)

static void scatter(char *mem, struct iovec iov[PIECES])
{
	iov[0] = (struct iovec) { mem + 4, 512 };
	iov[1] = (struct iovec) { mem + 2 * 4096 - 1024, 512 };
	iov[2] = (struct iovec) { mem + 3 * 4096 + 512, 3 * 4096 };
	iov[3] = (struct iovec) { mem + 8 * 4096, 4096 };
	iov[4] = (struct iovec) { mem + 10 * 4096 - 512, 3 * 512 };
}

TEST_F(disk, single)
{
	static const struct {
		size_t off, len;
	} range[] = {
		{ 0, SCATTERED_LEN }, { 0, 1 }, { 511, 2 }, { 512, 512 },
		{ 1000, 5000 }, { 1024 + 4096, 4096 }, { SCATTERED_LEN - 1, 1 },
	};
	struct env *e = &self->e;
	struct iovec iov[PIECES];
	struct result r;
	struct user u;
	unsigned int i, bid = 0;
	int slot, w;

	scatter(e->mem[0], iov);
	ASSERT_EQ(0, connect_reader(e));
	slot = user_start(e, &self->d, &u, iov, PIECES, false);
	ASSERT_LE(0, slot);
	for (w = 0; w < 2; w++) {
		for (i = 0; i < ARRAY_SIZE(range); i++) {
			add(e, slot, iov, range[i].off, range[i].len);
			ASSERT_EQ(0, way_send(e, &ways[w], 0, 0, &r));
			EXPECT_TOOK(&r, range[i].len, bid++);
		}
	}
	for (i = 0; i < ARRAY_SIZE(range); i++) {
		want(e, iov, range[i].off, range[i].len);
		ASSERT_EQ(0, send_named(e, slot, range[i].off, range[i].len, &r));
		EXPECT_EQ(range[i].len, r.res);
		EXPECT_FALSE(r.flags & IORING_CQE_F_BUFFER);
	}
	/* behind its end there is nothing */
	env_add(e, slot, SCATTERED_LEN - 1, 2);
	ASSERT_EQ(0, env_send(e, 0, SEL_REG, &r));
	EXPECT_NOTHING_TAKEN(&r, -EFAULT);
	ASSERT_EQ(0, disk_done(e, &self->d, slot, SCATTERED_LEN));
	EXPECT_EQ(SCATTERED_LEN, user_finish(&u));
}

/* Many pieces, against the order, of two writes and of user memory. */
TEST_F(disk, bundle)
{
	struct env *e = &self->e;
	struct iovec iov[PIECES];
	struct iovec large = { e->mem[1], MEM_SIZE / 2 };
	struct iovec user = { e->mem[USER], MEM_SIZE };
	struct user u[2];
	struct result r;
	int i, slot[2], sum = 0;

	scatter(e->mem[0], iov);
	ASSERT_EQ(0, connect_reader(e));
	slot[0] = user_start(e, &self->d, &u[0], iov, PIECES, false);
	slot[1] = user_start(e, &self->d, &u[1], &large, 1, false);
	ASSERT_LE(0, slot[0]);
	ASSERT_LE(0, slot[1]);
	for (i = 0; i < 60; i++) {
		add(e, slot[0], iov, 18000 - i * 300, 200 + i);
		add(e, slot[1], &large, 400000 - i * 6000, 5000 + i);
		add(e, USER, &user, i * 5000, 3000 + i);
		sum += 200 + 5000 + 3000 + 3 * i;
	}
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, sum, 0);
	ASSERT_EQ(0, disk_done(e, &self->d, slot[0], SCATTERED_LEN));
	ASSERT_EQ(0, disk_done(e, &self->d, slot[1], MEM_SIZE / 2));
	EXPECT_EQ(SCATTERED_LEN, user_finish(&u[0]));
	EXPECT_EQ(MEM_SIZE / 2, user_finish(&u[1]));
}

/* What is to be read from the disk can't be sent. */
TEST_F(disk, to_be_read)
{
	struct env *e = &self->e;
	struct iovec iov = { e->mem[0], 4096 };
	struct result r;
	struct user u;
	int slot;

	ASSERT_EQ(0, connect_reader(e));
	slot = user_start(e, &self->d, &u, &iov, 1, true);
	ASSERT_LE(0, slot);
	env_add(e, slot, 0, 4096);
	ASSERT_EQ(0, env_send(e, 0, SEL_REG, &r));
	EXPECT_NOTHING_TAKEN(&r, -EFAULT);
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_NOTHING_TAKEN(&r, -EFAULT);
	ASSERT_EQ(0, send_named(e, slot, 0, 4096, &r));
	EXPECT_EQ(-EFAULT, r.res);
	ASSERT_EQ(0, disk_done(e, &self->d, slot, 4096));
	EXPECT_EQ(4096, user_finish(&u));
}

/*
 * The server is done with a write of which it still sends: the memory is, and
 * the write ends, when the notification comes.
 */
TEST_F(disk, done_before_sent)
{
	struct env *e = &self->e;
	struct iovec iov = { e->mem[0], MEM_SIZE / 2 };
	struct io_uring_cqe cqe;
	struct user u;
	int i, slot;

	ASSERT_EQ(0, env_init_socket(e, AF_INET, SOCK_STREAM, 8192, 8192));
	slot = user_start(e, &self->d, &u, &iov, 1, false);
	ASSERT_LE(0, slot);
	for (i = 0; i < 128; i++)
		add(e, slot, &iov, i * 5 % 128 * 4096, 4096);
	env_prep(e, IORING_OP_SEND_ZC, 0, SEL_BUNDLE)->user_data = 1;
	ASSERT_EQ(0, ring_submit(&e->ring));
	ASSERT_EQ(0, env_wait_arrival(e));
	ASSERT_EQ(0, disk_done(e, &self->d, slot, iov.iov_len));
	EXPECT_EQ(NULL, ring_peek(&e->ring));
	/* its slot is free at once, and used again */
	env_add(e, slot, 0, 4096);
	env_prep(e, IORING_OP_SEND_ZC, 0, SEL_BUNDLE)->user_data = 2;
	ASSERT_EQ(0, ring_submit(&e->ring));
	ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
	EXPECT_EQ(2, cqe.user_data);
	EXPECT_EQ(-EFAULT, cqe.res);
	ASSERT_EQ(0, ring_wait(&e->ring, &cqe));
	EXPECT_EQ(IORING_CQE_F_NOTIF, cqe.flags);

	EXPECT_EQ(1, disk_writes(&self->d));
	expect_in_order(_metadata, e, iov.iov_len, 0);
	EXPECT_EQ(iov.iov_len, user_finish(&u));
}

/*
 * Segments can't be used where they are, there has to be memory for others. Have
 * none for those of @nr entries in a row, of 4096 bytes in all.
 */
static void check_no_memory(struct __test_metadata *_metadata,
			    struct env *e, struct disk *d, unsigned int nr)
{
	static const struct inject first = { .nth = 1, .burst = 1 };
	const unsigned int len = 4096 / nr;
	struct iovec iov = { e->mem[0], 4096 };
	struct target target;
	struct result r;
	struct user u;
	unsigned int i;
	int slot;

	ASSERT_EQ(0, connect_reader(e));
	if (!fault_available())
		SKIP(return, NOT_AVAILABLE);
	ASSERT_EQ(0, fault_init());
	ASSERT_EQ(0, target_open(&target, gettid()));
	slot = user_start(e, d, &u, &iov, 1, false);
	ASSERT_LE(0, slot);
	/* all that a request takes but for the segments */
	env_add_want(e, USER, 0, 4096);
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, 4096, 0);

	for (i = 0; i < nr; i++)
		add(e, slot, &iov, i * len, len);
	arm(&target, &first);
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_EQ(0, disarm(&target));
	fault_exit();
	if (nr == 1)
		EXPECT_NOTHING_TAKEN(&r, -ENOMEM);
	else
		EXPECT_SENT(&r, len, 1);
	EXPECT_EQ(nr, env_head(e));
	ASSERT_EQ(0, env_send(e, 0, SEL_BUNDLE, &r));
	EXPECT_SENT(&r, len, nr);
	ASSERT_EQ(0, disk_done(e, d, slot, 4096));
	EXPECT_EQ(4096, user_finish(&u));
}

/* For the first entry it is an error, and nothing is taken. */
TEST_F(disk, no_memory)
{
	check_no_memory(_metadata, &self->e, &self->d, 1);
}

/* What goes on where that ends is left to the next bundle. */
TEST_F(disk, no_memory_in_a_row)
{
	check_no_memory(_metadata, &self->e, &self->d, 2);
}

TEST_HARNESS_MAIN

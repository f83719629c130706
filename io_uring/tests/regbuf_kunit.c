// SPDX-License-Identifier: GPL-2.0
/*
 * Test cases for provided registered buffers: how their addresses are encoded,
 * and how ranges of registered buffers are found, mapped and selected.
 *
 * All objects are made by hand, there is no user space involved.
 */
#include <kunit/test.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/uio.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>

#include "../rsrc.h"
#include "../kbuf.h"

#define PG			((u32)PAGE_SIZE)
#define CANARY			0xa5
#define RW			(BIT(ITER_SOURCE) | BIT(ITER_DEST))
#define BGID			7
#define FIRST_BID		1000
/* of a ring whose head is about to wrap */
#define FIRST_HEAD		(U16_MAX - 1)
#define NR_ENTRIES		512
/* single pages come in blocks, adjacent but each a folio of its own */
#define BLOCK_ORDER		3
#define MAX_FOLIOS		8

/* The table of buffers */
enum { USER, NONE, USER2, KERN, WRONLY, FOLIO, HUGE, NR_SLOTS };

/* User memory may start and end anywhere, the bvecs of kernel buffers as well */
static const struct regbuf_layout {
	unsigned int	order, flags, dir, nr_bvecs;
	struct {
		u32	folio, offset, len;
	} bvec[4];
} regbuf_layouts[NR_SLOTS] = {
	[USER] = { 0, 0, RW,
		   4, { { 3, 100, PG - 100 }, { 1, 0, PG }, { 2, 0, PG }, { 0, 0, 200 } } },
	[USER2] = { 0, 0, RW, 1, { { 0, 100, PG - 100 } } },
	[HUGE] = { 21 - PAGE_SHIFT, 0, RW,
		   3, { { 1, SZ_2M - 5001, 5001 }, { 0, 0, SZ_2M }, { 2, 0, PG + 7 } } },
	/* the second bvec is of three folios, the last one starts behind its page */
	[KERN] = { 0, IO_REGBUF_F_KBUF, BIT(ITER_SOURCE),
		   4, { { 7, 10, 20 }, { 1, 100, 2 * PG }, { 0, 0, 0 }, { 4, PG + 3, 5 } } },
	[FOLIO] = { 3, IO_REGBUF_F_KBUF, BIT(ITER_SOURCE),
		    3, { { 0, 10, 20 }, { 0, 100, 2 * PG }, { 0, 3 * PG + 3, 5 } } },
	[WRONLY] = { 0, IO_REGBUF_F_KBUF, BIT(ITER_DEST), 1, { { 0, 0, PG } } },
};

#define USER_LEN		(3 * PG + 100)
#define HUGE_LEN		(SZ_2M + PG + 5008)
#define KERN_LEN		(2 * PG + 25)

struct regbuf_test {
	struct io_ring_ctx	ctx;
	struct io_rsrc_node	node[NR_SLOTS];
	struct io_rsrc_node	*table[NR_SLOTS];
	struct io_buffer_list	bl;
	/* the tail is where the first one has resv */
	struct io_uring_buf	ring[NR_ENTRIES];
	/* what was put into the ring, to be found there unchanged */
	struct io_uring_buf	copy[NR_ENTRIES];
	struct io_kiocb		req;
	struct io_kiocb		owner;
	struct iou_vec		vec;
	struct iov_iter		iter;
};

KUNIT_DEFINE_ACTION_WRAPPER(regbuf_put_page, put_page, struct page *);
KUNIT_DEFINE_ACTION_WRAPPER(regbuf_xa_destroy, xa_destroy, struct xarray *);
KUNIT_DEFINE_ACTION_WRAPPER(regbuf_vec_free, io_vec_free, struct iou_vec *);
KUNIT_DEFINE_ACTION_WRAPPER(regbuf_vfree, vfree, void *);
KUNIT_DEFINE_ACTION_WRAPPER(regbuf_cache_free, io_rsrc_cache_free, struct io_ring_ctx *);

/* A folio, or a block of single pages */
static struct page *regbuf_alloc_pages(struct kunit *test, unsigned int order)
{
	gfp_t gfp = GFP_KERNEL | (order ? __GFP_COMP : 0);
	struct page *page = alloc_pages(gfp, order ?: BLOCK_ORDER);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, page);
	if (!order)
		split_page(page, BLOCK_ORDER);
	for (i = 0; i < (order ? 1 : MAX_FOLIOS); i++)
		KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, regbuf_put_page,
								   page + i));
	return page;
}

static struct io_mapped_ubuf *regbuf_alloc(struct kunit *test, const struct regbuf_layout *l)
{
	struct page *folios[MAX_FOLIOS];
	struct io_mapped_ubuf *imu;
	unsigned int i;

	imu = kunit_kzalloc(test, struct_size(imu, bvec, l->nr_bvecs), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, imu);
	for (i = 0; i < (l->order ? l->nr_bvecs : MAX_FOLIOS); i++)
		folios[i] = i && !l->order ? folios[0] + i : regbuf_alloc_pages(test, l->order);

	imu->nr_bvecs = l->nr_bvecs;
	for (i = 0; i < l->nr_bvecs; i++) {
		bvec_set_page(&imu->bvec[i], folios[l->bvec[i].folio], l->bvec[i].len,
			      l->bvec[i].offset);
		imu->len += l->bvec[i].len;
	}
	imu->flags = l->flags;
	imu->dir = l->dir;
	imu->folio_shift = PAGE_SHIFT;
	if (!(l->flags & IO_REGBUF_F_KBUF)) {
		imu->folio_shift += l->order;
		/*
		 * The same for all of them: only the index tells them apart.
		 * Large folios may be mapped at any page.
		 */
		imu->ubuf = SZ_1G + 3 * PG + imu->bvec[0].bv_offset;
	}
	return imu;
}

static struct regbuf_test *regbuf_setup(struct kunit *test)
{
	struct regbuf_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, t);
	test->priv = t;
	mutex_init(&t->ctx.uring_lock);
	xa_init(&t->ctx.io_bl_xa);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action(test, regbuf_xa_destroy, &t->ctx.io_bl_xa));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action(test, regbuf_vec_free, &t->vec));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action(test, regbuf_cache_free, &t->ctx));
	KUNIT_ASSERT_FALSE(test, io_rsrc_cache_init(&t->ctx));

	for (i = 0; i < NR_SLOTS; i++) {
		if (i == NONE)
			continue;
		t->node[i].type = IORING_RSRC_BUFFER;
		t->node[i].refs = 1;
		t->node[i].buf = regbuf_alloc(test, &regbuf_layouts[i]);
		t->table[i] = &t->node[i];
	}
	t->ctx.buf_table.nodes = t->table;
	t->ctx.buf_table.nr = NR_SLOTS;

	t->ring[0].resv = FIRST_HEAD;
	t->copy[0].resv = FIRST_HEAD;
	t->bl.head = FIRST_HEAD;
	t->bl.mask = NR_ENTRIES - 1;
	t->bl.flags = IOBL_BUF_RING;
	t->bl.buf_ring = (struct io_uring_buf_ring *)t->ring;
	KUNIT_ASSERT_EQ(test, 0, xa_err(xa_store(&t->ctx.io_bl_xa, BGID, &t->bl, GFP_KERNEL)));

	t->req.ctx = &t->ctx;
	t->owner.ctx = &t->ctx;
	return t;
}

/* Where a byte is in memory, the same for each way to express it; 0: nowhere */
static u64 regbuf_byte(const struct bio_vec *bv, unsigned int nr, size_t pos)
{
	for (; nr; nr--, bv++) {
		if (pos < bv->bv_len)
			return page_to_phys(bv->bv_page) + bv->bv_offset + pos;
		pos -= bv->bv_len;
	}
	return 0;
}

/* Byte @done of @iter and the next ones are bytes @pos and on of the buffer */
static void regbuf_expect_bytes(struct kunit *test, const struct iov_iter *iter, size_t done,
				const struct io_mapped_ubuf *imu, size_t pos, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		u64 want = regbuf_byte(imu->bvec, imu->nr_bvecs, pos + i);
		u64 is = regbuf_byte(iter->bvec, iter->nr_segs, iter->iov_offset + done + i);

		if (want && is == want)
			continue;
		KUNIT_FAIL(test, "Byte %zu is at %#llx, byte %zu of the buffer at %#llx",
			   done + i, is, pos + i, want);
		return;
	}
}

/* What the network stack asks for: segments that aren't empty, within a folio */
static void regbuf_expect_segs(struct kunit *test, const struct bio_vec *bv, unsigned int nr)
{
	for (; nr; nr--, bv++) {
		struct page *last = bv->bv_page + ((bv->bv_offset + bv->bv_len - 1) >> PAGE_SHIFT);

		KUNIT_ASSERT_NE(test, bv->bv_len, 0);
		KUNIT_EXPECT_PTR_EQ(test, page_folio(bv->bv_page), page_folio(last));
	}
}

static void regbuf_test_addr(struct kunit *test)
{
	const u64 max_offset = BIT_ULL(44) - 1;
	u16 index = 3;

	KUNIT_EXPECT_TRUE(test, __same_type(IOU_BUF_REGBUF_ADDR(0, 0), __u64));
	KUNIT_EXPECT_EQ(test, IOU_BUF_REGBUF_BITS, 20);
	KUNIT_EXPECT_EQ(test, IOU_BUF_OFFSET_BITS, 44);
	KUNIT_EXPECT_EQ(test, IOU_BUF_REGBUF_ADDR(0, 0), 0);
	KUNIT_EXPECT_EQ(test, IOU_BUF_REGBUF_ADDR(0, max_offset), 0xfffffffffffULL);
	KUNIT_EXPECT_EQ(test, IOU_BUF_REGBUF_ADDR(0x12345, 0x678), 0x1234500000000678ULL);
	KUNIT_EXPECT_EQ(test, IOU_BUF_REGBUF_ADDR(0xfffff, 0), 0xfffff00000000000ULL);
	KUNIT_EXPECT_EQ(test, IOU_BUF_REGBUF_ADDR(0xfffff, max_offset), U64_MAX);
	KUNIT_EXPECT_EQ(test, IOU_BUF_REGBUF_ADDR(index, 5) + 7, IOU_BUF_REGBUF_ADDR(index, 12));
	KUNIT_EXPECT_EQ(test, IOU_BUF_REGBUF_ADDR(index | 4, 5 + 7), 0x700000000000ULL + 12);
}

#define MAX_SEGS	5

static const struct regbuf_map_case {
	const char	*name;
	unsigned int	slot;
	u32		offset, len;
	unsigned int	nr;
} regbuf_map_cases[] = {
	{ "pages: first byte", USER, 0, 1, 1 },
	{ "pages: last byte", USER, USER_LEN - 1, 1, 1 },
	{ "pages: all", USER, 0, USER_LEN, 4 },
	{ "pages: to the end of the first", USER, 0, PG - 100, 1 },
	{ "pages: from the end of the first", USER, PG - 100, 1, 1 },
	{ "pages: across that end", USER, PG - 101, 2, 2 },
	{ "pages: from the end of the second", USER, 2 * PG - 100, PG, 1 },
	{ "pages: length above the first's", USER, 0, PG - 99, 2 },
	{ "huge: first byte", HUGE, 0, 1, 1 },
	{ "huge: last byte", HUGE, HUGE_LEN - 1, 1, 1 },
	{ "huge: all", HUGE, 0, HUGE_LEN, 3 },
	{ "huge: across its end", HUGE, 5000, 2, 2 },
	{ "huge: from its end", HUGE, 5001, 1, 1 },
	{ "huge: all of the second", HUGE, 5001, SZ_2M, 1 },
	{ "huge: pages inside the second", HUGE, 5001 + 3 * PG + 9, 7 * PG, 1 },
	{ "huge: second and neighbours", HUGE, 5000, SZ_2M + 2, 3 },
	{ "huge: from the end of the second", HUGE, SZ_2M + 5001, PG + 7, 1 },
	{ "kernel: first byte", KERN, 0, 1, 1 },
	{ "kernel: last byte", KERN, KERN_LEN - 1, 1, 1 },
	{ "kernel: all", KERN, 0, KERN_LEN, 5 },
	{ "kernel: all of the first", KERN, 0, 20, 1 },
	{ "kernel: across its end", KERN, 19, 2, 2 },
	{ "kernel: from its end", KERN, 20, 1, 1 },
	{ "kernel: split at folios", KERN, 20, 2 * PG, 3 },
	{ "kernel: to the end of a folio", KERN, 20, PG - 100, 1 },
	{ "kernel: across that end", KERN, PG - 81, 2, 2 },
	{ "kernel: from that end", KERN, PG - 80, 1, 1 },
	{ "kernel: across an empty one", KERN, 2 * PG + 19, 2, 2 },
	{ "kernel: from an empty one", KERN, 2 * PG + 20, 5, 1 },
	{ "kernel, one folio: all", FOLIO, 0, KERN_LEN, 3 },
	{ "kernel, one folio: across pages", FOLIO, 20, 2 * PG, 1 },
	{ "kernel, one folio: across a page's end", FOLIO, PG - 81, 2, 1 },
};

KUNIT_ARRAY_PARAM_DESC(regbuf_map, regbuf_map_cases, name);

static void regbuf_test_map(struct kunit *test)
{
	const struct regbuf_map_case *c = test->param_value;
	struct regbuf_test *t = regbuf_setup(test);
	struct io_mapped_ubuf *imu = t->node[c->slot].buf;
	struct bio_vec bv[MAX_SEGS + 1];
	struct iov_iter iter;
	unsigned int room;
	bool one;

	/* the last round is the one that has room enough */
	for (room = 0; room <= c->nr; room++) {
		memset(bv, CANARY, sizeof(bv));
		KUNIT_ASSERT_EQ(test, c->nr,
				io_reg_range_map(imu, c->offset, c->len, bv, room));
		KUNIT_ASSERT_NULL(test, memchr_inv(&bv[room], CANARY,
						   sizeof(bv) - room * sizeof(bv[0])));
	}

	regbuf_expect_segs(test, bv, c->nr);
	iov_iter_bvec(&iter, ITER_SOURCE, bv, c->nr, c->len);
	regbuf_expect_bytes(test, &iter, 0, imu, c->offset, c->len);
	KUNIT_EXPECT_EQ(test, regbuf_byte(bv, c->nr, c->len), 0);

	/* the short way finds the same, or leaves it to the long one */
	memset(bv, CANARY, sizeof(bv));
	one = io_reg_range_map_one(imu, c->offset, c->len, bv);
	KUNIT_ASSERT_EQ(test, one, c->nr == 1 && !(imu->flags & IO_REGBUF_F_KBUF));
	KUNIT_ASSERT_NULL(test, memchr_inv(&bv[one], CANARY,
					   sizeof(bv) - one * sizeof(bv[0])));
	if (one) {
		regbuf_expect_segs(test, bv, 1);
		iov_iter_bvec(&iter, ITER_SOURCE, bv, 1, c->len);
		regbuf_expect_bytes(test, &iter, 0, imu, c->offset, c->len);
	}
}

static const struct regbuf_lookup_case {
	const char	*name;
	u32		index;
	u64		offset;
	u32		len;
	int		dir;
	bool		found;
} regbuf_lookup_cases[] = {
	{ "first byte", USER, 0, 1, ITER_SOURCE, true },
	{ "all", USER, 0, USER_LEN, ITER_SOURCE, true },
	{ "last byte", USER, USER_LEN - 1, 1, ITER_SOURCE, true },
	{ "last slot", HUGE, HUGE_LEN - 5, 5, ITER_SOURCE, true },
	{ "kernel buffer", KERN, 30, KERN_LEN - 30, ITER_SOURCE, true },
	{ "one beyond", USER, 0, USER_LEN + 1, ITER_SOURCE, false },
	{ "one beyond the last", USER, USER_LEN - 1, 2, ITER_SOURCE, false },
	{ "offset at the end", USER, USER_LEN, 1, ITER_SOURCE, false },
	{ "offset of 33 bits", USER, BIT_ULL(32), 1, ITER_SOURCE, false },
	{ "last offset", USER, BIT_ULL(44) - 1, 1, ITER_SOURCE, false },
	{ "last offset and length", USER, BIT_ULL(44) - 1, U32_MAX, ITER_SOURCE, false },
	{ "all bits", BIT(20) - 1, BIT_ULL(44) - 1, U32_MAX, ITER_SOURCE, false },
	{ "last length", USER, 0, U32_MAX, ITER_SOURCE, false },
	{ "empty slot", NONE, 0, 1, ITER_SOURCE, false },
	{ "index at the table's end", NR_SLOTS, 0, 1, ITER_SOURCE, false },
	{ "index of 17 bits", 65536 + KERN, 0, 1, ITER_SOURCE, false },
	{ "last encodable index", BIT(20) - 1, 0, 1, ITER_SOURCE, false },
	{ "read of write-only", WRONLY, 0, 1, ITER_SOURCE, false },
	{ "write of write-only", WRONLY, 0, 1, ITER_DEST, true },
};

KUNIT_ARRAY_PARAM_DESC(regbuf_lookup, regbuf_lookup_cases, name);

static void regbuf_test_lookup(struct kunit *test)
{
	const struct regbuf_lookup_case *c = test->param_value;
	u64 addr = IOU_BUF_REGBUF_ADDR(c->index, c->offset);
	struct regbuf_test *t = regbuf_setup(test);
	struct io_rsrc_node *node;

	mutex_lock(&t->ctx.uring_lock);
	node = io_reg_range_lookup(&t->ctx, addr, c->len, c->dir);
	mutex_unlock(&t->ctx.uring_lock);

	KUNIT_EXPECT_EQ(test, io_reg_range_offset(addr), c->offset);
	if (!c->found) {
		KUNIT_EXPECT_NULL(test, node);
		return;
	}
	KUNIT_ASSERT_PTR_EQ(test, node, &t->node[c->index]);
	KUNIT_EXPECT_EQ(test, node->refs, 1);
}

/* Entries by number, from FIRST_HEAD on */
static struct io_uring_buf *regbuf_entry(struct regbuf_test *t, unsigned int nr)
{
	return &t->copy[(FIRST_HEAD + nr) & (NR_ENTRIES - 1)];
}

static void regbuf_provide(struct regbuf_test *t, u32 index, u64 offset, u32 len)
{
	unsigned int nr = (u16)(t->copy[0].resv - FIRST_HEAD);
	struct io_uring_buf *buf = regbuf_entry(t, nr);

	buf->addr = ((u64)index << 44) | offset;
	buf->len = len;
	buf->bid = FIRST_BID + nr;
	t->copy[0].resv++;
	memcpy(t->ring, t->copy, sizeof(t->ring));
}

static int regbuf_select_flags(struct regbuf_test *t, bool bundle, size_t max_len,
			       struct io_br_sel *sel, unsigned int issue_flags)
{
	struct io_regbuf_sel arg = {
		.owner		= &t->owner,
		.iter		= &t->iter,
		.vec		= &t->vec,
		.max_len	= max_len,
		.buf_group	= BGID,
		.bundle		= bundle,
	};

	return io_regbufs_select(&t->req, &arg, sel, issue_flags);
}

static int regbuf_select(struct regbuf_test *t, bool bundle, size_t max_len)
{
	struct io_br_sel sel = { };

	return regbuf_select_flags(t, bundle, max_len, &sel, IO_URING_F_UNLOCKED);
}

static void regbuf_put_owned(struct regbuf_test *t)
{
	mutex_lock(&t->ctx.uring_lock);
	if (t->owner.flags & REQ_F_BUF_NODE)
		io_put_rsrc_node(&t->ctx, t->owner.buf_node);
	mutex_unlock(&t->ctx.uring_lock);
}

/* The owner has one reference on each buffer that one of the entries names */
static void regbuf_expect_held(struct kunit *test, unsigned int taken)
{
	struct regbuf_test *t = test->priv;
	bool held[NR_SLOTS] = { };
	unsigned int i, nr = 0;

	for (i = 0; i < taken; i++)
		held[regbuf_entry(t, i)->addr >> 44] = true;
	for (i = 0; i < NR_SLOTS; i++) {
		KUNIT_EXPECT_EQ(test, t->node[i].refs, (i != NONE) + held[i]);
		nr += held[i];
	}

	KUNIT_EXPECT_TRUE(test, t->owner.flags == (taken ? REQ_F_BUF_NODE : 0));
	/* a set only if there is more than one to hold */
	if (nr == 1)
		KUNIT_EXPECT_PTR_EQ(test, t->owner.buf_node,
				    &t->node[regbuf_entry(t, 0)->addr >> 44]);
	if (nr < 2)
		KUNIT_EXPECT_EQ(test, t->ctx.rsrc_set_cache.nr_cached, 0);

	regbuf_put_owned(t);
	for (i = 0; i < NR_SLOTS; i++)
		KUNIT_EXPECT_EQ(test, t->node[i].refs, i != NONE);
	KUNIT_EXPECT_EQ(test, t->ctx.rsrc_set_cache.nr_cached, nr > 1);
}

/* @taken entries were taken, with references on what they name */
static void regbuf_expect_taken(struct kunit *test, unsigned int taken)
{
	struct regbuf_test *t = test->priv;

	KUNIT_EXPECT_FALSE(test, mutex_is_locked(&t->ctx.uring_lock));
	KUNIT_ASSERT_EQ(test, (u16)(t->bl.head - FIRST_HEAD), taken);
	KUNIT_EXPECT_MEMEQ(test, t->ring, t->copy, sizeof(t->ring));
	KUNIT_EXPECT_EQ(test, t->req.buf_index, taken ? FIRST_BID : 0);
	KUNIT_EXPECT_TRUE(test, taken ? !!(t->req.flags & REQ_F_BUFFER_RING) : !t->req.flags);
	KUNIT_EXPECT_FALSE(test, t->req.flags & REQ_F_BUFFERS_COMMIT);
	regbuf_expect_held(test, taken);
}

/* They were imported in @segs segments, or in place if that is 0 */
static void regbuf_expect_iter(struct kunit *test, unsigned int taken, size_t len,
			       unsigned int segs)
{
	struct regbuf_test *t = test->priv;
	const struct iov_iter *iter = &t->iter;
	struct io_mapped_ubuf *imu = t->node[regbuf_entry(t, 0)->addr >> 44].buf;
	size_t done = 0;
	unsigned int i;

	KUNIT_EXPECT_TRUE(test, iov_iter_is_bvec(iter));
	KUNIT_EXPECT_EQ(test, iov_iter_rw(iter), ITER_SOURCE);
	KUNIT_EXPECT_EQ(test, iter->count, len);
	if (segs) {
		KUNIT_ASSERT_PTR_EQ(test, iter->bvec, t->vec.bvec);
		KUNIT_ASSERT_EQ(test, iter->nr_segs, segs);
		KUNIT_EXPECT_EQ(test, iter->iov_offset, 0);
		KUNIT_EXPECT_GE(test, io_vec_nr_bvecs(&t->vec), segs);
		KUNIT_EXPECT_TRUE(test, t->req.flags & REQ_F_NEED_CLEANUP);
		regbuf_expect_segs(test, iter->bvec, segs);
	} else {
		KUNIT_ASSERT_GE(test, iter->bvec - imu->bvec, 0);
		KUNIT_ASSERT_LE(test, iter->bvec - imu->bvec + iter->nr_segs, imu->nr_bvecs);
		KUNIT_EXPECT_FALSE(test, t->req.flags & REQ_F_NEED_CLEANUP);
	}

	for (i = 0; i < taken; i++) {
		struct io_uring_buf *buf = regbuf_entry(t, i);
		size_t part = min_t(size_t, buf->len, len - done);

		regbuf_expect_bytes(test, iter, done, t->node[buf->addr >> 44].buf,
				    buf->addr & (BIT_ULL(44) - 1), part);
		done += part;
	}
	KUNIT_EXPECT_EQ(test, done, len);
}

static const struct regbuf_select_case {
	const char	*name;
	size_t		max_len;
	unsigned int	nr;
	struct {
		u32	index;
		u64	offset;
		u32	len;
	} entry[4];
	unsigned int	taken;
	size_t		len;
	unsigned int	segs;
	bool		single;
	int		ret;
} regbuf_select_cases[] = {
	{ "single", 0, 2, { { USER, 5, 10 }, { USER, 15, 10 } }, 1, 10, .single = true },
	{ "single, max_len below", 60, 1, { { USER, 50, PG } }, 1, 60, .single = true },
	{ "single, max_len above", 2 * PG, 2, { { USER, 50, PG }, { USER, PG + 50, 9 } }, 1, PG,
	  .single = true },
	{ "single, all of a buffer", 0, 1, { { USER, 0, USER_LEN } }, 1, USER_LEN, .single = true },
	{ "single, from a page's end", 0, 1, { { USER, PG - 100, 9 } }, 1, 9, .single = true },
	{ "single, huge", 0, 1, { { HUGE, 5000, SZ_2M + 2 } }, 1, SZ_2M + 2, .single = true },
	{ "single, kernel", 0, 1, { { KERN, 0, KERN_LEN } }, 1, KERN_LEN, 5, .single = true },
	{ "single, kernel, cut", PG, 1, { { KERN, 0, KERN_LEN } }, 1, PG, 3, .single = true },
	{ "single, bad next", 0, 2, { { USER, 0, 9 }, { NR_SLOTS, 0, 1 } }, 1, 9, .single = true },
	{ "single, bad index", 0, 1, { { NR_SLOTS, 0, 1 } }, .single = true, .ret = -EFAULT },

	{ "none", 0, 0, .ret = -ENOBUFS },
	{ "no length", 0, 2, { { USER, 0, 0 }, { USER, 0, 1 } }, .ret = -ENOBUFS },
	{ "no length, bad index", 0, 1, { { NR_SLOTS, 0, 0 } }, .ret = -ENOBUFS },
	{ "bad index", 0, 2, { { NR_SLOTS, 0, 1 }, { USER, 0, 1 } }, .ret = -EFAULT },
	{ "bad index of 17 bits", 0, 1, { { 65536 + KERN, 0, 1 } }, .ret = -EFAULT },
	{ "empty slot", 0, 2, { { NONE, 0, 1 }, { USER, 0, 1 } }, .ret = -EFAULT },
	{ "bad range", 0, 2, { { USER, 1, USER_LEN }, { USER, 0, 1 } }, .ret = -EFAULT },
	{ "bad range, cut", 1, 1, { { USER, 1, USER_LEN } }, .ret = -EFAULT },
	{ "all ones", 0, 1, { { BIT(20) - 1, BIT_ULL(44) - 1, U32_MAX } }, .ret = -EFAULT },
	{ "write-only", 0, 1, { { WRONLY, 0, 1 } }, .ret = -EFAULT },

	{ "later no length", 0, 3, { { USER, 0, 9 }, { USER, 9, 0 }, { USER, 9, 9 } }, 1, 9 },
	{ "later bad slot", 0, 3, { { USER, 0, 9 }, { NR_SLOTS, 9, 9 }, { USER, 9, 9 } }, 1, 9, 1 },
	{ "later empty slot", 0, 3, { { USER, 0, 9 }, { NONE, 9, 9 }, { USER, 9, 9 } }, 1, 9, 1 },
	{ "later bad range", 0, 2, { { USER, 0, PG }, { USER, PG, USER_LEN - PG + 1 } }, 1, PG },
	{ "later write-only", 0, 2, { { USER, 0, 9 }, { WRONLY, 9, 9 } }, 1, 9, 1 },
	{ "later bad, gap", 0, 3, { { USER, 0, 9 }, { USER, 20, 9 }, { USER, 29, 0 } }, 2, 18, 2 },

	{ "max_len in the first", 5, 2, { { USER, 0, 9 }, { USER, 9, 9 } }, 1, 5 },
	{ "max_len of the first", 9, 2, { { USER, 0, 9 }, { USER, 9, 9 } }, 1, 9 },
	{ "max_len in third", 26, 3, { { USER, 0, 9 }, { USER, 9, 9 }, { USER, 18, 9 } }, 2, 18 },
	{ "max_len of three", 27, 3, { { USER, 0, 9 }, { USER, 9, 9 }, { USER, 18, 9 } }, 3, 27 },
	{ "max_len, long one", 10, 3, { { USER, 0, 9 }, { USER, 9, 9 }, { USER, 9, 1 } }, 1, 9 },
	{ "max_len, gap", 10, 2, { { USER, 0, 9 }, { USER, 10, 9 } }, 1, 9 },
	{ "max_len, gaps", 26, 3, { { USER, 30, 9 }, { USER, 10, 9 }, { USER, 50, 9 } }, 2, 18, 2 },

	{ "neighbours", 0, 3, { { USER, 9, 1 }, { USER, 10, 2 }, { USER, 12, 3 } }, 3, 6 },
	{ "neighbours, pages", 0, 2, { { USER, 9, PG }, { USER, PG + 9, PG } }, 2, 2 * PG },
	{ "neighbours, huge", 0, 2, { { HUGE, 4990, 11 }, { HUGE, 5001, PG } }, 2, PG + 11 },
	{ "neighbours, kernel", 0, 2, { { KERN, 0, 9 }, { KERN, 9, 20 } }, 2, 29, 2 },
	{ "scattered", 0, 3, { { USER, 0, 9 }, { USER, 10, 9 }, { USER, PG, 20 } }, 3, 38, 3 },
	{ "scattered, backwards", 0, 2, { { USER, 9, 9 }, { USER, 0, 9 } }, 2, 18, 2 },
	{ "scattered, the same", 0, 2, { { USER, 7, 9 }, { USER, 7, 9 } }, 2, 18, 2 },
	{ "scattered, pages", 0, 2, { { USER, PG - 101, PG }, { USER, 0, PG } }, 2, 2 * PG, 4 },
	{ "scattered, huge", 0, 2, { { HUGE, SZ_1M, PG }, { HUGE, 5000, 2 } }, 2, PG + 2, 3 },
	{ "scattered, kernel", 0, 2, { { KERN, 2 * PG + 20, 5 }, { KERN, 20, 9 } }, 2, 14, 2 },
	/* the addresses of USER and USER2 follow one another, too */
	{ "crossing", 0, 2, { { USER, 0, 9 }, { USER2, 9, 9 } }, 2, 18, 2 },
	{ "crossing, to and fro", 0, 4,
	  { { USER, 0, 9 }, { USER2, 9, 9 }, { USER, 9, 9 }, { USER2, 18, 9 } }, 4, 36, 4 },
	{ "crossing, neighbours", 0, 4,
	  { { USER, 0, 9 }, { USER, 9, 9 }, { HUGE, 9, 9 }, { HUGE, 18, 9 } }, 4, 36, 2 },
	{ "crossing, kernel", 0, 3,
	  { { USER, 0, 9 }, { KERN, 9, 20 }, { FOLIO, 29, 9 } }, 3, 38, 4 },
	{ "crossing, of the same offset", 0, 2, { { KERN, 0, 9 }, { FOLIO, 9, 9 } }, 2, 18, 2 },
	{ "crossing, max_len", 26, 3,
	  { { USER, 0, 9 }, { USER2, 9, 9 }, { HUGE, 18, 9 } }, 2, 18, 2 },
	{ "crossing, later bad", 0, 3,
	  { { USER, 0, 9 }, { USER2, 9, 9 }, { NONE, 18, 9 } }, 2, 18, 2 },
	{ "neighbours, gap, neighbours", 0, 4,
	  { { USER, 0, 9 }, { USER, 9, 9 }, { USER, 30, 9 }, { USER, 39, 9 } }, 4, 36, 2 },
};

KUNIT_ARRAY_PARAM_DESC(regbuf_select, regbuf_select_cases, name);

static void regbuf_run_case(struct kunit *test)
{
	const struct regbuf_select_case *c = test->param_value;
	struct regbuf_test *t = test->priv;
	unsigned int i;

	for (i = 0; i < c->nr; i++)
		regbuf_provide(t, c->entry[i].index, c->entry[i].offset, c->entry[i].len);
	KUNIT_ASSERT_EQ(test, regbuf_select(t, !c->single, c->max_len), c->ret);
	regbuf_expect_taken(test, c->taken);
	if (!c->segs)
		KUNIT_EXPECT_NULL(test, t->vec.iovec);
}

static void regbuf_test_select(struct kunit *test)
{
	const struct regbuf_select_case *c = test->param_value;

	regbuf_setup(test);
	regbuf_run_case(test);
	if (c->taken)
		regbuf_expect_iter(test, c->taken, c->len, c->segs);
}

static void regbuf_test_group(struct kunit *test)
{
	struct regbuf_test *t = regbuf_setup(test);

	regbuf_provide(t, USER, 0, 10);

	t->bl.flags = 0;
	INIT_LIST_HEAD(&t->bl.buf_list);
	KUNIT_EXPECT_EQ(test, regbuf_select(t, true, 0), -EINVAL);
	regbuf_expect_taken(test, 0);

	xa_erase(&t->ctx.io_bl_xa, BGID);
	KUNIT_EXPECT_EQ(test, regbuf_select(t, true, 0), -ENOENT);
	regbuf_expect_taken(test, 0);
}

/* A bundle is 256 entries, however many segments that takes */
static const struct regbuf_many_case {
	const char	*name;
	u32		offset, stride, len;
	unsigned int	segs;
} regbuf_many_cases[] = {
	{ "neighbours", 1, 3, 3, 0 },
	{ "scattered", 1, 4, 3, 256 },
	{ "scattered, of two pages", PG - 101, 0, 2, 512 },
};

KUNIT_ARRAY_PARAM_DESC(regbuf_many, regbuf_many_cases, name);

static void regbuf_test_many(struct kunit *test)
{
	const struct regbuf_many_case *c = test->param_value;
	struct regbuf_test *t = regbuf_setup(test);
	unsigned int i;

	/* a vector left by an earlier request, too small for this one */
	KUNIT_ASSERT_EQ(test, 0, io_vec_realloc(&t->vec, 3));
	for (i = 0; i < 300; i++)
		regbuf_provide(t, USER, c->offset + i * c->stride, c->len);

	KUNIT_ASSERT_EQ(test, regbuf_select(t, true, 0), 0);
	regbuf_expect_taken(test, 256);
	regbuf_expect_iter(test, 256, 256 * c->len, c->segs);
}

/* A ring that is full ends where it begins, whatever its tail says */
static void regbuf_test_full(struct kunit *test)
{
	struct regbuf_test *t = regbuf_setup(test);
	unsigned int i, beyond, heads, nr = 4;
	u16 head = FIRST_HEAD;

	t->bl.mask = nr - 1;
	for (heads = nr; heads--; head++) {
		for (beyond = 0; beyond <= nr + 1; beyond++) {
			for (i = 0; i < nr; i++) {
				struct io_uring_buf *buf = &t->ring[(head + i) & t->bl.mask];

				buf->addr = IOU_BUF_REGBUF_ADDR(USER, 9 * i);
				buf->len = 9;
			}
			t->ring[0].resv = head + nr + beyond;
			t->bl.head = head;
			t->req.flags = 0;
			t->owner.flags = 0;

			KUNIT_ASSERT_EQ(test, regbuf_select(t, true, 0), 0);
			KUNIT_EXPECT_EQ(test, (u16)(t->bl.head - head), nr);
			KUNIT_EXPECT_EQ(test, !(t->req.flags & REQ_F_BL_EMPTY), !!beyond);
			KUNIT_EXPECT_EQ(test, t->iter.count, 9 * nr);
			regbuf_expect_bytes(test, &t->iter, 0, t->node[USER].buf, 0, 9 * nr);
			regbuf_put_owned(t);
		}
	}
}

/* There is memory for more segments, but not for a set */
static void regbuf_test_no_set(struct kunit *test)
{
	const unsigned int one_bvec = DIV_ROUND_UP(sizeof(struct bio_vec), sizeof(struct iovec));
	struct regbuf_test *t = regbuf_setup(test);

	/* it is to grow for the second segment */
	KUNIT_ASSERT_EQ(test, 0, io_vec_realloc(&t->vec, one_bvec));
	t->req.flags |= REQ_F_NEED_CLEANUP;
	t->ctx.rsrc_set_cache.elem_size = 2 * KMALLOC_MAX_SIZE;
	regbuf_provide(t, USER, 0, 9);
	regbuf_provide(t, USER2, 9, 9);

	KUNIT_ASSERT_EQ(test, regbuf_select(t, true, 0), 0);
	KUNIT_EXPECT_GT(test, io_vec_nr_bvecs(&t->vec), 1);
	regbuf_expect_taken(test, 1);
	regbuf_expect_iter(test, 1, 9, 1);
}

/* Unless it is aligned, this takes more segments than kmalloc() can give */
#define NOMEM_SEGS	(KMALLOC_MAX_SIZE / sizeof(struct bio_vec))
#define NOMEM_LEN	((u32)(NOMEM_SEGS * PAGE_SIZE))

static const struct regbuf_select_case regbuf_big_cases[] = {
	{ "MAX_RW_COUNT", 0, 1, { { USER, 0, MAX_RW_COUNT + 1U } }, 1, MAX_RW_COUNT },
	{ "MAX_RW_COUNT of two", 0, 3,
	  { { USER, 0, SZ_1G }, { USER, SZ_1G, MAX_RW_COUNT - SZ_1G }, { USER, MAX_RW_COUNT, 1 } },
	  2, MAX_RW_COUNT },
	{ "no memory", 0, 1, { { KERN, 1, NOMEM_LEN } }, .ret = -ENOMEM },
	{ "no memory, in a row", 0, 2, { { KERN, 1, 9 }, { KERN, 10, NOMEM_LEN } }, 1, 9, 1 },
	{ "no memory, user", 0, 1, { { USER, 1, NOMEM_LEN } }, 1, NOMEM_LEN },
	{ "no memory, scattered", 0, 2, { { USER, 1, NOMEM_LEN }, { USER, 0, 9 } }, 1, NOMEM_LEN },
	{ "no memory, fourth", 0, 4,
	  { { USER, 0, 9 }, { USER, 20, 9 }, { USER, 29, 9 }, { USER, 9, NOMEM_LEN } }, 3, 27, 2 },
	{ "no memory, not the last", 0, 4,
	  { { USER, 0, 9 }, { USER, 20, 9 }, { USER, 9, NOMEM_LEN }, { USER, 40, 9 } }, 2, 18, 2 },
};

KUNIT_ARRAY_PARAM_DESC(regbuf_big, regbuf_big_cases, name);

/* With a buffer longer than any request may be, the same page all over */
static void regbuf_test_big(struct kunit *test)
{
	const struct regbuf_select_case *c = test->param_value;
	unsigned int i, nr = (MAX_RW_COUNT >> PAGE_SHIFT) + 1;
	struct page *page = regbuf_alloc_pages(test, 0);
	struct regbuf_test *t = regbuf_setup(test);
	struct io_mapped_ubuf *imu;

	if (nr <= NOMEM_SEGS + 1)
		kunit_skip(test, "kmalloc() can give more than any request takes");

	imu = vzalloc(struct_size(imu, bvec, nr));
	KUNIT_ASSERT_NOT_NULL(test, imu);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, regbuf_vfree, imu));
	imu->nr_bvecs = nr;
	for (i = 0; i < nr; i++)
		bvec_set_page(&imu->bvec[i], page, PAGE_SIZE, 0);
	imu->len = (size_t)nr << PAGE_SHIFT;
	imu->folio_shift = PAGE_SHIFT;
	imu->dir = BIT(ITER_SOURCE);
	if (c->entry[0].index == KERN)
		imu->flags = IO_REGBUF_F_KBUF;
	t->node[c->entry[0].index].buf = imu;

	regbuf_run_case(test);
	KUNIT_EXPECT_EQ(test, t->iter.count, c->len);
	if (c->segs)
		regbuf_expect_iter(test, c->taken, c->len, c->segs);
}

/* A bundle may name as many registered buffers as it has entries */
static void regbuf_test_sets(struct kunit *test)
{
	struct regbuf_test *t = regbuf_setup(test);
	struct io_rsrc_node *nodes, **table;
	unsigned int i, nr = 256;
	u16 cached;

	nodes = kunit_kcalloc(test, nr, sizeof(*nodes), GFP_KERNEL);
	table = kunit_kcalloc(test, nr, sizeof(*table), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, nodes);
	KUNIT_ASSERT_NOT_NULL(test, table);
	for (i = 0; i < nr; i++) {
		nodes[i] = t->node[USER];
		table[i] = &nodes[i];
		regbuf_provide(t, i, 0, 5);
	}
	t->ctx.buf_table.nodes = table;
	t->ctx.buf_table.nr = nr;

	/* the second round finds sets enough in the cache */
	for (i = 0; i < 2 * nr; i++) {
		if (i % nr == 0) {
			cached = t->ctx.rsrc_set_cache.nr_cached;
			t->bl.head = FIRST_HEAD;
			t->req.flags = 0;
			t->owner.flags = 0;
			KUNIT_ASSERT_EQ(test, regbuf_select(t, true, 0), 0);
			KUNIT_ASSERT_EQ(test, (u16)(t->bl.head - FIRST_HEAD), nr);
			KUNIT_ASSERT_EQ(test, t->iter.nr_segs, nr);
			KUNIT_EXPECT_EQ(test, t->ctx.rsrc_set_cache.nr_cached, 0);
		}
		KUNIT_EXPECT_EQ(test, nodes[i % nr].refs, 2);
		if (i % nr == nr - 1) {
			regbuf_put_owned(t);
			KUNIT_EXPECT_EQ(test, t->ctx.rsrc_set_cache.nr_cached,
					cached ?: DIV_ROUND_UP(nr, IO_RSRC_SET_NODES));
		}
	}
	for (i = 0; i < nr; i++)
		KUNIT_EXPECT_EQ(test, nodes[i].refs, 1);
}

/* Incremental rings: what a first attempt takes, by what it has sent */
static const struct regbuf_inc_case {
	const char	*name;
	size_t		max_len;
	/* lengths of entries in a row, and what is left of them */
	u32		len[3], left[3];
	unsigned int	nr;
	/* selected and sent, and by how much the head moves */
	size_t		selected;
	int		sent;
	unsigned int	head;
	u32		min_left;
	bool		single, iowq, more;
} regbuf_inc_cases[] = {
	{ "all", 0, { 9, 10, 11 }, { 0, 0, 0 }, 3, 30, 30, 3 },
	{ "none", 0, { 9, 10, 11 }, { 9, 10, 11 }, 3, 30, 0, 0 },
	{ "one byte", 0, { 9, 10, 11 }, { 8, 10, 11 }, 3, 30, 1, 0, .more = true },
	{ "the first", 0, { 9, 10, 11 }, { 0, 10, 11 }, 3, 30, 9, 1 },
	{ "into the second", 0, { 9, 10, 11 }, { 0, 9, 11 }, 3, 30, 10, 1, .more = true },
	{ "all but one byte", 0, { 9, 10, 11 }, { 0, 0, 1 }, 3, 30, 29, 2, .more = true },
	{ "cut in the first", 5, { 9, 10, 11 }, { 4, 10, 11 }, 3, 5, 5, 0, .more = true },
	{ "cut behind the first", 9, { 9, 10, 11 }, { 0, 10, 11 }, 3, 9, 9, 1 },
	{ "cut in the last", 20, { 9, 10, 11 }, { 0, 0, 10 }, 3, 20, 20, 2, .more = true },
	{ "cut in the last, less sent", 20, { 9, 10, 11 }, { 0, 1, 11 }, 3, 20, 18, 1,
	  .more = true },
	{ "bad, not cut", 20, { 9, 10, USER_LEN }, { 0, 0, USER_LEN }, 3, 19, 19, 2 },
	{ "single", 0, { 9, 10 }, { 0, 10 }, 2, 9, 9, 1, .single = true },
	{ "single, cut", 4, { 9, 10 }, { 5, 10 }, 2, 4, 4, 0, .single = true, .more = true },
	{ "single, none", 4, { 9, 10 }, { 9, 10 }, 2, 4, 0, 0, .single = true },
	{ "little left", 0, { 9, 10, 11 }, { 0, 0, 11 }, 3, 30, 16, 2, .min_left = 4 },
	{ "io-wq takes all", 0, { 9, 10, 11 }, { 0, 0, 0 }, 3, 30, -1, 3, .iowq = true },
	{ "io-wq, cut", 20, { 9, 10, 11 }, { 0, 0, 10 }, 3, 20, -1, 2, .iowq = true, .more = true },
};

KUNIT_ARRAY_PARAM_DESC(regbuf_inc, regbuf_inc_cases, name);

static void regbuf_test_inc(struct kunit *test)
{
	const struct regbuf_inc_case *c = test->param_value;
	struct regbuf_test *t = regbuf_setup(test);
	struct io_br_sel sel = { };
	unsigned int i, offset = 3;

	t->bl.flags |= IOBL_INC;
	if (c->min_left)
		t->bl.min_left_sub_one = c->min_left - 1;
	for (i = 0; i < c->nr; offset += c->len[i++])
		regbuf_provide(t, USER, offset, c->len[i]);

	if (c->iowq) {
		KUNIT_ASSERT_EQ(test, regbuf_select_flags(t, !c->single, c->max_len, &sel,
							  IO_URING_F_UNLOCKED), 0);
	} else {
		mutex_lock(&t->ctx.uring_lock);
		KUNIT_EXPECT_EQ(test, regbuf_select_flags(t, !c->single, c->max_len, &sel, 0), 0);
		KUNIT_EXPECT_TRUE(test, t->req.flags & REQ_F_BUFFERS_COMMIT);
		KUNIT_EXPECT_EQ(test, (u16)(t->bl.head - FIRST_HEAD), 0);
		io_kbuf_send_done(&t->req, sel.buf_list, c->sent);
		mutex_unlock(&t->ctx.uring_lock);
	}
	KUNIT_EXPECT_EQ(test, t->iter.count, c->selected);
	/* in place, where it is cut, too */
	KUNIT_EXPECT_NULL(test, t->vec.iovec);
	KUNIT_EXPECT_FALSE(test, t->req.flags & REQ_F_BUFFERS_COMMIT);
	KUNIT_EXPECT_TRUE(test, !(t->req.flags & REQ_F_BUFFER_RING) == !c->sent);
	KUNIT_EXPECT_TRUE(test, !(t->req.flags & REQ_F_BUF_MORE) == !c->more);
	KUNIT_EXPECT_EQ(test, (u16)(t->bl.head - FIRST_HEAD), c->head);

	for (i = 0; i < c->nr; i++) {
		struct io_uring_buf *was = regbuf_entry(t, i);
		struct io_uring_buf *is = &t->ring[was - t->copy];

		KUNIT_EXPECT_EQ(test, is->len, c->left[i]);
		/* where there is a rest, it is what follows */
		if (c->left[i])
			KUNIT_EXPECT_EQ(test, is->addr, was->addr + c->len[i] - c->left[i]);
	}
	regbuf_put_owned(t);
}

/* User space may set lengths to 0 behind the selection's back */
static void regbuf_test_inc_zeroed(struct kunit *test)
{
	struct regbuf_test *t = regbuf_setup(test);
	struct io_br_sel sel = { };
	unsigned int i;

	t->bl.flags |= IOBL_INC;
	for (i = 0; i < 3; i++)
		regbuf_provide(t, USER, i * 9, 9);

	mutex_lock(&t->ctx.uring_lock);
	KUNIT_EXPECT_EQ(test, regbuf_select_flags(t, true, 0, &sel, 0), 0);
	for (i = 0; i < NR_ENTRIES; i++)
		t->ring[i].len = 0;
	io_kbuf_send_done(&t->req, sel.buf_list, 20);
	mutex_unlock(&t->ctx.uring_lock);
	KUNIT_EXPECT_EQ(test, (u16)(t->bl.head - FIRST_HEAD), 0);
	regbuf_put_owned(t);
}

static struct kunit_case regbuf_kunit_test_cases[] = {
	KUNIT_CASE(regbuf_test_addr),
	KUNIT_CASE_PARAM(regbuf_test_lookup, regbuf_lookup_gen_params),
	KUNIT_CASE_PARAM(regbuf_test_map, regbuf_map_gen_params),
	KUNIT_CASE_PARAM(regbuf_test_select, regbuf_select_gen_params),
	KUNIT_CASE(regbuf_test_group),
	KUNIT_CASE_PARAM(regbuf_test_many, regbuf_many_gen_params),
	KUNIT_CASE(regbuf_test_full),
	KUNIT_CASE(regbuf_test_no_set),
	KUNIT_CASE_PARAM(regbuf_test_big, regbuf_big_gen_params),
	KUNIT_CASE(regbuf_test_sets),
	KUNIT_CASE_PARAM(regbuf_test_inc, regbuf_inc_gen_params),
	KUNIT_CASE(regbuf_test_inc_zeroed),
	{}
};

static struct kunit_suite regbuf_test_suite = {
	.name = "io_uring-regbuf",
	.test_cases = regbuf_kunit_test_cases,
};

kunit_test_suite(regbuf_test_suite);
MODULE_DESCRIPTION("Test cases for provided registered buffers of io_uring");
MODULE_LICENSE("GPL");

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whether what has completed and arrived in a round is what had to.
 */
#ifndef SELFTESTS_IO_URING_FUZZ_JUDGE_H
#define SELFTESTS_IO_URING_FUZZ_JUDGE_H

#include "fuzz.h"

static bool may_be_short(const struct request *r)
{
	if (r->conn->type == SOCK_DGRAM)
		return false;
	return r->cancelled || r->conn->broken || r->msg_flags & MSG_DONTWAIT ||
	       (!(r->msg_flags & MSG_WAITALL) && !request_is_bundle(r));
}

static bool error_is_allowed(const struct request *r, int err)
{
	const struct conn *c = r->conn;

	if (c->broken && (err == -EPIPE || err == -ECONNRESET))
		return true;
	if (r->cancelled && (err == -ECANCELED || err == -EINTR))
		return true;
	if (r->msg_flags & MSG_DONTWAIT && err == -EAGAIN)
		return true;
	if (r->table_races && err == -EFAULT)
		return true;
	if (r->entries_race && (err == -EFAULT || err == -ENOBUFS))
		return true;
	/* too long, or in too many pieces */
	if (c->type == SOCK_DGRAM && err == -EMSGSIZE)
		return r->taken > DGRAM_MAX - 200 || request_is_zc(r);
	return false;
}

static void judge_parts(const struct request *r)
{
	unsigned int nr = r - f.requests, i;
	const struct part *last = &r->part[r->nr_parts - 1];

	check(r->final, "request %u has not completed", nr);
	check(request_is_zc(r) ? r->notified == !!(last->flags & IORING_CQE_F_MORE) : !r->notified,
	      "request %u, flags %#x, is %snotified", nr, last->flags, r->notified ? "" : "not ");
	check(!request_is_zc(r) || r->notified || r->no_notif,
	      "request %u has no notification", nr);
	for (i = 0; i < r->nr_parts; i++) {
		const struct part *p = &r->part[i];

		check(p->res > 0 || p == last, "request %u goes on after %d", nr, p->res);
		check(p->res <= 0 || !r->group || p->flags & IORING_CQE_F_BUFFER,
		      "request %u sent %d bytes of no buffer", nr, p->res);
		if (p->res > 0) {
			nr_sent += !i;
			nr_bytes += p->res;
		}
	}
}

/* One whose selection the model has foretold. */
static void judge_settled(const struct request *r)
{
	bool goes_on = request_is_bundle(r) && !request_is_zc(r);
	const struct part *p = r->part;
	unsigned int nr = r - f.requests;
	bool took = p->flags & IORING_CQE_F_BUFFER;
	bool buf_more = p->flags & IORING_CQE_F_BUF_MORE;
	size_t sent = p->res > 0 ? p->res : 0;
	const struct group *g = r->group;

	if (r->err) {
		check(p->res == r->err && !took && r->nr_parts == 1,
		      "request %u: %d, flags %#x, not %d", nr, p->res, p->flags, r->err);
		return;
	}
	if (p->res < 0)
		check(error_is_allowed(r, p->res), "request %u: %d, not %zu bytes", nr, p->res,
		      r->taken);
	else if (!goes_on)
		check(sent == r->taken || (sent && sent < r->taken && may_be_short(r)),
		      "request %u: %d, not %zu bytes", nr, p->res, r->taken);
	if (!g)
		return;
	check(!took || p->pos == r->first, "request %u: bid %u, not %u", nr, p->pos, r->first);
	if (!group_is_inc(g)) {
		check(!buf_more, "request %u: F_BUF_MORE", nr);
		if (g->kind != GROUP_LEGACY && !(group_is_user(g) && !request_is_zc(r)))
			check(took == !!r->nr, "request %u: flags %#x, %u entries taken", nr,
			      p->flags, r->nr);
	} else if (!goes_on) {
		check(took == !!r->consumed && buf_more == r->buf_more,
		      "request %u: flags %#x, %zu bytes consumed, %s of the last entry", nr,
		      p->flags, r->consumed, r->buf_more ? "not all" : "all");
	}
}

/* A SEND that goes on by itself: each part is whole entries, up to the next one. */
static void judge_gap(const struct request *r, const struct part *p, unsigned short end)
{
	struct group *g = r->group;
	unsigned int i, n = (__u16)(end - p->pos), nr = r - f.requests;
	size_t sum = 0;

	if (p->res <= 0 || r->entries_race)
		return;
	for (i = 0; i < n; i++)
		sum += group_entry(g, p->pos + i)->len;
	if (p == r->part && n == 1 && r->len && sum > r->len)
		sum = r->len;
	check(p->res == (int)sum || (p->res < (int)sum && may_be_short(r)),
	      "request %u: %d bytes of %u entries with %zu", nr, p->res, n, sum);
}

/* Where in its first entry each part begins. */
static void place_parts(struct request *r)
{
	struct group *g = r->group;
	unsigned short pos = r->first;
	__u32 eaten = r->first_eaten;
	unsigned int i;

	for (i = 0; g && i < r->nr_parts; i++) {
		struct part *p = &r->part[i];
		size_t len = p->res > 0 ? p->res : 0;

		p->eaten = p->pos == pos ? eaten : 0;
		for (pos = p->pos, eaten = p->eaten; len; pos++, eaten = 0) {
			size_t left = group_entry(g, pos)->len - eaten;

			if (len < left) {
				eaten += len;
				break;
			}
			len -= left;
		}
	}
}

static void judge_send_bundle(const struct request *r)
{
	unsigned int i;

	for (i = 0; i < r->nr_parts; i++) {
		const struct part *p = &r->part[i];
		unsigned short end = r->first + r->nr;

		if (!(p->flags & IORING_CQE_F_BUFFER))
			continue;
		if (i + 1 < r->nr_parts && p[1].flags & IORING_CQE_F_BUFFER)
			end = p[1].pos;
		judge_gap(r, p, end);
	}
}

static int part_cmp(const void *a, const void *b)
{
	const struct part *const *x = a, *const *y = b;
	unsigned short head = f.groups[0].head;

	return (int)(__u16)((*x)->pos - head) - (int)(__u16)((*y)->pos - head);
}

/*
 * Requests that ran at the same time: no two of them took the same entry, and
 * none was left out.
 */
static void judge_race(void)
{
	static const struct part *parts[NR_REQUESTS * (GROUP_ENTRIES + 1)];
	static const struct request *owner[NR_REQUESTS * (GROUP_ENTRIES + 1)];
	struct group *g = &f.groups[0];
	int end = pbuf_ring_head(&f.ring, &g->pbufs);
	unsigned int i, j, nr = 0;

	for (i = 0; i < f.nr_requests; i++) {
		struct request *r = &f.requests[i];

		for (j = 0; j < r->nr_parts; j++) {
			const struct part *p = &r->part[j];

			r->taken = p->res > 0 ? p->res : DGRAM_MAX;
			check(p->res >= 0 || error_is_allowed(r, p->res) ||
			      (p->res == -ENOBUFS && !(p->flags & IORING_CQE_F_BUFFER)) ||
			      (p->res == -EFAULT && !(p->flags & IORING_CQE_F_BUFFER)),
			      "request %u: %d", i, p->res);
			if (p->flags & IORING_CQE_F_BUFFER)
				parts[nr++] = p;
		}
	}
	qsort(parts, nr, sizeof(parts[0]), part_cmp);
	for (i = 0; i < nr; i++) {
		for (j = 0; j < f.nr_requests; j++) {
			if (parts[i] >= f.requests[j].part &&
			    parts[i] < f.requests[j].part + f.requests[j].nr_parts)
				owner[i] = &f.requests[j];
		}
		check(i || parts[i]->pos == g->head, "entries are lost: bid %u, not %u",
		      parts[i]->pos, g->head);
		check(!i || parts[i]->pos != parts[i - 1]->pos, "bid %u was sent twice",
		      parts[i]->pos);
	}
	check(nr || end == g->head, "entries are lost: all up to %u", end);
	for (i = 0; i < nr; i++)
		judge_gap(owner[i], parts[i], i + 1 < nr ? parts[i + 1]->pos : end);
	for (i = 0; i < f.nr_requests && !f.table_races; i++) {
		struct request *r = &f.requests[i];

		r->first = r->part[0].pos;
		if (r->part[0].flags & IORING_CQE_F_BUFFER)
			take(r, (__u16)(end - r->first));
	}
	g->head = end;
}

static bool all_there(const char *p, size_t len)
{
	return !memchr(p, 0, len);
}

/* What has arrived is what was sent, in that order. */
static void judge_conn(struct conn *c)
{
	unsigned int i, j, nr = 0, at = c - f.conns;
	size_t pos = 0;

	for (i = 0; i < c->nr_order; i++) {
		struct request *r = c->order[i];

		for (j = 0; j < r->nr_parts; j++) {
			const struct part *p = &r->part[j];
			size_t len = p->res > 0 ? p->res : 0;

			if (!len)
				continue;
			if (len > c->got_len - pos) {
				check(c->reset, "%zu of %zu bytes of request %u arrive at %u",
				      c->got_len - pos, len, (unsigned int)(r - f.requests), at);
				len = c->got_len - pos;
			}
			if (c->type == SOCK_DGRAM) {
				check(nr < c->nr_dgrams && c->dgram[nr] == len,
				      "datagram %u has not %zu bytes", nr, len);
				nr++;
			}
			if (r->entries_race ? !all_there(c->got + pos, len) :
			    !part_matches(f.slots, r, p, c->got + pos, len))
				failed("%zu bytes of request %u at %u are not what was sent", len,
				       (unsigned int)(r - f.requests), at);
			pos += len;
		}
	}
	check(pos == c->got_len || c->reset, "%zu bytes arrive at %u, not %zu", c->got_len, at,
	      pos);
	check(nr == c->nr_dgrams, "%u datagrams arrive at %u, not %u", c->nr_dgrams, at, nr);
}

/* A tag is posted when all who sent from that memory have been notified. */
static void judge_tags(void)
{
	unsigned int i, j, s;

	for (i = 0; i < f.nr_gone; i++) {
		for (j = 0; j < f.nr_requests; j++) {
			for (s = 0; s < NR_SLOTS; s++) {
				if (f.used[j][s] == f.gone[i].instance)
					check(f.requests[j].notif_seq < f.gone[i].seq,
					      "tag %u ahead of the notification of request %u",
					      f.gone[i].instance, j);
			}
		}
	}
}

#endif

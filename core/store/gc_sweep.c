/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table from its first row to its last, in steps: a snapshot that looks at so many rows, then
 * transactions that decide what it found. Each ends after some milliseconds, whatever the number:
 * the transactions are those of the store's writer, in which clients' writes wait.
 */
#include "core/store/gc.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"

#include <stdlib.h>
#include <string.h>

#define STEP_US ((uint64_t)3000)

struct batch {
	struct loci__gc *gc;
	const struct loci__gc_sweep *sweep;
	struct loci__txn *t;
	struct loci__gc_item *items;
	size_t n;    /* candidates */
	size_t rows; /* looked at */
	uint64_t began_us;
	struct loci__key from;
	bool more;
	int rc;
	struct loci_error *err;
};

static bool is_over(uint64_t began_us)
{
	return loci__gc_step_begin() - began_us > STEP_US;
}

static void note_longest(struct loci__gc *gc, uint64_t began_us)
{
	uint64_t us = loci__gc_step_begin() - began_us;
	if (us > gc->stats.longest_step_us)
		gc->stats.longest_step_us = us;
}

/* ---- finding --------------------------------------------------------------------------------- */

static int take_row(void *arg, struct loci_slice key, struct loci_slice val)
{
	struct batch *b = arg;
	struct loci__gc_item *item = &b->items[b->n];
	item->did = LOCI__GC_NOTHING;
	item->was_manifest = item->was_blob = item->has_children = false;
	loci__buf_reset(&item->children);
	int rc = b->sweep->look(b->gc, b->t, key, val, item, b->err);
	if (rc < 0) {
		b->rc = rc;
		return 1;
	}
	b->n += rc == 1;
	b->rows++;
	b->more = b->rows == b->gc->o.step_rows || is_over(b->began_us);
	if (b->more) {
		/* The next key there can be. */
		b->from.n = 0;
		loci__key_bytes(&b->from, key.p, key.n);
		loci__key_bytes(&b->from, "", 1);
	}
	return b->more;
}

static int find(struct batch *b, struct loci_error *err)
{
	loci__cleanup_read struct loci__txn t = {0};
	b->n = b->rows = 0;
	b->rc = 0;
	b->more = false;
	b->began_us = loci__gc_step_begin();
	b->gc->roots_known = false;
	int rc = loci__read_begin(b->gc->st->sh->index, &t, err);
	b->t = &t;
	if (rc == 0)
		rc = loci__txn_scan(&t, b->sweep->table, &b->from, take_row, b, err);
	note_longest(b->gc, b->began_us);
	if (b->sweep->kind >= 0)
		b->gc->stats.of[b->sweep->kind].examined += b->rows;
	return rc < 0 ? rc : b->rc;
}

/* ---- deciding -------------------------------------------------------------------------------- */

struct decision {
	struct batch *b;
	size_t begin, end; /* of the items; end: out */
};

static int decide_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	struct decision *d = arg;
	struct loci__gc *gc = d->b->gc;
	uint64_t began = loci__gc_step_begin();
	int rc = 0;
	gc->roots_known = false;
	for (d->end = d->begin; rc == 0 && d->end < d->b->n; d->end++) {
		if (d->end > d->begin && is_over(began))
			break;
		d->b->items[d->end].did = LOCI__GC_NOTHING;
		rc = d->b->sweep->decide(gc, t, &d->b->items[d->end], err);
	}
	note_longest(gc, began);
	return rc;
}

static int finish(struct batch *b, size_t begin, size_t end, struct loci_error *err)
{
	int rc = 0;
	for (size_t i = begin; rc == 0 && i < end; i++)
		if (b->sweep->after)
			rc = b->sweep->after(b->gc, &b->items[i], err);
	return rc;
}

static int decide_all(struct batch *b, struct loci_error *err)
{
	struct decision d = {.b = b};
	int rc = 0;
	loci__gc_at(b->gc, LOCI__GC_FOUND);
	for (; rc == 0 && d.begin < b->n; d.begin = d.end) {
		uint64_t began = loci__gc_step_begin();
		rc = loci__writer_run(b->gc->st->sh->writer, b->sweep->durable, decide_op, &d, err);
		if (rc == 0)
			rc = finish(b, d.begin, d.end, err);
		if (rc == 0)
			rc = loci__gc_step_end(b->gc, began, err);
	}
	return rc;
}

static int sweep_batch(struct batch *b, struct loci_error *err)
{
	uint64_t began = loci__gc_step_begin();
	int rc = find(b, err);
	if (rc == 0)
		rc = loci__gc_step_end(b->gc, began, err);
	if (rc < 0 || b->n == 0)
		return rc;
	return loci__gc_is_dry(b->gc) ? finish(b, 0, b->n, err) : decide_all(b, err);
}

static void free_items(struct loci__gc_item *items, size_t n)
{
	for (size_t i = 0; i < n; i++)
		loci__buf_done(&items[i].children);
	free(items);
}

int loci__gc_sweep(struct loci__gc *gc, const struct loci__gc_sweep *sweep, struct loci_error *err)
{
	size_t n = (size_t)gc->o.step_rows + 1;
	struct batch b = {.gc = gc, .sweep = sweep, .err = err};
	b.items = calloc(n, sizeof(*b.items));
	if (!b.items)
		return loci__err_nomem(err);
	for (size_t i = 0; i < n; i++)
		loci__buf_init(&b.items[i].children,
		               SIZE_MAX / 2); /* a manifest's, which is bounded */
	int rc;
	do
		rc = sweep_batch(&b, err);
	while (rc == 0 && b.more);
	free_items(b.items, n);
	return rc;
}

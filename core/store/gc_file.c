/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of blobs: removed once their row is gone, and only while nobody can be between bringing one
 * into place and writing its row (core/store/guard.h). What a crash left between the two, or
 * between the row's removal and the file's, is found by walking all files.
 */
#include "core/store/gc.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "core/store/freeze.h"

#include <string.h>

#define FOUND_MAX ((size_t)256 << 20) /* bytes of digests in one part of the walk */

/* 0: no row. 1: there is one. */
static int has_row(struct loci__gc *gc, const struct loci_digest *d, struct loci_error *err)
{
	loci__cleanup_read struct loci__txn t = {0};
	struct loci__key k = loci__key_of_digest(d);
	int rc = loci__read_begin(gc->st->sh->index, &t, err);
	if (rc == 0)
		rc = loci__txn_has(&t, LOCI_INDEX_BLOB, &k, err);
	return rc == LOCI_E_NOT_FOUND ? 0 : rc < 0 ? rc : 1;
}

/* With the shard held. */
static int remove_held(struct loci__gc *gc, const struct loci_digest *d, uint64_t age_s,
                       struct loci_error *err)
{
	struct loci_blobs *b = gc->st->sh->blobs;
	loci__gc_at(gc, LOCI__GC_GUARDED);
	if (loci__is_frozen(gc->st->sh->dirfd))
		return LOCI_E_BUSY; /* somebody copies the store, files too */
	int rc = has_row(gc, d, err);
	return rc == 0 ? b->ops->remove(b, d, age_s, loci__gc_is_dry(gc), err) : rc;
}

int loci__gc_remove_file(struct loci__gc *gc, const struct loci_digest *d, uint64_t age_s,
                         uint64_t *ret_bytes, struct loci_error *err)
{
	struct loci_blobs *b = gc->st->sh->blobs;
	loci__cleanup_close int fd = -1;
	struct loci_error why;
	*ret_bytes = 0;
	/* As long as it is open its blocks are not freed: of a large file that takes a while, in
	 * which nobody shall wait for the shard. */
	int rc = b->ops->open(b, d, &fd, ret_bytes, &why);
	if (rc == 0) {
		rc = loci__guard_take(gc->st->sh->guard, d, &why);
		if (rc == 0) {
			rc = remove_held(gc, d, age_s, &why);
			loci__guard_drop(gc->st->sh->guard, d);
		}
	}
	if (rc == LOCI_E_NOT_FOUND || rc == LOCI_E_BUSY)
		return 1;
	if (rc < 0 && err)
		*err = why;
	return rc;
}

/* ---- files without a row --------------------------------------------------------------------- */

static int take_file(void *arg, const struct loci_digest *d)
{
	return loci__buf_append(arg, d, sizeof(*d));
}

static int remove_orphan(struct loci__gc *gc, const struct loci_digest *d, struct loci_error *err)
{
	uint64_t bytes;
	int rc = loci__gc_remove_file(gc, d, gc->lease_s, &bytes, err);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	loci__gc_report(gc, &(struct loci_gc_object){
	                            .kind = LOCI_GC_FILE,
	                            .digest = d,
	                            .bytes = bytes,
	                            .why = "the index does not know it",
	                    });
	return 0;
}

/* Keeps those without a row, in place. */
static int drop_known(struct loci__gc *gc, struct loci_buf *found, size_t from, size_t n,
                      size_t *kept, struct loci_error *err)
{
	loci__cleanup_read struct loci__txn t = {0};
	struct loci_digest *d = (struct loci_digest *)found->p;
	int rc = loci__read_begin(gc->st->sh->index, &t, err);
	for (size_t i = from; rc >= 0 && i < from + n; i++) {
		struct loci__key k = loci__key_of_digest(&d[i]);
		rc = loci__txn_has(&t, LOCI_INDEX_BLOB, &k, err);
		if (rc == LOCI_E_NOT_FOUND) {
			d[(*kept)++] = d[i];
			rc = 0;
		}
	}
	return rc;
}

static int look_at_files(struct loci__gc *gc, struct loci_buf *found, struct loci_error *err)
{
	struct loci_digest *d = (struct loci_digest *)found->p;
	size_t n = found->len / sizeof(*d), kept = 0;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < n; i += gc->o.step_rows) {
		uint64_t began = loci__gc_step_begin();
		size_t m = n - i < gc->o.step_rows ? n - i : gc->o.step_rows;
		rc = drop_known(gc, found, i, m, &kept, err);
		if (rc == 0)
			rc = loci__gc_step_end(gc, began, err);
	}
	for (size_t i = 0; rc == 0 && i < kept; i++) {
		uint64_t began = loci__gc_step_begin();
		rc = remove_orphan(gc, &d[i], err);
		if (rc == 0)
			rc = loci__gc_step_end(gc, began, err);
	}
	gc->stats.of[LOCI_GC_FILE].examined += n;
	return rc;
}

int loci__gc_files(struct loci__gc *gc, struct loci_error *err)
{
	struct loci_blobs *b = gc->st->sh->blobs;
	struct loci_blobs_cursor cursor = {{0}};
	struct loci_buf found = LOCI_BUF_INIT(FOUND_MAX);
	int rc, at_end = 0;
	do {
		uint64_t began = loci__gc_step_begin();
		loci__buf_reset(&found);
		rc = b->ops->walk(b, &cursor, take_file, &found, err);
		at_end = rc == 1;
		if (rc >= 0)
			rc = loci__buf_check(&found, "list of files", err);
		if (rc == 0)
			rc = loci__gc_step_end(gc, began, err);
		if (rc == 0)
			rc = look_at_files(gc, &found, err);
	} while (rc == 0 && !at_end);
	loci__buf_done(&found);
	return rc;
}

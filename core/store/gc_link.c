/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links: a repository needs a blob when one of its manifests refers to it (parent.c), or while it
 * is young, or leased.
 */
#include "core/store/gc.h"

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/store/link_row.h"
#include "core/store/parent.h"

#include <string.h>

/* ---- one link -------------------------------------------------------------------------------- */

/* Not needed and not leased. */
static int is_garbage(struct loci__gc *gc, struct loci__txn *t, const char *repo,
                      const struct loci_digest *d, bool *ret, struct loci_error *err)
{
	struct loci__lease lease;
	bool needed = true;
	int rc = loci__parent_find(t, repo, d, &needed, err);
	*ret = false;
	if (rc < 0 || needed)
		return rc;
	rc = loci__lease_get(t, d, &lease, err);
	*ret = rc == 0 && loci__gc_lease_is_over(gc, &lease);
	return rc;
}

int loci__gc_link_is_doomed(struct loci__gc *gc, struct loci__txn *t, const char *repo,
                            const struct loci_digest *d, bool *ret, struct loci_error *err)
{
	struct loci__link_row row;
	int rc = loci__link_row_get(t, repo, d, &row, err);
	*ret = rc == LOCI_E_NOT_FOUND || (rc == 0 && row.condemned);
	if (rc == LOCI_E_NOT_FOUND)
		return 0;
	if (rc == 0 && !*ret && loci__gc_is_dry(gc) && loci__gc_is_old(gc, row.time))
		rc = is_garbage(gc, t, repo, d, ret, err);
	return rc;
}

static bool parse_key(struct loci_slice key, struct loci__gc_item *ret)
{
	const char *end = memchr(key.p, '\0', key.n);
	if (!end || (size_t)(end - key.p) > LOCI_REPO_MAX)
		return false;
	size_t n = (size_t)(end - key.p) + 1;
	memcpy(ret->repo, key.p, n);
	struct loci_slice rest = {key.p + n, key.n - n};
	return loci__take_digest(&rest, &ret->digest);
}

static int report_link(struct loci__gc *gc, struct loci__gc_item *item, struct loci_error *err)
{
	(void)err;
	if (item->did == LOCI__GC_DID_REMOVE || loci__gc_is_dry(gc))
		loci__gc_report(gc, &(struct loci_gc_object){
		                            .kind = LOCI_GC_LINK,
		                            .repo = item->repo,
		                            .digest = &item->digest,
		                            .why = "no manifest of the repository refers to it",
		                    });
	return 0;
}

/* ---- condemning ------------------------------------------------------------------------------ */

/* A mark of the future is from before the clock was set back: it would keep the link out of sight
 * until then, so it is made anew, or taken away. */
static bool is_settled(const struct loci__link_row *row)
{
	return row->condemned && row->condemned <= loci__clock_epoch();
}

static int look_at_link(struct loci__gc *gc, struct loci__txn *t, struct loci_slice key,
                        struct loci_slice val, struct loci__gc_item *ret, struct loci_error *err)
{
	struct loci__link_row row;
	bool garbage = false;
	if (!loci__link_row_parse(val, &row) || !parse_key(key, ret))
		return loci__err_set(err, LOCI_E_INTERNAL, "index: the row of a link is damaged");
	if (is_settled(&row)) {
		loci__gc_note_condemned(gc, row.condemned);
		return loci__gc_is_dry(gc);
	}
	if (row.condemned)
		return !loci__gc_is_dry(gc);
	if (!loci__gc_is_old(gc, row.time))
		return 0;
	int rc = is_garbage(gc, t, ret->repo, &ret->digest, &garbage, err);
	return rc < 0 ? rc : garbage;
}

static int condemn_link(struct loci__gc *gc, struct loci__txn *t, struct loci__gc_item *item,
                        struct loci_error *err)
{
	struct loci__link_row row;
	bool garbage = false;
	uint64_t now = loci__clock_epoch();
	int rc = loci__link_row_get(t, item->repo, &item->digest, &row, err);
	if (rc == LOCI_E_NOT_FOUND || (rc == 0 && is_settled(&row)))
		return 0;
	if (rc == 0 && loci__gc_is_old(gc, row.time))
		rc = is_garbage(gc, t, item->repo, &item->digest, &garbage, err);
	if (rc == 0 && garbage) {
		rc = loci__link_row_condemn(t, item->repo, &item->digest, now, err);
		item->did = LOCI__GC_DID_CONDEMN;
	} else if (rc == 0 && row.condemned) {
		rc = loci__link_row_put(t, item->repo, &item->digest, err);
	}
	return rc;
}

static int after_condemn(struct loci__gc *gc, struct loci__gc_item *item, struct loci_error *err)
{
	if (item->did == LOCI__GC_DID_CONDEMN)
		loci__gc_give_grace(gc);
	return loci__gc_is_dry(gc) ? report_link(gc, item, err) : 0;
}

int loci__gc_condemn_links(struct loci__gc *gc, struct loci_error *err)
{
	static const struct loci__gc_sweep sweep = {
	        .table = LOCI_INDEX_LINK,
	        .kind = LOCI_GC_LINK,
	        .look = look_at_link,
	        .decide = condemn_link,
	        .after = after_condemn,
	};
	return loci__gc_sweep(gc, &sweep, err);
}

/* ---- removing -------------------------------------------------------------------------------- */

static int look_at_condemned(struct loci__gc *gc, struct loci__txn *t, struct loci_slice key,
                             struct loci_slice val, struct loci__gc_item *ret,
                             struct loci_error *err)
{
	struct loci__link_row row;
	(void)t;
	if (!loci__link_row_parse(val, &row) || !parse_key(key, ret))
		return loci__err_set(err, LOCI_E_INTERNAL, "index: the row of a link is damaged");
	return row.condemned && loci__gc_grace_is_over(gc, row.condemned);
}

/* A renewal that came in since, or a manifest under another way, saves it. */
static int remove_link(struct loci__gc *gc, struct loci__txn *t, struct loci__gc_item *item,
                       struct loci_error *err)
{
	struct loci__link_row row;
	bool garbage = false;
	int rc = loci__link_row_get(t, item->repo, &item->digest, &row, err);
	if (rc == LOCI_E_NOT_FOUND ||
	    (rc == 0 && (!row.condemned || !loci__gc_grace_is_over(gc, row.condemned))))
		return 0;
	if (rc == 0)
		rc = is_garbage(gc, t, item->repo, &item->digest, &garbage, err);
	if (rc < 0)
		return rc;
	if (!garbage)
		return loci__link_row_put(t, item->repo, &item->digest, err);
	item->did = LOCI__GC_DID_REMOVE;
	return loci__blob_unlink(t, item->repo, &item->digest, err);
}

int loci__gc_remove_links(struct loci__gc *gc, struct loci_error *err)
{
	static const struct loci__gc_sweep sweep = {
	        .table = LOCI_INDEX_LINK,
	        .kind = -1,
	        .look = look_at_condemned,
	        .decide = remove_link,
	        .after = report_link,
	};
	return loci__gc_sweep(gc, &sweep, err);
}

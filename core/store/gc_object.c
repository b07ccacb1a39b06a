/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manifests and blobs, in one: what has the same digest lives and dies together. An object lives
 * while a repository has it, a manifest of the store refers to it, an image was pulled under it, or
 * its lease runs. When all that still holds it is condemned itself, it is dying, and is condemned
 * with it; it is removed once nothing is left.
 */
#include "core/store/gc.h"

#include "core/base/clock.h"
#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "core/store/manifest_row.h"

#include <stdlib.h>
#include <string.h>

/* So many dying holders or parents are looked at; a layer of a hundred thousand dying manifests
 * waits for the next round, when they are gone. */
#define HOLDERS_MAX     64
#define HOLDERS_DRY_MAX (1 << 20)
#define DEPTH_MAX       16 /* indexes in indexes: levels in one round */

LOCI_DEFINE_CLEANUP(free_manifest, struct loci_manifest, loci_manifest_free)

enum fate { ALIVE, UNKNOWN, DYING, DEAD }; /* unknown: too many holders are dying */

static int fate_of(struct loci__gc *gc, struct loci__txn *t, const struct loci_digest *d,
                   unsigned depth, enum fate *ret, struct loci_error *err);

/* ---- roots: pulled images -------------------------------------------------------------------- */

static int compare_digests(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct loci_digest));
}

static int take_image(void *arg, struct loci_slice key, struct loci_slice val)
{
	struct loci__gc *gc = arg;
	uint64_t pulled_at;
	struct loci_digest d[2];
	(void)key;
	memset(d, 0, sizeof(d)); /* they are compared as bytes */
	if (loci__take_u64le(&val, &pulled_at) && loci__take_digest(&val, &d[0]) &&
	    loci__take_digest(&val, &d[1]))
		loci__buf_append(&gc->roots, d, sizeof(d));
	return gc->roots.failed;
}

static int know_roots(struct loci__gc *gc, struct loci__txn *t, struct loci_error *err)
{
	struct loci__key first = {0};
	if (gc->roots_known)
		return 0;
	loci__buf_reset(&gc->roots);
	int rc = loci__txn_scan(t, LOCI_INDEX_IMAGE, &first, take_image, gc, err);
	if (rc == 0)
		rc = loci__buf_check(&gc->roots, "list of pulled images", err);
	if (rc < 0)
		return rc;
	if (gc->roots.len)
		qsort(gc->roots.p, gc->roots.len / sizeof(struct loci_digest),
		      sizeof(struct loci_digest), compare_digests);
	gc->roots_known = true;
	return 0;
}

static bool is_root(const struct loci__gc *gc, const struct loci_digest *d)
{
	struct loci_digest key;
	memset(&key, 0, sizeof(key));
	key = *d;
	return gc->roots.len && bsearch(&key, gc->roots.p, gc->roots.len / sizeof(key), sizeof(key),
	                                compare_digests);
}

/* ---- what holds an object -------------------------------------------------------------------- */

/* Rows behind a digest: holders, or parents. */
struct holders {
	struct loci__gc *gc;
	struct loci__txn *t;
	const struct loci_digest *digest;
	struct loci__key prefix;
	unsigned depth;
	unsigned n; /* dying ones */
	bool alive, too_many;
	int rc;
	struct loci_error *err;
};

static bool is_behind(const struct holders *h, struct loci_slice key)
{
	return key.n > h->prefix.n && !memcmp(key.p, h->prefix.b, h->prefix.n);
}

/* Whether the walk goes on behind a holder of that fate. */
static int next_holder(struct holders *h, int rc, bool alive)
{
	h->rc = rc;
	h->alive = rc == 0 && alive;
	if (rc < 0 || alive)
		return 1;
	unsigned max = loci__gc_is_dry(h->gc) ? HOLDERS_DRY_MAX : HOLDERS_MAX;
	h->too_many = ++h->n == max;
	return h->too_many;
}

/* `l` or `m`, repository */
static int take_holder(void *arg, struct loci_slice key, struct loci_slice val)
{
	struct holders *h = arg;
	char repo[LOCI_REPO_MAX + 1];
	bool doomed = false;
	(void)val;
	if (!is_behind(h, key))
		return 1;
	struct loci_slice name = {key.p + h->prefix.n + 1, key.n - h->prefix.n - 1};
	if (key.p[h->prefix.n] != LOCI_HOLDER_LINK || name.n > LOCI_REPO_MAX)
		return next_holder(h, 0, /* alive= */ true);
	memcpy(repo, name.p, name.n);
	repo[name.n] = '\0';
	int rc = loci__gc_link_is_doomed(h->gc, h->t, repo, h->digest, &doomed, h->err);
	return next_holder(h, rc, !doomed);
}

static int take_parent(void *arg, struct loci_slice key, struct loci_slice val)
{
	struct holders *h = arg;
	struct loci_digest parent;
	struct loci__lease lease;
	enum fate fate = DYING;
	(void)val;
	if (!is_behind(h, key))
		return 1;
	struct loci_slice rest = {key.p + h->prefix.n, key.n - h->prefix.n};
	if (!loci__take_digest(&rest, &parent))
		return 0;
	struct loci__key k = loci__key_of_digest(&parent);
	int rc = loci__txn_has(h->t, LOCI_INDEX_MANIFEST, &k, h->err);
	if (rc == LOCI_E_NOT_FOUND)
		return 0; /* of a manifest that is gone */
	if (rc == 0)
		rc = loci__lease_get(h->t, &parent, &lease, h->err);
	if (rc == 0 && !lease.condemned)
		fate = ALIVE;
	if (rc == 0 && fate == ALIVE && loci__gc_is_dry(h->gc) && h->depth < DEPTH_MAX)
		rc = fate_of(h->gc, h->t, &parent, h->depth + 1, &fate, h->err);
	return next_holder(h, rc, fate <= UNKNOWN);
}

static int walk_holders(struct holders *h, int table, loci_index_scan_fn fn, struct loci_error *err)
{
	h->prefix = loci__key_of_digest(h->digest);
	h->err = err;
	int rc = loci__txn_scan(h->t, table, &h->prefix, fn, h, err);
	return rc < 0 ? rc : h->rc;
}

static int fate_of(struct loci__gc *gc, struct loci__txn *t, const struct loci_digest *d,
                   unsigned depth, enum fate *ret, struct loci_error *err)
{
	struct holders h = {.gc = gc, .t = t, .digest = d, .depth = depth};
	struct loci__lease lease;
	*ret = ALIVE;
	int rc = walk_holders(&h, LOCI_INDEX_HOLDER, take_holder, err);
	if (rc < 0 || h.alive)
		return rc;
	rc = loci__lease_get(t, d, &lease, err);
	if (rc < 0 || !loci__gc_lease_is_over(gc, &lease))
		return rc;
	if (!h.too_many)
		rc = walk_holders(&h, LOCI_INDEX_PARENT, take_parent, err);
	if (rc < 0 || h.alive)
		return rc;
	rc = know_roots(gc, t, err);
	if (rc == 0 && !is_root(gc, d))
		*ret = h.too_many ? UNKNOWN : h.n ? DYING : DEAD;
	return rc;
}

/* ---- condemning ------------------------------------------------------------------------------ */

static bool is_settled(const struct loci__lease *lease)
{
	return lease->condemned && lease->condemned <= loci__clock_epoch();
}

static int look_at_object(struct loci__gc *gc, struct loci__txn *t, struct loci_slice key,
                          struct loci__gc_item *ret, struct loci_error *err)
{
	struct loci__lease lease;
	enum fate fate;
	if (!loci__take_digest(&key, &ret->digest))
		return loci__err_set(err, LOCI_E_INTERNAL,
		                     "index: the row of an object is damaged");
	int rc = loci__lease_get(t, &ret->digest, &lease, err);
	if (rc < 0)
		return rc;
	if (is_settled(&lease)) {
		loci__gc_note_condemned(gc, lease.condemned);
		return loci__gc_is_dry(gc);
	}
	if (lease.condemned)
		return !loci__gc_is_dry(gc);
	rc = fate_of(gc, t, &ret->digest, /* depth= */ 0, &fate, err);
	if (rc == 0 && fate == UNKNOWN)
		gc->is_postponed = true;
	return rc < 0 ? rc : fate > UNKNOWN;
}

static int look_at_manifest(struct loci__gc *gc, struct loci__txn *t, struct loci_slice key,
                            struct loci_slice val, struct loci__gc_item *ret,
                            struct loci_error *err)
{
	ret->was_manifest = true;
	ret->manifest_bytes = val.n;
	return look_at_object(gc, t, key, ret, err);
}

static int look_at_blob(struct loci__gc *gc, struct loci__txn *t, struct loci_slice key,
                        struct loci_slice val, struct loci__gc_item *ret, struct loci_error *err)
{
	ret->was_blob = true;
	if (!loci__take_u64le(&val, &ret->blob_bytes))
		return loci__err_set(err, LOCI_E_INTERNAL, "index: the row of a blob is damaged");
	return look_at_object(gc, t, key, ret, err);
}

/* Takes the mark away: something leads to it again. */
static int unmark(struct loci__txn *t, const struct loci_digest *d, struct loci_error *err)
{
	struct loci__key k = loci__key_of_digest(d);
	int rc = loci__txn_del(t, LOCI_INDEX_LEASE, &k, err);
	return rc == LOCI_E_NOT_FOUND ? 0 : rc;
}

static int condemn_object(struct loci__gc *gc, struct loci__txn *t, struct loci__gc_item *item,
                          struct loci_error *err)
{
	struct loci__lease lease;
	enum fate fate;
	int rc = loci__lease_get(t, &item->digest, &lease, err);
	if (rc < 0 || is_settled(&lease))
		return rc;
	rc = fate_of(gc, t, &item->digest, /* depth= */ 0, &fate, err);
	if (rc < 0)
		return rc;
	if (fate <= UNKNOWN)
		return lease.condemned ? unmark(t, &item->digest, err) : 0;
	item->did = LOCI__GC_DID_CONDEMN;
	return loci__lease_condemn(t, &item->digest, loci__clock_epoch(), err);
}

static void report_object(struct loci__gc *gc, const struct loci__gc_item *item)
{
	struct loci_gc_object o = {.digest = &item->digest};
	if (item->was_manifest) {
		o.kind = LOCI_GC_MANIFEST;
		o.bytes = item->manifest_bytes;
		o.why = "no repository has it, no manifest or pulled image leads to it";
		loci__gc_report(gc, &o);
	}
	if (item->was_blob) {
		o.kind = LOCI_GC_BLOB;
		o.bytes = item->blob_bytes;
		o.why = "no repository has it, no manifest or pulled image refers to it";
		loci__gc_report(gc, &o);
	}
}

static int after_condemn(struct loci__gc *gc, struct loci__gc_item *item, struct loci_error *err)
{
	(void)err;
	if (item->did == LOCI__GC_DID_CONDEMN) {
		gc->n_condemned++;
		loci__gc_give_grace(gc);
	}
	if (loci__gc_is_dry(gc))
		report_object(gc, item);
	return 0;
}

/* Again as long as one manifest dooms another: in the table an index may stand behind what it
 * refers to. A dry run looks through all levels at once. */
static int condemn_manifests(struct loci__gc *gc, struct loci_error *err)
{
	struct loci__gc_sweep sweep = {
	        .table = LOCI_INDEX_MANIFEST,
	        .kind = LOCI_GC_MANIFEST,
	        .look = look_at_manifest,
	        .decide = condemn_object,
	        .after = after_condemn,
	};
	int rc, levels = 0;
	do {
		gc->n_condemned = 0;
		rc = loci__gc_sweep(gc, &sweep, err);
		sweep.kind = -1;
	} while (rc == 0 && gc->n_condemned && ++levels < DEPTH_MAX);
	gc->is_postponed |= gc->n_condemned > 0;
	return rc;
}

int loci__gc_condemn_objects(struct loci__gc *gc, struct loci_error *err)
{
	static const struct loci__gc_sweep blobs = {
	        .table = LOCI_INDEX_BLOB,
	        .kind = LOCI_GC_BLOB,
	        .look = look_at_blob,
	        .decide = condemn_object,
	        .after = after_condemn,
	};
	int rc = condemn_manifests(gc, err);
	return rc == 0 ? loci__gc_sweep(gc, &blobs, err) : rc;
}

/* ---- removing: what is known before ---------------------------------------------------------- */

static int add_child(struct loci_buf *b, const struct loci_descriptor *d)
{
	char key[LOCI_DIGEST_KEY_MAX];
	return loci__buf_append(b, key, loci__put_digest(key, &d->digest));
}

static void add_children_as(struct loci_buf *b, struct loci_slice bytes, const char *media_type)
{
	loci__cleanup(free_manifest) struct loci_manifest *m = NULL;
	if (loci_manifest_parse(bytes.p, bytes.n, media_type, &m, /* err= */ NULL) < 0)
		return;
	if (m->config)
		add_child(b, m->config);
	for (size_t i = 0; i < m->n_layers; i++)
		add_child(b, &m->layers[i]);
	for (size_t i = 0; i < m->n_entries; i++)
		add_child(b, &m->entries[i]);
}

/* Read before the transaction, as bytes under a digest do not change. The same bytes may have come
 * under several types, and were read by each: so they are here. */
static int read_children(const struct loci__manifest_row *row, struct loci_buf *b,
                         struct loci_error *err)
{
	char own[LOCI_MEDIA_TYPE_MAX + 1];
	memcpy(own, row->media_type.p, row->media_type.n);
	own[row->media_type.n] = '\0';
	add_children_as(b, row->bytes, /* media_type= */ NULL);
	add_children_as(b, row->bytes, own);
	add_children_as(b, row->bytes, LOCI_MEDIA_OCI_MANIFEST);
	add_children_as(b, row->bytes, LOCI_MEDIA_OCI_INDEX);
	return loci__buf_check(b, "list of a manifest's references", err);
}

/* Of the LEASE table: what is condemned, and leases of nothing. */
static int look_at_condemned(struct loci__gc *gc, struct loci__txn *t, struct loci_slice key,
                             struct loci_slice val, struct loci__gc_item *ret,
                             struct loci_error *err)
{
	struct loci__lease lease;
	struct loci__manifest_row row;
	struct loci__blob_row blob;
	if (!loci__lease_parse(val, &lease) || !loci__take_digest(&key, &ret->digest))
		return loci__err_set(err, LOCI_E_INTERNAL, "index: the row of a lease is damaged");
	if (lease.condemned ? !loci__gc_grace_is_over(gc, lease.condemned)
	                    : !loci__gc_lease_is_over(gc, &lease))
		return 0;
	int rc = loci__manifest_row_get(t, &ret->digest, &row, err);
	ret->was_manifest = rc == 0;
	ret->has_children = rc == 0 && lease.condemned;
	if (ret->has_children)
		rc = read_children(&row, &ret->children, err);
	if (rc < 0 && rc != LOCI_E_NOT_FOUND)
		return rc;
	rc = loci__blob_row_get(t, &ret->digest, &blob, err);
	ret->was_blob = rc == 0;
	if (rc < 0 && rc != LOCI_E_NOT_FOUND)
		return rc;
	return lease.condemned || (!ret->was_manifest && !ret->was_blob);
}

/* ---- removing: in the transaction ------------------------------------------------------------ */

static int del_parents(struct loci__txn *t, const struct loci__gc_item *item,
                       struct loci_error *err)
{
	struct loci_slice rest = {item->children.p, item->children.len};
	struct loci_digest child;
	int rc = 0;
	while ((rc == 0 || rc == LOCI_E_NOT_FOUND) && loci__take_digest(&rest, &child)) {
		struct loci__key k = loci__key_of_digest(&child);
		loci__key_digest(&k, &item->digest);
		rc = loci__txn_del(t, LOCI_INDEX_PARENT, &k, err);
	}
	return rc == LOCI_E_NOT_FOUND ? 0 : rc;
}

static int del_manifest(struct loci__txn *t, struct loci__gc_item *item, struct loci_error *err)
{
	struct loci__manifest_row row;
	struct loci__key k = loci__key_of_digest(&item->digest);
	int rc = loci__manifest_row_get(t, &item->digest, &row, err);
	if (rc < 0)
		return rc == LOCI_E_NOT_FOUND ? 0 : rc;
	item->was_manifest = true;
	item->manifest_bytes = row.bytes.n;
	rc = del_parents(t, item, err);
	return rc == 0 ? loci__txn_del(t, LOCI_INDEX_MANIFEST, &k, err) : rc;
}

static int del_blob(struct loci__txn *t, struct loci__gc_item *item, struct loci_error *err)
{
	struct loci__blob_row row;
	struct loci__key k = loci__key_of_digest(&item->digest);
	int rc = loci__blob_row_get(t, &item->digest, &row, err);
	if (rc < 0)
		return rc == LOCI_E_NOT_FOUND ? 0 : rc;
	item->was_blob = true;
	item->blob_bytes = row.size;
	return loci__txn_del(t, LOCI_INDEX_BLOB, &k, err);
}

static int del_object(struct loci__txn *t, struct loci__gc_item *item, struct loci_error *err)
{
	struct loci__key k = loci__key_of_digest(&item->digest);
	int rc = loci__txn_has(t, LOCI_INDEX_MANIFEST, &k, err);
	if (rc == 0 && !item->has_children)
		return 0; /* it came after the snapshot: the next pass knows more */
	if (rc < 0 && rc != LOCI_E_NOT_FOUND)
		return rc;
	item->was_manifest = item->was_blob = false;
	rc = del_manifest(t, item, err);
	if (rc == 0)
		rc = del_blob(t, item, err);
	if (rc == 0)
		rc = unmark(t, &item->digest, err);
	item->did = LOCI__GC_DID_REMOVE;
	return rc;
}

static int remove_object(struct loci__gc *gc, struct loci__txn *t, struct loci__gc_item *item,
                         struct loci_error *err)
{
	struct loci__lease lease;
	enum fate fate;
	int rc = loci__lease_get(t, &item->digest, &lease, err);
	if (rc < 0 || !loci__gc_lease_is_over(gc, &lease) ||
	    (lease.condemned && !loci__gc_grace_is_over(gc, lease.condemned)))
		return rc;
	if (!lease.condemned) /* a lease of nothing, or by now of something */
		return item->was_manifest || item->was_blob ? 0 : unmark(t, &item->digest, err);
	rc = fate_of(gc, t, &item->digest, /* depth= */ 0, &fate, err);
	if (rc < 0)
		return rc;
	if (fate == ALIVE)
		return unmark(t, &item->digest, err);
	if (fate == DEAD)
		return del_object(t, item, err);
	gc->is_postponed = true;
	return 0;
}

/* ---- removing: afterwards -------------------------------------------------------------------- */

static int after_remove(struct loci__gc *gc, struct loci__gc_item *item, struct loci_error *err)
{
	uint64_t bytes;
	if (item->did != LOCI__GC_DID_REMOVE)
		return 0;
	gc->n_removed++;
	report_object(gc, item);
	if (!item->was_blob)
		return 0;
	loci__gc_at(gc, LOCI__GC_ROW_GONE);
	/* Later: the file is one without a row then, which the pass looks for at its end. */
	int rc = loci__gc_remove_file(gc, &item->digest, /* age_s= */ 0, &bytes, err);
	return rc < 0 ? rc : 0;
}

/* Again as long as the removal of one makes way for another. */
int loci__gc_remove_objects(struct loci__gc *gc, struct loci_error *err)
{
	static const struct loci__gc_sweep sweep = {
	        .table = LOCI_INDEX_LEASE,
	        .kind = -1,
	        .durable = true,
	        .look = look_at_condemned,
	        .decide = remove_object,
	        .after = after_remove,
	};
	bool before = gc->is_postponed;
	int rc, levels = 0;
	do {
		gc->n_removed = 0;
		gc->is_postponed = false;
		rc = loci__gc_sweep(gc, &sweep, err);
	} while (rc == 0 && gc->is_postponed && gc->n_removed && ++levels < DEPTH_MAX);
	gc->is_postponed |= before;
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of garbage collection share: the state of a pass, and the sweep over a table. A
 * sweep finds candidates in short snapshots and decides each again in a write transaction, which
 * alone counts.
 */
#ifndef LOCI_STORE_GC_H
#define LOCI_STORE_GC_H

#include "core/base/buf.h"
#include "core/store/store.h"
#include "loci/gc.h"

/* Where a test gets in. */
enum loci__gc_point {
	LOCI__GC_FOUND,     /* candidates are known, nothing is decided */
	LOCI__GC_CONDEMNED, /* all is condemned, the grace begins */
	LOCI__GC_ROW_GONE,  /* a blob's row is gone, its file is still there */
	LOCI__GC_GUARDED    /* the shard is held, the index not yet asked again */
};
struct loci__gc_hook {
	void (*at)(void *arg, enum loci__gc_point point);
	void *arg;
};

struct loci__gc {
	struct loci_store *st;
	struct loci_gc_opts o;     /* defaults filled in */
	struct loci__gc_hook hook; /* .at may be NULL */
	struct loci_gc_stats stats;
	uint64_t lease_s;
	bool has_condemned;    /* something waits for its removal, of this pass or an older one */
	uint64_t condemned_at; /* the last of it */
	bool gives_grace;      /* some was condemned by this round */
	uint64_t n_condemned;  /* by the sweep under way */
	uint64_t n_removed;
	bool is_postponed;     /* some could not be decided: another round is needed */
	struct loci_buf roots; /* digests of pulled images, sorted; of the transaction under way */
	bool roots_known;
};

static inline bool loci__gc_is_dry(const struct loci__gc *gc)
{
	return gc->o.flags & LOCI_GC_DRY_RUN;
}
/* Whether a lease that was given until then counts as over. */
bool loci__gc_lease_is_over(const struct loci__gc *gc, const struct loci__lease *lease);
/* Whether something that came then is older than a lease. */
bool loci__gc_is_old(const struct loci__gc *gc, uint64_t time);
/* Whether what was condemned then may go. */
bool loci__gc_grace_is_over(const struct loci__gc *gc, uint64_t condemned);
/* at: when; something that is condemned, whoever did it. */
void loci__gc_note_condemned(struct loci__gc *gc, uint64_t at);
/* This pass has condemned something just now. */
void loci__gc_give_grace(struct loci__gc *gc);
void loci__gc_report(struct loci__gc *gc, const struct loci_gc_object *object);
void loci__gc_at(struct loci__gc *gc, enum loci__gc_point point);
/* After each step: keeps to the share of time. CANCELED. */
uint64_t loci__gc_step_begin(void);
int loci__gc_step_end(struct loci__gc *gc, uint64_t began_us, struct loci_error *err);

/* ---- the sweep ------------------------------------------------------------------------------- */

enum loci__gc_did { LOCI__GC_NOTHING, LOCI__GC_DID_CONDEMN, LOCI__GC_DID_REMOVE };

struct loci__gc_item {
	char repo[LOCI_REPO_MAX + 1]; /* of a link */
	struct loci_digest digest;
	int did; /* enum loci__gc_did */
	uint64_t manifest_bytes, blob_bytes;
	bool was_manifest, was_blob;
	bool has_children;        /* they are known */
	struct loci_buf children; /* digests of a manifest's references, as in keys */
};

struct loci__gc_sweep {
	int table;
	int kind;     /* under which rows are counted as examined; -1: nowhere */
	bool durable; /* what is decided must be on disk before anything follows from it */
	/* In a snapshot: 1 and *ret when the row is a candidate, else 0. */
	int (*look)(struct loci__gc *gc, struct loci__txn *t, struct loci_slice key,
	            struct loci_slice val, struct loci__gc_item *ret, struct loci_error *err);
	/* In a write transaction, which may be run again: depends on the item and the index. */
	int (*decide)(struct loci__gc *gc, struct loci__txn *t, struct loci__gc_item *item,
	              struct loci_error *err);
	/* Once it is committed, or in a dry run instead. May be NULL. */
	int (*after)(struct loci__gc *gc, struct loci__gc_item *item, struct loci_error *err);
};
int loci__gc_sweep(struct loci__gc *gc, const struct loci__gc_sweep *sweep, struct loci_error *err);

/* ---- gc_link.c, gc_object.c, gc_file.c ------------------------------------------------------- */

int loci__gc_condemn_links(struct loci__gc *gc, struct loci_error *err);
int loci__gc_remove_links(struct loci__gc *gc, struct loci_error *err);
/* Whether the link is condemned, or would be: for what it holds. */
int loci__gc_link_is_doomed(struct loci__gc *gc, struct loci__txn *t, const char *repo,
                            const struct loci_digest *d, bool *ret, struct loci_error *err);
/* Manifests and blobs: that of an object is the same question for both. */
int loci__gc_condemn_objects(struct loci__gc *gc, struct loci_error *err);
int loci__gc_remove_objects(struct loci__gc *gc, struct loci_error *err);
/* The file of a blob, if no row names it by now. 1: later, somebody publishes near it, or it is
 * younger than age_s. */
int loci__gc_remove_file(struct loci__gc *gc, const struct loci_digest *d, uint64_t age_s,
                         uint64_t *ret_bytes, struct loci_error *err);
int loci__gc_files(struct loci__gc *gc, struct loci_error *err);

int loci__gc_run_with(struct loci_store *st, const struct loci_gc_opts *opts,
                      const struct loci__gc_hook *hook, struct loci_gc_stats *stats,
                      struct loci_error *err);

#endif

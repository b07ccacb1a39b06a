/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Garbage collection, online: finds and removes what nothing in the store leads to any more, in
 * bounded steps beside pushes and pulls of any number of processes, without a lock over the store.
 *
 * What is kept: manifests that are in a repository, whether tagged or not; what a kept manifest
 * refers to; images that were pulled; and whatever is younger than its lease, which begins with the
 * upload and again whenever a client is told that it need not send a blob. Unpacked layers are left
 * alone, as running containers have them mounted.
 *
 * What is not kept is condemned first: it no longer shows, but a push that refers to it brings it
 * back. It is removed when the grace has passed.
 */
#ifndef LOCI_GC_H
#define LOCI_GC_H

#include "loci/store.h"

LOCI_BEGIN_DECLS

enum loci_gc_kind {
	LOCI_GC_LINK,     /* a blob in a repository, where no manifest refers to it */
	LOCI_GC_MANIFEST, /* a manifest of no repository */
	LOCI_GC_BLOB,     /* a blob of no repository, with its file */
	LOCI_GC_FILE,     /* a blob's file that the index does not know: left by a crash */
	LOCI_GC_SESSION,  /* an upload that was given up */
	LOCI_GC_KINDS
};
/** "link", "manifest", … */
LOCI_API const char *loci_gc_kind_name(int kind);
/** Whether what loci_gc_run returned is a failure. None is that another process collects, that the
 *  store is at rest, or that the pass was to end. */
LOCI_API bool loci_gc_is_failure(int rc);

/** Something that was removed, or would be (dry run). Lives for the call. */
struct loci_gc_object {
	int kind;         /* enum loci_gc_kind */
	const char *repo; /* of a link, else NULL */
	const struct loci_digest *digest;
	uint64_t bytes; /* that become free; 0 for a link */
	const char *why;
};
/** Called from the thread of loci_gc_run, outside of transactions; sessions are only counted. */
typedef void (*loci_gc_report_fn)(void *arg, const struct loci_gc_object *object);
/** True ends the pass, between two steps. Called several times a second. */
typedef bool (*loci_gc_canceled_fn)(void *arg);

enum loci_gc_flag {
	/** Changes nothing, reports what would go. */
	LOCI_GC_DRY_RUN = 1 << 0,
	/** As if every lease had ended one grace after it began: what a client has uploaded and no
	 *  manifest refers to yet goes too. */
	LOCI_GC_NO_LEASE = 1 << 1,
	/** Does not wait between condemning and removing. Only where nobody pushes: a client that
	 *  was just told "it is there" may find it gone. */
	LOCI_GC_NO_GRACE = 1 << 2
};
struct loci_gc_opts {
	size_t struct_size;
	unsigned flags;     /* enum loci_gc_flag */
	uint64_t lease_s;   /* seconds; 0: the store's; counts instead of it (see docs) */
	uint64_t grace_s;   /* seconds; 0: 10 */
	unsigned step_rows; /* most rows looked at or changed in one step; 0: 256 */
	unsigned share;     /* percent of the time that it may work, the rest it rests; 0: 25 */
	loci_gc_report_fn report; /* or NULL */
	void *report_arg;
	loci_gc_canceled_fn is_canceled; /* or NULL */
	void *cancel_arg;
};
struct loci_gc_count {
	uint64_t examined;
	uint64_t removed; /* dry run: would be */
	uint64_t bytes;
};
/** The caller sets struct_size; the rest is written, also when the pass fails or is canceled. */
struct loci_gc_stats {
	size_t struct_size;
	struct loci_gc_count of[LOCI_GC_KINDS];
	uint64_t duration_ms;
	uint64_t work_ms; /* of it not resting */
	uint64_t steps;
	uint64_t longest_step_us; /* of one snapshot or transaction */
	unsigned rounds;          /* waits for a grace, less than two as a rule */
};

/** One pass over the store; returns when it is through, a grace at least when something is removed.
 *  opts and stats may be NULL. Only one process (and one thread of it) collects a store at a time.
 *  Expected errors: BUSY (another one does; the message says which process), CANCELED,
 *  READ_ONLY (the store is at rest, see loci_store_freeze). A pass that
 *  fails or is killed leaves a whole store, and the next one goes on where it was. */
LOCI_API LOCI_CHECK int loci_gc_run(struct loci_store *st, const struct loci_gc_opts *opts,
                                    struct loci_gc_stats *stats, struct loci_error *err);

/** When the last pass that was not a dry run began, in seconds since the epoch; 0: none did. */
LOCI_API uint64_t loci_gc_last(const struct loci_store *st);

LOCI_END_DECLS
#endif

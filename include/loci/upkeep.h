/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that keeps a store tidy beside a server: garbage collection now and then, and before
 * each what the caller wants done first (retention). Several processes may do so on one store: they
 * see when the last one began, and only one collects at a time.
 */
#ifndef LOCI_UPKEEP_H
#define LOCI_UPKEEP_H

#include "loci/gc.h"

LOCI_BEGIN_DECLS

struct loci_upkeep;

/** Runs on the upkeep's thread; should return soon once is_canceled says so. A failure is logged,
 *  and the collection follows all the same. */
typedef int (*loci_upkeep_task_fn)(void *arg, loci_gc_canceled_fn is_canceled, void *cancel_arg,
                                   struct loci_error *err);
/** After each collection, failed ones too (rc: negative enum loci_code). */
typedef void (*loci_upkeep_done_fn)(void *arg, int rc, const struct loci_gc_stats *stats);

struct loci_upkeep_opts {
	size_t struct_size;
	struct loci_store *store;   /* borrowed until _stop */
	const struct loci_log *log; /* borrowed until _stop */
	uint64_t interval_s;        /* from one begin to the next; 0: an hour; a tenth of it is
	                               left to chance */
	uint64_t grace_s;           /* see struct loci_gc_opts; so is share */
	unsigned share;
	loci_upkeep_task_fn before; /* or NULL */
	void *before_arg;
	loci_upkeep_done_fn done; /* or NULL */
	void *done_arg;
};
/** The thread takes no signals. The first collection comes an interval after the store's last one,
 *  whoever ran it. Expected errors: NOMEM, SYS. */
LOCI_API LOCI_CHECK int loci_upkeep_start(const struct loci_upkeep_opts *opts,
                                          struct loci_upkeep **ret, struct loci_error *err);
/** A collection as soon as possible. Any thread. */
LOCI_API void loci_upkeep_wake(struct loci_upkeep *u);
/** Ends it, within a step of what it does, and frees it. NULL is fine. */
LOCI_API void loci_upkeep_stop(struct loci_upkeep *u);

LOCI_END_DECLS
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retention: rules that say what repositories keep, and their application. What no rule mentions
 * is kept for ever. A rule is one line:
 *
 *     GLOB: WORD…        the first rule whose glob fits a repository's name is the repository's
 *
 *     keep-untagged=TIME   manifests that nothing holds are removed so long after their last push
 *                          or the loss of their last tag; without the word they stay
 *     keep-last=N          the N tags that were set last stay
 *     keep-pushed=TIME     tags that were set within the time stay
 *     keep-pulled=TIME     tags and untagged manifests that were pulled within the time stay, and
 *                          tags that were set within it
 *     keep-tags=GLOB,…     tags with these names stay; may stand several times
 *     keep-all             everything stays, whatever later rules say
 *
 * A tag is removed when its rule has a word about tags and none of them keeps it. docs/retention.md
 * has it as a table, with examples.
 *
 * A struct loci_retention does not change: any number of threads may use one.
 */
#ifndef LOCI_RETENTION_H
#define LOCI_RETENTION_H

#include "loci/store.h"

LOCI_BEGIN_DECLS

struct loci_retention;

#define LOCI_RETENTION_RULES_MAX 256
/** Globs of tags in one rule. */
#define LOCI_RETENTION_TAGS_MAX 64
#define LOCI_RETENTION_LAST_MAX 10000

/** Expected errors: INVALID with the rule, what is wrong and what was expected; TOO_LARGE. */
LOCI_API LOCI_CHECK int loci_retention_parse(const char *const *rules, size_t n,
                                             struct loci_retention **ret, struct loci_error *err);
LOCI_API void loci_retention_free(struct loci_retention *r); /* NULL is fine */
/** Whether a rule asks when something was pulled: then switch loci_pulls_track on. */
LOCI_API bool loci_retention_wants_pulls(const struct loci_retention *r);

/** Something that was removed, or would be (dry run). Lives for the call. */
struct loci_retention_item {
	const char *repo;
	const char *tag; /* NULL: a manifest */
	const struct loci_digest *digest;
	const char *rule; /* its text */
	const char *why;  /* for a person */
};
/** Called from the thread that runs, outside of transactions. */
typedef void (*loci_retention_report_fn)(void *arg, const struct loci_retention_item *item);
/** True ends the run, between two steps. */
typedef bool (*loci_retention_canceled_fn)(void *arg);

enum loci_retention_flag {
	LOCI_RETENTION_DRY_RUN = 1 << 0 /* removes nothing, reports what would go */
};
struct loci_retention_opts {
	size_t struct_size;
	unsigned flags;                  /* enum loci_retention_flag */
	uint64_t now;                    /* seconds since the epoch; 0: the clock's */
	loci_retention_report_fn report; /* or NULL */
	void *report_arg;
	loci_retention_canceled_fn is_canceled; /* or NULL */
	void *cancel_arg;
};
/** The caller sets struct_size; the rest is written, also when the run fails or is canceled. */
struct loci_retention_stats {
	size_t struct_size;
	uint64_t repositories; /* that have a rule */
	uint64_t tags;         /* looked at */
	uint64_t tags_removed;
	uint64_t manifests; /* looked at */
	uint64_t manifests_removed;
	uint64_t duration_ms;
};
/** Judges every repository that has a rule and removes what it does not keep, in bounded steps
 *  beside pushes and pulls: whether a tag or manifest still is as it was judged is looked at by the
 *  transaction that removes it. Blobs that are not needed any more are garbage collection's. opts
 *  and stats may be NULL. May block. Expected errors: CANCELED, READ_ONLY. */
LOCI_API LOCI_CHECK int loci_retention_run(const struct loci_retention *r, struct loci_store *st,
                                           const struct loci_retention_opts *opts,
                                           struct loci_retention_stats *stats,
                                           struct loci_error *err);

LOCI_END_DECLS
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What repositories hold: kept while things come and go, so that asking costs a look-up.
 *
 * A blob counts in full in every repository that has it, though the store keeps its bytes once:
 * the figures say what would be left behind elsewhere, not what a deletion frees on the disk.
 */
#ifndef LOCI_USAGE_H
#define LOCI_USAGE_H

#include "loci/store.h"

LOCI_BEGIN_DECLS

struct loci_usage {
	uint64_t bytes; /* of blobs and manifests */
	uint64_t blobs;
	uint64_t manifests;
	uint64_t tags;
};

/** [read] What stands at a path and below it: "team" is the repository of that name, if there is
 *  one, with all of "team/…"; "" or NULL is the whole store. A slash at the end changes nothing.
 *  All zero when there is nothing. Expected: INVALID (no path of a repository). */
LOCI_API LOCI_CHECK int loci_usage_get(struct loci_store *st, const char *path,
                                       struct loci_usage *ret, struct loci_error *err);

/** Return non-zero to stop: the walk then returns CALLBACK. usage is the repository's alone. The
 *  store may be called inside. */
typedef int (*loci_usage_fn)(void *arg, const char *repo, const struct loci_usage *usage);
/** [read] Every repository at a path and below it that holds anything, in byte order, strictly
 *  after `after` (NULL: from the start). Unlike loci_repo_foreach it gives those, too, that have
 *  blobs and no manifest (yet). Not one snapshot. Expected: INVALID. */
LOCI_API LOCI_CHECK int loci_usage_foreach(struct loci_store *st, const char *path,
                                           const char *after, loci_usage_fn fn, void *arg,
                                           struct loci_error *err);

LOCI_END_DECLS
#endif

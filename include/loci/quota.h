/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quotas: how many bytes a path of repositories may hold, by the accounting of usage.h. They are
 * what a process says for its own writes; another process on the same store has its own.
 */
#ifndef LOCI_QUOTA_H
#define LOCI_QUOTA_H

#include "loci/usage.h"

LOCI_BEGIN_DECLS

struct loci_quota {
	const char
	        *path; /* as in loci_usage_get: "team" is that repository and "team/…"; "" is all */
	uint64_t bytes;
};
#define LOCI_QUOTAS_MAX 4096

/** Replaces the quotas of this process for the store, from the next write on, from any thread. What
 *  is there already stays, also beyond a quota. Every quota whose path fits counts; of one path,
 * the last. Copied. Expected errors: INVALID (no path), TOO_LARGE (too many). */
LOCI_API LOCI_CHECK int loci_store_set_quotas(struct loci_store *st,
                                              const struct loci_quota *quotas, size_t n,
                                              struct loci_error *err);

/** [read] Whether so many bytes more may come to the repository: 0, or DENIED with the path, its
 *  quota, what is used and what was asked for. Cheap; nothing is reserved: the transaction that
 *  takes them in looks again. */
LOCI_API LOCI_CHECK int loci_quota_check(struct loci_store *st, const char *repo, uint64_t bytes,
                                         struct loci_error *err);
/** [read] How many bytes more may come; UINT64_MAX: no quota fits. */
LOCI_API LOCI_CHECK int loci_quota_room(struct loci_store *st, const char *repo, uint64_t *ret,
                                        struct loci_error *err);

LOCI_END_DECLS
#endif

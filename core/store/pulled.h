/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PULLED row: what retention asks about a manifest of a repository that no push tells. It goes
 * with the membership.
 */
#ifndef LOCI_STORE_PULLED_H
#define LOCI_STORE_PULLED_H

#include "core/store/txn.h"

struct loci__pulled_row {
	uint64_t pulled;   /* the last time, to the hour; 0: never */
	uint64_t untagged; /* when a tag was last taken from it; 0: never */
};
/* Zeros when there is none. */
int loci__pulled_row_get(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                         struct loci__pulled_row *ret, struct loci_error *err);
int loci__pulled_row_del(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                         struct loci_error *err);
/* A tag has just been taken from it. */
int loci__pulled_note_untagged(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                               struct loci_error *err);

/* Which notes are young enough not to be made again; process-wide. */
struct loci__pull_cache;
struct loci__pull_cache *loci__pull_cache_new(void);
void loci__pull_cache_free(struct loci__pull_cache *c);

#endif

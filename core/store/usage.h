/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounting: what each repository holds, and each path above it. Rows of USAGE change in the
 * transaction that changes what they count, so that they are never wrong by a crash.
 */
#ifndef LOCI_STORE_USAGE_H
#define LOCI_STORE_USAGE_H

#include "core/store/txn.h"
#include "loci/usage.h"

/* What comes to a repository or, negative, leaves it. */
struct loci__usage_change {
	int64_t bytes;
	int64_t blobs;
	int64_t manifests;
	int64_t tags;
};
int loci__usage_change(struct loci__txn *t, const char *repo, const struct loci__usage_change *c,
                       struct loci_error *err);

/* All repositories that have the manifest: its bytes come to the store, or leave it, while they
 * keep their membership. */
int loci__usage_change_members(struct loci__txn *t, const struct loci_digest *d, int64_t bytes,
                               struct loci_error *err);

/* A row: what the repository of that name holds itself, and together with all below it. */
struct loci__usage_row {
	struct loci_usage all;
	struct loci_usage own;
};
/* path: without slashes at its ends, "" for the whole store. Zeros when nothing is there. */
int loci__usage_row_get(struct loci__txn *t, struct loci_slice path, struct loci__usage_row *ret,
                        struct loci_error *err);

/* A path as people write it, without the slash at its end; INVALID. */
int loci__usage_path(const char *given, struct loci_slice *ret, struct loci_error *err);

/* An operation of the writer: forgets all rows and counts them anew. No argument. */
int loci__usage_recount_op(struct loci__txn *t, void *unused, struct loci_error *err);

#endif

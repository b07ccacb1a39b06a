/* SPDX-License-Identifier: Apache-2.0 */
/* Quotas as transactions see them: an immutable list that a batch of the writer holds on to. */
#ifndef LOCI_STORE_QUOTA_H
#define LOCI_STORE_QUOTA_H

#include "core/store/txn.h"
#include "loci/quota.h"

/* Where the process keeps the present list. */
struct loci__quotas;
struct loci__quotas *loci__quotas_new(void);
void loci__quotas_free(struct loci__quotas *q);
/* NULL: none. Each get is answered by one put. */
const struct loci__quota_list *loci__quotas_get(struct loci__quotas *q);
void loci__quotas_put(struct loci__quotas *q, const struct loci__quota_list *list);

/* In a write transaction, before anything is written: DENIED. A blob that the repository has, and a
 * manifest that is in it, need nothing. */
int loci__quota_check_blob(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                           uint64_t bytes, struct loci_error *err);
/* The same in a snapshot, before a file is put in place that the transaction would refuse. */
int loci__quota_check_early(struct loci_store *st, const char *repo, const struct loci_digest *d,
                            uint64_t bytes, struct loci_error *err);
int loci__quota_check_manifest(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                               uint64_t bytes, struct loci_error *err);

#endif

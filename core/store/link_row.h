/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The LINK row: since when a repository has a blob. A link that garbage collection has condemned
 * stays for a while, out of sight of readers, and can be brought back.
 */
#ifndef LOCI_STORE_LINK_ROW_H
#define LOCI_STORE_LINK_ROW_H

#include "core/store/txn.h"

struct loci__link_row {
	uint64_t time;      /* seconds since the epoch; 0: condemned */
	uint64_t condemned; /* when, or 0 */
};
bool loci__link_row_parse(struct loci_slice val, struct loci__link_row *ret);
/* NOT_FOUND leaves err alone. */
int loci__link_row_get(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                       struct loci__link_row *ret, struct loci_error *err);
/* From now on. */
int loci__link_row_put(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                       struct loci_error *err);
int loci__link_row_condemn(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                           uint64_t now, struct loci_error *err);
/* For readers: 0, or NOT_FOUND, for a condemned one too. */
int loci__link_find(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                    struct loci_error *err);

#endif

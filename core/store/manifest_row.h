/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The MANIFEST row: when it came, what it refers to as subject, its media type, its bytes.
 */
#ifndef LOCI_STORE_MANIFEST_ROW_H
#define LOCI_STORE_MANIFEST_ROW_H

#include "core/store/txn.h"

/* Slices into the index: as long as the transaction. */
struct loci__manifest_row {
	uint64_t time;
	struct loci_digest subject; /* .alg 0: none */
	struct loci_slice media_type;
	struct loci_slice bytes;
};

#define LOCI_MEDIA_TYPE_MAX 255 /* bytes; RFC 6838 allows 127 + 1 + 127 */

/* The MEMBER row: when the repository got it last, and under which media type: the bytes need not
 * say it, and what one repository was told is no other's business. */
struct loci__member_row {
	uint64_t time;
	struct loci_slice media_type;
};
int loci__member_row_get(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                         struct loci__member_row *ret, struct loci_error *err);
int loci__member_row_put(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                         const struct loci__member_row *row, struct loci_error *err);

int loci__manifest_row_get(struct loci__txn *t, const struct loci_digest *d,
                           struct loci__manifest_row *ret, struct loci_error *err);
int loci__manifest_row_put(struct loci__txn *t, const struct loci_digest *d,
                           const struct loci__manifest_row *row, struct loci_error *err);

/* Takes the manifest out of the repository, with its tags and its place among the referrers; the
 * bytes stay until nothing holds them. NOT_FOUND leaves err alone. */
int loci__member_remove(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                        struct loci_error *err);
/* Takes the tag, which points at d, out of the repository. */
int loci__tag_remove(struct loci__txn *t, const char *repo, const char *tag,
                     const struct loci_digest *d, struct loci_error *err);

#endif

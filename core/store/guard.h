/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the removal of a blob's file apart from its publishing. Publishers hold their digest's
 * shard shared from before the rename until the row is committed; the collector takes it alone,
 * never waiting, looks at the index once more and removes the file. So it never meets a file whose
 * row is under way. Works between threads and between processes.
 */
#ifndef LOCI_STORE_GUARD_H
#define LOCI_STORE_GUARD_H

#include "loci/digest.h"
#include "loci/error.h"

struct loci__guard;

/* dirfd: the store's directory, borrowed as long as the guard lives. */
int loci__guard_new(int dirfd, struct loci__guard **ret, struct loci_error *err);
void loci__guard_free(struct loci__guard *g);

/* For a publisher. Waits for a collector: as long as it takes to remove a name. */
int loci__guard_enter(struct loci__guard *g, const struct loci_digest *d, struct loci_error *err);
void loci__guard_leave(struct loci__guard *g, const struct loci_digest *d);

/* For the collector. BUSY, without a message, when somebody publishes in that shard. */
int loci__guard_take(struct loci__guard *g, const struct loci_digest *d, struct loci_error *err);
void loci__guard_drop(struct loci__guard *g, const struct loci_digest *d);

#endif

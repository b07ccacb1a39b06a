/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases: until when a digest is kept though nothing holds it. One row a digest; renewed by
 * whoever told a client that it need not send the blob, without making that client wait.
 */
#ifndef LOCI_STORE_LEASE_H
#define LOCI_STORE_LEASE_H

#include "core/store/txn.h"

struct loci_store;
struct loci__lease_cache;

struct loci__lease_cache *loci__lease_cache_new(void);
void loci__lease_cache_free(struct loci__lease_cache *c);

/* In a write transaction: never shortens it. */
int loci__lease_put(struct loci__txn *t, const struct loci_digest *d, uint64_t until,
                    struct loci_error *err);
/* In a snapshot: the end of the lease, 0 when there is none. */
int loci__lease_get(struct loci__txn *t, const struct loci_digest *d, uint64_t *ret_until,
                    struct loci_error *err);
/* The end of a lease that begins now. */
uint64_t loci__lease_until(const struct loci_store *st);
/* Queues a renewal when less than three quarters are left and none is under way. Not blocking; a
 * renewal that cannot be queued is tried again by the next caller. */
void loci__lease_renew(struct loci_store *st, const struct loci_digest *d, uint64_t until);

#endif

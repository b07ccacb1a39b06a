/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases: until when a digest is kept though nothing holds it. One row a digest; renewed by
 * whoever told a client that it need not send the blob, without making that client wait. In its
 * place stands the mark of a manifest or blob that garbage collection has condemned: who looks for
 * it in the whole store does not find it, and any lease takes the mark away.
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
struct loci__lease {
	uint64_t until;     /* 0: none */
	uint64_t condemned; /* when, or 0 */
};
bool loci__lease_parse(struct loci_slice val, struct loci__lease *ret);
/* All zero when there is no row. */
int loci__lease_get(struct loci__txn *t, const struct loci_digest *d, struct loci__lease *ret,
                    struct loci_error *err);
/* In a write transaction. */
int loci__lease_condemn(struct loci__txn *t, const struct loci_digest *d, uint64_t now,
                        struct loci_error *err);
/* Takes the mark away, if there is one, and begins a lease. */
int loci__lease_revive(struct loci__txn *t, const struct loci_digest *d, uint64_t until,
                       struct loci_error *err);
/* The end of a lease that begins now. */
uint64_t loci__lease_until(const struct loci_store *st);
/* Queues a renewal when less than three quarters are left and none is under way. Not blocking; a
 * renewal that cannot be queued is tried again by the next caller. Fails only when the caller may
 * promise nothing: the old lease is over and there is no new one. Expected: BUSY. */
int loci__lease_renew(struct loci_store *st, const struct loci_digest *d, uint64_t until,
                      struct loci_error *err);

#endif

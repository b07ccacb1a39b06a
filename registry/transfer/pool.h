/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that take images in: each image waits for the disk some times, and the store syncs once
 * for all who wait. A bounded queue; the first failure ends it for all.
 */
#ifndef LOCI_TRANSFER_POOL_H
#define LOCI_TRANSFER_POOL_H

#include "loci/digest.h"
#include "loci/ref.h"

#define LOCI_POOL_MAX 64 /* threads */

/* A tag, or a manifest without one (tag ""). */
struct loci__pool_item {
	char repo[LOCI_REPO_MAX + 1];
	char tag[LOCI_TAG_MAX + 1];
	struct loci_digest digest; /* .alg 0: the tag says it */
};
/* worker: which thread, from 0. A negative code ends the pool. */
typedef int (*loci__pool_fn)(void *arg, unsigned worker, const struct loci__pool_item *item,
                             struct loci_error *err);

struct loci__pool;
int loci__pool_new(unsigned n, loci__pool_fn fn, void *arg, struct loci__pool **ret,
                   struct loci_error *err);
/* Waits for room. The first failure of an item, once there is one. */
int loci__pool_put(struct loci__pool *p, const struct loci__pool_item *item,
                   struct loci_error *err);
/* Waits until all is done (or, with abandon, only what has begun); frees p. The first failure. */
int loci__pool_finish(struct loci__pool *take_p, bool abandon, struct loci_error *err);

#endif

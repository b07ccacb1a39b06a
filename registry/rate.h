/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many requests a client may make: token buckets, kept as the time at which the bucket would be
 * full again (the generic cell rate algorithm), so that a bucket is one number and a changed rate
 * counts at once. One for the requests of a client, one for those that failed, one for all clients.
 *
 * The clients stand in a table of fixed size, in sets of eight places: a new one takes the place of
 * the one in its set whose buckets are fullest, which is mostly one that has been quiet for long
 * and loses nothing by it. The hash is keyed, so nobody can choose addresses that fall into one
 * set.
 */
#ifndef LOCI_REGISTRY_RATE_H
#define LOCI_REGISTRY_RATE_H

#include "loci/error.h"

struct loci__rate {
	uint64_t cost_ns; /* of one token; 0: no limit */
	uint64_t full_ns; /* of the whole bucket */
};
/* burst 0: what comes in ten seconds. per_s 0: no limit. */
struct loci__rate loci__rate_make(unsigned per_s, unsigned burst);

struct loci__rate_limits {
	struct loci__rate requests; /* of a client */
	struct loci__rate errors;   /* of a client */
	struct loci__rate total;    /* of all clients */
};
static inline bool loci__rate_limits_any(const struct loci__rate_limits *l)
{
	return l->requests.cost_ns || l->errors.cost_ns || l->total.cost_ns;
}

struct loci__rates;
/* max_clients is rounded up to a power of two, at least 64. */
int loci__rates_new(size_t max_clients, struct loci__rates **ret, struct loci_error *err);
void loci__rates_free(struct loci__rates *r); /* NULL is fine */

/* One request of the client (loci__address_client). 0: it may go on; else how long to wait, in ns.
 * now_ns: of a clock that never goes back. Thread-safe. */
uint64_t loci__rates_admit(struct loci__rates *r, const struct loci__rate_limits *limits,
                           uint64_t client, uint64_t now_ns);
/* It failed. */
void loci__rates_charge(struct loci__rates *r, const struct loci__rate_limits *limits,
                        uint64_t client, uint64_t now_ns);

#endif

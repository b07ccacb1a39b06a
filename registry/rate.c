/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/rate.h"

#include "core/base/err.h"
#include "core/base/rand.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define WAYS          8
#define LOCKS         64 /* also the least number of sets */
#define BURST_SECONDS 10
#define NS            UINT64_C(1000000000)

struct place {
	uint64_t client;                 /* 0 is nobody's: the IPv6 network of "unspecified" */
	uint64_t requests_at, errors_at; /* when each bucket is full again */
};

struct set {
	struct place ways[WAYS];
};

struct loci__rates {
	uint64_t key;
	size_t mask; /* of the sets */
	_Atomic uint64_t total_at;
	pthread_mutex_t locks[LOCKS];
	struct set sets[];
};

struct loci__rate loci__rate_make(unsigned per_s, unsigned burst)
{
	if (!per_s)
		return (struct loci__rate){0};
	const uint64_t cost = NS / per_s ? NS / per_s : 1;
	const uint64_t tokens = burst ? burst : (uint64_t)per_s * BURST_SECONDS;
	return (struct loci__rate){.cost_ns = cost, .full_ns = cost * tokens};
}

int loci__rates_new(size_t max_clients, struct loci__rates **ret, struct loci_error *err)
{
	size_t n = LOCKS;
	while (n * WAYS < max_clients)
		n *= 2;
	struct loci__rates *r = calloc(1, sizeof(*r) + n * sizeof(r->sets[0]));
	if (!r)
		return loci__err_nomem(err);
	int rc = loci__rand_bytes(&r->key, sizeof(r->key), err);
	if (rc < 0) {
		free(r);
		return rc;
	}
	r->mask = n - 1;
	for (size_t i = 0; i < LOCKS; i++)
		pthread_mutex_init(&r->locks[i], NULL);
	*ret = r;
	return 0;
}

void loci__rates_free(struct loci__rates *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < LOCKS; i++)
		pthread_mutex_destroy(&r->locks[i]);
	free(r);
}

/* ---- a bucket -------------------------------------------------------------------------------- */

/* Empty at most: what a bucket of other rates owed is no debt in this one. */
static uint64_t bounded(const struct loci__rate *rate, uint64_t full_at, uint64_t now)
{
	return rate->cost_ns && full_at > now + rate->full_ns ? now + rate->full_ns : full_at;
}

/* How long until there is a token in it; 0: there is. */
static uint64_t missing(const struct loci__rate *rate, uint64_t full_at, uint64_t now)
{
	if (!rate->cost_ns || full_at <= now)
		return 0;
	const uint64_t after = full_at - now + rate->cost_ns;
	return after > rate->full_ns ? after - rate->full_ns : 0;
}

static uint64_t taken(const struct loci__rate *rate, uint64_t full_at, uint64_t now)
{
	return (full_at > now ? full_at : now) + rate->cost_ns;
}

/* One for all, without a lock. */
static uint64_t take_total(struct loci__rates *r, const struct loci__rate *rate, uint64_t now)
{
	uint64_t at = atomic_load(&r->total_at);
	uint64_t wait, next;
	if (!rate->cost_ns)
		return 0;
	do {
		next = bounded(rate, at, now);
		wait = missing(rate, next, now);
		if (!wait)
			next = taken(rate, next, now);
	} while (next != at && !atomic_compare_exchange_weak(&r->total_at, &at, next));
	return wait;
}

/* ---- the table ------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x *= UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static uint64_t last_full(const struct place *p)
{
	return p->requests_at > p->errors_at ? p->requests_at : p->errors_at;
}

/* With the set's lock held. */
static struct place *find(struct set *set, uint64_t client)
{
	struct place *fullest = &set->ways[0];
	for (size_t i = 0; i < WAYS; i++) {
		if (set->ways[i].client == client)
			return &set->ways[i];
		if (last_full(&set->ways[i]) < last_full(fullest))
			fullest = &set->ways[i];
	}
	*fullest = (struct place){.client = client};
	return fullest;
}

static struct place *lock_place(struct loci__rates *r, uint64_t client, pthread_mutex_t **ret_lock)
{
	const size_t at = mix(mix(client ^ r->key) + r->key) & r->mask;
	*ret_lock = &r->locks[at % LOCKS];
	pthread_mutex_lock(*ret_lock);
	return find(&r->sets[at], client);
}

static uint64_t take_own(struct loci__rates *r, const struct loci__rate_limits *limits,
                         uint64_t client, uint64_t now)
{
	pthread_mutex_t *lock;
	if (!limits->requests.cost_ns && !limits->errors.cost_ns)
		return 0;
	struct place *p = lock_place(r, client, &lock);
	p->requests_at = bounded(&limits->requests, p->requests_at, now);
	p->errors_at = bounded(&limits->errors, p->errors_at, now);
	uint64_t wait = missing(&limits->requests, p->requests_at, now);
	const uint64_t penance = missing(&limits->errors, p->errors_at, now);
	if (penance > wait)
		wait = penance;
	if (!wait && limits->requests.cost_ns)
		p->requests_at = taken(&limits->requests, p->requests_at, now);
	pthread_mutex_unlock(lock);
	return wait;
}

/* The client's own first: one that asks too much takes nothing from the others. */
uint64_t loci__rates_admit(struct loci__rates *r, const struct loci__rate_limits *limits,
                           uint64_t client, uint64_t now_ns)
{
	const uint64_t wait = take_own(r, limits, client, now_ns);
	return wait ? wait : take_total(r, &limits->total, now_ns);
}

/* What is in flight already may fail beyond the bucket, but nobody is kept out longer than one
 * filling takes. */
void loci__rates_charge(struct loci__rates *r, const struct loci__rate_limits *limits,
                        uint64_t client, uint64_t now_ns)
{
	const struct loci__rate *rate = &limits->errors;
	pthread_mutex_t *lock;
	if (!rate->cost_ns)
		return;
	struct place *p = lock_place(r, client, &lock);
	p->errors_at = bounded(rate, taken(rate, p->errors_at, now_ns), now_ns);
	pthread_mutex_unlock(lock);
}

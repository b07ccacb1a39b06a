/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counting values into buckets from any thread: relaxed atomics, no lock, no memory. A reader may
 * see one value's bucket without its sum; the next reading has both.
 */
#ifndef LOCI_BASE_HISTOGRAM_H
#define LOCI_BASE_HISTOGRAM_H

#include "loci/histogram.h"

#include <stdatomic.h>

/* A constant table, where the histogram is made. */
struct loci__bounds {
	const uint64_t *v;
	size_t n;
	double unit;
};

struct loci__histogram {
	atomic_uint_fast64_t counts[LOCI_HISTOGRAM_BOUNDS_MAX + 1];
	atomic_uint_fast64_t sum;
};

static inline void loci__count(atomic_uint_fast64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}
static inline uint64_t loci__counted(const atomic_uint_fast64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static inline void loci__histogram_count(struct loci__histogram *h, const struct loci__bounds *b,
                                         uint64_t value)
{
	size_t i = 0;
	while (i < b->n && value > b->v[i])
		i++;
	loci__count(&h->counts[i], 1);
	loci__count(&h->sum, value);
}

/* Adds what h has to ret, whose bounds become b. */
static inline void loci__histogram_read(const struct loci__histogram *h,
                                        const struct loci__bounds *b, struct loci_histogram *ret)
{
	ret->bounds = b->v;
	ret->n_bounds = b->n;
	ret->unit = b->unit;
	for (size_t i = 0; i <= b->n; i++)
		ret->counts[i] += loci__counted(&h->counts[i]);
	ret->sum += loci__counted(&h->sum);
}

static inline uint64_t loci__histogram_total(const struct loci_histogram *h)
{
	uint64_t n = 0;
	for (size_t i = 0; i <= h->n_bounds; i++)
		n += h->counts[i];
	return n;
}

#endif

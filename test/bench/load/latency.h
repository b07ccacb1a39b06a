/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long units took, in buckets that are 1/64 of their power of two wide: a quantile is right to
 * 1.6 %, adding one is a few instructions, and nothing is allocated.
 */
#ifndef LOCI_BENCH_LATENCY_H
#define LOCI_BENCH_LATENCY_H

#include <stdint.h>

#define LATENCY_SUB_BITS 6
#define LATENCY_SUB      (1u << LATENCY_SUB_BITS)
#define LATENCY_BUCKETS  ((64 - LATENCY_SUB_BITS) * LATENCY_SUB)

struct latency {
	uint64_t n, max_ns;
	uint64_t buckets[LATENCY_BUCKETS];
};

static inline unsigned latency__bucket(uint64_t ns)
{
	if (ns < LATENCY_SUB)
		return (unsigned)ns;
	unsigned shift = 63 - (unsigned)__builtin_clzll(ns) - LATENCY_SUB_BITS;
	return (shift << LATENCY_SUB_BITS) + (unsigned)(ns >> shift);
}

static inline void latency_add(struct latency *l, uint64_t ns)
{
	l->n++;
	l->buckets[latency__bucket(ns)]++;
	if (ns > l->max_ns)
		l->max_ns = ns;
}

/* The middle of the bucket that the per_mille-th of all falls into, nanoseconds. */
static inline uint64_t latency_quantile(const struct latency *l, unsigned per_mille)
{
	uint64_t wanted = (l->n * per_mille + 999) / 1000, seen = 0;
	for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
		seen += l->buckets[i];
		if (seen < wanted || !seen)
			continue;
		if (i < LATENCY_SUB)
			return i;
		unsigned shift = (i >> LATENCY_SUB_BITS) - 1;
		uint64_t low = (uint64_t)(i - (shift << LATENCY_SUB_BITS)) << shift;
		uint64_t middle = low + ((1ull << shift) >> 1);
		return middle < l->max_ns ? middle : l->max_ns;
	}
	return 0;
}

#endif

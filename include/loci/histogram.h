/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A distribution as it is handed out: how many values fell into which bucket. Plain data.
 */
#ifndef LOCI_HISTOGRAM_H
#define LOCI_HISTOGRAM_H

#include "loci/api.h"

LOCI_BEGIN_DECLS

#define LOCI_HISTOGRAM_BOUNDS_MAX 24

struct loci_histogram {
	const uint64_t *bounds; /* inclusive upper bounds, rising; a constant table */
	size_t n_bounds;
	double unit; /* one of bounds and sum in what is shown: 1e-6 for microseconds as seconds */
	uint64_t
	        counts[LOCI_HISTOGRAM_BOUNDS_MAX + 1]; /* of each bucket alone; the last is above */
	uint64_t sum;                                  /* of all values */
};

LOCI_END_DECLS
#endif

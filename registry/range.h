/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte ranges: what a client asks of a blob (Range, RFC 9110 section 14.2) and what it says that it
 * sends (Content-Range of a chunk, distribution-spec "Pushing a blob in chunks").
 */
#ifndef LOCI_REGISTRY_RANGE_H
#define LOCI_REGISTRY_RANGE_H

#include "loci/api.h"

struct loci__range {
	uint64_t first;
	uint64_t last; /* inclusive */
};

/* Ranges of one request, as they stand in it: one that wants more gets the whole. */
#define LOCI_RANGES_MAX 16
/* Ranges that are nearer to each other than a part's head is long are sent as one. */
#define LOCI_RANGES_GAP 128

struct loci__ranges {
	size_t n;
	struct loci__range r[LOCI_RANGES_MAX];
};

enum loci__range_kind {
	LOCI_RANGE_NONE = 0, /* malformed, another unit, too many: the whole is a right answer */
	LOCI_RANGE_SOME,     /* ret has at least one */
	LOCI_RANGE_UNSATISFIABLE /* nothing of it lies inside, or one runs backwards */
};

/* Of a Range header against a representation of size bytes. In the order that was asked for, those
 * outside left out, overlapping and neighbouring ones joined: no byte is ever sent twice. */
int loci__ranges_parse(const char *value, uint64_t size, struct loci__ranges *ret);

/* "0-99" as the distribution-spec writes it, or "bytes 0-99/200" as RFC 9110 does (the total may be
 * a star). False when it is malformed, runs backwards, or its length does not fit into 64 bits. */
bool loci__content_range_parse(const char *value, struct loci__range *ret);

#endif

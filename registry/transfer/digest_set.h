/* SPDX-License-Identifier: Apache-2.0 */
/* A set of digests that remembers the order in which they came. */
#ifndef LOCI_TRANSFER_DIGEST_SET_H
#define LOCI_TRANSFER_DIGEST_SET_H

#include "loci/digest.h"

#include <stdbool.h>

#define LOCI_DIGEST_SET_MAX ((size_t)1 << 20)

struct loci__digest_set {
	struct loci_digest *v; /* in order */
	size_t n;
	uint32_t *slots; /* index + 1 into v; a power of two of them, never more than half full */
	size_t n_slots;
};

/* 1 when it is new, 0 when it was there. Expected: TOO_LARGE. */
int loci__digest_set_add(struct loci__digest_set *s, const struct loci_digest *d,
                         struct loci_error *err);
bool loci__digest_set_has(const struct loci__digest_set *s, const struct loci_digest *d);
void loci__digest_set_done(struct loci__digest_set *s);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Platforms in one canonical spelling, and which others a platform's machine runs. */
#ifndef LOCI_SPEC_PLATFORM_H
#define LOCI_SPEC_PLATFORM_H

#include "loci/manifest.h"

#define LOCI_PLATFORM_PART_MAX 32 /* of os, arch or variant, NUL included */

/* Lower case, Go's spelling, variants that say nothing left out ("amd64", "arm64", but "arm/v7").
 */
struct loci_platform_key {
	char os[LOCI_PLATFORM_PART_MAX];
	char arch[LOCI_PLATFORM_PART_MAX];
	char variant[LOCI_PLATFORM_PART_MAX];
};

/* False when a part is too long to be a platform that anybody runs. */
bool loci__platform_key(const struct loci_platform *p, struct loci_platform_key *ret);
bool loci__platform_key_equal(const struct loci_platform_key *a, const struct loci_platform_key *b);

/* What a machine of platform `want` runs, best first, itself included. Returns how many. */
#define LOCI_PLATFORM_CANDIDATES_MAX 24
size_t loci__platform_candidates(const struct loci_platform *want,
                                 struct loci_platform_key ret[LOCI_PLATFORM_CANDIDATES_MAX]);

#endif

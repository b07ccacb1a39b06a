/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOCI_CONF_NEAREST_H
#define LOCI_CONF_NEAREST_H

#include "loci/api.h"

/* Looks for the name that somebody probably meant: offer each, then ask. */
struct loci_nearest {
	const char *wanted;
	const char *best; /* NULL: none is close enough to be worth saying */
	unsigned distance;
};

void loci__nearest_init(struct loci_nearest *n, const char *wanted);
/* candidate is borrowed until the last look at best. */
void loci__nearest_offer(struct loci_nearest *n, const char *candidate);

#endif

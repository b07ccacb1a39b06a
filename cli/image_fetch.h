/* SPDX-License-Identifier: Apache-2.0 */
/* From a reference to an image of the store whose layers are unpacked. */
#ifndef LOCI_CLI_IMAGE_FETCH_H
#define LOCI_CLI_IMAGE_FETCH_H

#include "loci/log.h"
#include "loci/store.h"

enum loci_pull_policy { LOCI_PULL_MISSING = 0, LOCI_PULL_ALWAYS, LOCI_PULL_NEVER };

struct loci_image_wish {
	const char *ref;                      /* NULL: the last one pulled */
	const struct loci_platform *platform; /* NULL: what is there, or this machine's */
	int policy;                           /* enum loci_pull_policy */
	bool quiet;
	bool insecure;
	const struct loci_log *log;
};

/* Expected errors: NOT_FOUND, INVALID, and those of loci_pull and loci_unpack_image. */
int loci__image_fetch(struct loci_store *st, const struct loci_image_wish *wish,
                      struct loci_image *ret, struct loci_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The request target, taken apart by grammar: a path whose percent-encoding is gone, and the
 * query's parameters. Strict, because names end up in look-ups, headers and logs: an encoded slash,
 * NUL or control character is refused rather than given a meaning that a proxy before us may not
 * share.
 */
#ifndef LOCI_REGISTRY_TARGET_H
#define LOCI_REGISTRY_TARGET_H

#include "loci/api.h"
#include "loci/error.h"

#define LOCI_TARGET_MAX 8192 /* bytes of path and query */
#define LOCI_PARAMS_MAX 96   /* parameters in a query */

struct loci__param {
	struct loci_slice key;
	const char *value; /* NUL-terminated, "" without "=" */
};

struct loci__target {
	struct loci_slice path; /* decoded; a NUL stands behind */
	size_t n_params;
	struct loci__param params[LOCI_PARAMS_MAX];
	char text[LOCI_TARGET_MAX + LOCI_PARAMS_MAX + 3]; /* what the slices point into */
};

/* Only the path, decoded into buf. Expected: INVALID, TOO_LARGE. */
int loci__target_path(const char *target, char *buf, size_t size, struct loci_slice *ret,
                      struct loci_error *err);
/* Both. Expected: INVALID, TOO_LARGE. */
int loci__target_parse(const char *target, struct loci__target *ret, struct loci_error *err);

/* The value of a parameter that may stand once; NULL: absent. INVALID when it stands twice. */
int loci__target_param(const struct loci__target *t, const char *key, const char **ret,
                       struct loci_error *err);

#endif

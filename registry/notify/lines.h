/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of configuration that give an end-point more than its rule. */
#ifndef LOCI_REGISTRY_NOTIFY_LINES_H
#define LOCI_REGISTRY_NOTIFY_LINES_H

#include "loci/api.h"
#include "loci/error.h"

struct loci__notify_line {
	struct loci_slice name; /* of the end-point */
	struct loci_slice value;
};
/* "NAME: Field: value"; the value is "Field: value", fit for a request. INVALID; the message shows
 * nothing of the value, which may be a credential. */
int loci__notify_header_parse(const char *line, struct loci__notify_line *ret,
                              struct loci_error *err);
/* "NAME=KEY" or "NAME=@FILE". Likewise. */
int loci__notify_secret_parse(const char *line, struct loci__notify_line *ret,
                              struct loci_error *err);

#endif

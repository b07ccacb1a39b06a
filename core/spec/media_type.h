/* SPDX-License-Identifier: Apache-2.0 */
/* What the parsers need of media types beyond loci/manifest.h. */
#ifndef LOCI_SPEC_MEDIA_TYPE_H
#define LOCI_SPEC_MEDIA_TYPE_H

#include "loci/api.h"

/* Without parameters and surrounding blanks. */
struct loci_slice loci__media_essence(const char *media_type);
/* Types are compared without regard to case (RFC 9110 8.3.1). */
bool loci__media_equal(const char *a, const char *b);
/* type/subtype as RFC 6838 4.2 has it, without parameters. */
bool loci__media_is_valid(const char *media_type);
/* Docker's manifest types of schema 1. */
bool loci__media_is_schema1(const char *media_type);
/* Docker's own types (application/vnd.docker.…). */
bool loci__media_is_docker(const char *media_type);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fields of a JSON document, checked and copied into an arena: what the parsers of manifests and of
 * image configs have in common. Absent (or null) optional fields give NULL and 0.
 */
#ifndef LOCI_SPEC_FIELD_H
#define LOCI_SPEC_FIELD_H

#include "core/base/arena.h"
#include "core/base/json.h"
#include "loci/manifest.h"

/* Members of one string list or map; more is TOO_LARGE. */
#define LOCI_FIELD_LIST_MAX 10000

int loci__field_string(const struct loci_json_at *at, struct loci__arena *a, const char **ret,
                       struct loci_error *err);
/* An empty string counts as absent. */
int loci__field_string_opt(const struct loci_json_at *at, struct loci__arena *a, const char **ret,
                           struct loci_error *err);
int loci__field_strings_opt(const struct loci_json_at *at, struct loci__arena *a,
                            const char *const **ret, size_t *ret_n, struct loci_error *err);
/* The member names of an object, in the document's order. */
int loci__field_keys_opt(const struct loci_json_at *at, struct loci__arena *a,
                         const char *const **ret, size_t *ret_n, struct loci_error *err);
/* An object whose values are strings, in the document's order. */
int loci__field_map_opt(const struct loci_json_at *at, struct loci__arena *a,
                        const struct loci_annotation **ret, size_t *ret_n, struct loci_error *err);
int loci__field_digest(const struct loci_json_at *at, struct loci_digest *ret,
                       struct loci_error *err);
/* os, architecture (both required), variant and os.version, as members of up. */
int loci__field_platform(const struct loci_json_at *up, struct loci__arena *a,
                         struct loci_platform *ret, struct loci_error *err);
/* TOO_LARGE with the path when n is above max. */
int loci__field_count(const struct loci_json_at *at, size_t n, size_t max, struct loci_error *err);

#endif

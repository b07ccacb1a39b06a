/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jansson behind limits, and getters that say where: a loci_json_at is a value together with its
 * path from the root, so that an error reads "$.layers[3].size: expected a number".
 */
#ifndef LOCI_BASE_JSON_H
#define LOCI_BASE_JSON_H

#include "core/base/cleanup.h"
#include "loci/error.h"

#include <jansson.h>

LOCI_DEFINE_CLEANUP(loci__json_decref_ptr, json_t, json_decref)
#define loci__cleanup_json loci__cleanup(loci__json_decref_ptr)

/* Values in one document, give or take its empty lists: more than 10000 descriptors with all their
 * members have, and some 60 MiB of memory at most. */
#define LOCI_JSON_VALUES_MAX (256u << 10)

struct loci_json_limits {
	size_t max_bytes;
	unsigned max_depth; /* of nested arrays and objects; jansson itself stops at 2048 */
};

/* Strict JSON text (RFC 8259, UTF-8): duplicate keys, NULs in strings and trailing bytes are
 * refused. what names the document in messages ("manifest"). Expected: INVALID, TOO_LARGE. */
int loci__json_parse(const void *p, size_t n, const struct loci_json_limits *limits,
                     const char *what, json_t **ret, struct loci_error *err);

/* A value and how it was reached. Borrowed from the document. */
struct loci_json_at {
	const json_t *v; /* NULL: absent */
	const struct loci_json_at *up;
	const char *key; /* of an object's member, or NULL */
	size_t index;    /* of an array's element */
};

static inline struct loci_json_at loci__json_root(const json_t *v)
{
	return (struct loci_json_at){.v = v};
}
/* A member; .v is NULL when it is absent or null. `up` must outlive the result. */
struct loci_json_at loci__json_member(const struct loci_json_at *up, const char *key);
struct loci_json_at loci__json_element(const struct loci_json_at *up, size_t i);

/* "expected …, found …" with the path; always INVALID. */
int loci__json_err(const struct loci_json_at *at, struct loci_error *err, const char *fmt, ...)
        LOCI_PRINTF(3, 4);
/* Writes the path ("$.a.b[2]"), cut to size. */
void loci__json_path(const struct loci_json_at *at, char *buf, size_t size);

/* Each checks the type. The _opt forms give the default (NULL, 0) when absent. */
int loci__json_object(const struct loci_json_at *at, struct loci_error *err);
int loci__json_array(const struct loci_json_at *at, size_t *ret_n, struct loci_error *err);
int loci__json_array_opt(const struct loci_json_at *at, size_t *ret_n, struct loci_error *err);
int loci__json_string(const struct loci_json_at *at, const char **ret, struct loci_error *err);
int loci__json_string_opt(const struct loci_json_at *at, const char **ret, struct loci_error *err);
int loci__json_u64(const struct loci_json_at *at, uint64_t *ret, struct loci_error *err);
int loci__json_u64_opt(const struct loci_json_at *at, uint64_t *ret, struct loci_error *err);
int loci__json_i64(const struct loci_json_at *at, int64_t *ret, struct loci_error *err);
int loci__json_i64_opt(const struct loci_json_at *at, int64_t *ret, struct loci_error *err);
int loci__json_bool_opt(const struct loci_json_at *at, bool *ret, struct loci_error *err);

#endif

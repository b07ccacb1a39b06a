/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/json.h"

#include "core/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* jansson recurses for each level, and takes up to 250 bytes for a value of three: look at both
 * before it does. Strings are skipped; whether the text is JSON at all is jansson's to say. */
static int check_shape(const char *p, size_t n, unsigned max_depth, const char *what,
                       struct loci_error *err)
{
	unsigned depth = 0;
	size_t values = 1;
	bool in_string = false;
	for (size_t i = 0; i < n; i++) {
		if (in_string) {
			if (p[i] == '\\')
				i++;
			else if (p[i] == '"')
				in_string = false;
		} else if (p[i] == '"') {
			in_string = true;
		} else if (p[i] == '{' || p[i] == '[') {
			if (++depth > max_depth)
				return loci__err_set(err, LOCI_E_TOO_LARGE,
				                     "%s: nested deeper than %u levels", what,
				                     max_depth);
			values++;
		} else if ((p[i] == '}' || p[i] == ']') && depth > 0) {
			depth--;
		} else if (p[i] == ',') {
			values++;
		}
		if (values > LOCI_JSON_VALUES_MAX)
			return loci__err_set(err, LOCI_E_TOO_LARGE, "%s: more than %u values", what,
			                     LOCI_JSON_VALUES_MAX);
	}
	return 0;
}

int loci__json_parse(const void *p, size_t n, const struct loci_json_limits *limits,
                     const char *what, json_t **ret, struct loci_error *err)
{
	if (n > limits->max_bytes)
		return loci__err_set(err, LOCI_E_TOO_LARGE,
		                     "%s: %zu bytes, at most %zu are allowed", what, n,
		                     limits->max_bytes);
	int rc = check_shape(p, n, limits->max_depth, what, err);
	if (rc < 0)
		return rc;
	json_error_t je;
	/* Without JSON_ALLOW_NUL a \u0000 is an error: C strings could not carry it. */
	json_t *v = json_loadb(n ? p : "", n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &je);
	if (!v)
		return loci__err_set(err, LOCI_E_INVALID, "%s: line %d, column %d: %s", what,
		                     je.line, je.column, je.text);
	*ret = v;
	return 0;
}

struct loci_json_at loci__json_member(const struct loci_json_at *up, const char *key)
{
	json_t *v = json_object_get(up->v, key);
	return (struct loci_json_at){.v = json_is_null(v) ? NULL : v, .up = up, .key = key};
}

struct loci_json_at loci__json_element(const struct loci_json_at *up, size_t i)
{
	return (struct loci_json_at){.v = json_array_get(up->v, i), .up = up, .index = i};
}

static size_t append_path(const struct loci_json_at *at, char *buf, size_t size)
{
	if (!at->up)
		return (size_t)snprintf(buf, size, "$");
	size_t len = append_path(at->up, buf, size);
	if (len >= size)
		return len;
	if (at->key)
		return len + (size_t)snprintf(buf + len, size - len, ".%s", at->key);
	return len + (size_t)snprintf(buf + len, size - len, "[%zu]", at->index);
}

void loci__json_path(const struct loci_json_at *at, char *buf, size_t size)
{
	append_path(at, buf, size);
}

int loci__json_err(const struct loci_json_at *at, struct loci_error *err, const char *fmt, ...)
{
	char path[160], text[256];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	loci__json_path(at, path, sizeof(path));
	return loci__err_set(err, LOCI_E_INVALID, "%s: %s", path, text);
}

static const char *type_name(const json_t *v)
{
	if (!v)
		return "nothing";
	switch (json_typeof(v)) {
	case JSON_OBJECT: return "an object";
	case JSON_ARRAY: return "an array";
	case JSON_STRING: return "a string";
	case JSON_INTEGER: return "an integer";
	case JSON_REAL: return "a fraction";
	case JSON_TRUE:
	case JSON_FALSE: return "a boolean";
	case JSON_NULL: return "null";
	}
	return "something";
}

static int wrong_type(const struct loci_json_at *at, const char *expected, struct loci_error *err)
{
	return loci__json_err(at, err, "expected %s, found %s", expected, type_name(at->v));
}

int loci__json_object(const struct loci_json_at *at, struct loci_error *err)
{
	return json_is_object(at->v) ? 0 : wrong_type(at, "an object", err);
}

int loci__json_array(const struct loci_json_at *at, size_t *ret_n, struct loci_error *err)
{
	if (!json_is_array(at->v))
		return wrong_type(at, "an array", err);
	*ret_n = json_array_size(at->v);
	return 0;
}

int loci__json_array_opt(const struct loci_json_at *at, size_t *ret_n, struct loci_error *err)
{
	if (at->v)
		return loci__json_array(at, ret_n, err);
	*ret_n = 0;
	return 0;
}

int loci__json_string(const struct loci_json_at *at, const char **ret, struct loci_error *err)
{
	if (!json_is_string(at->v))
		return wrong_type(at, "a string", err);
	*ret = json_string_value(at->v);
	return 0;
}

int loci__json_string_opt(const struct loci_json_at *at, const char **ret, struct loci_error *err)
{
	if (at->v)
		return loci__json_string(at, ret, err);
	*ret = NULL;
	return 0;
}

int loci__json_i64(const struct loci_json_at *at, int64_t *ret, struct loci_error *err)
{
	if (!json_is_integer(at->v))
		return wrong_type(at, "an integer", err);
	*ret = json_integer_value(at->v);
	return 0;
}

int loci__json_i64_opt(const struct loci_json_at *at, int64_t *ret, struct loci_error *err)
{
	if (at->v)
		return loci__json_i64(at, ret, err);
	*ret = 0;
	return 0;
}

int loci__json_u64(const struct loci_json_at *at, uint64_t *ret, struct loci_error *err)
{
	int64_t v = 0;
	int rc = loci__json_i64(at, &v, err);
	if (rc < 0)
		return rc;
	if (v < 0)
		return loci__json_err(at, err, "%lld is negative", (long long)v);
	*ret = (uint64_t)v;
	return 0;
}

int loci__json_u64_opt(const struct loci_json_at *at, uint64_t *ret, struct loci_error *err)
{
	if (at->v)
		return loci__json_u64(at, ret, err);
	*ret = 0;
	return 0;
}

int loci__json_bool_opt(const struct loci_json_at *at, bool *ret, struct loci_error *err)
{
	if (at->v && !json_is_boolean(at->v))
		return wrong_type(at, "a boolean", err);
	*ret = json_is_true(at->v);
	return 0;
}

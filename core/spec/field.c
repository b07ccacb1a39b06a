/* SPDX-License-Identifier: Apache-2.0 */
#include "core/spec/field.h"

#include "core/base/err.h"

#include <string.h>

int loci__field_count(const struct loci_json_at *at, size_t n, size_t max, struct loci_error *err)
{
	if (n <= max)
		return 0;
	char path[160];
	loci__json_path(at, path, sizeof(path));
	return loci__err_set(err, LOCI_E_TOO_LARGE, "%s: %zu members, at most %zu are allowed",
	                     path, n, max);
}

static int copy_string(const char *s, struct loci__arena *a, const char **ret,
                       struct loci_error *err)
{
	char *copy = loci__arena_strdup(a, s);
	if (!copy)
		return loci__err_nomem(err);
	*ret = copy;
	return 0;
}

int loci__field_string(const struct loci_json_at *at, struct loci__arena *a, const char **ret,
                       struct loci_error *err)
{
	const char *s;
	int rc = loci__json_string(at, &s, err);
	return rc < 0 ? rc : copy_string(s, a, ret, err);
}

int loci__field_string_opt(const struct loci_json_at *at, struct loci__arena *a, const char **ret,
                           struct loci_error *err)
{
	const char *s;
	int rc = loci__json_string_opt(at, &s, err);
	if (rc < 0)
		return rc;
	*ret = NULL;
	return s && *s ? copy_string(s, a, ret, err) : 0;
}

int loci__field_strings_opt(const struct loci_json_at *at, struct loci__arena *a,
                            const char *const **ret, size_t *ret_n, struct loci_error *err)
{
	size_t n;
	int rc = loci__json_array_opt(at, &n, err);
	if (rc < 0 || (rc = loci__field_count(at, n, LOCI_FIELD_LIST_MAX, err)) < 0)
		return rc;
	const char **list = n ? loci__arena_array(a, n, sizeof(*list)) : NULL;
	if (n && !list)
		return loci__err_nomem(err);
	for (size_t i = 0; i < n; i++) {
		struct loci_json_at element = loci__json_element(at, i);
		rc = loci__field_string(&element, a, &list[i], err);
		if (rc < 0)
			return rc;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

/* The number of an object's members; 0 when it is absent. */
static int member_count(const struct loci_json_at *at, size_t *ret_n, struct loci_error *err)
{
	*ret_n = 0;
	if (!at->v)
		return 0;
	int rc = loci__json_object(at, err);
	if (rc < 0)
		return rc;
	*ret_n = json_object_size(at->v);
	return loci__field_count(at, *ret_n, LOCI_FIELD_LIST_MAX, err);
}

int loci__field_keys_opt(const struct loci_json_at *at, struct loci__arena *a,
                         const char *const **ret, size_t *ret_n, struct loci_error *err)
{
	size_t n, i = 0;
	int rc = member_count(at, &n, err);
	if (rc < 0)
		return rc;
	const char **list = n ? loci__arena_array(a, n, sizeof(*list)) : NULL;
	if (n && !list)
		return loci__err_nomem(err);
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)at->v, key, value)
	{
		rc = copy_string(key, a, &list[i++], err);
		if (rc < 0)
			return rc;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

int loci__field_map_opt(const struct loci_json_at *at, struct loci__arena *a,
                        const struct loci_annotation **ret, size_t *ret_n, struct loci_error *err)
{
	size_t n, i = 0;
	int rc = member_count(at, &n, err);
	if (rc < 0)
		return rc;
	struct loci_annotation *list = n ? loci__arena_array(a, n, sizeof(*list)) : NULL;
	if (n && !list)
		return loci__err_nomem(err);
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)at->v, key, value)
	{
		struct loci_json_at member = {.v = value, .up = at, .key = key};
		rc = loci__field_string(&member, a, &list[i].value, err);
		if (rc < 0 || (rc = copy_string(key, a, &list[i].key, err)) < 0)
			return rc;
		i++;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

int loci__field_digest(const struct loci_json_at *at, struct loci_digest *ret,
                       struct loci_error *err)
{
	const char *s;
	int rc = loci__json_string(at, &s, err);
	if (rc < 0 || (rc = loci_digest_parse(s, strlen(s), ret, err)) >= 0)
		return rc;
	char path[160];
	loci__json_path(at, path, sizeof(path));
	return loci__err_prefix(err, rc, "%s", path);
}

int loci__field_platform(const struct loci_json_at *up, struct loci__arena *a,
                         struct loci_platform *ret, struct loci_error *err)
{
	struct loci_platform p = {0};
	const struct {
		const char *key;
		const char **to;
		bool required;
	} fields[] = {
	        {"os", &p.os, true},
	        {"architecture", &p.arch, true},
	        {"variant", &p.variant, false},
	        {"os.version", &p.os_version, false},
	};
	int rc = loci__json_object(up, err);
	for (size_t i = 0; rc >= 0 && i < loci__array_len(fields); i++) {
		struct loci_json_at at = loci__json_member(up, fields[i].key);
		const char *s;
		if (fields[i].required)
			rc = loci__json_string(&at, &s, err);
		if (rc >= 0)
			rc = loci__field_string_opt(&at, a, fields[i].to, err);
	}
	if (rc >= 0)
		*ret = p;
	return rc;
}

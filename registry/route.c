/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A repository's name has slashes and may even hold a component called "blobs" or "manifests", so a
 * path is matched from its end: what follows <name> in a pattern is a fixed number of parts.
 */
#include "registry/route.h"

#include "core/base/cursor.h"
#include "registry/handlers.h"

#include <string.h>

#define ANY_BLOB     "/v2/<name>/blobs/<reference>"
#define UPLOADS      "/v2/<name>/blobs/uploads/"
#define UPLOADS_BARE "/v2/<name>/blobs/uploads" /* as some clients write it */
#define UPLOAD       "/v2/<name>/blobs/uploads/<reference>"
#define MANIFEST     "/v2/<name>/manifests/<reference>"
#define TAGS         "/v2/<name>/tags/list"
#define REFERRERS    "/v2/<name>/referrers/<reference>"

#define BLOCKS  LOCI_ROUTE_BLOCKS
#define FREE    LOCI_ROUTE_UNLIMITED
#define WRITES  (LOCI_ROUTE_BLOCKS | LOCI_ROUTE_WRITES)
#define DELETES (WRITES | LOCI_ROUTE_DELETES)

/* Literal parts stand before <reference> where both could fit; otherwise what is asked most. */
const struct loci__route loci__routes[] = {
        {"GET", MANIFEST, "end-3", loci__handle_manifest_get, 0},
        {"HEAD", MANIFEST, "end-3", loci__handle_manifest_get, 0},
        {"PUT", MANIFEST, "end-7", loci__handle_manifest_put, WRITES},
        {"DELETE", MANIFEST, "end-9", loci__handle_manifest_delete, DELETES},
        {"GET", "/v2/", "end-1", loci__handle_version, 0},
        {"HEAD", "/v2/", "end-1", loci__handle_version, 0},
        {"GET", "/v2", "end-1", loci__handle_version, 0},
        {"HEAD", "/v2", "end-1", loci__handle_version, 0},
        {"GET", "/v2/_catalog", "", loci__handle_catalog, 0},
        {"HEAD", "/v2/_catalog", "", loci__handle_catalog, 0},
        {"POST", UPLOADS, "end-4 end-11", loci__handle_upload_post, WRITES},
        {"POST", UPLOADS_BARE, "end-4 end-11", loci__handle_upload_post, WRITES},
        {"PATCH", UPLOAD, "end-5", loci__handle_upload_patch, WRITES},
        {"PUT", UPLOAD, "end-6", loci__handle_upload_put, WRITES},
        {"GET", UPLOAD, "end-13", loci__handle_upload_get, 0},
        {"HEAD", UPLOAD, "end-13", loci__handle_upload_get, 0},
        {"DELETE", UPLOAD, "end-14", loci__handle_upload_delete, WRITES},
        {"GET", ANY_BLOB, "end-2", loci__handle_blob_get, 0},
        {"HEAD", ANY_BLOB, "end-2", loci__handle_blob_get, 0},
        {"DELETE", ANY_BLOB, "end-10", loci__handle_blob_delete, DELETES},
        {"GET", TAGS, "end-8", loci__handle_tags, 0},
        {"HEAD", TAGS, "end-8", loci__handle_tags, 0},
        {"GET", REFERRERS, "end-12", loci__handle_referrers, BLOCKS},
        {"HEAD", REFERRERS, "end-12", loci__handle_referrers, BLOCKS},
        {"GET", "/livez", "", loci__handle_live, FREE},
        {"HEAD", "/livez", "", loci__handle_live, FREE},
        {"GET", "/readyz", "", loci__handle_ready, FREE | BLOCKS},
        {"HEAD", "/readyz", "", loci__handle_ready, FREE | BLOCKS},
        {"GET", "/metrics", "", loci__handle_metrics, BLOCKS | FREE},
        {"HEAD", "/metrics", "", loci__handle_metrics, BLOCKS | FREE},
        {"GET", "/", "", loci__handle_live, FREE},
        {"HEAD", "/", "", loci__handle_live, FREE},
        {0},
};

/* The part behind the last slash; path loses it and the slash. */
static bool take_last_part(struct loci_slice *path, struct loci_slice *ret)
{
	const char *slash = path->n ? memrchr(path->p, '/', path->n) : NULL;
	if (!slash)
		return false;
	const char *start = slash + 1;
	*ret = loci__slice(start, (size_t)(path->p + path->n - start));
	path->n = (size_t)(slash - path->p);
	return true;
}

/* Matches everything behind <name> (or the whole pattern), part by part from the end. */
static bool match_parts(struct loci_slice *pattern, struct loci_slice *path,
                        struct loci_slice *ret_reference)
{
	struct loci_slice want, have;
	while (take_last_part(pattern, &want)) {
		if (!take_last_part(path, &have))
			return false;
		if (loci__slice_is(want, "<reference>")) {
			if (have.n == 0)
				return false;
			*ret_reference = have;
		} else if (want.n != have.n || memcmp(want.p, have.p, want.n) != 0) {
			return false;
		}
	}
	return true;
}

#define VERSION "/v2/"
#define PREFIX  VERSION "<name>"
#define LEN(s)  (sizeof(s) - 1) /* of a literal */

/* path is behind "/v2/", and so is rest behind <name>. */
static bool match_named(struct loci_slice rest, struct loci_slice path, struct loci__match *ret)
{
	if (!match_parts(&rest, &path, &ret->reference))
		return false;
	ret->name = path;
	return path.n > 0;
}

static bool match_pattern(const char *pattern, struct loci_slice path, bool in_v2,
                          struct loci__match *ret)
{
	if (strncmp(pattern, PREFIX, LEN(PREFIX)) != 0)
		return loci__slice_is(path, pattern);
	return in_v2 &&
	       match_named(loci__slice(pattern + LEN(PREFIX), strlen(pattern) - LEN(PREFIX)),
	                   loci__slice(path.p + LEN(VERSION), path.n - LEN(VERSION)), ret);
}

bool loci__route_match(struct loci_slice path, struct loci__match *ret)
{
	const bool in_v2 = path.n >= LEN(VERSION) && memcmp(path.p, VERSION, LEN(VERSION)) == 0;
	const char *tried = "";
	for (const struct loci__route *row = loci__routes; row->method; row++) {
		if (row->pattern == tried || strcmp(row->pattern, tried) == 0)
			continue;
		tried = row->pattern;
		struct loci__match match = {.rows = row, .name = {"", 0}};
		if (match_pattern(row->pattern, path, in_v2, &match)) {
			*ret = match;
			return true;
		}
	}
	return false;
}

static bool is_same_pattern(const struct loci__route *a, const struct loci__route *b)
{
	return a->method && (a->pattern == b->pattern || strcmp(a->pattern, b->pattern) == 0);
}

const struct loci__route *loci__route_method(const struct loci__route *rows, const char *method)
{
	for (const struct loci__route *row = rows; is_same_pattern(row, rows); row++)
		if (strcmp(row->method, method) == 0)
			return row;
	return NULL;
}

bool loci__route_is_allowed(const struct loci__route *row, unsigned refused)
{
	return !(row->flags & refused);
}

void loci__route_allow(const struct loci__route *rows, unsigned refused, char buf[LOCI_ALLOW_MAX])
{
	size_t used = 0;
	buf[0] = '\0';
	for (const struct loci__route *row = rows; is_same_pattern(row, rows); row++) {
		size_t n = strlen(row->method);
		if (!loci__route_is_allowed(row, refused) || used + n + 3 > LOCI_ALLOW_MAX)
			continue;
		if (used) {
			memcpy(buf + used, ", ", 2);
			used += 2;
		}
		memcpy(buf + used, row->method, n + 1);
		used += n;
	}
}

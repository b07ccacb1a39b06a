/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index of a layout: each entry is an image, an index or an artifact. Its repository and tag
 * come from io.containerd.image.name (what containerd, docker and our export write: the whole
 * name), else from org.opencontainers.image.ref.name (a tag alone, as skopeo and umoci write it, or
 * a name). What has no name, as a referrer, goes untagged to the repository that was given.
 */
#include "registry/transfer/layout.h"

#include "core/base/cleanup.h"
#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/base/hex.h"
#include "core/base/json.h"
#include "registry/transfer/image_name.h"

#include <string.h>

LOCI_DEFINE_CLEANUP(manifest_free_ptr, struct loci_manifest, loci_manifest_free)

void loci__layout_path(const struct loci_digest *d, char path[LOCI_SOURCE_PATH_MAX])
{
	char hex[2 * sizeof(d->bytes) + 1];
	loci__hex_format(d->bytes, d->len, hex);
	snprintf(path, LOCI_SOURCE_PATH_MAX, "blobs/%s/%s", loci_digest_alg_name(d->alg), hex);
}

bool loci__layout_path_parse(const char *path, struct loci_digest *ret)
{
	struct loci_cursor c = loci__cursor(path, strlen(path));
	struct loci_slice alg;
	char text[LOCI_DIGEST_STR_MAX];
	if (!loci__take_text(&c, "blobs/") || !loci__take_until(&c, '/', &alg))
		return false;
	int n = snprintf(text, sizeof(text), "%.*s:%.*s", (int)alg.n, alg.p,
	                 (int)loci__cursor_left(&c), c.p);
	return n > 0 && (size_t)n < sizeof(text) &&
	       loci_digest_parse(text, (size_t)n, ret, /* err= */ NULL) == 0;
}

int loci__layout_check_version(const char *p, size_t n, struct loci_error *err)
{
	static const struct loci_json_limits limits = {LOCI_LAYOUT_FILE_MAX, 8};
	loci__cleanup_json json_t *doc = NULL;
	const char *version;
	int rc = loci__json_parse(p, n, &limits, LOCI_LAYOUT_FILE, &doc, err);
	if (rc < 0)
		return rc;
	struct loci_json_at root = loci__json_root(doc);
	struct loci_json_at at = loci__json_member(&root, "imageLayoutVersion");
	rc = loci__json_string(&at, &version, err);
	if (rc < 0)
		return loci__err_prefix(err, rc, LOCI_LAYOUT_FILE);
	if (strcmp(version, LOCI_LAYOUT_VERSION) != 0)
		return loci__err_set(err, LOCI_E_UNSUPPORTED,
		                     LOCI_LAYOUT_FILE
		                     ": version '%.40s', expected " LOCI_LAYOUT_VERSION,
		                     version);
	return 0;
}

static const char *annotation_of(const struct loci_descriptor *d, const char *key)
{
	for (size_t i = 0; i < d->n_annotations; i++)
		if (!strcmp(d->annotations[i].key, key))
			return d->annotations[i].value;
	return NULL;
}

static int name_of(const struct loci_descriptor *d, struct loci__image_name *ret,
                   struct loci_error *err)
{
	const char *whole = annotation_of(d, LOCI_ANNOTATION_IMAGE_NAME);
	const char *short_one = annotation_of(d, LOCI_ANNOTATION_REF_NAME);
	*ret = (struct loci__image_name){0};
	if (whole)
		return loci__image_name_parse(whole, ret, err);
	return short_one ? loci__ref_name_parse(short_one, ret, err) : 0;
}

static int set_repo(struct loci__import *im, const struct loci__image_name *name,
                    struct loci_error *err)
{
	if (!name->repo[0] && !im->opts.repo)
		return loci__err_set(err, LOCI_E_INVALID,
		                     "an image without a repository's name: give one (--repo)");
	return loci__import_set_repo(im, name->repo, err);
}

static int take_entry(struct loci__import *im, const struct loci__source *src,
                      const struct loci_descriptor *d, struct loci_error *err)
{
	struct loci__image_name name;
	im->repo[0] = '\0';
	int rc = name_of(d, &name, err);
	if (rc == 0)
		rc = set_repo(im, &name, err);
	const char *tag = rc == 0 && name.tag[0] ? name.tag : NULL;
	if (rc == 0)
		rc = loci__import_take(im, src, &d->digest, d->media_type, tag, err);
	return rc < 0 ? loci__import_failed(im, tag, &d->digest, rc, err) : 0;
}

int loci__layout_import(struct loci__import *im, const struct loci__source *src, const char *index,
                        size_t n, struct loci_error *err)
{
	loci__cleanup(manifest_free_ptr) struct loci_manifest *m = NULL;
	int rc = loci_manifest_parse(index, n, LOCI_MEDIA_OCI_INDEX, &m, err);
	if (rc < 0)
		return loci__err_prefix(err, rc, LOCI_LAYOUT_INDEX);
	for (size_t i = 0; rc == 0 && i < m->n_entries; i++)
		rc = take_entry(im, src, &m->entries[i], err);
	return rc;
}

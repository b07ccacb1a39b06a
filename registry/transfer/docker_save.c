/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A saved image becomes a manifest of docker's schema 2, as skopeo makes it of docker-archive:. Its
 * layers are plain tars and stay so: the digest of each is its diff ID, which the config names, so
 * that what was saved is verified to the last byte. (Compressing them, as a push does, would give
 * other digests each time the compressor changes; who pulls takes them either way.)
 */
#include "registry/transfer/docker_save.h"

#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "core/base/fs.h"
#include "core/spec/field.h"
#include "registry/transfer/image_name.h"

#include <string.h>

#define IMAGES_MAX   10000
#define MANIFEST_MAX ((size_t)4 << 20)
#define LAYER_TAR    "application/vnd.docker.image.rootfs.diff.tar"
#define LAYER_GZIP   LAYER_TAR ".gzip"

LOCI_DEFINE_CLEANUP(config_free_ptr, struct loci_image_config, loci_image_config_free)

/* ---- manifest.json --------------------------------------------------------------------------- */

static int parse_image(const struct loci_json_at *at, struct loci__arena *a,
                       struct loci__saved_image *ret, struct loci_error *err)
{
	struct loci_json_at config = loci__json_member(at, "Config");
	struct loci_json_at tags = loci__json_member(at, "RepoTags");
	struct loci_json_at layers = loci__json_member(at, "Layers");
	int rc = loci__json_object(at, err);
	if (rc == 0)
		rc = loci__field_string(&config, a, &ret->config, err);
	if (rc == 0)
		rc = loci__field_strings_opt(&tags, a, &ret->tags, &ret->n_tags, err);
	if (rc == 0)
		rc = loci__field_strings_opt(&layers, a, &ret->layers, &ret->n_layers, err);
	return rc;
}

static int parse_images(const struct loci_json_at *root, struct loci__saved *s,
                        struct loci_error *err)
{
	int rc = loci__json_array(root, &s->n, err);
	if (rc == 0)
		rc = loci__field_count(root, s->n, IMAGES_MAX, err);
	if (rc < 0)
		return rc;
	s->images = loci__arena_array(&s->arena, s->n + 1, sizeof(*s->images));
	if (!s->images)
		return loci__err_nomem(err);
	for (size_t i = 0; rc == 0 && i < s->n; i++) {
		struct loci_json_at at = loci__json_element(root, i);
		rc = parse_image(&at, &s->arena, &s->images[i], err);
	}
	return rc;
}

int loci__saved_parse(const char *p, size_t n, struct loci__saved *ret, struct loci_error *err)
{
	static const struct loci_json_limits limits = {LOCI_DOCKER_SAVE_MAX, 8};
	struct loci__saved s loci__cleanup_saved = {.arena = LOCI_ARENA_INIT(16 * n + 65536)};
	loci__cleanup_json json_t *doc = NULL;
	int rc = loci__json_parse(p, n, &limits, LOCI_DOCKER_SAVE_FILE, &doc, err);
	if (rc < 0)
		return rc;
	struct loci_json_at root = loci__json_root(doc);
	rc = parse_images(&root, &s, err);
	if (rc < 0)
		return loci__err_prefix(err, rc, LOCI_DOCKER_SAVE_FILE);
	*ret = s;
	s = (struct loci__saved){0};
	return 0;
}

void loci__saved_done(struct loci__saved *s)
{
	loci__arena_done(&s->arena);
	*s = (struct loci__saved){0};
}

/* ---- the manifest that is made --------------------------------------------------------------- */

struct making {
	struct loci__import *im;
	const struct loci__saved_image *image;
	loci__saved_find_fn find;
	void *find_arg;
	struct loci_image_config *config;
	struct loci_buf json;
};

static int load_config(struct making *m, const struct loci__saved_file *file,
                       struct loci_error *err)
{
	loci__cleanup_close int fd = -1;
	loci__cleanup_free char *p = NULL;
	int rc = loci_blob_open(m->im->st, /* repo= */ NULL, &file->digest, &fd, NULL, err);
	if (rc < 0)
		return rc;
	if (file->size > MANIFEST_MAX)
		return loci__err_set(err, LOCI_E_TOO_LARGE, "config: more than %zu bytes",
		                     MANIFEST_MAX);
	if (!(p = malloc((size_t)file->size + 1)))
		return loci__err_nomem(err);
	ssize_t n = loci__read_full(fd, p, (size_t)file->size);
	if (n < 0)
		return loci__err_sys(err, "read '%s'", m->image->config);
	rc = loci_image_config_parse(p, (size_t)n, &m->config, err);
	if (rc == 0 && m->config->n_diff_ids != m->image->n_layers)
		rc = loci__err_set(err, LOCI_E_INVALID,
		                   "%zu layers, but %zu diff IDs in the config", m->image->n_layers,
		                   m->config->n_diff_ids);
	return rc;
}

static void put_descriptor(struct making *m, const char *media_type,
                           const struct loci__saved_file *file)
{
	char text[LOCI_DIGEST_STR_MAX];
	loci_digest_format(&file->digest, text);
	loci__buf_printf(&m->json, "{\"mediaType\":\"%s\",\"size\":%llu,\"digest\":\"%s\"}",
	                 media_type, (unsigned long long)file->size, text);
}

/* What is compressed against the custom cannot be held to its diff ID without unpacking: that is
 * then done by whoever unpacks it. */
static int put_layer(struct making *m, size_t i, struct loci_error *err)
{
	struct loci__saved_file file;
	int rc = m->find(m->find_arg, m->image->layers[i], &file, err);
	if (rc < 0)
		return rc;
	if (!file.gzip && !loci_digest_equal(&file.digest, &m->config->diff_ids[i])) {
		char want[LOCI_DIGEST_STR_MAX], got[LOCI_DIGEST_STR_MAX];
		loci_digest_format(&m->config->diff_ids[i], want);
		loci_digest_format(&file.digest, got);
		return loci__err_set(err, LOCI_E_DIGEST_MISMATCH, "'%.100s': expected %s, got %s",
		                     m->image->layers[i], want, got);
	}
	loci__buf_puts(&m->json, i ? "," : "");
	put_descriptor(m, file.gzip ? LAYER_GZIP : LAYER_TAR, &file);
	return 0;
}

static int make_manifest(struct making *m, struct loci_error *err)
{
	struct loci__saved_file config;
	int rc = m->find(m->find_arg, m->image->config, &config, err);
	if (rc == 0)
		rc = load_config(m, &config, err);
	if (rc < 0)
		return rc;
	loci__buf_puts(&m->json, "{\"schemaVersion\":2,\"mediaType\":\"" LOCI_MEDIA_DOCKER_MANIFEST
	                         "\",\"config\":");
	put_descriptor(m, LOCI_MEDIA_DOCKER_CONFIG, &config);
	loci__buf_puts(&m->json, ",\"layers\":[");
	for (size_t i = 0; rc == 0 && i < m->image->n_layers; i++)
		rc = put_layer(m, i, err);
	loci__buf_puts(&m->json, "]}");
	return rc < 0 ? rc : loci__buf_check(&m->json, "manifest", err);
}

/* ---- images ---------------------------------------------------------------------------------- */

static const struct loci__source in_the_store = {.dirfd = -1};

static int take_named(struct loci__import *im, const struct loci_digest *d, const char *text,
                      struct loci_error *err)
{
	struct loci__image_name name = {0};
	im->repo[0] = '\0';
	int rc = text ? loci__image_name_parse(text, &name, err) : 0;
	if (rc == 0 && !text && !im->opts.repo)
		rc = loci__err_set(err, LOCI_E_INVALID,
		                   "an image without a name: give a repository (--repo)");
	if (rc == 0)
		rc = loci__import_set_repo(im, name.repo, err);
	const char *tag = rc == 0 && name.tag[0] ? name.tag : NULL;
	if (rc == 0)
		rc = loci__import_take(im, &in_the_store, d, LOCI_MEDIA_DOCKER_MANIFEST, tag, err);
	return rc < 0 ? loci__import_failed(im, tag, d, rc, err) : 0;
}

static int import_image(struct making *m, struct loci_error *err)
{
	struct loci_digest d;
	int rc = make_manifest(m, err);
	if (rc == 0)
		rc = loci_blob_put(m->im->st, /* repo= */ NULL, m->json.p, m->json.len,
		                   /* want= */ NULL, &d, err);
	if (rc < 0) {
		const char *name = m->image->n_tags ? m->image->tags[0] : m->image->config;
		m->im->repo[0] = '\0';
		rc = loci__err_prefix(err, rc, "'%.200s'", name);
		return loci__import_failed(m->im, NULL, NULL, rc, err);
	}
	if (!m->image->n_tags)
		return take_named(m->im, &d, NULL, err);
	for (size_t i = 0; rc == 0 && i < m->image->n_tags; i++)
		rc = take_named(m->im, &d, m->image->tags[i], err);
	return rc;
}

int loci__saved_import(struct loci__import *im, const char *manifest, size_t n,
                       loci__saved_find_fn find, void *find_arg, struct loci_error *err)
{
	struct loci__saved s loci__cleanup_saved = {0};
	int rc = loci__saved_parse(manifest, n, &s, err);
	for (size_t i = 0; rc == 0 && i < s.n; i++) {
		struct making m = {.im = im,
		                   .image = &s.images[i],
		                   .find = find,
		                   .find_arg = find_arg,
		                   .json = LOCI_BUF_INIT(MANIFEST_MAX)};
		rc = import_image(&m, err);
		loci_image_config_free(m.config);
		loci__buf_done(&m.json);
	}
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manifests and indexes. The bytes are somebody else's and are never written again; what is made
 * here is a checked view of them. Strict where a lax reading would let one document mean two things
 * to two programs (a manifest that is an index too, a mediaType field that contradicts the
 * Content-Type), lax where the specs leave room for artifacts: unknown config and layer types, no
 * layers, unknown manifest types altogether.
 */
#include "loci/manifest.h"

#include "core/base/arena.h"
#include "core/base/err.h"
#include "core/base/json.h"
#include "core/spec/field.h"
#include "core/spec/media_type.h"
#include "core/spec/platform.h"

#include <string.h>

#define DEPTH_MAX       64
#define DESCRIPTORS_MAX 10000
#define SCHEMA_VERSION  2

struct parsed {
	struct loci__arena arena; /* holds this too */
	struct loci_manifest m;
};

void loci_manifest_free(struct loci_manifest *m)
{
	if (!m)
		return;
	struct loci__arena a = ((struct parsed *)((char *)m - offsetof(struct parsed, m)))->arena;
	loci__arena_done(&a);
}

/* ---- descriptors ------------------------------------------------------------------------------
 */

static int check_media_type(const struct loci_json_at *at, const char *s, struct loci_error *err)
{
	if (!s || loci__media_is_valid(s))
		return 0;
	return loci__json_err(at, err, "'%.80s' is no media type (type/subtype)", s);
}

static int parse_media_type(const struct loci_json_at *up, const char *key, bool required,
                            struct loci__arena *a, const char **ret, struct loci_error *err)
{
	struct loci_json_at at = loci__json_member(up, key);
	int rc = required ? loci__field_string(&at, a, ret, err)
	                  : loci__field_string_opt(&at, a, ret, err);
	return rc < 0 ? rc : check_media_type(&at, *ret, err);
}

static int parse_descriptor(const struct loci_json_at *at, struct loci__arena *a,
                            struct loci_descriptor *d, struct loci_error *err)
{
	int rc = loci__json_object(at, err);
	if (rc < 0)
		return rc;
	struct loci_json_at digest = loci__json_member(at, "digest");
	struct loci_json_at size = loci__json_member(at, "size");
	struct loci_json_at annotations = loci__json_member(at, "annotations");
	if ((rc = parse_media_type(at, "mediaType", true, a, &d->media_type, err)) < 0 ||
	    (rc = loci__field_digest(&digest, &d->digest, err)) < 0 ||
	    (rc = loci__json_u64(&size, &d->size, err)) < 0 ||
	    (rc = parse_media_type(at, "artifactType", false, a, &d->artifact_type, err)) < 0)
		return rc;
	return loci__field_map_opt(&annotations, a, &d->annotations, &d->n_annotations, err);
}

/* Absent: *ret stays NULL. */
static int parse_descriptor_opt(const struct loci_json_at *at, struct loci__arena *a,
                                const struct loci_descriptor **ret, struct loci_error *err)
{
	if (!at->v)
		return 0;
	struct loci_descriptor *d = loci__arena_alloc(a, sizeof(*d));
	if (!d)
		return loci__err_nomem(err);
	*ret = d;
	return parse_descriptor(at, a, d, err);
}

static int parse_descriptors(const struct loci_json_at *at, struct loci__arena *a,
                             bool with_platform, const struct loci_descriptor **ret, size_t *ret_n,
                             struct loci_error *err)
{
	size_t n;
	int rc = loci__json_array(at, &n, err);
	if (rc < 0 || (rc = loci__field_count(at, n, DESCRIPTORS_MAX, err)) < 0)
		return rc;
	struct loci_descriptor *list = n ? loci__arena_array(a, n, sizeof(*list)) : NULL;
	if (n && !list)
		return loci__err_nomem(err);
	for (size_t i = 0; i < n; i++) {
		struct loci_json_at element = loci__json_element(at, i);
		rc = parse_descriptor(&element, a, &list[i], err);
		if (rc < 0)
			return rc;
		struct loci_json_at platform = loci__json_member(&element, "platform");
		if (with_platform && platform.v &&
		    (rc = loci__field_platform(&platform, a, &list[i].platform, err)) < 0)
			return rc;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

/* ---- which kind of document -------------------------------------------------------------------
 */

static int refuse_schema1(struct loci_error *err)
{
	return loci__err_set(err, LOCI_E_UNSUPPORTED,
	                     "docker schema 1 (deprecated): convert the image to schema 2 "
	                     "or OCI");
}

static bool has(const json_t *root, const char *key)
{
	json_t *v = json_object_get(root, key);
	return v && !json_is_null(v);
}

/* A document without a media type says what it is by its members (both specs require them). */
static int deduce_type(const struct loci_json_at *root, const char **ret, struct loci_error *err)
{
	json_t *version = json_object_get(root->v, "schemaVersion");
	if (has(root->v, "fsLayers") || json_integer_value(version) == 1)
		return refuse_schema1(err);
	if (has(root->v, "manifests"))
		*ret = LOCI_MEDIA_OCI_INDEX;
	else if (has(root->v, "config"))
		*ret = LOCI_MEDIA_OCI_MANIFEST;
	else
		return loci__json_err(root, err,
		                      "expected mediaType, or the members of a manifest (config) "
		                      "or of an index (manifests)");
	return 0;
}

static int settle_type(const struct loci_json_at *root, const char *content_type, const char **ret,
                       struct loci_error *err)
{
	const char *own = NULL;
	struct loci_json_at at = loci__json_member(root, "mediaType");
	if (json_is_object(root->v)) {
		int rc = loci__json_string_opt(&at, &own, err);
		if (rc < 0)
			return rc;
	}
	if ((content_type && loci__media_is_schema1(content_type)) ||
	    (own && loci__media_is_schema1(own)))
		return refuse_schema1(err);
	if (own && content_type && !loci__media_equal(own, content_type))
		return loci__json_err(&at, err, "'%.80s' contradicts the Content-Type '%.80s'", own,
		                      content_type);
	*ret = content_type ? content_type : own;
	if (*ret)
		return 0;
	int rc = loci__json_object(root, err);
	return rc < 0 ? rc : deduce_type(root, ret, err);
}

/* ---- documents --------------------------------------------------------------------------------
 */

/* What makes a document two things at once. */
static int refuse_members(const struct loci_json_at *root, const char *const *keys,
                          const char *what, struct loci_error *err)
{
	for (; *keys; keys++) {
		struct loci_json_at at = loci__json_member(root, *keys);
		if (at.v)
			return loci__json_err(&at, err, "not allowed in %s", what);
	}
	return 0;
}

static int check_version(const struct loci_json_at *root, const char *media_type,
                         struct loci_error *err)
{
	int64_t version;
	const char *own;
	struct loci_json_at at = loci__json_member(root, "schemaVersion");
	int rc = loci__json_i64(&at, &version, err);
	if (rc < 0)
		return rc;
	if (version == 1)
		return refuse_schema1(err);
	if (version != SCHEMA_VERSION)
		return loci__json_err(&at, err, "expected %d, found %lld", SCHEMA_VERSION,
		                      (long long)version);
	/* Docker's registries always demanded the field; in OCI it is only advised. */
	at = loci__json_member(root, "mediaType");
	return loci__media_is_docker(media_type) ? loci__json_string(&at, &own, err) : 0;
}

static int parse_image(const struct loci_json_at *root, struct loci__arena *a,
                       struct loci_manifest *m, struct loci_error *err)
{
	static const char *const foreign[] = {"manifests", "fsLayers", NULL};
	struct loci_json_at config = loci__json_member(root, "config");
	struct loci_json_at layers = loci__json_member(root, "layers");
	int rc = refuse_members(root, foreign, "an image manifest", err);
	if (rc < 0 || (rc = loci__json_object(&config, err)) < 0 ||
	    (rc = parse_descriptor_opt(&config, a, &m->config, err)) < 0)
		return rc;
	/* OCI only advises to have layers; docker has no image without the list. */
	if (!layers.v && !loci__media_is_docker(m->media_type))
		return 0;
	return parse_descriptors(&layers, a, /* with_platform= */ false, &m->layers, &m->n_layers,
	                         err);
}

static int parse_index(const struct loci_json_at *root, struct loci__arena *a,
                       struct loci_manifest *m, struct loci_error *err)
{
	static const char *const foreign[] = {"layers", "config", "fsLayers", NULL};
	struct loci_json_at entries = loci__json_member(root, "manifests");
	int rc = refuse_members(root, foreign, "an index", err);
	if (rc < 0)
		return rc;
	return parse_descriptors(&entries, a, /* with_platform= */ true, &m->entries, &m->n_entries,
	                         err);
}

/* What images and indexes have in common. Docker's types know neither of these. */
static int parse_shared(const struct loci_json_at *root, struct loci__arena *a,
                        struct loci_manifest *m, struct loci_error *err)
{
	if (loci__media_is_docker(m->media_type))
		return 0;
	struct loci_json_at subject = loci__json_member(root, "subject");
	struct loci_json_at annotations = loci__json_member(root, "annotations");
	int rc = parse_media_type(root, "artifactType", false, a, &m->artifact_type, err);
	if (rc < 0 || (rc = parse_descriptor_opt(&subject, a, &m->subject, err)) < 0)
		return rc;
	return loci__field_map_opt(&annotations, a, &m->annotations, &m->n_annotations, err);
}

static int parse_document(const struct loci_json_at *root, struct loci__arena *a,
                          struct loci_manifest *m, struct loci_error *err)
{
	int media_kind = loci_media_kind(m->media_type);
	m->kind = media_kind == LOCI_MEDIA_IMAGE_MANIFEST ? LOCI_MANIFEST_IMAGE
	          : media_kind == LOCI_MEDIA_IMAGE_INDEX  ? LOCI_MANIFEST_INDEX
	                                                  : LOCI_MANIFEST_OTHER;
	if (m->kind == LOCI_MANIFEST_OTHER)
		return 0;
	int rc = loci__json_object(root, err);
	if (rc < 0 || (rc = check_version(root, m->media_type, err)) < 0)
		return rc;
	rc = m->kind == LOCI_MANIFEST_IMAGE ? parse_image(root, a, m, err)
	                                    : parse_index(root, a, m, err);
	return rc < 0 ? rc : parse_shared(root, a, m, err);
}

static int copy_media_type(const char *media_type, struct loci__arena *a, struct loci_manifest *m,
                           struct loci_error *err)
{
	struct loci_slice essence = loci__media_essence(media_type);
	m->media_type = loci__arena_strndup(a, essence.p, essence.n);
	if (!m->media_type)
		return loci__err_nomem(err);
	if (!loci__media_is_valid(m->media_type))
		return loci__err_set(err, LOCI_E_INVALID, "'%.80s' is no media type (type/subtype)",
		                     m->media_type);
	return 0;
}

int loci_manifest_parse(const void *json, size_t n, const char *media_type,
                        struct loci_manifest **ret, struct loci_error *err)
{
	static const struct loci_json_limits limits = {LOCI_MANIFEST_SIZE_MAX, DEPTH_MAX};
	loci__cleanup_json json_t *doc = NULL;
	/* Descriptors take more room than their text did, but not much more. */
	loci__cleanup_arena struct loci__arena a = LOCI_ARENA_INIT(16 * n + 65536);
	struct parsed *p = loci__arena_alloc(&a, sizeof(*p));
	if (!p)
		return loci__err_nomem(err);
	int rc = loci__json_parse(json, n, &limits, "manifest", &doc, err);
	if (rc < 0)
		return rc;
	struct loci_json_at root = loci__json_root(doc);
	if ((rc = settle_type(&root, media_type, &media_type, err)) < 0 ||
	    (rc = copy_media_type(media_type, &a, &p->m, err)) < 0 ||
	    (rc = parse_document(&root, &a, &p->m, err)) < 0)
		return loci__err_prefix(err, rc, "manifest");
	rc = loci_digest_bytes(LOCI_SHA256, json, n, &p->m.digest, err);
	if (rc < 0)
		return rc;
	p->m.size = n;
	p->arena = a;
	a.chunks = NULL;
	*ret = &p->m;
	return 0;
}

/* ---- choosing ---------------------------------------------------------------------------------
 */

static bool has_platform(const struct loci_descriptor *d)
{
	return d->platform.os || d->platform.arch;
}

static bool is_image(const struct loci_descriptor *d)
{
	return loci_media_kind(d->media_type) == LOCI_MEDIA_IMAGE_MANIFEST;
}

static bool suits(const struct loci_descriptor *d, const struct loci_platform_key *want)
{
	struct loci_platform_key k;
	return is_image(d) && has_platform(d) && loci__platform_key(&d->platform, &k) &&
	       loci__platform_key_equal(&k, want);
}

const struct loci_descriptor *loci_manifest_pick(const struct loci_manifest *index,
                                                 const struct loci_platform *want)
{
	struct loci_platform_key candidates[LOCI_PLATFORM_CANDIDATES_MAX];
	size_t n = loci__platform_candidates(want, candidates);
	for (size_t c = 0; c < n; c++)
		for (size_t i = 0; i < index->n_entries; i++)
			if (suits(&index->entries[i], &candidates[c]))
				return &index->entries[i];
	for (size_t i = 0; i < index->n_entries; i++)
		if (is_image(&index->entries[i]) && !has_platform(&index->entries[i]))
			return &index->entries[i];
	return NULL;
}

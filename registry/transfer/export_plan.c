/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an export holds: from each name down through indexes and manifests to blobs, and with
 * referrers up to what refers to any of them. Each digest once; an entry of index.json for each
 * name and each referrer.
 *
 * Both names that tools look for stand with an entry: the tag as org.opencontainers.image.ref.name
 * (skopeo, umoci), the whole name as io.containerd.image.name (containerd, docker, our import).
 */
#include "registry/transfer/export.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "registry/transfer/image_name.h"

#include <string.h>

#define TAGS_BYTES_MAX ((size_t)64 << 20)
#define DEPTH_MAX      64 /* indexes in indexes, referrers of referrers */

LOCI_DEFINE_CLEANUP(manifest_free_ptr, struct loci_manifest, loci_manifest_free)
LOCI_DEFINE_CLEANUP(bytes_free_ptr, struct loci_manifest_bytes, loci_manifest_bytes_free)

/* ---- names ----------------------------------------------------------------------------------- */

static int name_err(const char *name, struct loci_error *err)
{
	return loci__err_set(err, LOCI_E_INVALID,
	                     "'%.300s': expected REPOSITORY, REPOSITORY:TAG or REPOSITORY@DIGEST",
	                     name);
}

int loci__export_name(const char *name, char repo[LOCI_REPO_MAX + 1], char tag[LOCI_TAG_MAX + 1],
                      struct loci_digest *ret_digest, struct loci_error *err)
{
	const char *at = strchr(name, '@'), *colon = strrchr(name, ':');
	const char *end = at ? at : colon ? colon : name + strlen(name);
	size_t n = (size_t)(end - name);
	tag[0] = '\0';
	*ret_digest = (struct loci_digest){0};
	if (!loci_repo_is_valid(name, n))
		return name_err(name, err);
	memcpy(repo, name, n);
	repo[n] = '\0';
	if (at)
		return loci_digest_parse(at + 1, strlen(at + 1), ret_digest, err);
	if (!colon)
		return 0;
	if (!loci_tag_is_valid(colon + 1, strlen(colon + 1)))
		return name_err(name, err);
	memcpy(tag, colon + 1, strlen(colon + 1) + 1);
	return 0;
}

/* ---- entries of index.json ------------------------------------------------------------------- */

static void put_member(struct loci_buf *b, const char *before, const char *key, const char *value)
{
	loci__buf_puts(b, before);
	loci__buf_json_string(b, key);
	loci__buf_putc(b, ':');
	loci__buf_json_string(b, value);
}

static int put_entry(struct loci__export *ex, const char *repo, const char *tag,
                     const struct loci_manifest_bytes *bytes, const struct loci_manifest *m,
                     struct loci_error *err)
{
	struct loci_buf *b = &ex->index;
	char digest[LOCI_DIGEST_STR_MAX], name[LOCI_REF_STR_MAX];
	const char *media_type = *bytes->media_type ? bytes->media_type : m->media_type;
	loci_digest_format(&bytes->digest, digest);
	snprintf(name, sizeof(name), "%s%s%s", repo, tag ? ":" : "@", tag ? tag : digest);
	put_member(b, b->len ? ",{" : "{", "mediaType", media_type);
	put_member(b, ",", "digest", digest);
	loci__buf_printf(b, ",\"size\":%zu", bytes->n);
	if (m->artifact_type)
		put_member(b, ",", "artifactType", m->artifact_type);
	put_member(b, ",\"annotations\":{", LOCI_ANNOTATION_IMAGE_NAME, name);
	if (tag)
		put_member(b, ",", LOCI_ANNOTATION_REF_NAME, ex->one_repo ? tag : name);
	loci__buf_puts(b, "}}");
	return loci__buf_check(b, "index.json", err);
}

/* ---- walking --------------------------------------------------------------------------------- */

struct walk {
	struct loci__export *ex;
	const char *repo;
	unsigned depth;
};

static int add_manifest(struct walk *w, const char *tag, const struct loci_digest *d, bool is_entry,
                        struct loci_error *err);

static int add_blob(struct walk *w, const struct loci_descriptor *d, struct loci_error *err)
{
	uint64_t size;
	int rc = loci_blob_stat(w->ex->st, w->repo, &d->digest, &size, err);
	if (rc == LOCI_E_NOT_FOUND &&
	    (w->ex->opts.flags & LOCI_EXPORT_SPARSE || loci_media_is_foreign(d->media_type)))
		return 0;
	rc = rc < 0 ? rc : loci__digest_set_add(&w->ex->seen, &d->digest, err);
	return rc < 0 ? rc : 0;
}

static int add_child(struct walk *w, const struct loci_descriptor *d, struct loci_error *err)
{
	int kind = loci_media_kind(d->media_type);
	if (kind != LOCI_MEDIA_IMAGE_MANIFEST && kind != LOCI_MEDIA_IMAGE_INDEX)
		return add_blob(w, d, err);
	int rc = add_manifest(w, /* tag= */ NULL, &d->digest, /* is_entry= */ false, err);
	return rc == LOCI_E_NOT_FOUND && w->ex->opts.flags & LOCI_EXPORT_SPARSE ? 0 : rc;
}

static int add_below(struct walk *w, const struct loci_manifest *m, struct loci_error *err)
{
	int rc = m->config ? add_blob(w, m->config, err) : 0;
	for (size_t i = 0; rc == 0 && i < m->n_layers; i++)
		rc = add_blob(w, &m->layers[i], err);
	for (size_t i = 0; rc == 0 && i < m->n_entries; i++)
		rc = add_child(w, &m->entries[i], err);
	return rc;
}

/* Digests first: no store call may be made inside a listing. */
static int note_referrer(void *arg, const struct loci_manifest_bytes *m)
{
	struct loci__digest_set *found = arg;
	return loci__digest_set_add(found, &m->digest, /* err= */ NULL) < 0;
}

static int add_referrers(struct walk *w, const struct loci_digest *d, struct loci_error *err)
{
	struct loci__digest_set found = {0};
	int rc = loci_referrer_foreach(w->ex->st, w->repo, d, /* after= */ NULL, note_referrer,
	                               &found, err);
	for (size_t i = 0; rc == 0 && i < found.n; i++)
		rc = add_manifest(w, /* tag= */ NULL, &found.v[i], /* is_entry= */ true, err);
	loci__digest_set_done(&found);
	return rc;
}

static int add_new(struct walk *w, const struct loci_manifest *m, const struct loci_digest *d,
                   struct loci_error *err)
{
	int rc = loci__digest_set_add(&w->ex->manifests, d, err);
	if (rc >= 0)
		rc = add_below(w, m, err);
	if (rc == 0 && w->ex->opts.flags & LOCI_EXPORT_REFERRERS)
		rc = add_referrers(w, d, err);
	return rc;
}

/* By tag, or by digest. An entry that was seen below another one still gets its line. */
static int add_manifest(struct walk *w, const char *tag, const struct loci_digest *d, bool is_entry,
                        struct loci_error *err)
{
	loci__cleanup(bytes_free_ptr) struct loci_manifest_bytes *bytes = NULL;
	loci__cleanup(manifest_free_ptr) struct loci_manifest *m = NULL;
	if (w->depth == DEPTH_MAX)
		return loci__err_set(err, LOCI_E_TOO_LARGE,
		                     "'%s': manifests nested more than %d deep", w->repo,
		                     DEPTH_MAX);
	int rc = loci_manifest_get(w->ex->st, w->repo, tag, tag ? NULL : d, &bytes, err);
	if (rc == 0)
		rc = loci_manifest_parse(bytes->bytes, bytes->n,
		                         *bytes->media_type ? bytes->media_type : NULL, &m, err);
	if (rc < 0)
		return rc;
	int is_new = loci__digest_set_add(&w->ex->seen, &bytes->digest, err);
	/* A referrer that was met already has its line; a name has one each time it is given. */
	if (is_new >= 0 && is_entry && (w->depth == 0 || is_new))
		rc = put_entry(w->ex, w->repo, tag, bytes, m, err);
	if (rc < 0 || is_new <= 0)
		return rc < 0 ? rc : is_new;
	w->depth++;
	rc = add_new(w, m, &bytes->digest, err);
	w->depth--;
	return rc;
}

static bool is_tag(const struct walk *w, const char *tag)
{
	loci__cleanup(bytes_free_ptr) struct loci_manifest_bytes *m = NULL;
	return loci_manifest_get(w->ex->st, w->repo, tag, /* digest= */ NULL, &m, NULL) == 0;
}

/* Names first: no store call may be made inside a listing. */
static int note_tag(void *arg, const char *tag)
{
	return loci__buf_append(arg, tag, strlen(tag) + 1) < 0;
}

/* One that is deleted meanwhile is none of them any more. */
static int add_all_tags(struct walk *w, struct loci_error *err)
{
	struct loci_buf tags loci__cleanup_buf = LOCI_BUF_INIT(TAGS_BYTES_MAX);
	uint64_t before = w->ex->counts->tags;
	int rc = loci_tag_foreach(w->ex->st, w->repo, /* after= */ NULL, note_tag, &tags, err);
	if (tags.failed)
		return loci__buf_check(&tags, "list of tags", err);
	for (const char *tag = tags.p; rc == 0 && tag && tag < tags.p + tags.len;
	     tag += strlen(tag) + 1) {
		rc = add_manifest(w, tag, /* d= */ NULL, /* is_entry= */ true, err);
		w->ex->counts->tags += rc == 0;
		if (rc == LOCI_E_NOT_FOUND && !is_tag(w, tag))
			rc = 0;
	}
	if (rc == 0 && w->ex->counts->tags == before)
		return loci__err_set(err, LOCI_E_NOT_FOUND, "repository '%s' has no tags", w->repo);
	return rc;
}

int loci__export_add(struct loci__export *ex, const char *name, struct loci_error *err)
{
	char repo[LOCI_REPO_MAX + 1], tag[LOCI_TAG_MAX + 1];
	struct loci_digest d;
	struct walk w = {.ex = ex, .repo = repo};
	int rc = loci__export_name(name, repo, tag, &d, err);
	if (rc < 0)
		return rc;
	if (!tag[0] && !d.alg)
		return add_all_tags(&w, err);
	rc = add_manifest(&w, tag[0] ? tag : NULL, &d, /* is_entry= */ true, err);
	ex->counts->tags += rc == 0 && tag[0];
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One image with everything below it: blobs first, then the manifests that an index lists, then the
 * manifest with its tag. The store checks what a manifest refers to, and sets the tag in the same
 * transaction: whoever pulls meanwhile sees the whole image or none.
 *
 * Nothing is remembered between runs: every step looks first whether it is done, which costs a
 * look-up, and a second run writes nothing.
 */
#include "registry/transfer/import.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "core/base/fs.h"
#include "core/base/json.h"
#include "registry/transfer/beneath.h"

#include <string.h>

/* Indexes in indexes; image-spec knows no more than one in another. */
#define DEPTH_MAX 8

LOCI_DEFINE_CLEANUP(manifest_free_ptr, struct loci_manifest, loci_manifest_free)
LOCI_DEFINE_CLEANUP(bytes_free_ptr, struct loci_manifest_bytes, loci_manifest_bytes_free)

static bool has_flag(const struct loci__import *im, unsigned flag)
{
	return im->opts.flags & flag;
}

static struct loci_digest *slot_of(struct loci__import *im, const struct loci_digest *d)
{
	return &im->blobs[(d->bytes[0] | d->bytes[1] << 8) % LOCI_IMPORT_DONE_SLOTS];
}

static bool is_done(struct loci__import *im, const struct loci_digest *d)
{
	return loci_digest_equal(slot_of(im, d), d);
}

int loci__import_set_repo(struct loci__import *im, const char *name, struct loci_error *err)
{
	const char *before = im->opts.repo ? im->opts.repo : "";
	char repo[2 * (LOCI_REPO_MAX + 2)];
	int n = snprintf(repo, sizeof(repo), "%s%s%s", before, *before && *name ? "/" : "", name);
	if (n < 0 || !loci_repo_is_valid(repo, (size_t)n < sizeof(repo) ? (size_t)n : 0))
		return loci__err_set(err, LOCI_E_INVALID, "'%.300s' is no repository name", repo);
	memcpy(im->repo, repo, (size_t)n + 1);
	if (strcmp(repo, im->done_repo) != 0) {
		memcpy(im->done_repo, repo, (size_t)n + 1);
		memset(im->blobs, 0, sizeof(im->blobs));
		loci__digest_set_done(&im->manifests);
	}
	return 0;
}

/* ---- telling --------------------------------------------------------------------------------- */

void loci__import_add(struct loci__import *im, uint64_t *count, uint64_t n)
{
	pthread_mutex_lock(&im->shared->lock);
	*count += n;
	pthread_mutex_unlock(&im->shared->lock);
}

static int tell(struct loci__import *im, int kind, const char *tag, const struct loci_digest *d,
                const struct loci_error *why, struct loci_error *err)
{
	const struct loci_transfer_event ev = {
	        .kind = kind,
	        .repo = im->repo[0] ? im->repo : NULL,
	        .tag = tag,
	        .digest = d,
	        .err = why,
	        .counts = im->shared->counts,
	};
	if (!im->opts.event)
		return 0;
	pthread_mutex_lock(&im->shared->lock);
	int stop = im->opts.event(im->opts.event_arg, &ev);
	pthread_mutex_unlock(&im->shared->lock);
	return stop ? loci__err_set(err, LOCI_E_CANCELED, "canceled") : 0;
}

int loci__import_tell(struct loci__import *im, int kind, const char *tag,
                      const struct loci_digest *d, struct loci_error *err)
{
	return tell(im, kind, tag, d, /* why= */ NULL, err);
}

/* What would fail the next image just as well. */
static bool ends_everything(int rc)
{
	return rc == LOCI_E_NO_SPACE || rc == LOCI_E_NOMEM || rc == LOCI_E_CANCELED ||
	       rc == LOCI_E_READ_ONLY || rc == LOCI_E_USAGE;
}

int loci__import_failed(struct loci__import *im, const char *tag, const struct loci_digest *d,
                        int rc, struct loci_error *err)
{
	if (ends_everything(rc))
		return rc;
	bool schema1 = im->met_schema1;
	im->met_schema1 = false;
	struct loci_transfer_counts *c = im->shared->counts;
	loci__import_add(im, schema1 ? &c->schema1 : &c->failed, 1);
	struct loci_error why = *err;
	return tell(im, schema1 ? LOCI_TRANSFER_SCHEMA1 : LOCI_TRANSFER_FAILED, tag, d, &why, err);
}

/* ---- bytes of the source --------------------------------------------------------------------- */

static int not_in_source(const struct loci_digest *d, struct loci_error *err)
{
	char text[LOCI_DIGEST_STR_MAX];
	loci_digest_format(d, text);
	return loci__err_set(err, LOCI_E_NOT_FOUND, "%s is not in the source", text);
}

static int open_bytes(struct loci__import *im, const struct loci__source *src,
                      const struct loci_digest *d, int *ret_fd, uint64_t *ret_size,
                      struct loci_error *err)
{
	char path[LOCI_SOURCE_PATH_MAX];
	int rc;
	if (src->dirfd < 0) {
		rc = loci_blob_open(im->st, /* repo= */ NULL, d, ret_fd, ret_size, err);
	} else {
		src->path(d, path);
		rc = loci__beneath_open(src->dirfd, path, ret_fd, ret_size, err);
	}
	return rc == LOCI_E_NOT_FOUND ? not_in_source(d, err) : rc;
}

static int read_manifest(struct loci__import *im, const struct loci__source *src,
                         const struct loci_digest *d, char **ret, size_t *ret_n,
                         struct loci_error *err)
{
	loci__cleanup_close int fd = -1;
	uint64_t size;
	int rc = open_bytes(im, src, d, &fd, &size, err);
	if (rc < 0)
		return rc;
	if (size > im->opts.max_manifest_size)
		return loci__err_set(err, LOCI_E_TOO_LARGE, "manifest: %llu bytes, at most %zu",
		                     (unsigned long long)size, im->opts.max_manifest_size);
	loci__cleanup_free char *p = malloc((size_t)size + 1);
	if (!p)
		return loci__err_nomem(err);
	ssize_t n = loci__read_full(fd, p, (size_t)size);
	if (n < 0)
		return loci__err_sys(err, "read a manifest");
	*ret = loci__steal_ptr(&p);
	*ret_n = (size_t)n;
	return 0;
}

/* ---- blobs ----------------------------------------------------------------------------------- */

void loci__import_count(struct loci__import *im, int way, uint64_t size)
{
	struct loci_transfer_counts *c = im->shared->counts;
	loci__import_add(im, way == LOCI_ADOPTED_PRESENT ? &c->blobs_present : &c->blobs, 1);
	if (way == LOCI_ADOPTED_LINK)
		loci__import_add(im, &c->bytes_linked, size);
	else if (way == LOCI_ADOPTED_CLONE)
		loci__import_add(im, &c->bytes_cloned, size);
	else if (way == LOCI_ADOPTED_COPY)
		loci__import_add(im, &c->bytes_copied, size);
}

static unsigned adopt_flags(const struct loci__import *im, bool links_are_the_rule)
{
	bool link = (links_are_the_rule || has_flag(im, LOCI_IMPORT_LINK)) &&
	            !has_flag(im, LOCI_IMPORT_COPY);
	return (link ? LOCI_ADOPT_LINK : 0) |
	       (has_flag(im, LOCI_IMPORT_TRUST) ? LOCI_ADOPT_TRUST : 0);
}

int loci__import_adopt(struct loci__import *im, int fd, const struct loci_digest *d, uint64_t size,
                       struct loci_error *err)
{
	int way;
	unsigned flags = adopt_flags(im, /* links_are_the_rule= */ false);
	int rc = loci_blob_adopt(im->st, /* repo= */ NULL, fd, d, flags, &way, err);
	if (rc == 0)
		loci__import_count(im, way, size);
	return rc;
}

/* Counts what would be done. */
static int look_at_blob(struct loci__import *im, const struct loci__source *src,
                        const struct loci_digest *d, uint64_t size)
{
	uint64_t there;
	bool present = loci_blob_stat(im->st, /* repo= */ NULL, d, &there, /* err= */ NULL) == 0;
	loci__import_count(im,
	                   present                                        ? LOCI_ADOPTED_PRESENT
	                   : adopt_flags(im, src->link) & LOCI_ADOPT_LINK ? LOCI_ADOPTED_LINK
	                                                                  : LOCI_ADOPTED_COPY,
	                   size);
	return 0;
}

static pthread_mutex_t *stripe_of(struct loci__import *im, const struct loci_digest *d)
{
	return &im->shared->stripes[d->bytes[0] % LOCI_IMPORT_STRIPES];
}

static int adopt_once(struct loci__import *im, const struct loci__source *src, int fd,
                      const struct loci_digest *d, int *ret_way, struct loci_error *err)
{
	pthread_mutex_lock(stripe_of(im, d));
	int rc = loci_blob_adopt(im->st, im->repo, fd, d, adopt_flags(im, src->link), ret_way, err);
	pthread_mutex_unlock(stripe_of(im, d));
	return rc;
}

static int take_blob(struct loci__import *im, const struct loci__source *src,
                     const struct loci_descriptor *desc, struct loci_error *err)
{
	loci__cleanup_close int fd = -1;
	uint64_t size;
	int way = LOCI_ADOPTED_PRESENT;
	if (is_done(im, &desc->digest))
		return 0;
	int rc = open_bytes(im, src, &desc->digest, &fd, &size, err);
	if (rc == LOCI_E_NOT_FOUND &&
	    (has_flag(im, LOCI_IMPORT_SPARSE) || loci_media_is_foreign(desc->media_type)))
		return 0;
	if (rc == 0 && has_flag(im, LOCI_IMPORT_DRY_RUN))
		rc = look_at_blob(im, src, &desc->digest, size);
	else if (rc == 0) {
		rc = adopt_once(im, src, fd, &desc->digest, &way, err);
		if (rc == 0 && src->dirfd >= 0) /* else it was counted when it came */
			loci__import_count(im, way, size);
	}
	if (rc < 0)
		return rc;
	*slot_of(im, &desc->digest) = desc->digest;
	return loci__import_tell(im, LOCI_TRANSFER_PROGRESS, NULL, NULL, err);
}

/* ---- manifests ------------------------------------------------------------------------------- */

static int take_manifest(struct loci__import *im, const struct loci__source *src,
                         const struct loci_digest *d, const char *media_type, const char *tag,
                         unsigned depth, struct loci_error *err);

/* An entry of another type may be a blob, as BuildKit's caches have them. */
static bool is_manifest_type(const char *media_type)
{
	int kind = loci_media_kind(media_type);
	return kind == LOCI_MEDIA_IMAGE_MANIFEST || kind == LOCI_MEDIA_IMAGE_INDEX;
}

static int take_entry(struct loci__import *im, const struct loci__source *src,
                      const struct loci_descriptor *e, unsigned depth, struct loci_error *err)
{
	if (!is_manifest_type(e->media_type))
		return take_blob(im, src, e, err);
	int rc = take_manifest(im, src, &e->digest, e->media_type, /* tag= */ NULL, depth + 1, err);
	return rc == LOCI_E_NOT_FOUND && has_flag(im, LOCI_IMPORT_SPARSE) ? 0 : rc;
}

static int take_below(struct loci__import *im, const struct loci__source *src,
                      const struct loci_manifest *m, unsigned depth, struct loci_error *err)
{
	int rc = m->config ? take_blob(im, src, m->config, err) : 0;
	for (size_t i = 0; rc == 0 && i < m->n_layers; i++)
		rc = take_blob(im, src, &m->layers[i], err);
	for (size_t i = 0; rc == 0 && i < m->n_entries; i++)
		rc = take_entry(im, src, &m->entries[i], depth, err);
	return rc;
}

/* Whether the repository has the manifest, and the tag where it should be. */
static bool is_there(const struct loci__import *im, const struct loci_digest *d, const char *tag)
{
	loci__cleanup(bytes_free_ptr) struct loci_manifest_bytes *m = NULL, *tagged = NULL;
	if (loci_manifest_get(im->st, im->repo, /* tag= */ NULL, d, &m, /* err= */ NULL) < 0)
		return false;
	if (!tag)
		return true;
	return loci_manifest_get(im->st, im->repo, tag, /* digest= */ NULL, &tagged, NULL) == 0 &&
	       (has_flag(im, LOCI_IMPORT_KEEP_TAGS) || loci_digest_equal(&tagged->digest, d));
}

static bool is_tag_taken(const struct loci__import *im, const char *tag)
{
	loci__cleanup(bytes_free_ptr) struct loci_manifest_bytes *m = NULL;
	return has_flag(im, LOCI_IMPORT_KEEP_TAGS) &&
	       loci_manifest_get(im->st, im->repo, tag, /* digest= */ NULL, &m, NULL) == 0;
}

static int put(struct loci__import *im, const struct loci_digest *d, const char *media_type,
               const char *bytes, size_t n, const char *tag, struct loci_error *err)
{
	if (is_there(im, d, tag)) {
		loci__import_add(im, &im->shared->counts->manifests_present, 1);
		return 0;
	}
	if (tag && is_tag_taken(im, tag))
		tag = NULL;
	const struct loci_manifest_put o = {
	        .struct_size = sizeof(o),
	        .media_type = media_type,
	        .bytes = bytes,
	        .n = n,
	        .want = d,
	        .tags = &tag,
	        .n_tags = tag ? 1 : 0,
	        .flags = has_flag(im, LOCI_IMPORT_SPARSE) ? LOCI_MANIFEST_PUT_SPARSE : 0,
	};
	int rc = has_flag(im, LOCI_IMPORT_DRY_RUN)
	                 ? 0
	                 : loci_manifest_put(im->st, im->repo, &o, /* res= */ NULL, err);
	if (rc == 0)
		loci__import_add(im, &im->shared->counts->manifests, 1);
	return rc;
}

static bool is_schema1(const char *bytes, size_t n)
{
	const struct loci_json_limits limits = {LOCI_MANIFEST_SIZE_MAX, 64};
	loci__cleanup_json json_t *doc = NULL;
	if (loci__json_parse(bytes, n, &limits, "manifest", &doc, /* err= */ NULL) < 0)
		return false;
	return json_integer_value(json_object_get(doc, "schemaVersion")) == 1;
}

static int take_manifest(struct loci__import *im, const struct loci__source *src,
                         const struct loci_digest *d, const char *media_type, const char *tag,
                         unsigned depth, struct loci_error *err)
{
	loci__cleanup_free char *bytes = NULL;
	loci__cleanup(manifest_free_ptr) struct loci_manifest *m = NULL;
	size_t n = 0;
	if (depth > DEPTH_MAX)
		return loci__err_set(err, LOCI_E_TOO_LARGE, "indexes in indexes, more than %d deep",
		                     DEPTH_MAX);
	bool done = loci__digest_set_has(&im->manifests, d);
	if (done && !tag)
		return 0;
	int rc = read_manifest(im, src, d, &bytes, &n, err);
	if (rc == 0)
		rc = loci_manifest_parse(bytes, n, media_type, &m, err);
	if (rc == LOCI_E_UNSUPPORTED)
		im->met_schema1 = is_schema1(bytes, n);
	if (rc == 0 && !done)
		rc = take_below(im, src, m, depth, err);
	if (rc == 0) {
		pthread_mutex_lock(stripe_of(im, d));
		rc = put(im, d, media_type, bytes, n, tag, err);
		pthread_mutex_unlock(stripe_of(im, d));
	}
	if (rc == 0) /* with no room for it, it is looked at again */
		(void)loci__digest_set_add(&im->manifests, d, /* err= */ NULL);
	return rc;
}

int loci__import_take(struct loci__import *im, const struct loci__source *src,
                      const struct loci_digest *d, const char *media_type, const char *tag,
                      struct loci_error *err)
{
	int rc = take_manifest(im, src, d, media_type, tag, /* depth= */ 0, err);
	if (rc < 0 || !tag)
		return rc;
	loci__import_add(im, &im->shared->counts->tags, 1);
	return loci__import_tell(im, LOCI_TRANSFER_TAG, tag, d, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The digest is always computed over what came; what headers say is compared with it, never
 * believed. One exception, which trusts the registry with no more than a tag does anyway: for a
 * name that was pulled before, a HEAD that still says the same digest saves the GET.
 */
#include "puller/manifests.h"

#include "core/base/cleanup.h"
#include "core/base/cursor.h"
#include "core/base/err.h"

#include <string.h>

#define ACCEPT                                                                         \
	LOCI_MEDIA_OCI_INDEX ", " LOCI_MEDIA_OCI_MANIFEST ", " LOCI_MEDIA_DOCKER_INDEX \
	                     ", " LOCI_MEDIA_DOCKER_MANIFEST

void loci__document_done(struct loci_document *d)
{
	free(d->media_type);
	free(d->bytes);
	if (d->parsed)
		loci_manifest_free(d->parsed);
	memset(d, 0, sizeof(*d));
}
#define cleanup_document __attribute__((cleanup(loci__document_done)))

void loci__resolution_done(struct loci_resolution *r)
{
	for (size_t i = 0; i < r->n; i++)
		loci__document_done(&r->path[i]);
	r->n = 0;
}

/* ---- one document ---- */

/* Content types that a registry without manners gives to JSON; then the document is believed. */
static const char *usable_type(const struct loci_buf *content_type)
{
	static const char *const vague[] = {"application/json", "application/octet-stream",
	                                    "text/plain", "text/html"};
	if (!content_type->len || content_type->failed)
		return NULL;
	size_t n = strcspn(content_type->p, "; \t");
	for (size_t i = 0; i < loci__array_len(vague); i++) {
		if (loci__slice_is_nocase(loci__slice(content_type->p, n), vague[i]))
			return NULL;
	}
	return content_type->p;
}

static int parse_document(struct loci_document *d, const char *media_type, struct loci_error *err)
{
	int rc = loci_manifest_parse(d->bytes, d->n, media_type, &d->parsed, err);
	if (rc < 0)
		return rc;
	d->media_type = strdup(d->parsed->media_type ? d->parsed->media_type
	                       : media_type          ? media_type
	                                             : "application/json");
	return d->media_type ? 0 : loci__err_nomem(err);
}

static int mismatch(const char *what, const struct loci_digest *want, const struct loci_digest *got,
                    struct loci_error *err)
{
	char want_text[LOCI_DIGEST_STR_MAX], got_text[LOCI_DIGEST_STR_MAX];
	loci_digest_format(want, want_text);
	loci_digest_format(got, got_text);
	return loci__err_set(err, LOCI_E_DIGEST_MISMATCH, "%s: expected %s, content has %s", what,
	                     want_text, got_text);
}

/* Docker-Content-Digest may use another algorithm than we do: nothing to compare then. */
static int check_said_digest(const struct loci_http_response *resp, const struct loci_digest *got,
                             struct loci_error *err)
{
	struct loci_digest said;
	const struct loci_buf *field = &resp->content_digest;
	if (!field->len || field->failed ||
	    loci_digest_parse(field->p, field->len, &said, NULL) < 0 || said.alg != got->alg)
		return 0;
	return loci_digest_equal(&said, got)
	               ? 0
	               : mismatch("manifest against docker-content-digest", &said, got, err);
}

static int take_body(struct loci_http_response *resp, const struct loci_digest *want,
                     struct loci_document *d, struct loci_error *err)
{
	d->n = resp->body.len;
	if (!d->n)
		return loci__err_set(err, LOCI_E_INVALID, "empty manifest");
	d->bytes = loci__buf_steal(&resp->body);
	if (!d->bytes)
		return loci__err_nomem(err);
	int rc = loci_digest_bytes(want->alg ? want->alg : LOCI_SHA256, d->bytes, d->n, &d->digest,
	                           err);
	if (rc < 0)
		return rc;
	if (want->alg && !loci_digest_equal(want, &d->digest))
		return mismatch("manifest", want, &d->digest, err);
	return check_said_digest(resp, &d->digest, err);
}

/* want->alg 0: whatever the tag points at. media_type NULL: as the response says. */
static int fetch(struct loci_remote *r, struct loci_http *h, const char *what,
                 const struct loci_digest *want, const char *media_type, size_t max,
                 struct loci_document *ret, struct loci_error *err)
{
	cleanup_document struct loci_document d = {0};
	loci__cleanup_response struct loci_http_response resp;
	loci__http_response_init(&resp);
	struct loci_remote_request req = {
	        .method = "GET",
	        .kind = "manifests",
	        .what = what,
	        .accept = ACCEPT,
	        .body_max = max,
	};
	int rc = loci__remote_request(r, h, &req, &resp, err);
	if (rc < 0)
		return rc;
	rc = take_body(&resp, want, &d, err);
	if (rc >= 0)
		rc = parse_document(&d, media_type ? media_type : usable_type(&resp.content_type),
		                    err);
	if (rc < 0)
		return loci__err_prefix(err, rc, "%s/%s, manifest %s", r->ref->host, r->ref->repo,
		                        what);
	*ret = d;
	memset(&d, 0, sizeof(d));
	return 0;
}

/* NOT_FOUND without a message when the store does not have it. */
static int from_store(struct loci_store *st, const struct loci_digest *digest,
                      struct loci_document *ret, struct loci_error *err)
{
	cleanup_document struct loci_document d = {.digest = *digest, .in_store = true};
	struct loci_manifest_bytes *stored;
	int rc = loci_manifest_get(st, /* repo= */ NULL, /* tag= */ NULL, digest, &stored, err);
	if (rc < 0)
		return rc;
	d.n = stored->n;
	d.bytes = malloc(stored->n + 1);
	if (d.bytes) {
		memcpy(d.bytes, stored->bytes, stored->n);
		d.bytes[stored->n] = '\0';
		rc = parse_document(&d, stored->media_type, err);
	} else {
		rc = loci__err_nomem(err);
	}
	loci_manifest_bytes_free(stored);
	if (rc < 0)
		return rc;
	*ret = d;
	memset(&d, 0, sizeof(d));
	return 0;
}

/* ---- the top ---- */

/* Whether the registry still means the digest that was pulled under this name last. */
static bool tag_is_unchanged(struct loci_remote *r, struct loci_http *h,
                             const struct loci_digest *known)
{
	loci__cleanup_response struct loci_http_response resp;
	loci__http_response_init(&resp);
	struct loci_digest said;
	struct loci_remote_request req = {
	        .method = "HEAD",
	        .kind = "manifests",
	        .what = r->ref->tag,
	        .accept = ACCEPT,
	};
	const struct loci_buf *field = &resp.content_digest;
	return loci__remote_try(r, h, &req, &resp, NULL) >= 0 && field->len && !field->failed &&
	       loci_digest_parse(field->p, field->len, &said, NULL) >= 0 &&
	       loci_digest_equal(&said, known);
}

static int top_by_tag(struct loci_remote *r, struct loci_http *h, struct loci_store *st,
                      struct loci_document *ret, struct loci_error *err)
{
	static const struct loci_digest any = {0};
	char name[LOCI_REF_STR_MAX];
	struct loci_image before;
	loci_ref_format(r->ref, name);
	if (loci_image_get(st, name, &before, NULL) >= 0 && tag_is_unchanged(r, h, &before.top) &&
	    from_store(st, &before.top, ret, NULL) >= 0)
		return 0;
	return fetch(r, h, r->ref->tag, &any, NULL, LOCI_MANIFEST_FETCH_MAX, ret, err);
}

int loci__manifest_top(struct loci_remote *r, struct loci_http *h, struct loci_store *st,
                       struct loci_document *ret, struct loci_error *err)
{
	const struct loci_ref *ref = r->ref;
	char digest[LOCI_DIGEST_STR_MAX];
	if (!ref->digest.alg)
		return top_by_tag(r, h, st, ret, err);
	int rc = from_store(st, &ref->digest, ret, err);
	if (rc != LOCI_E_NOT_FOUND)
		return rc;
	loci_digest_format(&ref->digest, digest);
	return fetch(r, h, digest, &ref->digest, NULL, LOCI_MANIFEST_FETCH_MAX, ret, err);
}

/* ---- down to the platform ---- */

static int no_platform(const struct loci_remote *r, const struct loci_manifest *index,
                       const struct loci_platform *want, struct loci_error *err)
{
	char wanted[LOCI_PLATFORM_STR_MAX], one[LOCI_PLATFORM_STR_MAX];
	char list[LOCI_ERROR_MSG_MAX / 2] = "";
	size_t len = 0;
	loci_platform_format(want, wanted);
	for (size_t i = 0; i < index->n_entries; i++) {
		const struct loci_platform *p = &index->entries[i].platform;
		/* Attestations stand in an index as unknown/unknown. */
		if (!p->os || !p->arch || !strcmp(p->os, "unknown"))
			continue;
		size_t n = loci_platform_format(p, one);
		if (len + n + 6 > sizeof(list)) {
			memcpy(list + len, " …", sizeof(" …"));
			break;
		}
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", len ? ", " : "",
		                        one);
	}
	return loci__err_set(err, LOCI_E_UNSUPPORTED, "%s/%s has no %s, only %s", r->ref->host,
	                     r->ref->repo, wanted, *list ? list : "entries without a platform");
}

/* An index in an index, when no image suits: one that says it is for the platform, else one that
 * says nothing. */
static const struct loci_descriptor *pick_index(const struct loci_manifest *m,
                                                const struct loci_platform *want)
{
	const struct loci_descriptor *silent = NULL;
	for (size_t i = 0; i < m->n_entries; i++) {
		const struct loci_descriptor *e = &m->entries[i];
		if (loci_media_kind(e->media_type) != LOCI_MEDIA_IMAGE_INDEX)
			continue;
		if (!e->platform.os || !e->platform.arch)
			silent = silent ? silent : e;
		else if (want->os && want->arch && !strcmp(e->platform.os, want->os) &&
		         !strcmp(e->platform.arch, want->arch))
			return e;
	}
	return silent;
}

static int check_size(const struct loci_descriptor *desc, const struct loci_document *d,
                      struct loci_error *err)
{
	if (d->n == desc->size)
		return 0;
	return loci__err_set(err, LOCI_E_SIZE_MISMATCH,
	                     "manifest of the index: expected %llu bytes, found %zu",
	                     (unsigned long long)desc->size, d->n);
}

/* The document that an index's entry names: of that digest, that size and that type. */
static int entry_document(struct loci_remote *r, struct loci_http *h, struct loci_store *st,
                          const struct loci_descriptor *desc, struct loci_document *ret,
                          struct loci_error *err)
{
	char digest[LOCI_DIGEST_STR_MAX];
	loci_digest_format(&desc->digest, digest);
	if (desc->size > LOCI_MANIFEST_FETCH_MAX)
		return loci__err_set(err, LOCI_E_TOO_LARGE, "manifest %s: larger than %d bytes",
		                     digest, LOCI_MANIFEST_FETCH_MAX);
	int rc = from_store(st, &desc->digest, ret, err);
	if (rc == LOCI_E_NOT_FOUND)
		rc = fetch(r, h, digest, &desc->digest, desc->media_type, desc->size, ret, err);
	/* More than the descriptor says was not even read. */
	if (rc == LOCI_E_TOO_LARGE)
		rc = loci__err_set(err, LOCI_E_SIZE_MISMATCH,
		                   "manifest %s: longer than the %llu bytes of its descriptor",
		                   digest, (unsigned long long)desc->size);
	if (rc < 0)
		return rc;
	rc = check_size(desc, ret, err);
	if (rc < 0)
		loci__document_done(ret);
	return rc;
}

int loci__manifest_walk(struct loci_remote *r, struct loci_http *h, struct loci_store *st,
                        const struct loci_platform *want, struct loci_resolution *res,
                        struct loci_error *err)
{
	for (;;) {
		const struct loci_manifest *m = res->path[res->n - 1].parsed;
		if (m->kind == LOCI_MANIFEST_IMAGE)
			return 0;
		if (m->kind != LOCI_MANIFEST_INDEX)
			return loci__err_set(err, LOCI_E_UNSUPPORTED,
			                     "%s/%s is no image but '%.128s'", r->ref->host,
			                     r->ref->repo, m->media_type ? m->media_type : "?");
		if (res->n == loci__array_len(res->path))
			return loci__err_set(err, LOCI_E_TOO_LARGE,
			                     "more than %d indexes in each other",
			                     LOCI_INDEX_DEPTH_MAX);
		const struct loci_descriptor *entry = loci_manifest_pick(m, want);
		if (!entry)
			entry = pick_index(m, want);
		if (!entry)
			return no_platform(r, m, want, err);
		int rc = entry_document(r, h, st, entry, &res->path[res->n], err);
		if (rc < 0)
			return rc;
		res->n++;
	}
}

/* ---- into the store ---- */

static int store_document(const struct loci_document *d, struct loci_store *st,
                          struct loci_error *err)
{
	struct loci_manifest_put put = {
	        .struct_size = sizeof(put),
	        .media_type = d->media_type,
	        .bytes = d->bytes,
	        .n = d->n,
	        .want = &d->digest,
	        /* Of an index only one platform is here. */
	        .flags = LOCI_MANIFEST_PUT_SPARSE,
	};
	int rc = loci_manifest_put(st, /* repo= */ NULL, &put, /* res= */ NULL, err);
	return rc < 0 ? loci__err_prefix(err, rc, "store the manifest") : 0;
}

int loci__resolution_store(const struct loci_resolution *res, struct loci_store *st,
                           struct loci_error *err)
{
	int rc = 0;
	for (size_t i = res->n; rc == 0 && i-- > 0;)
		if (!res->path[i].in_store)
			rc = store_document(&res->path[i], st, err);
	return rc;
}

int loci__resolution_check(const struct loci_resolution *res, struct loci_store *st,
                           struct loci_error *err)
{
	int rc = 0;
	for (size_t i = res->n; rc == 0 && i-- > 0;) {
		const struct loci_document *d = &res->path[i];
		struct loci_manifest_bytes *stored = NULL;
		if (d->in_store)
			rc = loci_manifest_get(st, /* repo= */ NULL, /* tag= */ NULL, &d->digest,
			                       &stored, err);
		loci_manifest_bytes_free(stored);
		if (rc == LOCI_E_NOT_FOUND)
			rc = store_document(d, st, err);
	}
	return rc;
}

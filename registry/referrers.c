/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Referrers (spec.md "Listing Referrers"): an index made of the manifests whose subject is a
 * digest. Their descriptors are built from the stored bytes on each request: nothing to keep in
 * step. Two listings in the order of digests are merged: what the store knows, and what only an
 * index under the referrers tag schema tells of. The second one is short, mostly empty, and made
 * first, as no store call may be made while the store walks.
 */
#include "registry/handlers.h"

#include "core/base/cleanup.h"
#include "registry/problem.h"
#include "registry/referrers_tag.h"

#include <inttypes.h>
#include <string.h>

/* Of one page: what clients take for a manifest at least. */
#define PAGE_MAX (4u << 20)
#define TAIL_MAX 64
/* A descriptor larger than that, by its annotations, is a page of its own: whoever pushed it must
 * not keep the others from being listed. Escaping makes a byte of its manifest six at most. */
#define RESPONSE_MAX (PAGE_MAX + 6 * LOCI_MANIFEST_SIZE_MAX)

LOCI_DEFINE_CLEANUP(free_manifest, struct loci_manifest, loci_manifest_free)

/* Of the tagged ones: whose text it is, and where it ends in the text of all. */
struct tagged {
	struct loci_digest digest;
	size_t end;
};

struct listing {
	struct loci_buf *json;
	const char *artifact_type; /* filter, or NULL */
	size_t n_max;
	size_t n;
	bool has_more;
	struct loci_digest last;
	struct loci_buf tagged; /* struct tagged */
	struct loci_buf tagged_text;
	size_t tagged_next;
};

static void add_annotations(struct loci_buf *json, const struct loci_manifest *m)
{
	loci__buf_puts(json, ",\"annotations\":{");
	for (size_t i = 0; i < m->n_annotations; i++) {
		if (i > 0)
			loci__buf_putc(json, ',');
		loci__buf_json_string(json, m->annotations[i].key);
		loci__buf_putc(json, ':');
		loci__buf_json_string(json, m->annotations[i].value);
	}
	loci__buf_putc(json, '}');
}

/* The manifest's own; an image without one is of its config's type. */
static const char *artifact_type_of(const struct loci_manifest *m)
{
	if (m->artifact_type && m->artifact_type[0])
		return m->artifact_type;
	return m->kind == LOCI_MANIFEST_IMAGE && m->config ? m->config->media_type : NULL;
}

static void add_descriptor(struct loci_buf *json, const struct loci_manifest_bytes *bytes,
                           const struct loci_manifest *m)
{
	char digest[LOCI_DIGEST_STR_MAX];
	const char *artifact_type = artifact_type_of(m);
	loci_digest_format(&bytes->digest, digest);
	loci__buf_puts(json, "{\"mediaType\":");
	loci__buf_json_string(json, m->media_type);
	loci__buf_printf(json, ",\"size\":%zu,\"digest\":\"%s\"", bytes->n, digest);
	if (artifact_type) {
		loci__buf_puts(json, ",\"artifactType\":");
		loci__buf_json_string(json, artifact_type);
	}
	if (m->n_annotations)
		add_annotations(json, m);
	loci__buf_putc(json, '}');
}

static bool is_wanted(const struct listing *l, const struct loci_manifest *m)
{
	const char *artifact_type = artifact_type_of(m);
	return !l->artifact_type || (artifact_type && strcmp(artifact_type, l->artifact_type) == 0);
}

/* Room for one more entry, whose text begins at *ret_before. */
static bool start_entry(struct listing *l, size_t *ret_before)
{
	*ret_before = l->json->len;
	if (l->n == l->n_max) {
		l->has_more = true;
		return false;
	}
	if (l->n > 0)
		loci__buf_putc(l->json, ',');
	return true;
}

/* Keeps it unless the page is full; then the text is as it was before. */
static int end_entry(struct listing *l, size_t before, const struct loci_digest *d)
{
	if (l->n > 0 && !l->json->failed && l->json->len + TAIL_MAX > PAGE_MAX) {
		l->json->len = before;
		l->json->p[before] = '\0';
		l->has_more = true;
		return 1;
	}
	l->n++;
	l->last = *d;
	return l->json->failed;
}

/* ---- what only a tag tells of ---------------------------------------------------------------- */

/* More than a page of them is never needed: one behind it, so that it is known to be full. */
static int keep_tagged(void *arg, const struct loci_manifest_bytes *bytes,
                       const struct loci_manifest *m)
{
	struct listing *l = arg;
	if (!is_wanted(l, m))
		return 0;
	add_descriptor(&l->tagged_text, bytes, m);
	struct tagged t = {bytes->digest, l->tagged_text.len};
	loci__buf_append(&l->tagged, &t, sizeof(t));
	size_t n = l->tagged.len / sizeof(t);
	return l->tagged_text.failed || l->tagged.failed || n > l->n_max ||
	       (n > 1 && l->tagged_text.len > PAGE_MAX);
}

/* Adds those that come before the digest (NULL: all). Non-zero: the page is full. */
static int add_tagged(struct listing *l, const struct loci_digest *before)
{
	size_t n = l->tagged.len / sizeof(struct tagged);
	for (; l->tagged_next < n; l->tagged_next++) {
		struct tagged t, last = {0};
		size_t start;
		memcpy(&t, l->tagged.p + l->tagged_next * sizeof(t), sizeof(t));
		if (before && loci__referrer_compare(&t.digest, before) > 0)
			return 0;
		if (l->tagged_next > 0)
			memcpy(&last, l->tagged.p + (l->tagged_next - 1) * sizeof(t), sizeof(t));
		if (!start_entry(l, &start))
			return 1;
		loci__buf_append(l->json, l->tagged_text.p + last.end, t.end - last.end);
		if (end_entry(l, start, &t.digest))
			return 1;
	}
	return 0;
}

/* ---- what the store knows -------------------------------------------------------------------- */

static int add_referrer(void *arg, const struct loci_manifest_bytes *bytes)
{
	struct listing *l = arg;
	struct loci_manifest *m loci__cleanup(free_manifest) = NULL;
	struct loci_error err;
	size_t before;
	/* It was checked when it came in. */
	if (loci_manifest_parse(bytes->bytes, bytes->n, bytes->media_type, &m, &err) < 0 ||
	    !is_wanted(l, m))
		return 0;
	if (add_tagged(l, &bytes->digest) || !start_entry(l, &before))
		return 1;
	add_descriptor(l->json, bytes, m);
	return end_entry(l, before, &bytes->digest);
}

static int list(const struct loci__rq *rq, struct listing *l, const struct loci_digest *subject,
                const struct loci_digest *after, struct loci_error *err)
{
	int r = loci__tagged_foreach(rq->reg->store, rq->name, subject, after, keep_tagged, l, err);
	if (r == 0 || r == LOCI_E_CALLBACK)
		r = loci__buf_check(&l->tagged_text, "referrers", err);
	if (r == 0)
		r = loci_referrer_foreach(rq->reg->store, rq->name, subject, after, add_referrer, l,
		                          err);
	/* A repository that is not there has no referrers: never a 404, says the spec. */
	if (r == 0 || r == LOCI_E_NOT_FOUND)
		r = add_tagged(l, /* before= */ NULL);
	return r < 0 && r != LOCI_E_CALLBACK ? r : 0;
}

/* ---- the answer ------------------------------------------------------------------------------ */

/* artifactType in a query: what is no plain character of a media type is encoded. */
static void add_encoded(struct loci_buf *b, const char *s)
{
	for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
		bool plain = (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') ||
		             (*p >= 'A' && *p <= 'Z') || strchr("/.-_", *p);
		loci__buf_printf(b, plain ? "%c" : "%%%02X", *p);
	}
}

static void add_link(const struct loci__rq *rq, const struct listing *l, struct loci__rs *rs)
{
	struct loci_buf link loci__cleanup_buf = LOCI_BUF_INIT(4 * LOCI_TARGET_MAX);
	char digest[LOCI_DIGEST_STR_MAX];
	loci_digest_format(&l->last, digest);
	loci__buf_printf(&link, "</v2/%s/referrers/%s?last=%s", rq->name, rq->reference, digest);
	if (l->artifact_type) {
		loci__buf_puts(&link, "&artifactType=");
		add_encoded(&link, l->artifact_type);
	}
	loci__buf_puts(&link, ">; rel=\"next\"");
	loci__rs_header_take(rs, "link", &link);
}

void loci__handle_referrers(struct loci__rq *rq, struct loci__rs *rs)
{
	struct loci_buf json loci__cleanup_buf = LOCI_BUF_INIT(RESPONSE_MAX);
	struct listing l = {
	        .json = &json,
	        .n_max = rq->reg->list_max,
	        .tagged = LOCI_BUF_INIT((rq->reg->list_max + 2) * sizeof(struct tagged)),
	        .tagged_text = LOCI_BUF_INIT(RESPONSE_MAX),
	};
	struct loci_digest subject, after;
	const char *last;
	struct loci_error err;
	if (!loci__rq_digest(rq, &subject, rs) ||
	    !loci__rq_param(rq, "artifactType", &l.artifact_type, rs) ||
	    !loci__rq_param(rq, "last", &last, rs) ||
	    (last && !loci__rq_parse_digest(rq, last, &after, rs)))
		return;
	loci__buf_printf(&json, "{\"schemaVersion\":2,\"mediaType\":\"%s\",\"manifests\":[",
	                 LOCI_MEDIA_OCI_INDEX);
	int r = list(rq, &l, &subject, last ? &after : NULL, &err);
	loci__buf_done(&l.tagged);
	loci__buf_done(&l.tagged_text);
	if (r < 0) {
		loci__problem(rq, rs, LOCI_ABOUT_MANIFEST, &err, rq->reference);
		return;
	}
	loci__buf_puts(&json, "]}\n");
	if (l.artifact_type)
		loci__rs_header_ref(rs, "oci-filters-applied", "artifactType");
	if (l.has_more)
		add_link(rq, &l, rs);
	loci__rs_body_take(rs, LOCI_MEDIA_OCI_INDEX, &json);
}

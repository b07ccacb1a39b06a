/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the spec wants of such an index ("Enabling the Referrers API"): entries that are in the
 * repository and whose `subject` is the one asked for. Nearly all of them are referrers of the
 * store already, whose rows come from the subject of whatever is pushed. Left are manifests that
 * came under a Content-Type that hid what they are: the store keeps such bytes without looking into
 * them, and only the index tells their type.
 */
#include "registry/referrers_tag.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

LOCI_DEFINE_CLEANUP(free_manifest, struct loci_manifest, loci_manifest_free)
LOCI_DEFINE_CLEANUP(free_bytes, struct loci_manifest_bytes, loci_manifest_bytes_free)

/* No character of the algorithms that we have needs to be replaced. */
void loci__referrers_tag(const struct loci_digest *subject, char buf[LOCI_REFERRERS_TAG_MAX])
{
	char digest[LOCI_DIGEST_STR_MAX];
	loci_digest_format(subject, digest);
	char *colon = strchr(digest, ':');
	*colon = '\0';
	snprintf(buf, LOCI_REFERRERS_TAG_MAX, "%.32s-%.64s", digest, colon + 1);
}

/* The index under the tag; NOT_FOUND also when it is none. */
static int get_index(struct loci_store *st, const char *repo, const struct loci_digest *subject,
                     struct loci_manifest **ret, struct loci_error *err)
{
	char tag[LOCI_REFERRERS_TAG_MAX];
	struct loci_manifest_bytes *bytes loci__cleanup(free_bytes) = NULL;
	loci__referrers_tag(subject, tag);
	int r = loci_manifest_get(st, repo, tag, /* digest= */ NULL, &bytes, err);
	if (r < 0)
		return r;
	if (loci_media_kind(bytes->media_type) != LOCI_MEDIA_IMAGE_INDEX)
		return loci__err_set(err, LOCI_E_NOT_FOUND, "tag %s: no index", tag);
	return loci_manifest_parse(bytes->bytes, bytes->n, bytes->media_type, ret, err);
}

int loci__referrer_compare(const struct loci_digest *a, const struct loci_digest *b)
{
	return a->alg != b->alg ? a->alg - b->alg : memcmp(a->bytes, b->bytes, a->len);
}

static int compare_entries(const void *a, const void *b)
{
	return loci__referrer_compare(&(*(const struct loci_descriptor *const *)a)->digest,
	                              &(*(const struct loci_descriptor *const *)b)->digest);
}

/* 1: *ret and *ret_m are a referrer. 0: they are none, or not there. */
static int look_at(struct loci_store *st, const char *repo, const struct loci_digest *subject,
                   const struct loci_descriptor *entry, struct loci_manifest_bytes **ret,
                   struct loci_manifest **ret_m, struct loci_error *err)
{
	int r = loci_manifest_get(st, repo, /* tag= */ NULL, &entry->digest, ret, err);
	if (r < 0)
		return r == LOCI_E_NOT_FOUND ? 0 : r;
	if (loci_media_kind((*ret)->media_type) != LOCI_MEDIA_UNKNOWN)
		return 0; /* a row of the store tells of it, or it has another subject */
	r = loci_manifest_parse((*ret)->bytes, (*ret)->n, entry->media_type, ret_m, err);
	if (r < 0)
		return r == LOCI_E_NOMEM ? r : 0;
	const struct loci_descriptor *its = (*ret_m)->subject;
	return its && loci_digest_equal(&its->digest, subject);
}

static int give(struct loci_store *st, const char *repo, const struct loci_digest *subject,
                const struct loci_descriptor *entry, loci__tagged_fn fn, void *arg,
                struct loci_error *err)
{
	struct loci_manifest_bytes *bytes loci__cleanup(free_bytes) = NULL;
	struct loci_manifest *m loci__cleanup(free_manifest) = NULL;
	int r = look_at(st, repo, subject, entry, &bytes, &m, err);
	if (r == 1 && fn(arg, bytes, m) != 0)
		return loci__err_set(err, LOCI_E_CALLBACK, "listing stopped by its caller");
	return r < 0 ? r : 0;
}

int loci__tagged_foreach(struct loci_store *st, const char *repo, const struct loci_digest *subject,
                         const struct loci_digest *after, loci__tagged_fn fn, void *arg,
                         struct loci_error *err)
{
	struct loci_manifest *index loci__cleanup(free_manifest) = NULL;
	int r = get_index(st, repo, subject, &index, err);
	if (r < 0)
		return r == LOCI_E_NOT_FOUND ? 0 : r;
	const struct loci_descriptor **entries loci__cleanup_free =
	        calloc(index->n_entries + 1, sizeof(struct loci_descriptor *));
	if (!entries)
		return loci__err_nomem(err);
	for (size_t i = 0; i < index->n_entries; i++)
		entries[i] = &index->entries[i];
	qsort(entries, index->n_entries, sizeof(*entries), compare_entries);
	for (size_t i = 0; r == 0 && i < index->n_entries; i++) {
		const struct loci_digest *d = &entries[i]->digest;
		bool again = i > 0 && loci_digest_equal(d, &entries[i - 1]->digest);
		if (!again && (!after || loci__referrer_compare(d, after) > 0))
			r = give(st, repo, subject, entries[i], fn, arg, err);
	}
	return r;
}

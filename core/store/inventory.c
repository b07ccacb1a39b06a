/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listings of a repository with all that is known of each entry. As in walk.c, entries are copied
 * out in batches and the callback is called between snapshots.
 */
#include "core/store/inventory.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "core/store/manifest_row.h"
#include "core/store/parent.h"
#include "core/store/pulled.h"
#include "core/store/store.h"

#include <stdlib.h>
#include <string.h>

#define BATCH 64

/* ---- one entry ------------------------------------------------------------------------------- */

struct count {
	const struct loci__key *prefix;
	unsigned n;
};

static int count_key(void *arg, struct loci_slice key, struct loci_slice val)
{
	struct count *c = arg;
	(void)val;
	if (key.n <= c->prefix->n || memcmp(key.p, c->prefix->b, c->prefix->n) != 0)
		return 1;
	return ++c->n == LOCI_INFO_TAGS_MAX;
}

static int count_tags(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                      unsigned *ret, struct loci_error *err)
{
	struct loci__key prefix = loci__key_of_repo_digest(repo, d);
	struct count c = {.prefix = &prefix};
	int rc = loci__txn_scan(t, LOCI_INDEX_TAG_OF, &prefix, count_key, &c, err);
	*ret = c.n;
	return rc;
}

/* Who holds it: tags, an index, a subject. */
static int read_holders(struct loci__txn *t, const char *repo, struct loci_manifest_info *info,
                        struct loci_error *err)
{
	int rc = count_tags(t, repo, &info->digest, &info->n_tags, err);
	if (rc == 0)
		rc = loci__parent_find(t, repo, &info->digest, &info->has_parent, err);
	if (rc < 0 || !info->subject.alg)
		return rc;
	struct loci__key subject = loci__key_of_repo_digest(repo, &info->subject);
	rc = loci__txn_has(t, LOCI_INDEX_MEMBER, &subject, err);
	info->has_subject = rc == 0;
	return rc == LOCI_E_NOT_FOUND ? 0 : rc;
}

int loci__manifest_info_get(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                            struct loci_manifest_info *ret, struct loci_error *err)
{
	struct loci__member_row member;
	struct loci__manifest_row row;
	struct loci__pulled_row pulled = {0};
	int rc = loci__member_row_get(t, repo, d, &member, err);
	if (rc == 0)
		rc = loci__manifest_row_get(t, d, &row, err);
	if (rc == 0)
		rc = loci__pulled_row_get(t, repo, d, &pulled, err);
	if (rc < 0)
		return rc;
	*ret = (struct loci_manifest_info){
	        .digest = *d,
	        .subject = row.subject,
	        .size = row.bytes.n,
	        .pushed_at = member.time,
	        .pulled_at = pulled.pulled,
	        .untagged_at = pulled.untagged,
	};
	struct loci_slice type = member.media_type.n ? member.media_type : row.media_type;
	memcpy(ret->media_type, type.p, type.n); /* at most LOCI_MEDIA_TYPE_MAX */
	return read_holders(t, repo, ret, err);
}

int loci__tag_info_get(struct loci__txn *t, const char *repo, const char *tag,
                       struct loci_tag_info *ret, struct loci_error *err)
{
	struct loci__key k = loci__key_of_repo_text(repo, tag);
	struct loci__member_row member = {0};
	struct loci__pulled_row pulled = {0};
	struct loci_slice v;
	*ret = (struct loci_tag_info){0};
	int rc = loci__txn_get(t, LOCI_INDEX_TAG, &k, &v, err);
	if (rc < 0)
		return rc;
	if (!loci__take_digest(&v, &ret->digest))
		return loci__err_set(err, LOCI_E_INTERNAL, "index: the row of tag '%s' is damaged",
		                     tag);
	memcpy(ret->tag, tag, strlen(tag) + 1); /* checked, or a key's: fits */
	if (!loci__take_u64le(&v, &ret->pushed_at)) {
		rc = loci__member_row_get(t, repo, &ret->digest, &member, err);
		ret->pushed_at = member.time;
	}
	if (rc == 0)
		rc = loci__pulled_row_get(t, repo, &ret->digest, &pulled, err);
	ret->pulled_at = pulled.pulled;
	return rc;
}

/* ---- manifests ------------------------------------------------------------------------------- */

struct manifests {
	const struct loci__key *prefix;
	const struct loci_digest *after; /* or NULL */
	size_t n;
	struct loci_digest digests[BATCH];
	size_t n_infos; /* fewer: those that a scrub put aside are not there */
	struct loci_manifest_info infos[BATCH];
};

static int take_manifest(void *arg, struct loci_slice key, struct loci_slice val)
{
	struct manifests *b = arg;
	struct loci_digest *d = &b->digests[b->n];
	(void)val;
	if (key.n <= b->prefix->n || memcmp(key.p, b->prefix->b, b->prefix->n) != 0)
		return 1;
	struct loci_slice rest = {key.p + b->prefix->n, key.n - b->prefix->n};
	if (!loci__take_digest(&rest, d) || (b->after && loci_digest_equal(d, b->after)))
		return 0;
	return ++b->n == BATCH;
}

static int read_manifests(struct loci_store *st, const char *repo, struct manifests *b,
                          struct loci_error *err)
{
	loci__cleanup_read struct loci__txn t = {0};
	struct loci__key from = *b->prefix;
	if (b->after)
		loci__key_digest(&from, b->after);
	b->n = b->n_infos = 0;
	int rc = loci__read_begin(st->sh->index, &t, err);
	if (rc == 0)
		rc = loci__txn_scan(&t, LOCI_INDEX_MEMBER, &from, take_manifest, b, err);
	for (size_t i = 0; rc == 0 && i < b->n; i++) {
		rc = loci__manifest_info_get(&t, repo, &b->digests[i], &b->infos[b->n_infos], err);
		b->n_infos += rc == 0;
		rc = rc == LOCI_E_NOT_FOUND ? 0 : rc;
	}
	return rc;
}

int loci_manifest_info_foreach(struct loci_store *st, const char *repo,
                               const struct loci_digest *after, loci_manifest_info_fn fn, void *arg,
                               struct loci_error *err)
{
	struct loci__key prefix = {0};
	struct loci_digest last;
	int rc = loci__store_check(st, err);
	if (rc == 0)
		rc = loci__check_repo(repo, err);
	if (rc == 0 && after)
		rc = loci__check_digest(after, err);
	if (rc < 0)
		return rc;
	loci__key_name(&prefix, repo);
	loci__cleanup_free struct manifests *b = calloc(1, sizeof(*b));
	if (!b)
		return loci__err_nomem(err);
	b->prefix = &prefix;
	b->after = after;
	do {
		rc = read_manifests(st, repo, b, err);
		for (size_t i = 0; rc == 0 && i < b->n_infos; i++)
			if (fn(arg, &b->infos[i]) != 0)
				rc = loci__err_set(err, LOCI_E_CALLBACK,
				                   "listing stopped by its caller");
		if (b->n) {
			last = b->digests[b->n - 1];
			b->after = &last;
		}
	} while (rc == 0 && b->n == BATCH);
	return rc;
}

/* ---- tags ------------------------------------------------------------------------------------ */

struct tags {
	const struct loci__key *prefix;
	char after[LOCI_TAG_MAX + 1]; /* "": none */
	size_t n;
	char names[BATCH][LOCI_TAG_MAX + 1];
	struct loci_tag_info infos[BATCH];
};

static int take_tag(void *arg, struct loci_slice key, struct loci_slice val)
{
	struct tags *b = arg;
	(void)val;
	if (key.n <= b->prefix->n || memcmp(key.p, b->prefix->b, b->prefix->n) != 0)
		return 1;
	size_t n = key.n - b->prefix->n;
	char *name = b->names[b->n];
	if (n > LOCI_TAG_MAX)
		return 0;
	memcpy(name, key.p + b->prefix->n, n);
	name[n] = '\0';
	if (!strcmp(name, b->after))
		return 0;
	return ++b->n == BATCH;
}

static int read_tags(struct loci_store *st, const char *repo, struct tags *b,
                     struct loci_error *err)
{
	loci__cleanup_read struct loci__txn t = {0};
	struct loci__key from = *b->prefix;
	loci__key_text(&from, b->after);
	b->n = 0;
	int rc = loci__read_begin(st->sh->index, &t, err);
	if (rc == 0)
		rc = loci__txn_scan(&t, LOCI_INDEX_TAG, &from, take_tag, b, err);
	for (size_t i = 0; rc == 0 && i < b->n; i++)
		rc = loci__tag_info_get(&t, repo, b->names[i], &b->infos[i], err);
	if (rc == LOCI_E_NOT_FOUND)
		rc = loci__err_set(err, LOCI_E_INTERNAL,
		                   "index: a tag of repository '%s' has no manifest", repo);
	return rc;
}

int loci_tag_info_foreach(struct loci_store *st, const char *repo, const char *after,
                          loci_tag_info_fn fn, void *arg, struct loci_error *err)
{
	struct loci__key prefix = {0};
	int rc = loci__store_check(st, err);
	if (rc == 0)
		rc = loci__check_repo(repo, err);
	if (rc == 0 && after)
		rc = loci__check_tag(after, err);
	if (rc < 0)
		return rc;
	loci__key_name(&prefix, repo);
	loci__cleanup_free struct tags *b = calloc(1, sizeof(*b));
	if (!b)
		return loci__err_nomem(err);
	b->prefix = &prefix;
	if (after)
		memcpy(b->after, after, strlen(after) + 1);
	do {
		rc = read_tags(st, repo, b, err);
		for (size_t i = 0; rc == 0 && i < b->n; i++)
			if (fn(arg, &b->infos[i]) != 0)
				rc = loci__err_set(err, LOCI_E_CALLBACK,
				                   "listing stopped by its caller");
		if (b->n)
			memcpy(b->after, b->names[b->n - 1], sizeof(b->after));
	} while (rc == 0 && b->n == BATCH);
	return rc;
}

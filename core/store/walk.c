/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listings: tags, repositories, referrers. Names are copied out in batches and the callback is
 * called between snapshots, never inside one: a callback that waits for a client must not keep the
 * index from reusing its pages. A long listing is therefore no single snapshot: what changes while
 * it runs may or may not show.
 */
#include "core/store/store.h"

#include "core/base/buf.h"
#include "core/base/err.h"

#include <string.h>

#define BATCH_BYTES ((size_t)32 << 10)
#define BATCH_MAX   (BATCH_BYTES + LOCI_INDEX_KEY_MAX + 1)

/* Copies keys behind a prefix as NUL-terminated names. */
struct batch {
	const struct loci__key *prefix;
	struct loci_slice after; /* of the whole key; n 0: none */
	struct loci_buf names;
	bool full;
};

static int take_name(void *arg, struct loci_slice key, struct loci_slice val)
{
	struct batch *b = arg;
	(void)val;
	if (key.n < b->prefix->n || memcmp(key.p, b->prefix->b, b->prefix->n) != 0)
		return 1;
	if (key.n == b->after.n && !memcmp(key.p, b->after.p, key.n))
		return 0;
	loci__buf_append(&b->names, key.p + b->prefix->n, key.n - b->prefix->n);
	loci__buf_putc(&b->names, '\0');
	b->full = b->names.len >= BATCH_BYTES;
	return b->full;
}

static int read_batch(struct loci_store *st, int table, const struct loci__key *from,
                      struct batch *b, struct loci_error *err)
{
	loci__cleanup_read struct loci__txn t = {0};
	int rc = loci__read_begin(st->sh->index, &t, err);
	if (rc == 0)
		rc = loci__txn_scan(&t, table, from, take_name, b, err);
	return rc < 0 ? rc : loci__buf_check(&b->names, "list of names", err);
}

/* *ret_last: the last name that was given, inside the batch. */
static int give_names(const struct batch *b, loci_name_fn fn, void *arg, const char **ret_last,
                      struct loci_error *err)
{
	const char *end = b->names.p + b->names.len;
	for (const char *name = b->names.p; name < end; name += strlen(name) + 1) {
		if (fn(arg, name) != 0)
			return loci__err_set(err, LOCI_E_CALLBACK, "listing stopped by its caller");
		*ret_last = name;
	}
	return 0;
}

/* One batch from *from on, which it moves to the last name given. 1: there may be more. */
static int walk_batch(struct loci_store *st, int table, const struct loci__key *prefix,
                      struct loci__key *from, bool skip_from, loci_name_fn fn, void *arg,
                      struct loci_error *err)
{
	struct batch b = {.prefix = prefix, .names = LOCI_BUF_INIT(BATCH_MAX)};
	const char *last = NULL;
	if (skip_from)
		b.after = loci__key_slice(from);
	int rc = read_batch(st, table, from, &b, err);
	if (rc == 0 && b.names.len)
		rc = give_names(&b, fn, arg, &last, err);
	if (rc == 0 && b.full) {
		*from = *prefix;
		loci__key_text(from, last);
		rc = 1;
	}
	loci__buf_done(&b.names);
	return rc;
}

static int walk_names(struct loci_store *st, int table, const struct loci__key *prefix,
                      const char *after, loci_name_fn fn, void *arg, struct loci_error *err)
{
	struct loci__key from = *prefix;
	if (after)
		loci__key_text(&from, after);
	bool skip_from = after != NULL;
	int rc;
	while ((rc = walk_batch(st, table, prefix, &from, skip_from, fn, arg, err)) == 1)
		skip_from = true;
	return rc;
}

int loci_tag_foreach(struct loci_store *st, const char *repo, const char *after, loci_name_fn fn,
                     void *arg, struct loci_error *err)
{
	struct loci__key prefix = {0};
	int rc = loci__store_check(st, err);
	if (rc == 0)
		rc = loci__check_repo(repo, err);
	if (rc == 0 && after && strlen(after) > LOCI_TAG_MAX)
		rc = loci__err_set(err, LOCI_E_INVALID, "list tags: a last tag of %zu bytes",
		                   strlen(after));
	if (rc < 0)
		return rc;
	loci__key_name(&prefix, repo);
	return walk_names(st, LOCI_INDEX_TAG, &prefix, after, fn, arg, err);
}

int loci_repo_foreach(struct loci_store *st, const char *after, loci_name_fn fn, void *arg,
                      struct loci_error *err)
{
	struct loci__key prefix = {0};
	int rc = loci__store_check(st, err);
	if (rc == 0 && after && strlen(after) > LOCI_REPO_MAX)
		rc = loci__err_set(err, LOCI_E_INVALID,
		                   "list repositories: a last name of %zu bytes", strlen(after));
	return rc < 0 ? rc : walk_names(st, LOCI_INDEX_REPO, &prefix, after, fn, arg, err);
}

int loci_blob_repo_foreach(struct loci_store *st, const struct loci_digest *d, const char *after,
                           loci_name_fn fn, void *arg, struct loci_error *err)
{
	int rc = loci__store_check(st, err);
	if (rc == 0)
		rc = loci__check_digest(d, err);
	if (rc == 0 && after)
		rc = loci__check_repo(after, err);
	if (rc < 0)
		return rc;
	struct loci__key prefix = loci__key_of_holder(d, LOCI_HOLDER_LINK, /* repo= */ "");
	return walk_names(st, LOCI_INDEX_HOLDER, &prefix, after, fn, arg, err);
}

bool loci_repo_exists(struct loci_store *st, const char *repo)
{
	loci__cleanup_read struct loci__txn t = {0};
	struct loci__key k = {0};
	if (loci__store_check(st, /* err= */ NULL) < 0 ||
	    loci__check_repo(repo, /* err= */ NULL) < 0 ||
	    loci__read_begin(st->sh->index, &t, /* err= */ NULL) < 0)
		return false;
	loci__key_text(&k, repo);
	return loci__txn_has(&t, LOCI_INDEX_REPO, &k, /* err= */ NULL) == 0;
}

/* ---- referrers ------------------------------------------------------------------------------- */

#define REFERRERS_BATCH 64

struct referrers {
	const struct loci__key *prefix;
	const struct loci_digest *after; /* NULL: none */
	struct loci_digest found[REFERRERS_BATCH];
	size_t n;
};

static int take_referrer(void *arg, struct loci_slice key, struct loci_slice val)
{
	struct referrers *r = arg;
	(void)val;
	if (key.n < r->prefix->n || memcmp(key.p, r->prefix->b, r->prefix->n) != 0)
		return 1;
	struct loci_slice rest = {key.p + r->prefix->n, key.n - r->prefix->n};
	struct loci_digest *d = &r->found[r->n];
	if (!loci__take_digest(&rest, d) || (r->after && loci_digest_equal(d, r->after)))
		return 0;
	return ++r->n == REFERRERS_BATCH;
}

static int read_referrers(struct loci_store *st, const struct loci__key *prefix,
                          const struct loci_digest *after, struct referrers *r,
                          struct loci_error *err)
{
	loci__cleanup_read struct loci__txn t = {0};
	struct loci__key from = *prefix;
	if (after)
		loci__key_digest(&from, after);
	*r = (struct referrers){.prefix = prefix, .after = after};
	int rc = loci__read_begin(st->sh->index, &t, err);
	return rc < 0 ? rc : loci__txn_scan(&t, LOCI_INDEX_REFERRER, &from, take_referrer, r, err);
}

static int give_referrer(struct loci_store *st, const char *repo, const struct loci_digest *d,
                         loci_referrer_fn fn, void *arg, struct loci_error *err)
{
	struct loci_manifest_bytes *m;
	int rc = loci_manifest_get(st, repo, /* tag= */ NULL, d, &m, err);
	if (rc == LOCI_E_NOT_FOUND)
		return 0; /* deleted since */
	if (rc < 0)
		return rc;
	int stop = fn(arg, m);
	loci_manifest_bytes_free(m);
	return stop ? loci__err_set(err, LOCI_E_CALLBACK, "listing stopped by its caller") : 0;
}

static int check_referrers(struct loci_store *st, const char *repo, const struct loci_digest *d,
                           const struct loci_digest *after, struct loci_error *err)
{
	int rc = loci__store_check(st, err);
	if (rc == 0)
		rc = loci__check_repo(repo, err);
	if (rc == 0)
		rc = loci__check_digest(d, err);
	return rc == 0 && after ? loci__check_digest(after, err) : rc;
}

int loci_referrer_foreach(struct loci_store *st, const char *repo, const struct loci_digest *d,
                          const struct loci_digest *after, loci_referrer_fn fn, void *arg,
                          struct loci_error *err)
{
	int rc = check_referrers(st, repo, d, after, err);
	if (rc < 0)
		return rc;
	struct loci__key prefix = loci__key_of_repo_digest(repo, d);
	struct referrers r;
	struct loci_digest last;
	do {
		rc = read_referrers(st, &prefix, after, &r, err);
		for (size_t i = 0; rc == 0 && i < r.n; i++)
			rc = give_referrer(st, repo, &r.found[i], fn, arg, err);
		if (r.n) {
			last = r.found[r.n - 1];
			after = &last;
		}
	} while (rc == 0 && r.n == REFERRERS_BATCH);
	return rc;
}

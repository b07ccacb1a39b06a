/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removal by others than the client who asked for it: on conditions that the same transaction looks
 * at, many in one commit, and whole repositories in bounded steps.
 */
#include "core/base/err.h"
#include "core/store/inventory.h"
#include "core/store/manifest_row.h"
#include "core/store/store.h"
#include "core/store/usage.h"

#include <string.h>

/* ---- on conditions --------------------------------------------------------------------------- */

static bool is_until(uint64_t time, uint64_t until)
{
	return !until || time <= until;
}

static int judge_tag(struct loci__txn *t, const char *repo, const struct loci_removal *r, bool *ret,
                     struct loci_error *err)
{
	struct loci_tag_info info;
	int rc = loci__tag_info_get(t, repo, r->tag, &info, err);
	*ret = rc == 0 && loci_digest_equal(&info.digest, &r->digest) &&
	       is_until(info.pushed_at, r->pushed_until) &&
	       is_until(info.pulled_at, r->pulled_until);
	return rc == LOCI_E_NOT_FOUND ? 0 : rc;
}

static int judge_manifest(struct loci__txn *t, const char *repo, const struct loci_removal *r,
                          bool *ret, struct loci_error *err)
{
	struct loci_manifest_info info;
	int rc = loci__manifest_info_get(t, repo, &r->digest, &info, err);
	if (rc < 0) {
		*ret = false;
		return rc == LOCI_E_NOT_FOUND ? 0 : rc;
	}
	bool loose = !info.n_tags && !info.has_parent && !info.has_subject;
	*ret = (loose || !(r->flags & LOCI_REMOVE_IF_LOOSE)) &&
	       is_until(info.pushed_at, r->pushed_until) &&
	       is_until(info.untagged_at, r->pushed_until) &&
	       is_until(info.pulled_at, r->pulled_until);
	return 0;
}

static int remove_one(struct loci__txn *t, const char *repo, struct loci_removal *r,
                      struct loci_error *err)
{
	bool holds;
	int rc = r->tag ? judge_tag(t, repo, r, &holds, err)
	                : judge_manifest(t, repo, r, &holds, err);
	if (rc < 0 || !holds)
		return rc;
	rc = r->tag ? loci__tag_remove(t, repo, r->tag, &r->digest, err)
	            : loci__member_remove(t, repo, &r->digest, err);
	r->removed = rc == 0;
	return rc;
}

struct remove_op {
	const char *repo;
	struct loci_removal *removals;
	size_t n;
};

static int remove_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	struct remove_op *o = arg;
	int rc = 0;
	for (size_t i = 0; i < o->n; i++)
		o->removals[i].removed = false;
	for (size_t i = 0; rc == 0 && i < o->n; i++)
		rc = remove_one(t, o->repo, &o->removals[i], err);
	return rc;
}

int loci_remove_if(struct loci_store *st, const char *repo, struct loci_removal *removals, size_t n,
                   struct loci_error *err)
{
	struct remove_op o = {repo, removals, n};
	int rc = loci__store_check(st, err);
	if (rc == 0)
		rc = loci__check_repo(repo, err);
	if (rc == 0 && n > LOCI_REMOVALS_MAX)
		rc = loci__err_set(err, LOCI_E_TOO_LARGE, "remove %zu at once: at most %d", n,
		                   LOCI_REMOVALS_MAX);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = loci__check_digest(&removals[i].digest, err);
		if (rc == 0 && removals[i].tag)
			rc = loci__check_tag(removals[i].tag, err);
	}
	rc = rc < 0 || n == 0 ? rc : loci__store_write(st, remove_op, &o, err);
	for (size_t i = 0; rc < 0 && i < n; i++)
		removals[i].removed = false;
	return rc;
}

/* ---- whole repositories ---------------------------------------------------------------------- */

#define STEP_MAX LOCI_REMOVALS_MAX /* rows of a step */

struct step_op {
	const char *repo;
	struct loci_usage before, after;
	bool more;
};

struct found {
	const struct loci__key *prefix;
	struct loci_digest digests[STEP_MAX];
	size_t n;
};

static int take_digest(void *arg, struct loci_slice key, struct loci_slice val)
{
	struct found *f = arg;
	(void)val;
	if (key.n <= f->prefix->n || memcmp(key.p, f->prefix->b, f->prefix->n) != 0)
		return 1;
	struct loci_slice rest = {key.p + f->prefix->n, key.n - f->prefix->n};
	if (loci__take_digest(&rest, &f->digests[f->n]))
		f->n++;
	return f->n == STEP_MAX;
}

/* The first of the repository's rows in a table go. */
static int remove_first(struct loci__txn *t, const char *repo, int table,
                        int (*fn)(struct loci__txn *t, const char *repo,
                                  const struct loci_digest *d, struct loci_error *err),
                        size_t *ret_n, struct loci_error *err)
{
	struct loci__key prefix = {0};
	struct found f = {.prefix = &prefix};
	loci__key_name(&prefix, repo);
	int rc = loci__txn_scan(t, table, &prefix, take_digest, &f, err);
	for (size_t i = 0; rc == 0 && i < f.n; i++)
		rc = fn(t, repo, &f.digests[i], err);
	*ret_n = f.n;
	return rc;
}

static int own_usage(struct loci__txn *t, const char *repo, struct loci_usage *ret,
                     struct loci_error *err)
{
	struct loci__usage_row row;
	int rc = loci__usage_row_get(t, (struct loci_slice){repo, strlen(repo)}, &row, err);
	*ret = row.own;
	return rc;
}

static int step_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	struct step_op *o = arg;
	size_t n = 0;
	int rc = own_usage(t, o->repo, &o->before, err);
	if (rc == 0)
		rc = remove_first(t, o->repo, LOCI_INDEX_MEMBER, loci__member_remove, &n, err);
	if (rc == 0 && n == 0)
		rc = remove_first(t, o->repo, LOCI_INDEX_LINK, loci__blob_unlink, &n, err);
	o->more = n > 0;
	return rc < 0 ? rc : own_usage(t, o->repo, &o->after, err);
}

int loci_repo_remove_step(struct loci_store *st, const char *repo, struct loci_usage *ret_removed,
                          struct loci_error *err)
{
	struct step_op o = {.repo = repo};
	int rc = loci__store_check(st, err);
	if (rc == 0)
		rc = loci__check_repo(repo, err);
	if (rc == 0)
		rc = loci__store_write(st, step_op, &o, err);
	if (rc < 0)
		return rc;
	*ret_removed = (struct loci_usage){
	        .bytes = o.before.bytes - o.after.bytes,
	        .blobs = o.before.blobs - o.after.blobs,
	        .manifests = o.before.manifests - o.after.manifests,
	        .tags = o.before.tags - o.after.tags,
	};
	return o.more;
}

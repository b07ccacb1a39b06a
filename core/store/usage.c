/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of USAGE: one for each path that is a repository or stands above one. A change in
 * "team/app" touches "", "team" and "team/app", so that a quota on any of them is one look-up. A
 * row whose counts have all come to zero goes.
 *
 * Only real changes may be told here: a link that was there already adds nothing.
 */
#include "core/store/usage.h"

#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/store/store.h"

#include <string.h>

/* ---- rows ------------------------------------------------------------------------------------ */

#define N_FIELDS 4 /* of struct loci_usage, 8 bytes each */

static struct loci__key key_of_path(struct loci_slice path)
{
	struct loci__key k = {0};
	loci__key_bytes(&k, path.p, path.n);
	loci__key_bytes(&k, "", 1); /* as a repository's keys; and "" becomes a key */
	return k;
}

static bool take_usage(struct loci_slice *v, struct loci_usage *ret)
{
	return loci__take_u64le(v, &ret->bytes) && loci__take_u64le(v, &ret->blobs) &&
	       loci__take_u64le(v, &ret->manifests) && loci__take_u64le(v, &ret->tags);
}

static void put_usage(char *p, const struct loci_usage *u)
{
	loci__put_u64le(p, u->bytes);
	loci__put_u64le(p + 8, u->blobs);
	loci__put_u64le(p + 16, u->manifests);
	loci__put_u64le(p + 24, u->tags);
}

static bool is_zero(const struct loci_usage *u)
{
	return !(u->bytes | u->blobs | u->manifests | u->tags);
}

static bool parse_row(struct loci_slice v, struct loci__usage_row *ret)
{
	return take_usage(&v, &ret->all) && take_usage(&v, &ret->own);
}

int loci__usage_row_get(struct loci__txn *t, struct loci_slice path, struct loci__usage_row *ret,
                        struct loci_error *err)
{
	struct loci__key k = key_of_path(path);
	struct loci_slice v;
	int rc = loci__txn_get(t, LOCI_INDEX_USAGE, &k, &v, err);
	*ret = (struct loci__usage_row){0};
	if (rc == LOCI_E_NOT_FOUND)
		return 0;
	if (rc == 0 && !parse_row(v, ret))
		rc = loci__err_set(err, LOCI_E_INTERNAL, "index: a row of usage is damaged");
	return rc;
}

static int put_row(struct loci__txn *t, struct loci_slice path, const struct loci__usage_row *row,
                   struct loci_error *err)
{
	struct loci__key k = key_of_path(path);
	if (is_zero(&row->all)) {
		int rc = loci__txn_del(t, LOCI_INDEX_USAGE, &k, err);
		return rc == LOCI_E_NOT_FOUND ? 0 : rc;
	}
	char b[2 * N_FIELDS * 8];
	put_usage(b, &row->all);
	put_usage(b + sizeof(b) / 2, &row->own);
	return loci__txn_put(t, LOCI_INDEX_USAGE, &k, (struct loci_slice){b, sizeof(b)}, err);
}

/* ---- changes --------------------------------------------------------------------------------- */

/* Never below zero: a count that was wrong must not become a huge one. */
static void change_one(uint64_t *n, int64_t by)
{
	uint64_t less = by < 0 ? -(uint64_t)by : 0;
	*n = by >= 0 ? *n + (uint64_t)by : *n > less ? *n - less : 0;
}

static void change_usage(struct loci_usage *u, const struct loci__usage_change *c)
{
	change_one(&u->bytes, c->bytes);
	change_one(&u->blobs, c->blobs);
	change_one(&u->manifests, c->manifests);
	change_one(&u->tags, c->tags);
}

static int change_path(struct loci__txn *t, struct loci_slice path, bool is_repo,
                       const struct loci__usage_change *c, struct loci_error *err)
{
	struct loci__usage_row row;
	int rc = loci__usage_row_get(t, path, &row, err);
	if (rc < 0)
		return rc;
	change_usage(&row.all, c);
	if (is_repo)
		change_usage(&row.own, c);
	return put_row(t, path, &row, err);
}

int loci__usage_change(struct loci__txn *t, const char *repo, const struct loci__usage_change *c,
                       struct loci_error *err)
{
	int rc = change_path(t, (struct loci_slice){repo, 0}, false, c, err);
	for (const char *p = strchr(repo, '/'); rc == 0 && p; p = strchr(p + 1, '/'))
		rc = change_path(t, (struct loci_slice){repo, (size_t)(p - repo)}, false, c, err);
	return rc < 0 ? rc : change_path(t, (struct loci_slice){repo, strlen(repo)}, true, c, err);
}

struct member {
	const struct loci__key *prefix;
	char repo[LOCI_REPO_MAX + 1];
	bool found;
};

static int take_member(void *arg, struct loci_slice key, struct loci_slice val)
{
	struct member *m = arg;
	(void)val;
	if (key.n <= m->prefix->n || memcmp(key.p, m->prefix->b, m->prefix->n) != 0)
		return 1;
	const struct loci_slice name = {key.p + m->prefix->n, key.n - m->prefix->n};
	m->found = loci__slice_copy(name, m->repo, sizeof(m->repo));
	return 1;
}

int loci__usage_change_members(struct loci__txn *t, const struct loci_digest *d, int64_t bytes,
                               struct loci_error *err)
{
	const struct loci__usage_change c = {.bytes = bytes};
	const struct loci__key prefix = loci__key_of_holder(d, LOCI_HOLDER_MEMBER, /* repo= */ "");
	struct loci__key from = prefix;
	for (;;) { /* one at a time: nothing may be written inside a scan */
		struct member m = {.prefix = &prefix};
		int rc = loci__txn_scan(t, LOCI_INDEX_HOLDER, &from, take_member, &m, err);
		if (rc == 0 && m.found)
			rc = loci__usage_change(t, m.repo, &c, err);
		if (rc < 0 || !m.found)
			return rc;
		from = prefix;
		loci__key_text(&from, m.repo);
		loci__key_bytes(&from, "", 1);
	}
}

/* ---- reading --------------------------------------------------------------------------------- */

int loci__usage_path(const char *given, struct loci_slice *ret, struct loci_error *err)
{
	size_t n = given ? strlen(given) : 0;
	if (n > 0 && given[n - 1] == '/')
		n--;
	if (n > 0 && !loci_repo_is_valid(given, n))
		return loci__err_set(err, LOCI_E_INVALID, "'%s' is no path of repositories", given);
	*ret = (struct loci_slice){n ? given : "", n};
	return 0;
}

int loci_usage_get(struct loci_store *st, const char *path, struct loci_usage *ret,
                   struct loci_error *err)
{
	loci__cleanup_read struct loci__txn t = {0};
	struct loci__usage_row row;
	struct loci_slice p;
	int rc = loci__store_check(st, err);
	if (rc == 0)
		rc = loci__usage_path(path, &p, err);
	if (rc == 0)
		rc = loci__read_begin(st->sh->index, &t, err);
	if (rc == 0)
		rc = loci__usage_row_get(&t, p, &row, err);
	if (rc == 0)
		*ret = row.all;
	return rc;
}

#define WALK_BATCH 64   /* rows given */
#define WALK_STEPS 4096 /* rows looked at in one snapshot */

struct walk_row {
	char repo[LOCI_REPO_MAX + 1];
	struct loci_usage usage;
};
struct walk {
	struct loci_slice path;
	struct loci__key last; /* the key looked at last */
	bool skip_last;
	bool full;
	bool leapt; /* between "team" and "team/…" stand "team-x": go on behind them */
	bool damaged;
	unsigned steps;
	size_t n;
	struct walk_row rows[WALK_BATCH];
};

/* Where the key stands: 0 at the path or below it, 1 between the two, 2 behind. */
static int where(const struct walk *w, struct loci_slice name)
{
	if (w->path.n == 0)
		return 0;
	int order = memcmp(name.p, w->path.p, name.n < w->path.n ? name.n : w->path.n);
	if (order != 0 || name.n < w->path.n)
		return order > 0 ? 2 : 1;
	if (name.n == w->path.n || name.p[w->path.n] == '/')
		return 0;
	return name.p[w->path.n] < '/' ? 1 : 2;
}

static int take_usage_row(void *arg, struct loci_slice key, struct loci_slice val)
{
	struct walk *w = arg;
	struct loci__usage_row row;
	struct loci_slice name = {key.p, key.n - 1};
	if (w->skip_last && key.n == w->last.n && !memcmp(key.p, w->last.b, key.n))
		return 0;
	int at = where(w, name);
	w->leapt = at == 1;
	if (at != 0)
		return 1;
	w->last.n = 0;
	loci__key_bytes(&w->last, key.p, key.n);
	w->skip_last = true;
	w->damaged = !parse_row(val, &row) || name.n > LOCI_REPO_MAX;
	if (w->damaged)
		return 1;
	if (!is_zero(&row.own)) {
		struct walk_row *r = &w->rows[w->n++];
		memcpy(r->repo, name.p, name.n);
		r->repo[name.n] = '\0';
		r->usage = row.own;
	}
	w->full = w->n == WALK_BATCH || ++w->steps == WALK_STEPS;
	return w->full;
}

/* 1: there may be more. */
static int walk_read(struct loci_store *st, struct walk *w, struct loci_error *err)
{
	loci__cleanup_read struct loci__txn t = {0};
	w->n = 0;
	w->steps = 0;
	w->full = w->leapt = false;
	int rc = loci__read_begin(st->sh->index, &t, err);
	if (rc == 0)
		rc = loci__txn_scan(&t, LOCI_INDEX_USAGE, &w->last, take_usage_row, w, err);
	if (rc == 0 && w->damaged)
		rc = loci__err_set(err, LOCI_E_INTERNAL, "index: a row of usage is damaged");
	if (rc < 0)
		return rc;
	if (w->leapt) {
		w->last.n = 0;
		loci__key_bytes(&w->last, w->path.p, w->path.n);
		loci__key_bytes(&w->last, "/", 1);
		w->skip_last = false;
	}
	return w->full || w->leapt;
}

static int walk_give(const struct walk *w, loci_usage_fn fn, void *arg, struct loci_error *err)
{
	for (size_t i = 0; i < w->n; i++)
		if (fn(arg, w->rows[i].repo, &w->rows[i].usage) != 0)
			return loci__err_set(err, LOCI_E_CALLBACK, "listing stopped by its caller");
	return 0;
}

int loci_usage_foreach(struct loci_store *st, const char *path, const char *after, loci_usage_fn fn,
                       void *arg, struct loci_error *err)
{
	struct walk w = {0};
	int rc = loci__store_check(st, err);
	if (rc == 0)
		rc = loci__usage_path(path, &w.path, err);
	if (rc == 0 && after)
		rc = loci__check_repo(after, err);
	if (rc < 0)
		return rc;
	w.last = key_of_path(w.path);
	if (after && strncmp(after, w.path.p, w.path.n) >= 0) {
		w.last = key_of_path((struct loci_slice){after, strlen(after)});
		w.skip_last = true;
	}
	int more;
	do {
		more = walk_read(st, &w, err);
		rc = more < 0 ? more : walk_give(&w, fn, arg, err);
	} while (rc == 0 && more);
	return rc;
}

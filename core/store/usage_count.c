/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counting USAGE anew from the rows of LINK, MEMBER and TAG, for a store that did not keep it yet.
 * Each of the three is ordered by repository, so that one repository's sum is on the way at a time;
 * a walk ends where the next one begins, as nothing may be written inside it.
 */
#include "core/store/manifest_row.h"
#include "core/store/store.h"
#include "core/store/usage.h"

#include "core/base/err.h"

#include <string.h>

struct sum {
	struct loci__txn *t;
	int table;
	int (*add)(struct sum *s, struct loci_slice rest);
	struct loci__usage_change change;
	char repo[LOCI_REPO_MAX + 1]; /* "": no row seen yet */
	int rc;
	struct loci_error *err;
};

static int damaged(struct sum *s)
{
	return loci__err_set(s->err, LOCI_E_INTERNAL, "index: a key of a repository is damaged");
}

static int add_link(struct sum *s, struct loci_slice rest)
{
	struct loci_digest d;
	struct loci__blob_row row = {0};
	if (!loci__take_digest(&rest, &d))
		return damaged(s);
	int rc = loci__blob_row_get(s->t, &d, &row, s->err);
	s->change.bytes += (int64_t)row.size;
	s->change.blobs++;
	return rc == LOCI_E_NOT_FOUND ? 0 : rc;
}

static int add_member(struct sum *s, struct loci_slice rest)
{
	struct loci_digest d;
	struct loci__manifest_row row = {0};
	if (!loci__take_digest(&rest, &d))
		return damaged(s);
	int rc = loci__manifest_row_get(s->t, &d, &row, s->err);
	s->change.bytes += (int64_t)row.bytes.n;
	s->change.manifests++;
	return rc == LOCI_E_NOT_FOUND ? 0 : rc;
}

static int add_tag(struct sum *s, struct loci_slice rest)
{
	(void)rest;
	s->change.tags++;
	return 0;
}

static int take_row(void *arg, struct loci_slice key, struct loci_slice val)
{
	struct sum *s = arg;
	(void)val;
	const char *end = memchr(key.p, '\0', key.n);
	size_t n = end ? (size_t)(end - key.p) : 0;
	if (n == 0 || n > LOCI_REPO_MAX) {
		s->rc = damaged(s);
		return 1;
	}
	if (!s->repo[0])
		memcpy(s->repo, key.p, n); /* zeros behind */
	else if (memcmp(s->repo, key.p, n + 1) != 0)
		return 1;
	s->rc = s->add(s, (struct loci_slice){end + 1, key.n - n - 1});
	return s->rc < 0;
}

/* The next repository of the table from *from on, which moves behind it; 0: there was none. */
static int sum_next(struct sum *s, struct loci__key *from)
{
	memset(s->repo, 0, sizeof(s->repo));
	s->change = (struct loci__usage_change){0};
	int rc = loci__txn_scan(s->t, s->table, from, take_row, s, s->err);
	if (rc == 0)
		rc = s->rc;
	if (rc < 0 || !s->repo[0])
		return rc;
	rc = loci__usage_change(s->t, s->repo, &s->change, s->err);
	from->n = 0;
	loci__key_text(from, s->repo);
	loci__key_bytes(from, "\1", 1); /* above every key that begins with the name and its NUL */
	return rc < 0 ? rc : 1;
}

static int take_key(void *arg, struct loci_slice key, struct loci_slice val)
{
	(void)val;
	loci__key_bytes(arg, key.p, key.n);
	return 1;
}

static int forget(struct loci__txn *t, struct loci_error *err)
{
	for (;;) {
		static const struct loci__key first = {.n = 1};
		struct loci__key k = {0};
		int rc = loci__txn_scan(t, LOCI_INDEX_USAGE, &first, take_key, &k, err);
		if (rc == 0 && k.n == 0)
			return 0;
		if (rc == 0)
			rc = loci__txn_del(t, LOCI_INDEX_USAGE, &k, err);
		if (rc < 0)
			return rc;
	}
}

int loci__usage_recount_op(struct loci__txn *t, void *unused, struct loci_error *err)
{
	static const struct {
		int table;
		int (*add)(struct sum *s, struct loci_slice rest);
	} counted[] = {
	        {LOCI_INDEX_LINK, add_link},
	        {LOCI_INDEX_MEMBER, add_member},
	        {LOCI_INDEX_TAG, add_tag},
	};
	(void)unused;
	int rc = forget(t, err);
	for (size_t i = 0; rc == 0 && i < sizeof(counted) / sizeof(counted[0]); i++) {
		struct sum s = {
		        .t = t, .table = counted[i].table, .add = counted[i].add, .err = err};
		struct loci__key from = {.n = 1}; /* a NUL: below every name */
		while ((rc = sum_next(&s, &from)) == 1)
			;
	}
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who refers to it? The answer is where two sorted lists meet: the parents that the store knows,
 * and the manifests of the repository. They are walked in leaps, each to the first entry at or
 * behind the other's, so that a layer of ten thousand images costs no ten thousand looks.
 */
#include "core/store/parent.h"

#include <string.h>

struct first {
	const struct loci__key *prefix;
	struct loci_digest digest;
	bool found;
};

static int take_first(void *arg, struct loci_slice key, struct loci_slice val)
{
	struct first *f = arg;
	(void)val;
	if (key.n <= f->prefix->n || memcmp(key.p, f->prefix->b, f->prefix->n) != 0)
		return 1;
	struct loci_slice rest = {key.p + f->prefix->n, key.n - f->prefix->n};
	f->found = loci__take_digest(&rest, &f->digest);
	return 1;
}

/* The first digest behind the prefix that is not below *d, which it replaces. NOT_FOUND. */
static int leap(struct loci__txn *t, int table, const struct loci__key *prefix,
                struct loci_digest *d, struct loci_error *err)
{
	struct first f = {.prefix = prefix};
	struct loci__key from = *prefix;
	if (d->alg)
		loci__key_digest(&from, d);
	int rc = loci__txn_scan(t, table, &from, take_first, &f, err);
	if (rc == 0 && !f.found)
		rc = LOCI_E_NOT_FOUND;
	if (rc == 0)
		*d = f.digest;
	return rc;
}

int loci__parent_find(struct loci__txn *t, const char *repo, const struct loci_digest *d, bool *ret,
                      struct loci_error *err)
{
	struct loci__key parents = loci__key_of_digest(d), members = {0};
	struct loci_digest at = {0};
	loci__key_name(&members, repo);
	*ret = false;
	for (;;) {
		int rc = leap(t, LOCI_INDEX_PARENT, &parents, &at, err);
		struct loci_digest parent = at;
		if (rc == 0)
			rc = leap(t, LOCI_INDEX_MEMBER, &members, &at, err);
		if (rc < 0)
			return rc == LOCI_E_NOT_FOUND ? 0 : rc;
		*ret = loci_digest_equal(&parent, &at);
		if (*ret)
			return 0;
	}
}

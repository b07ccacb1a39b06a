/* SPDX-License-Identifier: Apache-2.0 */
#include "core/store/txn.h"

#include "core/base/err.h"

#include <string.h>

/* ---- keys and values ------------------------------------------------------------------------- */

void loci__key_bytes(struct loci__key *k, const void *p, size_t n)
{
	if (k->n > sizeof(k->b) || n > sizeof(k->b) - k->n) {
		k->n = sizeof(k->b) + 1; /* and stays so */
		return;
	}
	memcpy(k->b + k->n, p, n);
	k->n += n;
}

void loci__key_name(struct loci__key *k, const char *s)
{
	loci__key_bytes(k, s, strlen(s) + 1);
}

void loci__key_text(struct loci__key *k, const char *s)
{
	loci__key_bytes(k, s, strlen(s));
}

size_t loci__put_digest(char *p, const struct loci_digest *d)
{
	p[0] = (char)d->alg;
	memcpy(p + 1, d->bytes, d->len);
	return 1 + d->len;
}

void loci__key_digest(struct loci__key *k, const struct loci_digest *d)
{
	char b[LOCI_DIGEST_KEY_MAX];
	loci__key_bytes(k, b, loci__put_digest(b, d));
}

struct loci__key loci__key_of_digest(const struct loci_digest *d)
{
	struct loci__key k;
	k.n = loci__put_digest(k.b, d);
	return k;
}

struct loci__key loci__key_of_repo_digest(const char *repo, const struct loci_digest *d)
{
	struct loci__key k;
	k.n = 0;
	loci__key_name(&k, repo);
	loci__key_digest(&k, d);
	return k;
}

struct loci__key loci__key_of_repo_text(const char *repo, const char *text)
{
	struct loci__key k;
	k.n = 0;
	loci__key_name(&k, repo);
	loci__key_text(&k, text);
	return k;
}

bool loci__take_digest(struct loci_slice *s, struct loci_digest *ret)
{
	static const unsigned len_of[] = {[LOCI_SHA256] = 32, [LOCI_SHA512] = 64};
	if (s->n == 0)
		return false;
	size_t alg = (unsigned char)s->p[0];
	if (alg >= sizeof(len_of) / sizeof(len_of[0]) || !len_of[alg] || s->n < 1 + len_of[alg])
		return false;
	memset(ret, 0, sizeof(*ret));
	ret->alg = (int)alg;
	ret->len = len_of[alg];
	memcpy(ret->bytes, s->p + 1, ret->len);
	s->p += 1 + ret->len;
	s->n -= 1 + ret->len;
	return true;
}

void loci__put_u64le(char *p, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (char)(v >> (8 * i));
}

bool loci__take_u64le(struct loci_slice *s, uint64_t *ret)
{
	if (s->n < 8)
		return false;
	*ret = 0;
	for (int i = 0; i < 8; i++)
		*ret |= (uint64_t)(unsigned char)s->p[i] << (8 * i);
	s->p += 8;
	s->n -= 8;
	return true;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static const struct loci_index_ops *ops_of(const struct loci__txn *t)
{
	return t->t->index->ops;
}

/* Anything but "not there" is the engine's failure: the whole transaction shares it. */
static int seen(struct loci__txn *t, int rc, struct loci_error *err)
{
	if (rc < 0 && rc != LOCI_E_NOT_FOUND && !t->damaged) {
		t->damaged = rc;
		if (err)
			t->err = *err;
	}
	return rc;
}

static int check_key(const struct loci__key *k, struct loci_error *err)
{
	if (k->n <= sizeof(k->b))
		return 0;
	return loci__err_set(err, LOCI_E_INVALID, "index: a key of more than %d bytes",
	                     LOCI_INDEX_KEY_MAX);
}

int loci__txn_get(struct loci__txn *t, int table, const struct loci__key *k, struct loci_slice *ret,
                  struct loci_error *err)
{
	int rc = check_key(k, err);
	if (rc < 0)
		return rc;
	return seen(t, ops_of(t)->get(t->t, table, loci__key_slice(k), ret, err), err);
}

int loci__txn_has(struct loci__txn *t, int table, const struct loci__key *k, struct loci_error *err)
{
	struct loci_slice val;
	return loci__txn_get(t, table, k, &val, err);
}

int loci__txn_get_u64(struct loci__txn *t, int table, const struct loci__key *k, uint64_t *ret,
                      struct loci_error *err)
{
	struct loci_slice val;
	int rc = loci__txn_get(t, table, k, &val, err);
	if (rc == 0 && !loci__take_u64le(&val, ret))
		rc = loci__err_set(err, LOCI_E_INTERNAL, "index: a number of %zu bytes", val.n);
	return rc;
}

int loci__txn_put(struct loci__txn *t, int table, const struct loci__key *k, struct loci_slice val,
                  struct loci_error *err)
{
	int rc = check_key(k, err);
	if (rc < 0)
		return rc;
	t->wrote = true;
	return seen(t, ops_of(t)->put(t->t, table, loci__key_slice(k), val, err), err);
}

int loci__txn_put_u64(struct loci__txn *t, int table, const struct loci__key *k, uint64_t v,
                      struct loci_error *err)
{
	char b[8];
	loci__put_u64le(b, v);
	return loci__txn_put(t, table, k, (struct loci_slice){b, sizeof(b)}, err);
}

int loci__txn_del(struct loci__txn *t, int table, const struct loci__key *k, struct loci_error *err)
{
	int rc = check_key(k, err);
	if (rc < 0)
		return rc;
	rc = seen(t, ops_of(t)->del(t->t, table, loci__key_slice(k), err), err);
	if (rc != LOCI_E_NOT_FOUND)
		t->wrote = true;
	return rc;
}

int loci__txn_scan(struct loci__txn *t, int table, const struct loci__key *from,
                   loci_index_scan_fn fn, void *arg, struct loci_error *err)
{
	int rc = check_key(from, err);
	if (rc < 0)
		return rc;
	return seen(t, ops_of(t)->scan(t->t, table, loci__key_slice(from), fn, arg, err), err);
}

int loci__read_begin(struct loci_index *ix, struct loci__txn *t, struct loci_error *err)
{
	return ix->ops->read_begin(ix, &t->t, err);
}

void loci__read_end(struct loci__txn *t)
{
	if (t->t)
		ops_of(t)->read_end(t->t);
	t->t = NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transaction as the store's logic sees it, and the keys and values of its rows.
 *
 * Keys are put together from validated parts, so that they always fit (255 of a repository, a NUL,
 * 65 of a digest, 128 of a tag); a digest in a key is its algorithm's number and its bytes, so that
 * no digest's key is the prefix of another's. Numbers in values are little-endian.
 */
#ifndef LOCI_STORE_TXN_H
#define LOCI_STORE_TXN_H

#include "loci/digest.h"
#include "loci/sys/index.h"

struct loci_origin;
struct loci__quota_list;

struct loci__txn {
	struct loci_index_txn *t;
	bool wrote;                            /* since the current operation began */
	const struct loci_origin *origin;      /* who asks for the current operation, or NULL */
	bool has_events;                       /* to be told of after the commit */
	const struct loci__quota_list *quotas; /* of the batch, or NULL */
	int damaged; /* first failure of the engine, which the whole transaction shares */
	struct loci_error err;
};

struct loci__key {
	size_t n; /* beyond LOCI_INDEX_KEY_MAX: too much was appended */
	char b[LOCI_INDEX_KEY_MAX];
};

/* Each appends to the key; too much makes a key that every access refuses (INVALID). */
void loci__key_bytes(struct loci__key *k, const void *p, size_t n);
void loci__key_name(struct loci__key *k, const char *s); /* with its NUL */
void loci__key_text(struct loci__key *k, const char *s); /* without */
void loci__key_digest(struct loci__key *k, const struct loci_digest *d);
static inline struct loci_slice loci__key_slice(const struct loci__key *k)
{
	return (struct loci_slice){k->b, k->n};
}
/* The usual ones. */
struct loci__key loci__key_of_digest(const struct loci_digest *d);
struct loci__key loci__key_of_repo_digest(const char *repo, const struct loci_digest *d);
struct loci__key loci__key_of_repo_text(const char *repo, const char *text);

/* A digest out of a key or value; takes it from the front of *s. */
bool loci__take_digest(struct loci_slice *s, struct loci_digest *ret);
bool loci__take_u64le(struct loci_slice *s, uint64_t *ret);

#define LOCI_DIGEST_KEY_MAX (1 + 64)
size_t loci__put_digest(char *p, const struct loci_digest *d);
void loci__put_u64le(char *p, uint64_t v);

/* As loci_index_ops. _get and _del leave err alone on NOT_FOUND. */
int loci__txn_get(struct loci__txn *t, int table, const struct loci__key *k, struct loci_slice *ret,
                  struct loci_error *err);
int loci__txn_has(struct loci__txn *t, int table, const struct loci__key *k,
                  struct loci_error *err); /* 0 or NOT_FOUND */
int loci__txn_get_u64(struct loci__txn *t, int table, const struct loci__key *k, uint64_t *ret,
                      struct loci_error *err);
int loci__txn_put(struct loci__txn *t, int table, const struct loci__key *k, struct loci_slice val,
                  struct loci_error *err);
int loci__txn_put_u64(struct loci__txn *t, int table, const struct loci__key *k, uint64_t v,
                      struct loci_error *err);
int loci__txn_del(struct loci__txn *t, int table, const struct loci__key *k,
                  struct loci_error *err);
int loci__txn_scan(struct loci__txn *t, int table, const struct loci__key *from,
                   loci_index_scan_fn fn, void *arg, struct loci_error *err);

/* A snapshot on the stack; ends with the scope. */
int loci__read_begin(struct loci_index *ix, struct loci__txn *t, struct loci_error *err);
void loci__read_end(struct loci__txn *t);
#define loci__cleanup_read __attribute__((cleanup(loci__read_end)))

#endif

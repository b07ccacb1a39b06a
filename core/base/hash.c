/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashing by libcrypto. The text form of digests is core/spec/digest.c.
 *
 * By its low-level functions, though 3.0 calls them deprecated: they are the same assembly as
 * EVP's (as fast on long input, six times faster on a hundred bytes), and the only ones whose state
 * can be read and set: the contexts of EVP are opaque, and what would export them came long after
 * 3.0. An upload that goes on after a restart needs it.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "core/base/hash.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#define STATE_VERSION 1
#define STATE_HEAD    (1 + 1 + 8)
#define WORDS         8
/* SHA-256 counts bits in 64 bits, and more than that is no file. */
#define LENGTH_MAX (UINT64_MAX >> 3)

union context {
	SHA256_CTX sha256;
	SHA512_CTX sha512;
};

struct loci_hasher {
	int alg;
	union context ctx;
};

/* ---- what is particular to an algorithm -------------------------------------------------------
 */

/* Big-endian, n bytes. */
static unsigned char *put_be(unsigned char *to, uint64_t v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		to[i] = (unsigned char)(v >> (8 * (n - 1 - i)));
	return to + n;
}

static uint64_t get_be(const unsigned char *p, unsigned n)
{
	uint64_t v = 0;
	for (unsigned i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

static void init_256(union context *c)
{
	SHA256_Init(&c->sha256);
}

static int update_256(union context *c, const void *p, size_t n)
{
	return SHA256_Update(&c->sha256, p, n);
}

static int finish_256(union context *c, unsigned char *to)
{
	return SHA256_Final(to, &c->sha256);
}

static uint64_t length_256(const union context *c)
{
	return ((uint64_t)c->sha256.Nh << 32 | c->sha256.Nl) >> 3;
}

static void save_256(const union context *c, unsigned char *to)
{
	for (int i = 0; i < WORDS; i++)
		to = put_be(to, c->sha256.h[i], 4);
	memcpy(to, c->sha256.data, c->sha256.num);
}

static void load_256(union context *c, uint64_t length, const unsigned char *p, unsigned rest)
{
	SHA256_Init(&c->sha256);
	for (int i = 0; i < WORDS; i++)
		c->sha256.h[i] = (SHA_LONG)get_be(p + 4 * i, 4);
	c->sha256.Nl = (SHA_LONG)(length << 3);
	c->sha256.Nh = (SHA_LONG)(length >> 29);
	c->sha256.num = rest;
	memcpy(c->sha256.data, p + 4 * WORDS, rest);
}

static void init_512(union context *c)
{
	SHA512_Init(&c->sha512);
}

static int update_512(union context *c, const void *p, size_t n)
{
	return SHA512_Update(&c->sha512, p, n);
}

static int finish_512(union context *c, unsigned char *to)
{
	return SHA512_Final(to, &c->sha512);
}

static uint64_t length_512(const union context *c)
{
	return c->sha512.Nh << 61 | c->sha512.Nl >> 3;
}

static void save_512(const union context *c, unsigned char *to)
{
	for (int i = 0; i < WORDS; i++)
		to = put_be(to, c->sha512.h[i], 8);
	memcpy(to, c->sha512.u.p, c->sha512.num);
}

static void load_512(union context *c, uint64_t length, const unsigned char *p, unsigned rest)
{
	SHA512_Init(&c->sha512);
	for (int i = 0; i < WORDS; i++)
		c->sha512.h[i] = get_be(p + 8 * i, 8);
	c->sha512.Nl = length << 3;
	c->sha512.Nh = length >> 61;
	c->sha512.num = rest;
	memcpy(c->sha512.u.p, p + 8 * WORDS, rest);
}

struct algorithm {
	unsigned digest_len, block, word; /* bytes */
	void (*init)(union context *c);
	int (*update)(union context *c, const void *p, size_t n);
	int (*finish)(union context *c, unsigned char *to);
	uint64_t (*length)(const union context *c);
	/* The words, then the partial block. */
	void (*save)(const union context *c, unsigned char *to);
	void (*load)(union context *c, uint64_t length, const unsigned char *p, unsigned rest);
};

static const struct algorithm algorithms[] = {
        [LOCI_SHA256] = {SHA256_DIGEST_LENGTH, SHA256_CBLOCK, 4, init_256, update_256, finish_256,
                         length_256, save_256, load_256},
        [LOCI_SHA512] = {SHA512_DIGEST_LENGTH, SHA512_CBLOCK, 8, init_512, update_512, finish_512,
                         length_512, save_512, load_512},
};

static const struct algorithm *find(int alg, struct loci_error *err)
{
	if (alg == LOCI_SHA256 || alg == LOCI_SHA512)
		return &algorithms[alg];
	loci__err_set(err, LOCI_E_UNSUPPORTED, "digest algorithm %d", alg);
	return NULL;
}

/* ---- hashing --------------------------------------------------------------------------------- */

int loci_hasher_new(int alg, struct loci_hasher **ret, struct loci_error *err)
{
	const struct algorithm *a = find(alg, err);
	if (!a)
		return LOCI_E_UNSUPPORTED;
	struct loci_hasher *h = calloc(1, sizeof(*h));
	if (!h)
		return loci__err_nomem(err);
	h->alg = alg;
	a->init(&h->ctx);
	*ret = h;
	return 0;
}

int loci_hasher_update(struct loci_hasher *h, const void *p, size_t n, struct loci_error *err)
{
	if (algorithms[h->alg].update(&h->ctx, p, n) != 1)
		return loci__err_set(err, LOCI_E_INTERNAL, "hash %zu bytes", n);
	return 0;
}

int loci_hasher_finish(struct loci_hasher *h, struct loci_digest *ret, struct loci_error *err)
{
	struct loci_digest d = {.alg = h->alg, .len = algorithms[h->alg].digest_len};
	union context last = h->ctx; /* the padding is not part of what was hashed */
	if (algorithms[h->alg].finish(&last, d.bytes) != 1)
		return loci__err_set(err, LOCI_E_INTERNAL, "finish a hash");
	*ret = d;
	return 0;
}

void loci_hasher_free(struct loci_hasher *h)
{
	free(h);
}

int loci_digest_bytes(int alg, const void *p, size_t n, struct loci_digest *ret,
                      struct loci_error *err)
{
	const struct algorithm *a = find(alg, err);
	if (!a)
		return LOCI_E_UNSUPPORTED;
	struct loci_hasher h = {.alg = alg};
	a->init(&h.ctx);
	int rc = loci_hasher_update(&h, p, n, err);
	return rc < 0 ? rc : loci_hasher_finish(&h, ret, err);
}

/* ---- as bytes -------------------------------------------------------------------------------- */

int loci__hasher_alg(const struct loci_hasher *h)
{
	return h->alg;
}

uint64_t loci__hasher_length(const struct loci_hasher *h)
{
	return algorithms[h->alg].length(&h->ctx);
}

static size_t state_size(const struct algorithm *a, uint64_t length)
{
	return STATE_HEAD + WORDS * a->word + (size_t)(length % a->block);
}

size_t loci__hasher_export(const struct loci_hasher *h, unsigned char buf[LOCI_HASH_STATE_MAX])
{
	const struct algorithm *a = &algorithms[h->alg];
	uint64_t length = a->length(&h->ctx);
	buf[0] = STATE_VERSION;
	buf[1] = (unsigned char)h->alg;
	a->save(&h->ctx, put_be(buf + 2, length, 8));
	return state_size(a, length);
}

int loci__hasher_import(const void *p, size_t n, struct loci_hasher **ret, struct loci_error *err)
{
	const unsigned char *bytes = p;
	if (n < STATE_HEAD)
		return loci__err_set(err, LOCI_E_INVALID, "state of a hash: cut short");
	if (bytes[0] != STATE_VERSION)
		return loci__err_set(err, LOCI_E_UNSUPPORTED, "state of a hash: version %d",
		                     bytes[0]);
	const struct algorithm *a = find(bytes[1], err);
	if (!a)
		return LOCI_E_UNSUPPORTED;
	uint64_t length = get_be(bytes + 2, 8);
	if (length > LENGTH_MAX || n != state_size(a, length))
		return loci__err_set(err, LOCI_E_INVALID, "state of a hash: length does not fit");
	int rc = loci_hasher_new(bytes[1], ret, err);
	if (rc == 0)
		a->load(&(*ret)->ctx, length, bytes + STATE_HEAD, (unsigned)(length % a->block));
	return rc;
}

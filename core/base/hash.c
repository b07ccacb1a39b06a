/* SPDX-License-Identifier: Apache-2.0 */
/* Hashing by OpenSSL EVP. The text form of digests is core/spec/digest.c. */
#include "loci/digest.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"

#include <openssl/evp.h>
#include <stdlib.h>

struct loci_hasher {
	EVP_MD_CTX *ctx;
	int alg;
};

static const EVP_MD *md_of(int alg)
{
	switch (alg) {
	case LOCI_SHA256: return EVP_sha256();
	case LOCI_SHA512: return EVP_sha512();
	default: return NULL;
	}
}

int loci_hasher_new(int alg, struct loci_hasher **ret, struct loci_error *err)
{
	const EVP_MD *md = md_of(alg);
	if (!md)
		return loci__err_set(err, LOCI_E_UNSUPPORTED, "digest algorithm %d", alg);
	struct loci_hasher *h = calloc(1, sizeof(*h));
	if (!h)
		return loci__err_nomem(err);
	h->alg = alg;
	h->ctx = EVP_MD_CTX_new();
	if (!h->ctx || EVP_DigestInit_ex(h->ctx, md, /* engine= */ NULL) != 1) {
		loci_hasher_free(h);
		return loci__err_nomem(err);
	}
	*ret = h;
	return 0;
}

int loci_hasher_update(struct loci_hasher *h, const void *p, size_t n, struct loci_error *err)
{
	if (EVP_DigestUpdate(h->ctx, p, n) != 1)
		return loci__err_set(err, LOCI_E_INTERNAL, "hash %zu bytes", n);
	return 0;
}

int loci_hasher_finish(struct loci_hasher *h, struct loci_digest *ret, struct loci_error *err)
{
	struct loci_digest d = {.alg = h->alg};
	if (EVP_DigestFinal_ex(h->ctx, d.bytes, &d.len) != 1)
		return loci__err_set(err, LOCI_E_INTERNAL, "finish a hash");
	*ret = d;
	return 0;
}

void loci_hasher_free(struct loci_hasher *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->ctx);
	free(h);
}

int loci_digest_bytes(int alg, const void *p, size_t n, struct loci_digest *ret,
                      struct loci_error *err)
{
	const EVP_MD *md = md_of(alg);
	if (!md)
		return loci__err_set(err, LOCI_E_UNSUPPORTED, "digest algorithm %d", alg);
	struct loci_digest d = {.alg = alg};
	if (EVP_Digest(p, n, d.bytes, &d.len, md, /* engine= */ NULL) != 1)
		return loci__err_set(err, LOCI_E_INTERNAL, "hash %zu bytes", n);
	*ret = d;
	return 0;
}

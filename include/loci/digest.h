/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digests (image-spec descriptor.md "Digests") and the hashing that makes them.
 */
#ifndef LOCI_DIGEST_H
#define LOCI_DIGEST_H

#include "loci/api.h"
#include "loci/error.h"

LOCI_BEGIN_DECLS

enum loci_digest_alg { LOCI_SHA256 = 1, LOCI_SHA512 = 2 };

/** "sha512:" + 128 hex + NUL */
#define LOCI_DIGEST_STR_MAX 136

struct loci_digest {
	int alg;      /* enum loci_digest_alg; 0: absent */
	unsigned len; /* bytes */
	unsigned char bytes[64];
};

/** Strict: algorithm known, lower-case hex, exact length. Expected errors: INVALID, UNSUPPORTED (a
 *  well-formed digest of an algorithm that is not built in). */
LOCI_API LOCI_CHECK int loci_digest_parse(const char *s, size_t n, struct loci_digest *ret,
                                          struct loci_error *err);
/** Writes "sha256:…" and a NUL, returns its length without the NUL. */
LOCI_API size_t loci_digest_format(const struct loci_digest *d, char buf[LOCI_DIGEST_STR_MAX]);
LOCI_API bool loci_digest_equal(const struct loci_digest *a, const struct loci_digest *b);
/** "sha256" → LOCI_SHA256; 0 for a name that is not built in. */
LOCI_API int loci_digest_alg_parse(const char *s, size_t n);
/** LOCI_SHA256 → "sha256"; NULL for no algorithm. */
LOCI_API const char *loci_digest_alg_name(int alg);

/** A running hash. Opaque; one thread at a time. */
struct loci_hasher;
LOCI_API LOCI_CHECK int loci_hasher_new(int alg, struct loci_hasher **ret, struct loci_error *err);
LOCI_API LOCI_CHECK int loci_hasher_update(struct loci_hasher *h, const void *p, size_t n,
                                           struct loci_error *err);
/** May be called once; only _free is allowed after it. */
LOCI_API LOCI_CHECK int loci_hasher_finish(struct loci_hasher *h, struct loci_digest *ret,
                                           struct loci_error *err);
LOCI_API void loci_hasher_free(struct loci_hasher *h); /* NULL is fine */

/** The digest of n bytes in memory. */
LOCI_API LOCI_CHECK int loci_digest_bytes(int alg, const void *p, size_t n, struct loci_digest *ret,
                                          struct loci_error *err);

LOCI_END_DECLS
#endif

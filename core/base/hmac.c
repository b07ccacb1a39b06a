/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/hmac.h"

#include "core/base/cleanup.h"

#include <string.h>

#define BLOCK 64 /* bytes of SHA-256's */

LOCI_DEFINE_CLEANUP(free_hasher, struct loci_hasher, loci_hasher_free)

/* The hash of the key, padded and mixed with a byte, and what follows. */
static int keyed_hash(const unsigned char key[BLOCK], unsigned char mix, const void *p, size_t n,
                      struct loci_digest *ret, struct loci_error *err)
{
	struct loci_hasher *h loci__cleanup(free_hasher) = NULL;
	unsigned char pad[BLOCK];
	for (size_t i = 0; i < BLOCK; i++)
		pad[i] = key[i] ^ mix;
	int rc = loci_hasher_new(LOCI_SHA256, &h, err);
	if (rc == 0)
		rc = loci_hasher_update(h, pad, sizeof(pad), err);
	if (rc == 0)
		rc = loci_hasher_update(h, p, n, err);
	if (rc == 0)
		rc = loci_hasher_finish(h, ret, err);
	explicit_bzero(pad, sizeof(pad));
	return rc;
}

int loci__hmac_sha256(const void *key, size_t key_n, const void *p, size_t n,
                      struct loci_digest *ret, struct loci_error *err)
{
	unsigned char padded[BLOCK] = {0};
	struct loci_digest short_key, inner;
	int rc = 0;
	if (key_n > BLOCK) {
		rc = loci_digest_bytes(LOCI_SHA256, key, key_n, &short_key, err);
		if (rc == 0)
			memcpy(padded, short_key.bytes, short_key.len);
	} else if (key_n) {
		memcpy(padded, key, key_n);
	}
	if (rc == 0)
		rc = keyed_hash(padded, 0x36, p, n, &inner, err);
	if (rc == 0)
		rc = keyed_hash(padded, 0x5c, inner.bytes, inner.len, ret, err);
	explicit_bzero(padded, sizeof(padded));
	return rc;
}

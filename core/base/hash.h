/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A running hash as bytes, so that it can go on in another process, or another build of this one:
 *
 *     version 1 | algorithm 1 | bytes hashed 8 | eight words | the bytes of the last, partial block
 *
 * Numbers are big-endian, as the algorithms print them; words have 4 bytes (sha256) or 8 (sha512).
 */
#ifndef LOCI_BASE_HASH_H
#define LOCI_BASE_HASH_H

#include "loci/digest.h"

#define LOCI_HASH_STATE_MAX (1 + 1 + 8 + 8 * 8 + 127)

/* Its length. h stays as it is. */
size_t loci__hasher_export(const struct loci_hasher *h, unsigned char buf[LOCI_HASH_STATE_MAX]);
/* Exactly n bytes, as exported. Expected: INVALID, UNSUPPORTED (another version or algorithm). */
int loci__hasher_import(const void *p, size_t n, struct loci_hasher **ret, struct loci_error *err);

int loci__hasher_alg(const struct loci_hasher *h);
/* Bytes it has seen. */
uint64_t loci__hasher_length(const struct loci_hasher *h);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOCI_BASE_HMAC_H
#define LOCI_BASE_HMAC_H

#include "loci/digest.h"

/* HMAC (RFC 2104) with SHA-256; a key of any length. */
int loci__hmac_sha256(const void *key, size_t key_n, const void *p, size_t n,
                      struct loci_digest *ret, struct loci_error *err);

#endif

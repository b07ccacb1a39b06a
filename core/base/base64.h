/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOCI_BASE_BASE64_H
#define LOCI_BASE_BASE64_H

#include "loci/api.h"

/* Bytes that the padded text of n bytes takes, its NUL included. */
#define LOCI_BASE64_SIZE(n) (((n) + 2) / 3 * 4 + 1)

/* RFC 4648 section 4, padded, with a NUL: buf holds LOCI_BASE64_SIZE(n). Returns the length. */
size_t loci__base64_format(const void *p, size_t n, char *buf);
/* Strict: whole quanta, padding only at the end, no blanks, no stray bits. */
bool loci__base64_parse(const char *s, size_t s_n, void *ret, size_t size, size_t *ret_n);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOCI_BASE_UTF8_H
#define LOCI_BASE_UTF8_H

#include <stddef.h>

/* Bytes of the well-formed UTF-8 sequence at p (RFC 3629: no overlongs, no surrogates); 0: none. */
size_t loci__utf8_length(const unsigned char *p, size_t n);

#endif

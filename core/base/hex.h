/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOCI_BASE_HEX_H
#define LOCI_BASE_HEX_H

#include "loci/api.h"

/* Lower-case hex with a NUL: buf holds 2 * n + 1. */
void loci__hex_format(const void *p, size_t n, char *buf);
/* Exactly 2 * n lower-case digits. */
bool loci__hex_parse(const char *s, size_t s_n, void *ret, size_t n);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOCI_BASE_RAND_H
#define LOCI_BASE_RAND_H

#include "loci/error.h"

/* From the kernel; fails only on a system without getrandom. */
int loci__rand_bytes(void *p, size_t n, struct loci_error *err);
#define LOCI_RAND_NAME_MAX 25 /* 24 lower-case hex digits and a NUL */
int loci__rand_name(char buf[LOCI_RAND_NAME_MAX], struct loci_error *err);
#define LOCI_UUID_MAX 37
/* A random (version 4) UUID in its canonical lower-case form. */
int loci__rand_uuid(char buf[LOCI_UUID_MAX], struct loci_error *err);

#endif

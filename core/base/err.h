/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filling struct loci_error. Every function returns the code, so that a failing path is one line:
 *     return loci__err_set(err, LOCI_E_INVALID, "config: %s is not a number", path);
 * err may be NULL everywhere.
 */
#ifndef LOCI_BASE_ERR_H
#define LOCI_BASE_ERR_H

#include "loci/error.h"

int loci__err_set(struct loci_error *err, int code, const char *fmt, ...) LOCI_PRINTF(3, 4);
/* From errno; the text gets ": " + strerror. ENOENT becomes NOT_FOUND, EEXIST EXISTS, EACCES and
 * EPERM DENIED, ENOMEM NOMEM, ENOSPC and EDQUOT NO_SPACE, EBUSY BUSY, anything else SYS. */
int loci__err_sys(struct loci_error *err, const char *fmt, ...) LOCI_PRINTF(2, 3);
int loci__err_errno(struct loci_error *err, int sys_errno, const char *fmt, ...) LOCI_PRINTF(3, 4);
int loci__err_nomem(struct loci_error *err);
/* Puts "text: " in front of a message that is there; at most once a layer. Returns err->code, or
 * `code` when err is NULL. */
int loci__err_prefix(struct loci_error *err, int code, const char *fmt, ...) LOCI_PRINTF(3, 4);
/* The code that an errno becomes (see _sys). */
int loci__err_code_of_errno(int sys_errno);

#endif

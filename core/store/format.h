/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file `format`: which format a store has, and the lock under which that may change.
 */
#ifndef LOCI_STORE_FORMAT_H
#define LOCI_STORE_FORMAT_H

#include "loci/error.h"

#define LOCI_FORMAT_FILE "format"
/* 2: USAGE is kept, tags have times. docs/internals/store.md has what each number brought. */
#define LOCI_FORMAT_NOW 2

/* NOT_FOUND: no store is here yet. UNSUPPORTED: of a newer version. */
int loci__format_read(int dirfd, const char *dir, unsigned *ret, struct loci_error *err);
/* Durable. */
int loci__format_write(int dirfd, unsigned version, struct loci_error *err);

/* Held while a store is opened: shared when its format is the present one, alone when it has to be
 * migrated, so that no peer of this version is inside meanwhile. *ret: the format, as read under
 * the lock. */
int loci__format_lock(int dirfd, const char *dir, unsigned *ret, struct loci_error *err);
void loci__format_unlock(int dirfd);

#endif

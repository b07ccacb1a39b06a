/* SPDX-License-Identifier: Apache-2.0 */
/* The mark against writing, for those inside of the store. */
#ifndef LOCI_STORE_FREEZE_H
#define LOCI_STORE_FREEZE_H

#include "loci/error.h"

/* dirfd: the store's. */
bool loci__is_frozen(int dirfd);
/* A guard of the writer: dirfd points at the store's. READ_ONLY. */
int loci__check_frozen(const void *dirfd, struct loci_error *err);

#endif

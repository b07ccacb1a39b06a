/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOCI_STORE_INDEX_MAKE_H
#define LOCI_STORE_INDEX_MAKE_H

#include "loci/error.h"

/* The data file of an empty index in the directory path, unless one is there. LMDB writes the first
 * two pages of a new file and leaves it at that: a power cut soon after leaves a file of zeros,
 * which it refuses for ever. So it is made under another name, synced, and renamed. With the lock
 * on opening held. */
int loci__index_make(const char *path, struct loci_error *err);

#endif

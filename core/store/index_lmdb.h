/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOCI_STORE_INDEX_LMDB_H
#define LOCI_STORE_INDEX_LMDB_H

#include "loci/sys/index.h"

/* The index as one LMDB environment; see index_lmdb.c. */
int loci__index_lmdb_open(const char *path, const struct loci_index_opts *opts,
                          struct loci_index **ret, struct loci_error *err);

/* For tests: the path of the one mapped file, the bytes mapped now, and the slots of the reader
 * table that name a snapshot. */
struct loci_index_lmdb_info {
	uint64_t map_size;
	uint64_t used;
	unsigned slots_busy;
	unsigned slots_own;
};
void loci__index_lmdb_info(struct loci_index *ix, struct loci_index_lmdb_info *ret);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store whose seams count their calls: what an operation would ask of a back end that is a
 * network away, and how often.
 */
#ifndef LOCI_BENCH_SCALE_COUNTED_H
#define LOCI_BENCH_SCALE_COUNTED_H

#include "loci/store.h"

enum counted {
	COUNTED_SNAPSHOT, /* read transactions begun */
	COUNTED_GET,
	COUNTED_SCAN,
	COUNTED_WRITE, /* write transactions begun */
	COUNTED_PUT,   /* and deletions */
	COUNTED_BLOBS, /* calls of the blobs' seam */
	COUNTED
};

/* Exits on failure. One at a time: the counts are the program's. */
struct loci_store *counted_open(const char *dir);
/* Since the last time. */
void counted_take(unsigned ret[COUNTED]);

#endif

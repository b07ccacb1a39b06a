/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream that lends its bytes instead of copying them out: how the tar parser gets its input and
 * how file content travels from the inflated block straight into write(2).
 */
#ifndef LOCI_UNPACK_CHUNKS_H
#define LOCI_UNPACK_CHUNKS_H

#include "loci/error.h"

/* > 0 bytes at *ret, lent until the next call; 0 at the end; < 0 a code. */
typedef ssize_t (*loci_chunk_fn)(void *arg, const unsigned char **ret, struct loci_error *err);

struct loci_chunks {
	loci_chunk_fn next;
	void *arg;
};

#endif

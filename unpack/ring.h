/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream between inflating and writing: a ring of blocks that a thread of its own fills while
 * the caller empties it, or a single block filled on demand where a second thread has no core to
 * run on. Blocks are full but for the last, so that a tar header never straddles two.
 */
#ifndef LOCI_UNPACK_RING_H
#define LOCI_UNPACK_RING_H

#include "loci/io.h"

#define LOCI_RING_BLOCKS     16
#define LOCI_RING_BLOCK_SIZE ((size_t)256 * 1024)

struct loci_ring;
/* from is called in the other thread when threaded; it must outlive the ring. */
int loci__ring_new(const struct loci_reader *from, bool threaded, struct loci_ring **ret,
                   struct loci_error *err);
/* A loci_chunk_fn. An error of the reader comes after what was read before it, and again. */
ssize_t loci__ring_next(void *ring, const unsigned char **ret, struct loci_error *err);
/* Waits for the reader's current call to return. NULL is fine. */
void loci__ring_free(struct loci_ring *r);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many upload sessions there are in the store and how many bytes they hold, for the limits of
 * both. Sessions are files, and several processes make them: they are counted by looking, once a
 * minute, and this process's own are added and taken off in between. Nobody is refused by an old
 * count: whoever would be has them counted again, once a second at most.
 */
#ifndef LOCI_STORE_SESSION_COUNT_H
#define LOCI_STORE_SESSION_COUNT_H

#include "loci/sys/blobs.h"

struct loci__session_count;

struct loci__session_count *loci__session_count_new(struct loci_blobs *borrowed_blobs);
void loci__session_count_free(struct loci__session_count *c);

/* One more session. max 0: whatever their number. Expected: BUSY. */
int loci__session_count_begin(struct loci__session_count *c, uint64_t max_sessions,
                              uint64_t max_bytes, struct loci_error *err);
/* Whether n more bytes may come; they are counted by _grow. Expected: BUSY. */
int loci__session_count_room(struct loci__session_count *c, uint64_t n, uint64_t max_bytes,
                             struct loci_error *err);
void loci__session_count_grow(struct loci__session_count *c, uint64_t n);
/* A session of so many bytes is gone. */
void loci__session_count_end(struct loci__session_count *c, uint64_t bytes);

#endif

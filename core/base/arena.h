/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is freed at once: what is built from one document lives and dies with it. Zeroed,
 * aligned for any type, with a named maximum.
 */
#ifndef LOCI_BASE_ARENA_H
#define LOCI_BASE_ARENA_H

#include "loci/error.h"

struct loci__arena_chunk;
struct loci__arena {
	struct loci__arena_chunk *chunks;
	size_t used; /* bytes handed out */
	size_t max;
};

#define LOCI_ARENA_INIT(limit) \
	{                      \
		.max = (limit) \
	}

void loci__arena_done(struct loci__arena *a);
#define loci__cleanup_arena __attribute__((cleanup(loci__arena_done)))
/* NULL when memory is out or the maximum is passed. */
void *loci__arena_alloc(struct loci__arena *a, size_t n);
void *loci__arena_array(struct loci__arena *a, size_t n, size_t size);
char *loci__arena_strdup(struct loci__arena *a, const char *s);
char *loci__arena_strndup(struct loci__arena *a, const char *s, size_t n);
char *loci__arena_printf(struct loci__arena *a, const char *fmt, ...) LOCI_PRINTF(2, 3);

#endif

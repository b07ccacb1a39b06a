/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/arena.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_MIN 4096

struct loci__arena_chunk {
	struct loci__arena_chunk *next;
	size_t cap;
	size_t len;
	max_align_t bytes[];
};

void loci__arena_done(struct loci__arena *a)
{
	for (struct loci__arena_chunk *c = a->chunks, *next; c; c = next) {
		next = c->next;
		free(c);
	}
	a->chunks = NULL;
	a->used = 0;
}

static struct loci__arena_chunk *new_chunk(struct loci__arena *a, size_t n)
{
	size_t cap = n > CHUNK_MIN ? n : CHUNK_MIN;
	struct loci__arena_chunk *c = calloc(1, sizeof(*c) + cap);
	if (!c)
		return NULL;
	c->cap = cap;
	c->next = a->chunks;
	a->chunks = c;
	return c;
}

void *loci__arena_alloc(struct loci__arena *a, size_t n)
{
	if (n > a->max)
		return NULL;
	n = (n + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
	if (a->used + n > a->max)
		return NULL;
	struct loci__arena_chunk *c = a->chunks;
	if ((!c || c->cap - c->len < n) && !(c = new_chunk(a, n)))
		return NULL;
	void *p = (char *)c->bytes + c->len;
	c->len += n;
	a->used += n;
	return p;
}

void *loci__arena_array(struct loci__arena *a, size_t n, size_t size)
{
	size_t bytes;
	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	return loci__arena_alloc(a, bytes);
}

char *loci__arena_strndup(struct loci__arena *a, const char *s, size_t n)
{
	char *p = n < SIZE_MAX ? loci__arena_alloc(a, n + 1) : NULL;
	return p && n ? memcpy(p, s, n) : p;
}

char *loci__arena_strdup(struct loci__arena *a, const char *s)
{
	return loci__arena_strndup(a, s, strlen(s));
}

char *loci__arena_printf(struct loci__arena *a, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	char *p = n < 0 ? NULL : loci__arena_alloc(a, (size_t)n + 1);
	if (!p)
		return NULL;
	va_start(args, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, args);
	va_end(args);
	return p;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing byte buffer with a named maximum. The first failure sticks: append as often as you
 * like, look at .failed once. Always NUL-terminated behind .len once something was appended.
 */
#ifndef LOCI_BASE_BUF_H
#define LOCI_BASE_BUF_H

#include "loci/error.h"

#include <string.h>

struct loci_buf {
	char *p;
	size_t len;
	size_t cap;
	size_t max;    /* bytes; beyond it appending fails with TOO_LARGE */
	int failed;    /* 0, LOCI_E_NOMEM or LOCI_E_TOO_LARGE */
	bool borrowed; /* p is somebody else's memory, as long as it is large enough */
};

#define LOCI_BUF_INIT(limit)   \
	{                      \
		.max = (limit) \
	}
/* Begins in memory of the caller's, which is not freed, and moves out of it when it grows. */
#define LOCI_BUF_IN(memory, size, limit)                                       \
	{                                                                      \
		.p = (memory), .cap = (size), .max = (limit), .borrowed = true \
	}

void loci__buf_init(struct loci_buf *b, size_t max);
void loci__buf_done(struct loci_buf *b);
#define loci__cleanup_buf __attribute__((cleanup(loci__buf_done)))
/* Each returns 0 or the negative code that sticks. */
int loci__buf_append_slowly(struct loci_buf *b, const void *p, size_t n);
static inline int loci__buf_append(struct loci_buf *b, const void *p, size_t n)
{
	if (b->failed || n >= b->cap - b->len || n > b->max - b->len || !n)
		return loci__buf_append_slowly(b, p, n);
	memcpy(b->p + b->len, p, n);
	b->len += n;
	b->p[b->len] = '\0';
	return 0;
}
static inline int loci__buf_puts(struct loci_buf *b, const char *s)
{
	return loci__buf_append(b, s, strlen(s));
}
int loci__buf_putc(struct loci_buf *b, char c);
int loci__buf_put_u64(struct loci_buf *b, uint64_t n); /* decimal */
#define LOCI_U64_TEXT_MAX 21                           /* bytes, with a NUL */
/* In decimal, somewhere in the buffer. */
const char *loci__u64_text(uint64_t n, char buf[LOCI_U64_TEXT_MAX]);
int loci__buf_printf(struct loci_buf *b, const char *fmt, ...) LOCI_PRINTF(2, 3);
/* As a JSON string, quotes included; bytes that are no UTF-8 become U+FFFD. */
int loci__buf_json_string(struct loci_buf *b, const char *s);
/* Moves out of borrowed memory, which may be used for something else then. */
int loci__buf_own(struct loci_buf *b);
/* Room for n more bytes behind .len, or NULL; add to .len what was used. */
char *loci__buf_reserve(struct loci_buf *b, size_t n);
void loci__buf_reset(struct loci_buf *b); /* keeps the memory, forgets a failure */
/* The content as a malloc'ed string, or NULL when something failed; the buffer is empty then. */
char *loci__buf_steal(struct loci_buf *b);
/* The failure as an error; 0 when there is none. what: "manifest", for the message. */
int loci__buf_check(const struct loci_buf *b, const char *what, struct loci_error *err);

#endif

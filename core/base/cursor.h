/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parsing by consuming: a cursor over bytes whose functions take what they name and say true, or
 * leave the cursor where it was and say false. No NUL needed, nothing copied.
 */
#ifndef LOCI_BASE_CURSOR_H
#define LOCI_BASE_CURSOR_H

#include "core/base/chars.h"

struct loci_cursor {
	const char *p;
	const char *end;
};

static inline struct loci_cursor loci__cursor(const char *p, size_t n)
{
	return (struct loci_cursor){p, n ? p + n : p}; /* NULL + 0 is undefined */
}
static inline bool loci__cursor_at_end(const struct loci_cursor *c)
{
	return c->p == c->end;
}
static inline size_t loci__cursor_left(const struct loci_cursor *c)
{
	return (size_t)(c->end - c->p);
}

static inline bool loci__take_char(struct loci_cursor *c, char ch)
{
	if (c->p == c->end || *c->p != ch)
		return false;
	c->p++;
	return true;
}
bool loci__take_text(struct loci_cursor *c, const char *text);
bool loci__take_text_nocase(struct loci_cursor *c, const char *text); /* ASCII */
/* The longest run of bytes for which is_member holds; false when there is none. */
bool loci__take_run(struct loci_cursor *c, bool (*is_member)(unsigned char),
                    struct loci_slice *ret);
/* Everything before ch, and ch itself; false when ch does not come. */
bool loci__take_until(struct loci_cursor *c, char ch, struct loci_slice *ret);
/* Decimal digits; false on none or overflow. */
bool loci__take_u64(struct loci_cursor *c, uint64_t *ret);
/* Blanks and tabs; takes none too. */
void loci__skip_blanks(struct loci_cursor *c);

/* The whole of s as a number: decimal, no sign, no blanks. */
bool loci__parse_u64(const char *s, size_t n, uint64_t *ret);
/* Octal likewise ("0644"). */
bool loci__parse_octal(const char *s, size_t n, uint64_t *ret);

bool loci__slice_is(struct loci_slice s, const char *text);
bool loci__slice_is_nocase(struct loci_slice s, const char *text);
static inline struct loci_slice loci__slice(const char *text, size_t n)
{
	return (struct loci_slice){text, n};
}
/* Copies with a NUL; false when it does not fit. */
bool loci__slice_copy(struct loci_slice s, char *buf, size_t size);

#endif

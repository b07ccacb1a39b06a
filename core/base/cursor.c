/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/cursor.h"

#include <string.h>
#include <strings.h>

bool loci__take_text(struct loci_cursor *c, const char *text)
{
	size_t n = strlen(text);
	if (loci__cursor_left(c) < n || memcmp(c->p, text, n) != 0)
		return false;
	c->p += n;
	return true;
}

bool loci__take_text_nocase(struct loci_cursor *c, const char *text)
{
	size_t n = strlen(text);
	if (loci__cursor_left(c) < n || strncasecmp(c->p, text, n) != 0)
		return false;
	c->p += n;
	return true;
}

bool loci__take_run(struct loci_cursor *c, bool (*is_member)(unsigned char), struct loci_slice *ret)
{
	const char *p = c->p;
	while (p < c->end && is_member((unsigned char)*p))
		p++;
	if (p == c->p)
		return false;
	*ret = loci__slice(c->p, (size_t)(p - c->p));
	c->p = p;
	return true;
}

bool loci__take_until(struct loci_cursor *c, char ch, struct loci_slice *ret)
{
	const char *p = loci__cursor_at_end(c) ? NULL : memchr(c->p, ch, loci__cursor_left(c));
	if (!p)
		return false;
	*ret = loci__slice(c->p, (size_t)(p - c->p));
	c->p = p + 1;
	return true;
}

bool loci__take_u64(struct loci_cursor *c, uint64_t *ret)
{
	struct loci_cursor at = *c;
	struct loci_slice digits;
	uint64_t value = 0;
	if (!loci__take_run(&at, loci__is_digit, &digits))
		return false;
	for (size_t i = 0; i < digits.n; i++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(digits.p[i] - '0'), &value))
			return false;
	*c = at;
	*ret = value;
	return true;
}

void loci__skip_blanks(struct loci_cursor *c)
{
	while (!loci__cursor_at_end(c) && (*c->p == ' ' || *c->p == '\t'))
		c->p++;
}

bool loci__parse_u64(const char *s, size_t n, uint64_t *ret)
{
	struct loci_cursor c = loci__cursor(s, n);
	uint64_t value;
	if (!loci__take_u64(&c, &value) || !loci__cursor_at_end(&c))
		return false;
	*ret = value;
	return true;
}

bool loci__parse_octal(const char *s, size_t n, uint64_t *ret)
{
	uint64_t value = 0;
	if (n == 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '7' || value >> 61)
			return false;
		value = value << 3 | (uint64_t)(s[i] - '0');
	}
	*ret = value;
	return true;
}

bool loci__slice_is(struct loci_slice s, const char *text)
{
	return strlen(text) == s.n && memcmp(s.p, text, s.n) == 0;
}

bool loci__slice_is_nocase(struct loci_slice s, const char *text)
{
	return strlen(text) == s.n && strncasecmp(s.p, text, s.n) == 0;
}

bool loci__slice_copy(struct loci_slice s, char *buf, size_t size)
{
	if (s.n >= size)
		return false;
	memcpy(buf, s.p, s.n);
	buf[s.n] = '\0';
	return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"

#include <string.h>

enum { SIZE, EXTENSION, DATA, DATA_END, TRAILER, TRAILER_LINE, DONE };

static bool take_status(struct loci_cursor *c, unsigned *ret)
{
	uint64_t status;
	if (!loci__take_text(c, "HTTP/1.1 ") || !loci__take_u64(c, &status) || status > 999)
		return false;
	*ret = (unsigned)status;
	return true;
}

/* The first letter sorts out nearly every field without a comparison. */
static bool read_field(struct loci_slice line, struct answer *a)
{
	struct loci_cursor c = loci__cursor(line.p, line.n);
	switch (line.n ? line.p[0] | 0x20 : 0) {
	case 'c':
		if (loci__take_text_nocase(&c, "content-length:")) {
			loci__skip_blanks(&c);
			a->has_length = true;
			return loci__take_u64(&c, &a->length);
		}
		if (loci__take_text_nocase(&c, "connection:")) {
			loci__skip_blanks(&c);
			a->closes = loci__take_text_nocase(&c, "close");
		}
		return true;
	case 't':
		if (loci__take_text_nocase(&c, "transfer-encoding:")) {
			loci__skip_blanks(&c);
			a->is_chunked = loci__take_text_nocase(&c, "chunked");
			return a->is_chunked;
		}
		return true;
	case 'l':
		if (loci__take_text_nocase(&c, "location:")) {
			loci__skip_blanks(&c);
			a->location = loci__slice(c.p, loci__cursor_left(&c));
		}
		return true;
	default: return true;
	}
}

ssize_t answer_parse(const char *p, size_t n, struct answer *ret)
{
	const char *end = memmem(p, n, "\r\n\r\n", 4);
	if (!end)
		return 0;
	*ret = (struct answer){0};
	struct loci_cursor c = loci__cursor(p, (size_t)(end + 2 - p));
	struct loci_slice line;
	if (!take_status(&c, &ret->status) || !loci__take_until(&c, '\n', &line))
		return -1;
	while (loci__take_until(&c, '\n', &line)) {
		line.n -= line.n && line.p[line.n - 1] == '\r';
		if (!read_field(line, ret))
			return -1;
	}
	return end + 4 - p;
}

static ssize_t skip_data(struct chunked *c, size_t n)
{
	size_t k = c->left < n ? (size_t)c->left : n;
	c->left -= k;
	c->bytes += k;
	if (!c->left)
		c->state = DATA_END;
	return (ssize_t)k;
}

static bool eat_size(struct chunked *c, char ch)
{
	int digit = loci__hex_value((unsigned char)ch);
	if (digit >= 0 && c->left >> 60 == 0)
		c->left = c->left << 4 | (unsigned)digit;
	else if (ch == ';')
		c->state = EXTENSION;
	else if (ch == '\n')
		c->state = c->left ? DATA : TRAILER;
	else
		return ch == '\r';
	return true;
}

static bool eat(struct chunked *c, char ch)
{
	switch (c->state) {
	case SIZE: return eat_size(c, ch);
	case EXTENSION:
		if (ch == '\n')
			c->state = c->left ? DATA : TRAILER;
		return true;
	case DATA_END:
		if (ch == '\n')
			c->state = SIZE;
		return ch == '\n' || ch == '\r';
	case TRAILER:
		if (ch != '\r')
			c->state = ch == '\n' ? DONE : TRAILER_LINE;
		return true;
	default:
		if (ch == '\n')
			c->state = TRAILER;
		return true;
	}
}

ssize_t chunked_skip(struct chunked *c, const char *p, size_t n)
{
	size_t i = 0;
	while (i < n && c->state != DONE) {
		if (c->state == DATA)
			i += (size_t)skip_data(c, n - i);
		else if (!eat(c, p[i++]))
			return -1;
	}
	return (ssize_t)i;
}

bool chunked_is_done(const struct chunked *c)
{
	return c->state == DONE;
}

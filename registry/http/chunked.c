/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/http/chunked.h"

#include "core/base/cursor.h"

#include <string.h>

enum state {
	SIZE, /* must be 0 */
	EXTENSION,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	LINE, /* start of a trailer line, or of the empty line that ends all */
	TRAILER,
	TRAILER_LF,
	END_LF,
	ENDED,
	BROKEN,
};

#define SIZE_DIGITS_MAX 15 /* 2^60 bytes: no overflow */

static int broken(struct loci__chunked *d, const char *reason)
{
	d->state = BROKEN;
	d->reason = reason;
	return -1;
}

static int on_size(struct loci__chunked *d, unsigned char c)
{
	int digit = loci__hex_value(c);
	if (digit >= 0) {
		if (++d->digits > SIZE_DIGITS_MAX)
			return broken(d, "a chunk size is too long");
		d->left = d->left * 16 + (unsigned)digit;
		return 0;
	}
	if (!d->digits || (c != ';' && c != '\r'))
		return broken(d, "malformed chunk size");
	d->overhead = 0;
	d->state = c == ';' ? EXTENSION : SIZE_LF;
	return 0;
}

/* Bytes of extensions and trailers: anything but controls, and not too many. */
static int on_dropped(struct loci__chunked *d, unsigned char c, unsigned max, int after_cr)
{
	if (c == '\r') {
		d->state = after_cr;
		return 0;
	}
	if ((c < 0x20 && c != '\t') || c == 0x7f)
		return broken(d, "control character in a chunk extension or trailer");
	if (++d->overhead > max)
		return broken(d, "chunk extensions or trailers are too long");
	return 0;
}

static int on_line(struct loci__chunked *d, unsigned char c)
{
	if (c == '\r') {
		d->state = END_LF;
		return 0;
	}
	if (!loci__is_token_char(c))
		return broken(d, "malformed trailer");
	d->state = TRAILER;
	return on_dropped(d, c, LOCI_CHUNK_TRAILER_MAX, TRAILER_LF);
}

/* A byte that must be `want`, then the next state. */
static int expect(struct loci__chunked *d, unsigned char c, unsigned char want, int next)
{
	if (c != want)
		return broken(d, "malformed chunk framing");
	d->state = next;
	return 0;
}

static int on_size_lf(struct loci__chunked *d, unsigned char c)
{
	int next = d->left ? DATA : LINE;
	d->digits = 0;
	d->overhead = 0;
	return expect(d, c, '\n', next);
}

/* Any byte that is not data. */
static int on_framing(struct loci__chunked *d, unsigned char c)
{
	switch (d->state) {
	case SIZE: return on_size(d, c);
	case EXTENSION: return on_dropped(d, c, LOCI_CHUNK_EXTENSION_MAX, SIZE_LF);
	case SIZE_LF: return on_size_lf(d, c);
	case DATA_CR: return expect(d, c, '\r', DATA_LF);
	case DATA_LF: return expect(d, c, '\n', SIZE);
	case LINE: return on_line(d, c);
	case TRAILER: return on_dropped(d, c, LOCI_CHUNK_TRAILER_MAX, TRAILER_LF);
	case TRAILER_LF: return expect(d, c, '\n', LINE);
	case END_LF: return expect(d, c, '\n', ENDED);
	default: return -1;
	}
}

int loci__chunked_decode(struct loci__chunked *d, char *p, size_t n, size_t *ret_data,
                         size_t *ret_used)
{
	size_t in = 0, out = 0;
	int rc = 0;
	while (in < n && d->state != ENDED) {
		if (d->state != DATA) {
			rc = on_framing(d, (unsigned char)p[in++]);
			if (rc < 0)
				break;
			continue;
		}
		size_t take = d->left < n - in ? (size_t)d->left : n - in;
		if (in != out)
			memmove(p + out, p + in, take);
		in += take;
		out += take;
		d->left -= take;
		if (!d->left)
			d->state = DATA_CR;
	}
	*ret_data = out;
	*ret_used = in;
	return rc < 0 ? rc : d->state == ENDED;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/buf.h"

#include "core/base/err.h"
#include "core/base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void loci__buf_init(struct loci_buf *b, size_t max)
{
	*b = (struct loci_buf)LOCI_BUF_INIT(max);
}

void loci__buf_done(struct loci_buf *b)
{
	if (!b->borrowed)
		free(b->p);
	b->p = NULL;
	b->len = b->cap = 0;
	b->borrowed = false;
}

/* Memory of its own, of cap bytes. */
static int resize(struct loci_buf *b, size_t cap)
{
	char *p = realloc(b->borrowed ? NULL : b->p, cap);
	if (!p)
		return b->failed = LOCI_E_NOMEM;
	if (b->borrowed) {
		memcpy(p, b->p, b->len);
		p[b->len] = '\0';
	}
	b->p = p;
	b->cap = cap;
	b->borrowed = false;
	return 0;
}

static int grow(struct loci_buf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : 64;
	while (cap < need)
		cap *= 2;
	return resize(b, cap > b->max + 1 ? b->max + 1 : cap);
}

char *loci__buf_reserve(struct loci_buf *b, size_t n)
{
	if (b->failed)
		return NULL;
	if (n > b->max || b->len > b->max - n) {
		b->failed = LOCI_E_TOO_LARGE;
		return NULL;
	}
	size_t need = b->len + n + 1; /* the NUL */
	if (need > b->cap && grow(b, need) < 0)
		return NULL;
	return b->p + b->len;
}

int loci__buf_own(struct loci_buf *b)
{
	return b->borrowed && !b->failed ? resize(b, b->len + 1) : b->failed;
}

int loci__buf_append_slowly(struct loci_buf *b, const void *p, size_t n)
{
	char *to = loci__buf_reserve(b, n);
	if (!to)
		return b->failed;
	if (n)
		memcpy(to, p, n);
	b->len += n;
	b->p[b->len] = '\0';
	return 0;
}

int loci__buf_putc(struct loci_buf *b, char c)
{
	return loci__buf_append(b, &c, 1);
}

const char *loci__u64_text(uint64_t n, char buf[LOCI_U64_TEXT_MAX])
{
	char *p = buf + LOCI_U64_TEXT_MAX - 1;
	*p = '\0';
	do
		*--p = (char)('0' + n % 10);
	while (n /= 10);
	return p;
}

int loci__buf_put_u64(struct loci_buf *b, uint64_t n)
{
	char digits[LOCI_U64_TEXT_MAX];
	return loci__buf_puts(b, loci__u64_text(n, digits));
}

int loci__buf_printf(struct loci_buf *b, const char *fmt, ...)
{
	va_list args, again;
	va_start(args, fmt);
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	char *to = n < 0 ? NULL : loci__buf_reserve(b, (size_t)n);
	if (to) {
		vsnprintf(to, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	} else if (n < 0) {
		b->failed = LOCI_E_INTERNAL;
	}
	va_end(again);
	return b->failed;
}

/* Bytes of ASCII from here on that stand for themselves in a JSON string. */
static size_t plain_run(const unsigned char *p)
{
	size_t n = 0;
	while (p[n] >= 0x20 && p[n] < 0x7f && p[n] != '"' && p[n] != '\\')
		n++;
	return n;
}

int loci__buf_json_string(struct loci_buf *b, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	const unsigned char *end = p + strlen(s);
	loci__buf_putc(b, '"');
	while (p < end) {
		size_t n = plain_run(p);
		if (!n)
			n = loci__utf8_length(p, (size_t)(end - p));
		if (n == 0) {
			loci__buf_puts(b, "\xef\xbf\xbd");
			p++;
		} else if (*p == '"' || *p == '\\') {
			loci__buf_putc(b, '\\');
			loci__buf_putc(b, (char)*p++);
		} else if (*p < 0x20 || *p == 0x7f) {
			loci__buf_printf(b, "\\u%04x", *p++);
		} else {
			loci__buf_append(b, p, n);
			p += n;
		}
	}
	return loci__buf_putc(b, '"');
}

void loci__buf_reset(struct loci_buf *b)
{
	b->len = 0;
	b->failed = 0;
	if (b->p)
		b->p[0] = '\0';
}

char *loci__buf_steal(struct loci_buf *b)
{
	if (!b->p)
		loci__buf_append(b, "", 0);
	if (loci__buf_own(b) < 0)
		return NULL;
	char *p = b->p;
	b->p = NULL;
	b->len = b->cap = 0;
	return p;
}

int loci__buf_check(const struct loci_buf *b, const char *what, struct loci_error *err)
{
	if (b->failed == LOCI_E_TOO_LARGE)
		return loci__err_set(err, b->failed, "%s: more than %zu bytes", what, b->max);
	if (b->failed)
		return loci__err_set(err, b->failed, "%s: %s", what, loci_code_text(b->failed));
	return 0;
}

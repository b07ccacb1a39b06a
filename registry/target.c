/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/target.h"

#include "core/base/cursor.h"
#include "core/base/err.h"

#include <string.h>

/* Bytes that a path or a value may not hold, however they are written. */
static bool is_forbidden(unsigned char c)
{
	return c < 0x20 || c == 0x7f;
}

static bool take_percent(struct loci_cursor *c, unsigned char *ret)
{
	if (loci__cursor_left(c) < 3 || c->p[0] != '%')
		return false;
	int high = loci__hex_value((unsigned char)c->p[1]);
	int low = loci__hex_value((unsigned char)c->p[2]);
	if (high < 0 || low < 0)
		return false;
	*ret = (unsigned char)(high * 16 + low);
	c->p += 3;
	return true;
}

/* One byte of a path or value, decoded. A slash or a percent sign that hides behind an encoding is
 * refused in paths only: there it would change what the path means. */
static int take_byte(struct loci_cursor *c, bool in_path, char *ret, struct loci_error *err)
{
	const char *part = in_path ? "path" : "query";
	unsigned char byte = (unsigned char)*c->p;
	bool encoded = byte == '%';
	if (encoded && !take_percent(c, &byte))
		return loci__err_set(err, LOCI_E_INVALID, "%s: '%%' without two hex digits", part);
	if (!encoded)
		c->p++;
	if (is_forbidden(byte) || (!encoded && (byte == ' ' || byte >= 0x80)))
		return loci__err_set(err, LOCI_E_INVALID, "%s: forbidden byte 0x%02x", part, byte);
	if (encoded && in_path && (byte == '/' || byte == '%'))
		return loci__err_set(err, LOCI_E_INVALID, "path: '%c' may not be encoded", byte);
	*ret = (char)byte;
	return 0;
}

/* Decodes the whole of `in` to *to and moves it behind. The text never grows. */
static int decode(struct loci_slice in, bool in_path, char **to, struct loci_error *err)
{
	struct loci_cursor c = loci__cursor(in.p, in.n);
	for (;;) {
		/* most of it: what stands for itself */
		while (c.p < c.end && *c.p != '%' &&
		       loci__chars[(unsigned char)*c.p] & LOCI_CHAR_TARGET)
			*(*to)++ = *c.p++;
		if (loci__cursor_at_end(&c))
			return 0;
		int r = take_byte(&c, in_path, *to, err);
		if (r < 0)
			return r;
		(*to)++;
	}
}

static int check_length(const char *target, struct loci_error *err)
{
	if (strnlen(target, LOCI_TARGET_MAX + 1) > LOCI_TARGET_MAX)
		return loci__err_set(err, LOCI_E_TOO_LARGE, "request target: more than %d bytes",
		                     LOCI_TARGET_MAX);
	return 0;
}

int loci__target_path(const char *target, char *buf, size_t size, struct loci_slice *ret,
                      struct loci_error *err)
{
	int r = check_length(target, err);
	if (r < 0)
		return r;
	size_t n = strcspn(target, "?#");
	if (n > size)
		return loci__err_set(err, LOCI_E_TOO_LARGE, "path: more than %zu bytes", size);
	if (n == 0 || target[0] != '/')
		return loci__err_set(err, LOCI_E_INVALID, "path: expected '/' first");
	char *to = buf;
	r = decode(loci__slice(target, n), true, &to, err);
	if (r < 0)
		return r;
	*ret = loci__slice(buf, (size_t)(to - buf));
	return 0;
}

static int parse_param(struct loci_slice pair, char **to, struct loci__param *ret,
                       struct loci_error *err)
{
	struct loci_cursor c = loci__cursor(pair.p, pair.n);
	struct loci_slice key, value = {pair.p + pair.n, 0};
	if (loci__take_until(&c, '=', &key))
		value = loci__slice(c.p, loci__cursor_left(&c));
	else
		key = pair;
	char *start = *to;
	int r = decode(key, false, to, err);
	if (r < 0)
		return r;
	ret->key = loci__slice(start, (size_t)(*to - start));
	/* '+' stays '+': no parameter of the API can hold a blank, and artifactType=a/b+json is
	 * written by hand. */
	ret->value = *to;
	r = decode(value, false, to, err);
	if (r < 0)
		return r;
	*(*to)++ = '\0';
	return 0;
}

static int parse_query(const char *query, char *to, struct loci__target *ret,
                       struct loci_error *err)
{
	struct loci_cursor c = loci__cursor(query, strcspn(query, "#"));
	while (!loci__cursor_at_end(&c)) {
		struct loci_slice pair;
		if (!loci__take_until(&c, '&', &pair)) {
			pair = loci__slice(c.p, loci__cursor_left(&c));
			c.p = c.end;
		}
		if (pair.n == 0)
			continue;
		if (ret->n_params == LOCI_PARAMS_MAX)
			return loci__err_set(err, LOCI_E_TOO_LARGE,
			                     "query: more than %d parameters", LOCI_PARAMS_MAX);
		int r = parse_param(pair, &to, &ret->params[ret->n_params], err);
		if (r < 0)
			return r;
		ret->n_params++;
	}
	return 0;
}

int loci__target_parse(const char *target, struct loci__target *ret, struct loci_error *err)
{
	ret->n_params = 0;
	int r = loci__target_path(target, ret->text, LOCI_TARGET_MAX, &ret->path, err);
	if (r < 0)
		return r;
	ret->text[ret->path.n] = '\0';
	const char *query = strchr(target, '?');
	if (!query)
		return 0;
	return parse_query(query + 1, ret->text + ret->path.n + 1, ret, err);
}

int loci__target_param(const struct loci__target *t, const char *key, const char **ret,
                       struct loci_error *err)
{
	const char *found = NULL;
	for (size_t i = 0; i < t->n_params; i++) {
		if (!loci__slice_is(t->params[i].key, key))
			continue;
		if (found)
			return loci__err_set(err, LOCI_E_INVALID, "query: '%s' given twice", key);
		found = t->params[i].value;
	}
	*ret = found;
	return 0;
}

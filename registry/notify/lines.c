/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/notify/lines.h"

#include "core/base/cleanup.h"
#include "core/base/cursor.h"
#include "core/base/err.h"

#include <string.h>

#define LINE_MAX_BYTES 8192

/* Those that the client makes itself. */
static const char *const reserved[] = {"content-length", "content-type", "transfer-encoding",
                                       "connection",     "host",         "expect"};

static bool is_name_char(unsigned char c)
{
	return loci__is_alnum(c) || c == '-' || c == '_' || c == '.';
}

/* RFC 9110 5.5, without the obsolete rest. */
static bool is_value_char(unsigned char c)
{
	return (c >= ' ' && c != 0x7f) || c == '\t';
}

static bool is_reserved(struct loci_slice field)
{
	for (size_t i = 0; i < loci__array_len(reserved); i++)
		if (loci__slice_is_nocase(field, reserved[i]))
			return true;
	return false;
}

int loci__notify_header_parse(const char *line, struct loci__notify_line *ret,
                              struct loci_error *err)
{
	struct loci_cursor c = loci__cursor(line, strnlen(line, LINE_MAX_BYTES + 1));
	struct loci_slice name, field, value;
	bool ok = loci__cursor_left(&c) <= LINE_MAX_BYTES &&
	          loci__take_run(&c, is_name_char, &name) && loci__take_char(&c, ':');
	loci__skip_blanks(&c);
	const char *start = c.p;
	ok = ok && loci__take_run(&c, loci__is_token_char, &field) && loci__take_char(&c, ':');
	loci__skip_blanks(&c);
	ok = ok && loci__take_run(&c, is_value_char, &value) && loci__cursor_at_end(&c);
	if (!ok)
		return loci__err_set(err, LOCI_E_INVALID,
		                     "a header: expected 'NAME: Field: value', NAME being an "
		                     "end-point's");
	if (is_reserved(field))
		return loci__err_set(err, LOCI_E_INVALID, "a header: '%.*s' is not yours to set",
		                     (int)field.n, field.p);
	*ret = (struct loci__notify_line){name, loci__slice(start, (size_t)(c.p - start))};
	return 0;
}

int loci__notify_secret_parse(const char *line, struct loci__notify_line *ret,
                              struct loci_error *err)
{
	struct loci_cursor c = loci__cursor(line, strnlen(line, LINE_MAX_BYTES + 1));
	struct loci_slice name;
	if (loci__cursor_left(&c) > LINE_MAX_BYTES || !loci__take_run(&c, is_name_char, &name) ||
	    !loci__take_char(&c, '=') || loci__cursor_at_end(&c) ||
	    (*c.p == '@' && loci__cursor_left(&c) == 1))
		return loci__err_set(err, LOCI_E_INVALID,
		                     "a secret: expected 'NAME=KEY' or 'NAME=@FILE', NAME being an "
		                     "end-point's");
	*ret = (struct loci__notify_line){name, loci__slice(c.p, loci__cursor_left(&c))};
	return 0;
}

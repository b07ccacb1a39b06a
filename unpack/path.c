/* SPDX-License-Identifier: Apache-2.0 */
#include "unpack/path.h"

#include "core/base/err.h"

#include <stdio.h>
#include <string.h>

void loci__path_push(struct loci_path *p, const char *part, size_t n)
{
	p->start[p->depth++] = p->end;
	memcpy(p->text + p->end, part, n);
	p->text[p->end + n] = '\0';
	p->end += (uint32_t)n + 1;
}

void loci__path_cut(struct loci_path *p, unsigned depth)
{
	if (depth >= p->depth)
		return;
	p->end = p->start[depth];
	p->depth = depth;
}

static int push_checked(struct loci_path *p, const char *part, size_t n, struct loci_error *err)
{
	if (n > LOCI_PATH_MAX_NAME)
		return loci__err_set(err, LOCI_E_INVALID,
		                     "a part of its name has %zu bytes, the limit is %d", n,
		                     LOCI_PATH_MAX_NAME);
	if (p->depth == LOCI_PATH_MAX_DEPTH)
		return loci__err_set(err, LOCI_E_TOO_LARGE,
		                     "its name is deeper than %d directories", LOCI_PATH_MAX_DEPTH);
	loci__path_push(p, part, n);
	return 0;
}

int loci__path_clean(struct loci_path *ret, const char *name, struct loci_error *err)
{
	if (!*name)
		return loci__err_set(err, LOCI_E_INVALID, "its name is empty");
	ret->depth = 0;
	ret->end = 0;
	for (const char *at = name; *at;) {
		size_t n = strcspn(at, "/");
		int rc = 0;
		if (n == 2 && at[0] == '.' && at[1] == '.') {
			if (ret->depth == 0)
				return loci__err_set(err, LOCI_E_INVALID,
				                     "its name leads out of the layer");
			loci__path_cut(ret, ret->depth - 1);
		} else if (n > 0 && !(n == 1 && at[0] == '.')) {
			rc = push_checked(ret, at, n, err);
		}
		if (rc < 0)
			return rc;
		at += n + (at[n] == '/');
	}
	return 0;
}

unsigned loci__path_common(const struct loci_path *a, const struct loci_path *b, unsigned max)
{
	unsigned i = 0;
	while (i < max && i < a->depth && i < b->depth && a->start[i] == b->start[i] &&
	       !strcmp(loci__path_part(a, i), loci__path_part(b, i)))
		i++;
	return i;
}

bool loci__path_join(const struct loci_path *p, unsigned depth, char *buf, size_t size)
{
	size_t n = depth < p->depth ? p->start[depth] : p->end;
	if (n > size || n == 0)
		return false;
	for (size_t i = 0; i + 1 < n; i++)
		buf[i] = p->text[i] ? p->text[i] : '/';
	buf[n - 1] = '\0';
	return true;
}

void loci__path_load(struct loci_path *p, const char *text, unsigned n)
{
	p->depth = 0;
	p->end = 0;
	for (; n; n--) {
		size_t length = strlen(text);
		loci__path_push(p, text, length);
		text += length + 1;
	}
}

const char *loci__name_quote(char buf[LOCI_QUOTED_MAX], const char *name)
{
	/* The end of a long name tells more than its middle. */
	const size_t max = LOCI_QUOTED_MAX / 4 - 8, length = strlen(name);
	size_t at = 0;
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)name[i];
		if (length > max && i == max / 2) {
			at += (size_t)snprintf(buf + at, LOCI_QUOTED_MAX - at, "...");
			i = length - max / 2;
			c = (unsigned char)name[i];
		}
		if (c < ' ' || c == 0x7f)
			at += (size_t)snprintf(buf + at, LOCI_QUOTED_MAX - at, "\\x%02x", c);
		else
			buf[at++] = (char)c;
	}
	buf[at] = '\0';
	return buf;
}

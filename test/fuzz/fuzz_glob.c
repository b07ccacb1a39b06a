/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pattern, a line feed, a name: against a matcher that is right at sight, place by place of both.
 */
#include "core/base/glob.h"

#include <stdlib.h>
#include <string.h>

#define SIDE 64 /* the slow matcher's table */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct pair {
	struct loci_slice pattern, text;
	char known[SIDE + 1][SIDE + 1]; /* 0: not asked yet; 'y', 'n' */
};

static bool fits(struct pair *p, size_t i, size_t j);

static bool fits_at(struct pair *p, size_t i, size_t j)
{
	const char *glob = p->pattern.p + i;
	size_t left = p->pattern.n - i;
	bool more = j < p->text.n;
	if (left == 0)
		return !more;
	if (left >= 2 && glob[0] == '*' && glob[1] == '*') {
		bool parts = left >= 3 && glob[2] == '/' && (i == 0 || glob[-1] == '/') &&
		             (j == 0 || p->text.p[j - 1] == '/');
		return fits(p, i + 2, j) || (parts && fits(p, i + 3, j)) ||
		       (more && fits(p, i, j + 1));
	}
	if (*glob == '*')
		return fits(p, i + 1, j) || (more && p->text.p[j] != '/' && fits(p, i, j + 1));
	if (!more || (*glob == '?' ? p->text.p[j] == '/' : p->text.p[j] != *glob))
		return false;
	return fits(p, i + 1, j + 1);
}

static bool fits(struct pair *p, size_t i, size_t j)
{
	if (!p->known[i][j])
		p->known[i][j] = fits_at(p, i, j) ? 'y' : 'n';
	return p->known[i][j] == 'y';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data;
	const char *end = size ? memchr(p, '\n', size) : NULL;
	if (!end)
		return 0;
	struct pair pair = {.pattern = {p, (size_t)(end - p)},
	                    .text = {end + 1, size - 1 - (size_t)(end - p)}};
	bool checked = loci__glob_check(pair.pattern, NULL) == 0;
	bool fit = loci__glob_match(pair.pattern, pair.text);
	if (checked && pair.pattern.n <= SIDE && pair.text.n <= SIDE && fit != fits(&pair, 0, 0))
		abort();
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The matcher follows all places in the pattern at once, as a set of bits, one character of the
 * text after the other. Going back to the last star is shorter to write, but with two kinds of star
 * its worst case is the square of the text for each; here no pattern can be slow.
 */
#include "core/base/glob.h"

#include "core/base/cursor.h"
#include "core/base/err.h"

#include <limits.h>
#include <string.h>

/* Places 0 to LOCI_GLOB_MAX; the one behind the pattern's last byte is the end. */
struct places {
	uint64_t bits[LOCI_GLOB_MAX / 64 + 1];
};

static bool is_name_char(unsigned char c)
{
	return loci__is_alnum(c) || (c && strchr("._-/:@+*?", c));
}

int loci__glob_check(struct loci_slice pattern, struct loci_error *err)
{
	if (pattern.n == 0)
		return loci__err_set(err, LOCI_E_INVALID, "empty pattern");
	if (pattern.n > LOCI_GLOB_MAX)
		return loci__err_set(err, LOCI_E_INVALID, "pattern of more than %d bytes",
		                     LOCI_GLOB_MAX);
	for (size_t i = 0; i < pattern.n; i++)
		if (!is_name_char((unsigned char)pattern.p[i]))
			return loci__err_set(
			        err, LOCI_E_INVALID,
			        "pattern '%.*s': expected characters of names, *, ** and ?",
			        (int)pattern.n, pattern.p);
	return 0;
}

static bool is_star(struct loci_slice pattern, size_t at)
{
	return at < pattern.n && pattern.p[at] == '*';
}

static bool is_double_star(struct loci_slice pattern, size_t at)
{
	return is_star(pattern, at) && is_star(pattern, at + 1);
}

/* "**" and a slash, standing for whole parts. */
static bool is_parts(struct loci_slice pattern, size_t at)
{
	return is_double_star(pattern, at) && at + 2 < pattern.n && pattern.p[at + 2] == '/' &&
	       (at == 0 || pattern.p[at - 1] == '/');
}

static bool set_place(struct places *set, size_t at)
{
	const uint64_t bit = UINT64_C(1) << at % 64;
	bool was_set = set->bits[at / 64] & bit;
	set->bits[at / 64] |= bit;
	return !was_set;
}

/* The place, and those that are reached from it by stars that stand for nothing. */
static void add_place(struct places *set, struct loci_slice pattern, size_t at)
{
	while (set_place(set, at) && is_star(pattern, at)) {
		if (is_parts(pattern, at))
			add_place(set, pattern, at + 3);
		at += is_double_star(pattern, at) ? 2 : 1;
	}
}

/* Where the character leads from one place. A star that took it is in the midst of a part: it can
 * end here, but no more stand for none. */
static void step(struct places *next, struct loci_slice pattern, size_t at, char c)
{
	bool is_double = is_double_star(pattern, at);
	if (at == pattern.n)
		return;
	if (is_double || (is_star(pattern, at) && c != '/')) {
		set_place(next, at);
		add_place(next, pattern, at + (is_double ? 2 : 1));
	} else if (pattern.p[at] == '?' ? c != '/' : pattern.p[at] == c) {
		add_place(next, pattern, at + 1);
	}
}

/* Only the words that the pattern has places in: mostly one. */
static bool step_all(struct places *now, struct loci_slice pattern, char c)
{
	const size_t n_words = pattern.n / 64 + 1;
	struct places next;
	bool any = false;
	memset(&next, 0, n_words * sizeof(next.bits[0]));
	for (size_t word = 0; word < n_words; word++)
		for (uint64_t left = now->bits[word]; left; left &= left - 1) {
			any = true;
			step(&next, pattern, word * 64 + (size_t)__builtin_ctzll(left), c);
		}
	memcpy(now, &next, n_words * sizeof(next.bits[0]));
	return any;
}

/* Most patterns begin with a plain text, and most names do not fit it. */
static size_t plain_start(struct loci_slice pattern)
{
	size_t n = 0;
	while (n < pattern.n && pattern.p[n] != '*' && pattern.p[n] != '?')
		n++;
	return n;
}

bool loci__glob_match(struct loci_slice pattern, struct loci_slice text)
{
	struct places now = {0};
	size_t n = plain_start(pattern);
	if (pattern.n == 0 || pattern.n > LOCI_GLOB_MAX || text.n < n ||
	    memcmp(pattern.p, text.p, n) != 0)
		return false;
	if (n == pattern.n)
		return text.n == n;
	add_place(&now, pattern, n);
	for (size_t i = n; i < text.n; i++)
		if (!step_all(&now, pattern, text.p[i]))
			return false;
	return now.bits[pattern.n / 64] >> pattern.n % 64 & 1;
}

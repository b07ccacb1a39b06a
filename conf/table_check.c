/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the tables are sound. Run by each program's tests, not at start: what it finds are
 * mistakes of the one who wrote a row.
 */
#include "conf/option.h"

#include "conf/options.h"
#include "core/base/cursor.h"
#include "core/base/err.h"

#include <string.h>

static bool is_name(const char *s, bool dots)
{
	if (!loci__is_lower_alnum((unsigned char)*s))
		return false;
	for (; *s; s++)
		if (!loci__is_lower_alnum((unsigned char)*s) && *s != '-' && !(dots && *s == '.'))
			return false;
	return s[-1] != '-' && s[-1] != '.';
}

static const char *row_name(const struct loci_option *row)
{
	return row->flag ? row->flag : row->key ? row->key : row->env ? row->env : "?";
}

static int wrong(const struct loci_option *row, struct loci_error *err, const char *what)
{
	return loci__err_set(err, LOCI_E_INTERNAL, "row %s: %s", row_name(row), what);
}

static int check_row(const struct loci_option *row, struct loci_error *err)
{
	if (!row->flag && !row->key && !row->env)
		return wrong(row, err, "neither flag nor key nor env");
	if (row->flag && !is_name(row->flag, false))
		return wrong(row, err, "flag is not lower-case-with-dashes");
	if (row->key && !is_name(row->key, true))
		return wrong(row, err, "key is not lower-case.with-dashes");
	if (row->letter && !loci__is_alnum((unsigned char)row->letter))
		return wrong(row, err, "letter is no letter");
	if (row->type == LOCI_OPTION_ENUM && !row->words)
		return wrong(row, err, "enum without words");
	if (row->type == LOCI_OPTION_COUNT && row->key)
		return wrong(row, err, "a count has no key");
	if (!row->help || !*row->help || row->help[strlen(row->help) - 1] == '.' ||
	    (*row->help >= 'a' && *row->help <= 'z'))
		return wrong(row, err, "help is no sentence with a capital and without full stop");
	if (row->make_default && (row->value || !row->default_text || !row->flag))
		return wrong(row, err, "make_default needs flag and default_text, and no value");
	return 0;
}

static bool same(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

static int check_pair(const struct loci_options *o, const struct loci_option *a,
                      const struct loci_option *b, struct loci_error *err)
{
	char buf_a[LOCI_OPTION_ENV_MAX], buf_b[LOCI_OPTION_ENV_MAX];
	if (same(a->flag, b->flag))
		return wrong(a, err, "flag twice");
	if (a->flag && b->flag && strncmp(a->flag, "no-", 3) == 0 && same(a->flag + 3, b->flag))
		return wrong(a, err, "flag is the --no- form of another");
	if (a->letter && a->letter == b->letter)
		return wrong(a, err, "letter twice");
	if (same(a->key, b->key))
		return wrong(a, err, "key twice");
	if (same(loci__option_env_name(a, o->env_prefix, buf_a),
	         loci__option_env_name(b, o->env_prefix, buf_b)))
		return wrong(a, err, "environment name twice");
	if (a->key && b->key) {
		size_t n = strlen(a->key);
		if (strncmp(a->key, b->key, n) == 0 && b->key[n] == '.')
			return wrong(a, err, "key is the section of another key");
	}
	return 0;
}

static size_t section_length(const char *key)
{
	const char *dot = strrchr(key, '.');
	return dot ? (size_t)(dot - key) : 0;
}

/* Keys of a section stand together, so that the sample file opens each section once. */
static int check_adjacent(const struct loci_options *o, const struct loci_option_at *first,
                          struct loci_error *err)
{
	struct loci_option_at at = *first;
	const char *key = first->row->key;
	size_t n = section_length(key);
	bool left = false;
	while (loci__options_next(o, &at)) {
		const char *other = at.row->key;
		if (!other)
			continue;
		bool inside = strncmp(key, other, n) == 0 && other[n] == '.';
		if (inside && left)
			return wrong(at.row, err, "apart from the other keys of its section");
		left = left || !inside;
	}
	return 0;
}

int loci__options_check_tables(const struct loci_options *o, struct loci_error *err)
{
	struct loci_option_at a = {0};
	while (loci__options_next(o, &a)) {
		struct loci_option_at b = {0};
		int r = check_row(a.row, err);
		while (r == 0 && loci__options_next(o, &b))
			if (a.row != b.row)
				r = check_pair(o, a.row, b.row, err);
		if (r == 0 && a.row->key && section_length(a.row->key))
			r = check_adjacent(o, &a, err);
		if (r < 0)
			return r;
	}
	return 0;
}

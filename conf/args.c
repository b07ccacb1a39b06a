/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line, as GNU programs have it: --long VALUE, --long=VALUE, --no-long for switches,
 * clusters of letters with the value attached or next (-it, -p8080, -p 8080), "--" ends options.
 * getopt_long is not used: it guesses abbreviations, prints by itself, and knows no nearest name.
 */
#include "conf/option.h"

#include "conf/nearest.h"
#include "conf/options.h"
#include "conf/value.h"
#include "core/base/cursor.h"
#include "core/base/err.h"

#include <stdio.h>
#include <string.h>

struct parse {
	struct loci_options *o;
	char *const *next; /* the argument to look at */
	struct loci_positionals *out;
};

static const struct loci_option_origin from_flag = {.source = LOCI_SOURCE_FLAG};

static bool takes_value(const struct loci_option *row)
{
	return row->type != LOCI_OPTION_BOOL && row->type != LOCI_OPTION_COUNT;
}

/* Has a --no- form. */
static bool is_switch(const struct loci_option *row)
{
	return row->type == LOCI_OPTION_BOOL && !(row->flags & LOCI_OPTION_STOPS);
}

static bool find_long(const struct loci_options *o, struct loci_slice name,
                      struct loci_option_at *ret)
{
	struct loci_option_at at = {0};
	while (loci__options_next(o, &at))
		if (at.row->flag && loci__slice_is(name, at.row->flag)) {
			*ret = at;
			return true;
		}
	return false;
}

static bool find_letter(const struct loci_options *o, char letter, struct loci_option_at *ret)
{
	struct loci_option_at at = {0};
	while (loci__options_next(o, &at))
		if (at.row->letter == letter) {
			*ret = at;
			return true;
		}
	return false;
}

static int unknown_long(const struct loci_options *o, struct loci_slice name,
                        struct loci_error *err)
{
	char wanted[LOCI_EXCERPT_MAX];
	char text[LOCI_EXCERPT_MAX];
	snprintf(text, sizeof(text), "%.*s", (int)(name.n < sizeof(text) ? name.n : sizeof(text)),
	         name.p);
	loci__option_excerpt(text, wanted, sizeof(wanted));
	bool negated = strncmp(wanted, "no-", 3) == 0;
	struct loci_nearest near;
	loci__nearest_init(&near, negated ? wanted + 3 : wanted);
	struct loci_option_at at = {0};
	while (loci__options_next(o, &at))
		if (at.row->flag && !(at.row->flags & LOCI_OPTION_HIDDEN) &&
		    (!negated || is_switch(at.row)))
			loci__nearest_offer(&near, at.row->flag);
	if (near.best)
		return loci__err_set(err, LOCI_E_USAGE,
		                     "unknown option '--%s'; did you mean '--%s%s'?", wanted,
		                     negated ? "no-" : "", near.best);
	return loci__err_set(err, LOCI_E_USAGE, "unknown option '--%s'; see --help", wanted);
}

static int unknown_letter(char letter, struct loci_error *err)
{
	char text[2] = {letter, '\0'}, wanted[2];
	return loci__err_set(err, LOCI_E_USAGE, "unknown option '-%s'; see --help",
	                     loci__option_excerpt(text, wanted, sizeof(wanted)));
}

/* Whether the argument is an option of ours as it stands, and thus hardly somebody's value. */
static bool is_own_option(const struct loci_options *o, const char *arg)
{
	struct loci_option_at at;
	const char *name = arg + 2;
	if (strncmp(arg, "--", 2) != 0)
		return false;
	return *name == '\0' || find_long(o, loci__slice(name, strcspn(name, "=")), &at);
}

static int assign(struct loci_option_at *at, const char *text, const char *shown, int n_shown,
                  struct loci_error *err)
{
	int r = loci__options_assign(at, from_flag, text, err);
	return r < 0 ? loci__err_prefix(err, r, "%.*s", n_shown, shown) : 0;
}

/* value: attached ("--x=V", "-xV") or NULL; shown is the option as it was typed. */
static int take_option(struct parse *ps, struct loci_option_at *at, const char *value,
                       const char *shown, int n_shown, struct loci_error *err)
{
	const struct loci_option *row = at->row;
	if (row->flags & LOCI_OPTION_STOPS)
		ps->out->stopped = true;
	if (row->type == LOCI_OPTION_COUNT && value)
		return loci__err_set(err, LOCI_E_USAGE, "%.*s: takes no value", n_shown, shown);
	if (!takes_value(row))
		return assign(at, value ? value : "true", shown, n_shown, err);
	if (!value && (!*ps->next || is_own_option(ps->o, *ps->next)))
		return loci__err_set(err, LOCI_E_USAGE, "%.*s: needs a value: %.*s %s", n_shown,
		                     shown, n_shown, shown, loci__option_metavar(row));
	return assign(at, value ? value : *ps->next++, shown, n_shown, err);
}

static int parse_long(struct parse *ps, const char *arg, struct loci_error *err)
{
	struct loci_option_at at;
	size_t n = strcspn(arg + 2, "=");
	const char *value = arg[2 + n] ? arg + 2 + n + 1 : NULL;
	struct loci_slice name = loci__slice(arg + 2, n);
	int n_shown = (int)(n + 2 < LOCI_EXCERPT_MAX ? n + 2 : LOCI_EXCERPT_MAX);
	if (find_long(ps->o, name, &at))
		return take_option(ps, &at, value, arg, n_shown, err);
	struct loci_slice positive = n > 3 ? loci__slice(name.p + 3, n - 3) : name;
	if (n <= 3 || memcmp(name.p, "no-", 3) != 0 || !find_long(ps->o, positive, &at) ||
	    !is_switch(at.row))
		return unknown_long(ps->o, name, err);
	if (value)
		return loci__err_set(err, LOCI_E_USAGE, "%.*s: takes no value", n_shown, arg);
	return assign(&at, "false", arg, n_shown, err);
}

static int parse_cluster(struct parse *ps, const char *arg, struct loci_error *err)
{
	for (const char *p = arg + 1; *p && !ps->out->stopped; p++) {
		struct loci_option_at at;
		char shown[] = {'-', *p, '\0'};
		if (!find_letter(ps->o, *p, &at))
			return unknown_letter(*p, err);
		bool attached = takes_value(at.row) && p[1];
		int r = take_option(ps, &at, attached ? p + 1 : NULL, shown, 2, err);
		if (r < 0 || attached)
			return r;
	}
	return 0;
}

static void keep(struct loci_positionals *out, char *arg)
{
	out->v[out->n++] = arg;
	out->v[out->n] = NULL;
}

static void keep_rest(struct parse *ps)
{
	while (*ps->next)
		keep(ps->out, *ps->next++);
}

int loci__options_args(struct loci_options *o, char *const *args, unsigned flags,
                       struct loci_positionals *ret, struct loci_error *err)
{
	struct parse ps = {.o = o, .next = args, .out = ret};
	ret->n = 0;
	ret->v[0] = NULL;
	ret->after_dashes = ret->stopped = false;
	while (*ps.next && !ret->stopped) {
		char *arg = *ps.next;
		int r = 0;
		if (strcmp(arg, "--") == 0) {
			ret->after_dashes = ret->n == 0;
			ps.next++;
			keep_rest(&ps);
		} else if (arg[0] != '-' || arg[1] == '\0') {
			if (flags & LOCI_ARGS_STOP_AT_FIRST)
				keep_rest(&ps);
			else
				keep(ret, *ps.next++);
		} else {
			ps.next++;
			r = arg[1] == '-' ? parse_long(&ps, arg, err)
			                  : parse_cluster(&ps, arg, err);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of rows with their values: defaults, precedence, the environment, and the check of the
 * tables themselves. The command line is in args.c, the file in file.c.
 */
#include "conf/option.h"

#include "conf/options.h"
#include "conf/value.h"
#include "core/base/cleanup.h"
#include "core/base/cursor.h"
#include "core/base/err.h"

#include <string.h>

#define NOTES_MAX 65536

bool loci__options_next(const struct loci_options *o, struct loci_option_at *at)
{
	for (; at->set < o->n_sets; at->set++, at->next = 0, at->heading = NULL) {
		const struct loci_option_set *set = &o->sets[at->set].set;
		const struct loci_option *row = &set->rows[at->next];
		if (row->type == LOCI_OPTION_END)
			continue;
		at->row = row;
		at->field = (char *)set->settings + row->offset;
		at->origin = &o->sets[at->set].origins[at->next];
		if (row->section || !at->heading)
			at->heading = row->section ? row->section : set->title;
		at->next++;
		return true;
	}
	return false;
}

int loci__options_new(const char *env_prefix, struct loci_options **ret, struct loci_error *err)
{
	struct loci_options *o = calloc(1, sizeof(*o));
	if (o)
		o->notes = (struct loci_buf)LOCI_BUF_INIT(NOTES_MAX);
	if (o && env_prefix)
		o->env_prefix = strdup(env_prefix);
	if (!o || (env_prefix && !o->env_prefix)) {
		free(o);
		return loci__err_nomem(err);
	}
	*ret = o;
	return 0;
}

void loci__options_free(struct loci_options *o)
{
	if (!o)
		return;
	struct loci_option_at at = {0};
	while (loci__options_next(o, &at))
		loci__option_value_done(at.row, at.field);
	for (size_t i = 0; i < o->n_sets; i++)
		free(o->sets[i].origins);
	loci__buf_done(&o->notes);
	free(o->env_prefix);
	free(o->file_name);
	free(o);
}

static int set_defaults(struct loci_options *o, size_t set, struct loci_error *err)
{
	struct loci_option_at at = {.set = set};
	while (loci__options_next(o, &at)) {
		if (!at.row->value)
			continue;
		int r = loci__options_assign_commas(&at, (struct loci_option_origin){0},
		                                    at.row->value, err);
		if (r < 0) /* a wrong table: the programs' tests find it */
			return loci__err_prefix(err, LOCI_E_INTERNAL, "default of %s",
			                        at.row->flag ? at.row->flag : at.row->key);
	}
	return 0;
}

int loci__options_add(struct loci_options *o, const struct loci_option_set *set,
                      struct loci_error *err)
{
	size_t n = 0;
	if (o->n_sets == LOCI_OPTION_SETS_MAX)
		return loci__err_set(err, LOCI_E_INTERNAL, "more than %d sets of options",
		                     LOCI_OPTION_SETS_MAX);
	while (set->rows[n].type != LOCI_OPTION_END)
		n++;
	struct loci_option_origin *origins = calloc(n + 1, sizeof(*origins));
	if (!origins)
		return loci__err_nomem(err);
	o->sets[o->n_sets].set = *set;
	o->sets[o->n_sets].origins = origins;
	return set_defaults(o, o->n_sets++, err);
}

/* A value that a higher source hides must be right all the same. */
static int try_value(const struct loci_option *row, const char *text, struct loci_error *err)
{
	union {
		struct loci_string_list list; /* the largest field */
		uint64_t number;
		double real;
	} scratch = {0};
	int r = loci__option_value_parse(row, text, &scratch, err);
	loci__option_value_done(row, &scratch);
	return r;
}

void loci__options_assign_none(struct loci_option_at *at, struct loci_option_origin from)
{
	if (from.source < at->origin->source)
		return;
	loci__option_value_done(at->row, at->field);
	*at->origin = from;
}

int loci__options_assign(struct loci_option_at *at, struct loci_option_origin from,
                         const char *text, struct loci_error *err)
{
	bool adds = at->row->type == LOCI_OPTION_LIST || at->row->type == LOCI_OPTION_COUNT;
	if (from.source < at->origin->source)
		return try_value(at->row, text, err);
	if (adds && from.source > at->origin->source)
		loci__options_assign_none(at, from);
	int r = loci__option_value_parse(at->row, text, at->field, err);
	if (r == 0)
		*at->origin = from;
	return r;
}

int loci__options_assign_commas(struct loci_option_at *at, struct loci_option_origin from,
                                const char *text, struct loci_error *err)
{
	if (at->row->type != LOCI_OPTION_LIST)
		return loci__options_assign(at, from, text, err);
	char *copy loci__cleanup_free = strdup(text);
	if (!copy)
		return loci__err_nomem(err);
	for (char *p = copy, *comma; p; p = comma) {
		comma = strchr(p, ',');
		if (comma)
			*comma++ = '\0';
		int r = loci__options_assign(at, from, p, err);
		if (r < 0)
			return r;
	}
	return 0;
}

const char *loci__option_env_name(const struct loci_option *row, const char *prefix,
                                  char buf[LOCI_OPTION_ENV_MAX])
{
	if (row->env || (row->flags & LOCI_OPTION_NO_ENV) || !row->key || !prefix)
		return row->flags & LOCI_OPTION_NO_ENV ? NULL : row->env;
	if (strlen(prefix) + strlen(row->key) >= LOCI_OPTION_ENV_MAX)
		return NULL;
	char *to = stpcpy(buf, prefix);
	for (const char *p = row->key; *p; p++)
		*to++ = loci__is_alnum((unsigned char)*p) ? (char)(*p >= 'a' ? *p - 'a' + 'A' : *p)
		                                          : '_';
	*to = '\0';
	return buf;
}

/* The value of NAME in environ; empty counts as absent, as tools that pass variables on set many to
 * nothing. */
static const char *find_env(char *const *environ_, const char *name)
{
	size_t n = strlen(name);
	for (; *environ_; environ_++)
		if (strncmp(*environ_, name, n) == 0 && (*environ_)[n] == '=')
			return (*environ_)[n + 1] ? *environ_ + n + 1 : NULL;
	return NULL;
}

int loci__options_env(struct loci_options *o, char *const *environ_, struct loci_error *err)
{
	struct loci_option_at at = {0};
	while (loci__options_next(o, &at)) {
		char buf[LOCI_OPTION_ENV_MAX];
		const char *name = loci__option_env_name(at.row, o->env_prefix, buf);
		const char *text = name ? find_env(environ_, name) : NULL;
		if (!text)
			continue;
		struct loci_option_origin from = {.source = LOCI_SOURCE_ENV};
		int r = loci__options_assign_commas(&at, from, text, err);
		if (r < 0)
			return loci__err_prefix(err, r, "environment %s", name);
	}
	return loci__alias_env(o, environ_, err); /* last: it tells what ours hide of it */
}

int loci__options_finish(struct loci_options *o, struct loci_error *err)
{
	struct loci_option_at at = {0};
	while (loci__options_next(o, &at)) {
		char *text loci__cleanup_free = NULL;
		if (!at.row->make_default || at.origin->source != LOCI_SOURCE_DEFAULT)
			continue;
		int r = at.row->make_default(&text, err);
		if (r == 0)
			r = loci__options_assign(&at, *at.origin, text, err);
		if (r < 0)
			return loci__err_prefix(err, r, "default of --%s", at.row->flag);
	}
	return 0;
}

enum loci_option_source loci__options_source(const struct loci_options *o, const void *field)
{
	struct loci_option_at at = {0};
	while (loci__options_next(o, &at))
		if (at.field == field)
			return at.origin->source;
	return LOCI_SOURCE_DEFAULT;
}

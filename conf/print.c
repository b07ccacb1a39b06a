/* SPDX-License-Identifier: Apache-2.0 */
/* Texts made of the tables: --help, the sample file, the effective configuration. */
#include "conf/option.h"

#include "conf/options.h"
#include "conf/value.h"
#include "core/base/cleanup.h"

#include <string.h>

#define HELP_COLUMN 30
#define HELP_WIDTH  80

/* Words of text from column on, wrapped and indented to it. */
static void wrap(struct loci_buf *b, const char *text, size_t column)
{
	size_t at = column;
	while (*text) {
		size_t n = strcspn(text, " ");
		if (at > column && at + 1 + n > HELP_WIDTH) {
			loci__buf_printf(b, "\n%*s", (int)column, "");
			at = column;
		} else if (at > column) {
			loci__buf_putc(b, ' ');
			at++;
		}
		loci__buf_append(b, text, n);
		at += n;
		text += n;
		text += strspn(text, " ");
	}
	loci__buf_putc(b, '\n');
}

static void print_words(const struct loci_option *row, struct loci_buf *b)
{
	for (const struct loci_option_word *w = row->words; w && w->word; w++)
		loci__buf_printf(b, "%s%s",
		                 w == row->words ? ": "
		                 : w[1].word     ? ", "
		                                 : " or ",
		                 w->word);
}

static void print_notes(const struct loci_options *o, const struct loci_option *row,
                        struct loci_buf *b)
{
	char buf[LOCI_OPTION_ENV_MAX];
	const char *env = loci__option_env_name(row, o->env_prefix, buf);
	const char *value = row->default_text ? row->default_text : row->value;
	if (value && *value && strcmp(value, "false") != 0)
		loci__buf_printf(b, " [%s]", value);
	if (env)
		loci__buf_printf(b, " ($%s)", env);
}

static void print_usage(const struct loci_option *row, struct loci_buf *b)
{
	const char *metavar = loci__option_metavar(row);
	if (row->letter)
		loci__buf_printf(b, "  -%c, ", row->letter);
	else
		loci__buf_puts(b, "      ");
	loci__buf_printf(b, "--%s%s", loci__option_negation(row), row->flag);
	if (metavar)
		loci__buf_printf(b, " %s", metavar);
}

void loci__options_print_help(const struct loci_options *o, struct loci_buf *b)
{
	const char *heading = NULL;
	struct loci_option_at at = {0};
	while (loci__options_next(o, &at)) {
		struct loci_buf text loci__cleanup_buf = LOCI_BUF_INIT(4096);
		if (!at.row->flag || (at.row->flags & LOCI_OPTION_HIDDEN))
			continue;
		if (!heading || strcmp(heading, at.heading) != 0)
			loci__buf_printf(b, "\n%s:\n", heading = at.heading);
		size_t start = b->len;
		print_usage(at.row, b);
		if (b->len - start + 2 > HELP_COLUMN) {
			loci__buf_putc(b, '\n');
			start = b->len;
		}
		while (!b->failed && b->len - start < HELP_COLUMN)
			loci__buf_putc(b, ' ');
		loci__buf_puts(&text, at.row->help);
		print_words(at.row, &text);
		print_notes(o, at.row, &text);
		if (!text.failed)
			wrap(b, text.p, HELP_COLUMN);
	}
}

static void quote_yaml(const char *s, struct loci_buf *b)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                            "0123456789-_./";
	if (*s && *s != '-' && s[strspn(s, plain)] == '\0')
		loci__buf_puts(b, s);
	else
		loci__buf_json_string(b, s); /* YAML's double-quoted style is a superset */
}

static void print_list(const struct loci_string_list *list, struct loci_buf *b)
{
	loci__buf_putc(b, '[');
	for (size_t i = 0; i < list->n; i++) {
		loci__buf_puts(b, i ? ", " : "");
		loci__buf_json_string(b, list->v[i]);
	}
	loci__buf_putc(b, ']');
}

static void print_value(const struct loci_option_at *at, struct loci_buf *b)
{
	struct loci_buf text loci__cleanup_buf = LOCI_BUF_INIT(LOCI_OPTION_VALUE_MAX);
	if (at->row->type == LOCI_OPTION_LIST) {
		print_list(at->field, b);
		return;
	}
	loci__option_value_format(at->row, at->field, &text);
	if (text.p && !text.failed)
		quote_yaml(text.p, b);
}

/* Opens the sections that lead to the key, and gives the depth of the key itself. */
static unsigned open_sections(const char *before, const char *key, const char *comment,
                              struct loci_buf *b)
{
	unsigned depth = 0;
	for (const char *dot; (dot = strchr(key, '.')); key = dot + 1, depth++) {
		size_t n = (size_t)(dot - key) + 1;
		bool open = before && strncmp(before, key, n) == 0;
		if (!open)
			loci__buf_printf(b, "%s%*s%.*s:\n", comment, (int)depth * 2, "",
			                 (int)(n - 1), key);
		before = open ? before + n : NULL;
	}
	return depth;
}

static const char *last_part(const char *key)
{
	const char *dot = strrchr(key, '.');
	return dot ? dot + 1 : key;
}

static bool is_unset(const struct loci_option_at *at)
{
	return (at->row->type == LOCI_OPTION_STRING || at->row->type == LOCI_OPTION_PATH) &&
	       !*(char **)at->field;
}

/* Its value is not for eyes; an empty list has none. */
static bool is_secret(const struct loci_option_at *at)
{
	if (!(at->row->flags & LOCI_OPTION_SECRET) || is_unset(at))
		return false;
	return at->row->type != LOCI_OPTION_LIST ||
	       ((const struct loci_string_list *)at->field)->n > 0;
}

void loci__options_print_sample(const struct loci_options *o, struct loci_buf *b)
{
	const char *before = NULL;
	struct loci_option_at at = {0};
	while (loci__options_next(o, &at)) {
		char buf[LOCI_OPTION_ENV_MAX];
		if (!at.row->key || (at.row->flags & LOCI_OPTION_HIDDEN))
			continue;
		const char *env = loci__option_env_name(at.row, o->env_prefix, buf);
		unsigned depth = open_sections(before, at.row->key, "", b);
		int indent = (int)depth * 2;
		before = at.row->key;
		loci__buf_printf(b, "%*s# %s", indent, "", at.row->help);
		print_words(at.row, b);
		loci__buf_printf(b, "%s%s%s\n", env ? "; $" : "", env ? env : "",
		                 at.row->flags & LOCI_OPTION_RELOADS ? "; SIGHUP applies it" : "");
		loci__buf_printf(b, "%*s#%s: ", indent, "", last_part(before));
		if (at.row->default_text)
			loci__buf_printf(b, "  # %s", at.row->default_text);
		else
			print_value(&at, b);
		loci__buf_putc(b, '\n');
	}
}

static void print_source(const struct loci_options *o, const struct loci_option_at *at,
                         struct loci_buf *b)
{
	char buf[LOCI_OPTION_ENV_MAX], name[LOCI_ALIAS_NAME_MAX];
	switch (at->origin->source) {
	case LOCI_SOURCE_DEFAULT: loci__buf_puts(b, "default"); break;
	case LOCI_SOURCE_FILE: loci__buf_printf(b, "%s:%u", o->file_name, at->origin->line); break;
	case LOCI_SOURCE_ENV:
		loci__buf_printf(b, "$%s", loci__option_env_name(at->row, o->env_prefix, buf));
		break;
	case LOCI_SOURCE_ALIAS:
		if (loci__alias_name(o->aliases, at->origin->alias, name))
			loci__buf_printf(b, "$%s", name);
		break;
	case LOCI_SOURCE_FLAG: loci__buf_printf(b, "--%s", at->row->flag); break;
	}
}

/* As comments: the text stays a configuration. */
static void print_notes_of(const struct loci_options *o, struct loci_buf *b)
{
	for (const char *p = loci__options_notes(o); *p;) {
		size_t n = strcspn(p, "\n");
		loci__buf_printf(b, "# %.*s\n", (int)n, p);
		p += n + !!p[n];
	}
}

void loci__options_print_values(const struct loci_options *o, struct loci_buf *b)
{
	const char *before = NULL;
	print_notes_of(o, b);
	struct loci_option_at at = {0};
	while (loci__options_next(o, &at)) {
		if (!at.row->key)
			continue;
		unsigned depth = open_sections(before, at.row->key, "", b);
		before = at.row->key;
		bool unset = is_unset(&at), secret = is_secret(&at);
		/* A line without a value would be a null, and "(set)" a value: comments then. */
		loci__buf_printf(b, "%*s%s%s: ", (int)depth * 2, "", unset || secret ? "#" : "",
		                 last_part(before));
		if (secret)
			loci__buf_puts(b, "(set)");
		else if (!unset)
			print_value(&at, b);
		loci__buf_puts(b, unset ? " # not set, " : "  # ");
		print_source(o, &at, b);
		loci__buf_puts(b, at.row->flags & LOCI_OPTION_RELOADS ? "; SIGHUP applies it\n"
		                                                      : "\n");
	}
}

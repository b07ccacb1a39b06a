/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The man page of a descriptor, in mdoc. The build runs each program with --help-man and installs
 * what it prints, so that page and program cannot differ. A test holds it to `mandoc -Tlint`.
 */
#include "cli/descriptor.h"

#include "conf/value.h"
#include "core/base/cursor.h"
#include "loci/version.h"

#include <string.h>

/* A text line: roff's escapes kept literal, each sentence on a line of its own. */
static void put_text(struct loci_buf *b, const char *text)
{
	bool starts = true;
	for (const char *p = text; *p; p++) {
		if (starts && (*p == '.' || *p == '\''))
			loci__buf_puts(b, "\\&");
		starts = false;
		if (*p == '\\') {
			loci__buf_puts(b, "\\e");
		} else if (*p == '-') {
			loci__buf_puts(b, "\\-");
		} else if (*p == ' ' && p > text && (p[-1] == '.' || p[-1] == ':') && p[1] >= 'A' &&
		           p[1] <= 'Z') {
			loci__buf_putc(b, '\n');
			starts = true;
		} else {
			loci__buf_putc(b, *p);
		}
	}
}

static void put_paragraph(struct loci_buf *b, const char *text)
{
	put_text(b, text);
	size_t n = strlen(text);
	loci__buf_puts(b, n && strchr(".:", text[n - 1]) ? "\n" : ".\n");
}

/* An argument of a macro: quoted, as it may have blanks or look like a macro's name. */
static void put_arg(struct loci_buf *b, const char *text)
{
	loci__buf_puts(b, " \"");
	for (; *text; text++)
		if (*text == '"')
			loci__buf_puts(b, "\\(dq");
		else if (*text == '\\')
			loci__buf_puts(b, "\\e");
		else
			loci__buf_putc(b, *text);
	loci__buf_putc(b, '"');
}

static void put_words(struct loci_buf *b, const struct loci_option *row)
{
	if (!row->words)
		return;
	loci__buf_puts(b, "One of\n");
	for (const struct loci_option_word *w = row->words; w->word; w++)
		loci__buf_printf(b, ".Cm %s%s\n", w->word, w[1].word ? " ," : " .");
}

static void put_row(struct loci_buf *b, const struct loci_program *p, const struct loci_option *row)
{
	const char *metavar = loci__option_metavar(row);
	loci__buf_puts(b, ".It");
	if (row->letter)
		loci__buf_printf(b, " Fl %c ,", row->letter);
	loci__buf_printf(b, " Fl -%s%s", loci__option_negation(row), row->flag);
	if (metavar) {
		loci__buf_puts(b, " Ar");
		put_arg(b, metavar);
	}
	loci__buf_putc(b, '\n');
	put_paragraph(b, row->help);
	put_words(b, row);
	if (row->default_text || (row->value && *row->value)) {
		loci__buf_puts(b, "Default: ");
		put_paragraph(b, row->default_text ? row->default_text : row->value);
	}
	if (row->key && p->default_config) {
		loci__buf_puts(b, "Key in the file:\n.Cm");
		put_arg(b, row->key);
		loci__buf_puts(b, row->flags & LOCI_OPTION_RELOADS
		                          ? " ,\napplied by\n.Dv SIGHUP .\n"
		                          : " .\n");
	}
}

static bool is_shown(const struct loci_option *row)
{
	return row->flag && !(row->flags & LOCI_OPTION_HIDDEN);
}

static bool has_shown(const struct loci_option *rows)
{
	for (; rows && rows->type != LOCI_OPTION_END; rows++)
		if (is_shown(rows))
			return true;
	return false;
}

static void put_rows(struct loci_buf *b, const struct loci_program *p,
                     const struct loci_option *rows)
{
	for (; rows && rows->type != LOCI_OPTION_END; rows++)
		if (is_shown(rows))
			put_row(b, p, rows);
}

static void put_args(struct loci_buf *b, const char *args)
{
	loci__buf_puts(b, "\n.Ar");
	put_arg(b, args);
}

static void put_synopsis(struct loci_buf *b, const struct loci_program *p)
{
	loci__buf_puts(b, ".Sh SYNOPSIS\n");
	for (const struct loci_command *c = p->commands; c->run; c++) {
		if (c->flags & LOCI_COMMAND_HIDDEN)
			continue;
		loci__buf_puts(b, ".Nm\n.Op Ar OPTION ...");
		if (c->name)
			loci__buf_printf(b, "\n.Cm %s", c->name);
		if (c->name && has_shown(c->options))
			loci__buf_puts(b, "\n.Op Ar OPTION ...");
		if (c->args)
			put_args(b, c->args);
		loci__buf_putc(b, '\n');
	}
}

static void put_description(struct loci_buf *b, const struct loci_program *p)
{
	loci__buf_puts(b, ".Sh DESCRIPTION\n");
	for (const char *const *d = p->description; d && *d; d++) {
		if (d != p->description)
			loci__buf_puts(b, ".Pp\n");
		put_paragraph(b, *d);
	}
	const struct loci_command *first = loci__default_command(p);
	loci__buf_puts(b, ".Pp\nThe options are as follows:\n.Bl -tag -width Ds\n");
	put_rows(b, p, first ? first->options : NULL);
	put_rows(b, p, p->options);
	put_rows(b, p, loci__common_options);
	loci__buf_puts(b, ".El\n");
}

static void put_commands(struct loci_buf *b, const struct loci_program *p)
{
	if (!loci__has_commands(p))
		return;
	loci__buf_puts(b, ".Sh COMMANDS\n");
	for (const struct loci_command *c = p->commands; c->run; c++) {
		if (!c->name || (c->flags & LOCI_COMMAND_HIDDEN))
			continue;
		loci__buf_puts(b, ".Ss");
		put_arg(b, c->name);
		loci__buf_putc(b, '\n');
		put_paragraph(b, c->summary);
		if (!has_shown(c->options))
			continue;
		loci__buf_puts(b, ".Bl -tag -width Ds\n");
		put_rows(b, p, c->options);
		loci__buf_puts(b, ".El\n");
	}
}

static void put_env_rows(struct loci_buf *b, const struct loci_program *p,
                         const struct loci_option *rows)
{
	for (; rows && rows->type != LOCI_OPTION_END; rows++) {
		char buf[LOCI_OPTION_ENV_MAX];
		const char *name = loci__option_env_name(rows, p->env_prefix, buf);
		if (!name || (rows->flags & LOCI_OPTION_HIDDEN))
			continue;
		loci__buf_printf(b, ".It Ev %s\n", name);
		if (rows->flag)
			loci__buf_printf(b, "As\n.Fl -%s .\n", rows->flag);
		else
			put_paragraph(b, rows->help);
	}
}

static void put_environment(struct loci_buf *b, const struct loci_program *p)
{
	struct loci_buf list loci__cleanup_buf = LOCI_BUF_INIT(1 << 18);
	put_env_rows(&list, p, p->options);
	for (const struct loci_command *c = p->commands; c->run; c++)
		put_env_rows(&list, p, c->options);
	put_env_rows(&list, p, loci__common_options);
	if (!list.len)
		return;
	loci__buf_printf(b, ".Sh ENVIRONMENT\nAn option wins over the environment%s.\n",
	                 p->default_config ? ", and that over the file" : "");
	loci__buf_puts(b, ".Bl -tag -width Ds\n");
	loci__buf_append(b, list.p, list.len);
	loci__buf_puts(b, ".El\n");
}

static void put_alias(struct loci_buf *b, const struct loci_program *p,
                      const struct loci_alias *row)
{
	static const char *const leads[] = {
	        [LOCI_ALIAS_HARMLESS] = "Without effect: ",
	        [LOCI_ALIAS_REFUSED] = "Refused: ",
	};
	char name[LOCI_ALIAS_NAME_MAX];
	size_t n = strlen(row->path);
	if (!loci__alias_name(p->aliases, row->path, name))
		return;
	loci__buf_printf(b, ".It Ev %s%s\n", name,
	                 n > 2 && strcmp(row->path + n - 2, ".*") == 0 ? "_*" : "");
	if (row->key)
		loci__buf_printf(b, "%s\n.Cm %s .\n",
		                 row->kind == LOCI_ALIAS_ADDS ? "Adds to" : "As", row->key);
	else
		loci__buf_puts(b, leads[row->kind]);
	if (row->why)
		put_paragraph(b, row->why);
}

static void put_aliases(struct loci_buf *b, const struct loci_program *p)
{
	if (!p->aliases)
		return;
	loci__buf_printf(b,
	                 ".Ss Names of %s\nThe environment of %s is understood, and its "
	                 "configuration file, where the same names are nested keys.\n"
	                 "Its variables win over the file and yield to the ones above.\n"
	                 ".Bl -tag -width Ds\n",
	                 p->aliases->program, p->aliases->program);
	for (const struct loci_alias *row = p->aliases->rows; row->kind != LOCI_ALIAS_END; row++)
		put_alias(b, p, row);
	loci__buf_puts(b, ".El\n");
}

static void put_files(struct loci_buf *b, const struct loci_program *p)
{
	if (!p->default_config)
		return;
	loci__buf_puts(b, ".Sh FILES\n.Bl -tag -width Ds\n.It Pa");
	put_arg(b, p->default_config);
	loci__buf_puts(b, "\nThe configuration, read if it exists.\n.El\n");
}

static void put_exits(struct loci_buf *b, const struct loci_program *p)
{
	loci__buf_puts(b, ".Sh EXIT STATUS\n.Bl -tag -width Ds\n.It 0\nSuccess.\n");
	for (const struct loci_exit_row *e = p->exits ? p->exits : loci__common_exits;; e++) {
		if (e->meaning) {
			loci__buf_printf(b, ".It %d\n", e->status);
			put_paragraph(b, e->meaning);
		}
		if (e->code == 0)
			break;
	}
	loci__buf_puts(b, ".El\n");
}

static void put_examples(struct loci_buf *b, const struct loci_program *p)
{
	if (!p->examples)
		return;
	loci__buf_puts(b, ".Sh EXAMPLES\n");
	for (const struct loci_example *e = p->examples; e->command; e++) {
		if (e != p->examples)
			loci__buf_puts(b, ".Pp\n");
		put_text(b, e->text);
		loci__buf_puts(b, ":\n.Pp\n.Dl");
		put_arg(b, e->command);
		loci__buf_putc(b, '\n');
	}
}

static void put_see_also(struct loci_buf *b, const struct loci_program *p)
{
	if (!p->see_also || !*p->see_also)
		return;
	loci__buf_puts(b, ".Sh SEE ALSO\n");
	for (const char *const *s = p->see_also; *s; s++) {
		struct loci_cursor c = loci__cursor(*s, strlen(*s));
		struct loci_slice name, section;
		if (loci__take_until(&c, '(', &name) && loci__take_until(&c, ')', &section))
			loci__buf_printf(b, ".Xr %.*s %.*s%s\n", (int)name.n, name.p,
			                 (int)section.n, section.p, s[1] ? " ," : "");
	}
}

int loci__program_print_man(const struct loci_program *p, struct loci_buf *b,
                            struct loci_error *err)
{
	loci__buf_printf(b, ".\\\" Made by %s --help-man\n.Dd %s\n.Dt ", p->name,
	                 LOCI_RELEASE_DATE);
	for (const char *c = p->name; *c; c++)
		loci__buf_putc(b, *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c);
	loci__buf_printf(b, " %d\n.Os Loci %s\n.Sh NAME\n.Nm %s\n.Nd %s\n", p->man_section,
	                 LOCI_VERSION, p->name, p->summary);
	put_synopsis(b, p);
	put_description(b, p);
	put_commands(b, p);
	put_environment(b, p);
	put_aliases(b, p);
	put_files(b, p);
	put_exits(b, p);
	put_examples(b, p);
	put_see_also(b, p);
	return loci__buf_check(b, "man page", err);
}

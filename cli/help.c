/* SPDX-License-Identifier: Apache-2.0 */
/* --help, and the check that a descriptor can make it. */
#include "cli/descriptor.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"

#include <string.h>

const struct loci_command *loci__default_command(const struct loci_program *p)
{
	return p->commands[0].run && !p->commands[0].name ? &p->commands[0] : NULL;
}

bool loci__has_commands(const struct loci_program *p)
{
	return p->commands[loci__default_command(p) ? 1 : 0].run;
}

int loci__option_view_init(struct loci_option_view *v, const struct loci_program *p,
                           const struct loci_command *cmd, struct loci_error *err)
{
	*v = (struct loci_option_view){.settings = calloc(1, p->settings_size + 1)};
	if (!v->settings)
		return loci__err_nomem(err);
	struct loci_option_set own = {"Command options", cmd ? cmd->options : NULL, v->settings};
	struct loci_option_set program = {"Options", p->options, v->settings};
	struct loci_option_set common = {"Common options", loci__common_options, &v->common};
	const struct loci_option_set *const sets[] = {&own, &program, &common};
	int r = loci__options_new(p->env_prefix, &v->options, err);
	for (size_t i = 0; r == 0 && i < loci__array_len(sets); i++)
		if (sets[i]->rows)
			r = loci__options_add(v->options, sets[i], err);
	return r;
}

void loci__option_view_done(struct loci_option_view *v)
{
	loci__options_free(v->options);
	free(v->settings);
	*v = (struct loci_option_view){0};
}

static void print_usage(const struct loci_program *p, const struct loci_command *cmd,
                        const char *lead, struct loci_buf *b)
{
	loci__buf_printf(b, "%s%s [OPTION...]", lead, p->name);
	if (cmd->name)
		loci__buf_printf(b, " %s", cmd->name);
	if (cmd->name && cmd->options)
		loci__buf_puts(b, " [OPTION...]");
	if (cmd->args)
		loci__buf_printf(b, " %s", cmd->args);
	loci__buf_putc(b, '\n');
}

static void print_commands(const struct loci_program *p, struct loci_buf *b)
{
	loci__buf_printf(b, "\nCommands (%s COMMAND --help tells more):\n", p->name);
	for (const struct loci_command *c = p->commands; c->run; c++)
		if (c->name && !(c->flags & LOCI_COMMAND_HIDDEN))
			loci__buf_printf(b, "  %-15s %s\n", c->name, c->summary);
}

static void print_examples(const struct loci_program *p, struct loci_buf *b)
{
	loci__buf_puts(b, "\nExamples:\n");
	for (const struct loci_example *e = p->examples; e->command; e++)
		loci__buf_printf(b, "  %s\n      %s\n", e->text, e->command);
}

int loci__program_print_help(const struct loci_program *p, const struct loci_command *cmd,
                             struct loci_buf *b, struct loci_error *err)
{
	struct loci_option_view view loci__cleanup_option_view = {0};
	int r = loci__option_view_init(&view, p, cmd, err);
	if (r < 0)
		return r;
	bool whole = !cmd || !cmd->name;
	if (cmd)
		print_usage(p, cmd, "Usage: ", b);
	if (whole && loci__has_commands(p))
		loci__buf_printf(b, "%s%s [OPTION...] COMMAND [...]\n",
		                 cmd ? "       " : "Usage: ", p->name);
	if (whole)
		loci__buf_printf(b, "%s: %s\n", p->name, p->summary);
	else
		loci__buf_printf(b, "%s\n", cmd->summary);
	if (whole && loci__has_commands(p))
		print_commands(p, b);
	loci__options_print_help(view.options, b);
	if (whole && p->examples)
		print_examples(p, b);
	return loci__buf_check(b, "help", err);
}

static int check_command(const struct loci_program *p, const struct loci_command *cmd,
                         struct loci_error *err)
{
	struct loci_option_view view loci__cleanup_option_view = {0};
	const char *name = cmd->name ? cmd->name : "(default)";
	if (!cmd->name && cmd != p->commands)
		return loci__err_set(err, LOCI_E_INTERNAL,
		                     "the command without name stands not first");
	if (!cmd->summary || cmd->min_args > cmd->max_args || (cmd->max_args && !cmd->args))
		return loci__err_set(err, LOCI_E_INTERNAL,
		                     "command %s: no summary, or its arguments are not described",
		                     name);
	int r = loci__option_view_init(&view, p, cmd, err);
	if (r == 0)
		r = loci__options_check_tables(view.options, err);
	return r < 0 ? loci__err_prefix(err, r, "command %s", name) : 0;
}

int loci__program_check(const struct loci_program *p, struct loci_error *err)
{
	int r = 0;
	for (const struct loci_command *c = p->commands; r == 0 && c->run; c++)
		r = check_command(p, c, err);
	struct loci_option_view view loci__cleanup_option_view = {0};
	if (r == 0 && p->aliases)
		r = loci__option_view_init(&view, p, NULL, err);
	if (r == 0 && p->aliases)
		r = loci__alias_check_table(view.options, p->aliases, err);
	return r;
}

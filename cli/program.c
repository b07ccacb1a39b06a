/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From argv to a command's function and from its result to an exit status. The order matters: the
 * command line first, because it names the configuration file; that next; the environment; and what
 * depends on the user last. Each value knows its source, so a later source never undoes a stronger
 * one.
 */
#include "cli/program.h"

#include "cli/descriptor.h"
#include "conf/nearest.h"
#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "core/base/fs.h"
#include "core/base/logger.h"
#include "loci/version.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static const struct loci_option_word log_formats[] = {
        {"text", LOCI_LOG_TEXT}, {"json", LOCI_LOG_JSON}, {NULL, 0}};
static const struct loci_option_word log_levels[] = {{"error", LOCI_LOG_ERROR},
                                                     {"warn", LOCI_LOG_WARN},
                                                     {"info", LOCI_LOG_INFO},
                                                     {"debug", LOCI_LOG_DEBUG},
                                                     {NULL, 0}};

#define COMMON struct loci_common_settings
const struct loci_option loci__common_options[] = {
        {LOCI_OPT_BOOL(COMMON, quiet), .flag = "quiet", .letter = 'q',
         .help = "Log errors only, and leave out what is merely nice to know"},
        {LOCI_OPT_COUNT(COMMON, verbose), .flag = "verbose", .letter = 'v',
         .help = "Log more; repeat for debugging"},
        {LOCI_OPT_ENUM(COMMON, log_format), .key = "log.format", .flag = "log-format",
         .value = "text", .words = log_formats, .metavar = "FORMAT",
         .help = "Write the log on standard error in this form"},
        {LOCI_OPT_ENUM(COMMON, log_level), .key = "log.level", .flag = "log-level",
         .default_text = "info for a server, else warn", .words = log_levels, .metavar = "LEVEL",
         .help = "Log up to this level", .flags = LOCI_OPTION_RELOADS},
        {LOCI_OPT_BOOL(COMMON, help), .flag = "help", .letter = 'h', .flags = LOCI_OPTION_STOPS,
         .help = "Print this help"},
        {LOCI_OPT_BOOL(COMMON, help_man), .flag = "help-man",
         .flags = LOCI_OPTION_STOPS | LOCI_OPTION_HIDDEN, .help = "Print the man page as mdoc"},
        {LOCI_OPT_BOOL(COMMON, help_check), .flag = "help-check",
         .flags = LOCI_OPTION_STOPS | LOCI_OPTION_HIDDEN,
         .help = "Check the tables that all of this is made of"},
        {LOCI_OPT_BOOL(COMMON, version), .flag = "version", .flags = LOCI_OPTION_STOPS,
         .help = "Print the version"},
        {0}};

const struct loci_exit_row loci__common_exits[] = {
        {2, LOCI_E_USAGE, "Wrong usage, or a wrong configuration"},
        {3, LOCI_E_NOT_FOUND, "Something that was named is not there"},
        {4, LOCI_E_UNAUTHORIZED, "Not authenticated, or access denied"},
        {4, LOCI_E_DENIED, NULL},
        {5, LOCI_E_UNREACHABLE, "The peer cannot be reached, or timed out"},
        {5, LOCI_E_TIMEOUT, NULL},
        {6, LOCI_E_DIGEST_MISMATCH,
         "What came does not match its digest, its size or the protocol"},
        {6, LOCI_E_SIZE_MISMATCH, NULL},
        {6, LOCI_E_PROTOCOL, NULL},
        {7, LOCI_E_NO_SPACE, "No space left"},
        {8, LOCI_E_INVALID, "Malformed input"},
        {130, LOCI_E_CANCELED, "Interrupted"},
        {1, 0, "Any other failure"},
};

struct run {
	const struct loci_program *p;
	struct loci_common_settings common;
	struct loci_log_sink sink;
	struct loci_invocation inv;
	struct loci_positionals pos;
};

int loci__exit_status(const struct loci_exit_row *rows, int code)
{
	if (code >= 0)
		return 0;
	if (!rows)
		rows = loci__common_exits;
	while (rows->code && rows->code != code)
		rows++;
	return rows->status;
}

/* An fd below 3 that is closed would be given to the next open, and the log written into a blob. */
static void open_standard_fds(void)
{
	int fd;
	do
		fd = open("/dev/null", O_RDWR); // NOLINT: meant to last
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

int loci__print(const char *p, size_t n, struct loci_error *err)
{
	return loci__write_all(STDOUT_FILENO, p, n) < 0 ? loci__err_sys(err, "write to stdout") : 0;
}

int loci__printf(struct loci_error *err, const char *fmt, ...)
{
	char *text loci__cleanup_free = NULL;
	va_list args;
	va_start(args, fmt);
	int n = vasprintf(&text, fmt, args);
	va_end(args);
	if (n < 0) {
		text = NULL;
		return loci__err_nomem(err);
	}
	return loci__print(text, (size_t)n, err);
}

static int print_buf(const struct loci_buf *b, const char *what, struct loci_error *err)
{
	int r = loci__buf_check(b, what, err);
	return r < 0 || !b->len ? r : loci__print(b->p, b->len, err);
}

#define TEXT_MAX (1 << 20) /* bytes of a help, man page or configuration */

int loci__command_check_config(const struct loci_invocation *inv, struct loci_error *err)
{
	struct loci_buf b loci__cleanup_buf = LOCI_BUF_INIT(TEXT_MAX);
	loci__options_print_values(inv->options, &b);
	return print_buf(&b, "configuration", err);
}

int loci__command_sample_config(const struct loci_invocation *inv, struct loci_error *err)
{
	/* Defaults, whatever this call was given: a fresh view. */
	struct loci_option_view view loci__cleanup_option_view = {0};
	struct loci_buf b loci__cleanup_buf = LOCI_BUF_INIT(TEXT_MAX);
	int r = loci__option_view_init(&view, inv->program, NULL, err);
	if (r < 0)
		return r;
	loci__options_print_sample(view.options, &b);
	return print_buf(&b, "sample configuration", err);
}

/* ---- errors ---------------------------------------------------------------------------------- */

void loci__invocation_print_error(const struct loci_invocation *inv, const struct loci_error *err)
{
	const struct loci_log_sink *sink = inv->sink;
	if (sink->format == LOCI_LOG_JSON || sink->fd != STDERR_FILENO)
		loci__log(&sink->log, LOCI_LOG_ERROR, inv->program->name, "%s", err->msg);
	if (sink->format == LOCI_LOG_JSON && sink->fd == STDERR_FILENO)
		return;
	struct loci_buf line loci__cleanup_buf = LOCI_BUF_INIT(8 * LOCI_ERROR_MSG_MAX);
	loci__buf_printf(&line, "%s: ", inv->program->name);
	loci__append_clean(&line, err->msg);
	loci__buf_putc(&line, '\n');
	if (line.failed) /* it can only be for want of memory */
		(void)loci__write_all(STDERR_FILENO, "out of memory\n", 14);
	else
		(void)loci__write_all(STDERR_FILENO, line.p, line.len);
}

static int fail(const struct run *run, int code, const struct loci_error *err)
{
	const struct loci_command *cmd = run->inv.command;
	const struct loci_exit_row *rows = cmd && cmd->exits ? cmd->exits : run->p->exits;
	loci__invocation_print_error(&run->inv, err);
	return loci__exit_status(rows, code);
}

/* ---- the command line ------------------------------------------------------------------------ */

static int add_sets(struct run *run, struct loci_error *err)
{
	const struct loci_program *p = run->p;
	struct loci_option_set common = {"Common options", loci__common_options, &run->common};
	struct loci_option_set program = {"Options", p->options, run->inv.settings};
	int r = p->options ? loci__options_add(run->inv.options, &program, err) : 0;
	if (r == 0)
		r = loci__options_add(run->inv.options, &common, err);
	return r;
}

static int add_command(struct run *run, const struct loci_command *cmd, struct loci_error *err)
{
	struct loci_option_set own = {"Command options", cmd->options, run->inv.settings};
	run->inv.command = cmd;
	return cmd->options ? loci__options_add(run->inv.options, &own, err) : 0;
}

static const struct loci_command *find_command(const struct loci_program *p, const char *name)
{
	for (const struct loci_command *c = p->commands; c->run; c++)
		if (c->name && strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

static int unknown_command(const struct loci_program *p, const char *name, struct loci_error *err)
{
	struct loci_nearest near;
	loci__nearest_init(&near, name);
	for (const struct loci_command *c = p->commands; c->run; c++)
		if (c->name && !(c->flags & LOCI_COMMAND_HIDDEN))
			loci__nearest_offer(&near, c->name);
	if (near.best)
		return loci__err_set(err, LOCI_E_USAGE,
		                     "unknown command '%.64s'; did you mean '%s'?", name,
		                     near.best);
	return loci__err_set(err, LOCI_E_USAGE, "unknown command '%.64s'; see --help", name);
}

static int check_args(const struct loci_command *cmd, size_t n, char **args, struct loci_error *err)
{
	const char *name = cmd->name ? cmd->name : "";
	const char *colon = cmd->name ? ": " : "";
	if (n < cmd->min_args)
		return loci__err_set(err, LOCI_E_USAGE, "%s%smissing argument: expected %s", name,
		                     colon, cmd->args ? cmd->args : "more");
	if (n > cmd->max_args)
		return loci__err_set(err, LOCI_E_USAGE, "%s%sunexpected argument '%.64s'", name,
		                     colon, args[cmd->max_args]);
	return 0;
}

/* Of the default command; else it is a command's name with a slip in it. */
static bool may_be_argument(const struct loci_command *first, const char *text)
{
	if (first->flags & LOCI_COMMAND_CONFIG_ARG)
		return strchr(text, '/');
	return first->max_args > 0;
}

/*
 * Options may stand before a command's name, so the name has to be found first: what stands before
 * it is parsed with the options that all commands share and those of the default command; when a
 * named command follows, the whole line is parsed anew with that command's.
 */
static int find_first(struct run *run, char *const *args, const struct loci_command **ret,
                      struct loci_error *err)
{
	const struct loci_program *p = run->p;
	const struct loci_command *first = loci__default_command(p);
	int r = first ? add_command(run, first, err) : 0;
	if (r == 0)
		r = loci__options_args(run->inv.options, args, LOCI_ARGS_STOP_AT_FIRST, &run->pos,
		                       err);
	if (r < 0)
		return r;
	*ret = first;
	if (run->pos.stopped || run->pos.after_dashes || !run->pos.n)
		return 0;
	const struct loci_command *named = find_command(p, run->pos.v[0]);
	if (named)
		*ret = named;
	else if (!first || (loci__has_commands(p) && !may_be_argument(first, run->pos.v[0])))
		return unknown_command(p, run->pos.v[0], err);
	return 0;
}

/* The options start again, as if nothing had been parsed. */
static int restart_options(struct run *run, struct loci_error *err)
{
	loci__options_free(run->inv.options);
	run->inv.options = NULL;
	memset(run->inv.settings, 0, run->p->settings_size);
	memset(&run->common, 0, sizeof(run->common));
	int r = loci__options_new(run->p->env_prefix, &run->inv.options, err);
	if (r < 0)
		return r;
	loci__options_set_aliases(run->inv.options, run->p->aliases);
	return add_sets(run, err);
}

/* Parses what stands before the name, which must not be of the default command, and behind it. */
static int parse_named(struct run *run, char *const *args, const struct loci_command *cmd,
                       struct loci_error *err)
{
	size_t n_before = 0;
	while (args[n_before])
		n_before++;
	n_before -= run->pos.n;
	char **before loci__cleanup_free = calloc(n_before + 1, sizeof(*before));
	char **rest loci__cleanup_free = calloc(run->pos.n + 1, sizeof(*rest));
	if (!before || !rest)
		return loci__err_nomem(err);
	memcpy(before, args, n_before * sizeof(*before));
	memcpy(rest, run->pos.v + 1, (run->pos.n - 1) * sizeof(*rest));
	int r = restart_options(run, err);
	if (r == 0)
		r = loci__options_args(run->inv.options, before, 0, &run->pos, err);
	if (r < 0)
		return loci__err_prefix(err, r, "before '%s'", cmd->name);
	r = add_command(run, cmd, err);
	if (r == 0)
		r = loci__options_args(
		        run->inv.options, rest,
		        cmd->flags & LOCI_COMMAND_STOP_AT_FIRST ? LOCI_ARGS_STOP_AT_FIRST : 0,
		        &run->pos, err);
	return r;
}

/* The default command: more options may stand between its arguments. */
static int parse_default(struct run *run, const struct loci_command *cmd, struct loci_error *err)
{
	if (cmd->flags & LOCI_COMMAND_STOP_AT_FIRST || run->pos.after_dashes)
		return 0;
	char **rest loci__cleanup_free = calloc(run->pos.n + 1, sizeof(*rest));
	if (!rest)
		return loci__err_nomem(err);
	memcpy(rest, run->pos.v, run->pos.n * sizeof(*rest));
	return loci__options_args(run->inv.options, rest, 0, &run->pos, err);
}

static int parse_args(struct run *run, char *const *args, struct loci_error *err)
{
	const struct loci_command *cmd = NULL;
	int r = find_first(run, args, &cmd, err);
	if (r < 0 || run->pos.stopped)
		return r;
	if (!cmd)
		return loci__err_set(err, LOCI_E_USAGE, "missing command; see --help");
	r = cmd->name ? parse_named(run, args, cmd, err) : parse_default(run, cmd, err);
	if (r < 0 || run->pos.stopped)
		return r;
	run->inv.args = run->pos.v;
	run->inv.n_args = run->pos.n;
	return check_args(cmd, run->pos.n, run->pos.v, err);
}

/* ---- the other sources ----------------------------------------------------------------------- */

static const char *config_option(const struct run *run)
{
	for (const struct loci_option *row = run->p->options; row && row->type; row++)
		if (row->type == LOCI_OPTION_PATH && row->flag && strcmp(row->flag, "config") == 0)
			return *(char **)((char *)run->inv.settings + row->offset);
	return NULL;
}

/* By --config or as the argument; *ret is NULL when neither names one. */
static int named_config(const struct run *run, const char **ret, struct loci_error *err)
{
	const struct loci_invocation *inv = &run->inv;
	bool by_arg = inv->command->flags & LOCI_COMMAND_CONFIG_ARG && inv->n_args > 0;
	*ret = config_option(run);
	if (by_arg && *ret)
		return loci__err_set(err, LOCI_E_USAGE,
		                     "two configuration files: --config and '%.64s'", inv->args[0]);
	if (by_arg)
		*ret = inv->args[0];
	return 0;
}

static int read_config(struct run *run, struct loci_error *err)
{
	const char *path;
	int r = named_config(run, &path, err);
	if (r < 0)
		return r;
	bool named = path;
	if (!named)
		path = run->p->default_config;
	if (!path || (!named && access(path, F_OK) < 0))
		return 0;
	run->inv.config_path = path;
	int rc = loci__options_file(run->inv.options, path, err);
	/* One that is missing or closed to us is as wrong as one with a mistake in it. */
	if (rc < 0)
		err->code = LOCI_E_USAGE;
	return rc < 0 ? LOCI_E_USAGE : 0;
}

static int set_log(struct run *run, struct loci_error *err)
{
	struct loci_common_settings *c = &run->common;
	if (c->quiet && c->verbose)
		return loci__err_set(err, LOCI_E_USAGE, "--quiet and --verbose exclude each other");
	bool given = loci__options_source(run->inv.options, &c->log_level) != LOCI_SOURCE_DEFAULT;
	if (!given)
		c->log_level = run->p->log_level;
	unsigned level = (unsigned)c->log_level + c->verbose;
	if (c->quiet)
		level = LOCI_LOG_ERROR;
	run->sink.format = c->log_format;
	run->sink.log.max_level = level > LOCI_LOG_DEBUG ? LOCI_LOG_DEBUG : (int)level;
	run->inv.quiet = c->quiet;
	return 0;
}

static int read_settings(struct run *run, struct loci_error *err)
{
	int r = read_config(run, err);
	if (r == 0)
		r = loci__options_env(run->inv.options, environ, err);
	if (r == 0)
		r = loci__options_finish(run->inv.options, err);
	if (r == 0)
		r = set_log(run, err);
	return r;
}

/* ---- main ------------------------------------------------------------------------------------ */

static int print_about(const struct run *run, struct loci_error *err)
{
	struct loci_buf b loci__cleanup_buf = LOCI_BUF_INIT(TEXT_MAX);
	int r = 0;
	if (run->common.version)
		loci__buf_printf(&b, "%s %s\n", run->p->name, LOCI_VERSION);
	else if (run->common.help_check)
		r = loci__program_check(run->p, err);
	else if (run->common.help_man)
		r = loci__program_print_man(run->p, &b, err);
	else
		r = loci__program_print_help(run->p, run->inv.command, &b, err);
	return r < 0 ? r : print_buf(&b, "text", err);
}

/* Everything but the command itself. */
static int prepare(struct run *run, struct loci_error *err)
{
	size_t argc = 0;
	while (run->inv.argv[argc])
		argc++;
	run->inv.settings = calloc(1, run->p->settings_size + 1);
	run->pos.v = calloc(argc + 1, sizeof(*run->pos.v));
	if (!run->inv.settings || !run->pos.v)
		return loci__err_nomem(err);
	int r = restart_options(run, err);
	if (r == 0)
		r = parse_args(run, run->inv.argv, err);
	run->sink.format = run->common.log_format;
	return r < 0 || run->pos.stopped ? r : read_settings(run, err);
}

static void run_init(struct run *run, const struct loci_program *p, char *const *argv)
{
	*run = (struct run){.p = p};
	loci__log_sink_init(&run->sink, LOCI_LOG_TEXT, p->log_level);
	run->inv.program = p;
	run->inv.log = &run->sink.log;
	run->inv.sink = &run->sink;
	run->inv.argv = argv;
}

static void run_done(struct run *run)
{
	loci__options_free(run->inv.options);
	free(run->inv.settings);
	free(run->pos.v);
	loci__log_sink_close(&run->sink);
}

int loci__invocation_reread(const struct loci_invocation *inv, const struct loci_invocation **ret,
                            struct loci_error *err)
{
	struct run *run = calloc(1, sizeof(*run));
	if (!run)
		return loci__err_nomem(err);
	run_init(run, inv->program, inv->argv);
	int r = prepare(run, err);
	if (r < 0)
		loci__invocation_free(&run->inv);
	else
		*ret = &run->inv;
	return r;
}

void loci__invocation_free(const struct loci_invocation *inv)
{
	if (!inv)
		return;
	struct run *run = (struct run *)((char *)inv - offsetof(struct run, inv));
	run_done(run);
	free(run);
}

int loci__program_main(const struct loci_program *p, int argc, char **argv)
{
	struct loci_error err = {0};
	struct run run;
	open_standard_fds();
	run_init(&run, p, argc > 0 ? argv + 1 : argv);
	int r = prepare(&run, &err);
	if (r == 0)
		r = run.pos.stopped ? print_about(&run, &err)
		                    : run.inv.command->run(&run.inv, &err);
	int status = r < 0 ? fail(&run, r, &err) : r;
	run_done(&run);
	return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program with everything a descriptor can have; the tests run it as a process. Its commands
 * print what they were given.
 */
#include "cli/program.h"

#include "cli/signals.h"
#include "core/base/err.h"
#include "core/base/logger.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>

struct sample {
	char *config;
	char *store;
	struct loci_string_list listen;
	uint64_t idle_ms, limit;
	bool read_only, tidy, tty;
	int mode;
	char *name;
};

static const struct loci_option_word modes[] = {{"fast", 1}, {"safe", 2}, {NULL, 0}};

static const struct loci_option options[] = {
        LOCI_OPT_ROW_CONFIG(struct sample, config),
        LOCI_OPT_ROW_STORE(struct sample, store),
        {LOCI_OPT_LIST(struct sample, listen), .key = "http.listen", .flag = "listen",
         .letter = 'l', .value = "127.0.0.1:5000,[::1]:5000", .metavar = "ADDR:PORT",
         .help = "Listen here; repeat for more", .section = "Network options"},
        {LOCI_OPT_DURATION(struct sample, idle_ms), .key = "http.idle-timeout",
         .flag = "idle-timeout", .value = "60s", .min = 1000,
         .help = "Close connections that were idle for so long"},
        {LOCI_OPT_SIZE(struct sample, limit), .key = "limit", .flag = "limit", .value = "4MiB",
         .help = "Refuse what is larger"},
        {LOCI_OPT_BOOL(struct sample, read_only), .key = "read-only", .flag = "read-only",
         .help = "Refuse to write"},
        {LOCI_OPT_BOOL(struct sample, tidy), .key = "tidy", .flag = "tidy", .value = "true",
         .help = "Clean up afterwards"},
        {LOCI_OPT_ENUM(struct sample, mode), .key = "mode", .flag = "mode", .value = "safe",
         .words = modes, .help = "Choose between speed and care"},
        {0}};

static const struct loci_option default_options[] = {
        {LOCI_OPT_BOOL(struct sample, tty), .flag = "tty", .letter = 't', .help = "Be a terminal"},
        {0}};
static const struct loci_option create_options[] = {
        {LOCI_OPT_STRING(struct sample, name), .flag = "name", .letter = 'n', .help = "Call it so"},
        {0}};

static int show(const struct loci_invocation *inv, struct loci_error *err)
{
	const struct sample *s = inv->settings;
	int r = loci__printf(err, "command=%s store=%s idle=%" PRIu64 " tty=%d name=%s args=",
	                     inv->command->name ? inv->command->name : "-", s->store, s->idle_ms,
	                     s->tty, s->name ? s->name : "-");
	for (size_t i = 0; r == 0 && i < inv->n_args; i++)
		r = loci__printf(err, "[%s]", inv->args[i]);
	return r == 0 ? loci__printf(err, "\n") : r;
}

static int complain(const struct loci_invocation *inv, struct loci_error *err)
{
	for (int code = -1; code > LOCI_CODE_LAST_; code--)
		if (strcmp(loci_code_name(code), inv->args[0]) == 0)
			return loci__err_set(err, code, "as asked for: %s", inv->args[0]);
	return 77;
}

static int log_something(const struct loci_invocation *inv, struct loci_error *err)
{
	struct loci_log_field fields[] = {{"plain", "a"}, {"spaced", "b \"c\""}};
	(void)err;
	loci__log(inv->log, LOCI_LOG_ERROR, "sample", "an error\nof two lines");
	loci__log(inv->log, LOCI_LOG_WARN, "sample", "a warning");
	loci__log_fields(inv->log, LOCI_LOG_INFO, "sample", "a note", fields, 2);
	loci__log(inv->log, LOCI_LOG_DEBUG, "sample", "a detail");
	return 0;
}

static int wait_for_signal(const struct loci_invocation *inv, struct loci_error *err)
{
	static const int signos[] = {SIGTERM, SIGUSR1, 0};
	int signo;
	(void)inv;
	int r = loci__signals_block(signos, err);
	if (r == 0)
		r = loci__printf(err, "ready\n");
	if (r == 0)
		r = loci__signals_wait(signos, &signo, err);
	return r == 0 ? loci__printf(err, "signal %d\n", signo) : r;
}

static const struct loci_command commands[] = {
        {.summary = "Show what came",
         .args = "IMAGE [CMD...]",
         .min_args = 1,
         .max_args = LOCI_ARGS_UNLIMITED,
         .options = default_options,
         .flags = LOCI_COMMAND_STOP_AT_FIRST,
         .run = show},
        {.name = "create",
         .summary = "Make one",
         .args = "ID",
         .min_args = 1,
         .max_args = 1,
         .options = create_options,
         .run = show},
        {.name = "complain",
         .summary = "Fail with a code",
         .args = "CODE",
         .min_args = 1,
         .max_args = 1,
         .run = complain},
        {.name = "log", .summary = "Log at each level", .run = log_something},
        {.name = "wait", .summary = "Wait for a signal", .run = wait_for_signal},
        {.name = "check-config",
         .summary = "Check the configuration and print it",
         .run = loci__command_check_config},
        {.name = "sample-config",
         .summary = "Print a sample file",
         .run = loci__command_sample_config},
        {0}};

static const char *const description[] = {"It shows what it was given. Nothing else is done.",
                                          "A second paragraph with a back\\slash and a -dash.",
                                          NULL};
static const struct loci_example examples[] = {{"Show one", "sample alpine:3.19 sh -c 'exit 3'"},
                                               {NULL, NULL}};
static const char *const see_also[] = {"ocipull(1)", "ocirun(1)", NULL};

static const struct loci_program program = {
        .name = "sample",
        .man_section = 1,
        .summary = "a program for tests",
        .description = description,
        .options = options,
        .commands = commands,
        .settings_size = sizeof(struct sample),
        .env_prefix = "SAMPLE_",
        .default_config = "/nonexistent/sample.yaml",
        .log_level = LOCI_LOG_INFO,
        .examples = examples,
        .see_also = see_also,
};

int main(int argc, char **argv)
{
	return loci__program_main(&program, argc, argv);
}

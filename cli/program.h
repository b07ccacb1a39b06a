/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the three programs share: a descriptor of constant data makes the command line, the
 * sub-commands, --help, --version, the man page, the log and the exit status; main is one call:
 *
 *     int main(int argc, char **argv)
 *     {
 *             return loci__program_main(&program, argc, argv);
 *     }
 *
 * Every program has --help, --version, -q/--quiet, -v/--verbose and --log-format text|json.
 */
#ifndef LOCI_CLI_PROGRAM_H
#define LOCI_CLI_PROGRAM_H

#include "cli/log.h"
#include "conf/alias.h"
#include "loci/error.h"

struct loci_program;
struct loci_command;

/* What a command gets. */
struct loci_invocation {
	const struct loci_program *program;
	const struct loci_command *command;
	void *settings; /* the program's struct, filled */
	char **args;    /* positionals, NULL-terminated */
	size_t n_args;
	bool quiet; /* -q */
	const struct loci_log *log;
	struct loci_log_sink *sink; /* behind log; see log.h to send it elsewhere */
	struct loci_options *options;
	const char *config_path; /* the file that was read, or NULL */
	char *const *argv;       /* of the process, without its name */
};

/* Returns the exit status (0 or more), or a LOCI_E_ code with err filled: then the message is
 * printed as "ocipull: message" and the exit status comes from the table. */
typedef int (*loci_command_fn)(const struct loci_invocation *inv, struct loci_error *err);

enum loci_command_flag {
	/* Nothing behind the first positional is an option (IMAGE CMD…). */
	LOCI_COMMAND_STOP_AT_FIRST = 1 << 0,
	LOCI_COMMAND_HIDDEN = 1 << 1,
	/* Its one argument, a path, is a configuration file as by --config; what has no slash is
	 * the name of a command. */
	LOCI_COMMAND_CONFIG_ARG = 1 << 2
};
#define LOCI_ARGS_UNLIMITED SIZE_MAX

struct loci_exit_row {
	int status;
	int code;            /* LOCI_E_…; 0: any other failure */
	const char *meaning; /* for the man page; NULL: as the row before with this status */
};

struct loci_command {
	const char *name; /* "check-config"; NULL: what runs when no command is named (first row) */
	const char *summary; /* "Check the configuration and print it" */
	const char *args;    /* "IMAGE [CMD…]" or NULL */
	size_t min_args, max_args;
	const struct loci_option *options; /* its own, or NULL */
	unsigned flags;                    /* enum loci_command_flag */
	const struct loci_exit_row *exits; /* NULL: the program's */
	loci_command_fn run;
};

struct loci_example {
	const char *text;
	const char *command;
};

struct loci_program {
	const char *name;
	int man_section;                     /* 1 or 8 */
	const char *summary;                 /* "OCI registry": lower case start unless a name */
	const char *const *description;      /* paragraphs, NULL behind the last */
	const struct loci_option *options;   /* shared by all commands; fill settings */
	const struct loci_command *commands; /* to a row whose run is NULL */
	size_t settings_size;
	const char *env_prefix; /* "OCIREGISTRY_"; NULL: only rows with .env */
	/* With a row whose flag is "config" (a PATH): that file is read; else this one when it
	 * exists; NULL: none. */
	const char *default_config;
	const struct loci_alias_set *aliases; /* or NULL */
	int log_level;                        /* without -q and -v: enum loci_log_level */
	const struct loci_exit_row *exits;    /* to a row with meaning and code 0 (the catch-all,
	                                         last);   NULL: the common table */
	const struct loci_example *examples;  /* to a row whose command is NULL; or NULL */
	const char *const *see_also;          /* "ocipull(1)", NULL behind the last; or NULL */
};

/* Parses, prepares and runs; the exit status of the process. */
int loci__program_main(const struct loci_program *p, int argc, char **argv);

/* The exit status for a code by a table (NULL: the common one). */
int loci__exit_status(const struct loci_exit_row *rows, int code);

/* What the invocation would be if the program was started now: the same command line, the file and
 * the environment as they are. Its sink has the level that would hold; nothing is logged through
 * it. */
int loci__invocation_reread(const struct loci_invocation *inv, const struct loci_invocation **ret,
                            struct loci_error *err);
/* NULL is fine. */
void loci__invocation_free(const struct loci_invocation *take_reread);

/* Prints "name: message" (or a JSON log record) on stderr, as loci__program_main does for a failed
 * command: for programs that go on after an error. */
void loci__invocation_print_error(const struct loci_invocation *inv, const struct loci_error *err);
/* Bytes to stdout; a failure is an error (a full disk behind a pipe must not look like success). */
int loci__print(const char *p, size_t n, struct loci_error *err);
int loci__printf(struct loci_error *err, const char *fmt, ...) LOCI_PRINTF(2, 3);

/* The row of --store that all programs have. */
int loci__default_store_path(char **ret, struct loci_error *err);
#define LOCI_OPT_STORE_TEXT "/var/lib/loci as root, else $XDG_DATA_HOME/loci or ~/.local/share/loci"
#define LOCI_OPT_ROW_STORE(s, f)                                                               \
	{                                                                                      \
		LOCI_OPT_PATH(s, f), .key = "store", .flag = "store", .env = "LOCI_STORE",     \
		                     .metavar = "DIR",                                         \
		                     .help = "Keep blobs, names and layers in this directory", \
		                     .make_default = loci__default_store_path,                 \
		                     .default_text = LOCI_OPT_STORE_TEXT                       \
	}
/* The row of --config for programs with a file. */
#define LOCI_OPT_ROW_CONFIG(s, f)                                                         \
	{                                                                                 \
		LOCI_OPT_PATH(s, f), .flag = "config", .letter = 'c', .metavar = "FILE",  \
		                     .help = "Read the configuration from this YAML file" \
	}

/* Ready-made commands: the effective configuration and where each value came from; a sample file.
 */
int loci__command_check_config(const struct loci_invocation *inv, struct loci_error *err);
int loci__command_sample_config(const struct loci_invocation *inv, struct loci_error *err);

/* Checks the descriptor's tables; for each program's test. */
int loci__program_check(const struct loci_program *p, struct loci_error *err);
/* The man page as mdoc, and --help, into b. */
int loci__program_print_man(const struct loci_program *p, struct loci_buf *b,
                            struct loci_error *err);
int loci__program_print_help(const struct loci_program *p, const struct loci_command *cmd,
                             struct loci_buf *b, struct loci_error *err);

#endif

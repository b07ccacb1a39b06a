/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options: one table of rows makes the command line, the environment, the YAML file, --help, the
 * man page, the sample file and check-config. A row says which field of the program's settings it
 * fills, and the macro that names the field checks its C type:
 *
 *     static const struct loci_option options[] = {
 *             {LOCI_OPT_LIST(struct ociregistry_settings, listen), .key = "http.listen",
 *              .flag = "listen", .letter = 'l', .value = "127.0.0.1:5000,[::1]:5000",
 *              .metavar = "ADDR:PORT", .help = "Listen here; repeat for more"},
 *             {LOCI_OPT_DURATION(struct ociregistry_settings, idle_ms), .key = "http.idle-timeout",
 *              .flag = "idle-timeout", .value = "60s", .help = "Close idle connections after it"},
 *             {0}};
 *
 * Flags win over the environment, that over the file, that over the default. Everything is strict:
 * what is unknown is named together with the nearest known name.
 */
#ifndef LOCI_CONF_OPTION_H
#define LOCI_CONF_OPTION_H

#include "core/base/buf.h"
#include "loci/error.h"

enum loci_option_type {
	LOCI_OPTION_END = 0,  /* the row behind the last one */
	LOCI_OPTION_BOOL,     /* bool; --x, --no-x, --x=false */
	LOCI_OPTION_COUNT,    /* unsigned; each -v adds one; flags only */
	LOCI_OPTION_NUMBER,   /* unsigned or uint64_t */
	LOCI_OPTION_SIZE,     /* uint64_t, bytes; "512", "64KiB", "10MB", "1GiB" */
	LOCI_OPTION_DURATION, /* uint64_t, milliseconds; "500ms", "30s", "5m", "1h30m", "7d" */
	LOCI_OPTION_DOUBLE,   /* double; "0.5" */
	LOCI_OPTION_STRING,   /* char *, or NULL when there is no default */
	LOCI_OPTION_PATH,     /* the same, never empty */
	LOCI_OPTION_ENUM,     /* int or an enum; one of .words */
	LOCI_OPTION_LIST /* struct loci_string_list; repeat the flag, commas in the environment */
};

/* Strings of a repeatable option; v ends with NULL (or is NULL when n is 0). Owned by the options.
 */
struct loci_string_list {
	const char **v;
	size_t n;
};

struct loci_option_word {
	const char *word; /* NULL behind the last one */
	int value;
};

enum loci_option_flag {
	LOCI_OPTION_HIDDEN = 1 << 0, /* not in --help nor in the man page */
	LOCI_OPTION_SECRET = 1 << 1, /* check-config does not print its value */
	LOCI_OPTION_NO_ENV = 1 << 2, /* no name in the environment */
	LOCI_OPTION_STOPS = 1 << 3,  /* like --help: nothing else needs to be right */
	LOCI_OPTION_RELOADS = 1 << 4 /* a program that serves takes a new value on SIGHUP */
};

struct loci_option {
	/* The first three by a LOCI_OPT_ macro. */
	int type;      /* enum loci_option_type */
	size_t offset; /* of the field in the settings */
	size_t size;   /* of the field */

	const char *key;  /* "http.idle-timeout": its place in the file; NULL: not in the file */
	const char *flag; /* "idle-timeout"; NULL: file and environment only */
	char letter;      /* 'i' or 0 */
	const char *env;  /* NULL: the program's prefix and the key (OCIREGISTRY_HTTP_IDLE_TIMEOUT);
	                     without a key none */
	const char *value;   /* the default as somebody would type it; NULL: none (zero, NULL) */
	const char *metavar; /* "DIR"; NULL: by the type */
	const char *help;    /* one sentence, capital first, no full stop */
	const char *section; /* heading in --help; NULL: that of the row before */
	const struct loci_option_word *words;
	uint64_t min;   /* numbers, sizes (bytes), durations (ms) */
	uint64_t max;   /* 0: as large as the field */
	unsigned flags; /* enum loci_option_flag */
	/* More about a string or each string of a list ("expected ADDR:PORT"): 0 or a code with
	 * err. */
	int (*check)(const char *value, struct loci_error *err);
	/* A default that depends on who runs it: *ret malloc'ed; default_text describes it. */
	int (*make_default)(char **ret, struct loci_error *err);
	const char *default_text;
};

#define LOCI_OPT_FIELD_(kind, s, f, ...)                                                 \
	.type = (kind),                                                                  \
	.offset = offsetof(s, f) + 0 * sizeof(char[_Generic(((s *)0)->f, __VA_ARGS__)]), \
	.size = sizeof(((s *)0)->f)
#define LOCI_OPT_BOOL(s, f)     LOCI_OPT_FIELD_(LOCI_OPTION_BOOL, s, f, bool : 1)
#define LOCI_OPT_COUNT(s, f)    LOCI_OPT_FIELD_(LOCI_OPTION_COUNT, s, f, unsigned : 1)
#define LOCI_OPT_NUMBER(s, f)   LOCI_OPT_FIELD_(LOCI_OPTION_NUMBER, s, f, unsigned : 1, uint64_t : 1)
#define LOCI_OPT_SIZE(s, f)     LOCI_OPT_FIELD_(LOCI_OPTION_SIZE, s, f, uint64_t : 1)
#define LOCI_OPT_DURATION(s, f) LOCI_OPT_FIELD_(LOCI_OPTION_DURATION, s, f, uint64_t : 1)
#define LOCI_OPT_DOUBLE(s, f)   LOCI_OPT_FIELD_(LOCI_OPTION_DOUBLE, s, f, double : 1)
#define LOCI_OPT_STRING(s, f)   LOCI_OPT_FIELD_(LOCI_OPTION_STRING, s, f, char * : 1)
#define LOCI_OPT_PATH(s, f)     LOCI_OPT_FIELD_(LOCI_OPTION_PATH, s, f, char * : 1)
#define LOCI_OPT_ENUM(s, f)     LOCI_OPT_FIELD_(LOCI_OPTION_ENUM, s, f, int : 1, unsigned : 1)
#define LOCI_OPT_LIST(s, f)     LOCI_OPT_FIELD_(LOCI_OPTION_LIST, s, f, struct loci_string_list : 1)

/* Rows and the settings they fill. */
struct loci_option_set {
	const char *title;              /* heading in --help for rows without a section */
	const struct loci_option *rows; /* to the LOCI_OPTION_END row */
	void *settings;                 /* zeroed by the caller; outlives the loci_options */
};

/* Where a value came from; a higher one wins. */
enum loci_option_source {
	LOCI_SOURCE_DEFAULT = 0,
	LOCI_SOURCE_FILE,
	LOCI_SOURCE_ALIAS, /* a variable of another program's (alias.h) */
	LOCI_SOURCE_ENV,
	LOCI_SOURCE_FLAG
};

#define LOCI_OPTION_SETS_MAX  4
#define LOCI_OPTION_LIST_MAX  1024
#define LOCI_OPTION_VALUE_MAX 65536     /* bytes of one value */
#define LOCI_OPTION_FILE_MAX  (1 << 20) /* bytes of a YAML file */

/* The values of several sets, and where each came from. Owns every string in the settings. */
struct loci_options;

/* env_prefix: "OCIREGISTRY_", or NULL for no derived names. The sets' fields get their defaults. */
int loci__options_new(const char *env_prefix, struct loci_options **ret, struct loci_error *err);
/* Frees the strings in the settings, too (the fields become NULL). NULL is fine. */
void loci__options_free(struct loci_options *o);
int loci__options_add(struct loci_options *o, const struct loci_option_set *set,
                      struct loci_error *err);

/* What is left of a command line: views into args. */
struct loci_positionals {
	char **v; /* NULL-terminated; room for all args, given by the caller */
	size_t n;
	bool after_dashes; /* "--" came before the first of them */
	bool stopped;      /* an option with LOCI_OPTION_STOPS was met */
};
enum loci_args_flag {
	LOCI_ARGS_STOP_AT_FIRST = 1 << 0 /* everything from the first positional on is left */
};
/* args: NULL-terminated, without the program's name. All errors are USAGE. */
int loci__options_args(struct loci_options *o, char *const *args, unsigned flags,
                       struct loci_positionals *ret, struct loci_error *err);
/* environ_: as environ. */
int loci__options_env(struct loci_options *o, char *const *environ_, struct loci_error *err);
/* Reads a YAML file; name is for messages ("FILE:LINE:COLUMN: key: …"). Errors: USAGE; NOT_FOUND
 * and other codes of opening it. */
int loci__options_file(struct loci_options *o, const char *path, struct loci_error *err);
int loci__options_yaml(struct loci_options *o, const char *name, const char *text, size_t n,
                       struct loci_error *err);
/* Fills in what make_default makes; after the other sources. */
int loci__options_finish(struct loci_options *o, struct loci_error *err);

/* Where the row that fills this field came from. */
enum loci_option_source loci__options_source(const struct loci_options *o, const void *field);

/* What differs between two sets of values of the same tables; rows with LOCI_OPTION_RELOADS get
 * their new values (and where they come from). */
struct loci_options_adoption {
	/* Once for each row that differs, or NULL; texts live for the call. */
	void (*changed)(void *arg, const struct loci_option *row, bool adopted, const char *old,
	                const char *now);
	void *arg;
	bool dry; /* tells only */
};
int loci__options_adopt(struct loci_options *to, struct loci_options *from,
                        const struct loci_options_adoption *how, struct loci_error *err);

/* One table, several texts. */
void loci__options_print_help(const struct loci_options *o, struct loci_buf *b);
/* Every key as YAML, commented out, with its help and default. */
void loci__options_print_sample(const struct loci_options *o, struct loci_buf *b);
/* The effective configuration as YAML, each line with where its value came from. */
void loci__options_print_values(const struct loci_options *o, struct loci_buf *b);
/* The name in the environment, or NULL; buf holds LOCI_OPTION_ENV_MAX. */
#define LOCI_OPTION_ENV_MAX 96
const char *loci__option_env_name(const struct loci_option *row, const char *prefix,
                                  char buf[LOCI_OPTION_ENV_MAX]);

/* Whether the tables are sound: names unique and well-formed, defaults parse, help present, rows of
 * one YAML section together. For the tests of each program. */
int loci__options_check_tables(const struct loci_options *o, struct loci_error *err);

#endif

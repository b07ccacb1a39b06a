/* SPDX-License-Identifier: Apache-2.0 */
/* What program.c and the texts made of a descriptor (help.c, man.c) share. */
#ifndef LOCI_CLI_DESCRIPTOR_H
#define LOCI_CLI_DESCRIPTOR_H

#include "cli/program.h"

/* The options that every program has. */
struct loci_common_settings {
	bool help;
	bool help_man;
	bool help_check;
	bool version;
	bool quiet;
	unsigned verbose;
	int log_format; /* enum loci_log_format */
	int log_level;  /* enum loci_log_level */
};
extern const struct loci_option loci__common_options[];
extern const struct loci_exit_row loci__common_exits[];

/* The row for what runs without a command's name, or NULL. */
const struct loci_command *loci__default_command(const struct loci_program *p);
/* Whether it has commands with names. */
bool loci__has_commands(const struct loci_program *p);

/* Options of a program and one command (NULL: none), with scratch settings, for texts. */
struct loci_option_view {
	struct loci_options *options;
	struct loci_common_settings common;
	void *settings;
};
int loci__option_view_init(struct loci_option_view *v, const struct loci_program *p,
                           const struct loci_command *cmd, struct loci_error *err);
void loci__option_view_done(struct loci_option_view *v);
#define loci__cleanup_option_view __attribute__((cleanup(loci__option_view_done)))

#endif

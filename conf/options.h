/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of struct loci_options, for the files of this folder. */
#ifndef LOCI_CONF_OPTIONS_H
#define LOCI_CONF_OPTIONS_H

#include "conf/alias.h"

struct loci_option_origin {
	enum loci_option_source source;
	unsigned line; /* in the file */
	unsigned column;
	const char *alias; /* the path by which another program's variable set it */
};

struct loci_options {
	char *env_prefix;
	char *file_name;                      /* of the last file read, or NULL */
	const struct loci_alias_set *aliases; /* or NULL */
	struct loci_buf notes;                /* what is to be reported, a line each */
	size_t n_sets;
	struct {
		struct loci_option_set set;
		struct loci_option_origin *origins; /* one a row */
	} sets[LOCI_OPTION_SETS_MAX];
};

/* A walk over all rows of all sets; start with {0}. */
struct loci_option_at {
	size_t set;
	size_t next;
	const struct loci_option *row;
	void *field;
	struct loci_option_origin *origin;
	const char *heading; /* section, or the set's title */
};
bool loci__options_next(const struct loci_options *o, struct loci_option_at *at);

/* Sets the field, unless a higher source did; the text must be right in any case. */
int loci__options_assign(struct loci_option_at *at, struct loci_option_origin from,
                         const char *text, struct loci_error *err);
/* The same for a list given as one text with commas; other types as _assign. */
int loci__options_assign_commas(struct loci_option_at *at, struct loci_option_origin from,
                                const char *text, struct loci_error *err);
/* alias.c: the variables of another program; its file (then *ret_is_theirs). */
int loci__alias_env(struct loci_options *o, char *const *environ_, struct loci_error *err);
int loci__alias_yaml(struct loci_options *o, const char *name, const char *text, size_t n,
                     bool *ret_is_theirs, struct loci_error *err);

/* An empty list, from the file. */
void loci__options_assign_none(struct loci_option_at *at, struct loci_option_origin from);

#endif

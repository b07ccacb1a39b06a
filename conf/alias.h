/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of another program's configuration, understood in place of ours: who replaces it keeps
 * its environment and its file. One table says for each name which of our keys it is, or why it is
 * without effect here, or why it cannot be honoured; what the table does not know is refused. The
 * names are paths ("http.addr"): in the file they are nested keys, in the environment capitals with
 * underscores behind the prefix (REGISTRY_HTTP_ADDR).
 *
 * Such a variable wins over the file and yields to ours. A file of that kind is told from one of
 * ours by a key that only theirs has.
 */
#ifndef LOCI_CONF_ALIAS_H
#define LOCI_CONF_ALIAS_H

#include "conf/option.h"

enum loci_alias_kind {
	LOCI_ALIAS_END = 0,
	LOCI_ALIAS_KEY,      /* the same as our key */
	LOCI_ALIAS_ADDS,     /* adds to our key, a list */
	LOCI_ALIAS_HARMLESS, /* without effect, and nobody misses it */
	LOCI_ALIAS_REFUSED
};

struct loci_alias {
	int kind; /* enum loci_alias_kind */
	const char
	        *path;   /* "http.addr"; "http.tls.*" is everything below, and the section itself */
	const char *key; /* of KEY and ADDS */
	/* Their text as ours; the message says what was expected. NULL: it is the same. HARMLESS:
	 * refuses the values that do have an effect. */
	int (*convert)(const char *text, struct loci_buf *ret, struct loci_error *err);
	const char *why; /* of the others: a sentence without a full stop */
};

/* What holds where their defaults are stricter than ours, or mean another place. */
struct loci_alias_default {
	const char *key;
	const char *value;
};

struct loci_alias_set {
	const char *prefix;            /* "REGISTRY_" */
	const char *program;           /* "registry:2", for texts */
	const char *mark;              /* the top key that their files have and ours have not */
	const struct loci_alias *rows; /* to the END row; the first that fits counts */
	const struct loci_alias_default *file_defaults; /* to a row without a key */
	const char *list_start; /* what ADDS adds to when nobody has said anything */
};

/* Before any source is read; set is borrowed. */
void loci__options_set_aliases(struct loci_options *o, const struct loci_alias_set *set);
/* Lines about variables that do not count because ours do; "" for none. */
const char *loci__options_notes(const struct loci_options *o);

#define LOCI_ALIAS_NAME_MAX 160
/* "REGISTRY_HTTP_ADDR"; without the star of a section. False when it is too long. */
bool loci__alias_name(const struct loci_alias_set *set, const char *path,
                      char buf[LOCI_ALIAS_NAME_MAX]);

/* For the tests of a program's table: every key exists, every row has what its kind asks for. */
int loci__alias_check_table(const struct loci_options *o, const struct loci_alias_set *set,
                            struct loci_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small YAML: maps, lists of scalars, scalars. What configuration does not need and what makes
 * YAML surprising (anchors, aliases, tags, several documents, lists in lists) is refused by name.
 */
#ifndef LOCI_CONF_YAML_H
#define LOCI_CONF_YAML_H

#include "loci/error.h"

#define LOCI_YAML_DEPTH_MAX 8
#define LOCI_YAML_KEYS_MAX  4096
#define LOCI_YAML_PATH_MAX  256 /* bytes of "a.b.c", its NUL included */

struct loci_yaml_node {
	const char *path;  /* "http.listen" */
	const char *value; /* of a scalar */
	bool is_null;      /* nothing, "~" or "null", unquoted */
	bool in_list;
	unsigned line, column; /* from 1 */
};

/* Called in the order of the file; a code that is not 0 stops, with err naming only what is wrong:
 * the position and the path are put in front of it. */
struct loci_yaml_handler {
	int (*scalar)(void *arg, const struct loci_yaml_node *node, struct loci_error *err);
	int (*list)(void *arg, const struct loci_yaml_node *node, struct loci_error *err);
	int (*map)(void *arg, const struct loci_yaml_node *node, struct loci_error *err);
};

/* name is for messages. An empty text is an empty map. All errors of the text are USAGE. */
int loci__yaml_walk(const char *name, const char *text, size_t n,
                    const struct loci_yaml_handler *handler, void *arg, struct loci_error *err);

#endif

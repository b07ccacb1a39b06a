/* SPDX-License-Identifier: Apache-2.0 */
/* One option's text to its field, and back. */
#ifndef LOCI_CONF_VALUE_H
#define LOCI_CONF_VALUE_H

#include "conf/option.h"

/* Writes the field (a string replaces and frees the old one, a list grows by one). On failure the
 * field is as it was and the message reads "expected …, found '…'"; the code is USAGE. */
int loci__option_value_parse(const struct loci_option *row, const char *text, void *field,
                             struct loci_error *err);
/* The field as somebody would type it; a list with commas. */
void loci__option_value_format(const struct loci_option *row, const void *field,
                               struct loci_buf *b);
/* Frees what the field owns and zeroes it. */
void loci__option_value_done(const struct loci_option *row, void *field);
/* For messages: printable, cut to size; "found '…'". */
const char *loci__option_excerpt(const char *text, char *buf, size_t size);
/* What stands for the value in --help: "DIR", "DURATION"; NULL for flags without one. */
const char *loci__option_metavar(const struct loci_option *row);
/* A switch that is on by itself: "[no-]", as only its --no- form is of any use; else "". */
const char *loci__option_negation(const struct loci_option *row);

#define LOCI_EXCERPT_MAX 64

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line on a terminal that says how far a long command is: drawn anew at most ten times a
 * second, gone before anything else is written. Nothing at all where there is no terminal.
 */
#ifndef LOCI_CLI_STATUS_LINE_H
#define LOCI_CLI_STATUS_LINE_H

#include "loci/api.h"

struct loci_status_line {
	bool on;
	bool drawn;
	uint64_t drawn_ms;
};

/* quiet: never. */
void loci__status_line_init(struct loci_status_line *l, bool quiet);
/* Cut to the terminal's width. */
void loci__status_line_draw(struct loci_status_line *l, const char *fmt, ...) LOCI_PRINTF(2, 3);
void loci__status_line_erase(struct loci_status_line *l);

#endif

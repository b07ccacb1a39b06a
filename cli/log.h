/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where log records of the libraries go: one line each, one write(2) each, so that lines of several
 * threads never mix. Text ("time level component: message key=value") or JSON, one object a line.
 */
#ifndef LOCI_CLI_LOG_H
#define LOCI_CLI_LOG_H

#include "core/base/buf.h"
#include "loci/error.h"
#include "loci/log.h"

enum loci_log_format { LOCI_LOG_TEXT = 0, LOCI_LOG_JSON };

struct loci_log_sink {
	struct loci_log log; /* give its address to the libraries */
	int fd;              /* STDERR_FILENO at first */
	int format;          /* enum loci_log_format */
};

void loci__log_sink_init(struct loci_log_sink *s, int format, int max_level);
/* From now on append to this file (made if missing); for runc's --log. */
int loci__log_sink_open(struct loci_log_sink *s, const char *path, struct loci_error *err);
/* Back to stderr; closes the file. */
void loci__log_sink_close(struct loci_log_sink *s);
const char *loci__log_level_name(int level);
/* Appends a text that a stranger may have had a hand in: what would break the line or drive a
 * terminal becomes \xNN. */
void loci__append_clean(struct loci_buf *b, const char *s);

#endif

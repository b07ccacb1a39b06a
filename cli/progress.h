/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person or a program sees of a pull, on standard error: bars on a terminal, one line a
 * step elsewhere, or one JSON object a line. Events may come from any thread.
 */
#ifndef LOCI_CLI_PROGRESS_H
#define LOCI_CLI_PROGRESS_H

#include "loci/log.h"
#include "loci/pull.h"

enum loci_progress_mode {
	LOCI_PROGRESS_AUTO = 0, /* bars on a terminal, else plain */
	LOCI_PROGRESS_TTY,
	LOCI_PROGRESS_PLAIN,
	LOCI_PROGRESS_JSON,
	LOCI_PROGRESS_NONE
};

struct loci_progress;
/* log: where records go that come meanwhile (borrowed). */
int loci__progress_new(int mode, int fd, const struct loci_log *log, struct loci_progress **ret,
                       struct loci_error *err);
void loci__progress_free(struct loci_progress *p);
/* Give this to the libraries instead: bars and log lines then do not write over each other. */
const struct loci_log *loci__progress_log(struct loci_progress *p);

/* A new image; name is copied. */
void loci__progress_begin(struct loci_progress *p, const char *name);
void loci__progress_pull(struct loci_progress *p, const struct loci_pull_event *ev);
/* Bytes of one layer, by its diff ID; the sizes that loci_unpack_image tells. */
void loci__progress_unpack(struct loci_progress *p, const struct loci_digest *diff_id,
                           uint64_t done, uint64_t total);
/* The image is there, or is not: the bars stay as they are and the cursor stands behind them. */
void loci__progress_end(struct loci_progress *p, bool is_success);

#define LOCI_BYTES_TEXT_MAX 16
/* "0 B", "1.5 kB", "12.3 MB" */
const char *loci__bytes_text(uint64_t n, char buf[LOCI_BYTES_TEXT_MAX]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Group commit: one thread takes what has queued, runs it in one transaction of the index, syncs
 * once, answers all.
 */
#ifndef LOCI_STORE_WRITER_H
#define LOCI_STORE_WRITER_H

#include "core/store/txn.h"
#include "loci/histogram.h"
#include "loci/sys/index.h"

struct loci__bell;
struct loci__writer;

/* May be run several times (the transaction is begun again): depends on arg and the index alone. An
 * error returned before the first write leaves the other operations of the batch untouched; one
 * after it costs the batch a second run, each operation alone. */
typedef int (*loci__op_fn)(struct loci__txn *t, void *arg, struct loci_error *err);

/* Asked inside each transaction before its operations: a failure is that of all of them. */
struct loci__guard {
	int (*fn)(const void *arg, struct loci_error *err);
	const void *arg; /* outlives the writer */
};

int loci__writer_new(struct loci_index *ix, struct loci__guard guard, struct loci__writer **ret,
                     struct loci_error *err);
struct loci__quotas;
/* Before the first write: its transactions see what is in there then. */
void loci__writer_set_quotas(struct loci__writer *w, struct loci__quotas *quotas);
/* Runs what is queued, then ends the thread. Nobody may wait in _run. */
void loci__writer_free(struct loci__writer *w);

/* Waits until it is committed; durable: and on disk. */
int loci__writer_run(struct loci__writer *w, bool durable, loci__op_fn fn, void *arg,
                     struct loci_error *err);
/* Never waits for a commit. take_arg is free()d after the run. BUSY when too much is queued. */
int loci__writer_post(struct loci__writer *w, loci__op_fn fn, void *take_arg,
                      struct loci_error *err);
/* Rung after each commit with events; the writer's. */
struct loci__bell *loci__writer_bell(const struct loci__writer *w);
/* How long it has been at the batch under way; 0: at none. */
uint64_t loci__writer_busy_ms(const struct loci__writer *w);
/* How long the queue is, and what became of it so far; both histograms zeroed before. */
uint64_t loci__writer_stats(const struct loci__writer *w, struct loci_histogram *ret_batches,
                            struct loci_histogram *ret_commits);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads for what a loop must not do itself, shared by all loops: a plain first-in-first-out
 * queue. A job is embedded in what it works on, so queueing needs no memory and cannot fail; its
 * length is bounded by the connections, each of which has at most one job at a time.
 */
#ifndef LOCI_REGISTRY_HTTP_WORKERS_H
#define LOCI_REGISTRY_HTTP_WORKERS_H

#include "core/base/thread.h"

#include <stdbool.h>

struct loci__job {
	void (*run)(struct loci__job *j); /* on a worker; the job may be gone when it returns */
	struct loci__job *next;
};

struct loci__workers;

/* Up to max threads: one now, another whenever a job would wait for those that are there. */
int loci__workers_new(unsigned max, struct loci__workers **ret, struct loci_error *err);
/* Runs what is queued to its end first. No _submit may come any more. NULL is fine. */
void loci__workers_free(struct loci__workers *w);
void loci__workers_submit(struct loci__workers *w, struct loci__job *j);
/* A job would wait for its client: whether no job waits for the thread, and no more than half of
 * all (rounded up) would wait so. If it may, _waited follows. */
bool loci__workers_may_wait(struct loci__workers *w);
void loci__workers_waited(struct loci__workers *w);

#endif

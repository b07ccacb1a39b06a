/* SPDX-License-Identifier: Apache-2.0 */
#include "core/store/writer.h"

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/histogram.h"
#include "core/base/thread.h"
#include "core/store/event.h"
#include "core/store/quota.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

#define BATCH_MAX       512  /* operations in a transaction: bounds its dirty pages */
#define POSTED_MAX      4096 /* operations that nobody waits for */
#define AGAIN_MAX       64   /* doublings of the map: more than there are */
#define UPKEEP_EVERY_MS 60000

struct op {
	struct op *next;
	loci__op_fn fn;
	void *arg;
	const struct loci_origin *origin; /* of the thread that waits */
	bool durable;
	bool posted; /* heap, arg too; nobody waits */
	int rc;
	struct loci_error err;
	sem_t done;
};

struct loci__writer {
	struct loci_index *ix;
	struct loci__guard guard;
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct op *head;
	struct op **tail;
	unsigned n_posted;
	bool started; /* the thread is made by the first write: readers do without */
	bool stop;
	pthread_t thread;
	uint64_t upkeep_at;
	struct loci__bell *bell;
	struct loci__quotas *quotas; /* or NULL */
	/* for those who watch */
	atomic_uint_fast64_t n_queued;
	atomic_uint_fast64_t began_ms; /* with the batch under way; 0: none is */
	struct loci__histogram batches;
	struct loci__histogram commits;
};

static const uint64_t batch_sizes[] = {1, 2, 4, 8, 16, 32, 64, 128, 256};
static const uint64_t commit_us[] = {100,     250,     500,     1000,    2500,   5000,
                                     10000,   25000,   50000,   100000,  250000, 500000,
                                     1000000, 2500000, 5000000, 10000000};
static const struct loci__bounds batch_bounds = {batch_sizes,
                                                 sizeof(batch_sizes) / sizeof(batch_sizes[0]), 1};
static const struct loci__bounds commit_bounds = {commit_us,
                                                  sizeof(commit_us) / sizeof(commit_us[0]), 1e-6};

/* ---- a batch --------------------------------------------------------------------------------- */

static void fail_all(struct op *ops, int rc, const struct loci_error *err)
{
	for (struct op *o = ops; o; o = o->next) {
		o->rc = rc;
		o->err = *err;
	}
}

/* What became of one run of a batch. */
enum outcome { DONE, AGAIN, ALONE };

static enum outcome run_ops(struct loci__txn *t, struct op *ops)
{
	for (struct op *o = ops; o; o = o->next) {
		t->wrote = false;
		t->origin = o->origin;
		o->rc = o->fn(t, o->arg, &o->err);
		if (t->damaged)
			return t->damaged == LOCI_INDEX_AGAIN ? AGAIN : DONE;
		if (o->rc < 0 && t->wrote)
			return ALONE;
	}
	return DONE;
}

static enum outcome run_once(struct loci__writer *w, bool durable, struct op *ops)
{
	const struct loci_index_ops *ix_ops = w->ix->ops;
	struct loci__txn t = {0};
	struct loci_error err = {0};
	int rc = ix_ops->write_begin(w->ix, durable, &t.t, &err);
	if (rc < 0) {
		fail_all(ops, rc, &err);
		return DONE;
	}
	rc = w->guard.fn(w->guard.arg, &err);
	if (rc < 0) {
		ix_ops->abort(t.t);
		fail_all(ops, rc, &err);
		return DONE;
	}
	t.quotas = w->quotas ? loci__quotas_get(w->quotas) : NULL;
	enum outcome outcome = run_ops(&t, ops);
	loci__quotas_put(w->quotas, t.quotas);
	if (outcome != DONE || t.damaged) {
		ix_ops->abort(t.t);
		if (outcome == DONE)
			fail_all(ops, t.damaged, &t.err);
		return outcome;
	}
	rc = ix_ops->commit(t.t, &err);
	if (rc == LOCI_INDEX_AGAIN)
		return AGAIN;
	if (rc < 0)
		fail_all(ops, rc, &err);
	else if (t.has_events)
		loci__bell_ring(w->bell);
	return DONE;
}

static void run_batch(struct loci__writer *w, struct op *ops);

/* One operation failed after it had written: its writes may not stay, the others' must. */
static void run_each_alone(struct loci__writer *w, struct op *ops)
{
	for (struct op *o = ops; o; o = o->next) {
		struct op *rest = o->next;
		o->next = NULL;
		run_batch(w, o);
		o->next = rest;
	}
}

static void run_batch(struct loci__writer *w, struct op *ops)
{
	bool durable = false;
	for (struct op *o = ops; o; o = o->next)
		durable |= o->durable;
	for (int tries = 0; tries < AGAIN_MAX; tries++) {
		enum outcome outcome = run_once(w, durable, ops);
		if (outcome == DONE)
			return;
		if (outcome == ALONE && ops->next) {
			run_each_alone(w, ops);
			return;
		}
		if (outcome == ALONE)
			return; /* aborted; its own error stands */
	}
	struct loci_error err = {0};
	int rc = loci__err_set(&err, LOCI_E_INTERNAL, "index: a transaction cannot be finished");
	fail_all(ops, rc, &err);
}

/* ---- the thread ------------------------------------------------------------------------------ */

static void answer(struct op *ops)
{
	while (ops) {
		struct op *o = ops;
		ops = o->next; /* a waiter's op is gone once it is told */
		if (o->posted) {
			free(o->arg);
			free(o);
		} else {
			sem_post(&o->done);
		}
	}
}

/* With the lock held. NULL: stop. */
static struct op *take_batch(struct loci__writer *w, unsigned *ret_n)
{
	while (!w->head && !w->stop)
		pthread_cond_wait(&w->work, &w->lock);
	struct op *ops = w->head;
	struct op *last = NULL;
	unsigned n = 0;
	for (struct op *o = ops; o && n < BATCH_MAX; o = o->next, n++) {
		w->n_posted -= o->posted;
		last = o;
	}
	if (last) {
		w->head = last->next;
		last->next = NULL;
	}
	if (!w->head)
		w->tail = &w->head;
	atomic_fetch_sub_explicit(&w->n_queued, n, memory_order_relaxed);
	*ret_n = n;
	return ops;
}

static void upkeep(struct loci__writer *w)
{
	uint64_t now = loci__clock_ms();
	if (now < w->upkeep_at)
		return;
	w->ix->ops->upkeep(w->ix);
	w->upkeep_at = now + UPKEEP_EVERY_MS;
}

static void *writer_main(void *arg)
{
	struct loci__writer *w = arg;
	unsigned n;
	loci__thread_be_prompt(); /* many wait for it; whoever needed it first may be a patient one
	                           */
	for (;;) {
		pthread_mutex_lock(&w->lock);
		struct op *ops = take_batch(w, &n);
		pthread_mutex_unlock(&w->lock);
		if (!ops)
			return NULL;
		uint64_t began_us = loci__clock_us();
		atomic_store(&w->began_ms, loci__clock_ms());
		run_batch(w, ops);
		loci__histogram_count(&w->batches, &batch_bounds, n);
		loci__histogram_count(&w->commits, &commit_bounds, loci__clock_us() - began_us);
		atomic_store(&w->began_ms, 0);
		answer(ops);
		upkeep(w);
	}
}

/* With the lock held. */
static int start(struct loci__writer *w, struct loci_error *err)
{
	int rc = loci__thread_start(&w->thread, writer_main, w, err);
	w->started = rc == 0;
	return rc;
}

static int enqueue(struct loci__writer *w, struct op *o, struct loci_error *err)
{
	int rc = 0;
	pthread_mutex_lock(&w->lock);
	if (o->posted && w->n_posted == POSTED_MAX)
		rc = loci__err_set(err, LOCI_E_BUSY, "index: %d writes wait", POSTED_MAX);
	else if (!w->started)
		rc = start(w, err);
	if (rc == 0) {
		*w->tail = o;
		w->tail = &o->next;
		w->n_posted += o->posted;
		loci__count(&w->n_queued, 1);
		pthread_cond_signal(&w->work);
	}
	pthread_mutex_unlock(&w->lock);
	return rc;
}

int loci__writer_run(struct loci__writer *w, bool durable, loci__op_fn fn, void *arg,
                     struct loci_error *err)
{
	struct op o = {.fn = fn, .arg = arg, .origin = loci__origin(), .durable = durable};
	if (sem_init(&o.done, /* pshared= */ 0, 0) < 0)
		return loci__err_sys(err, "make a semaphore");
	int rc = enqueue(w, &o, err);
	if (rc == 0) {
		while (sem_wait(&o.done) < 0 && errno == EINTR)
			;
		rc = o.rc;
		if (rc < 0 && err)
			*err = o.err;
	}
	sem_destroy(&o.done);
	return rc;
}

int loci__writer_post(struct loci__writer *w, loci__op_fn fn, void *take_arg,
                      struct loci_error *err)
{
	struct op *o = calloc(1, sizeof(*o));
	if (!o)
		return loci__err_nomem(err);
	*o = (struct op){.fn = fn, .arg = take_arg, .posted = true};
	int rc = enqueue(w, o, err);
	if (rc < 0)
		free(o);
	return rc;
}

void loci__writer_set_quotas(struct loci__writer *w, struct loci__quotas *quotas)
{
	w->quotas = quotas;
}

struct loci__bell *loci__writer_bell(const struct loci__writer *w)
{
	return w->bell;
}

uint64_t loci__writer_busy_ms(const struct loci__writer *w)
{
	const uint64_t began = atomic_load(&w->began_ms);
	const uint64_t now = loci__clock_ms();
	return began && now > began ? now - began : 0;
}

uint64_t loci__writer_stats(const struct loci__writer *w, struct loci_histogram *ret_batches,
                            struct loci_histogram *ret_commits)
{
	loci__histogram_read(&w->batches, &batch_bounds, ret_batches);
	loci__histogram_read(&w->commits, &commit_bounds, ret_commits);
	return loci__counted(&w->n_queued);
}

int loci__writer_new(struct loci_index *ix, struct loci__guard guard, struct loci__writer **ret,
                     struct loci_error *err)
{
	struct loci__writer *w = calloc(1, sizeof(*w));
	struct loci__bell *bell = w ? loci__bell_new() : NULL;
	if (!bell) {
		free(w);
		return loci__err_nomem(err);
	}
	w->bell = bell;
	w->ix = ix;
	w->guard = guard;
	w->tail = &w->head;
	w->upkeep_at = loci__clock_ms() + UPKEEP_EVERY_MS;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->work, NULL);
	*ret = w;
	return 0;
}

void loci__writer_free(struct loci__writer *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->lock);
	if (w->started)
		pthread_join(w->thread, NULL);
	pthread_cond_destroy(&w->work);
	pthread_mutex_destroy(&w->lock);
	loci__bell_free(w->bell);
	free(w);
}

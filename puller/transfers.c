/* SPDX-License-Identifier: Apache-2.0 */
#include "puller/transfers.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "puller/blob.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

enum job_state { JOB_WAITS = 0, JOB_RUNS, JOB_DONE };

struct job {
	const struct loci_descriptor *desc;
	_Atomic uint64_t done;
	int state; /* under the lock */
	/* the caller's thread only */
	bool was_present;
	bool told_start;
	bool told_done;
	uint64_t told_bytes;
};

struct worker {
	struct crew *crew;
	struct loci_http *http;
	pthread_t thread;
};

struct crew {
	const struct loci_transfers *t;
	struct job *jobs;
	size_t n_jobs;
	struct worker workers[LOCI_PULL_PARALLEL_MAX];
	size_t n_workers;
	size_t n_threads; /* of the first workers */
	atomic_bool stop;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* by the monotonic clock */
	/* under the lock */
	size_t next;
	size_t running;
	int rc; /* of the first failure */
	struct loci_error err;
};

/* ---- workers ---- */

static bool is_stopped(void *arg)
{
	struct worker *w = arg;
	return atomic_load(&w->crew->stop);
}

static void stop(struct crew *c)
{
	atomic_store(&c->stop, true);
	for (size_t i = 0; i < c->n_workers; i++)
		loci__http_wake(c->workers[i].http);
}

/* The next job that waits, or NULL. Under the lock. */
static struct job *take_job(struct crew *c)
{
	while (c->next < c->n_jobs && c->jobs[c->next].state == JOB_DONE)
		c->next++;
	if (c->next == c->n_jobs || atomic_load(&c->stop))
		return NULL;
	struct job *job = &c->jobs[c->next++];
	job->state = JOB_RUNS;
	return job;
}

static int run_job(struct worker *w, struct job *job, struct loci_error *err)
{
	const struct loci_transfers *t = w->crew->t;
	struct loci_blob_fetch fetch = {
	        .remote = t->remote,
	        .http = w->http,
	        .store = t->store,
	        .notes_fd = t->notes_fd,
	        .desc = job->desc,
	        .done = &job->done,
	};
	return loci__blob_fetch(&fetch, err);
}

static void note_failure(struct crew *c, int rc, const struct loci_error *err)
{
	if (c->rc)
		return; /* what follows the first failure is its echo */
	c->rc = rc;
	c->err = *err;
	stop(c);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct crew *c = w->crew;
	struct job *job;
	pthread_mutex_lock(&c->lock);
	while ((job = take_job(c))) {
		struct loci_error err = {0};
		pthread_mutex_unlock(&c->lock);
		int rc = run_job(w, job, &err);
		pthread_mutex_lock(&c->lock);
		if (rc < 0)
			note_failure(c, rc, &err);
		else
			job->state = JOB_DONE;
		pthread_cond_signal(&c->changed);
	}
	c->running--;
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* Signals are the program's business: they go to its own threads. */
static int start_thread(struct worker *w)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int bad = pthread_create(&w->thread, NULL, work, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return bad;
}

static int start_workers(struct crew *c, size_t want, struct loci_error *err)
{
	/* All clients first: a worker that fails at once wakes the others'. */
	for (size_t i = 0; i < want; i++) {
		struct worker *w = &c->workers[i];
		struct loci_http_opts opts = *c->t->http_opts;
		w->crew = c;
		opts.is_canceled = is_stopped;
		opts.cancel_arg = w;
		int rc = loci__http_new(c->t->share, &opts, &w->http, err);
		if (rc < 0)
			return rc;
		c->n_workers++;
	}
	for (size_t i = 0; i < want; i++) {
		pthread_mutex_lock(&c->lock);
		int bad = start_thread(&c->workers[i]);
		c->running += !bad;
		c->n_threads += !bad;
		pthread_mutex_unlock(&c->lock);
		if (bad && !i)
			return loci__err_errno(err, bad, "start a thread");
		if (bad)
			break; /* fewer will do */
	}
	return 0;
}

/* ---- telling ---- */

static int tell(struct crew *c, int kind, const struct job *job, uint64_t done)
{
	const struct loci_pull_opts *o = c->t->opts;
	struct loci_pull_event ev = {
	        .kind = kind,
	        .desc = job ? job->desc : NULL,
	        .done = done,
	        .was_present = job && job->was_present,
	};
	return o->event ? o->event(o->event_arg, &ev) : 0;
}

static int tell_job(struct crew *c, struct job *job, bool *ret_any)
{
	pthread_mutex_lock(&c->lock);
	int state = job->state;
	pthread_mutex_unlock(&c->lock);
	uint64_t done = state == JOB_DONE ? job->desc->size
	                                  : atomic_load_explicit(&job->done, memory_order_relaxed);
	int stopped = 0;
	if (state != JOB_WAITS && !job->told_start) {
		job->told_start = *ret_any = true;
		stopped |= tell(c, LOCI_PULL_BLOB_START, job, 0);
	}
	if (state == JOB_RUNS && done != job->told_bytes) {
		job->told_bytes = done;
		*ret_any = true;
		stopped |= tell(c, LOCI_PULL_BLOB_PROGRESS, job, done);
	}
	if (state == JOB_DONE && !job->told_done) {
		job->told_done = *ret_any = true;
		stopped |= tell(c, LOCI_PULL_BLOB_DONE, job, done);
	}
	return stopped;
}

static int tell_all(struct crew *c)
{
	bool any = false;
	int stopped = 0;
	for (size_t i = 0; i < c->n_jobs; i++)
		stopped |= tell_job(c, &c->jobs[i], &any);
	if (!any)
		stopped |= tell(c, LOCI_PULL_WAITING, NULL, 0);
	return stopped;
}

static void wait_for_change(struct crew *c)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += LOCI_HTTP_TICK_MS / 2 * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	pthread_cond_timedwait(&c->changed, &c->lock, &until);
}

/* Until every worker has ended. */
static void watch(struct crew *c)
{
	bool at_work = true;
	while (at_work) {
		pthread_mutex_lock(&c->lock);
		if (c->running)
			wait_for_change(c);
		at_work = c->running > 0;
		pthread_mutex_unlock(&c->lock);
		if (!atomic_load(&c->stop) && tell_all(c)) {
			struct loci_error err;
			int rc = loci__err_set(&err, LOCI_E_CANCELED, "pull canceled");
			pthread_mutex_lock(&c->lock);
			note_failure(c, rc, &err);
			pthread_mutex_unlock(&c->lock);
		}
	}
}

/* ---- the whole ---- */

static bool is_listed(const struct crew *c, const struct loci_descriptor *desc)
{
	for (size_t i = 0; i < c->n_jobs; i++) {
		if (c->jobs[i].desc->size == desc->size &&
		    loci_digest_equal(&c->jobs[i].desc->digest, &desc->digest))
			return true;
	}
	return false;
}

static int list_jobs(struct crew *c, const struct loci_descriptor *const *descs, size_t n,
                     size_t *ret_missing, struct loci_error *err)
{
	size_t missing = 0;
	for (size_t i = 0; i < n; i++) {
		if (is_listed(c, descs[i]))
			continue;
		struct job *job = &c->jobs[c->n_jobs++];
		job->desc = descs[i];
		int rc = loci__blob_is_present(c->t->store, descs[i], err);
		if (rc < 0)
			return rc;
		job->was_present = rc;
		job->state = rc ? JOB_DONE : JOB_WAITS;
		missing += !rc;
	}
	*ret_missing = missing;
	return 0;
}

static void crew_init(struct crew *c, const struct loci_transfers *t)
{
	pthread_condattr_t attr;
	c->t = t;
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->changed, &attr);
	pthread_condattr_destroy(&attr);
}

static void crew_done(struct crew *c)
{
	for (size_t i = 0; i < c->n_threads; i++)
		pthread_join(c->workers[i].thread, NULL);
	for (size_t i = 0; i < c->n_workers; i++)
		loci__http_free(c->workers[i].http);
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
	free(c->jobs);
	free(c);
}

int loci__transfers_run(const struct loci_transfers *t, const struct loci_descriptor *const *descs,
                        size_t n, struct loci_error *err)
{
	size_t missing = 0;
	struct crew *c = calloc(1, sizeof(*c));
	if (!c || !(c->jobs = calloc(n ? n : 1, sizeof(*c->jobs)))) {
		free(c);
		return loci__err_nomem(err);
	}
	crew_init(c, t);
	int rc = list_jobs(c, descs, n, &missing, err);
	if (rc >= 0 && missing)
		rc = start_workers(
		        c, missing < t->opts->max_parallel ? missing : t->opts->max_parallel, err);
	if (rc >= 0)
		watch(c);
	if (rc >= 0 && c->rc) {
		rc = c->rc;
		if (err)
			*err = c->err;
	}
	crew_done(c);
	return rc;
}

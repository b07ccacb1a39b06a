/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The upkeep's thread: sleeps until a collection is due, runs it, sleeps again. Whether one is due
 * is asked of the store, not of this process: a server that is restarted every day collects no less
 * often, and of ten servers on one store one does.
 */
#include "loci/upkeep.h"

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/logger.h"
#include "core/base/rand.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define COMPONENT  "upkeep"
#define INTERVAL_S 3600
#define SETTLE_S   60 /* a server that starts has better things to do first */

struct loci_upkeep {
	struct loci_upkeep_opts o;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool wake;
	atomic_bool stop;
};

static bool is_stopping(void *arg)
{
	return atomic_load(&((struct loci_upkeep *)arg)->stop);
}

/* ---- when ------------------------------------------------------------------------------------ */

/* Up to a tenth of it, so that servers that were started together do not stay together. */
static uint64_t jitter_s(uint64_t interval_s)
{
	uint32_t r = 0;
	(void)loci__rand_bytes(&r, sizeof(r), /* err= */ NULL);
	return interval_s * (r % 1024) / 10240;
}

static uint64_t next_s(const struct loci_upkeep *u, uint64_t last, uint64_t started)
{
	uint64_t now = loci__clock_epoch();
	uint64_t settle = u->o.interval_s < SETTLE_S ? u->o.interval_s : SETTLE_S;
	uint64_t due = last > now ? now : last; /* the clock went back */
	due += u->o.interval_s + jitter_s(u->o.interval_s);
	if (due < started + settle)
		due = started + settle;
	return due > now ? due - now : 0;
}

enum turn { TURN_END, TURN_DUE, TURN_WOKEN };

static enum turn wait_for_turn(struct loci_upkeep *u, uint64_t seconds)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)seconds;
	pthread_mutex_lock(&u->lock);
	int rc = 0;
	while (rc == 0 && !u->wake && !is_stopping(u))
		rc = pthread_cond_timedwait(&u->changed, &u->lock, &until);
	const bool woken = u->wake;
	u->wake = false;
	pthread_mutex_unlock(&u->lock);
	return is_stopping(u) ? TURN_END : woken ? TURN_WOKEN : TURN_DUE;
}

/* ---- what ------------------------------------------------------------------------------------ */

static void log_stats(const struct loci_upkeep *u, const struct loci_gc_stats *s)
{
	uint64_t n = 0, bytes = 0;
	for (int kind = 0; kind < LOCI_GC_KINDS; kind++) {
		n += s->of[kind].removed;
		bytes += s->of[kind].bytes;
	}
	loci__log(u->o.log, n ? LOCI_LOG_INFO : LOCI_LOG_DEBUG, COMPONENT,
	          "garbage collected: %" PRIu64 " links, %" PRIu64 " manifests, %" PRIu64
	          " blobs, %" PRIu64 " files, %" PRIu64 " uploads; %" PRIu64 " bytes in %" PRIu64
	          " ms",
	          s->of[LOCI_GC_LINK].removed, s->of[LOCI_GC_MANIFEST].removed,
	          s->of[LOCI_GC_BLOB].removed, s->of[LOCI_GC_FILE].removed,
	          s->of[LOCI_GC_SESSION].removed, bytes, s->duration_ms);
}

static void log_failure(const struct loci_upkeep *u, int rc, const struct loci_error *err)
{
	loci__log_error(u->o.log, loci_gc_is_failure(rc) ? LOCI_LOG_ERROR : LOCI_LOG_DEBUG,
	                COMPONENT, "garbage collection", err);
}

static void run_before(struct loci_upkeep *u)
{
	struct loci_error err = {0};
	if (u->o.before && u->o.before(u->o.before_arg, is_stopping, u, &err) < 0 &&
	    !is_stopping(u))
		loci__log_error(u->o.log, LOCI_LOG_ERROR, COMPONENT, "before garbage collection",
		                &err);
}

static void run_collection(struct loci_upkeep *u)
{
	const struct loci_gc_opts o = {
	        .struct_size = sizeof(o),
	        .grace_s = u->o.grace_s,
	        .share = u->o.share,
	        .is_canceled = is_stopping,
	        .cancel_arg = u,
	};
	struct loci_gc_stats stats = {.struct_size = sizeof(stats)};
	struct loci_error err = {0};
	int rc = loci_gc_run(u->o.store, &o, &stats, &err);
	if (rc < 0)
		log_failure(u, rc, &err);
	else
		log_stats(u, &stats);
	if (u->o.done)
		u->o.done(u->o.done_arg, rc, &stats);
}

static void collect(struct loci_upkeep *u)
{
	run_before(u);
	if (!is_stopping(u))
		run_collection(u);
}

/* Who wakes looks again: another process may have had its turn meanwhile. */
static void *upkeep_main(void *arg)
{
	struct loci_upkeep *u = arg;
	const uint64_t started = loci__clock_epoch();
	uint64_t last = loci_gc_last(u->o.store);
	uint64_t wait = next_s(u, last, started);
	enum turn turn;
	while ((turn = wait_for_turn(u, wait)) != TURN_END) {
		const uint64_t before = last;
		last = loci_gc_last(u->o.store);
		if (turn == TURN_DUE && last != before) {
			wait = next_s(u, last, started);
			continue;
		}
		collect(u);
		last = loci_gc_last(u->o.store);
		wait = next_s(u, last, started);
		/* One that was not to be (another collects, the store is at rest) is no reason to
		 * try again at once. */
		if (wait == 0)
			wait = u->o.interval_s;
	}
	return NULL;
}

/* ---- begin and end --------------------------------------------------------------------------- */

static void fill_opts(struct loci_upkeep_opts *o, const struct loci_upkeep_opts *given)
{
	memcpy(o, given, given->struct_size < sizeof(*o) ? given->struct_size : sizeof(*o));
	if (!o->interval_s)
		o->interval_s = INTERVAL_S;
}

static void init_sync(struct loci_upkeep *u)
{
	pthread_condattr_t attr;
	pthread_mutex_init(&u->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&u->changed, &attr);
	pthread_condattr_destroy(&attr);
}

static void upkeep_free(struct loci_upkeep *u)
{
	pthread_cond_destroy(&u->changed);
	pthread_mutex_destroy(&u->lock);
	free(u);
}

int loci_upkeep_start(const struct loci_upkeep_opts *opts, struct loci_upkeep **ret,
                      struct loci_error *err)
{
	sigset_t all, old;
	struct loci_upkeep *u = calloc(1, sizeof(*u));
	if (!u)
		return loci__err_nomem(err);
	fill_opts(&u->o, opts);
	init_sync(u);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = pthread_create(&u->thread, /* attr= */ NULL, upkeep_main, u);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc != 0) {
		upkeep_free(u);
		return loci__err_errno(err, rc, "start the upkeep's thread");
	}
	*ret = u;
	return 0;
}

void loci_upkeep_wake(struct loci_upkeep *u)
{
	pthread_mutex_lock(&u->lock);
	u->wake = true;
	pthread_cond_signal(&u->changed);
	pthread_mutex_unlock(&u->lock);
}

void loci_upkeep_stop(struct loci_upkeep *u)
{
	if (!u)
		return;
	pthread_mutex_lock(&u->lock);
	atomic_store(&u->stop, true);
	pthread_cond_signal(&u->changed);
	pthread_mutex_unlock(&u->lock);
	pthread_join(u->thread, NULL);
	upkeep_free(u);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop of an end-point: the next event that it wants, a request, and only behind a 2xx the
 * mark. Killed in between, the event comes again; nothing is ever passed over but what the
 * end-point itself refuses as malformed, a few times.
 */
#include "registry/notify/endpoint.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/histogram.h"
#include "core/base/logger.h"
#include "core/base/rand.h"
#include "core/base/thread.h"
#include "registry/notify/post.h"

#include <string.h>

#define COMPONENT          "notify"
#define POLL_MS            1000             /* for what other processes recorded */
#define SAVE_EVERY         256              /* events passed over without a request */
#define RETRY_AFTER_MAX_MS (10 * 60 * 1000) /* no end-point may ask for more */

#define load(a) atomic_load_explicit(&(a), memory_order_relaxed)

/* ---- answers --------------------------------------------------------------------------------- */

/* These say that the event itself is wrong: it would be refused for ever, and all behind it would
 * wait. Everything else is the end-point's trouble, and passes or is repaired. */
static const int rejections[] = {400, 413, 415, 422};

enum loci__notify_verdict loci__notify_judge(int status)
{
	if (status >= 200 && status < 300)
		return LOCI_NOTIFY_DELIVERED;
	for (size_t i = 0; i < loci__array_len(rejections); i++)
		if (rejections[i] == status)
			return LOCI_NOTIFY_REJECTED;
	return LOCI_NOTIFY_RETRY;
}

uint64_t loci__notify_wait_ms(const struct loci__notify_shared *s, unsigned failures,
                              int64_t retry_after_ms, uint32_t jitter)
{
	uint64_t wait = s->retry_ms;
	for (unsigned i = 1; i < failures && wait < s->retry_max_ms; i++)
		wait *= 2;
	if (wait > s->retry_max_ms)
		wait = s->retry_max_ms;
	wait -= wait / 4 * (jitter % 256) / 256;
	if (retry_after_ms > RETRY_AFTER_MAX_MS)
		retry_after_ms = RETRY_AFTER_MAX_MS;
	return retry_after_ms > (int64_t)wait ? (uint64_t)retry_after_ms : wait;
}

/* ---- stopping -------------------------------------------------------------------------------- */

static bool is_stopping(const struct loci__endpoint *ep)
{
	return load(ep->shared->stopping);
}

/* Wakes for the end, not for new events. */
static void pause_ms(struct loci__endpoint *ep, uint64_t ms)
{
	uint64_t end = loci__clock_ms() + ms;
	while (!is_stopping(ep)) {
		uint64_t now = loci__clock_ms();
		if (now >= end)
			return;
		uint64_t left = end - now;
		loci_events_wait(ep->shared->store, &ep->seen,
		                 left < POLL_MS ? (unsigned)left : POLL_MS);
	}
}

/* ---- the place in the queue ------------------------------------------------------------------ */

static void save(struct loci__endpoint *ep)
{
	struct loci_error err;
	if (ep->saved == ep->mark)
		return;
	int rc = loci_event_done(ep->shared->store, ep->rule.name, ep->mark, &err);
	if (rc == 0)
		ep->saved = ep->mark;
	else if (rc != LOCI_E_READ_ONLY) /* a store at rest: it is said again with the next one */
		loci__log_error(&ep->shared->log, LOCI_LOG_WARN, COMPONENT, ep->rule.name, &err);
}

static void advance(struct loci__endpoint *ep, uint64_t to)
{
	ep->mark = to;
	atomic_store_explicit(&ep->counts.mark, to, memory_order_relaxed);
}

static void tell_lost(struct loci__endpoint *ep, uint64_t next)
{
	if (next <= ep->mark + 1)
		return;
	uint64_t lost = next - ep->mark - 1;
	loci__count(&ep->counts.lost, lost);
	if (!ep->lost)
		loci__log(&ep->shared->log, LOCI_LOG_ERROR, COMPONENT,
		          "%s: the queue is full (notify.queue-max), its oldest events are lost",
		          ep->rule.name);
	ep->lost += lost;
	advance(ep, next - 1);
}

/* Whether the oldest that waits is still the one behind the mark. */
static void look_for_gap(struct loci__endpoint *ep)
{
	struct loci_event_stats s = {.struct_size = sizeof(s)};
	if (loci_event_stats(ep->shared->store, &s, /* err= */ NULL) == 0)
		tell_lost(ep, s.last - s.waiting + 1);
}

/* ---- a request ------------------------------------------------------------------------------- */

struct batch {
	struct loci_event *events[LOCI_NOTIFY_BATCH_MAX];
	size_t n;
	uint64_t last; /* how far the queue was looked at */
};

static void batch_done(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++)
		loci_event_free(b->events[i]);
	b->n = 0;
}

/* The later half is gathered again, behind what is delivered. */
static void batch_halve(struct batch *b)
{
	size_t kept = b->n / 2;
	while (b->n > kept)
		loci_event_free(b->events[--b->n]);
	b->last = b->events[kept - 1]->sequence;
}

/* Up to ep->batch events that it wants; b->last tells what may be passed over with them. */
static int gather(struct loci__endpoint *ep, struct batch *b, struct loci_error *err)
{
	*b = (struct batch){.last = ep->mark};
	while (b->n < ep->batch && !is_stopping(ep)) {
		struct loci_event *e;
		uint64_t before = b->last;
		int rc = loci_event_next(ep->shared->store, before, ep->rule.types, &e, &b->last,
		                         err);
		if (rc < 0)
			return rc;
		if (!e && (b->n || b->last == before || b->last - ep->mark >= SAVE_EVERY))
			return 0;
		if (e && loci__notify_rule_wants(&ep->rule, e))
			b->events[b->n++] = e;
		else
			loci_event_free(e);
	}
	return 0;
}

/* ---- what becomes of it ---------------------------------------------------------------------- */

static void delivered(struct loci__endpoint *ep, const struct batch *b)
{
	if (ep->failures)
		loci__log(&ep->shared->log, LOCI_LOG_INFO, COMPONENT, "%s: delivers again",
		          ep->rule.name);
	if (ep->lost)
		loci__log(&ep->shared->log, LOCI_LOG_ERROR, COMPONENT,
		          "%s: %llu events fell out of the queue before they were delivered",
		          ep->rule.name, (unsigned long long)ep->lost);
	ep->failures = ep->rejections = 0;
	ep->batch = 2 * ep->batch < ep->rule.batch ? 2 * ep->batch : ep->rule.batch;
	ep->lost = 0;
	loci__count(&ep->counts.delivered, b->n);
	atomic_store_explicit(&ep->counts.last_ok, loci__clock_epoch(), memory_order_relaxed);
	advance(ep, b->last);
	save(ep);
}

/* Refused so often that it will always be: the one event of the batch. */
static void give_up(struct loci__endpoint *ep, const struct batch *b, int status)
{
	loci__log(&ep->shared->log, LOCI_LOG_ERROR, COMPONENT,
	          "%s: event %llu given up after %u answers of %d", ep->rule.name,
	          (unsigned long long)b->events[0]->sequence, ep->rejections, status);
	loci__count(&ep->counts.rejected, 1);
	ep->failures = ep->rejections = 0;
	ep->batch = ep->rule.batch;
	advance(ep, b->last);
	save(ep);
}

static void tell_failure(const struct loci__endpoint *ep, const char *why)
{
	/* The first of a row in full voice; each further one would say the same. */
	loci__log(&ep->shared->log, ep->failures == 1 ? LOCI_LOG_WARN : LOCI_LOG_DEBUG, COMPONENT,
	          "%s: not delivered (%u in a row): %s", ep->rule.name, ep->failures, why);
}

static void retry_later(struct loci__endpoint *ep, int64_t retry_after_ms)
{
	uint32_t jitter = 0;
	(void)loci__rand_bytes(&jitter, sizeof(jitter), /* err= */ NULL);
	pause_ms(ep, loci__notify_wait_ms(ep->shared, ep->failures, retry_after_ms, jitter));
}

static void answered(struct loci__endpoint *ep, const struct batch *b,
                     const struct loci__notify_answer *answer)
{
	char why[32];
	enum loci__notify_verdict verdict = loci__notify_judge(answer->status);
	if (answer->status >= 0 && answer->status < LOCI_NOTIFY_STATUS_MAX)
		loci__count(&ep->counts.status[answer->status], 1);
	if (verdict == LOCI_NOTIFY_DELIVERED) {
		delivered(ep, b);
		return;
	}
	loci__count(&ep->counts.failures, 1);
	if (verdict == LOCI_NOTIFY_REJECTED)
		ep->batch = b->n > 1 ? (unsigned)b->n / 2 : 1;
	if (verdict == LOCI_NOTIFY_REJECTED && b->n > 1)
		return; /* one of them is refused: it is looked for at once, the others go */
	ep->failures++;
	ep->rejections = verdict == LOCI_NOTIFY_REJECTED ? ep->rejections + 1 : 0;
	if (ep->rejections >= ep->shared->rejects_max) {
		give_up(ep, b, answer->status);
		return;
	}
	snprintf(why, sizeof(why), "status %d", answer->status);
	tell_failure(ep, why);
	retry_later(ep, answer->retry_after_ms);
}

/* A body has its limit, which a batch may be above for as often as it is tried. */
static int post_what_fits(struct loci__endpoint *ep, struct batch *b,
                          struct loci__notify_answer *ret, struct loci_error *err)
{
	for (;;) {
		int rc = loci__notify_post(ep, b->events, b->n, ret, err);
		if (rc != LOCI_E_TOO_LARGE || b->n == 1)
			return rc;
		batch_halve(b);
	}
}

static void deliver(struct loci__endpoint *ep, struct batch *b)
{
	struct loci__notify_answer answer;
	struct loci_error err;
	if (post_what_fits(ep, b, &answer, &err) == 0) {
		answered(ep, b, &answer);
		return;
	}
	if (is_stopping(ep))
		return;
	loci__count(&ep->counts.errors, 1);
	ep->failures++;
	tell_failure(ep, err.msg);
	retry_later(ep, /* retry_after_ms= */ -1);
}

/* ---- the thread ------------------------------------------------------------------------------ */

/* Once each, however often it is tried. */
static void count_met(struct loci__endpoint *ep, const struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		if (b->events[i]->sequence <= ep->met)
			continue;
		ep->met = b->events[i]->sequence;
		loci__count(&ep->counts.events, 1);
	}
}

static void turn(struct loci__endpoint *ep)
{
	struct batch b;
	struct loci_error err;
	look_for_gap(ep);
	int rc = gather(ep, &b, &err);
	if (rc < 0) {
		loci__log_error(&ep->shared->log, LOCI_LOG_ERROR, COMPONENT, ep->rule.name, &err);
		pause_ms(ep, POLL_MS);
	} else if (b.n) {
		count_met(ep, &b);
		deliver(ep, &b);
	} else {
		bool idle = b.last == ep->mark;
		advance(ep, b.last);
		save(ep);
		if (idle)
			loci_events_wait(ep->shared->store, &ep->seen, POLL_MS);
	}
	batch_done(&b);
}

static void *endpoint_main(void *arg)
{
	struct loci__endpoint *ep = arg;
	while (!is_stopping(ep))
		turn(ep);
	save(ep);
	return NULL;
}

static int start_thread(struct loci__endpoint *ep, struct loci_error *err)
{
	int rc = loci__thread_start(&ep->thread, endpoint_main, ep, err);
	ep->runs = rc == 0;
	return rc;
}

int loci__endpoint_start(struct loci__endpoint *ep, struct loci_error *err)
{
	int rc = loci__notify_client_open(ep, err);
	if (rc == 0)
		rc = loci_event_mark(ep->shared->store, ep->rule.name, &ep->mark, err);
	ep->saved = ep->mark;
	ep->batch = ep->rule.batch;
	advance(ep, ep->mark);
	return rc < 0 ? rc : start_thread(ep, err);
}

void loci__endpoint_join(struct loci__endpoint *ep)
{
	if (!ep->runs)
		return;
	pthread_join(ep->thread, NULL);
	ep->runs = false;
}

void loci__endpoint_done(struct loci__endpoint *ep)
{
	loci__notify_client_close(ep);
	for (size_t i = 0; i < ep->n_headers; i++) {
		explicit_bzero(ep->headers[i], strlen(ep->headers[i]));
		free(ep->headers[i]);
	}
	if (ep->secret)
		explicit_bzero(ep->secret, ep->secret_n);
	free(ep->secret);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One end-point: its own thread, its own place in the queue, its own waits. Everything but the
 * atomics belongs to that thread once it runs.
 */
#ifndef LOCI_REGISTRY_NOTIFY_ENDPOINT_H
#define LOCI_REGISTRY_NOTIFY_ENDPOINT_H

#include "loci/notify.h"
#include "registry/notify/payload.h"
#include "registry/notify/rule.h"

#include <pthread.h>
#include <stdatomic.h>

#define LOCI_NOTIFY_HEADERS_MAX 16
#define LOCI_NOTIFY_STATUS_MAX  600

struct loci_http;
struct loci_http_share;

/* What all end-points share; constant while they run, but for the atomics. */
struct loci__notify_shared {
	struct loci_store *store;
	struct loci_log log;
	struct loci__notify_source source;
	struct loci_http_share *http; /* made by loci__notify_share_new */
	const char *user_agent;
	unsigned timeout_ms;
	unsigned retry_ms;
	unsigned retry_max_ms;
	unsigned rejects_max;
	unsigned stop_ms;
	atomic_bool stopping;
	atomic_uint_fast64_t stop_at_ms; /* on the clock that never jumps */
};

struct loci__notify_counts {
	atomic_uint_fast64_t events;    /* that it wants, as met in the queue */
	atomic_uint_fast64_t delivered; /* of these */
	atomic_uint_fast64_t failures;  /* requests that were answered, but not with 2xx */
	atomic_uint_fast64_t errors;    /* requests without an answer */
	atomic_uint_fast64_t rejected;  /* events given up as malformed */
	atomic_uint_fast64_t lost;      /* events that fell out of the queue before their turn */
	atomic_uint_fast64_t mark;      /* sequence of the last one dealt with */
	atomic_uint_fast64_t last_ok;   /* time of the last success, seconds; 0: none yet */
	atomic_uint_fast64_t status[LOCI_NOTIFY_STATUS_MAX];
};

struct loci__endpoint {
	struct loci__notify_shared *shared;
	struct loci__notify_rule rule;
	char *headers[LOCI_NOTIFY_HEADERS_MAX]; /* "Field: value" */
	size_t n_headers;
	char *secret; /* or NULL */
	size_t secret_n;
	struct loci_http *http;
	pthread_t thread;
	bool runs;
	struct loci__notify_counts counts;
	/* the thread's */
	uint64_t mark;       /* dealt with */
	uint64_t saved;      /* of that, in the store */
	uint64_t met;        /* counted */
	uint64_t seen;       /* for loci_events_wait */
	uint64_t lost;       /* since the last success */
	unsigned batch;      /* events of the next request: fewer than the rule's after a refusal */
	unsigned failures;   /* in a row */
	unsigned rejections; /* of the event whose turn it is */
};

int loci__endpoint_start(struct loci__endpoint *ep, struct loci_error *err);
/* shared->stopping is set: waits for its end. */
void loci__endpoint_join(struct loci__endpoint *ep);
void loci__endpoint_done(struct loci__endpoint *ep);

/* What an answer means for the event. */
enum loci__notify_verdict { LOCI_NOTIFY_DELIVERED, LOCI_NOTIFY_RETRY, LOCI_NOTIFY_REJECTED };
enum loci__notify_verdict loci__notify_judge(int status);
/* Milliseconds to wait after so many failures in a row (1 or more); jitter: any number. */
uint64_t loci__notify_wait_ms(const struct loci__notify_shared *s, unsigned failures,
                              int64_t retry_after_ms, uint32_t jitter);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One event loop: its listeners, connections, time-outs and the door through which workers hand
 * results back. Everything of a loop is made, used and disposed on the thread that runs it, because
 * libh2o keeps thread-local pools behind its objects; only loci__loop_tell_to_stop and
 * loci__loop_send may come from elsewhere.
 */
#ifndef LOCI_REGISTRY_HTTP_LOOP_H
#define LOCI_REGISTRY_HTTP_LOOP_H

#include "loci/registry_http.h"
#include "registry/http/clients.h"
#include "registry/http/counters.h"
#include "registry/http/h2o_api.h"
#include "registry/http/listen.h"
#include "registry/http/pace.h"
#include "registry/http/stream.h"
#include "registry/http/tls.h"
#include "registry/http/workers.h"

#include <stdatomic.h>

/* All entries of one time-out list have the same duration: one timer per connection moves between
 * these lists. */
enum loci__timer {
	LOCI_TIMER_HANDSHAKE,
	LOCI_TIMER_IDLE,
	LOCI_TIMER_HEAD,
	LOCI_TIMER_BODY,
	LOCI_TIMER_WRITE,
	LOCI_TIMER_LINGER,
	LOCI_TIMERS_,
	LOCI_TIMER_NONE = LOCI_TIMERS_,
};

#define LOCI_HTTP_SMALL    (16 * 1024) /* bytes: a response that goes out of the loop's memory */
#define LOCI_HTTP_DATE_MAX 32

/* What the loops of a server share: constant while they run, but for the atomics. */
struct loci__http_shared {
	struct loci_registry *registry;
	const struct loci_log *log;
	struct loci__workers *workers;  /* for what may wait for the disk */
	struct loci__workers *carriers; /* for the bytes of bodies */
	struct loci__workers *readers;  /* for responses that must come from the disk */
	struct loci__clients *clients;  /* NULL: no limit on each */
	struct loci__tls *tls;          /* NULL: connections are plain */
	uint64_t timer_ms[LOCI_TIMERS_];
	uint64_t write_ms; /* its timer looks more often */
	struct loci__pace_rule body_pace;
	struct loci__pace_rule write_pace;
	uint64_t drain_ms;
	size_t max_head;
	size_t max_head_memory;
	unsigned max_connections;
	unsigned refusals_logged;
	bool access_log;
	atomic_uint connections;
	atomic_uint_fast64_t asked_ms; /* when the last request came */
	atomic_size_t head_memory;
	atomic_bool stopping;
};

struct loci__conn;
struct loci__exchange;

/* Access-log records of refused requests in the second under way: a flood must not fill the disk.
 */
struct loci__refusals {
	h2o_timeout_t second;
	h2o_timeout_entry_t entry;
	unsigned logged;
	uint64_t left_out;
};

struct loci__http_loop {
	struct loci__http_shared *shared;
	struct loci__http_counters *counters; /* which outlive the loop */
	h2o_loop_t *ev;
	h2o_multithread_queue_t *queue;
	h2o_multithread_receiver_t receiver; /* of finished exchange jobs */
	h2o_multithread_receiver_t stop_receiver;
	h2o_multithread_message_t stop_message;
	atomic_bool told_to_stop; /* the message is on its way, or was */
	bool stop_seen;
	h2o_timeout_t timers[LOCI_TIMERS_];
	h2o_timeout_t accept_pause;
	h2o_timeout_entry_t accept_entry;
	bool held_up;         /* clients wait */
	uint64_t held_up_log; /* ms: when the log said so */
	h2o_timeout_t soon;   /* of no duration */
	h2o_timeout_entry_t shed_entry;
	struct loci__refusals refusals;
	h2o_timeout_t drain;
	h2o_timeout_entry_t drain_entry;
	h2o_socket_t *listeners[LOCI_HTTP_LISTEN_MAX * 2];
	size_t n_listeners;
	h2o_linklist_t conns;
	size_t n_conns;
	size_t n_jobs;                 /* on workers; the loop must outlive them */
	uint64_t last_now;             /* by libh2o's clock */
	void (*on_drained)(void *arg); /* or NULL */
	void *on_drained_arg;
	h2o_timeout_entry_t drained_entry;
	atomic_uint n_senders; /* workers inside of a call on .receiver */
	bool draining;
	uint64_t id_seed; /* of request ids, with a count of them */
	uint64_t n_ids;
	uint64_t date_at; /* second of .date */
	char date[LOCI_HTTP_DATE_MAX];
	struct loci__exchange *spare; /* memory for the next request, or NULL */

	/* What is not cleared at first stands last. */
	char scratch[LOCI_HTTP_SCRATCH]; /* of one step: bytes read and not yet kept, thrown away,
	                                    or on their way into TLS */
	char small[LOCI_HTTP_SMALL];     /* of one write */
	char wire[LOCI_HTTP_WIRE];       /* of one write by TLS */
};

/* access.c: whether one more line about a refusal may be logged in this second. */
bool loci__refusals_have_line(struct loci__http_loop *l);
/* The line about records that were left out, if any; its timer. */
void loci__refusals_tell(struct loci__http_loop *l);
void loci__refusals_on_second(h2o_timeout_entry_t *entry);

void loci__loop_init(struct loci__http_loop *l, struct loci__http_shared *shared,
                     struct loci__http_counters *counters, h2o_loop_t *ev);
/* Takes over the fd. */
void loci__loop_listen(struct loci__http_loop *l, int take_fd);
/* Until shared->stopping and all is drained. */
void loci__loop_run(struct loci__http_loop *l);
void loci__loop_done(struct loci__http_loop *l);
/* Whether one connection more may come; one that is idle may be closed for it. */
bool loci__loop_has_room(struct loci__http_loop *l);
/* Ends all that goes on, whatever it is, and waits for the jobs on workers. */
void loci__loop_cut(struct loci__http_loop *l);
/* A connection or a job less: tells .on_drained, soon, when it was the last one. */
void loci__loop_one_less(struct loci__http_loop *l);
/* libh2o's time is the wall clock's: when that was set back, timers start anew. */
void loci__loop_notice_clock(struct loci__http_loop *l);
/* For workers: hands a finished job's message to .receiver. */
void loci__loop_send(struct loci__http_loop *l, h2o_multithread_message_t *message);
/* From any thread, between _init and _done: drains, as shared->stopping says. */
void loci__loop_tell_to_stop(struct loci__http_loop *l);
/* The connection that has waited longest in a time-out list, or NULL. */
struct loci__conn *loci__loop_oldest(struct loci__http_loop *l, enum loci__timer kind);
/* "Sun, 06 Nov 1994 08:49:37 GMT" */
const char *loci__loop_date(struct loci__http_loop *l);

#endif

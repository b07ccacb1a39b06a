/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/http/loop.h"

#include "registry/http/heads.h"

#include "core/base/clock.h"
#include "core/base/logger.h"

#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define ACCEPT_PAUSE_MS 100 /* when fds are out: a level-triggered listener would spin */
#define HOLD_UP_LOG_MS  10000
#define ROOM_IDLE_MS    1000 /* who has been idle for less may be between two requests */
#define SECOND_MS       1000
#define ACCEPT_RUN      16 /* of one event: other loops shall have their share */

const char *loci__loop_date(struct loci__http_loop *l)
{
	static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
	                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t now = (time_t)(h2o_now(l->ev) / 1000); /* when this round of the loop began */
	struct tm t;
	if ((uint64_t)now == l->date_at)
		return l->date;
	gmtime_r(&now, &t);
	snprintf(l->date, sizeof(l->date), "%s, %02d %s %04d %02d:%02d:%02d GMT", days[t.tm_wday],
	         t.tm_mday, months[t.tm_mon], 1900 + t.tm_year, t.tm_hour, t.tm_min, t.tm_sec);
	l->date_at = (uint64_t)now;
	return l->date;
}

struct loci__conn *loci__loop_oldest(struct loci__http_loop *l, enum loci__timer kind)
{
	h2o_linklist_t *entries = &l->timers[kind]._entries;
	if (h2o_linklist_is_empty(entries))
		return NULL;
	h2o_timeout_entry_t *e = H2O_STRUCT_FROM_MEMBER(h2o_timeout_entry_t, _link, entries->next);
	return H2O_STRUCT_FROM_MEMBER(struct loci__conn, timer, e);
}

/* --- accepting --- */

static void on_accept(h2o_socket_t *listener, const char *err);

static void pause_accepting(struct loci__http_loop *l)
{
	if (h2o_timeout_is_linked(&l->accept_entry))
		return;
	for (size_t i = 0; i < l->n_listeners; i++)
		h2o_socket_read_stop(l->listeners[i]);
	h2o_timeout_link(l->ev, &l->accept_pause, &l->accept_entry);
}

static void on_accept_pause_over(h2o_timeout_entry_t *entry)
{
	struct loci__http_loop *l =
	        H2O_STRUCT_FROM_MEMBER(struct loci__http_loop, accept_entry, entry);
	for (size_t i = 0; i < l->n_listeners; i++)
		h2o_socket_read_start(l->listeners[i], on_accept);
}

static bool out_of_resources(int sys_errno)
{
	return sys_errno == EMFILE || sys_errno == ENFILE || sys_errno == ENOBUFS ||
	       sys_errno == ENOMEM;
}

static bool is_full(const struct loci__http_shared *s)
{
	return atomic_load(&s->connections) >= s->max_connections;
}

/* Logged at its beginning, not at every try, and at most once in a while: a flood begins often. */
static bool hold_up(struct loci__http_loop *l, const char *why)
{
	uint64_t now = loci__clock_ms();
	if (l->held_up)
		return false;
	loci__count(l->counters, LOCI_COUNT_held_up, 1);
	if (!l->held_up_log || now - l->held_up_log >= HOLD_UP_LOG_MS) {
		l->held_up_log = now;
		loci__log(l->shared->log, LOCI_LOG_WARN, "http",
		          "accept: %s (%u connections); new ones wait", why,
		          atomic_load(&l->shared->connections));
	}
	l->held_up = true;
	return false;
}

static struct loci__conn *oldest_idle(struct loci__http_loop *l, enum loci__timer kind)
{
	struct loci__conn *c = loci__loop_oldest(l, kind);
	return c && loci__clock_ms() - c->timer_at >= ROOM_IDLE_MS ? c : NULL;
}

/* Closes a connection of this loop that has its answer, or else the one that has been idle for
 * longest: those who open connections and use none do not keep others out. */
static bool make_room(struct loci__http_loop *l)
{
	struct loci__conn *c = loci__loop_oldest(l, LOCI_TIMER_LINGER);
	if (!c)
		c = oldest_idle(l, LOCI_TIMER_IDLE);
	if (!c)
		c = oldest_idle(l, LOCI_TIMER_HANDSHAKE);
	if (c)
		loci__conn_close(c, LOCI_END_ROOM);
	return c != NULL;
}

bool loci__loop_has_room(struct loci__http_loop *l)
{
	return !is_full(l->shared) || make_room(l);
}

/* Accepts up to max connections that wait; false when it had to stop before their end. */
static bool accept_waiting(struct loci__http_loop *l, h2o_socket_t *listener, int max)
{
	for (int i = 0; i < max; i++) {
		struct sockaddr_storage from = {0};
		socklen_t n = sizeof(from);
		if (!loci__loop_has_room(l))
			return hold_up(l, "as many as may be");
		int fd = accept4(h2o_socket_get_fd(listener), (struct sockaddr *)&from, &n,
		                 SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			loci__conn_accept(l, fd, (struct sockaddr *)&from);
		} else if (out_of_resources(errno)) {
			return hold_up(l, strerror(errno));
		} else if (errno == EAGAIN) {
			l->held_up = false;
			break;
		} /* anything else is about that one connection, which is gone */
	}
	return true;
}

static void on_accept(h2o_socket_t *listener, const char *err)
{
	struct loci__http_loop *l = listener->data;
	(void)err;
	if (!accept_waiting(l, listener, ACCEPT_RUN))
		pause_accepting(l);
}

void loci__loop_listen(struct loci__http_loop *l, int take_fd)
{
	h2o_socket_t *sock = h2o_evloop_socket_create(l->ev, take_fd, H2O_SOCKET_FLAG_DONT_READ);
	sock->data = l;
	l->listeners[l->n_listeners++] = sock;
	h2o_socket_read_start(sock, on_accept);
}

static void unlink_entry(h2o_timeout_entry_t *entry)
{
	if (h2o_timeout_is_linked(entry))
		h2o_timeout_unlink(entry);
}

static void stop_listening(struct loci__http_loop *l)
{
	unlink_entry(&l->accept_entry);
	for (size_t i = 0; i < l->n_listeners; i++)
		h2o_socket_close(l->listeners[i]);
	l->n_listeners = 0;
}

/* --- stopping --- */

static void foreach_conn(struct loci__http_loop *l, void (*fn)(struct loci__conn *c))
{
	for (h2o_linklist_t *at = l->conns.next, *next; at != &l->conns; at = next) {
		next = at->next;
		fn(H2O_STRUCT_FROM_MEMBER(struct loci__conn, link, at));
	}
}

static void cut(struct loci__conn *c)
{
	loci__conn_close(c, LOCI_END_CUT);
}

static void on_drain_over(h2o_timeout_entry_t *entry)
{
	foreach_conn(H2O_STRUCT_FROM_MEMBER(struct loci__http_loop, drain_entry, entry), cut);
}

static void begin_drain(struct loci__http_loop *l)
{
	l->draining = true;
	h2o_timeout_link(l->ev, &l->drain, &l->drain_entry);
	/* Who connected before is served: closing the socket would reset them. Others keep coming
	 * meanwhile, so no more than can have waited. */
	for (size_t i = 0; i < l->n_listeners; i++)
		accept_waiting(l, l->listeners[i], LOCI_HTTP_BACKLOG + 1);
	stop_listening(l);
	foreach_conn(l, loci__conn_close_if_idle);
	loci__loop_one_less(l); /* there may have been none */
}

static void on_drained(h2o_timeout_entry_t *entry)
{
	struct loci__http_loop *l =
	        H2O_STRUCT_FROM_MEMBER(struct loci__http_loop, drained_entry, entry);
	void (*tell)(void *arg) = l->on_drained;
	l->on_drained = NULL;
	if (tell)
		tell(l->on_drained_arg);
}

/* Not here and now: this runs in the middle of a connection's end. */
void loci__loop_one_less(struct loci__http_loop *l)
{
	if (l->draining && !l->n_conns && !l->n_jobs && l->on_drained &&
	    !h2o_timeout_is_linked(&l->drained_entry))
		h2o_timeout_link(l->ev, &l->soon, &l->drained_entry);
}

/* --- life --- */

static void on_messages(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
	(void)receiver;
	while (!h2o_linklist_is_empty(messages)) {
		struct loci__exchange *ex =
		        H2O_STRUCT_FROM_MEMBER(struct loci__exchange, done.link, messages->next);
		h2o_linklist_unlink(&ex->done.link);
		loci__exchange_job_done(ex);
	}
}

static void on_stop(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
	struct loci__http_loop *l =
	        H2O_STRUCT_FROM_MEMBER(struct loci__http_loop, stop_receiver, receiver);
	h2o_linklist_unlink(messages->next);
	l->stop_seen = true;
	if (!l->draining)
		begin_drain(l);
}

static void on_shed(h2o_timeout_entry_t *entry)
{
	loci__heads_shed(H2O_STRUCT_FROM_MEMBER(struct loci__http_loop, shed_entry, entry));
}

void loci__loop_init(struct loci__http_loop *l, struct loci__http_shared *shared,
                     struct loci__http_counters *counters, h2o_loop_t *ev)
{
	memset(l, 0, offsetof(struct loci__http_loop, scratch)); /* the rest is touched when used */
	l->shared = shared;
	l->counters = counters;
	l->ev = ev;
	(void)!getrandom(&l->id_seed, sizeof(l->id_seed), GRND_NONBLOCK);
	h2o_linklist_init_anchor(&l->conns);
	for (int i = 0; i < LOCI_TIMERS_; i++)
		h2o_timeout_init(ev, &l->timers[i], shared->timer_ms[i]);
	h2o_timeout_init(ev, &l->accept_pause, ACCEPT_PAUSE_MS);
	h2o_timeout_init(ev, &l->drain, shared->drain_ms);
	h2o_timeout_init(ev, &l->soon, 0);
	h2o_timeout_init(ev, &l->refusals.second, SECOND_MS);
	l->shed_entry.cb = on_shed;
	l->refusals.entry.cb = loci__refusals_on_second;
	l->accept_entry.cb = on_accept_pause_over;
	l->drain_entry.cb = on_drain_over;
	l->drained_entry.cb = on_drained;
	l->last_now = h2o_now(ev);
	l->queue = h2o_multithread_create_queue(ev);
	h2o_multithread_register_receiver(l->queue, &l->receiver, on_messages);
	h2o_multithread_register_receiver(l->queue, &l->stop_receiver, on_stop);
}

/* The loop may see the message, and be at its end, while the call still writes to its pipe. */
void loci__loop_send(struct loci__http_loop *l, h2o_multithread_message_t *message)
{
	atomic_fetch_add(&l->n_senders, 1);
	h2o_multithread_send_message(&l->receiver, message);
	atomic_fetch_sub(&l->n_senders, 1);
}

/* libh2o's message without content wakes the loop, but calls nobody. */
void loci__loop_tell_to_stop(struct loci__http_loop *l)
{
	if (!atomic_exchange(&l->told_to_stop, true))
		h2o_multithread_send_message(&l->stop_receiver, &l->stop_message);
}

/* --- the clock --- */

/* Starts the timers anew that seem to have been started later than now. */
static void start_anew(h2o_timeout_t *t, uint64_t now)
{
	for (h2o_linklist_t *at = t->_entries.next; at != &t->_entries; at = at->next) {
		h2o_timeout_entry_t *e = H2O_STRUCT_FROM_MEMBER(h2o_timeout_entry_t, _link, at);
		if (e->registered_at > now)
			e->registered_at = now;
	}
}

/* Set back by an hour, no timer would end for one. */
void loci__loop_notice_clock(struct loci__http_loop *l)
{
	uint64_t before = l->last_now;
	uint64_t now = l->last_now = h2o_now(l->ev);
	if (now >= before)
		return;
	for (int i = 0; i < LOCI_TIMERS_; i++)
		start_anew(&l->timers[i], now);
	start_anew(&l->accept_pause, now);
	start_anew(&l->drain, now);
	start_anew(&l->refusals.second, now);
}

static void run_once(struct loci__http_loop *l)
{
	h2o_evloop_run(l->ev, INT32_MAX); /* -1 on EINTR: no matter */
	loci__loop_notice_clock(l);
}

void loci__loop_cut(struct loci__http_loop *l)
{
	l->on_drained = NULL;
	if (!l->draining)
		begin_drain(l);
	foreach_conn(l, cut);
	while (l->n_conns || l->n_jobs)
		run_once(l);
}

void loci__loop_run(struct loci__http_loop *l)
{
	if (atomic_load(&l->shared->stopping))
		begin_drain(l);
	while (!l->draining || l->n_conns || l->n_jobs)
		run_once(l);
}

void loci__loop_done(struct loci__http_loop *l)
{
	while (atomic_load(&l->told_to_stop) && !l->stop_seen)
		run_once(l);
	unlink_entry(&l->drain_entry);
	unlink_entry(&l->shed_entry);
	unlink_entry(&l->drained_entry);
	unlink_entry(&l->refusals.entry);
	loci__refusals_tell(l);
	stop_listening(l);
	h2o_timeout_dispose(l->ev, &l->refusals.second);
	h2o_timeout_dispose(l->ev, &l->soon);
	h2o_timeout_dispose(l->ev, &l->drain);
	h2o_timeout_dispose(l->ev, &l->accept_pause);
	for (int i = 0; i < LOCI_TIMERS_; i++)
		h2o_timeout_dispose(l->ev, &l->timers[i]);
	free(l->spare);
	while (atomic_load(&l->n_senders))
		sched_yield();
	h2o_multithread_unregister_receiver(l->queue, &l->stop_receiver);
	h2o_multithread_unregister_receiver(l->queue, &l->receiver);
	h2o_multithread_destroy_queue(l->queue);
}

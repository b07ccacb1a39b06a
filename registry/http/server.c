/* SPDX-License-Identifier: Apache-2.0 */
/* The server of loci/registry_http.h: its options, its numbers, its end. */
#include "registry/http/server.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"

#include <string.h>
#include <sys/resource.h>

#define LOOPS_MAX       256
#define WORKERS_MAX     1024
#define WORKERS_A_CORE  8 /* most of them wait for the disk: the more, the more share a sync */
#define WORKERS_MIN     16
#define CARRIERS_MAX    256
#define LINGER_MS       3000
#define FDS_SPARE       64 /* for the store, listeners and the like */
#define CONNECTIONS_MIN 16
#define CONNECTIONS_MAX 1000000

static uint64_t or_default(uint64_t v, uint64_t standard)
{
	return v ? v : standard;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static unsigned cores(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	return n < 1 ? 1 : n > LOOPS_MAX ? LOOPS_MAX : (unsigned)n;
}

/* A connection may hold a file as well. */
static unsigned connections_by_fds(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur > CONNECTIONS_MAX)
		return CONNECTIONS_MAX / 2;
	if (r.rlim_cur < FDS_SPARE + 2 * CONNECTIONS_MIN)
		return CONNECTIONS_MIN;
	return (unsigned)(r.rlim_cur - FDS_SPARE) / 2;
}

/* A caller that was built with an older header has fewer fields: the rest is default. */
static int take_opts(const struct loci_http_server_opts *given, struct loci_http_server_opts *o,
                     struct loci_error *err)
{
	size_t n = given->struct_size;
	if (n < offsetof(struct loci_http_server_opts, min_body_rate))
		return loci__err_set(err, LOCI_E_USAGE, "http server: unknown size of its options");
	*o = (struct loci_http_server_opts){0};
	memcpy(o, given, n < sizeof(*o) ? n : sizeof(*o));
	return 0;
}

static int check_opts(const struct loci_http_server_opts *o, struct loci_error *err)
{
	if (!o->registry)
		return loci__err_set(err, LOCI_E_USAGE, "http server: expected a registry");
	if (o->n_listen > LOCI_HTTP_LISTEN_MAX)
		return loci__err_set(err, LOCI_E_TOO_LARGE,
		                     "http server: expected at most %d listen addresses",
		                     LOCI_HTTP_LISTEN_MAX);
	if (o->loops > LOOPS_MAX || o->workers > WORKERS_MAX || o->carriers > CARRIERS_MAX)
		return loci__err_set(err, LOCI_E_TOO_LARGE,
		                     "http server: expected at most %d loops, %d workers and %d "
		                     "carriers",
		                     LOOPS_MAX, WORKERS_MAX, CARRIERS_MAX);
	return 0;
}

static void fill_shared(struct loci__http_shared *s, const struct loci_http_server_opts *o)
{
	s->registry = o->registry;
	s->log = o->log;
	s->timer_ms[LOCI_TIMER_IDLE] = or_default(o->idle_ms, 60000);
	s->timer_ms[LOCI_TIMER_HEAD] = or_default(o->head_ms, 10000);
	s->timer_ms[LOCI_TIMER_HANDSHAKE] = s->timer_ms[LOCI_TIMER_HEAD];
	s->timer_ms[LOCI_TIMER_BODY] = or_default(o->body_ms, 60000);
	s->write_ms = or_default(o->write_ms, 60000);
	s->timer_ms[LOCI_TIMER_LINGER] = LINGER_MS;
	s->body_pace.rate = or_default(o->min_body_rate, 512);
	s->write_pace.rate = or_default(o->min_write_rate, 512);
	s->body_pace.grace_ms = s->write_pace.grace_ms = or_default(o->rate_grace_ms, 30000);
	s->timer_ms[LOCI_TIMER_WRITE] = least(s->write_ms, s->write_pace.grace_ms);
	s->max_head_memory = o->max_head_memory ? o->max_head_memory : 32u << 20;
	s->refusals_logged = o->refusals_logged ? o->refusals_logged : 20;
	s->drain_ms = or_default(o->drain_ms, 30000);
	s->max_head = o->max_head ? o->max_head : 64 * 1024;
	s->max_connections = o->max_connections ? o->max_connections : connections_by_fds();
	s->access_log = o->access_log == LOCI_ACCESS_LOG_ON;
}

/* What is only there when the options ask for it, or can fail. */
static int make_parts(struct loci_http_server *s, const struct loci_http_server_opts *o,
                      struct loci_error *err)
{
	s->counters = aligned_alloc(_Alignof(struct loci__http_counters),
	                            s->n_loops * sizeof(s->counters[0]));
	if (!s->counters)
		return loci__err_nomem(err);
	memset(s->counters, 0, s->n_loops * sizeof(s->counters[0]));
	int rc = o->tls_certificate || o->tls_key ? loci__tls_new(o, &s->shared.tls, err) : 0;
	if (rc == 0 && o->max_per_client)
		rc = loci__clients_new(o->max_per_client, &s->shared.clients, err);
	while (rc == 0 && s->n_listeners < o->n_listen) {
		rc = loci__listener_open(o->listen[s->n_listeners], s->n_loops,
		                         &s->listeners[s->n_listeners], err);
		s->n_listeners += rc == 0;
	}
	return rc < 0 ? rc : loci__server_show_metrics(s, err);
}

int loci_http_server_new(const struct loci_http_server_opts *given, struct loci_http_server **ret,
                         struct loci_error *err)
{
	struct loci_http_server_opts opts;
	const struct loci_http_server_opts *o = &opts;
	int rc = take_opts(given, &opts, err);
	if (rc == 0)
		rc = check_opts(o, err);
	if (rc < 0)
		return rc;
	unsigned n_loops = o->loops ? o->loops : cores();
	struct loci_http_server *s = calloc(1, sizeof(*s) + n_loops * sizeof(s->slots[0]));
	if (!s)
		return loci__err_nomem(err);
	pthread_mutex_init(&s->lock, NULL);
	s->n_loops = n_loops;
	s->n_workers = o->workers ? o->workers : WORKERS_A_CORE * cores();
	if (!o->workers && s->n_workers < WORKERS_MIN)
		s->n_workers = WORKERS_MIN;
	s->n_carriers = o->carriers ? o->carriers : cores();
	fill_shared(&s->shared, o);
	rc = make_parts(s, o, err);
	if (rc < 0) {
		loci_http_server_free(s);
		return rc;
	}
	*ret = s;
	return 0;
}

const char *loci_http_server_address(const struct loci_http_server *s, size_t i)
{
	return i < s->n_listeners ? s->listeners[i].text : NULL;
}

/* --- loops --- */

/* Bodies take all of a core that they can get, so there are no more carriers than cores; workers
 * and readers mostly wait. These are two kinds, or many pulls from a slow disk would stand in front
 * of each push that wants to finish. */
int loci__server_start_workers(struct loci_http_server *s, struct loci_error *err)
{
	struct loci__http_shared *sh = &s->shared;
	int rc = 0;
	if (!sh->workers)
		rc = loci__workers_new(s->n_workers, &sh->workers, err);
	if (rc == 0 && !sh->carriers)
		rc = loci__workers_new(s->n_carriers, &sh->carriers, err);
	if (rc == 0 && !sh->readers)
		rc = loci__workers_new(s->n_workers, &sh->readers, err);
	return rc;
}

void loci__server_end_workers(struct loci_http_server *s)
{
	loci__workers_free(loci__steal_ptr(&s->shared.readers));
	loci__workers_free(loci__steal_ptr(&s->shared.carriers));
	loci__workers_free(loci__steal_ptr(&s->shared.workers));
}

static void take_listeners(struct loci_http_server *s, unsigned i, struct loci__http_loop *loop)
{
	for (size_t k = 0; k < s->n_listeners; k++) {
		struct loci__listener *l = &s->listeners[k];
		for (size_t j = i; j < l->n_fds; j += l->n_loops)
			if (l->fds[j] >= 0)
				loci__loop_listen(loop, loci__steal_fd(&l->fds[j]));
	}
}

static void set_loop(struct loci_http_server *s, unsigned i, struct loci__http_loop *loop)
{
	pthread_mutex_lock(&s->lock);
	s->slots[i].loop = loop;
	pthread_mutex_unlock(&s->lock);
}

void loci__server_enter(struct loci_http_server *s, unsigned i, struct loci__http_loop *loop,
                        h2o_loop_t *ev)
{
	loci__loop_init(loop, &s->shared, &s->counters[i], ev);
	take_listeners(s, i, loop);
	set_loop(s, i, loop);
}

void loci__server_leave(struct loci_http_server *s, unsigned i)
{
	struct loci__http_loop *loop = s->slots[i].loop;
	set_loop(s, i, NULL);
	loci__loop_done(loop);
}

/* --- numbers --- */

static uint64_t sum(const struct loci_http_server *s, enum loci__http_counter which)
{
	uint64_t n = 0;
	for (unsigned i = 0; i < s->n_loops; i++)
		n += atomic_load_explicit(&s->counters[i].v[which], memory_order_relaxed);
	return n;
}

static uint64_t not_after(const struct loci_http_server *s)
{
	return s->shared.tls ? (uint64_t)loci__tls_not_after(s->shared.tls) : 0;
}

void loci_http_server_stats(const struct loci_http_server *s, struct loci_http_server_stats *ret)
{
	struct loci_http_server_stats all = {.struct_size = ret->struct_size,
	                                     .connections = atomic_load(&s->shared.connections),
	                                     .head_memory = atomic_load(&s->shared.head_memory),
	                                     .tls_not_after = not_after(s),
#define X(name) .name = sum(s, LOCI_COUNT_##name),
	                                     LOCI_HTTP_COUNTER_MAP(X)
#undef X
	};
	/* Read one after the other: a request may have ended in between. */
	all.in_flight = all.requests > all.ended ? all.requests - all.ended : 0;
	memcpy(ret, &all, ret->struct_size < sizeof(all) ? ret->struct_size : sizeof(all));
}

int loci_http_server_reload_tls(struct loci_http_server *s,
                                const struct loci_http_server_opts *given, struct loci_error *err)
{
	struct loci_http_server_opts o;
	int rc = take_opts(given, &o, err);
	if (rc < 0)
		return rc;
	bool has = o.tls_certificate || o.tls_key;
	if (has != (s->shared.tls != NULL))
		return loci__err_set(err, LOCI_E_USAGE,
		                     "tls: it is switched on and off by a restart only");
	return has ? loci__tls_replace(s->shared.tls, &o, err) : 0;
}

void loci_http_server_stop(struct loci_http_server *s)
{
	atomic_store(&s->shared.stopping, true);
	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < s->n_loops; i++)
		if (s->slots[i].loop)
			loci__loop_tell_to_stop(s->slots[i].loop);
	pthread_mutex_unlock(&s->lock);
}

void loci_http_server_free(struct loci_http_server *s)
{
	if (!s)
		return;
	loci__server_hide_metrics(s);
	loci__server_end_workers(s);
	for (size_t i = 0; i < s->n_listeners; i++)
		loci__listener_close(&s->listeners[i]);
	loci__clients_free(s->shared.clients);
	loci__tls_free(s->shared.tls);
	free(s->counters);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ociregistry without a command: a store, a registry on it, an HTTP server before it, and signals
 * that end it. The main thread only waits for signals; the server has threads of its own.
 */
#include "cli/ociregistry.h"
#include "cli/signals.h"
#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "core/base/logger.h"
#include "loci/notify.h"
#include "loci/registry_http.h"
#include "loci/upkeep.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>

#define COMPONENT "ociregistry"
/* Tells the main thread that the server's thread is done. */
#define SIGNAL_ENDED SIGUSR1

#define S struct loci_ociregistry_settings

LOCI_DEFINE_CLEANUP(close_store, struct loci_store, loci_store_close)
LOCI_DEFINE_CLEANUP(free_registry, struct loci_registry, loci_registry_free)
LOCI_DEFINE_CLEANUP(stop_upkeep, struct loci_upkeep, loci_upkeep_stop)
LOCI_DEFINE_CLEANUP(free_notify, struct loci_notify, loci_notify_free)
LOCI_DEFINE_CLEANUP(free_server, struct loci_http_server, loci_http_server_free)

/* ---- making the parts ---------------------------------------------------------------------- */

struct loci_registry_opts loci__ociregistry_registry_opts(const S *s, const struct loci_log *log)
{
	return (struct loci_registry_opts){
	        .struct_size = sizeof(struct loci_registry_opts),
	        .log = log,
	        .max_manifest_size = s->max_manifest_size,
	        .max_upload_size = s->max_blob_size,
	        .list_max = s->list_max,
	        .delete_disabled = !s->delete,
	        .read_only = s->read_only,
	        .allow_sparse = s->allow_sparse,
	        .allow_sparse_index = s->allow_sparse_index,
	        .deny_foreign = !s->allow_foreign,
	        .immutable_tags = s->immutable_tags.v,
	        .n_immutable_tags = s->immutable_tags.n,
	        .requests_per_s = s->requests_per_s,
	        .request_burst = s->request_burst,
	        .errors_per_s = s->errors_per_s,
	        .error_burst = s->error_burst,
	        .total_per_s = s->total_per_s,
	        .total_burst = s->total_burst,
	        .max_clients = s->max_clients,
	        .trusted_proxies = s->trusted_proxies.v,
	        .n_trusted_proxies = s->trusted_proxies.n,
	        .metrics_disabled = !s->metrics,
	        .min_free = s->min_free,
	        .track_pulls = loci__ociregistry_wants_pulls(s),
	};
}

static int make_registry(const S *s, const struct loci_log *log, struct loci_store *store,
                         struct loci_registry **ret, struct loci_error *err)
{
	struct loci_registry_opts o = loci__ociregistry_registry_opts(s, log);
	o.store = store;
	return loci_registry_new(&o, ret, err);
}

static int make_server(const struct loci_invocation *inv, struct loci_registry *registry,
                       size_t n_listen, struct loci_http_server **ret, struct loci_error *err)
{
	const S *s = inv->settings;
	struct loci_http_server_opts o = {
	        .struct_size = sizeof(o),
	        .registry = registry,
	        .log = inv->log,
	        .listen = s->listen.v,
	        .n_listen = n_listen,
	        .loops = s->loops,
	        .workers = s->workers,
	        .carriers = s->carriers,
	        .max_connections = s->max_connections,
	        .idle_ms = s->idle_ms,
	        .head_ms = s->head_ms,
	        .body_ms = s->body_ms,
	        .write_ms = s->write_ms,
	        .drain_ms = s->drain_ms,
	        .max_head = (size_t)s->max_head,
	        .access_log = s->access_log ? LOCI_ACCESS_LOG_ON : LOCI_ACCESS_LOG_OFF,
	        .min_body_rate = s->min_body_rate,
	        .min_write_rate = s->min_write_rate,
	        .rate_grace_ms = s->rate_grace_ms,
	        .max_head_memory = (size_t)s->max_head_memory,
	        .max_per_client = s->max_per_client,
	        .refusals_logged = s->refusals_logged,
	};
	int r = loci__ociregistry_set_tls(s, &o, err);
	return r < 0 ? r : loci_http_server_new(&o, ret, err);
}

/* Nobody asked for ::1 when it comes from the default: a machine without IPv6 serves without. */
static int make_server_by_default(const struct loci_invocation *inv, struct loci_registry *registry,
                                  struct loci_http_server **ret, struct loci_error *err)
{
	const S *s = inv->settings;
	int r = make_server(inv, registry, s->listen.n, ret, err);
	bool is_default = loci__options_source(inv->options, &s->listen) == LOCI_SOURCE_DEFAULT;
	if (r == 0 || !is_default ||
	    (err->sys_errno != EADDRNOTAVAIL && err->sys_errno != EAFNOSUPPORT))
		return r;
	loci__log_error(inv->log, LOCI_LOG_WARN, COMPONENT, "serving without IPv6", err);
	return make_server(inv, registry, s->listen.n - 1, ret, err);
}

/* NULL when the configuration wants none. */
static int start_upkeep(const S *s, const struct loci_log *log,
                        struct loci_ociregistry_rules *rules, struct loci_upkeep **ret,
                        struct loci_error *err)
{
	const struct loci_upkeep_opts o = {
	        .struct_size = sizeof(o),
	        .store = rules->store,
	        .log = log,
	        .before = loci__ociregistry_rules_run,
	        .before_arg = rules,
	        .interval_s = s->gc_interval_ms < 1000 ? 1 : s->gc_interval_ms / 1000,
	        .grace_s = s->gc_grace_ms / 1000,
	        .share = s->gc_share,
	        .done = loci__ociregistry_count_collection,
	};
	return s->gc_interval_ms ? loci_upkeep_start(&o, ret, err) : 0;
}

/* ---- running ------------------------------------------------------------------------------- */

struct running {
	struct loci_http_server *server;
	pthread_t main_thread;
	atomic_bool ended;
	int result;
	struct loci_error err;
};

static void *run_server(void *arg)
{
	struct running *run = arg;
	run->result = loci_http_server_run(run->server, &run->err);
	atomic_store(&run->ended, true);
	pthread_kill(run->main_thread, SIGNAL_ENDED);
	return NULL;
}

/* Until the server's thread has ended: the first SIGTERM or SIGINT drains, the second leaves. */
static int wait_for_end(const int *signals, struct running *run, const struct loci_invocation *inv,
                        struct loci_ociregistry_rules *rules, struct loci_registry *registry,
                        struct loci_error *err)
{
	bool stopping = false;
	while (!atomic_load(&run->ended)) {
		int signo;
		int r = loci__signals_wait(signals, &signo, err);
		if (r < 0)
			return r;
		if (signo == SIGNAL_ENDED)
			continue;
		if (signo == SIGHUP) {
			loci__ociregistry_reload(inv, rules, registry, run->server);
			continue;
		}
		if (stopping)
			_exit(1);
		stopping = true;
		loci__log(inv->log, LOCI_LOG_INFO, COMPONENT, "%s: stopping, waiting for requests",
		          signo == SIGINT ? "SIGINT" : "SIGTERM");
		loci_registry_drain(registry);
		loci_http_server_stop(run->server);
	}
	return 0;
}

/* The soft limit is 1024 on most systems, for the sake of select(2): a connection is an fd, and an
 * upload or download another. */
static void raise_open_files(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* What the environment says twice, a record a line. */
static void log_notes(const struct loci_invocation *inv)
{
	for (const char *p = loci__options_notes(inv->options); *p;) {
		size_t n = strcspn(p, "\n");
		loci__log(inv->log, LOCI_LOG_WARN, COMPONENT, "%.*s", (int)n, p);
		p += n + !!p[n];
	}
}

static void announce(const struct loci_http_server *server, const S *s, const struct loci_log *log)
{
	const char *address;
	loci__log(log, LOCI_LOG_INFO, COMPONENT, "store %s", s->store);
	for (size_t i = 0; (address = loci_http_server_address(server, i)); i++)
		loci__log(log, LOCI_LOG_INFO, COMPONENT, "listening on %s%s", address,
		          s->tls_certificate ? " (https)" : "");
}

int loci__ociregistry_serve(const struct loci_invocation *inv, struct loci_error *err)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGNAL_ENDED, 0};
	const S *s = inv->settings;
	struct loci_store *store loci__cleanup(close_store) = NULL;
	struct loci_registry *registry loci__cleanup(free_registry) = NULL;
	struct loci_notify *notify loci__cleanup(free_notify) = NULL;
	struct loci_http_server *server loci__cleanup(free_server) = NULL;
	struct loci_ociregistry_rules rules loci__cleanup(loci__ociregistry_rules_done) = {0};
	struct loci_upkeep *upkeep loci__cleanup(stop_upkeep) = NULL;
	int r;
	loci__signals_ignore_pipe();
	raise_open_files();
	if ((r = loci__signals_block(signals, err)) < 0 ||
	    (r = loci__ociregistry_open_store(inv, &store, err)) < 0)
		return r;
	loci__ociregistry_rules_init(&rules, store, inv->log);
	if ((r = loci__ociregistry_rules_set(&rules, s, err)) < 0 ||
	    (r = loci__ociregistry_set_quotas(s, store, err)) < 0 ||
	    (r = make_registry(s, inv->log, store, &registry, err)) < 0 ||
	    (r = loci__ociregistry_notify_new(inv, store, registry, &notify, err)) < 0 ||
	    (r = loci_notify_start(notify, err)) < 0 ||
	    (r = make_server_by_default(inv, registry, &server, err)) < 0 ||
	    (r = loci__ociregistry_metrics_add(registry, err)) < 0 ||
	    (r = start_upkeep(s, inv->log, &rules, &upkeep, err)) < 0)
		return r;
	struct running run = {.server = server, .main_thread = pthread_self()};
	pthread_t thread;
	int failed = pthread_create(&thread, NULL, run_server, &run);
	if (failed)
		return loci__err_errno(err, failed, "start the server's thread");
	log_notes(inv);
	(void)!loci__ociregistry_check_tls(s, inv->log, /* err= */ NULL); /* it was good just now */
	announce(server, s, inv->log);
	if (loci_store_is_frozen(store))
		loci__log(inv->log, LOCI_LOG_WARN, COMPONENT,
		          "the store is marked read-only: see `ociregistry read-only status`");
	r = wait_for_end(signals, &run, inv, &rules, registry, err);
	loci_http_server_stop(server);
	pthread_join(thread, NULL);
	if (r < 0)
		return r;
	if (run.result < 0) {
		*err = run.err;
		return run.result;
	}
	loci__log(inv->log, LOCI_LOG_INFO, COMPONENT, "stopped");
	return 0;
}

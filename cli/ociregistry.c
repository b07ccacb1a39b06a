/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ociregistry: a store, a registry on it, an HTTP server before it, and signals that end it. The
 * main thread only waits for signals; the server has threads of its own.
 */
#include "cli/program.h"
#include "cli/signals.h"
#include "core/base/cleanup.h"
#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/base/logger.h"
#include "loci/registry_http.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>

#define COMPONENT "ociregistry"
/* Tells the main thread that the server's thread is done. */
#define SIGNAL_ENDED SIGUSR1

LOCI_DEFINE_CLEANUP(close_store, struct loci_store, loci_store_close)
LOCI_DEFINE_CLEANUP(free_registry, struct loci_registry, loci_registry_free)
LOCI_DEFINE_CLEANUP(free_server, struct loci_http_server, loci_http_server_free)

struct settings {
	char *config;
	char *store;
	/* http */
	struct loci_string_list listen;
	bool access_log;
	unsigned loops, workers, max_connections;
	uint64_t idle_ms, head_ms, body_ms, write_ms, drain_ms;
	uint64_t max_head;
	/* registry */
	uint64_t max_manifest_size, max_blob_size;
	unsigned list_max;
	bool delete, read_only, allow_sparse;
	/* storage */
	int durability;
	uint64_t lease_ms, map_size;
	unsigned max_readers;
	bool force_remote;
};

/* "ADDR:PORT", "[V6]:PORT", ":PORT" or "unix:/PATH"; whether ADDR is one of this machine shows when
 * binding. */
static int check_listen(const char *value, struct loci_error *err)
{
	struct loci_cursor c = loci__cursor(value, strlen(value));
	struct loci_slice host = {value, 0};
	uint64_t port;
	if (loci__take_text(&c, "unix:/"))
		return 0;
	bool good = loci__take_char(&c, '[') ? loci__take_until(&c, ']', &host) && host.n > 0 &&
	                                               loci__take_char(&c, ':')
	                                     : loci__take_until(&c, ':', &host);
	if (good && loci__take_u64(&c, &port) && loci__cursor_at_end(&c) && port <= 65535)
		return 0;
	return loci__err_set(
	        err, LOCI_E_USAGE,
	        "'%s': expected ADDRESS:PORT, [IPV6-ADDRESS]:PORT, :PORT or unix:/PATH", value);
}

static const struct loci_option_word durabilities[] = {
        {"full", LOCI_DURABILITY_FULL}, {"relaxed", LOCI_DURABILITY_RELAXED}, {0}};

#define S struct settings
static const struct loci_option options[] = {
        LOCI_OPT_ROW_CONFIG(S, config),
        LOCI_OPT_ROW_STORE(S, store),
        {LOCI_OPT_LIST(S, listen), .key = "http.listen", .flag = "listen", .letter = 'l',
         .env = "OCIREGISTRY_LISTEN", .value = "127.0.0.1:5000,[::1]:5000", .metavar = "ADDR:PORT",
         .help = "Listen on this address; repeat for more; port 0 takes any free one",
         .section = "HTTP", .check = check_listen},
        {LOCI_OPT_BOOL(S, access_log), .key = "http.access-log", .flag = "access-log",
         .value = "true", .help = "Log one line for each request"},
        {LOCI_OPT_NUMBER(S, loops), .key = "http.loops", .flag = "loops", .value = "0", .max = 256,
         .help = "Event loops; 0 is one for each core"},
        {LOCI_OPT_NUMBER(S, workers), .key = "http.workers", .flag = "workers", .value = "0",
         .max = 1024, .help = "Threads for hashing and disk; 0 is two for each core, at least 4"},
        {LOCI_OPT_NUMBER(S, max_connections), .key = "http.max-connections",
         .flag = "max-connections", .value = "0",
         .help = "Most connections at a time; 0 is by the limit on open files"},
        {LOCI_OPT_DURATION(S, idle_ms), .key = "http.idle-timeout", .flag = "idle-timeout",
         .value = "60s", .min = 1, .help = "Close a connection that makes no request for so long"},
        {LOCI_OPT_DURATION(S, head_ms), .key = "http.head-timeout", .flag = "head-timeout",
         .value = "10s", .min = 1, .help = "Time for a whole request head"},
        {LOCI_OPT_DURATION(S, body_ms), .key = "http.body-timeout", .flag = "body-timeout",
         .value = "60s", .min = 1, .help = "Time for every 4 KiB of an upload"},
        {LOCI_OPT_DURATION(S, write_ms), .key = "http.write-timeout", .flag = "write-timeout",
         .value = "60s", .min = 1, .help = "Time without a byte taken by a client"},
        {LOCI_OPT_DURATION(S, drain_ms), .key = "http.drain-timeout", .flag = "drain-timeout",
         .value = "30s", .min = 1, .help = "Time for requests in flight when stopping"},
        {LOCI_OPT_SIZE(S, max_head), .key = "http.max-head", .flag = "max-head", .value = "64KiB",
         .min = 4096, .max = 1 << 20, .help = "Largest request head"},
        {LOCI_OPT_SIZE(S, max_manifest_size), .key = "registry.max-manifest-size",
         .flag = "max-manifest-size", .value = "4MiB", .min = 1024, .max = 64 << 20,
         .help = "Largest manifest that is taken", .section = "Registry"},
        {LOCI_OPT_SIZE(S, max_blob_size), .key = "registry.max-blob-size", .flag = "max-blob-size",
         .value = "1TiB", .min = 1, .help = "Largest blob that is taken"},
        {LOCI_OPT_NUMBER(S, list_max), .key = "registry.list-max", .flag = "list-max",
         .value = "1000", .min = 1, .max = 10000, .help = "Most names in one page of a listing"},
        {LOCI_OPT_BOOL(S, delete), .key = "registry.delete", .flag = "delete", .value = "true",
         .help = "Allow clients to delete tags, manifests and blobs"},
        {LOCI_OPT_BOOL(S, read_only), .key = "registry.read-only", .flag = "read-only",
         .value = "false", .help = "Refuse everything that writes"},
        {LOCI_OPT_BOOL(S, allow_sparse), .key = "registry.allow-sparse", .flag = "allow-sparse",
         .value = "false", .help = "Take manifests that refer to content that is not there"},
        {LOCI_OPT_ENUM(S, durability), .key = "storage.durability", .flag = "durability",
         .value = "full", .words = durabilities, .section = "Storage",
         .help = "With relaxed, a power cut may lose what was acknowledged in the last seconds"},
        {LOCI_OPT_DURATION(S, lease_ms), .key = "storage.lease", .flag = "lease", .value = "24h",
         .min = 1000, .max = 3650ull * 24 * 3600 * 1000,
         .help = "Keep a blob that no manifest refers to for so long"},
        {LOCI_OPT_SIZE(S, map_size), .key = "storage.map-size", .flag = "map-size", .value = "1TiB",
         .min = 1 << 20, .help = "Address space reserved for the index"},
        {LOCI_OPT_NUMBER(S, max_readers), .key = "storage.max-readers", .flag = "max-readers",
         .value = "1024", .min = 8, .max = 65536,
         .help = "Reader slots of the index, for all processes on the store"},
        {LOCI_OPT_BOOL(S, force_remote), .key = "storage.force-remote", .flag = "force-remote",
         .value = "false", .help = "Open a store on a network file system all the same"},
        {0},
};

/* ---- making the parts ---------------------------------------------------------------------- */

static int open_store(const S *s, const struct loci_log *log, struct loci_store **ret,
                      struct loci_error *err)
{
	const struct loci_store_opts o = {
	        .struct_size = sizeof(o),
	        .log = log,
	        .durability = s->durability,
	        .max_blob_size = s->max_blob_size,
	        .max_manifest_size = s->max_manifest_size,
	        .map_size = s->map_size,
	        .max_readers = s->max_readers,
	        .lease_s = (unsigned)(s->lease_ms / 1000),
	        .flags = s->force_remote ? LOCI_STORE_FORCE_REMOTE : 0,
	};
	return loci_store_open(s->store, &o, ret, err);
}

static int make_registry(const S *s, const struct loci_log *log, struct loci_store *store,
                         struct loci_registry **ret, struct loci_error *err)
{
	const struct loci_registry_opts o = {
	        .struct_size = sizeof(o),
	        .store = store,
	        .log = log,
	        .max_manifest_size = s->max_manifest_size,
	        .max_upload_size = s->max_blob_size,
	        .list_max = s->list_max,
	        .delete_disabled = !s->delete,
	        .read_only = s->read_only,
	        .allow_sparse = s->allow_sparse,
	};
	return loci_registry_new(&o, ret, err);
}

static int make_server(const struct loci_invocation *inv, struct loci_registry *registry,
                       size_t n_listen, struct loci_http_server **ret, struct loci_error *err)
{
	const S *s = inv->settings;
	const struct loci_http_server_opts o = {
	        .struct_size = sizeof(o),
	        .registry = registry,
	        .log = inv->log,
	        .listen = s->listen.v,
	        .n_listen = n_listen,
	        .loops = s->loops,
	        .workers = s->workers,
	        .max_connections = s->max_connections,
	        .idle_ms = s->idle_ms,
	        .head_ms = s->head_ms,
	        .body_ms = s->body_ms,
	        .write_ms = s->write_ms,
	        .drain_ms = s->drain_ms,
	        .max_head = (size_t)s->max_head,
	        .access_log = s->access_log ? LOCI_ACCESS_LOG_ON : LOCI_ACCESS_LOG_OFF,
	};
	return loci_http_server_new(&o, ret, err);
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
static int wait_for_end(const int *signals, struct running *run, const struct loci_log *log,
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
			loci__log(log, LOCI_LOG_INFO, COMPONENT, "SIGHUP: nothing to reload");
			continue;
		}
		if (stopping)
			_exit(1);
		stopping = true;
		loci__log(log, LOCI_LOG_INFO, COMPONENT, "%s: stopping, waiting for requests",
		          signo == SIGINT ? "SIGINT" : "SIGTERM");
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

static void announce(const struct loci_http_server *server, const S *s, const struct loci_log *log)
{
	const char *address;
	loci__log(log, LOCI_LOG_INFO, COMPONENT, "store %s", s->store);
	for (size_t i = 0; (address = loci_http_server_address(server, i)); i++)
		loci__log(log, LOCI_LOG_INFO, COMPONENT, "listening on %s", address);
}

static int serve(const struct loci_invocation *inv, struct loci_error *err)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGNAL_ENDED, 0};
	const S *s = inv->settings;
	struct loci_store *store loci__cleanup(close_store) = NULL;
	struct loci_registry *registry loci__cleanup(free_registry) = NULL;
	struct loci_http_server *server loci__cleanup(free_server) = NULL;
	int r;
	loci__signals_ignore_pipe();
	raise_open_files();
	if ((r = loci__signals_block(signals, err)) < 0 ||
	    (r = open_store(s, inv->log, &store, err)) < 0 ||
	    (r = make_registry(s, inv->log, store, &registry, err)) < 0 ||
	    (r = make_server_by_default(inv, registry, &server, err)) < 0)
		return r;
	struct running run = {.server = server, .main_thread = pthread_self()};
	pthread_t thread;
	int failed = pthread_create(&thread, NULL, run_server, &run);
	if (failed)
		return loci__err_errno(err, failed, "start the server's thread");
	announce(server, s, inv->log);
	r = wait_for_end(signals, &run, inv->log, err);
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

static int check_config(const struct loci_invocation *inv, struct loci_error *err)
{
	struct loci_buf text loci__cleanup_buf = LOCI_BUF_INIT(1 << 20);
	loci__options_print_values(inv->options, &text);
	int r = loci__buf_check(&text, "configuration", err);
	return r < 0 ? r : loci__print(text.p, text.len, err);
}

/* ---- the program --------------------------------------------------------------------------- */

static const struct loci_command commands[] = {
        {.name = NULL, .summary = "Serve until SIGTERM or SIGINT", .run = serve},
        {.name = "check-config",
         .summary = "Check the configuration and print it, with where each value comes from",
         .run = check_config},
        {.name = "sample-config",
         .summary = "Print a configuration file with every key, its help and its default",
         .run = loci__command_sample_config},
        {0},
};

static const char *const description[] = {
        "Serves the OCI distribution API on localhost:5000, out of one store directory that "
        "ocipull and ocirun share: what was pushed here runs without another copy, what was "
        "pulled is served.",
        "SIGTERM and SIGINT stop it after the requests in flight have ended; a second one ends "
        "it at once. Whatever was acknowledged to a client is on disk.",
        NULL,
};

static const struct loci_exit_row exits[] = {
        {.status = 2,
         .code = LOCI_E_USAGE,
         .meaning = "Wrong command line, environment or configuration file"},
        {.status = 1, .code = 0, .meaning = "Any other failure"},
};

static const struct loci_example examples[] = {
        {"Serve the default store on localhost:5000", "ociregistry"},
        {"Serve a directory to the local network", "ociregistry --store /srv/oci --listen :5000"},
        {"See what a configuration file amounts to",
         "ociregistry check-config --config /etc/loci/ociregistry.yaml"},
        {0},
};

static const char *const see_also[] = {"ocipull(1)", "ocirun(1)", NULL};

static const struct loci_program program = {
        .name = "ociregistry",
        .man_section = 8,
        .summary = "OCI registry",
        .description = description,
        .options = options,
        .commands = commands,
        .settings_size = sizeof(S),
        .env_prefix = "OCIREGISTRY_",
        .default_config = "/etc/loci/ociregistry.yaml",
        .log_level = LOCI_LOG_INFO,
        .exits = exits,
        .examples = examples,
        .see_also = see_also,
};

int main(int argc, char **argv)
{
	return loci__program_main(&program, argc, argv);
}

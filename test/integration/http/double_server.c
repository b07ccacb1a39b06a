/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server over the registry double, as a program for the tests: options as KEY=VALUE,
 * addresses on stdout, one line a request ("access KEY=VALUE …") on stdout, SIGTERM stops it,
 * SIGUSR1 opens the gate, and its last line says what was left alive. SIGPIPE keeps its default
 * action, on purpose.
 */
#include "registry_double.h"

#include "core/base/cleanup.h"
#include "core/base/cursor.h"
#include "loci/registry_http.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

static void on_log(void *arg, const struct loci_log_record *rec)
{
	char line[16384];
	size_t n = (size_t)snprintf(line, sizeof(line), "%s %s", rec->component, rec->msg);
	(void)arg;
	for (size_t i = 0; i < rec->n_fields && n < sizeof(line); i++)
		n += (size_t)snprintf(line + n, sizeof(line) - n, "\t%s=%s", rec->fields[i].key,
		                      rec->fields[i].value);
	puts(line);
	fflush(stdout);
}

static void fill_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGUSR1); /* opens the gate */
	sigaddset(set, SIGUSR2); /* ends the thread that waits for them */
}

static void *on_signals(void *arg)
{
	sigset_t set;
	int sig;
	fill_signals(&set);
	while (sigwait(&set, &sig) == 0) {
		if (sig == SIGUSR2)
			break;
		if (sig == SIGUSR1) {
			loci__double_gate(true);
			continue;
		}
		puts("stopping");
		fflush(stdout);
		loci_http_server_stop(arg);
	}
	return NULL;
}

static uint64_t file_size = 64 << 20;
static uint64_t max_fds;
static uint64_t loops, workers, carriers, connections, max_head, max_head_memory, access_log = 1;
static uint64_t max_per_client, refusals_logged;
static const char *addresses[64];
static size_t n_addresses;
static struct loci_http_server_opts opts = {.struct_size = sizeof(opts)};

static const struct {
	const char *key;
	uint64_t *value;
} numbers[] = {
        {"file_size", &file_size},
        {"max_fds", &max_fds},
        {"loops", &loops},
        {"workers", &workers},
        {"carriers", &carriers},
        {"max_connections", &connections},
        {"max_head", &max_head},
        {"access_log", &access_log},
        {"idle_ms", &opts.idle_ms},
        {"head_ms", &opts.head_ms},
        {"body_ms", &opts.body_ms},
        {"write_ms", &opts.write_ms},
        {"drain_ms", &opts.drain_ms},
        {"min_body_rate", &opts.min_body_rate},
        {"min_write_rate", &opts.min_write_rate},
        {"rate_grace_ms", &opts.rate_grace_ms},
        {"max_head_memory", &max_head_memory},
        {"max_per_client", &max_per_client},
        {"refusals_logged", &refusals_logged},
};

static const struct {
	const char *key;
	const char **value;
} texts[] = {
        {"tls_certificate", &opts.tls_certificate},
        {"tls_key", &opts.tls_key},
};

static bool take_option(const char *text)
{
	const char *equals = strchr(text, '=');
	if (!equals)
		return false;
	struct loci_slice key = loci__slice(text, (size_t)(equals - text));
	if (loci__slice_is(key, "listen") && n_addresses < loci__array_len(addresses)) {
		addresses[n_addresses++] = equals + 1;
		return true;
	}
	for (size_t i = 0; i < loci__array_len(texts); i++)
		if (loci__slice_is(key, texts[i].key)) {
			*texts[i].value = equals + 1;
			return true;
		}
	for (size_t i = 0; i < loci__array_len(numbers); i++)
		if (loci__slice_is(key, numbers[i].key))
			return loci__parse_u64(equals + 1, strlen(equals + 1), numbers[i].value);
	return false;
}

static int serve(void)
{
	struct loci_error err = {0};
	struct loci_log log = {.fn = on_log, .max_level = LOCI_LOG_INFO};
	struct loci_http_server *server = NULL;
	pthread_t signals;
	opts.registry = (struct loci_registry *)&opts; /* the double looks at none */
	opts.log = &log;
	opts.listen = addresses;
	opts.n_listen = n_addresses;
	opts.loops = (unsigned)loops;
	opts.workers = (unsigned)workers;
	opts.carriers = (unsigned)carriers;
	opts.max_connections = (unsigned)connections;
	opts.max_head = (size_t)max_head;
	opts.max_head_memory = (size_t)max_head_memory;
	opts.max_per_client = (unsigned)max_per_client;
	opts.refusals_logged = (unsigned)refusals_logged;
	opts.access_log = access_log ? LOCI_ACCESS_LOG_ON : LOCI_ACCESS_LOG_OFF;
	if (loci_http_server_new(&opts, &server, &err) < 0) {
		printf("error %s %s\n", loci_code_name(err.code), err.msg);
		return 1;
	}
	loci__double_server = server;
	for (size_t i = 0; loci_http_server_address(server, i); i++)
		printf("address %s\n", loci_http_server_address(server, i));
	puts("ready");
	fflush(stdout);
	if (pthread_create(&signals, NULL, on_signals, server) != 0)
		return 1;
	int rc = loci_http_server_run(server, &err);
	pthread_kill(signals, SIGUSR2);
	pthread_join(signals, NULL);
	loci_http_server_free(server);
	if (rc < 0)
		printf("error %s %s\n", loci_code_name(err.code), err.msg);
	return rc < 0;
}

int main(int argc, char **argv)
{
	char stats[512];
	sigset_t set;
	for (int i = 1; i < argc; i++) {
		if (!take_option(argv[i])) {
			printf("error USAGE %s\n", argv[i]);
			return 2;
		}
	}
	if (max_fds)
		setrlimit(RLIMIT_NOFILE, &(struct rlimit){max_fds, max_fds});
	fill_signals(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (loci__double_init(file_size) < 0)
		return 1;
	int rc = serve();
	loci__double_stats(stats, sizeof(stats));
	printf("left %s\n", stats);
	return rc;
}

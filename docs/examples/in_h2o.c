/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A registry inside of somebody else's event loop. This program has a libh2o loop with a listener,
 * a handler and a timer of its own; the registry's HTTP server is one more guest on it, by
 * loci/registry_h2o.h. It makes no thread but its workers, which hash and write.
 *
 *     cc in_h2o.c -o in_h2o -DH2O_USE_LIBUV=0 \
 *         $(pkg-config --cflags --libs loci-registry libh2o-evloop)
 *     ./in_h2o /tmp/store      prints two addresses; SIGTERM ends it
 */
#include <loci/registry_h2o.h>
#include <loci/store.h>

#include <h2o.h>

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define TICK_MS 1000

struct host {
	h2o_loop_t *loop;
	h2o_globalconf_t conf;
	h2o_context_t context;
	h2o_accept_ctx_t accept;
	h2o_socket_t *listener;
	h2o_socket_t *signals;
	h2o_timeout_t tick;
	h2o_timeout_entry_t tick_entry;
	unsigned ticks;
	struct loci_http_server *server;
	bool drained;
};

/* Handlers of h2o get their request alone. This is the way from one to its host. */
static struct host host;

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

/* --- the host's own: a page, a listener, a timer --- */

static int on_status(h2o_handler_t *handler, h2o_req_t *req)
{
	struct loci_http_server_stats n = {.struct_size = sizeof(n)};
	char text[256];
	(void)handler;
	loci_http_server_stats(host.server, &n);
	snprintf(text, sizeof(text), "up for %u ticks; the registry has %llu connections\n",
	         host.ticks, (unsigned long long)n.connections);
	req->res.status = 200;
	req->res.reason = "OK";
	h2o_send_inline(req, text, strlen(text));
	return 0;
}

static void on_accept(h2o_socket_t *listener, const char *err)
{
	h2o_socket_t *sock = err ? NULL : h2o_evloop_socket_accept(listener);
	if (sock)
		h2o_accept(&host.accept, sock);
}

static void on_tick(h2o_timeout_entry_t *entry)
{
	host.ticks++;
	h2o_timeout_link(host.loop, &host.tick, entry);
}

static void listen_for_status(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) < 0 || listen(fd, SOMAXCONN) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &n) < 0)
		fail("listen", strerror(errno));
	host.listener = h2o_evloop_socket_create(host.loop, fd, H2O_SOCKET_FLAG_DONT_READ);
	h2o_socket_read_start(host.listener, on_accept);
	printf("status 127.0.0.1:%d\n", ntohs(a.sin_port));
}

static void make_host(void)
{
	h2o_config_init(&host.conf);
	h2o_hostconf_t *any =
	        h2o_config_register_host(&host.conf, h2o_iovec_init(H2O_STRLIT("default")), 65535);
	h2o_pathconf_t *path = h2o_config_register_path(any, "/status", 0);
	h2o_create_handler(path, sizeof(h2o_handler_t))->on_req = on_status;
	h2o_context_init(&host.context, host.loop, &host.conf);
	host.accept = (h2o_accept_ctx_t){.ctx = &host.context, .hosts = host.conf.hosts};
	h2o_timeout_init(host.loop, &host.tick, TICK_MS);
	host.tick_entry.cb = on_tick;
	h2o_timeout_link(host.loop, &host.tick, &host.tick_entry);
	listen_for_status();
}

/* --- the end --- */

/* Requests in flight have their time (drain_ms); on_drained tells of the last. */
static void on_signal(h2o_socket_t *sock, const char *err)
{
	(void)err;
	h2o_socket_read_stop(sock);
	loci_http_server_stop(host.server);
}

static void on_drained(void *arg)
{
	(void)arg;
	host.drained = true;
}

/* Signals belong to the program. The workers block all of them; SIGPIPE would come to the thread of
 * the loop when a client goes in the middle of a file. */
static void take_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		fail("signalfd", strerror(errno));
	host.signals = h2o_evloop_socket_create(host.loop, fd, H2O_SOCKET_FLAG_DONT_READ);
	h2o_socket_read_start(host.signals, on_signal);
}

/* --- the registry --- */

static void serve(struct loci_registry *registry)
{
	static const char *const addresses[] = {"127.0.0.1:0"};
	const struct loci_http_server_opts o = {
	        .struct_size = sizeof(o),
	        .registry = registry,
	        .listen = addresses, /* or none: loci_http_loop_take gets what was accepted here */
	        .n_listen = 1,
	        .loops = 1, /* how many loops it will be attached to */
	};
	struct loci_http_loop *guest;
	struct loci_error err;
	if (loci_http_server_new(&o, &host.server, &err) < 0 ||
	    loci_http_server_attach(host.server, host.loop, on_drained, NULL, &guest, &err) < 0)
		fail("server", err.msg);
	printf("registry %s\n", loci_http_server_address(host.server, 0));
	fflush(stdout);
	while (!host.drained)
		h2o_evloop_run(host.loop, INT32_MAX);
	loci_http_loop_detach(guest); /* never from inside of the loop */
	loci_http_server_free(host.server);
}

int main(int argc, char **argv)
{
	struct loci_error err;
	struct loci_store *store;
	struct loci_registry *registry;
	if (argc != 2) {
		fprintf(stderr, "usage: in_h2o DIR\n");
		return 2;
	}
	struct loci_store_opts store_opts = {.struct_size = sizeof(store_opts)};
	if (loci_store_open(argv[1], &store_opts, &store, &err) < 0)
		fail("store", err.msg);
	struct loci_registry_opts opts = {.struct_size = sizeof(opts), .store = store};
	if (loci_registry_new(&opts, &registry, &err) < 0)
		fail("registry", err.msg);

	host.loop = h2o_evloop_create();
	take_signals();
	make_host();
	serve(registry);

	loci_registry_free(registry);
	loci_store_close(store);
	printf("ended after %u ticks\n", host.ticks);
	return 0;
}

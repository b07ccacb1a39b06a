/* SPDX-License-Identifier: Apache-2.0 */
/* The server on a loop of somebody else's: this program's, in its one thread. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/cursor.h"
#include "loci/registry_h2o.h"
#include "registry/http/h2o_api.h"
#include "test/integration/http/registry_double.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#define ROUNDS 2000 /* of 10 ms: a deadline */

static const char *const any_port[] = {"127.0.0.1:0"};

static struct loci_http_server *new_server(unsigned loops, size_t n_listen)
{
	struct loci_http_server_opts o = {
	        .struct_size = sizeof(o),
	        .registry = (struct loci_registry *)any_port, /* the double looks at none */
	        .listen = any_port,
	        .n_listen = n_listen,
	        .loops = loops,
	        .workers = 2,
	        .max_connections = 4,
	};
	struct loci_http_server *s;
	assert_int_equal(loci_http_server_new(&o, &s, NULL), 0);
	return s;
}

static int connect_to(const struct loci_http_server *s)
{
	const char *port = strrchr(loci_http_server_address(s, 0), ':') + 1;
	uint64_t n;
	assert_true(loci__parse_u64(port, strlen(port), &n));
	struct sockaddr_in to = {.sin_family = AF_INET,
	                         .sin_port = htons((uint16_t)n),
	                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void ask(int fd, const char *target)
{
	char rq[256];
	int n = snprintf(rq, sizeof(rq), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", target);
	assert_int_equal(send(fd, rq, (size_t)n, MSG_NOSIGNAL), n);
}

/* Runs the loop until the client has something to read: bytes, or 0 at the end. */
static ssize_t wait_for(h2o_loop_t *loop, int fd, char *buf, size_t size)
{
	for (int i = 0; i < ROUNDS; i++) {
		ssize_t n = recv(fd, buf, size - 1, MSG_DONTWAIT);
		if (n >= 0) {
			buf[n] = '\0';
			return n;
		}
		h2o_evloop_run(loop, 10);
	}
	fail_msg("no answer");
	return -1;
}

static void expect_hello(h2o_loop_t *loop, int fd)
{
	char buf[1024];
	ask(fd, "/small");
	assert_true(wait_for(loop, fd, buf, sizeof(buf)) > 0);
	assert_memory_equal(buf, "HTTP/1.1 200 OK\r\n", 17);
	assert_non_null(strstr(buf, "\r\n\r\nhello\n"));
}

static void on_drained(void *arg)
{
	++*(int *)arg;
}

static void run_until(h2o_loop_t *loop, const int *flag)
{
	for (int i = 0; i < ROUNDS && !*flag; i++)
		h2o_evloop_run(loop, 10);
	assert_int_equal(*flag, 1);
}

/* Two clients, one of them in the middle of a request when the server is told to stop. */
static void test_serve_and_drain(void **state)
{
	h2o_loop_t *loop = h2o_evloop_create();
	struct loci_http_server *s = new_server(1, 1);
	struct loci_http_loop *l;
	int drained = 0;
	char buf[1024];
	(void)state;
	assert_int_equal(loci_http_server_attach(s, loop, on_drained, &drained, &l, NULL), 0);
	loci__cleanup_close int idle = connect_to(s);
	loci__cleanup_close int busy = connect_to(s);
	expect_hello(loop, idle);
	loci__double_gate(false);
	ask(busy, "/wait");
	for (int i = 0; i < 10; i++)
		h2o_evloop_run(loop, 1);
	loci_http_server_stop(s);
	assert_int_equal(wait_for(loop, idle, buf, sizeof(buf)), 0); /* closed */
	assert_int_equal(drained, 0);
	loci__double_gate(true);
	assert_true(wait_for(loop, busy, buf, sizeof(buf)) > 0);
	assert_non_null(strstr(buf, "connection: close"));
	run_until(loop, &drained);
	loci_http_loop_detach(l);
	assert_int_equal(drained, 1);
	loci_http_server_free(s);
	h2o_evloop_destroy(loop);
}

static void test_take(void **state)
{
	h2o_loop_t *loop = h2o_evloop_create();
	struct loci_http_server *s = new_server(1, 0);
	struct loci_http_loop *l;
	struct loci_error err;
	int pair[6][2], drained = 0;
	(void)state;
	assert_int_equal(loci_http_server_attach(s, loop, on_drained, &drained, &l, NULL), 0);
	assert_null(loci_http_server_address(s, 0));
	for (int i = 0; i < 4; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair[i]), 0);
		assert_int_equal(loci_http_loop_take(l, pair[i][0], NULL), 0);
		expect_hello(loop, pair[i][1]);
	}
	/* max_connections; what is not taken stays the caller's */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair[4]), 0);
	assert_int_equal(loci_http_loop_take(l, pair[4][0], &err), LOCI_E_BUSY);
	close(pair[0][1]);
	for (int i = 0; i < ROUNDS && loci_http_loop_take(l, pair[4][0], NULL) < 0; i++)
		h2o_evloop_run(loop, 10);
	expect_hello(loop, pair[4][1]);
	loci_http_server_stop(s);
	run_until(loop, &drained);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair[5]), 0);
	assert_int_equal(loci_http_loop_take(l, pair[5][0], &err), LOCI_E_BUSY);
	loci_http_loop_detach(l);
	for (int i = 1; i < 6; i++)
		close(pair[i][1]);
	close(pair[5][0]);
	loci_http_server_free(s);
	h2o_evloop_destroy(loop);
}

static void test_what_cannot_be_taken(void **state)
{
	h2o_loop_t *loop = h2o_evloop_create();
	struct loci_http_server *s = new_server(1, 0);
	struct loci_http_loop *l;
	struct loci_error err;
	(void)state;
	assert_int_equal(loci_http_server_attach(s, loop, NULL, NULL, &l, NULL), 0);
	assert_int_equal(loci_http_loop_take(l, -1, &err), LOCI_E_INVALID);
	assert_int_equal(loci_http_loop_take(l, STDIN_FILENO, &err), LOCI_E_INVALID);
	loci_http_loop_detach(l);
	loci_http_server_free(s);
	h2o_evloop_destroy(loop);
}

static void *open_gate(void *arg)
{
	(void)arg;
	for (int i = 0; i < 1000; i++)
		sched_yield();
	loci__double_gate(true);
	return NULL;
}

/* Whatever goes on is cut; only the job on a worker is waited for. */
static void test_detach_in_the_middle(void **state)
{
	h2o_loop_t *loop = h2o_evloop_create();
	struct loci_http_server *s = new_server(1, 1);
	struct loci_http_loop *l;
	pthread_t opener;
	int drained = 0;
	char buf[64];
	(void)state;
	loci__double_gate(false);
	assert_int_equal(loci_http_server_attach(s, loop, on_drained, &drained, &l, NULL), 0);
	loci__cleanup_close int idle = connect_to(s);
	loci__cleanup_close int busy = connect_to(s);
	expect_hello(loop, idle);
	ask(busy, "/wait");
	for (int i = 0; i < 10; i++)
		h2o_evloop_run(loop, 1);
	assert_int_equal(pthread_create(&opener, NULL, open_gate, NULL), 0);
	loci_http_loop_detach(l);
	pthread_join(opener, NULL);
	assert_int_equal(drained, 0);
	assert_true(recv(idle, buf, sizeof(buf), 0) <= 0);
	assert_true(recv(busy, buf, sizeof(buf), 0) <= 0);
	loci_http_server_free(s);
	h2o_evloop_run(loop, 0); /* the loop is as good as before */
	h2o_evloop_destroy(loop);
}

/* Loops of one server, here run by one thread; a stop that came before them counts. */
static void test_two_loops(void **state)
{
	h2o_loop_t *loops[] = {h2o_evloop_create(), h2o_evloop_create()};
	struct loci_http_server *s = new_server(2, 1);
	struct loci_http_loop *l[3];
	struct loci_error err;
	int drained[2] = {0, 0};
	(void)state;
	for (int i = 0; i < 2; i++) {
		if (i == 1)
			loci_http_server_stop(s);
		assert_int_equal(
		        loci_http_server_attach(s, loops[i], on_drained, &drained[i], &l[i], NULL),
		        0);
	}
	assert_int_equal(loci_http_server_attach(s, loops[0], NULL, NULL, &l[2], &err),
	                 LOCI_E_USAGE);
	assert_int_equal(loci_http_server_run(s, &err), LOCI_E_USAGE);
	for (int i = 0; i < 2; i++) {
		run_until(loops[i], &drained[i]);
		loci_http_loop_detach(l[i]);
		h2o_evloop_destroy(loops[i]);
	}
	loci_http_loop_detach(NULL);
	loci_http_server_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_serve_and_drain),
	        cmocka_unit_test(test_take),
	        cmocka_unit_test(test_what_cannot_be_taken),
	        cmocka_unit_test(test_detach_in_the_middle),
	        cmocka_unit_test(test_two_loops),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

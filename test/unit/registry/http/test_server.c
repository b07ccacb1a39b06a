/* SPDX-License-Identifier: Apache-2.0 */
/* The server as a library: options, two servers in one process, stop at any moment. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/cursor.h"
#include "loci/registry_http.h"
#include "test/integration/http/registry_double.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static const char *const any_port[] = {"127.0.0.1:0"};

static struct loci_http_server_opts options(void)
{
	return (struct loci_http_server_opts){
	        .struct_size = sizeof(struct loci_http_server_opts),
	        .registry = (struct loci_registry *)any_port, /* the double looks at none */
	        .listen = any_port,
	        .n_listen = 1,
	        .loops = 2,
	        .workers = 2,
	};
}

static void *run(void *server)
{
	struct loci_error err;
	return loci_http_server_run(server, &err) < 0 ? server : NULL;
}

static struct sockaddr_in address_of(const struct loci_http_server *s)
{
	const char *address = loci_http_server_address(s, 0);
	const char *port = strrchr(address, ':') + 1;
	uint64_t n;
	assert_true(loci__parse_u64(port, strlen(port), &n));
	return (struct sockaddr_in){.sin_family = AF_INET,
	                            .sin_port = htons((uint16_t)n),
	                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int connect_to(const struct loci_http_server *s)
{
	struct sockaddr_in a = address_of(s);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void get(const struct loci_http_server *s)
{
	static const char rq[] = "GET /small HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	loci__cleanup_close int fd = connect_to(s);
	char answer[1024] = "";
	size_t at = 0;
	ssize_t n;
	assert_int_equal(write(fd, rq, sizeof(rq) - 1), sizeof(rq) - 1);
	while ((n = read(fd, answer + at, sizeof(answer) - 1 - at)) > 0)
		at += (size_t)n;
	assert_memory_equal(answer, "HTTP/1.1 200 OK\r\n", 17);
	assert_non_null(strstr(answer, "\r\n\r\nhello\n"));
}

static void test_two_servers(void **state)
{
	struct loci_http_server *s[2];
	pthread_t threads[2];
	void *failed;
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct loci_http_server_opts o = options();
		assert_int_equal(loci_http_server_new(&o, &s[i], NULL), 0);
		assert_int_equal(pthread_create(&threads[i], NULL, run, s[i]), 0);
	}
	for (int i = 0; i < 2; i++) {
		assert_null(loci_http_server_address(s[i], 1));
		get(s[i]);
	}
	for (int i = 0; i < 2; i++) {
		loci_http_server_stop(s[i]);
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
		loci_http_server_free(s[i]);
		if (i == 0)
			get(s[1]);
	}
}

/* Before, while and after the loops come up. */
static void test_stop_at_any_moment(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		struct loci_http_server_opts o = options();
		struct loci_http_server *s;
		pthread_t thread;
		void *failed;
		assert_int_equal(loci_http_server_new(&o, &s, NULL), 0);
		if (i % 4 == 0)
			loci_http_server_stop(s);
		assert_int_equal(pthread_create(&thread, NULL, run, s), 0);
		for (int spin = 0; spin < i * 1000; spin++)
			__asm__ volatile("" ::: "memory");
		if (i % 2)
			loci_http_server_stop(s);
		loci_http_server_stop(s);
		assert_int_equal(pthread_join(thread, &failed), 0);
		assert_null(failed);
		loci_http_server_free(s);
	}
}

#define FLOODERS 300

struct flood {
	struct sockaddr_in to;
	atomic_bool over;
	atomic_uint connected;
};

/* One connection after the other, without end: with enough of these some always wait. */
static void *flooder(void *arg)
{
	static const char rq[] = "GET /small HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	const struct linger reset = {.l_onoff = 1};
	struct flood *f = arg;
	while (!atomic_load(&f->over)) {
		loci__cleanup_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(fd, (struct sockaddr *)&f->to, sizeof(f->to)) < 0)
			continue;
		atomic_fetch_add(&f->connected, 1);
		send(fd, rq, sizeof(rq) - 1, MSG_NOSIGNAL);
		char answer[1024];
		while (recv(fd, answer, sizeof(answer), 0) > 0)
			;
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	}
	return NULL;
}

/* Connections that never cease to come do not keep it from stopping. */
static void test_stop_in_a_flood(void **state)
{
	struct loci_http_server_opts o = options();
	struct loci_http_server *s;
	pthread_t thread, flooders[FLOODERS];
	struct flood f = {0};
	struct timespec deadline;
	(void)state;
	o.loops = 1;
	assert_int_equal(loci_http_server_new(&o, &s, NULL), 0);
	assert_int_equal(pthread_create(&thread, NULL, run, s), 0);
	f.to = address_of(s);
	for (int i = 0; i < FLOODERS; i++)
		assert_int_equal(pthread_create(&flooders[i], NULL, flooder, &f), 0);
	while (atomic_load(&f.connected) < 5 * FLOODERS)
		sched_yield();
	loci_http_server_stop(s);
	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += 30;
	int rc = pthread_timedjoin_np(thread, NULL, &deadline);
	atomic_store(&f.over, true);
	for (int i = 0; i < FLOODERS; i++)
		pthread_join(flooders[i], NULL);
	if (rc)
		pthread_join(thread, NULL);
	assert_int_equal(rc, 0);
	loci_http_server_free(s);
}

static void test_free_without_run(void **state)
{
	struct loci_http_server_opts o = options();
	struct loci_http_server *s;
	(void)state;
	assert_int_equal(loci_http_server_new(&o, &s, NULL), 0);
	loci_http_server_free(s);
	loci_http_server_free(NULL);
}

/* Nobody could come; and a second run would find no listening sockets. */
static void test_run_that_cannot_be(void **state)
{
	struct loci_http_server_opts o = options();
	struct loci_http_server *s;
	struct loci_error err;
	(void)state;
	o.n_listen = 0;
	assert_int_equal(loci_http_server_new(&o, &s, NULL), 0);
	assert_int_equal(loci_http_server_run(s, &err), LOCI_E_USAGE);
	loci_http_server_free(s);
	o = options();
	assert_int_equal(loci_http_server_new(&o, &s, NULL), 0);
	loci_http_server_stop(s);
	assert_int_equal(loci_http_server_run(s, &err), 0);
	assert_int_equal(loci_http_server_run(s, &err), LOCI_E_USAGE);
	loci_http_server_free(s);
}

/* Callers that were built before the last fields came. */
static void test_older_options(void **state)
{
	struct loci_http_server_opts o = options();
	struct loci_http_server *s;
	struct loci_http_server_stats stats = {.struct_size = 2 * sizeof(uint64_t), .in_flight = 7};
	(void)state;
	o.struct_size = offsetof(struct loci_http_server_opts, min_body_rate);
	o.max_per_client = 1; /* which is not looked at */
	assert_int_equal(loci_http_server_new(&o, &s, NULL), 0);
	loci_http_server_stats(s, &stats);
	assert_int_equal(stats.connections, 0);
	assert_int_equal(stats.in_flight, 7);
	loci_http_server_free(s);
}

static void test_options(void **state)
{
	struct loci_http_server *s = NULL;
	struct loci_error err;
	const char *listen[] = {"127.0.0.1:0", "nonsense"};
	(void)state;
	struct loci_http_server_opts o = options();
	o.struct_size = 1;
	assert_int_equal(loci_http_server_new(&o, &s, &err), LOCI_E_USAGE);
	o = options();
	o.loops = 100000;
	assert_int_equal(loci_http_server_new(&o, &s, &err), LOCI_E_TOO_LARGE);
	o = options();
	o.listen = listen;
	o.n_listen = 2;
	assert_int_equal(loci_http_server_new(&o, &s, &err), LOCI_E_INVALID);
	assert_string_equal(err.msg, "listen address 'nonsense': expected HOST:PORT");
	assert_null(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_two_servers),     cmocka_unit_test(test_stop_at_any_moment),
	        cmocka_unit_test(test_stop_in_a_flood), cmocka_unit_test(test_free_without_run),
	        cmocka_unit_test(test_options),         cmocka_unit_test(test_run_that_cannot_be),
	        cmocka_unit_test(test_older_options),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

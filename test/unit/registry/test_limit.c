/* SPDX-License-Identifier: Apache-2.0 */
/* 429: who gets it, for what, and what is free of it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/cleanup.h"
#include "harness.h"

#include <stdio.h>
#include <string.h>

/* Rates of one a second never refill within these tests' bursts. */
static const char *const proxies[] = {"10.0.0.0/8"};

static int status_of(struct fixture *f, const char *method, const char *target, const char *peer,
                     const char *forwarded)
{
	const struct loci_http_header header = {"x-forwarded-for", forwarded};
	const struct loci_http_request rq = {
	        .struct_size = sizeof(rq),
	        .method = method,
	        .target = target,
	        .peer = peer,
	        .headers = &header,
	        .n_headers = forwarded ? 1 : 0,
	};
	struct loci_http_response *rs = loci_registry_handle(f->registry, &rq);
	assert_non_null(rs);
	int status = rs->status;
	loci_http_response_free(rs);
	return status;
}

static void test_requests_of_a_client(void **state)
{
	const struct loci_registry_opts o = {.requests_per_s = 1, .request_burst = 3};
	struct fixture f;
	(void)state;
	fixture_open(&f, &o);
	for (int i = 0; i < 3; i++)
		assert_int_equal(status_of(&f, "GET", "/v2/", "192.0.2.1", NULL), 200);
	assert_int_equal(status_of(&f, "GET", "/v2/", "192.0.2.1", NULL), 429);
	assert_int_equal(status_of(&f, "GET", "/nowhere", "192.0.2.1", NULL), 429);
	assert_int_equal(status_of(&f, "GET", "/%", "192.0.2.1", NULL), 429);
	assert_int_equal(status_of(&f, "POST", "/v2/a/blobs/uploads/", "192.0.2.1", NULL), 429);
	assert_int_equal(status_of(&f, "GET", "/v2/", "192.0.2.2", NULL), 200);
	/* Whoever watches the server must see it. */
	assert_int_equal(status_of(&f, "GET", "/livez", "192.0.2.1", NULL), 200);
	assert_int_equal(status_of(&f, "GET", "/readyz", "192.0.2.1", NULL), 200);
	assert_int_equal(status_of(&f, "GET", "/metrics", "192.0.2.1", NULL), 200);
	/* Of another peer's X-Forwarded-For nothing is believed. */
	assert_int_equal(status_of(&f, "GET", "/v2/", "192.0.2.1", "192.0.2.77"), 429);
	fixture_close(&f);
}

static void test_the_answer(void **state)
{
	const struct loci_registry_opts o = {.requests_per_s = 1, .request_burst = 1};
	struct fixture f;
	(void)state;
	fixture_open(&f, &o);
	expect(&f, 200, "GET", "/v2/");
	struct answer a = ask(&f, "GET", "/v2/");
	assert_int_equal(a.status, 429);
	assert_string_equal(answer_code(&a), "TOOMANYREQUESTS");
	assert_string_equal(answer_header(&a, "retry-after"), "1");
	answer_done(&a);
	assert_int_equal(f.n_logged, 0);
	fixture_close(&f);
}

static void test_behind_a_proxy(void **state)
{
	const struct loci_registry_opts o = {.requests_per_s = 1,
	                                     .request_burst = 1,
	                                     .trusted_proxies = proxies,
	                                     .n_trusted_proxies = 1};
	struct fixture f;
	(void)state;
	fixture_open(&f, &o);
	assert_int_equal(status_of(&f, "GET", "/v2/", "10.0.0.1", "192.0.2.1"), 200);
	assert_int_equal(status_of(&f, "GET", "/v2/", "10.0.0.1", "192.0.2.2"), 200);
	assert_int_equal(status_of(&f, "GET", "/v2/", "10.0.0.2", "192.0.2.1"), 429);
	assert_int_equal(status_of(&f, "GET", "/v2/", "10.0.0.1", "1.1.1.1, 192.0.2.2"), 429);
	fixture_close(&f);
}

/* Some proxies put a line of their own behind those that came: however many a client sends, the
 * last one counts. */
static void test_many_lines(void **state)
{
	const struct loci_registry_opts o = {.requests_per_s = 1,
	                                     .request_burst = 1,
	                                     .trusted_proxies = proxies,
	                                     .n_trusted_proxies = 1};
	char made_up[20][32];
	struct loci_http_header lines[loci__array_len(made_up) + 1];
	struct fixture f;
	(void)state;
	fixture_open(&f, &o);
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < loci__array_len(made_up); i++) {
			snprintf(made_up[i], sizeof(made_up[i]), "198.51.%d.%zu", round, i);
			lines[i] = (struct loci_http_header){"x-forwarded-for", made_up[i]};
		}
		lines[loci__array_len(made_up)] =
		        (struct loci_http_header){"x-forwarded-for", "192.0.2.1"};
		const struct loci_http_request rq = {
		        .struct_size = sizeof(rq),
		        .method = "GET",
		        .target = "/v2/",
		        .peer = "10.0.0.1",
		        .headers = lines,
		        .n_headers = loci__array_len(lines),
		};
		struct loci_http_response *rs = loci_registry_handle(f.registry, &rq);
		assert_non_null(rs);
		assert_int_equal(rs->status, round == 0 ? 200 : 429);
		loci_http_response_free(rs);
	}
	fixture_close(&f);
}

static void test_failures(void **state)
{
	const struct loci_registry_opts o = {.errors_per_s = 1, .error_burst = 2};
	struct fixture f;
	(void)state;
	fixture_open(&f, &o);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(status_of(&f, "GET", "/v2/", "192.0.2.1", NULL), 200);
		assert_int_equal(status_of(&f, "HEAD", "/v2/a/manifests/x", "192.0.2.1", NULL),
		                 404);
	}
	assert_int_equal(status_of(&f, "GET", "/v2/a/manifests/x", "192.0.2.1", NULL), 404);
	assert_int_equal(status_of(&f, "GET", "/v2/A/manifests/x", "192.0.2.1", NULL), 400);
	assert_int_equal(status_of(&f, "GET", "/v2/", "192.0.2.1", NULL), 429);
	assert_int_equal(status_of(&f, "GET", "/v2/", "192.0.2.2", NULL), 200);
	fixture_close(&f);
}

/* One that fails only when its body is complete. */
static void test_failures_of_bodies(void **state)
{
	const struct loci_registry_opts o = {.errors_per_s = 1, .error_burst = 1};
	const struct ask put = {
	        .method = "PUT",
	        .target = "/v2/a/manifests/v1",
	        .headers = {{"content-type", LOCI_MEDIA_OCI_MANIFEST}},
	        .body = "no json",
	        .n = 7,
	};
	struct fixture f;
	(void)state;
	fixture_open(&f, &o);
	expect(&f, 200, "GET", "/v2/");
	struct answer a = ask_with(&f, &put);
	assert_int_equal(a.status, 400);
	answer_done(&a);
	expect(&f, 429, "GET", "/v2/");
	fixture_close(&f);
}

static void test_all_clients_together(void **state)
{
	const struct loci_registry_opts o = {.total_per_s = 1, .total_burst = 3};
	struct fixture f;
	char peer[32];
	(void)state;
	fixture_open(&f, &o);
	for (int i = 0; i < 6; i++) {
		snprintf(peer, sizeof(peer), "192.0.2.%d", i);
		assert_int_equal(status_of(&f, "GET", "/v2/", peer, NULL), i < 3 ? 200 : 429);
	}
	fixture_close(&f);
}

static void test_limits_change(void **state)
{
	struct fixture f;
	(void)state;
	fixture_open(&f, NULL);
	struct loci_registry_opts o = {
	        .struct_size = sizeof(o), .requests_per_s = 1, .request_burst = 1};
	for (int i = 0; i < 100; i++)
		expect(&f, 200, "GET", "/v2/");
	assert_int_equal(loci_registry_reconfigure(f.registry, &o, NULL), 0);
	expect(&f, 200, "GET", "/v2/");
	expect(&f, 429, "GET", "/v2/");
	const char *wrong = "here";
	o.trusted_proxies = &wrong;
	o.n_trusted_proxies = 1;
	assert_int_equal(loci_registry_reconfigure(f.registry, &o, NULL), LOCI_E_INVALID);
	expect(&f, 429, "GET", "/v2/");
	o.requests_per_s = o.n_trusted_proxies = 0;
	assert_int_equal(loci_registry_reconfigure(f.registry, &o, NULL), 0);
	expect(&f, 200, "GET", "/v2/");
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_requests_of_a_client),
	        cmocka_unit_test(test_the_answer),
	        cmocka_unit_test(test_behind_a_proxy),
	        cmocka_unit_test(test_many_lines),
	        cmocka_unit_test(test_failures),
	        cmocka_unit_test(test_failures_of_bodies),
	        cmocka_unit_test(test_all_clients_together),
	        cmocka_unit_test(test_limits_change),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

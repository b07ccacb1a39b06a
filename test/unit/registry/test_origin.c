/* SPDX-License-Identifier: Apache-2.0 */
/* Whose request an event names, whether its body came later or never had a byte. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "harness.h"
#include "loci/event.h"

#include <string.h>

#define AGENT "docker/25.0"

static void listen_to_pushes(struct fixture *f)
{
	const struct loci_event_reader reader = {"test", LOCI_EVENT_BIT(LOCI_EVENT_BLOB_PUSH)};
	struct loci_error err;
	assert_int_equal(loci_events_configure(f->store, &reader, 1, /* max= */ 100, &err), 0);
}

/* The first event behind `after` is of that request. */
static uint64_t expect_origin(struct fixture *f, uint64_t after, const char *method)
{
	struct loci_event *e = NULL;
	struct loci_error err;
	uint64_t last;
	assert_int_equal(loci_event_next(f->store, after, LOCI_EVENT_BIT(LOCI_EVENT_BLOB_PUSH), &e,
	                                 &last, &err),
	                 0);
	assert_non_null(e);
	assert_string_equal(e->origin.method, method);
	assert_string_equal(e->origin.user_agent, AGENT);
	assert_string_equal(e->origin.host, "localhost:5000");
	last = e->sequence;
	loci_event_free(e);
	return last;
}

static void send_bytes(struct fixture *f, int status, const char *method, const char *target,
                       const char *bytes)
{
	const struct ask rq = {
	        .method = method,
	        .target = target,
	        .headers = {{"user-agent", AGENT}},
	        .body = bytes,
	        .n = strlen(bytes),
	};
	struct answer a = ask_with(f, &rq);
	assert_int_equal(a.status, status);
	answer_done(&a);
}

static void test_with_a_body(void **state)
{
	struct fixture f;
	(void)state;
	fixture_open(&f, NULL);
	listen_to_pushes(&f);
	send_bytes(&f, 201, "POST", text("/v2/a/blobs/uploads/?digest=%s", sha256_of("x", 1)), "x");
	expect_origin(&f, 0, "POST");
	assert_null(loci_origin_set(NULL));
	fixture_close(&f);
}

/* As docker pushes: the bytes by PATCH, then a PUT that has none and makes the blob. */
static void test_without_a_body(void **state)
{
	struct fixture f;
	(void)state;
	fixture_open(&f, NULL);
	listen_to_pushes(&f);
	const char *session = start_upload(&f, "a");
	send_bytes(&f, 202, "PATCH", session, "bytes");
	send_bytes(&f, 201, "PUT", text("%s?digest=%s", session, sha256_of("bytes", 5)), "");
	expect_origin(&f, 0, "PUT");
	assert_null(loci_origin_set(NULL));
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_with_a_body),
	        cmocka_unit_test(test_without_a_body),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "puller/retry.h"

#include <curl/curl.h>

static const struct {
	int status, code, retry;
} statuses[] = {
        {200, 0, LOCI_RETRY_NEVER},
        {206, 0, LOCI_RETRY_NEVER},
        {301, LOCI_E_PROTOCOL, LOCI_RETRY_NEVER},
        {400, LOCI_E_PROTOCOL, LOCI_RETRY_NEVER},
        {401, LOCI_E_UNAUTHORIZED, LOCI_RETRY_NEVER},
        {403, LOCI_E_DENIED, LOCI_RETRY_NEVER},
        {404, LOCI_E_NOT_FOUND, LOCI_RETRY_NEVER},
        {416, LOCI_E_RANGE, LOCI_RETRY_NEVER},
        {418, LOCI_E_PROTOCOL, LOCI_RETRY_NEVER},
        {429, LOCI_E_BUSY, LOCI_RETRY_ALWAYS},
        {500, LOCI_E_UNREACHABLE, LOCI_RETRY_ALWAYS},
        {501, LOCI_E_PROTOCOL, LOCI_RETRY_NEVER},
        {502, LOCI_E_UNREACHABLE, LOCI_RETRY_ALWAYS},
        {503, LOCI_E_UNREACHABLE, LOCI_RETRY_ALWAYS},
        {504, LOCI_E_TIMEOUT, LOCI_RETRY_ALWAYS},
};

static void test_statuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		struct loci_outcome o = loci__outcome_of_status(statuses[i].status);
		assert_int_equal(o.code, statuses[i].code);
		assert_int_equal(o.retry, statuses[i].retry);
	}
	for (int status = 0; status < 1000; status++) {
		struct loci_outcome o = loci__outcome_of_status(status);
		assert_int_equal(o.code == 0, status >= 200 && status < 300);
	}
}

static const struct {
	int curl, code, retry;
} transports[] = {
        {CURLE_COULDNT_CONNECT, LOCI_E_UNREACHABLE, LOCI_RETRY_IF_KNOWN},
        {CURLE_COULDNT_RESOLVE_HOST, LOCI_E_UNREACHABLE, LOCI_RETRY_IF_KNOWN},
        {CURLE_OPERATION_TIMEDOUT, LOCI_E_TIMEOUT, LOCI_RETRY_IF_KNOWN},
        {CURLE_PARTIAL_FILE, LOCI_E_UNREACHABLE, LOCI_RETRY_ALWAYS},
        {CURLE_RECV_ERROR, LOCI_E_UNREACHABLE, LOCI_RETRY_ALWAYS},
        {CURLE_PEER_FAILED_VERIFICATION, LOCI_E_UNREACHABLE, LOCI_RETRY_NEVER},
        {CURLE_OUT_OF_MEMORY, LOCI_E_NOMEM, LOCI_RETRY_NEVER},
        {CURLE_TELNET_OPTION_SYNTAX, LOCI_E_PROTOCOL, LOCI_RETRY_NEVER}, /* not listed */
};

static void test_transports(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(transports) / sizeof(transports[0]); i++) {
		struct loci_outcome o = loci__outcome_of_transport(transports[i].curl);
		assert_int_equal(o.code, transports[i].code);
		assert_int_equal(o.retry, transports[i].retry);
	}
}

static void test_waits_double_and_end(void **state)
{
	(void)state;
	struct loci_retry r = {.max = 3, .base_ms = 100, .peer_has_answered = true};
	assert_int_equal(loci__retry_next(&r, LOCI_RETRY_ALWAYS, -1, 0), 100);
	assert_int_equal(loci__retry_next(&r, LOCI_RETRY_ALWAYS, -1, 0), 200);
	assert_int_equal(loci__retry_next(&r, LOCI_RETRY_ALWAYS, -1, 0), 400);
	assert_int_equal(loci__retry_next(&r, LOCI_RETRY_ALWAYS, -1, 0), -1);
	loci__retry_progressed(&r);
	assert_int_equal(loci__retry_next(&r, LOCI_RETRY_ALWAYS, -1, 0), 100);
	assert_int_equal(loci__retry_next(&r, LOCI_RETRY_NEVER, -1, 0), -1);
}

static void test_waits_are_bounded(void **state)
{
	(void)state;
	struct loci_retry r = {.max = 100, .base_ms = 500, .peer_has_answered = true};
	for (int i = 0; i < 100; i++) {
		int64_t wait = loci__retry_next(&r, LOCI_RETRY_ALWAYS, -1, (uint32_t)i * 37);
		assert_in_range(wait, 375, LOCI_RETRY_WAIT_MAX_MS);
	}
	assert_int_equal(loci__retry_next(&r, LOCI_RETRY_ALWAYS, -1, 0), -1);
}

static void test_unknown_peer_once(void **state)
{
	(void)state;
	struct loci_retry r = {.max = 5, .base_ms = 100};
	assert_int_equal(loci__retry_next(&r, LOCI_RETRY_IF_KNOWN, -1, 0), 100);
	assert_int_equal(loci__retry_next(&r, LOCI_RETRY_IF_KNOWN, -1, 0), -1);
	r.peer_has_answered = true;
	assert_int_equal(loci__retry_next(&r, LOCI_RETRY_IF_KNOWN, -1, 0), 200);
}

static void test_retry_after_counts(void **state)
{
	(void)state;
	struct loci_retry r = {.max = 5, .base_ms = 100, .peer_has_answered = true};
	assert_int_equal(loci__retry_next(&r, LOCI_RETRY_ALWAYS, 3000, 0), 3000);
	/* ours is longer than what the peer asks for */
	assert_int_equal(loci__retry_next(&r, LOCI_RETRY_ALWAYS, 0, 0), 200);
	assert_int_equal(loci__retry_next(&r, LOCI_RETRY_ALWAYS, LOCI_RETRY_AFTER_MAX_MS + 1, 0),
	                 -1);
}

static void test_retry_after_forms(void **state)
{
	(void)state;
	const uint64_t now = 784111777; /* Sun, 06 Nov 1994 08:49:37 GMT, RFC 9110's example */
	assert_int_equal(loci__retry_after_parse("120", now), 120000);
	assert_int_equal(loci__retry_after_parse("0", now), 0);
	assert_int_equal(loci__retry_after_parse("Sun, 06 Nov 1994 08:49:47 GMT", now), 10000);
	assert_int_equal(loci__retry_after_parse("Sun, 06 Nov 1994 08:49:27 GMT", now), 0);
	assert_int_equal(loci__retry_after_parse("", now), -1);
	assert_int_equal(loci__retry_after_parse(NULL, now), -1);
	assert_int_equal(loci__retry_after_parse("-1", now), -1);
	assert_int_equal(loci__retry_after_parse("soon", now), -1);
	assert_int_equal(loci__retry_after_parse("12 apples", now), -1);
	assert_true(loci__retry_after_parse("99999999999999999", now) > LOCI_RETRY_AFTER_MAX_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_statuses),
	        cmocka_unit_test(test_transports),
	        cmocka_unit_test(test_waits_double_and_end),
	        cmocka_unit_test(test_waits_are_bounded),
	        cmocka_unit_test(test_unknown_peer_once),
	        cmocka_unit_test(test_retry_after_counts),
	        cmocka_unit_test(test_retry_after_forms),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

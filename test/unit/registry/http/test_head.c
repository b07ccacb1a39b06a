/* SPDX-License-Identifier: Apache-2.0 */
/* The policy of heads as a table; what goes over a socket is in test/integration/http. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/cleanup.h"
#include "registry/http/head.h"

#include <string.h>

#define HOST "Host: x\r\n"

static char bytes[128 * 1024];
static struct loci__http_head head;

static int parse(const char *text)
{
	size_t n = strlen(text), scanned = 0;
	assert_true(n < sizeof(bytes));
	memcpy(bytes, text, n + 1);
	assert_int_equal(loci__http_head_scan(bytes, n, &scanned), n);
	return loci__http_head_parse(bytes, n, &head);
}

static const struct {
	const char *text;
	int status;
	const char *reason;
} refused[] = {
        {"GET /a HTTP/1.1\r\n\r\n", 400, "no Host"},
        {"GET /a HTTP/1.1\r\n" HOST HOST "\r\n", 400, "more than one Host"},
        {"GET /a HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "malformed Host"},
        {"GET /a HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n", 400, "malformed or folded header"},
        {"GET /a HTTP/1.1\r\n" HOST "Connection: a b\r\n\r\n", 400, "malformed Connection"},
        {"GET /a HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400,
         "more than one Content-Length"},
        {"GET /a HTTP/1.1\r\n" HOST "Content-Length: 1,1\r\n\r\n", 400, "malformed Content-Length"},
        {"GET /a HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
         "both Transfer-Encoding and Content-Length"},
        {"GET /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n\r\n", 501,
         "only the transfer encoding 'chunked' is supported"},
        {"GET /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
         "Transfer-Encoding in HTTP/1.0"},
        {"GET /a HTTP/1.1\r\n" HOST "Expect: x\r\n\r\n", 417,
         "only the expectation '100-continue' is supported"},
        {"GET a HTTP/1.1\r\n" HOST "\r\n", 400, "the request target is not a path"},
        {"GET http://a HTTP/1.1\r\n" HOST "\r\n", 400, "the request target has no host or no path"},
        {"GET http://a@b/c HTTP/1.1\r\n" HOST "\r\n", 400, "malformed host in the request target"},
        {"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n" HOST "\r\n", 400, "malformed method"},
        {"GET /a HTTP/2.0\r\n" HOST "\r\n", 400, "malformed request head"},
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < loci__array_len(refused); i++) {
		assert_int_equal(parse(refused[i].text), refused[i].status);
		assert_string_equal(head.reason, refused[i].reason);
	}
}

static void test_taken(void **state)
{
	(void)state;
	assert_int_equal(parse("PUT http://h:1/b?c=%20 HTTP/1.1\r\nHOST: other\r\n"
	                       "X-Empty:\r\nUser-Agent:\t agent/1  \r\nExpect: 100-Continue\r\n"
	                       "Content-Length: 9223372036854775807\r\n\r\n"),
	                 0);
	assert_string_equal(head.method, "PUT");
	assert_string_equal(head.target, "/b?c=%20");
	assert_string_equal(head.host, "h:1");
	assert_string_equal(head.user_agent, "agent/1");
	assert_int_equal(head.n_headers, 5);
	assert_string_equal(head.headers[0].name, "host");
	assert_string_equal(head.headers[0].value, "other");
	assert_string_equal(head.headers[1].value, "");
	assert_true(head.body_length == INT64_MAX);
	assert_true(head.keep_alive);
	assert_true(head.expects_continue);
}

static const struct {
	const char *version;
	const char *connection;
	bool keep_alive;
} lives[] = {
        {"1.1", "Keep-Alive", true},
        {"1.1", "close", false},
        {"1.1", "upgrade,\tClose ,x", false},
        {"1.1", "closed", true},
        {"1.0", "x", false},
        {"1.0", "keep-alive", true},
        {"1.0", "keep-alive,close", false},
};

static void test_keep_alive(void **state)
{
	char text[256];
	(void)state;
	for (size_t i = 0; i < loci__array_len(lives); i++) {
		snprintf(text, sizeof(text), "GET / HTTP/%s\r\n" HOST "Connection: %s\r\n\r\n",
		         lives[i].version, lives[i].connection);
		assert_int_equal(parse(text), 0);
		assert_int_equal(head.keep_alive, lives[i].keep_alive);
		assert_int_equal(head.body_length, 0);
	}
}

static int parse_with_fields(size_t n)
{
	static char text[64 * 1024];
	size_t at = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n" HOST);
	for (size_t i = 1; i < n; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "a: b\r\n");
	snprintf(text + at, sizeof(text) - at, "\r\n");
	return parse(text);
}

static void test_limits(void **state)
{
	static char text[LOCI_HTTP_TARGET_MAX + 64];
	(void)state;
	assert_int_equal(parse_with_fields(LOCI_HTTP_HEADERS_MAX), 0);
	assert_int_equal(head.n_headers, LOCI_HTTP_HEADERS_MAX);
	assert_int_equal(parse_with_fields(LOCI_HTTP_HEADERS_MAX + 1), 431);
	for (int over = 0; over < 2; over++) {
		size_t n = LOCI_HTTP_TARGET_MAX + (size_t)over;
		memcpy(text, "GET /", 5);
		memset(text + 5, 'a', n - 1);
		memcpy(text + 4 + n, " HTTP/1.0\r\n\r\n", 14);
		assert_int_equal(parse(text), over ? 414 : 0);
	}
}

static void test_scan(void **state)
{
	static const struct {
		const char *p;
		size_t n;
		ssize_t want;
	} rows[] = {
	        {"", 0, 0},
	        {"GET", 3, 0},
	        {"a\r\n\r", 4, 0},
	        {"a\r\n\r\nrest", 9, 5},
	        {"a\r\nb\r\n\r\n", 8, 8},
	        {"a\n", 2, -1},
	        {"\n", 1, -1},
	        {"a\rb", 3, -1},
	        {"a\r\r\n", 4, -1},
	        {"a\0", 2, -1},
	        {"a\r\n\n", 4, -1},
	};
	(void)state;
	for (size_t i = 0; i < loci__array_len(rows); i++) {
		size_t scanned = 0;
		assert_int_equal(loci__http_head_scan(rows[i].p, rows[i].n, &scanned),
		                 rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_refused),    cmocka_unit_test(test_taken),
	        cmocka_unit_test(test_keep_alive), cmocka_unit_test(test_limits),
	        cmocka_unit_test(test_scan),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/cleanup.h"
#include "registry/http/chunked.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *in;
	int rc;
	const char *data;
	const char *rest; /* behind the end, or the reason */
} rows[] = {
        {"0\r\n\r\n", 1, "", ""},
        {"4\r\nabcd\r\n0\r\n\r\nGET", 1, "abcd", "GET"},
        {"1\r\na\r\n2;x=\"y\"\r\nbc\r\n00;z\r\nT: v\r\nU:\r\n\r\n", 1, "abc", ""},
        {"a\r\n0123456789\r\nA\r\n01234", 0, "012345678901234", NULL},
        {"3\r\nab", 0, "ab", NULL},
        {"\r\n", -1, "", "malformed chunk size"},
        {"g\r\n", -1, "", "malformed chunk size"},
        {"4 \r\n", -1, "", "malformed chunk size"},
        {"4\n", -1, "", "malformed chunk size"},
        {"4\r\rabcd", -1, "", "malformed chunk framing"},
        {"1\r\nab\r\n", -1, "a", "malformed chunk framing"},
        {"1\r\na\n", -1, "a", "malformed chunk framing"},
        {"0\r\n\r\r", -1, "", "malformed chunk framing"},
        {"0\r\n:\r\n", -1, "", "malformed trailer"},
        {"0\r\n \r\n", -1, "", "malformed trailer"},
        {"0;\x01\r\n\r\n", -1, "", "control character in a chunk extension or trailer"},
        {"0\r\na: \x7f\r\n\r\n", -1, "", "control character in a chunk extension or trailer"},
        {"fffffffffffffff\r\na", 0, "a", NULL},
        {"0fffffffffffffff\r\na", -1, "", "a chunk size is too long"},
};

/* In pieces of `step` bytes. */
static void check(size_t row, size_t step)
{
	struct loci__chunked d = {0};
	char buf[256], data[256] = "";
	size_t n = strlen(rows[row].in), at = 0, data_n = 0, got, used;
	int rc = 0;
	while (at < n && !rc) {
		size_t take = step < n - at ? step : n - at;
		memcpy(buf, rows[row].in + at, take);
		rc = loci__chunked_decode(&d, buf, take, &got, &used);
		memcpy(data + data_n, buf, got);
		data_n += got;
		at += used;
	}
	assert_int_equal(rc, rows[row].rc);
	assert_int_equal(data_n, strlen(rows[row].data));
	assert_memory_equal(data, rows[row].data, data_n);
	if (rc == 1)
		assert_string_equal(rows[row].in + at, rows[row].rest);
	else if (rc < 0)
		assert_string_equal(d.reason, rows[row].rest);
	if (rc < 0) /* and stays so */
		assert_int_equal(loci__chunked_decode(&d, buf, 1, &got, &used), -1);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < loci__array_len(rows); i++)
		for (size_t step = 1; step < 60; step++)
			check(i, step);
}

static int decode(const char *prefix, char fill, size_t fill_n, const char *suffix)
{
	static char buf[LOCI_CHUNK_TRAILER_MAX + 64];
	struct loci__chunked d = {0};
	size_t got, used, n = strlen(prefix);
	memcpy(buf, prefix, n);
	memset(buf + n, fill, fill_n);
	memcpy(buf + n + fill_n, suffix, strlen(suffix));
	return loci__chunked_decode(&d, buf, n + fill_n + strlen(suffix), &got, &used);
}

static void test_limits(void **state)
{
	(void)state;
	assert_int_equal(decode("0;", 'a', LOCI_CHUNK_EXTENSION_MAX, "\r\n\r\n"), 1);
	assert_int_equal(decode("0;", 'a', LOCI_CHUNK_EXTENSION_MAX + 1, "\r\n\r\n"), -1);
	assert_int_equal(decode("0\r\n", 'a', LOCI_CHUNK_TRAILER_MAX, "\r\n\r\n"), 1);
	assert_int_equal(decode("0\r\n", 'a', LOCI_CHUNK_TRAILER_MAX + 1, "\r\n\r\n"), -1);
	/* all trailers together, not each */
	assert_int_equal(decode("0\r\nb: c\r\n", 'a', LOCI_CHUNK_TRAILER_MAX, "\r\n\r\n"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_rows),
	        cmocka_unit_test(test_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

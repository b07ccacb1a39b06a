/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "registry/http/request_id.h"

#include <string.h>

static void test_find(void **state)
{
	static char longest[LOCI_REQUEST_ID_MAX + 1], longer[LOCI_REQUEST_ID_MAX + 2];
	const struct {
		const char *value;
		bool is_sane;
	} rows[] = {
	        {"4bf92f3577b34da6", true},
	        {"A-b_c.d:e+f/g=h@i", true},
	        {longest, true},
	        {longer, false},
	        {"", false},
	        {"a b", false},
	        {"a\tb", false},
	        {"a\"b", false},
	        {"a\\b", false},
	        {"\x80", false},
	        {"a,b", false},
	        {"<a>", false},
	};
	(void)state;
	memset(longest, 'x', LOCI_REQUEST_ID_MAX);
	memset(longer, 'x', LOCI_REQUEST_ID_MAX + 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct loci_http_header h[] = {
		        {"host", "x"}, {"x-request-id", rows[i].value}, {"x-request-id", "twice"}};
		const char *found = loci__request_id_find(h, 2);
		if (found != (rows[i].is_sane ? rows[i].value : NULL))
			fail_msg("'%s'", rows[i].value);
		assert_null(loci__request_id_find(h, 3));
		assert_null(loci__request_id_find(h, 1));
	}
	assert_null(loci__request_id_find(NULL, 0));
}

static void test_make(void **state)
{
	char a[LOCI_REQUEST_ID_MADE], b[LOCI_REQUEST_ID_MADE];
	(void)state;
	loci__request_id_make(1, 0, a);
	for (uint64_t i = 1; i < 10000; i++) {
		loci__request_id_make(1, i, b);
		assert_int_equal(strspn(b, "0123456789abcdef"), LOCI_REQUEST_ID_MADE - 1);
		assert_string_not_equal(a, b);
		memcpy(a, b, sizeof(a));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_find),
	        cmocka_unit_test(test_make),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

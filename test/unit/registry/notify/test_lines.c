/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/cursor.h"
#include "registry/notify/lines.h"

#include <string.h>

static void test_headers(void **state)
{
	static const char *const bad[] = {"",
	                                  "h",
	                                  "h:",
	                                  "h: X",
	                                  "h: X:",
	                                  "h: X: ",
	                                  ": X: y",
	                                  "h: X Y: z",
	                                  "h: X: a\r\nEvil: b",
	                                  "h: X: \x01",
	                                  "h: Content-Length: 5",
	                                  "h: host: x",
	                                  "h: TRANSFER-ENCODING: chunked"};
	struct loci__notify_line l;
	(void)state;
	assert_int_equal(loci__notify_header_parse("h: Authorization: Bearer a:b", &l, NULL), 0);
	assert_true(loci__slice_is(l.name, "h"));
	assert_true(loci__slice_is(l.value, "Authorization: Bearer a:b"));
	assert_int_equal(loci__notify_header_parse("h:X-Y:z", &l, NULL), 0);
	assert_true(loci__slice_is(l.value, "X-Y:z"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (loci__notify_header_parse(bad[i], &l, NULL) != LOCI_E_INVALID)
			fail_msg("'%s' was taken", bad[i]);
}

static void test_secrets(void **state)
{
	static const char *const bad[] = {"", "h", "h=", "=x", "h=@", "h x=y"};
	struct loci__notify_line l;
	(void)state;
	assert_int_equal(loci__notify_secret_parse("h=a=b c", &l, NULL), 0);
	assert_true(loci__slice_is(l.value, "a=b c"));
	assert_int_equal(loci__notify_secret_parse("h=@/run/key", &l, NULL), 0);
	assert_true(loci__slice_is(l.value, "@/run/key"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (loci__notify_secret_parse(bad[i], &l, NULL) != LOCI_E_INVALID)
			fail_msg("'%s' was taken", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_headers),
	        cmocka_unit_test(test_secrets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

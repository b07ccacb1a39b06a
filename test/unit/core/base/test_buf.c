/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/buf.h"
#include "core/base/cleanup.h"

#include <string.h>

static void appends_and_stays_terminated(void **state)
{
	(void)state;
	loci__cleanup_buf struct loci_buf b = LOCI_BUF_INIT(100);
	assert_int_equal(loci__buf_puts(&b, "ab"), 0);
	assert_int_equal(loci__buf_putc(&b, 'c'), 0);
	assert_int_equal(loci__buf_printf(&b, "%d", 12), 0);
	assert_int_equal(loci__buf_append(&b, "\0z", 2), 0);
	assert_int_equal(b.len, 7);
	assert_memory_equal(b.p, "abc12\0z", 8);
}

static void the_maximum_is_exact_and_the_failure_sticks(void **state)
{
	(void)state;
	loci__cleanup_buf struct loci_buf b = LOCI_BUF_INIT(4);
	assert_int_equal(loci__buf_puts(&b, "1234"), 0);
	assert_int_equal(loci__buf_putc(&b, '5'), LOCI_E_TOO_LARGE);
	assert_int_equal(loci__buf_append(&b, "", 0), LOCI_E_TOO_LARGE);
	assert_string_equal(b.p, "1234");
	struct loci_error err;
	assert_int_equal(loci__buf_check(&b, "thing", &err), LOCI_E_TOO_LARGE);
	assert_non_null(strstr(err.msg, "thing"));
	assert_null(loci__buf_steal(&b));
	loci__buf_reset(&b);
	assert_int_equal(loci__buf_check(&b, "thing", &err), 0);
	assert_int_equal(loci__buf_puts(&b, "x"), 0);
	assert_null(loci__buf_reserve(&b, SIZE_MAX));
}

static void grows_past_the_first_room(void **state)
{
	(void)state;
	loci__cleanup_buf struct loci_buf b = LOCI_BUF_INIT(100000);
	for (int i = 0; i < 50000; i++)
		loci__buf_putc(&b, (char)('a' + i % 26));
	assert_int_equal(b.failed, 0);
	assert_int_equal(b.len, 50000);
	for (int i = 0; i < 50000; i++)
		assert_int_equal(b.p[i], 'a' + i % 26);
}

static void borrowed_memory_is_left_when_it_is_too_small_or_wanted_back(void **state)
{
	char memory[8];
	(void)state;
	loci__cleanup_buf struct loci_buf b = LOCI_BUF_IN(memory, sizeof(memory), 100);
	loci__buf_puts(&b, "1234567");
	assert_ptr_equal(b.p, memory);
	loci__buf_putc(&b, '8');
	assert_ptr_not_equal(b.p, memory);
	assert_string_equal(b.p, "12345678");

	loci__cleanup_buf struct loci_buf kept = LOCI_BUF_IN(memory, sizeof(memory), 100);
	loci__buf_puts(&kept, "abc");
	assert_int_equal(loci__buf_own(&kept), 0);
	memset(memory, 'x', sizeof(memory));
	assert_string_equal(kept.p, "abc");
	assert_int_equal(loci__buf_own(&kept), 0);
	loci__buf_puts(&kept, "defghijkl");
	assert_string_equal(kept.p, "abcdefghijkl");

	struct loci_buf stolen = LOCI_BUF_IN(memory, sizeof(memory), 100);
	loci__buf_puts(&stolen, "s");
	loci__cleanup_free char *p = loci__buf_steal(&stolen);
	assert_ptr_not_equal(p, memory);
	assert_string_equal(p, "s");
	loci__buf_done(&stolen);

	struct loci_buf full = LOCI_BUF_IN(memory, sizeof(memory), 4);
	assert_int_equal(loci__buf_puts(&full, "12345"), LOCI_E_TOO_LARGE);
	assert_null(loci__buf_steal(&full));
	loci__buf_done(&full);
}

static void numbers_are_decimal(void **state)
{
	(void)state;
	loci__cleanup_buf struct loci_buf b = LOCI_BUF_INIT(100);
	loci__buf_put_u64(&b, 0);
	loci__buf_putc(&b, ' ');
	loci__buf_put_u64(&b, 1090);
	loci__buf_putc(&b, ' ');
	loci__buf_put_u64(&b, UINT64_MAX);
	assert_string_equal(b.p, "0 1090 18446744073709551615");
}

static void steal_leaves_an_empty_buffer(void **state)
{
	(void)state;
	loci__cleanup_buf struct loci_buf b = LOCI_BUF_INIT(10);
	loci__cleanup_free char *empty = loci__buf_steal(&b);
	assert_string_equal(empty, "");
	loci__buf_puts(&b, "hi");
	loci__cleanup_free char *s = loci__buf_steal(&b);
	assert_string_equal(s, "hi");
	assert_null(b.p);
	assert_int_equal(b.len, 0);
}

static void json_strings_are_escaped(void **state)
{
	(void)state;
	loci__cleanup_buf struct loci_buf b = LOCI_BUF_INIT(200);
	loci__buf_json_string(&b, "a\"\\\n\x7f\xc3\xa9\xff\xed\xa0\x80.");
	assert_string_equal(b.p, "\"a\\\"\\\\\\u000a\\u007f\xc3\xa9\xef\xbf\xbd"
	                         "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd.\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(appends_and_stays_terminated),
	        cmocka_unit_test(the_maximum_is_exact_and_the_failure_sticks),
	        cmocka_unit_test(grows_past_the_first_room),
	        cmocka_unit_test(borrowed_memory_is_left_when_it_is_too_small_or_wanted_back),
	        cmocka_unit_test(numbers_are_decimal),
	        cmocka_unit_test(steal_leaves_an_empty_buffer),
	        cmocka_unit_test(json_strings_are_escaped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

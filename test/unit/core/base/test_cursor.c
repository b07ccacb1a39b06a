/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/cursor.h"

#include <string.h>

static struct loci_cursor over(const char *s)
{
	return loci__cursor(s, strlen(s));
}

static void takes_what_is_there_or_stays(void **state)
{
	(void)state;
	struct loci_cursor c = over("Bearer x");
	assert_false(loci__take_char(&c, 'x'));
	assert_false(loci__take_text(&c, "bearer"));
	assert_false(loci__take_text(&c, "Bearer x and more"));
	assert_int_equal(loci__cursor_left(&c), 8);
	assert_true(loci__take_text_nocase(&c, "bEARER"));
	loci__skip_blanks(&c);
	assert_true(loci__take_char(&c, 'x'));
	assert_true(loci__cursor_at_end(&c));
	assert_false(loci__take_char(&c, '\0'));
}

static void runs_are_longest_and_never_empty(void **state)
{
	(void)state;
	struct loci_cursor c = over("123ab");
	struct loci_slice run;
	assert_true(loci__take_run(&c, loci__is_digit, &run));
	assert_true(loci__slice_is(run, "123"));
	assert_false(loci__take_run(&c, loci__is_digit, &run));
	assert_true(loci__slice_is(run, "123"));
}

static void until_consumes_the_mark(void **state)
{
	(void)state;
	struct loci_cursor c = over("key=value");
	struct loci_slice key;
	assert_true(loci__take_until(&c, '=', &key));
	assert_true(loci__slice_is(key, "key"));
	assert_false(loci__take_until(&c, '=', &key));
	assert_true(loci__take_text(&c, "value"));
	assert_false(loci__take_until(&c, '=', &key));
}

static void numbers_end_at_64_bits(void **state)
{
	(void)state;
	uint64_t v = 5;
	assert_true(loci__parse_u64("18446744073709551615", 20, &v));
	assert_true(v == UINT64_MAX);
	assert_false(loci__parse_u64("18446744073709551616", 20, &v));
	assert_false(loci__parse_u64("99999999999999999999999", 23, &v));
	assert_false(loci__parse_u64("", 0, &v));
	assert_false(loci__parse_u64("-1", 2, &v));
	assert_false(loci__parse_u64("+1", 2, &v));
	assert_false(loci__parse_u64(" 1", 2, &v));
	assert_false(loci__parse_u64("1 ", 2, &v));
	assert_false(loci__parse_u64("0x1", 3, &v));
	assert_true(v == UINT64_MAX);
	assert_true(loci__parse_u64("007", 3, &v));
	assert_int_equal(v, 7);
}

static void octal_likewise(void **state)
{
	(void)state;
	uint64_t v = 0;
	assert_true(loci__parse_octal("0644", 4, &v));
	assert_int_equal(v, 0644);
	assert_true(loci__parse_octal("1777777777777777777777", 22, &v));
	assert_true(v == UINT64_MAX);
	assert_false(loci__parse_octal("2777777777777777777777", 22, &v));
	assert_false(loci__parse_octal("08", 2, &v));
	assert_false(loci__parse_octal("", 0, &v));
}

static void slices_copy_with_their_end_or_not_at_all(void **state)
{
	(void)state;
	char buf[4] = "old";
	assert_false(loci__slice_copy(loci__slice("abcd", 4), buf, sizeof(buf)));
	assert_string_equal(buf, "old");
	assert_true(loci__slice_copy(loci__slice("abc", 3), buf, sizeof(buf)));
	assert_string_equal(buf, "abc");
	assert_true(loci__slice_is_nocase(loci__slice("ABC", 3), "abc"));
	assert_false(loci__slice_is(loci__slice("ABC", 3), "abc"));
	assert_false(loci__slice_is(loci__slice("ab", 2), "abc"));
}

static void classes_hold_exactly_their_bytes(void **state)
{
	(void)state;
	for (int i = 0; i < 256; i++) {
		unsigned char c = (unsigned char)i;
		bool digit = i && strchr("0123456789", i);
		bool lower_hex = digit || (i && strchr("abcdef", i));
		assert_int_equal(loci__is_digit(c), digit);
		assert_int_equal(loci__is_lower_hex(c), lower_hex);
		assert_int_equal(loci__is_hex(c), lower_hex || (i && strchr("ABCDEF", i)));
		assert_int_equal(loci__hex_value(c) >= 0, loci__is_hex(c));
		bool token = loci__is_alnum(c) || (i && strchr("!#$%&'*+-.^_`|~", i));
		assert_int_equal(loci__is_token_char(c), token);
	}
	assert_int_equal(loci__hex_value('F'), 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(takes_what_is_there_or_stays),
	        cmocka_unit_test(runs_are_longest_and_never_empty),
	        cmocka_unit_test(until_consumes_the_mark),
	        cmocka_unit_test(numbers_end_at_64_bits),
	        cmocka_unit_test(octal_likewise),
	        cmocka_unit_test(slices_copy_with_their_end_or_not_at_all),
	        cmocka_unit_test(classes_hold_exactly_their_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

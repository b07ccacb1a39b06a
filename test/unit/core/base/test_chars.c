/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/chars.h"

#include <ctype.h>
#include <string.h>

/* The C locale's idea of letters is this one's, and strchr's of the marks RFC 9110's. */
static void classes_are_what_they_are_called(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		unsigned char b = (unsigned char)c;
		bool visible = c > 0x20 && c < 0x7f;
		char s[] = {(char)c};
		assert_int_equal(loci__is_digit(b), !!isdigit(c));
		assert_int_equal(loci__is_alpha(b), !!isalpha(c));
		assert_int_equal(loci__is_alnum(b), !!isalnum(c));
		assert_int_equal(loci__is_lower_alnum(b), isdigit(c) || islower(c));
		assert_int_equal(loci__is_hex(b), !!isxdigit(c));
		assert_int_equal(loci__is_lower_hex(b), isxdigit(c) && !isupper(c));
		assert_int_equal(loci__is_token_char(b),
		                 isalnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c)));
		assert_int_equal(loci__chars_all(s, 1, LOCI_CHAR_TARGET), visible && c != '#');
		assert_int_equal(loci__chars_all(s, 1, LOCI_CHAR_HOST),
		                 visible && !strchr("/?#@\\\"<>^`{|}", c));
	}
	assert_true(loci__chars_all("", 0, LOCI_CHAR_TOKEN));
	assert_false(loci__chars_all("a b", 3, LOCI_CHAR_TOKEN));
}

static void hex_digits_have_values(void **state)
{
	static const char digits[] = "0123456789abcdef";
	(void)state;
	for (int c = 1; c < 256; c++) {
		const char *at = strchr(digits, tolower(c));
		assert_int_equal(loci__hex_value((unsigned char)c), at ? (int)(at - digits) : -1);
	}
	assert_int_equal(loci__hex_value(0), -1);
}

/* Each byte at each place of texts of each length, beside bytes that look like it to eight at once.
 */
static void a_control_character_is_found_anywhere(void **state)
{
	static const char around[] = {'a', '\t', (char)0x80, (char)0xff, ' ', '~'};
	char text[20];
	(void)state;
	for (size_t n = 0; n < sizeof(text); n++)
		for (size_t at = 0; at < n; at++)
			for (size_t k = 0; k < sizeof(around); k++)
				for (int c = 0; c < 256; c++) {
					memset(text, around[k], n);
					text[at] = (char)c;
					bool is = (c < 0x20 && c != '\t') || c == 0x7f;
					assert_int_equal(loci__chars_have_control(text, n), is);
				}
	assert_false(loci__chars_have_control("", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(classes_are_what_they_are_called),
	        cmocka_unit_test(hex_digits_have_values),
	        cmocka_unit_test(a_control_character_is_found_anywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

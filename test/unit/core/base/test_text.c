/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8, hex and random names. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/hex.h"
#include "core/base/rand.h"
#include "core/base/utf8.h"

#include <string.h>

static void utf8_sequences(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t n, expected;
	} rows[] = {
	        {"a", 1, 1},
	        {"\xc2\x80", 2, 2},
	        {"\xdf\xbf", 2, 2},
	        {"\xe0\xa0\x80", 3, 3},
	        {"\xef\xbf\xbf", 3, 3},
	        {"\xf0\x90\x80\x80", 4, 4},
	        {"\xf4\x8f\xbf\xbf", 4, 4},
	        {"\xc0\xaf", 2, 0},         /* overlong '/' */
	        {"\xc1\xbf", 2, 0},         /* overlong */
	        {"\xe0\x9f\xbf", 3, 0},     /* overlong */
	        {"\xf0\x8f\xbf\xbf", 4, 0}, /* overlong */
	        {"\xed\xa0\x80", 3, 0},     /* surrogate */
	        {"\xf4\x90\x80\x80", 4, 0}, /* above U+10FFFF */
	        {"\xf5\x80\x80\x80", 4, 0},
	        {"\x80", 1, 0},
	        {"\xff", 1, 0},
	        {"\xe2\x82", 2, 0}, /* cut */
	        {"\xc2"
	         "a",
	         2, 0},
	        {"", 0, 0},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(loci__utf8_length((const unsigned char *)rows[i].bytes, rows[i].n),
		                 rows[i].expected);
}

static void hex_round_trip(void **state)
{
	(void)state;
	unsigned char all[256], back[256];
	char text[2 * sizeof(all) + 1];
	for (int i = 0; i < 256; i++)
		all[i] = (unsigned char)i;
	loci__hex_format(all, sizeof(all), text);
	assert_int_equal(strlen(text), 512);
	assert_memory_equal(text, "000102030405060708090a0b0c0d0e0f", 32);
	assert_true(loci__hex_parse(text, 512, back, sizeof(back)));
	assert_memory_equal(all, back, sizeof(all));
}

static void hex_is_strict(void **state)
{
	(void)state;
	unsigned char out[2] = {0};
	assert_false(loci__hex_parse("ABCD", 4, out, 2));
	assert_false(loci__hex_parse("Aacd", 4, out, 2));
	assert_false(loci__hex_parse("aAcd", 4, out, 2));
	assert_false(loci__hex_parse("abc", 3, out, 2));
	assert_false(loci__hex_parse("abcde", 5, out, 2));
	assert_false(loci__hex_parse("abcg", 4, out, 2));
	assert_true(loci__hex_parse("abcd", 4, out, 2));
	assert_int_equal(out[0], 0xab);
}

static void random_names_differ(void **state)
{
	(void)state;
	struct loci_error err;
	char a[LOCI_RAND_NAME_MAX], b[LOCI_RAND_NAME_MAX];
	assert_int_equal(loci__rand_name(a, &err), 0);
	assert_int_equal(loci__rand_name(b, &err), 0);
	assert_int_equal(strlen(a), LOCI_RAND_NAME_MAX - 1);
	assert_int_equal(strspn(a, "0123456789abcdef"), LOCI_RAND_NAME_MAX - 1);
	assert_string_not_equal(a, b);
}

static void uuids_are_version_4(void **state)
{
	(void)state;
	struct loci_error err;
	for (int i = 0; i < 64; i++) {
		char u[LOCI_UUID_MAX];
		assert_int_equal(loci__rand_uuid(u, &err), 0);
		assert_int_equal(strlen(u), 36);
		for (size_t k = 0; k < 36; k++) {
			bool dash = k == 8 || k == 13 || k == 18 || k == 23;
			assert_true(dash ? u[k] == '-' : strchr("0123456789abcdef", u[k]) != NULL);
		}
		assert_int_equal(u[14], '4');
		assert_non_null(strchr("89ab", u[19]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(utf8_sequences),      cmocka_unit_test(hex_round_trip),
	        cmocka_unit_test(hex_is_strict),       cmocka_unit_test(random_names_differ),
	        cmocka_unit_test(uuids_are_version_4),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "registry/range.h"

#include <stdio.h>
#include <string.h>

#define NONE  LOCI_RANGE_NONE
#define ONE   LOCI_RANGE_SOME
#define UNSAT LOCI_RANGE_UNSATISFIABLE
#define MAX   UINT64_MAX

static void test_range(void **state)
{
	static const struct {
		const char *value;
		uint64_t size;
		int kind;
		uint64_t first, last;
	} cases[] = {
	        {"bytes=0-0", 10, ONE, 0, 0},
	        {"bytes=0-9", 10, ONE, 0, 9},
	        {"bytes=9-9", 10, ONE, 9, 9},
	        {"bytes=3-", 10, ONE, 3, 9},
	        {"bytes=-3", 10, ONE, 7, 9},
	        {"bytes=-10", 10, ONE, 0, 9},
	        {"bytes=-11", 10, ONE, 0, 9},
	        {"bytes=5-99", 10, ONE, 5, 9},
	        {"BYTES=5-6", 10, ONE, 5, 6},
	        {" bytes= 5-6 ", 10, ONE, 5, 6},
	        {"bytes=0-99999999999999999999999", 10, ONE, 0, 9},
	        {"bytes=-99999999999999999999999", 10, ONE, 0, 9},
	        {"bytes=0-", MAX, ONE, 0, MAX - 1},
	        {"bytes=10-", 10, UNSAT, 0, 0},
	        {"bytes=10-20", 10, UNSAT, 0, 0},
	        {"bytes=-0", 10, UNSAT, 0, 0},
	        {"bytes=0-", 0, UNSAT, 0, 0},
	        {"bytes=-1", 0, UNSAT, 0, 0},
	        {"bytes=99999999999999999999999-", 10, UNSAT, 0, 0},
	        {"", 10, NONE, 0, 0},
	        {"bytes", 10, NONE, 0, 0},
	        {"bytes=", 10, NONE, 0, 0},
	        {"bytes=-", 10, NONE, 0, 0},
	        {"bytes=6-5", 10, UNSAT, 0, 0},
	        {"bytes=0-1,6-5", 10, UNSAT, 0, 0},
	        {"bytes=0-1,3-4", 10, ONE, 0, 4}, /* near: one */
	        {"bytes=3-4,0-1", 10, ONE, 0, 4},
	        {"bytes=, 0-1 ,,", 10, ONE, 0, 1},
	        {"bytes=0-1,20-30", 10, ONE, 0, 1}, /* what lies outside is left out */
	        {"bytes=20-30,10-", 10, UNSAT, 0, 0},
	        {"bytes=,", 10, NONE, 0, 0},
	        {"bytes=0-1 3-4", 10, NONE, 0, 0},
	        {"bytes=0-1;3-4", 10, NONE, 0, 0},
	        {"bytes=0-1,x", 10, NONE, 0, 0},
	        {"bytes=0-1x", 10, NONE, 0, 0},
	        {"bytes=+1-2", 10, NONE, 0, 0},
	        {"bytes=1--2", 10, NONE, 0, 0},
	        {"bytes=0x1-2", 10, NONE, 0, 0},
	        {"items=0-1", 10, NONE, 0, 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct loci__ranges ranges = {0};
		int kind = loci__ranges_parse(cases[i].value, cases[i].size, &ranges);
		struct loci__range range = ranges.r[0];
		assert_int_equal(ranges.n, kind == ONE);
		if (kind != cases[i].kind || range.first != cases[i].first ||
		    range.last != cases[i].last)
			fail_msg("'%s' of %ju: %d %ju-%ju", cases[i].value, cases[i].size, kind,
			         range.first, range.last);
	}
}

static void test_several(void **state)
{
	static const struct {
		const char *value, *want; /* of 10000 bytes */
	} cases[] = {
	        {"bytes=0-9,1000-1009", "0-9 1000-1009"},
	        {"bytes=1000-1009,0-9", "1000-1009 0-9"}, /* in the order of the question */
	        {"bytes=0-0,-1", "0-0 9999-9999"},
	        {"bytes=0-99,227-300", "0-300"}, /* 128 bytes from one to the other */
	        {"bytes=0-99,228-300", "0-99 228-300"},
	        {"bytes=0-999,500-1500,1501-1600", "0-1600"},
	        {"bytes=5000-5999,0-9,9000-,5500-8999", "5000-9999 0-9"},
	        /* one that grew reaches what it did not reach before, and takes the first's place
	         */
	        {"bytes=0-9,400-499,800-899,450-850", "0-9 400-899"},
	        {"bytes=800-899,0-9,400-499,450-850", "400-899 0-9"},
	        {"bytes=0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-", "0-9999"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct loci__ranges all;
		char got[400] = "";
		assert_int_equal(loci__ranges_parse(cases[i].value, 10000, &all), ONE);
		for (size_t k = 0; k < all.n; k++)
			snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%ju-%ju",
			         k ? " " : "", all.r[k].first, all.r[k].last);
		assert_string_equal(got, cases[i].want);
	}
}

static void test_too_many(void **state)
{
	struct loci__ranges all = {0};
	char value[1000] = "bytes=";
	(void)state;
	for (int i = 0; i < LOCI_RANGES_MAX; i++)
		snprintf(value + strlen(value), sizeof(value) - strlen(value), "%d-%d,", i * 1000,
		         i * 1000);
	assert_int_equal(loci__ranges_parse(value, 100000, &all), ONE);
	assert_int_equal(all.n, LOCI_RANGES_MAX);
	snprintf(value + strlen(value), sizeof(value) - strlen(value), "50000-50000");
	assert_int_equal(loci__ranges_parse(value, 100000, &all), NONE);
}

static void test_content_range(void **state)
{
	static const struct {
		const char *value;
		bool good;
		uint64_t first, last;
	} cases[] = {
	        {"0-0", true, 0, 0},
	        {"0-99", true, 0, 99},
	        {"100-199", true, 100, 199},
	        {"bytes 0-99/100", true, 0, 99},
	        {"bytes 0-99/*", true, 0, 99},
	        {"Bytes 0-99/200", true, 0, 99},
	        {"18446744073709551614-18446744073709551615", true, MAX - 1, MAX},
	        {"0-18446744073709551615", false, 0, 0},
	        {"0-18446744073709551616", false, 0, 0},
	        {"", false, 0, 0},
	        {"-", false, 0, 0},
	        {"0-", false, 0, 0},
	        {"-9", false, 0, 0},
	        {"9-0", false, 0, 0},
	        {"0-9 ", false, 0, 0},
	        {" 0-9", false, 0, 0},
	        {"0-9/10", false, 0, 0},
	        {"bytes 0-9", false, 0, 0},
	        {"bytes=0-9", false, 0, 0},
	        {"bytes 0-9/9", false, 0, 0},
	        {"bytes */10", false, 0, 0},
	        {"0-9,10-19", false, 0, 0},
	        {"+0-9", false, 0, 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct loci__range range = {0, 0};
		bool good = loci__content_range_parse(cases[i].value, &range);
		if (good != cases[i].good || range.first != cases[i].first ||
		    range.last != cases[i].last)
			fail_msg("'%s': %d %ju-%ju", cases[i].value, good, range.first, range.last);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_range),
	        cmocka_unit_test(test_several),
	        cmocka_unit_test(test_too_many),
	        cmocka_unit_test(test_content_range),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

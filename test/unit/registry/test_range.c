/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "registry/range.h"

#define NONE  LOCI_RANGE_NONE
#define ONE   LOCI_RANGE_ONE
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
	        {"bytes=6-5", 10, NONE, 0, 0},
	        {"bytes=0-1,3-4", 10, NONE, 0, 0},
	        {"bytes=0-1x", 10, NONE, 0, 0},
	        {"bytes=+1-2", 10, NONE, 0, 0},
	        {"bytes=1--2", 10, NONE, 0, 0},
	        {"bytes=0x1-2", 10, NONE, 0, 0},
	        {"items=0-1", 10, NONE, 0, 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct loci__range range = {0, 0};
		int kind = loci__range_parse(cases[i].value, cases[i].size, &range);
		if (kind != cases[i].kind || range.first != cases[i].first ||
		    range.last != cases[i].last)
			fail_msg("'%s' of %ju: %d %ju-%ju", cases[i].value, cases[i].size, kind,
			         range.first, range.last);
	}
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
	        cmocka_unit_test(test_content_range),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "registry/http/pace.h"

static const struct loci__pace_rule rule = {.rate = 100, .grace_ms = 10000};

/* A client that waits for `gap` ms before each of n pieces; whether it was cut. */
static bool is_cut(uint64_t gap, uint64_t piece, unsigned n)
{
	struct loci__pace p = {0};
	uint64_t now = 5, position = 0;
	for (unsigned i = 0; i < n; i++) {
		loci__pace_wait(&p, now);
		now += gap;
		loci__pace_go(&p, now);
		position += piece;
		if (loci__pace_is_due(&p, &rule, now) && loci__pace_close(&p, &rule, now, position))
			return true;
	}
	return false;
}

static void test_rates(void **state)
{
	(void)state;
	assert_false(is_cut(1000, 100, 100)); /* exactly the rate */
	assert_true(is_cut(1000, 99, 100));
	assert_false(is_cut(1000, 1, 9)); /* within the grace */
	assert_true(is_cut(1000, 1, 10)); /* at its end */
	assert_true(is_cut(10000, 1, 1)); /* one long wait */
	assert_false(is_cut(10000, 1000, 5));
	assert_false(is_cut(0, 0, 1000000)); /* nobody waited */
}

/* What was fast in one window is no credit in the next. */
static void test_windows_are_apart(void **state)
{
	struct loci__pace p = {0};
	(void)state;
	loci__pace_wait(&p, 1);
	assert_false(loci__pace_is_due(&p, &rule, 10000));
	assert_true(loci__pace_is_due(&p, &rule, 10001));
	assert_false(loci__pace_close(&p, &rule, 10001, 1000000));
	assert_false(loci__pace_is_due(&p, &rule, 20000)); /* the wait goes on */
	assert_true(loci__pace_is_due(&p, &rule, 20001));
	assert_true(loci__pace_close(&p, &rule, 20001, 1000999));
	assert_false(loci__pace_close(&p, &rule, 30001, 1001999));
}

static void test_time_between_waits_does_not_count(void **state)
{
	struct loci__pace p = {0};
	(void)state;
	loci__pace_wait(&p, 1000);
	loci__pace_wait(&p, 3000); /* goes on */
	loci__pace_go(&p, 4000);
	loci__pace_go(&p, 900000); /* nothing to end */
	assert_false(loci__pace_is_due(&p, &rule, 900000));
	loci__pace_wait(&p, 900000);
	assert_false(loci__pace_is_due(&p, &rule, 906999));
	assert_true(loci__pace_is_due(&p, &rule, 907000));
}

/* Of a wait that goes on, not of the next. */
static void test_skipped_time_does_not_count(void **state)
{
	struct loci__pace p = {0};
	(void)state;
	loci__pace_skip(&p, 500);
	loci__pace_wait(&p, 1);
	loci__pace_skip(&p, 8000);
	assert_false(loci__pace_is_due(&p, &rule, 18000));
	assert_true(loci__pace_is_due(&p, &rule, 18001));
	loci__pace_go(&p, 8002); /* one millisecond of waiting */
	loci__pace_wait(&p, 20000);
	assert_false(loci__pace_is_due(&p, &rule, 29998));
	assert_true(loci__pace_is_due(&p, &rule, 29999));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_rates),
	        cmocka_unit_test(test_windows_are_apart),
	        cmocka_unit_test(test_time_between_waits_does_not_count),
	        cmocka_unit_test(test_skipped_time_does_not_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

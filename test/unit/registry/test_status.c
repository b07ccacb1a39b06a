/* SPDX-License-Identifier: Apache-2.0 */
/* /readyz: 503 and why, whenever clients had better go elsewhere. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "harness.h"

#include <string.h>

static void expect_unready(struct fixture *f, const char *why)
{
	struct answer a = ask(f, "GET", "/readyz");
	assert_int_equal(a.status, 503);
	assert_string_equal(answer_code(&a), "UNAVAILABLE");
	assert_string_equal(answer_header(&a, "retry-after"), "1");
	if (!strstr(a.body, why))
		fail_msg("%s", a.body);
	answer_done(&a);
}

static void test_ready(void **state)
{
	struct fixture f;
	(void)state;
	fixture_open(&f, NULL);
	expect(&f, 200, "GET", "/readyz");
	loci_registry_drain(f.registry);
	expect_unready(&f, "about to stop");
	expect(&f, 200, "GET", "/livez");
	expect(&f, 200, "GET", "/v2/"); /* those that are here already are served */
	fixture_close(&f);
}

static void test_full_disk(void **state)
{
	const struct loci_registry_opts opts = {.min_free = UINT64_MAX};
	const struct loci_registry_opts one = {.min_free = 1};
	struct fixture f;
	(void)state;
	fixture_open(&f, &opts);
	expect_unready(&f, "bytes free on the disk, expected 18446744073709551615");
	fixture_restart(&f, &one);
	expect(&f, 200, "GET", "/readyz");
	fixture_close(&f);
}

/* At rest for a backup it serves. */
static void test_frozen(void **state)
{
	struct fixture f;
	struct loci_error err;
	(void)state;
	fixture_open(&f, NULL);
	if (loci_store_freeze(f.store, "a backup", &err) < 0)
		fail_msg("%s", err.msg);
	expect(&f, 200, "GET", "/readyz");
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_ready),
	        cmocka_unit_test(test_full_disk),
	        cmocka_unit_test(test_frozen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

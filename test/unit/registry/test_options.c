/* SPDX-License-Identifier: Apache-2.0 */
/* What the rows of ociregistry take and refuse; `--help-check` looks at the tables. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

/* The checks of the rows are the table's own business; they are tested all the same. */
#include "cli/ociregistry_options.c"

#include "core/base/cleanup.h"

static void test_listen(void **state)
{
	static const char *const good[] = {"127.0.0.1:5000", "[::1]:5000", ":5000",
	                                   "localhost:0",    "[::]:65535", "unix:/run/x.sock"};
	static const char *const bad[] = {
	        "",   "5000",   "127.0.0.1", "127.0.0.1:", "::1:5000", "[::1]", "[]:5000",
	        ":x", ":65536", ":5000 ",    "[::1]5000",  ":-1",      "unix:", "unix:x"};
	(void)state;
	for (size_t i = 0; i < loci__array_len(good); i++)
		if (check_listen(good[i], NULL) < 0)
			fail_msg("%s", good[i]);
	for (size_t i = 0; i < loci__array_len(bad); i++)
		if (check_listen(bad[i], NULL) != LOCI_E_USAGE)
			fail_msg("%s", bad[i]);
}

static void test_retention(void **state)
{
	struct loci_error err;
	(void)state;
	assert_int_equal(check_retention("team/**: keep-last=3", &err), 0);
	assert_int_equal(check_retention("team/**: keep-lost=3", &err), LOCI_E_USAGE);
	assert_int_equal(err.code, LOCI_E_USAGE);
}

static void test_quota(void **state)
{
	static const char *const bad[] = {
	        "",         "team",    "=",         "team=", "team=x", "Team=1",
	        "team//=1", "/team=1", "team=1XiB", "a b=1", "team=-1"};
	size_t n;
	uint64_t bytes;
	(void)state;
	assert_int_equal(loci__ociregistry_parse_quota("team/=10GiB", &n, &bytes, NULL), 0);
	assert_int_equal(n, 5);
	assert_int_equal(bytes, (uint64_t)10 << 30);
	assert_int_equal(check_quota("/=1TiB", NULL), 0);
	assert_int_equal(check_quota("=1", NULL), 0);
	assert_int_equal(check_quota("team/app=0", NULL), 0);
	for (size_t i = 0; i < loci__array_len(bad); i++)
		if (check_quota(bad[i], NULL) != LOCI_E_USAGE)
			fail_msg("%s", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_listen),
	        cmocka_unit_test(test_retention),
	        cmocka_unit_test(test_quota),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

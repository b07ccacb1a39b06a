/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of the program: sound, and its defaults those that the libraries would take. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

/* The descriptor is the program's own business; its tables are tested all the same. */
#define main ociregistry_main
int ociregistry_main(int argc, char **argv);
#include "cli/ociregistry.c"
#undef main

static void test_tables(void **state)
{
	struct loci_error err;
	(void)state;
	if (loci__program_check(&program, &err) < 0)
		fail_msg("%s", err.msg);
}

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

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_tables),
	        cmocka_unit_test(test_listen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

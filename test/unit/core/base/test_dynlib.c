/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/dynlib.h"

#include <string.h>

#define ABSENT "libloci-absent.so.9"

static struct {
	double (*floor)(double);
	double (*ceil)(double);
} functions;
static const char *const names[] = {"floor", "ceil"};
static const char *const other_names[] = {"floor", "loci_absent"};

static struct loci__dynlib library(const char *soname, const char *const *its_names)
{
	return (struct loci__dynlib){
	        .soname = soname,
	        .package = "libabsent9",
	        .names = its_names,
	        .n = 2,
	        .table = &functions,
	        .lock = PTHREAD_MUTEX_INITIALIZER,
	};
}

static void expect_absent(struct loci__dynlib *lib, const char *missing)
{
	struct loci_error err = {0};
	assert_int_equal(loci__dynlib_load(lib, &err), LOCI_E_UNSUPPORTED);
	assert_non_null(strstr(err.msg, lib->soname));
	assert_non_null(strstr(err.msg, "Debian package libabsent9"));
	assert_non_null(strstr(err.msg, missing));
}

static void test_absent_library_may_come(void **state)
{
	(void)state;
	struct loci__dynlib lib = library(ABSENT, names);
	expect_absent(&lib, "cannot open shared object file");
	expect_absent(&lib, "cannot open shared object file");
	lib.soname = "libm.so.6";
	assert_int_equal(loci__dynlib_load(&lib, NULL), 0);
	assert_true(functions.floor(1.5) == 1.0);
	assert_true(functions.ceil(1.5) == 2.0);
	lib.soname = ABSENT; /* nobody looks any more */
	assert_int_equal(loci__dynlib_load(&lib, NULL), 0);
}

static void test_absent_function(void **state)
{
	(void)state;
	struct loci__dynlib lib = library("libm.so.6", other_names);
	expect_absent(&lib, "undefined symbol: loci_absent");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_absent_library_may_come),
	        cmocka_unit_test(test_absent_function),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

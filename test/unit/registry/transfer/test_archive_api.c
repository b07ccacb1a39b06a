/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "registry/transfer/archive.h"
#include "registry/transfer/archive_api.h"
#include "registry/transfer/export.h"

#include <string.h>
#include <unistd.h>

#define TAR "test_archive_api.tar"

static void expect_no_library(int rc, const struct loci_error *err)
{
	assert_int_equal(rc, LOCI_E_UNSUPPORTED);
	assert_non_null(strstr(err->msg, "libloci-absent.so.9 (Debian package libarchive13)"));
}

static void test_without_libarchive(void **state)
{
	struct loci__import im = {0};
	struct loci__export_sink *sink = NULL;
	struct loci_error err = {0};
	(void)state;
	loci__archive_library.soname = "libloci-absent.so.9";
	expect_no_library(loci__archive_import(&im, -1, &err), &err);
	err = (struct loci_error){0};
	expect_no_library(loci__export_tar_open(TAR, &sink, &err), &err);
	assert_int_equal(access(TAR, F_OK), -1);
	loci__archive_library.soname = LOCI_ARCHIVE_SONAME;
}

static void test_every_function_is_there(void **state)
{
	const struct loci__archive_api *lib = NULL;
	(void)state;
	assert_int_equal(loci__archive_load(&lib, NULL), 0);
#define XX(name) assert_true(lib->name != NULL);
	LOCI_ARCHIVE_FUNCTIONS(XX)
#undef XX
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_without_libarchive),
	        cmocka_unit_test(test_every_function_is_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

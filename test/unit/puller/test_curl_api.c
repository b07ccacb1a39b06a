/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "puller/curl_api.h"
#include "puller/http.h"
#include "puller/origin.h"
#include "puller/retry.h"

#include <string.h>

static void expect_no_library(int rc, const struct loci_error *err)
{
	assert_int_equal(rc, LOCI_E_UNSUPPORTED);
	assert_non_null(strstr(err->msg, "libloci-absent.so.9 (Debian package libcurl4)"));
}

/* Everything that may be the first to call libcurl says that it is not there. */
static void test_without_libcurl(void **state)
{
	struct loci_http_share *share = NULL;
	struct loci_origin origin;
	struct loci_error err = {0};
	char *url = NULL;
	(void)state;
	loci__curl_library.soname = "libloci-absent.so.9";
	expect_no_library(loci__http_share_new(&share, &err), &err);
	err = (struct loci_error){0};
	expect_no_library(loci__origin_of("https://example.org/", &origin, &err), &err);
	err = (struct loci_error){0};
	expect_no_library(loci__redirect_target("https://example.org/", "/b", &url, &err), &err);
	assert_int_equal(loci__retry_after_parse("Sun, 06 Nov 1994 08:49:47 GMT", 0), -1);
	loci__curl_library.soname = LOCI_CURL_SONAME;
}

static void test_every_function_is_there(void **state)
{
	struct loci_http_share *share = NULL;
	const struct loci__curl *curl = NULL;
	(void)state;
	assert_int_equal(loci__curl_load(&curl, NULL), 0);
#define XX(name) assert_true(curl->name != NULL);
	LOCI_CURL_FUNCTIONS(XX)
#undef XX
	assert_int_equal(loci__http_share_new(&share, NULL), 0);
	loci__http_share_free(share);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_without_libcurl),
	        cmocka_unit_test(test_every_function_is_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

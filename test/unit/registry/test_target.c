/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "registry/target.h"

#include <stdlib.h>
#include <string.h>

static void test_paths(void **state)
{
	static const struct {
		const char *target;
		const char *path; /* NULL: refused */
	} cases[] = {
	        {"/v2/", "/v2/"},
	        {"/v2/?n=1", "/v2/"},
	        {"/v2/a#fragment", "/v2/a"},
	        {"/v2/a/blobs/sha256%3Aab", "/v2/a/blobs/sha256:ab"},
	        {"/v2/a/blobs/sha256%3aab", "/v2/a/blobs/sha256:ab"},
	        {"/v2/%61", "/v2/a"},
	        {"/v2/%C3%A4", "/v2/\xc3\xa4"},
	        {"", NULL},
	        {"v2/", NULL},
	        {"?n=1", NULL},
	        {"*", NULL},
	        {"http://localhost/v2/", NULL},
	        {"/v2/a%2Fb", NULL},
	        {"/v2/a%2fb", NULL},
	        {"/v2/a%252Fb", NULL},
	        {"/v2/%00", NULL},
	        {"/v2/%0d%0aset-cookie:x", NULL},
	        {"/v2/%7f", NULL},
	        {"/v2/%", NULL},
	        {"/v2/%1", NULL},
	        {"/v2/%zz", NULL},
	        {"/v2/a b", NULL},
	        {"/v2/\xc3\xa4", NULL},
	        {"/v2/\x01", NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct loci__target t;
		struct loci_error err;
		int r = loci__target_parse(cases[i].target, &t, &err);
		if (!cases[i].path) {
			if (r != LOCI_E_INVALID)
				fail_msg("%s: taken", cases[i].target);
			continue;
		}
		if (r < 0)
			fail_msg("%s: %s", cases[i].target, err.msg);
		assert_string_equal(t.path.p, cases[i].path);
		assert_int_equal(t.path.n, strlen(cases[i].path));
	}
}

static void expect_param(const char *target, const char *key, const char *value)
{
	struct loci__target t;
	struct loci_error err;
	const char *got;
	if (loci__target_parse(target, &t, &err) < 0)
		fail_msg("%s: %s", target, err.msg);
	assert_int_equal(loci__target_param(&t, key, &got, &err), 0);
	if (!value)
		assert_null(got);
	else
		assert_string_equal(got, value);
}

static void test_params(void **state)
{
	(void)state;
	expect_param("/v2/", "n", NULL);
	expect_param("/v2/?", "n", NULL);
	expect_param("/v2/?n", "n", "");
	expect_param("/v2/?n=", "n", "");
	expect_param("/v2/?n=10", "n", "10");
	expect_param("/v2/?&&n=10&", "n", "10");
	expect_param("/v2/?x=1&n=10#n=11", "n", "10");
	expect_param("/v2/?nn=1", "n", NULL);
	expect_param("/v2/?digest=sha256%3Aabc&_state=x%3D%3D", "digest", "sha256:abc");
	expect_param("/v2/?a=b=c", "a", "b=c");
	expect_param("/v2/?%6e=1", "n", "1");
	expect_param("/v2/?artifactType=application/x.y+json", "artifactType",
	             "application/x.y+json");
	expect_param("/v2/?artifactType=application%2Fx.y%2Bjson", "artifactType",
	             "application/x.y+json");
	expect_param("/v2/?a=%26&b=2", "b", "2");
	expect_param("/v2/?a=%26&b=2", "a", "&");
}

static void test_bad_queries(void **state)
{
	static const char *const bad[] = {"/?a=%",  "/?a=%1",   "/?a=%zz", "/?a=%00",  "/?a=%0d",
	                                  "/?%0a=", "/?a=\x01", "/?a= b",  "/?a=\xff", "/?a=%7F"};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct loci__target t;
		assert_int_equal(loci__target_parse(bad[i], &t, NULL), LOCI_E_INVALID);
	}
}

static void test_param_twice(void **state)
{
	struct loci__target t;
	const char *value;
	(void)state;
	assert_int_equal(loci__target_parse("/?n=1&n=2", &t, NULL), 0);
	assert_int_equal(loci__target_param(&t, "n", &value, NULL), LOCI_E_INVALID);
}

static void test_limits(void **state)
{
	struct loci__target t;
	char *target = malloc(LOCI_TARGET_MAX + 2);
	(void)state;
	/* As long as may be, and as many NULs behind values as may be. */
	memcpy(target, "/?", 2);
	size_t n = 2;
	while (n + 2 <= LOCI_TARGET_MAX && n < 2 + 2 * LOCI_PARAMS_MAX) {
		memcpy(target + n, "a&", 2);
		n += 2;
	}
	memset(target + n, '&', LOCI_TARGET_MAX - n);
	target[LOCI_TARGET_MAX] = '\0';
	assert_int_equal(loci__target_parse(target, &t, NULL), 0);
	assert_int_equal(t.n_params, LOCI_PARAMS_MAX);
	target[LOCI_TARGET_MAX - 1] = 'b';
	assert_int_equal(loci__target_parse(target, &t, NULL), LOCI_E_TOO_LARGE);
	memset(target, 'a', LOCI_TARGET_MAX + 1);
	target[0] = '/';
	target[LOCI_TARGET_MAX] = '\0';
	assert_int_equal(loci__target_parse(target, &t, NULL), 0);
	assert_int_equal(t.path.n, LOCI_TARGET_MAX);
	target[LOCI_TARGET_MAX] = 'a';
	target[LOCI_TARGET_MAX + 1] = '\0';
	assert_int_equal(loci__target_parse(target, &t, NULL), LOCI_E_TOO_LARGE);
	free(target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_paths),       cmocka_unit_test(test_params),
	        cmocka_unit_test(test_bad_queries), cmocka_unit_test(test_param_twice),
	        cmocka_unit_test(test_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "puller/remote.h"

#include <string.h>

static const struct {
	const char *body, *want;
} rows[] = {
        {"{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"manifest unknown\"}]}",
         "MANIFEST_UNKNOWN: manifest unknown"},
        {"{\"errors\":[{\"code\":\"DENIED\"}]}", "DENIED"},
        {"{\"errors\":[{\"message\":\"no\"}]}", "no"},
        /* a terminal must not obey a registry */
        {"{\"errors\":[{\"code\":\"X\",\"message\":\"a\\u001b[2Jb\\nc\"}]}", "X: a [2Jb c"},
        {"{\"errors\":[]}", ""},
        {"{\"errors\":{}}", ""},
        {"{\"errors\":[{\"code\":7}]}", ""},
        {"<html>", ""},
        {"", ""},
};

static void test_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char buf[64];
		loci__remote_error_text(rows[i].body, strlen(rows[i].body), buf, sizeof(buf));
		assert_string_equal(buf, rows[i].want);
	}
}

static void test_cut(void **state)
{
	(void)state;
	const char *body = "{\"errors\":[{\"code\":\"ABCDEF\",\"message\":\"ghijkl\"}]}";
	char buf[8];
	loci__remote_error_text(body, strlen(body), buf, sizeof(buf));
	assert_string_equal(buf, "ABCDEF:");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_texts),
	        cmocka_unit_test(test_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

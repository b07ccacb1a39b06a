/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "unpack/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct loci_path path, other;

static void test_clean(void **state)
{
	(void)state;
	static const struct {
		const char *name, *want; /* NULL: refused */
		unsigned depth;
	} rows[] = {
	        {"a", "a", 1},        {"a/b/c", "a/b/c", 3},
	        {"/a//b/", "a/b", 2}, {"./a/./b/.", "a/b", 2},
	        {"a/../b", "b", 1},   {"a/b/../../c", "c", 1},
	        {"...", "...", 1},    {"..a/b..", "..a/b..", 2},
	        {".", "", 0},         {"/", "", 0},
	        {"a/..", "", 0},      {"", NULL, 0},
	        {"..", NULL, 0},      {"/..", NULL, 0},
	        {"a/../..", NULL, 0}, {"a/../../a", NULL, 0},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char joined[64] = "";
		struct loci_error err = {0};
		int rc = loci__path_clean(&path, rows[i].name, &err);
		if (!rows[i].want) {
			assert_int_equal(rc, LOCI_E_INVALID);
			assert_int_equal(err.code, rc);
			continue;
		}
		assert_int_equal(rc, 0);
		assert_int_equal(path.depth, rows[i].depth);
		assert_int_equal(loci__path_join(&path, path.depth, joined, sizeof(joined)),
		                 rows[i].depth > 0);
		assert_string_equal(joined, rows[i].want);
	}
}

static void test_limits(void **state)
{
	(void)state;
	size_t n = 2 * (LOCI_PATH_MAX_DEPTH + 1);
	char *name = malloc(n + 1);
	for (size_t i = 0; i < n; i++)
		name[i] = i % 2 ? '/' : 'd';
	name[n] = '\0';
	assert_int_equal(loci__path_clean(&path, name, NULL), LOCI_E_TOO_LARGE);
	name[n - 2] = '\0';
	assert_int_equal(loci__path_clean(&path, name, NULL), 0);
	assert_int_equal(path.depth, LOCI_PATH_MAX_DEPTH);
	memset(name, 'x', LOCI_PATH_MAX_NAME + 1);
	name[LOCI_PATH_MAX_NAME + 1] = '\0';
	assert_int_equal(loci__path_clean(&path, name, NULL), LOCI_E_INVALID);
	name[LOCI_PATH_MAX_NAME] = '\0';
	assert_int_equal(loci__path_clean(&path, name, NULL), 0);
	free(name);
}

/* The longest that passes must fit: every component and the depth at their limits. */
static void test_largest(void **state)
{
	(void)state;
	size_t part = LOCI_PATH_MAX_NAME + 1, n = part * LOCI_PATH_MAX_DEPTH;
	char *name = malloc(n);
	memset(name, 'x', n);
	for (size_t i = part - 1; i < n; i += part)
		name[i] = '/';
	name[n - 1] = '\0';
	assert_int_equal(loci__path_clean(&path, name, NULL), 0);
	assert_int_equal(path.end, sizeof(path.text));
	assert_false(loci__path_join(&path, path.depth, name, 4096));
	assert_true(loci__path_join(&path, path.depth, name, n));
	assert_int_equal(strlen(name), n - 1);
	free(name);
}

static void test_common(void **state)
{
	(void)state;
	static const struct {
		const char *a, *b;
		unsigned max, want;
	} rows[] = {
	        {"a/b/c", "a/b/d", 9, 2}, {"a/b/c", "a/b/c/d", 9, 3}, {"a", "b", 9, 0},
	        {"aa/b", "a/ab", 9, 0},   {"a/b/c", "a/b/c", 2, 2},   {"ab/c", "a/bc", 9, 0},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(loci__path_clean(&path, rows[i].a, NULL), 0);
		assert_int_equal(loci__path_clean(&other, rows[i].b, NULL), 0);
		assert_int_equal(loci__path_common(&path, &other, rows[i].max), rows[i].want);
	}
}

static void test_quote(void **state)
{
	(void)state;
	char buf[LOCI_QUOTED_MAX], name[3000];
	assert_string_equal(loci__name_quote(buf, "a/b"), "a/b");
	assert_string_equal(loci__name_quote(buf, "a\n\x1b[m\x7f"), "a\\x0a\\x1b[m\\x7f");
	/* The worst that can come: every byte escaped, with every length. */
	for (size_t n = 0; n < sizeof(name) - 1; n++) {
		memset(name, '\1', n);
		name[n] = '\0';
		assert_true(strlen(loci__name_quote(buf, name)) < sizeof(buf));
	}
	memset(name, 'm', 500);
	memcpy(name, "begin", 5);
	memcpy(name + 495, "final", 6);
	loci__name_quote(buf, name);
	assert_memory_equal(buf, "begin", 5);
	assert_string_equal(buf + strlen(buf) - 5, "final");
	assert_non_null(strstr(buf, "..."));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_clean),   cmocka_unit_test(test_limits),
	        cmocka_unit_test(test_largest), cmocka_unit_test(test_common),
	        cmocka_unit_test(test_quote),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

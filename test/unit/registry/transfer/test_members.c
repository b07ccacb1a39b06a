/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "registry/transfer/members.h"

#include <string.h>

static void test_names(void **state)
{
	static const struct {
		const char *given, *name; /* NULL: refused */
	} rows[] = {
	        {"a", "a"},     {"./a/b", "a/b"}, {"a//b", "a/b"},  {"a/./b/", "a/b"},
	        {"", ""},       {".", ""},        {"...", "..."},   {"a/..b", "a/..b"},
	        {"/a", NULL},   {"..", NULL},     {"a/../b", NULL}, {"a/..", NULL},
	        {"../a", NULL},
	};
	char name[LOCI_MEMBER_NAME_MAX], long_one[LOCI_MEMBER_NAME_MAX + 1];
	struct loci_error err;
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int rc = loci__member_name(rows[i].given, name, &err);
		if ((rc == 0) != (rows[i].name != NULL))
			fail_msg("'%s': %d", rows[i].given, rc);
		if (rc == 0)
			assert_string_equal(name, rows[i].name);
	}
	memset(long_one, 'x', sizeof(long_one) - 1);
	long_one[LOCI_MEMBER_NAME_MAX] = '\0';
	assert_int_equal(loci__member_name(long_one, name, &err), LOCI_E_INVALID);
}

static struct loci__saved_file file_of(uint64_t size)
{
	return (struct loci__saved_file){.size = size};
}

static void add_file(struct loci__members *m, const char *name, uint64_t size)
{
	struct loci__saved_file f = file_of(size);
	assert_int_equal(loci__members_add_file(m, name, &f, NULL), 0);
}

/* The size of what a path leads to, or the code. */
static int64_t find(const struct loci__members *m, const char *path)
{
	struct loci__saved_file f;
	int rc = loci__members_find(m, path, &f, NULL);
	return rc < 0 ? rc : (int64_t)f.size;
}

static void test_links(void **state)
{
	struct loci__members m;
	(void)state;
	loci__members_init(&m);
	add_file(&m, "a/layer.tar", 1);
	add_file(&m, "z", 2);
	add_file(&m, "z", 3);
	assert_int_equal(loci__members_add_link(&m, "b/layer.tar", "../a/layer.tar", false, NULL),
	                 0);
	assert_int_equal(loci__members_add_link(&m, "c", "b/layer.tar", false, NULL), 0);
	assert_int_equal(loci__members_add_link(&m, "d/e", "z", true, NULL), 0);
	assert_int_equal(loci__members_add_link(&m, "d/f", "z", false, NULL), 0);
	assert_int_equal(loci__members_add_link(&m, "loop", "loop", false, NULL), 0);
	assert_int_equal(loci__members_add_link(&m, "out", "../x", false, NULL), LOCI_E_INVALID);
	assert_int_equal(loci__members_add_link(&m, "a/out", "../../x", false, NULL),
	                 LOCI_E_INVALID);
	assert_int_equal(loci__members_add_link(&m, "abs", "/etc/passwd", false, NULL),
	                 LOCI_E_INVALID);
	assert_int_equal(loci__members_add_link(&m, "hard", "../x", true, NULL), LOCI_E_INVALID);
	loci__members_sort(&m);
	assert_int_equal(find(&m, "a/layer.tar"), 1);
	assert_int_equal(find(&m, "./b//layer.tar"), 1);
	assert_int_equal(find(&m, "c"), 1);
	assert_int_equal(find(&m, "z"), 3); /* the later one */
	assert_int_equal(find(&m, "d/e"), 3);
	assert_int_equal(find(&m, "d/f"), LOCI_E_NOT_FOUND);
	assert_int_equal(find(&m, "loop"), LOCI_E_INVALID);
	assert_int_equal(find(&m, "nothing"), LOCI_E_NOT_FOUND);
	assert_int_equal(find(&m, "../a"), LOCI_E_INVALID);
	loci__members_done(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_names),
	                                   cmocka_unit_test(test_links)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

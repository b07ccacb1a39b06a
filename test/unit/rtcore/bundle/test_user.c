/* SPDX-License-Identifier: Apache-2.0 */
/* image-spec config.md "User", conversion.md "Config.User" */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "rtcore/bundle/user.h"

#include <string.h>

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
                             "# a comment\n"
                             "broken line\n"
                             "bad:x:many:0::/bad:/bin/sh\n"
                             "neg:x:-1:0::/neg:/bin/sh\n"
                             "huge:x:4294967295:0::/huge:/bin/sh\n"
                             "alice:x:1000:1001:Alice:/home/alice:/bin/sh\n"
                             "7:x:2000:2000::/seven:/bin/sh\n"
                             "bob:x:1002:1002:Bob:/home/bob:"; /* no line end */
static const char group[] = "root:x:0:\nwheel:x:10:alice,bob\nalice:x:1001:\naudio:x:29:alice\n"
                            "almost:x:30:alice2,malice\nbad:x:x:alice\nbob:x:1002:\nlast:x:99:bob";

static int resolve(const char *spec, struct loci__user *u, struct loci_error *err)
{
	return loci__user_resolve(spec, (struct loci_slice){passwd, sizeof(passwd) - 1},
	                          (struct loci_slice){group, sizeof(group) - 1}, u, err);
}

static void forms(void **state)
{
	(void)state;
	static const struct {
		const char *spec;
		uint32_t uid, gid;
		size_t n_groups;
		uint32_t groups[3];
		const char *home;
	} rows[] = {
	        {NULL, 0, 0, 0, {0}, "/root"},
	        {"", 0, 0, 0, {0}, "/root"},
	        {"root", 0, 0, 0, {0}, "/root"},
	        {"0", 0, 0, 0, {0}, "/root"},
	        {"alice", 1000, 1001, 2, {10, 29}, "/home/alice"},
	        {"1000", 1000, 1001, 2, {10, 29}, "/home/alice"},
	        {"alice:", 1000, 1001, 2, {10, 29}, "/home/alice"},
	        {"bob", 1002, 1002, 2, {10, 99}, "/home/bob"},
	        {"alice:audio", 1000, 29, 0, {0}, "/home/alice"},
	        {"alice:555", 1000, 555, 0, {0}, "/home/alice"},
	        {"5000", 5000, 0, 0, {0}, ""},
	        {"5000:wheel", 5000, 10, 0, {0}, ""},
	        {"5000:6000", 5000, 6000, 0, {0}, ""},
	        {":wheel", 0, 10, 0, {0}, "/root"},
	        {"7", 2000, 2000, 0, {0}, "/seven"}, /* a name that looks like a number */
	        {"4294967294", 4294967294u, 0, 0, {0}, ""},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct loci__user u;
		struct loci_error err;
		if (resolve(rows[i].spec, &u, &err) < 0)
			fail_msg("%s: %s", rows[i].spec, err.msg);
		assert_int_equal(u.uid, rows[i].uid);
		assert_int_equal(u.gid, rows[i].gid);
		assert_string_equal(u.home, rows[i].home);
		assert_int_equal(u.n_groups, rows[i].n_groups);
		assert_memory_equal(u.groups, rows[i].groups, u.n_groups * sizeof(u.groups[0]));
	}
}

static void refused(void **state)
{
	(void)state;
	static const struct {
		const char *spec;
		int expected;
	} rows[] = {
	        {"nobody", LOCI_E_NOT_FOUND},      {"alice:nogroup", LOCI_E_NOT_FOUND},
	        {"bad", LOCI_E_NOT_FOUND},         {"neg", LOCI_E_NOT_FOUND},
	        {"huge", LOCI_E_NOT_FOUND},        {"-1", LOCI_E_NOT_FOUND},
	        {"4294967295", LOCI_E_NOT_FOUND},  {"0:4294967295", LOCI_E_NOT_FOUND},
	        {"broken line", LOCI_E_NOT_FOUND}, {"alice:audio:x", LOCI_E_NOT_FOUND},
	        {"Alice", LOCI_E_NOT_FOUND},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct loci__user u;
		struct loci_error err;
		if (resolve(rows[i].spec, &u, &err) != rows[i].expected)
			fail_msg("%s", rows[i].spec);
	}
}

static void an_image_without_account_files(void **state)
{
	(void)state;
	struct loci__user u;
	struct loci_error err;
	struct loci_slice none = {"", 0};
	assert_int_equal(loci__user_resolve(NULL, none, none, &u, &err), 0);
	assert_int_equal(u.uid + u.gid, 0);
	assert_string_equal(u.home, "");
	assert_int_equal(loci__user_resolve("65534:65534", none, none, &u, &err), 0);
	assert_int_equal(u.uid, 65534);
	assert_int_equal(loci__user_resolve("root", none, none, &u, &err), LOCI_E_NOT_FOUND);
	assert_non_null(strstr(err.msg, "root"));
}

static void groups_have_a_maximum(void **state)
{
	(void)state;
	static char text[LOCI_USER_GROUPS_MAX * 16 + 64];
	size_t n = 0;
	for (int i = 0; i <= LOCI_USER_GROUPS_MAX; i++) {
		memcpy(text + n, "g:x:7:alice\n", 12);
		n += 12;
	}
	struct loci__user u;
	struct loci_error err;
	struct loci_slice p = {passwd, sizeof(passwd) - 1};
	assert_int_equal(loci__user_resolve("alice", p, (struct loci_slice){text, n}, &u, &err),
	                 LOCI_E_TOO_LARGE);
	assert_int_equal(
	        loci__user_resolve("alice", p, (struct loci_slice){text, n - 12}, &u, &err), 0);
	assert_int_equal(u.n_groups, LOCI_USER_GROUPS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(forms),
	        cmocka_unit_test(refused),
	        cmocka_unit_test(an_image_without_account_files),
	        cmocka_unit_test(groups_have_a_maximum),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

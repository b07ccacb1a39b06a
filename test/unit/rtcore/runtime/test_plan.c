/* SPDX-License-Identifier: Apache-2.0 */
/* Plans against golden files: test/data/runtime/plan/NAME.json gives NAME.plan. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/fs.h"
#include "rtcore/runtime/plan.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static int plan_text_with(enum loci_cgroup_manager manager, const char *json, size_t n,
                          const struct loci_create_opts *o, struct loci_buf *out,
                          struct loci_error *err)
{
	struct loci__runtime_config c;
	struct loci__plan p;
	struct loci_buf warn = LOCI_BUF_INIT(1 << 16);
	int rc = loci__runtime_config_parse(json, n, &c, err);
	if (rc < 0)
		return rc;
	rc = loci__plan_make(&c, "test", o, manager, &warn, &p, err);
	if (rc >= 0) {
		rc = loci__plan_print(&p, out, err);
		if (warn.p)
			loci__buf_printf(out, "warnings:\n%s", warn.p);
		loci__plan_done(&p);
	}
	loci__buf_done(&warn);
	loci__runtime_config_done(&c);
	return rc;
}

static int plan_text(const char *json, size_t n, const struct loci_create_opts *o,
                     struct loci_buf *out, struct loci_error *err)
{
	return plan_text_with(LOCI_CGROUP_FS, json, n, o, out, err);
}

static char *read_data(const char *name, const char *suffix)
{
	char path[512], *text;
	struct loci_error err;
	snprintf(path, sizeof(path), "%s/runtime/plan/%s%s", LOCI_TEST_DATA, name, suffix);
	if (loci__read_file(AT_FDCWD, path, 1 << 20, &text, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	return text;
}

static void check_golden(const char *name, const struct loci_create_opts *o)
{
	struct loci_buf out = LOCI_BUF_INIT(1 << 20);
	struct loci_error err;
	char *json = read_data(name, ".json"), *expected = read_data(name, ".plan");
	if (plan_text(json, strlen(json), o, &out, &err) < 0)
		fail_msg("%s: %s", name, err.msg);
	assert_string_equal(out.p, expected);
	loci__buf_done(&out);
	free(json);
	free(expected);
}

static void test_golden(void **state)
{
	(void)state;
	struct loci_create_opts plain = {.struct_size = sizeof(plain)};
	struct loci_create_opts overlay = {.struct_size = sizeof(overlay),
	                                   .n_overlay_lower_fds = 1,
	                                   .listen_fds = 2,
	                                   .preserve_fds = 2,
	                                   .flags = LOCI_CREATE_NO_PIVOT};
	check_golden("minimal", &plain);
	check_golden("typical", &plain);
	check_golden("everything", &overlay);
}

#define BASE "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"r\"},"
#define NS   "\"namespaces\":[{\"type\":\"mount\"}"
static const struct {
	const char *json;
	int code;
	const char *says;
} bad[] = {
        {BASE "\"linux\":{}}", LOCI_E_UNSUPPORTED, "mount namespace"},
        {BASE "\"linux\":{" NS ",{\"type\":\"mount\"}]}}", LOCI_E_INVALID, "namespaces[1]"},
        {BASE "\"linux\":{" NS ",{\"type\":\"user\"}]}}", LOCI_E_UNSUPPORTED, "'user'"},
        {BASE "\"linux\":{" NS ",{\"type\":\"time\"}]}}", LOCI_E_UNSUPPORTED, "'time'"},
        {BASE "\"linux\":{" NS ",{\"type\":\"space\"}]}}", LOCI_E_INVALID, "'space'"},
        {BASE "\"linux\":{" NS ",{\"type\":\"pid\",\"path\":\"rel\"}]}}", LOCI_E_INVALID,
         "not absolute"},
        {BASE "\"hostname\":\"h\",\"linux\":{" NS "]}}", LOCI_E_INVALID, "$.hostname"},
        {BASE "\"mounts\":[{\"destination\":\"/../\",\"type\":\"tmpfs\"}],\"linux\":{" NS "]}}",
         LOCI_E_INVALID, "$.mounts[0].destination"},
        {BASE "\"mounts\":[{\"destination\":\"/a\"}],\"linux\":{" NS "]}}", LOCI_E_INVALID,
         "$.mounts[0].type"},
        {BASE "\"mounts\":[{\"destination\":\"/a\",\"options\":[\"bind\"]}],\"linux\":{" NS "]}}",
         LOCI_E_INVALID, "$.mounts[0].source"},
        {BASE "\"linux\":{" NS "],\"sysctl\":{\"net.ipv4.ip_forward\":\"1\"}}}", LOCI_E_INVALID,
         "needs a network namespace"},
        {BASE "\"linux\":{" NS "],\"sysctl\":{\"kernel.core_pattern\":\"|x\"}}}", LOCI_E_INVALID,
         "belongs to no namespace"},
        {BASE "\"linux\":{" NS
              ",{\"type\":\"network\"}],\"sysctl\":{\"net/../kernel/core_pattern\":\"x\"}}}",
         LOCI_E_INVALID, "is no name"},
        {BASE "\"linux\":{" NS "],\"maskedPaths\":[\"proc\"]}}", LOCI_E_INVALID, "maskedPaths[0]"},
        {BASE "\"linux\":{" NS "],\"cgroupsPath\":\"/a/../../b\"}}", LOCI_E_INVALID,
         "$.linux.cgroupsPath"},
        {BASE "\"linux\":{" NS "],\"cgroupsPath\":\"system.slice:docker:1\"}}", LOCI_E_UNSUPPORTED,
         "'system.slice:docker:1' is the form slice:prefix:name"},
        {BASE "\"linux\":{" NS "],\"cgroupsPath\":\":a:b\"}}", LOCI_E_UNSUPPORTED, "systemd"},
        {BASE "\"linux\":{" NS "],\"rootfsPropagation\":\"loud\"}}", LOCI_E_INVALID,
         "$.linux.rootfsPropagation"},
        {BASE "\"process\":{\"cwd\":\"/\",\"args\":[\"a\"],\"env\":[\"NO\"]},\"linux\":{" NS "]}}",
         LOCI_E_INVALID, "$.process.env[0]"},
        {BASE "\"process\":{\"cwd\":\"/\",\"args\":[\"a\"],\"rlimits\":[{\"type\":\"RLIMIT_X\","
              "\"soft\":1,\"hard\":1}]},\"linux\":{" NS "]}}",
         LOCI_E_INVALID, "rlimits[0]"},
        {BASE "\"process\":{\"cwd\":\"/\",\"args\":[\"a\"],\"rlimits\":[{\"type\":\"RLIMIT_CORE\","
              "\"soft\":1,\"hard\":1},{\"type\":\"RLIMIT_CORE\",\"soft\":1,\"hard\":1}]},"
              "\"linux\":{" NS "]}}",
         LOCI_E_INVALID, "rlimits[1]"},
};

static void test_bad(void **state)
{
	(void)state;
	struct loci_create_opts o = {.struct_size = sizeof(o)};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct loci_buf out = LOCI_BUF_INIT(1 << 20);
		struct loci_error err = {0};
		int rc = plan_text(bad[i].json, strlen(bad[i].json), &o, &out, &err);
		if (rc != bad[i].code || !strstr(err.msg, bad[i].says))
			fail_msg("%s: %d '%s'", bad[i].json, rc, err.msg);
		loci__buf_done(&out);
	}
}

/* Without cgroups a limit cannot be kept: it is refused, not forgotten. */
static void test_limits_without_cgroups(void **state)
{
	static const struct {
		const char *resources;
		int code;
	} rows[] = {
	        {"{}", 0},
	        {"{\"pids\":{\"limit\":5}}", LOCI_E_INVALID},
	        {"{\"memory\":{\"swappiness\":1}}", LOCI_E_INVALID}, /* of version 1 alone */
	        {"{\"unified\":{\"pids.max\":\"5\"}}", LOCI_E_INVALID},
	        {"{\"devices\":[{\"allow\":false}]}", LOCI_E_INVALID},
	};
	(void)state;
	struct loci_create_opts o = {.struct_size = sizeof(o)};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct loci_buf json = LOCI_BUF_INIT(4096), out = LOCI_BUF_INIT(1 << 20);
		struct loci_error err = {0};
		loci__buf_printf(&json, BASE "\"linux\":{" NS "],\"resources\":%s}}",
		                 rows[i].resources);
		int rc = plan_text_with(LOCI_CGROUP_DISABLED, json.p, json.len, &o, &out, &err);
		if (rc != rows[i].code)
			fail_msg("%s: %d '%s'", rows[i].resources, rc, err.msg);
		loci__buf_done(&json);
		loci__buf_done(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_golden),
	        cmocka_unit_test(test_bad),
	        cmocka_unit_test(test_limits_without_cgroups),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

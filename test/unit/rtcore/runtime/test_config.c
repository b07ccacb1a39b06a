/* SPDX-License-Identifier: Apache-2.0 */
/* config.json as data: what is read, what is refused and how the error says where. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/spec/runtime_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BASE "\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"rootfs\"}"

static void test_everything_read(void **state)
{
	(void)state;
	static const char text[] =
	        "{" BASE ",\"hostname\":\"h\",\"annotations\":{\"b\":\"2\",\"a\":\"1\"},"
	        "\"unknown\":{\"is\":\"ignored\"},"
	        "\"process\":{\"args\":[\"a\",\"b\"],\"cwd\":\"/x\",\"env\":[\"K=V\"],"
	        "\"user\":{\"uid\":1,\"gid\":2,\"umask\":18,\"additionalGids\":[5,6]},"
	        "\"rlimits\":[{\"type\":\"RLIMIT_CORE\",\"soft\":0,\"hard\":18446744073709551615}],"
	        "\"capabilities\":{\"bounding\":[\"CAP_KILL\"]},\"oomScoreAdj\":-5},"
	        "\"hooks\":{\"poststop\":[{\"path\":\"/h\",\"args\":[\"h\",\"x\"],\"timeout\":3}]},"
	        "\"linux\":{\"resources\":{\"memory\":{\"limit\":-1},\"devices\":[{\"allow\":"
	        "false}]},\"maskedPaths\":[\"/proc/kcore\"],\"uidMappings\":[],"
	        "\"sysctl\":{\"net.ipv4.ip_forward\":\"1\"}}}";
	struct loci__runtime_config c;
	struct loci_error err;
	if (loci__runtime_config_parse(text, strlen(text), &c, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(c.root_path, "rootfs");
	assert_string_equal(c.hostname, "h");
	assert_int_equal(c.annotations.n, 2);
	assert_string_equal(c.annotations.v[0].key, "b");
	assert_int_equal(c.args.n, 2);
	assert_null(c.args.v[2]);
	assert_int_equal(c.uid, 1);
	assert_int_equal(c.n_additional_gids, 2);
	assert_int_equal(c.additional_gids[1], 6);
	assert_true(c.rlimits[0].hard == UINT64_MAX);
	assert_int_equal(c.oom_score_adj.v, -5);
	assert_string_equal(c.capabilities[0].v[0], "CAP_KILL");
	assert_int_equal(c.poststop.v[0].timeout, 3);
	assert_int_equal(c.resources.memory_limit.v, -1);
	assert_string_equal(c.resources.devices[0].type, "a");
	assert_string_equal(c.resources.devices[0].access, "rwm");
	assert_string_equal(c.sysctl.v[0].value, "1");
	loci__runtime_config_done(&c);
}

static const struct {
	const char *json;
	int code;
	const char *says;
} bad[] = {
        {"{", LOCI_E_INVALID, "config.json: line 1"},
        {"[]", LOCI_E_INVALID, "$: expected an object"},
        {"{\"root\":{\"path\":\"r\"}}", LOCI_E_INVALID, "$.ociVersion: is required"},
        {"{\"ociVersion\":\"1.0.0\"}", LOCI_E_INVALID, "$.root: is required"},
        {"{\"ociVersion\":\"one\",\"root\":{\"path\":\"r\"}}", LOCI_E_INVALID, "$.ociVersion"},
        {"{\"ociVersion\":\"2.0.0\",\"root\":{\"path\":\"r\"}}", LOCI_E_UNSUPPORTED,
         "$.ociVersion"},
        {"{" BASE ",\"mounts\":[{\"destination\":\"/a\"},{}]}", LOCI_E_INVALID,
         "$.mounts[1].destination: is required"},
        {"{" BASE ",\"process\":{\"cwd\":\"/\"}}", LOCI_E_INVALID, "$.process.args"},
        {"{" BASE ",\"process\":{\"cwd\":\"/\",\"args\":[]}}", LOCI_E_INVALID, "$.process"},
        {"{" BASE ",\"process\":{\"cwd\":\"x\",\"args\":[\"a\"]}}", LOCI_E_INVALID, "cwd 'x'"},
        {"{" BASE ",\"process\":{\"cwd\":\"/\",\"args\":[\"a\"],\"user\":{\"uid\":4294967296}}}",
         LOCI_E_INVALID, "$.process.user.uid"},
        {"{" BASE ",\"process\":{\"cwd\":\"/\",\"args\":[\"a\"],\"user\":{\"uid\":-1}}}",
         LOCI_E_INVALID, "$.process.user.uid"},
        {"{" BASE ",\"process\":{\"cwd\":\"/\",\"args\":[\"a\"],\"apparmorProfile\":\"p\"}}",
         LOCI_E_UNSUPPORTED, "$.process.apparmorProfile"},
        {"{" BASE ",\"linux\":{\"intelRdt\":{\"closID\":\"x\"}}}", LOCI_E_UNSUPPORTED,
         "$.linux.intelRdt"},
        {"{" BASE ",\"linux\":{\"timeOffsets\":{\"boottime\":{\"secs\":1}}}}", LOCI_E_UNSUPPORTED,
         "$.linux.timeOffsets"},
        {"{" BASE ",\"linux\":{\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\","
         "\"listenerPath\":\"/s\"}}}",
         LOCI_E_UNSUPPORTED, "$.linux.seccomp.listenerPath"},
        {"{" BASE ",\"vm\":{\"kernel\":{}}}", LOCI_E_UNSUPPORTED, "$.vm"},
        {"{" BASE ",\"hooks\":{\"prestart\":[{\"path\":\"rel\"}]}}", LOCI_E_INVALID,
         "$.hooks.prestart[0]"},
        {"{" BASE ",\"hooks\":{\"prestart\":[{\"path\":\"/h\",\"timeout\":0}]}}", LOCI_E_INVALID,
         "$.hooks.prestart[0].timeout"},
        {"{" BASE ",\"linux\":{\"devices\":[{\"type\":\"x\",\"path\":\"/dev/x\"}]}}",
         LOCI_E_INVALID, "$.linux.devices[0]"},
        {"{" BASE ",\"linux\":{\"resources\":{\"devices\":[{\"allow\":true,\"access\":\"rq\"}]}}}",
         LOCI_E_INVALID, "$.linux.resources.devices[0]"},
        {"{" BASE ",\"linux\":{\"resources\":{\"hugepageLimits\":[{\"pageSize\":\"../x\","
         "\"limit\":1}]}}}",
         LOCI_E_INVALID, "hugepageLimits[0]"},
        {"{" BASE ",\"linux\":{\"resources\":{\"pids\":{\"limit\":\"many\"}}}}", LOCI_E_INVALID,
         "$.linux.resources.pids.limit"},
        {"{" BASE "," BASE "}", LOCI_E_INVALID, "duplicate"},
};

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct loci__runtime_config c;
		struct loci_error err = {0};
		int rc = loci__runtime_config_parse(bad[i].json, strlen(bad[i].json), &c, &err);
		if (rc != bad[i].code || !strstr(err.msg, bad[i].says))
			fail_msg("%s: %d '%s'", bad[i].json, rc, err.msg);
	}
}

static void test_limits(void **state)
{
	(void)state;
	struct loci__runtime_config c;
	struct loci_error err;
	size_t n = LOCI_RUNTIME_CONFIG_MAX_BYTES + 1;
	char *big = malloc(n);
	memset(big, ' ', n);
	assert_int_equal(loci__runtime_config_parse(big, n, &c, &err), LOCI_E_TOO_LARGE);
	size_t len =
	        (size_t)snprintf(big, n, "{" BASE ",\"process\":{\"cwd\":\"/\",\"args\":[\"a\"");
	for (int i = 0; i < LOCI_RUNTIME_CONFIG_LIST_MAX; i++)
		len += (size_t)snprintf(big + len, n - len, ",\"a\"");
	len += (size_t)snprintf(big + len, n - len, "]}}");
	assert_int_equal(loci__runtime_config_parse(big, len, &c, &err), LOCI_E_INVALID);
	assert_non_null(strstr(err.msg, "$.process.args"));
	free(big);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_everything_read),
	        cmocka_unit_test(test_bad),
	        cmocka_unit_test(test_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

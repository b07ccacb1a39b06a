/* SPDX-License-Identifier: Apache-2.0 */
/* image-spec config.md */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "loci/image_config.h"

#include <string.h>

#define HEX    "5b0bcabd1ed22e9fb1310cf6c2dec7cdef19f0ad69efa1f392e94a4333501270"
#define BASE   "\"os\":\"linux\",\"architecture\":\"amd64\""
#define ROOTFS "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:" HEX "\"]}"

static int parse(const char *json, struct loci_image_config **c, struct loci_error *err)
{
	*c = NULL;
	return loci_image_config_parse(json, strlen(json), c, err);
}

/* The example of config.md, shortened. */
static void the_specs_example(void **state)
{
	(void)state;
	static const char json[] =
	        "{\"created\":\"2015-10-31T22:22:56.015925234Z\","
	        "\"author\":\"Alyssa P. Hacker <alyspdev@example.com>\"," BASE ","
	        "\"config\":{\"User\":\"alice\","
	        "\"ExposedPorts\":{\"8080/tcp\":{},\"53/udp\":{}},"
	        "\"Env\":[\"PATH=/usr/local/sbin:/bin\",\"FOO=oci_is_a\"],"
	        "\"Entrypoint\":[\"/bin/my-app-binary\"],"
	        "\"Cmd\":[\"--foreground\",\"--config\",\"/etc/my-app.d/default.cfg\"],"
	        "\"Volumes\":{\"/var/job-result-data\":{},\"/var/log/my-app-logs\":{}},"
	        "\"StopSignal\":\"SIGKILL\",\"WorkingDir\":\"/home/alice\","
	        "\"Labels\":{\"com.example.project.git.url\":\"https://example.com/p.git\"}},"
	        "\"rootfs\":{\"diff_ids\":[\"sha256:" HEX "\",\"sha256:" HEX "\"],"
	        "\"type\":\"layers\"},"
	        "\"history\":[{\"created\":\"x\",\"empty_layer\":true}]}";
	struct loci_image_config *c;
	struct loci_error err;
	if (parse(json, &c, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(c->platform.os, "linux");
	assert_string_equal(c->platform.arch, "amd64");
	assert_null(c->platform.variant);
	assert_string_equal(c->user, "alice");
	assert_string_equal(c->working_dir, "/home/alice");
	assert_string_equal(c->stop_signal, "SIGKILL");
	assert_int_equal(c->n_env, 2);
	assert_string_equal(c->env[1], "FOO=oci_is_a");
	assert_int_equal(c->n_entrypoint, 1);
	assert_int_equal(c->n_cmd, 3);
	assert_string_equal(c->cmd[2], "/etc/my-app.d/default.cfg");
	assert_int_equal(c->n_exposed_ports, 2);
	assert_string_equal(c->exposed_ports[0], "8080/tcp");
	assert_int_equal(c->n_volumes, 2);
	assert_string_equal(c->volumes[1], "/var/log/my-app-logs");
	assert_int_equal(c->n_labels, 1);
	assert_string_equal(c->labels[0].value, "https://example.com/p.git");
	assert_string_equal(c->created, "2015-10-31T22:22:56.015925234Z");
	assert_non_null(c->author);
	assert_int_equal(c->n_diff_ids, 2);
	assert_int_equal(c->diff_ids[1].bytes[0], 0x5b);
	loci_image_config_free(c);
	loci_image_config_free(NULL);
}

static void optional_fields_may_be_null_or_missing(void **state)
{
	(void)state;
	static const char *const rows[] = {
	        "{" BASE "," ROOTFS "}",
	        "{" BASE "," ROOTFS ",\"config\":null,\"author\":null,\"created\":null}",
	        "{" BASE "," ROOTFS ",\"config\":{}}",
	        "{" BASE "," ROOTFS ",\"config\":{\"User\":\"\",\"Env\":null,\"Cmd\":null,"
	        "\"Entrypoint\":null,\"Volumes\":null,\"Labels\":null,\"WorkingDir\":\"\","
	        "\"ExposedPorts\":null,\"StopSignal\":null,\"Memory\":1,\"Healthcheck\":{}}}",
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct loci_image_config *c;
		struct loci_error err;
		if (parse(rows[i], &c, &err) < 0)
			fail_msg("%s", err.msg);
		assert_null(c->user);
		assert_null(c->working_dir);
		assert_null(c->stop_signal);
		assert_null(c->author);
		assert_int_equal(c->n_env + c->n_cmd + c->n_entrypoint + c->n_volumes +
		                         c->n_labels + c->n_exposed_ports,
		                 0);
		loci_image_config_free(c);
	}
}

static void no_layers(void **state)
{
	(void)state;
	struct loci_image_config *c;
	struct loci_error err;
	assert_int_equal(
	        parse("{" BASE ",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":null}}", &c, &err),
	        0);
	assert_int_equal(c->n_diff_ids, 0);
	loci_image_config_free(c);
}

static void refused(void **state)
{
	(void)state;
	static const struct {
		const char *json, *says;
	} rows[] = {
	        {"", "line 1"},
	        {"[]", "$: expected an object"},
	        {"{\"os\":\"linux\"," ROOTFS "}", "$.architecture"},
	        {"{\"architecture\":\"amd64\"," ROOTFS "}", "$.os"},
	        {"{" BASE "}", "$.rootfs"},
	        {"{" BASE ",\"rootfs\":{\"type\":\"layers+base\",\"diff_ids\":[]}}",
	         "$.rootfs.type"},
	        {"{" BASE ",\"rootfs\":{\"diff_ids\":[]}}", "$.rootfs.type"},
	        {"{" BASE ",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:../x\"]}}",
	         "$.rootfs.diff_ids[0]"},
	        {"{" BASE ",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[7]}}",
	         "$.rootfs.diff_ids[0]"},
	        {"{" BASE "," ROOTFS ",\"config\":[]}", "$.config"},
	        {"{" BASE "," ROOTFS ",\"config\":{\"Env\":\"A=b\"}}", "$.config.Env"},
	        {"{" BASE "," ROOTFS ",\"config\":{\"Cmd\":[1]}}", "$.config.Cmd[0]"},
	        {"{" BASE "," ROOTFS ",\"config\":{\"Volumes\":[]}}", "$.config.Volumes"},
	        {"{" BASE "," ROOTFS ",\"config\":{\"Labels\":{\"a\":1}}}", "$.config.Labels.a"},
	        {"{" BASE "," ROOTFS ",\"config\":{\"User\":0}}", "$.config.User"},
	        {"{" BASE "," ROOTFS ",\"config\":{\"User\":\"a\\u0000b\"}}", "line 1"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct loci_image_config *c;
		struct loci_error err;
		int rc = parse(rows[i].json, &c, &err);
		if (rc != LOCI_E_INVALID || !strstr(err.msg, rows[i].says))
			fail_msg("%zu: %s: %s", i, loci_code_name(rc), err.msg);
		assert_int_equal(strncmp(err.msg, "image config: ", 14), 0);
		assert_null(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_specs_example),
	        cmocka_unit_test(optional_fields_may_be_null_or_missing),
	        cmocka_unit_test(no_layers),
	        cmocka_unit_test(refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "puller/cred_helper.h"
#include "puller/docker_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- keys ---- */

static const struct {
	const char *key, *host; /* NULL: not a whole host */
} keys[] = {
        {"https://index.docker.io/v1/", "docker.io"},
        {"index.docker.io", "docker.io"},
        {"registry-1.docker.io", "docker.io"},
        {"docker.io", "docker.io"},
        {"https://quay.io", "quay.io"},
        {"http://localhost:5000/", "localhost:5000"},
        {"https://r.example/v2/", "r.example"},
        {"HTTPS://r.example/v1", "r.example"},
        {"quay.io/team", NULL},
        {"https://r.example/v1/team", NULL},
        {"", NULL},
        {"https://", NULL},
};

static void test_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		char host[256] = "";
		bool is_host = loci__docker_config_key_host(keys[i].key, host, sizeof(host));
		assert_int_equal(is_host, keys[i].host != NULL);
		if (keys[i].host)
			assert_string_equal(host, keys[i].host);
	}
}

/* ---- entries ---- */

static int look_up(const char *json, const char *host, char *user, char *secret,
                   struct loci_error *err)
{
	struct loci_docker_config *c;
	int rc = loci__docker_config_parse("config.json", json, strlen(json), &c, err);
	if (rc < 0)
		return rc;
	rc = loci_docker_config_cred(c, host, user, 64, secret, 64, err);
	loci_docker_config_free(c);
	return rc;
}

static const struct {
	const char *json, *host;
	int rc;
	const char *user, *secret;
} entries[] = {
        {"{}", "r.example", LOCI_E_NOT_FOUND, NULL, NULL},
        {"{\"auths\":{}}", "r.example", LOCI_E_NOT_FOUND, NULL, NULL},
        {"{\"auths\":{\"r.example\":{}}}", "r.example", LOCI_E_NOT_FOUND, NULL, NULL},
        {"{\"auths\":{\"r.example\":{\"auth\":\"dTpw\"}}}", "r.example", 0, "u", "p"},
        {"{\"auths\":{\"r.example\":{\"auth\":\"dTpw\"}}}", "r.example:443", LOCI_E_NOT_FOUND, NULL,
         NULL},
        {"{\"auths\":{\"https://r.example/v2/\":{\"auth\":\"dTpw\"}}}", "r.example", 0, "u", "p"},
        {"{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"dTpw\"}}}", "docker.io", 0, "u",
         "p"},
        /* a part of a host is not the host */
        {"{\"auths\":{\"r.example/team\":{\"auth\":\"dTpw\"}}}", "r.example", LOCI_E_NOT_FOUND,
         NULL, NULL},
        /* "u:a:b": only the first colon parts */
        {"{\"auths\":{\"r.example\":{\"auth\":\"dTphOmI=\"}}}", "r.example", 0, "u", "a:b"},
        {"{\"auths\":{\"r.example\":{\"username\":\"n\",\"password\":\"w\"}}}", "r.example", 0, "n",
         "w"},
        {"{\"auths\":{\"r.example\":{\"auth\":\"dTpw\",\"identitytoken\":\"t0\"}}}", "r.example", 0,
         "<token>", "t0"},
        {"{\"auths\":{\"r.example\":{\"auth\":\"not base64\"}}}", "r.example", LOCI_E_INVALID, NULL,
         NULL},
        {"{\"auths\":{\"r.example\":{\"auth\":\"dQ==\"}}}", "r.example", LOCI_E_INVALID, NULL,
         NULL}, /* no colon */
        {"{\"auths\":{\"r.example\":{\"auth\":1}}}", "r.example", LOCI_E_INVALID, NULL, NULL},
        {"{\"auths\":{\"r.example\":[]}}", "r.example", LOCI_E_INVALID, NULL, NULL},
        {"[]", "r.example", LOCI_E_INVALID, NULL, NULL},
        {"{", "r.example", LOCI_E_INVALID, NULL, NULL},
        {"{\"credsStore\":\"../evil\"}", "r.example", LOCI_E_INVALID, NULL, NULL},
        {"{\"credsStore\":\"no-such-helper-here\"}", "r.example", LOCI_E_SYS, NULL, NULL},
        {"{\"credHelpers\":{\"other.example\":\"../evil\"}}", "r.example", LOCI_E_NOT_FOUND, NULL,
         NULL},
};

static void test_entries(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		char user[64] = "", secret[64] = "";
		struct loci_error err = {0};
		int rc = look_up(entries[i].json, entries[i].host, user, secret, &err);
		if (rc != entries[i].rc)
			fail_msg("%s: %d %s", entries[i].json, rc, err.msg);
		if (rc < 0)
			continue;
		assert_string_equal(user, entries[i].user);
		assert_string_equal(secret, entries[i].secret);
	}
}

static void test_too_long_is_no_overflow(void **state)
{
	(void)state;
	char json[512], name[128], user[64], secret[64];
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	snprintf(json, sizeof(json), "{\"auths\":{\"r\":{\"username\":\"%s\",\"password\":\"p\"}}}",
	         name);
	assert_int_equal(look_up(json, "r", user, secret, NULL), LOCI_E_TOO_LARGE);
}

static void test_open(void **state)
{
	(void)state;
	struct loci_docker_config *c;
	struct loci_error err = {0};
	assert_int_equal(loci_docker_config_open("/nonexistent/config.json", &c, &err),
	                 LOCI_E_NOT_FOUND);
}

/* ---- helpers ---- */

/* Each says what it got, so that the tests see arguments and stdin. */
static const struct {
	const char *name, *script;
} helpers[] = {
        {"echo",
         "read server\nprintf '{\"Username\":\"%s\",\"Secret\":\"%s\"}' \"$1\" \"$server\"\n"},
        {"none", "echo 'credentials not found in native keychain'\nexit 1\n"},
        {"broken", "echo 'keychain is locked'\nexit 3\n"},
        {"rubbish", "echo hello\n"},
        {"deaf", "exec <&-\necho '{\"Username\":\"u\",\"Secret\":\"s\"}'\n"},
        {"flood", "exec cat /dev/zero\n"},
};

static char helper_dir[128];

static int make_helpers(void **state)
{
	(void)state;
	char path[256], value[512];
	const char *tmp = getenv("TMPDIR");
	snprintf(helper_dir, sizeof(helper_dir), "%s/loci-helpers-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(helper_dir))
		return -1;
	for (size_t i = 0; i < sizeof(helpers) / sizeof(helpers[0]); i++) {
		snprintf(path, sizeof(path), "%s/docker-credential-%s", helper_dir,
		         helpers[i].name);
		FILE *f = fopen(path, "w");
		if (!f)
			return -1;
		fprintf(f, "#!/bin/sh\n%s", helpers[i].script);
		fclose(f);
		if (chmod(path, 0755) < 0)
			return -1;
	}
	snprintf(value, sizeof(value), "%s:%s", helper_dir, getenv("PATH"));
	return setenv("PATH", value, 1);
}

static int remove_helpers(void **state)
{
	(void)state;
	char path[256];
	for (size_t i = 0; i < sizeof(helpers) / sizeof(helpers[0]); i++) {
		snprintf(path, sizeof(path), "%s/docker-credential-%s", helper_dir,
		         helpers[i].name);
		unlink(path);
	}
	return rmdir(helper_dir);
}

static const struct {
	const char *helper;
	int rc;
	const char *user, *secret;
} runs[] = {
        {"echo", 0, "get", "r.example"},         {"deaf", 0, "u", "s"},
        {"none", LOCI_E_NOT_FOUND, NULL, NULL},  {"broken", LOCI_E_SYS, NULL, NULL},
        {"rubbish", LOCI_E_INVALID, NULL, NULL}, {"flood", LOCI_E_TOO_LARGE, NULL, NULL},
        {"absent", LOCI_E_SYS, NULL, NULL},      {"../echo", LOCI_E_INVALID, NULL, NULL},
        {"", LOCI_E_INVALID, NULL, NULL},
};

static void test_runs(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		char user[64] = "", secret[64] = "";
		struct loci_error err = {0};
		int rc = loci__cred_helper_get(runs[i].helper, "r.example", user, sizeof(user),
		                               secret, sizeof(secret), &err);
		if (rc != runs[i].rc)
			fail_msg("%s: %d %s", runs[i].helper, rc, err.msg);
		if (rc < 0)
			continue;
		assert_string_equal(user, runs[i].user);
		assert_string_equal(secret, runs[i].secret);
	}
}

static const struct {
	const char *json, *host, *user, *secret;
} with_helpers[] = {
        {"{\"credsStore\":\"echo\"}", "r.example", "get", "r.example"},
        /* docker keeps the Hub under its old address */
        {"{\"credsStore\":\"echo\"}", "docker.io", "get", "https://index.docker.io/v1/"},
        {"{\"credHelpers\":{\"r.example\":\"deaf\"},\"credsStore\":\"echo\"}", "r.example", "u",
         "s"},
        {"{\"credHelpers\":{\"r.example\":\"deaf\"},\"credsStore\":\"echo\"}", "other.example",
         "get", "other.example"},
        /* a helper without an answer does not hide the file's own entry */
        {"{\"credsStore\":\"none\",\"auths\":{\"r.example\":{\"auth\":\"dTpw\"}}}", "r.example",
         "u", "p"},
};

static void test_with_helpers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(with_helpers) / sizeof(with_helpers[0]); i++) {
		char user[64] = "", secret[64] = "";
		struct loci_error err = {0};
		if (look_up(with_helpers[i].json, with_helpers[i].host, user, secret, &err) < 0)
			fail_msg("%s: %s", with_helpers[i].json, err.msg);
		assert_string_equal(user, with_helpers[i].user);
		assert_string_equal(secret, with_helpers[i].secret);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_keys),
	        cmocka_unit_test(test_entries),
	        cmocka_unit_test(test_too_long_is_no_overflow),
	        cmocka_unit_test(test_open),
	        cmocka_unit_test(test_runs),
	        cmocka_unit_test(test_with_helpers),
	};
	return cmocka_run_group_tests(tests, make_helpers, remove_helpers);
}

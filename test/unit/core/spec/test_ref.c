/* SPDX-License-Identifier: Apache-2.0 */
/* distribution-spec "Pulling manifests" and docker's defaulting. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "loci/ref.h"

#include <string.h>

#define HEX64  "6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b"
#define DIGEST "@sha256:" HEX64

static void docker_defaults(void **state)
{
	(void)state;
	static const struct {
		const char *text, *full;
	} rows[] = {
	        {"alpine", "docker.io/library/alpine:latest"},
	        {"alpine:3.19", "docker.io/library/alpine:3.19"},
	        {"alpine" DIGEST, "docker.io/library/alpine" DIGEST},
	        {"alpine:3.19" DIGEST, "docker.io/library/alpine:3.19" DIGEST},
	        {"user/app", "docker.io/user/app:latest"},
	        {"docker.io/alpine", "docker.io/library/alpine:latest"},
	        {"index.docker.io/alpine", "docker.io/library/alpine:latest"},
	        {"index.docker.io/user/app:1", "docker.io/user/app:1"},
	        {"docker.io/a/b/c", "docker.io/a/b/c:latest"},
	        {"localhost/alpine", "localhost/alpine:latest"},
	        {"localhost:5000/alpine", "localhost:5000/alpine:latest"},
	        {"localhost:5000", "docker.io/library/localhost:5000"},
	        {"localhost", "docker.io/library/localhost:latest"},
	        {"host:5000/a:b", "host:5000/a:b"},
	        {"ghcr.io/o/i:v1", "ghcr.io/o/i:v1"},
	        {"[::1]:5000/a", "[::1]:5000/a:latest"},
	        {"[fe80::1]/a:b", "[fe80::1]/a:b"},
	        {"Host/a", "Host/a:latest"},
	        {"a.b-c.d/e", "a.b-c.d/e:latest"},
	        {"a__b_c_d--e/f.g", "docker.io/a__b_c_d--e/f.g:latest"},
	        {"x:_Tag.1-2", "docker.io/library/x:_Tag.1-2"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct loci_ref ref;
		struct loci_error err;
		char buf[LOCI_REF_STR_MAX];
		if (loci_ref_parse(rows[i].text, LOCI_REF_DOCKER_DEFAULTS, &ref, &err) < 0)
			fail_msg("%s: %s", rows[i].text, err.msg);
		assert_int_equal(loci_ref_format(&ref, buf), strlen(rows[i].full));
		assert_string_equal(buf, rows[i].full);
		/* The full form means itself. */
		assert_int_equal(loci_ref_parse(buf, LOCI_REF_DOCKER_DEFAULTS, &ref, &err), 0);
		loci_ref_format(&ref, buf);
		assert_string_equal(buf, rows[i].full);
	}
}

static void without_defaults_nothing_is_added(void **state)
{
	(void)state;
	struct loci_ref ref;
	struct loci_error err;
	assert_int_equal(loci_ref_parse("a/b", 0, &ref, &err), 0);
	assert_string_equal(ref.host, "");
	assert_string_equal(ref.repo, "a/b");
	assert_string_equal(ref.tag, "");
	assert_int_equal(ref.digest.alg, 0);
	assert_int_equal(loci_ref_parse(HEX64, 0, &ref, &err), 0);
	assert_int_equal(loci_ref_parse("index.docker.io/a:1" DIGEST, 0, &ref, &err), 0);
	assert_string_equal(ref.host, "index.docker.io");
	assert_string_equal(ref.repo, "a");
	assert_string_equal(ref.tag, "1");
	assert_int_equal(ref.digest.alg, LOCI_SHA256);
}

static void malformed(void **state)
{
	(void)state;
	static const struct {
		const char *text, *part;
	} rows[] = {
	        {"", "repository"},
	        {"/a", "repository"},
	        {"a/", "repository"},
	        {"a//b", "repository"},
	        {"A", "repository"},
	        {"a/B", "repository"},
	        {"-a", "repository"},
	        {"a-", "repository"},
	        {"a..b", "repository"},
	        {"a___b", "repository"},
	        {"a._b", "repository"},
	        {"../a", "host"},
	        {"a/../b", "repository"},
	        {"./a", "host"},
	        {"a b", "repository"},
	        {"a\nb", "repository"},
	        {"a:", "tag"},
	        {"a:.b", "tag"},
	        {"a:-b", "tag"},
	        {"a:b/c", "host"},
	        {"a:b c", "tag"},
	        {"a:b\xc3\xa9", "tag"},
	        {"a@", "digest"},
	        {"a@sha256:12", "digest"},
	        {"a" DIGEST "@x", "digest"},
	        {"a:b:c", "repository"},
	        {"h.:1/a", "host"},
	        {"h.io:/a", "host"},
	        {"h.io:x/a", "host"},
	        {"h.io:65536/a", "host"},
	        {"-h.io/a", "host"},
	        {"h-.io/a", "host"},
	        {"[::1/a", "host"},
	        {"[x::1].y/a", "host"},
	        {"http://h.io/a", "host"},
	        {"h.io/", "repository"},
	        {HEX64, "repository"},
	        {"[g::1]:1/a", "host"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct loci_ref ref;
		struct loci_error err;
		if (loci_ref_parse(rows[i].text, LOCI_REF_DOCKER_DEFAULTS, &ref, &err) !=
		    LOCI_E_INVALID)
			fail_msg("'%s'", rows[i].text);
		if (!strstr(err.msg, rows[i].part))
			fail_msg("'%s': %s", rows[i].text, err.msg);
	}
}

static void messages_count_bytes_from_the_start(void **state)
{
	(void)state;
	struct loci_ref ref;
	struct loci_error err;
	assert_int_equal(loci_ref_parse("localhost:5000/abC:1", 0, &ref, &err), LOCI_E_INVALID);
	assert_non_null(strstr(err.msg, "repository: byte 17:"));
}

static void fill(char *buf, size_t n)
{
	memset(buf, 'a', n);
	buf[n] = '\0';
}

static void lengths_are_exact(void **state)
{
	(void)state;
	struct loci_ref ref;
	struct loci_error err;
	char text[600] = "h.io/";
	fill(text + 5, 250); /* 255 in all */
	assert_int_equal(loci_ref_parse(text, LOCI_REF_DOCKER_DEFAULTS, &ref, &err), 0);
	fill(text + 5, 251);
	assert_int_equal(loci_ref_parse(text, LOCI_REF_DOCKER_DEFAULTS, &ref, &err),
	                 LOCI_E_TOO_LARGE);
	fill(text, 250); /* docker.io/library/ comes on top */
	assert_int_equal(loci_ref_parse(text, LOCI_REF_DOCKER_DEFAULTS, &ref, &err),
	                 LOCI_E_TOO_LARGE);
	assert_int_equal(loci_ref_parse(text, 0, &ref, &err), 0);
	memcpy(text, "r:", 2);
	fill(text + 2, 128);
	assert_int_equal(loci_ref_parse(text, 0, &ref, &err), 0);
	fill(text + 2, 129);
	assert_int_equal(loci_ref_parse(text, 0, &ref, &err), LOCI_E_TOO_LARGE);
}

static void the_longest_reference_formats(void **state)
{
	(void)state;
	struct loci_ref ref = {.digest = {.alg = LOCI_SHA512, .len = 64}};
	char buf[LOCI_REF_STR_MAX];
	fill(ref.host, 100);
	fill(ref.repo, LOCI_REPO_MAX - 101);
	fill(ref.tag, LOCI_TAG_MAX);
	assert_int_equal(loci_ref_format(&ref, buf), LOCI_REF_STR_MAX - 1);
}

static void repositories_and_tags(void **state)
{
	(void)state;
	char text[300];
	fill(text, 255);
	assert_true(loci_repo_is_valid(text, 255));
	fill(text, 256);
	assert_false(loci_repo_is_valid(text, 256));
	assert_true(loci_repo_is_valid("a/b-c/d__e", 10));
	assert_false(loci_repo_is_valid("", 0));
	assert_false(loci_repo_is_valid("a/", 2));
	assert_false(loci_repo_is_valid("a\0b", 3));
	assert_true(loci_tag_is_valid("latest", 6));
	fill(text, 128);
	assert_true(loci_tag_is_valid(text, 128));
	assert_false(loci_tag_is_valid(text, 129));
	assert_false(loci_tag_is_valid("", 0));
	assert_false(loci_tag_is_valid(".a", 2));
	assert_false(loci_tag_is_valid("a/b", 3));
	assert_false(loci_tag_is_valid("sha256:x", 8));
}

static void loopback(void **state)
{
	(void)state;
	static const char *const yes[] = {"localhost", "localhost:5000", "LocalHost",
	                                  "127.0.0.1", "127.1.2.3:80",   "::1",
	                                  "[::1]",     "[::1]:5000"};
	static const char *const no[] = {"",
	                                 "docker.io",
	                                 "localhost.evil.com",
	                                 "127.0.0.1.nip.io",
	                                 "128.0.0.1",
	                                 "::2",
	                                 "[fe80::1]:5000",
	                                 "127.0.0",
	                                 "0.0.0.0",
	                                 "mylocalhost",
	                                 "[::1",
	                                 "10.0.0.1:127"};
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		if (!loci_host_is_loopback(yes[i]))
			fail_msg("%s", yes[i]);
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		if (loci_host_is_loopback(no[i]))
			fail_msg("%s", no[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(docker_defaults),
	        cmocka_unit_test(without_defaults_nothing_is_added),
	        cmocka_unit_test(malformed),
	        cmocka_unit_test(messages_count_bytes_from_the_start),
	        cmocka_unit_test(lengths_are_exact),
	        cmocka_unit_test(the_longest_reference_formats),
	        cmocka_unit_test(repositories_and_tags),
	        cmocka_unit_test(loopback),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

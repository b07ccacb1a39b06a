/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/spec/platform.h"

#include <stdio.h>
#include <string.h>

static void spellings(void **state)
{
	(void)state;
	static const struct {
		const char *text, *canonical;
	} rows[] = {
	        {"linux/amd64", "linux/amd64"},
	        {"Linux/AMD64", "linux/amd64"},
	        {"linux/x86_64", "linux/amd64"},
	        {"x86-64", "linux/amd64"},
	        {"linux/amd64/v1", "linux/amd64"},
	        {"linux/amd64/v3", "linux/amd64/v3"},
	        {"aarch64", "linux/arm64"},
	        {"linux/arm64/v8", "linux/arm64"},
	        {"linux/arm64/8", "linux/arm64"},
	        {"linux/arm64/v9.0", "linux/arm64/v9"},
	        {"armhf", "linux/arm/v7"},
	        {"armel", "linux/arm/v6"},
	        {"linux/arm", "linux/arm/v7"},
	        {"linux/arm/6", "linux/arm/v6"},
	        {"linux/arm/v5", "linux/arm/v5"},
	        {"i386", "linux/386"},
	        {"riscv64", "linux/riscv64"},
	        {"ppc64le", "linux/ppc64le"},
	        {"macos/arm64", "darwin/arm64"},
	        {"wasip1/wasm", "wasip1/wasm"},
	        {"unknown/unknown", "unknown/unknown"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct loci_platform_buf p;
		struct loci_error err;
		char buf[LOCI_PLATFORM_STR_MAX];
		if (loci_platform_parse(rows[i].text, &p, &err) < 0)
			fail_msg("%s: %s", rows[i].text, err.msg);
		assert_int_equal(loci_platform_format(&p.platform, buf), strlen(rows[i].canonical));
		assert_string_equal(buf, rows[i].canonical);
	}
}

static void malformed(void **state)
{
	(void)state;
	static const char *const rows[] = {
	        "",
	        "/",
	        "linux/",
	        "/amd64",
	        "linux//v8",
	        "a/b/c/d",
	        "linux/amd 64",
	        "nonsense",
	        "linux/amd64\n",
	        "linux(10)/amd64",
	        "*",
	        "linux/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct loci_platform_buf p;
		struct loci_error err;
		if (loci_platform_parse(rows[i], &p, &err) != LOCI_E_INVALID)
			fail_msg("%s", rows[i]);
	}
}

static void expect_ladder(const char *want, const char *const *expected)
{
	struct loci_platform_buf p;
	struct loci_error err;
	struct loci_platform_key keys[LOCI_PLATFORM_CANDIDATES_MAX];
	assert_int_equal(loci_platform_parse(want, &p, &err), 0);
	size_t n = loci__platform_candidates(&p.platform, keys);
	for (size_t i = 0; i < n; i++) {
		char text[2 * LOCI_PLATFORM_PART_MAX + 2];
		snprintf(text, sizeof(text), "%s%s%s", keys[i].arch, *keys[i].variant ? "/" : "",
		         keys[i].variant);
		assert_non_null(expected[i]);
		assert_string_equal(text, expected[i]);
		assert_string_equal(keys[i].os, "linux");
	}
	assert_null(expected[n]);
}

static void what_a_machine_runs(void **state)
{
	(void)state;
	expect_ladder("linux/amd64/v3",
	              (const char *[]){"amd64/v3", "amd64/v2", "amd64", "386", NULL});
	expect_ladder("linux/amd64", (const char *[]){"amd64", "386", NULL});
	expect_ladder("linux/arm64",
	              (const char *[]){"arm64", "arm/v8", "arm/v7", "arm/v6", "arm/v5", NULL});
	expect_ladder("linux/arm64/v8.2",
	              (const char *[]){"arm64/v8.2", "arm64/v8.1", "arm64", "arm/v8", "arm/v7",
	                               "arm/v6", "arm/v5", NULL});
	expect_ladder("linux/arm/v6", (const char *[]){"arm/v6", "arm/v5", NULL});
	expect_ladder("linux/arm", (const char *[]){"arm/v7", "arm/v6", "arm/v5", NULL});
	expect_ladder("linux/s390x", (const char *[]){"s390x", NULL});
}

/* No chain may be cut by the room for it. */
static void the_longest_chain_fits(void **state)
{
	(void)state;
	struct loci_platform p = {.os = "linux", .arch = "arm64", .variant = "v9.5"};
	struct loci_platform_key keys[LOCI_PLATFORM_CANDIDATES_MAX];
	size_t n = loci__platform_candidates(&p, keys);
	assert_true(n < LOCI_PLATFORM_CANDIDATES_MAX);
	assert_string_equal(keys[n - 1].variant, "v5");
	p.variant = "v8.9";
	n = loci__platform_candidates(&p, keys);
	assert_string_equal(keys[n - 1].variant, "v5");
}

static void this_machine_is_known(void **state)
{
	(void)state;
	struct loci_platform_buf host, back;
	struct loci_error err;
	char text[LOCI_PLATFORM_STR_MAX];
	loci_platform_host(&host);
	assert_string_equal(host.platform.os, "linux");
	assert_non_null(host.platform.arch);
	loci_platform_format(&host.platform, text);
	assert_int_equal(loci_platform_parse(text, &back, &err), 0);
	struct loci_platform_key a, b;
	assert_true(loci__platform_key(&host.platform, &a));
	assert_true(loci__platform_key(&back.platform, &b));
	assert_true(loci__platform_key_equal(&a, &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(spellings),
	        cmocka_unit_test(malformed),
	        cmocka_unit_test(what_a_machine_runs),
	        cmocka_unit_test(the_longest_chain_fits),
	        cmocka_unit_test(this_machine_is_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

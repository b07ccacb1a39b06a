/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/glob.h"

#include <string.h>

static struct loci_slice slice(const char *s)
{
	return (struct loci_slice){s, strlen(s)};
}

static const struct {
	const char *pattern, *text;
	bool fits;
} cases[] = {
        /* plain texts */
        {"latest", "latest", true},
        {"latest", "lates", false},
        {"latest", "latestt", false},
        {"latest", "", false},
        {"team", "team/app", false},
        {"v1.2", "v1x2", false},
        /* a star stays within its part */
        {"*", "app", true},
        {"*", "", true},
        {"*", "team/app", false},
        {"v*", "v1.2", true},
        {"v*", "v", true},
        {"v*", "av", false},
        {"*-rc", "1-rc", true},
        {"*-rc", "1-rc-rc", true},
        {"*-rc", "1-rc2", false},
        {"*a*b*", "xxaxxbxx", true},
        {"*a*b*", "xxbxxaxx", false},
        {"team/*", "team/app", true},
        {"team/*", "team/", true},
        {"team/*", "team/app/x", false},
        {"*/app", "team/app", true},
        {"*/app", "a/team/app", false},
        {"*/*", "a/b", true},
        {"*/*", "a", false},
        {"*/*", "a/b/c", false},
        /* one character */
        {"v?", "v1", true},
        {"v?", "v", false},
        {"v?", "v12", false},
        {"a?b", "a/b", false},
        {"??", "ab", true},
        /* two stars take slashes, and a part of them may be none */
        {"**", "", true},
        {"**", "a/b/c", true},
        {"***", "a/b/c", true},
        {"team/**", "team/app", true},
        {"team/**", "team/a/b", true},
        {"team/**", "team/", true},
        {"team/**", "team", false},
        {"team**", "team", true},
        {"team**", "teams/a", true},
        {"**/cache", "cache", true},
        {"**/cache", "a/cache", true},
        {"**/cache", "a/b/cache", true},
        {"**/cache", "mycache", false},
        {"**/cache", "a/mycache", false},
        {"a/**/b", "a/b", true},
        {"a/**/b", "a/x/b", true},
        {"a/**/b", "a/x/y/b", true},
        {"a/**/b", "ab", false},
        {"a/**/b", "a/xb", false},
        {"a**/b", "ax/y/b", true},
        {"a**/b", "a/b", true},
        {"a**/b", "ab", false},
        {"**/**/b", "b", true},
        {"**/x*/**", "a/b/xy/z", true},
        {"**/x*/**", "a/b/yx/z", false},
        {"**a*b", "a/xaxb", true},
        {"**a*b", "a/x/b", false},
        {"**a*b/c", "a/b/ab/c", true},
};

static void fits_what_it_should(void **state)
{
	(void)state;
	for (size_t i = 0; i < loci__array_len(cases); i++)
		if (loci__glob_match(slice(cases[i].pattern), slice(cases[i].text)) !=
		    cases[i].fits)
			fail_msg("'%s' %s '%s'", cases[i].pattern,
			         cases[i].fits ? "should fit" : "should not fit", cases[i].text);
}

static void every_pattern_of_the_table_is_one(void **state)
{
	(void)state;
	for (size_t i = 0; i < loci__array_len(cases); i++)
		assert_int_equal(loci__glob_check(slice(cases[i].pattern), NULL), 0);
}

static void refuses_what_would_never_fit(void **state)
{
	static const char *const bad[] = {"", "[a-z]", "{a,b}", "a b", "a\\*", "!a", "a\n", "a,b"};
	char longest[LOCI_GLOB_MAX + 2];
	(void)state;
	for (size_t i = 0; i < loci__array_len(bad); i++)
		if (loci__glob_check(slice(bad[i]), NULL) != LOCI_E_INVALID)
			fail_msg("'%s'", bad[i]);
	memset(longest, 'a', sizeof(longest));
	struct loci_slice s = {longest, LOCI_GLOB_MAX};
	assert_int_equal(loci__glob_check(s, NULL), 0);
	assert_true(loci__glob_match(s, s));
	s.n++;
	assert_int_equal(loci__glob_check(s, NULL), LOCI_E_INVALID);
	assert_false(loci__glob_match(s, s));
}

/* Each of these takes a matcher that goes back at every star longer than a test may run. */
static void hard_patterns_are_not_slow(void **state)
{
	char pattern[LOCI_GLOB_MAX + 1], text[4096];
	size_t n = 0;
	(void)state;
	for (; n + 8 < sizeof(pattern); n += 5)
		memcpy(pattern + n, "**a*a", 5);
	memset(text, 'a', sizeof(text));
	struct loci_slice long_text = {text, sizeof(text)};
	assert_true(loci__glob_match((struct loci_slice){pattern, n}, long_text));
	pattern[n++] = 'b';
	assert_false(loci__glob_match((struct loci_slice){pattern, n}, long_text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(fits_what_it_should),
	        cmocka_unit_test(every_pattern_of_the_table_is_one),
	        cmocka_unit_test(refuses_what_would_never_fit),
	        cmocka_unit_test(hard_patterns_are_not_slow),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

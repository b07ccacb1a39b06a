/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "puller/challenge.h"

#include <stdio.h>
#include <string.h>

/* "scheme(token68){name=value;…}" of each challenge, so that a row is one line. */
static void describe(const struct loci_challenges *c, char *buf, size_t size)
{
	size_t n = 0;
	buf[0] = '\0';
	for (size_t i = 0; i < c->n; i++) {
		const struct loci_challenge *ch = &c->list[i];
		n += (size_t)snprintf(buf + n, size - n, "%s%s", i ? " " : "", ch->scheme);
		if (ch->token68)
			n += (size_t)snprintf(buf + n, size - n, "(%s)", ch->token68);
		for (size_t k = 0; k < ch->n_params; k++)
			n += (size_t)snprintf(buf + n, size - n, "{%s=%s}", ch->params[k].name,
			                      ch->params[k].value);
	}
}

static const struct {
	const char *text, *want;
} good[] = {
        {"Basic", "Basic"},
        {"Basic realm=\"a b\"", "Basic{realm=a b}"},
        {"Basic realm=plain", "Basic{realm=plain}"},
        {"Basic realm = \"a\"", "Basic{realm=a}"},
        {"Basic realm=\"\"", "Basic{realm=}"},
        {"Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\","
         "scope=\"repository:samalba/my-app:pull,push\"",
         "Bearer{realm=https://auth.docker.io/token}{service=registry.docker.io}"
         "{scope=repository:samalba/my-app:pull,push}"},
        /* RFC 9110, 11.6.1: two challenges in one field */
        {"Basic realm=\"simple\", Newauth realm=\"apps\", type=1, title=\"Login to \\\"apps\\\"\"",
         "Basic{realm=simple} Newauth{realm=apps}{type=1}{title=Login to \"apps\"}"},
        {"Basic, Bearer realm=\"x\"", "Basic Bearer{realm=x}"},
        {"Negotiate, Basic realm=\"x\"", "Negotiate Basic{realm=x}"},
        {"Negotiate YWJj==, Basic realm=\"x\"", "Negotiate(YWJj==) Basic{realm=x}"},
        {"Negotiate YWJj", "Negotiate(YWJj)"},
        {"Negotiate a-b._~+/=", "Negotiate(a-b._~+/=)"},
        /* another scheme's text that looks like ours */
        {"Other note=\"Bearer realm=\\\"http://evil/\\\"\", Bearer realm=\"https://good/\"",
         "Other{note=Bearer realm=\"http://evil/\"} Bearer{realm=https://good/}"},
        /* empty list elements */
        {", ,Basic realm=\"x\",,", "Basic{realm=x}"},
        {"Bearer realm=\"x\" , , service=\"y\"", "Bearer{realm=x}{service=y}"},
        {"Bearer  realm=\"x\",\tservice=\"y\"", "Bearer{realm=x}{service=y}"},
        {"Bearer realm=\"\\a\\\\\"", "Bearer{realm=a\\}"},
        {"Bearer realm=\"caf\xc3\xa9\"", "Bearer{realm=caf\xc3\xa9}"},
};

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct loci_challenges c;
		struct loci_error err = {0};
		char got[512];
		if (loci__challenges_parse(good[i].text, strlen(good[i].text), &c, &err) < 0)
			fail_msg("'%s': %s", good[i].text, err.msg);
		describe(&c, got, sizeof(got));
		assert_string_equal(got, good[i].want);
		loci__challenges_done(&c);
	}
}

static const char *const bad[] = {
        "",
        ",",
        "  ",
        "=x",
        "\"Basic\"",
        "Basic realm=\"open",
        "Basic realm=\"open\\",
        "Basic realm=\"a\"b",
        "Basic realm=\"a\" service=\"b\"",
        "Basic realm=\"a\", realm=\"b\"",
        "Basic realm=\"a\", REALM=\"b\"",
        "Basic realm=\"a\x01\"",
        "Basic realm=\"a\r\nX: y\"",
        "Basic realm=a b",
        "Basic realm=@",
        "Basic(comment) realm=\"x\"",
        "Negotiate YWJj== x",
};

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct loci_challenges c;
		struct loci_error err = {0};
		if (loci__challenges_parse(bad[i], strlen(bad[i]), &c, &err) >= 0)
			fail_msg("'%s' was taken", bad[i]);
		assert_int_equal(err.code, LOCI_E_INVALID);
		assert_non_null(strstr(err.msg, "www-authenticate, byte"));
	}
}

static void test_nul_is_refused(void **state)
{
	(void)state;
	static const char text[] = "Basic realm=\"a\0b\"";
	struct loci_challenges c;
	assert_int_equal(loci__challenges_parse(text, sizeof(text) - 1, &c, NULL), LOCI_E_INVALID);
}

static void test_limits(void **state)
{
	(void)state;
	struct loci_challenges c;
	char text[LOCI_CHALLENGE_TEXT_MAX + 2];
	memset(text, 'a', sizeof(text));
	assert_int_equal(loci__challenges_parse(text, sizeof(text), &c, NULL), LOCI_E_TOO_LARGE);
	size_t n = 0;
	for (int i = 0; i <= LOCI_CHALLENGE_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "s%d, ", i);
	assert_int_equal(loci__challenges_parse(text, n, &c, NULL), LOCI_E_TOO_LARGE);
	n = (size_t)snprintf(text, sizeof(text), "Basic ");
	for (int i = 0; i <= LOCI_CHALLENGE_PARAMS_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "p%d=x, ", i);
	assert_int_equal(loci__challenges_parse(text, n, &c, NULL), LOCI_E_TOO_LARGE);
}

static void test_lookup_ignores_case(void **state)
{
	(void)state;
	static const char text[] = "bearer Realm=\"https://x/\", Service=\"s\"";
	struct loci_challenges c;
	assert_int_equal(loci__challenges_parse(text, sizeof(text) - 1, &c, NULL), 0);
	const struct loci_challenge *ch = loci__challenges_find(&c, "Bearer");
	assert_non_null(ch);
	assert_string_equal(loci__challenge_param(ch, "realm"), "https://x/");
	assert_string_equal(loci__challenge_param(ch, "service"), "s");
	assert_null(loci__challenge_param(ch, "scope"));
	assert_null(loci__challenges_find(&c, "Basic"));
	loci__challenges_done(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_good),
	        cmocka_unit_test(test_bad),
	        cmocka_unit_test(test_nul_is_refused),
	        cmocka_unit_test(test_limits),
	        cmocka_unit_test(test_lookup_ignores_case),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

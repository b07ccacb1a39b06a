/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "puller/token.h"

#include <string.h>

static const struct {
	struct loci_token_ask ask;
	const char *want;
} urls[] = {
        {{"https://auth.docker.io/token", "registry.docker.io", "repository:samalba/my-app:pull"},
         "https://auth.docker.io/token?client_id=loci&service=registry.docker.io"
         "&scope=repository%3Asamalba%2Fmy-app%3Apull"},
        {{"https://a/t?x=1", NULL, NULL}, "https://a/t?x=1&client_id=loci"},
        {{"https://a/t#frag?", NULL, NULL}, "https://a/t?client_id=loci"},
        /* each scope of the list is a parameter of its own */
        {{"https://a/t", "s", " repository:a:pull  repository:b:pull,push "},
         "https://a/t?client_id=loci&service=s&scope=repository%3Aa%3Apull"
         "&scope=repository%3Ab%3Apull%2Cpush"},
        /* nothing of a challenge gets out of its parameter */
        {{"https://a/t", "s&scope=evil\r\nX: y", NULL},
         "https://a/t?client_id=loci&service=s%26scope%3Devil%0D%0AX%3A%20y"},
};

static void test_urls(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct loci_buf b = LOCI_BUF_INIT(1024);
		assert_int_equal(loci__token_url(&urls[i].ask, &b, NULL), 0);
		assert_string_equal(b.p, urls[i].want);
		loci__buf_done(&b);
	}
}

static void test_form(void **state)
{
	(void)state;
	struct loci_buf b = LOCI_BUF_INIT(1024);
	struct loci_token_ask ask = {"https://a/t", "reg", "repository:a:pull repository:b:pull"};
	assert_int_equal(loci__token_form(&ask, "a&b=c", &b, NULL), 0);
	assert_string_equal(b.p, "grant_type=refresh_token&client_id=loci&service=reg"
	                         "&scope=repository%3Aa%3Apull%20repository%3Ab%3Apull"
	                         "&refresh_token=a%26b%3Dc");
	loci__buf_done(&b);
}

static const struct {
	const char *json, *token; /* NULL: refused */
	uint64_t life;
} answers[] = {
        {"{\"token\":\"abc\"}", "abc", 60},
        {"{\"access_token\":\"abc\",\"expires_in\":300}", "abc", 300},
        {"{\"token\":\"a\",\"access_token\":\"b\"}", "a", 60},
        {"{\"token\":\"\",\"access_token\":\"b\"}", "b", 60},
        {"{\"token\":\"a\",\"expires_in\":5}", "a", 60}, /* token.md: at least 60 */
        {"{\"token\":\"a\",\"expires_in\":99999999999}", "a", LOCI_TOKEN_LIFE_MAX_S},
        {"{\"token\":\"a\",\"issued_at\":\"2009-11-10T23:00:00Z\",\"x\":[1]}", "a", 60},
        {"{}", NULL, 0},
        {"{\"token\":\"\"}", NULL, 0},
        {"{\"token\":1}", NULL, 0},
        {"{\"token\":\"a\",\"expires_in\":-1}", NULL, 0},
        {"{\"token\":\"a\\r\\nX: y\"}", NULL, 0},
        {"{\"token\":\"a b\"}", NULL, 0},
        {"[]", NULL, 0},
        {"", NULL, 0},
        {"{\"token\":\"a\"", NULL, 0},
};

static void test_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct loci_buf b = LOCI_BUF_INIT(1024);
		struct loci_error err = {0};
		uint64_t life = 0;
		int rc = loci__token_parse(answers[i].json, strlen(answers[i].json), &b, &life,
		                           &err);
		if (!answers[i].token) {
			assert_int_equal(rc, LOCI_E_PROTOCOL);
			assert_non_null(strstr(err.msg, "token response"));
		} else {
			if (rc < 0)
				fail_msg("%s: %s", answers[i].json, err.msg);
			assert_string_equal(b.p, answers[i].token);
			assert_int_equal(life, answers[i].life);
		}
		loci__buf_done(&b);
	}
}

static void test_scope(void **state)
{
	(void)state;
	struct loci_buf b = LOCI_BUF_INIT(64);
	assert_int_equal(loci__scope_pull("library/alpine", &b, NULL), 0);
	assert_string_equal(b.p, "repository:library/alpine:pull");
	loci__buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_urls),
	        cmocka_unit_test(test_form),
	        cmocka_unit_test(test_answers),
	        cmocka_unit_test(test_scope),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "registry/notify/rule.h"

#include <string.h>

#define PUSH    LOCI_EVENT_BIT(LOCI_EVENT_MANIFEST_PUSH)
#define PULL    LOCI_EVENT_BIT(LOCI_EVENT_MANIFEST_PULL)
#define DELETES (LOCI_EVENT_BIT(LOCI_EVENT_MANIFEST_DELETE) | LOCI_EVENT_BIT(LOCI_EVENT_TAG_DELETE))
#define BLOBS                                                                           \
	(LOCI_EVENT_BIT(LOCI_EVENT_BLOB_PUSH) | LOCI_EVENT_BIT(LOCI_EVENT_BLOB_MOUNT) | \
	 LOCI_EVENT_BIT(LOCI_EVENT_BLOB_DELETE))

static const struct {
	const char *text;
	const char *name, *url;
	unsigned types;
	int format;
	unsigned batch;
	bool insecure;
	size_t n_globs;
} good[] = {
        {"a=http://h/", "a", "http://h/", PUSH | DELETES, LOCI_NOTIFY_CLOUDEVENTS, 1, false, 0},
        {"  ci-1.x_y=HTTPS://h:8443/a?b=c&d=,+  ", "ci-1.x_y", "HTTPS://h:8443/a?b=c&d=,+",
         PUSH | DELETES, LOCI_NOTIFY_CLOUDEVENTS, 1, false, 0},
        {"a=http://h events=pull", "a", "http://h", PULL, LOCI_NOTIFY_CLOUDEVENTS, 1, false, 0},
        {"a=http://h events=push+delete,blobs,pull", "a", "http://h", PUSH | PULL | DELETES | BLOBS,
         LOCI_NOTIFY_CLOUDEVENTS, 1, false, 0},
        {"a=http://h repos=team/**,x+y/*\tformat=distribution batch=100 tls=insecure", "a",
         "http://h", PUSH | DELETES, LOCI_NOTIFY_DISTRIBUTION, 100, true, 3},
        {"a=http://[::1]:80/x tls=verify format=cloudevents", "a", "http://[::1]:80/x",
         PUSH | DELETES, LOCI_NOTIFY_CLOUDEVENTS, 1, false, 0},
};

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct loci__notify_rule r;
		struct loci_error err;
		if (loci__notify_rule_parse(good[i].text, &r, &err) < 0)
			fail_msg("'%s': %s", good[i].text, err.msg);
		assert_string_equal(r.name, good[i].name);
		assert_string_equal(r.url, good[i].url);
		assert_int_equal(r.types, good[i].types);
		assert_int_equal(r.format, good[i].format);
		assert_int_equal(r.batch, good[i].batch);
		assert_int_equal(r.insecure_tls, good[i].insecure);
		assert_int_equal(r.n_globs, good[i].n_globs);
	}
}

static const struct {
	const char *text;
	const char *says;
} bad[] = {
        {"", "NAME=URL"},
        {"http://h/", "NAME=URL"},
        {"=http://h/", "NAME=URL"},
        {"a b=http://h/", "NAME=URL"},
        {"a=", "URL"},
        {"a=h/", "URL"},
        {"a=ftp://h/", "URL"},
        {"a=http://", "URL"},
        {"a=http:///x", "URL"},
        {"a=http://:80/", "URL"},
        {"a=http://user:secret@h/", "URL"},
        {"a=http://h/ events=", "push"},
        {"a=http://h/ events=pushes", "push"},
        {"a=http://h/ events=push,", "push"},
        {"a=http://h/ events=push;pull", "push"},
        {"a=http://h/ repos=", "globs"},
        {"a=http://h/ repos=[a]", ""},
        {"a=http://h/ repos=a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", "at most"},
        {"a=http://h/ format=json", "cloudevents"},
        {"a=http://h/ batch=0", "1 to 100"},
        {"a=http://h/ batch=101", "1 to 100"},
        {"a=http://h/ batch=1x", "1 to 100"},
        {"a=http://h/ tls=off", "verify"},
        {"a=http://h/ what=ever", "events="},
        {"a=http://h/ events", "events="},
};

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct loci__notify_rule r;
		struct loci_error err = {0};
		if (loci__notify_rule_parse(bad[i].text, &r, &err) != LOCI_E_INVALID)
			fail_msg("'%s' was taken", bad[i].text);
		if (!strstr(err.msg, bad[i].says))
			fail_msg("'%s': %s", bad[i].text, err.msg);
		assert_null(strstr(err.msg, "secret"));
	}
}

static void test_longest(void **state)
{
	char text[LOCI_NOTIFY_URL_MAX + 16];
	struct loci__notify_rule r;
	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "a=http://", 9);
	text[2 + LOCI_NOTIFY_URL_MAX] = '\0';
	assert_int_equal(loci__notify_rule_parse(text, &r, NULL), 0);
	text[2 + LOCI_NOTIFY_URL_MAX] = 'x';
	text[3 + LOCI_NOTIFY_URL_MAX] = '\0';
	assert_int_equal(loci__notify_rule_parse(text, &r, NULL), LOCI_E_INVALID);
}

static void test_wants(void **state)
{
	struct loci__notify_rule r;
	struct loci_event e = {.type = LOCI_EVENT_MANIFEST_PUSH, .repo = "team/app"};
	(void)state;
	assert_int_equal(loci__notify_rule_parse("a=http://h events=push repos=x,team/*", &r, NULL),
	                 0);
	assert_true(loci__notify_rule_wants(&r, &e));
	e.repo = "team/app/deep";
	assert_false(loci__notify_rule_wants(&r, &e));
	e.repo = "x";
	assert_true(loci__notify_rule_wants(&r, &e));
	e.type = LOCI_EVENT_TAG_DELETE;
	assert_false(loci__notify_rule_wants(&r, &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_good),
	        cmocka_unit_test(test_bad),
	        cmocka_unit_test(test_longest),
	        cmocka_unit_test(test_wants),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

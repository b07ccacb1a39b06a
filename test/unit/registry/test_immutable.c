/* SPDX-License-Identifier: Apache-2.0 */
/* Immutable tags: rules, and what clients may still do to a tag that one fits. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/cleanup.h"
#include "harness.h"
#include "registry/tag_rule.h"

#include <stdio.h>
#include <string.h>

static const char *const rules[] = {"prod/**:v*", "**:stable"};
static const struct loci_registry_opts with_rules = {.immutable_tags = rules,
                                                     .n_immutable_tags = 2};

static void test_rules(void **state)
{
	static const char *const good[] = {"a:b", "prod/**:v*", "**:**", "team/*:v?.?"};
	static const char *const bad[] = {"",      "a",     ":",     "a:",     ":b",
	                                  "a:b:c", "a:b/c", "a b:c", "[ab]:c", "a:{b,c}"};
	(void)state;
	for (size_t i = 0; i < loci__array_len(good); i++)
		assert_int_equal(loci_tag_rule_check(good[i], NULL), 0);
	for (size_t i = 0; i < loci__array_len(bad); i++)
		if (loci_tag_rule_check(bad[i], NULL) != LOCI_E_INVALID)
			fail_msg("'%s'", bad[i]);
}

static void test_find(void **state)
{
	struct loci__tag_rules all;
	(void)state;
	assert_int_equal(loci__tag_rules_init(&all, rules, 2, NULL), 0);
	assert_string_equal(loci__tag_rules_find(&all, "prod/app", "v1"), "prod/**:v*");
	assert_string_equal(loci__tag_rules_find(&all, "x", "stable"), "**:stable");
	assert_null(loci__tag_rules_find(&all, "prod", "v1"));
	assert_null(loci__tag_rules_find(&all, "prod/app", "latest"));
	loci__tag_rules_done(&all);
	const char *many[LOCI_TAG_RULES_MAX + 1];
	for (size_t i = 0; i < loci__array_len(many); i++)
		many[i] = "a:b";
	assert_int_equal(loci__tag_rules_init(&all, many, loci__array_len(many), NULL),
	                 LOCI_E_TOO_LARGE);
	assert_null(loci__tag_rules_find(&all, "a", "b"));
}

/* 403 DENIED that names the tag and the rule. */
static void expect_denied(struct answer a, const char *tag, const char *rule)
{
	assert_int_equal(a.status, 403);
	assert_string_equal(answer_code(&a), "DENIED");
	assert_non_null(strstr(a.body, tag));
	assert_non_null(strstr(a.body, rule));
	answer_done(&a);
}

static struct answer put(struct fixture *f, const char *target, const char *json)
{
	const struct ask ask = {
	        .method = "PUT",
	        .target = target,
	        .headers = {{"content-type", LOCI_MEDIA_OCI_INDEX}},
	        .body = json,
	        .n = strlen(json),
	};
	return ask_with(f, &ask);
}

static const char empty_index[] =
        "{\"schemaVersion\":2,\"mediaType\":\"" LOCI_MEDIA_OCI_INDEX "\",\"manifests\":[]}";

static void test_pushes(void **state)
{
	struct fixture f;
	(void)state;
	fixture_open(&f, &with_rules);
	char one[LOCI_DIGEST_STR_MAX]; /* the harness has few texts */
	snprintf(one, sizeof(one), "%s", push_image(&f, "prod/app", "v1", "one"));
	assert_string_equal(push_image(&f, "prod/app", "v1", "one"), one); /* the same again */
	expect_denied(put(&f, "/v2/prod/app/manifests/v1", empty_index), "'v1'", "prod/**:v*");
	push_image(&f, "prod/app", "latest", "one");
	push_image(&f, "prod/app", "latest", "two"); /* no rule */
	push_image(&f, "other", "v1", "one");
	push_image(&f, "other", "v1", "two");
	/* Several tags: all or none. */
	expect_denied(put(&f,
	                  text("/v2/prod/app/manifests/%s?tag=v7&tag=v1&tag=w",
	                       sha256_of(empty_index, strlen(empty_index))),
	                  empty_index),
	              "'v1'", "prod/**:v*");
	expect(&f, 404, "GET", "/v2/prod/app/manifests/v7");
	struct answer a = ask(&f, "GET", "/v2/prod/app/manifests/v1");
	assert_string_equal(answer_header(&a, "docker-content-digest"), one);
	answer_done(&a);
	fixture_close(&f);
}

static void test_deletes(void **state)
{
	struct fixture f;
	(void)state;
	fixture_open(&f, &with_rules);
	const char *one = push_image(&f, "prod/app", "v1", "one");
	push_image(&f, "prod/app", "latest", "one");
	const char *two = push_image(&f, "prod/app", "latest-2", "two");
	expect_denied(ask(&f, "DELETE", "/v2/prod/app/manifests/v1"), "'v1'", "prod/**:v*");
	expect_denied(ask(&f, "DELETE", text("/v2/prod/app/manifests/%s", one)), "'v1'",
	              "prod/**:v*");
	expect(&f, 200, "GET", "/v2/prod/app/manifests/v1");
	expect(&f, 200, "GET", "/v2/prod/app/manifests/latest"); /* not half deleted */
	expect_code(&f, 404, "MANIFEST_UNKNOWN", "DELETE", "/v2/prod/app/manifests/v2");
	expect(&f, 202, "DELETE", "/v2/prod/app/manifests/latest");
	expect(&f, 202, "DELETE", text("/v2/prod/app/manifests/%s", two));
	fixture_close(&f);
}

/* Its policy is the one that it came under. */
static void test_rules_change(void **state)
{
	struct fixture f;
	(void)state;
	fixture_open(&f, NULL);
	struct loci_registry_opts o = with_rules;
	push_image(&f, "prod/app", "v1", "one");
	push_image(&f, "prod/app", "v1", "two");
	o.struct_size = sizeof(o);
	assert_int_equal(loci_registry_reconfigure(f.registry, &o, NULL), 0);
	expect_denied(put(&f, "/v2/prod/app/manifests/v1", empty_index), "'v1'", "prod/**:v*");
	const char *wrong = "no rule";
	o.immutable_tags = &wrong;
	o.n_immutable_tags = 1;
	assert_int_equal(loci_registry_reconfigure(f.registry, &o, NULL), LOCI_E_INVALID);
	expect_denied(put(&f, "/v2/prod/app/manifests/v1", empty_index), "'v1'", "prod/**:v*");
	o.n_immutable_tags = 0;
	assert_int_equal(loci_registry_reconfigure(f.registry, &o, NULL), 0);
	struct answer a = put(&f, "/v2/prod/app/manifests/v1", empty_index);
	assert_int_equal(a.status, 201);
	answer_done(&a);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_rules),        cmocka_unit_test(test_find),
	        cmocka_unit_test(test_pushes),       cmocka_unit_test(test_deletes),
	        cmocka_unit_test(test_rules_change),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

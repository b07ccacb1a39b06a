/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of retention: what is read, and what is refused with which words. */
#include "registry/retention.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_words(void **state)
{
	struct loci__retention_rule r;
	struct loci_error err;
	(void)state;
	assert_int_equal(
	        loci__retention_rule_parse(&r,
	                                   " team/**:\tkeep-untagged=1w2d3h4m5s keep-last=10 "
	                                   "keep-pushed=0s keep-pulled=30d "
	                                   "keep-tags=v*,latest  keep-tags=x ",
	                                   &err),
	        0);
	assert_memory_equal(r.repos.p, "team/**", r.repos.n);
	assert_int_equal(r.repos.n, 7);
	assert_int_equal(r.words, LOCI_KEEP_UNTAGGED | LOCI_KEEP_ABOUT_TAGS);
	assert_int_equal(r.untagged_s, ((9 * 24 + 3) * 60 + 4) * 60 + 5);
	assert_int_equal(r.last, 10);
	assert_int_equal(r.pushed_s, 0);
	assert_int_equal(r.pulled_s, 30 * 86400);
	assert_int_equal(r.n_tags, 3);
	assert_memory_equal(r.tags[0].p, "v*", r.tags[0].n);
	assert_memory_equal(r.tags[1].p, "latest", r.tags[1].n);
	assert_memory_equal(r.tags[2].p, "x", r.tags[2].n);
	loci__retention_rule_done(&r);
	assert_int_equal(loci__retention_rule_parse(&r, "**:keep-all", &err), 0);
	assert_int_equal(r.words, LOCI_KEEP_ALL);
	loci__retention_rule_done(&r);
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
	        {"", "expected 'GLOB: WORD"},
	        {"team", "expected 'GLOB: WORD"},
	        {":keep-all", "retention rule ':keep-all': "},
	        {"te[a-m]: keep-all", "retention rule 'te[a-m]: keep-all': "},
	        {"team:", "no word behind the glob"},
	        {"team: keep", "expected keep-untagged="},
	        {"team: =1", "expected keep-untagged="},
	        {"team: keep-lost=1", "expected keep-untagged="},
	        {"team: keep-last", "lacks its value"},
	        {"team: keep-last=", "lacks its value"},
	        {"team: keep-last= 1", "lacks its value"},
	        {"team: keep-last=0", "expected a number of 1 to 10000"},
	        {"team: keep-last=10001", "expected a number of 1 to 10000"},
	        {"team: keep-last=-1", "expected a number of 1 to 10000"},
	        {"team: keep-last=1,2", "expected a number of 1 to 10000"},
	        {"team: keep-last=1 keep-last=2", "stands twice"},
	        {"team: keep-untagged=7", "expected a time"},
	        {"team: keep-untagged=d", "expected a time"},
	        {"team: keep-untagged=7x", "expected a time"},
	        {"team: keep-untagged=7d3", "expected a time"},
	        {"team: keep-untagged=7d ago", "expected keep-untagged="},
	        {"team: keep-untagged=36501d", "expected a time"},
	        {"team: keep-untagged=36500d1s", "expected a time"},
	        {"team: keep-untagged=99999999999999999999d", "expected a time"},
	        {"team: keep-pulled=18446744073709551615w", "expected a time"},
	        {"team: keep-tags=", "lacks its value"},
	        {"team: keep-tags=a,,b", "retention rule"},
	        {"team: keep-tags=a,", "retention rule"},
	        {"team: keep-tags={a}", "retention rule"},
	        {"team: keep-all=yes", "keep-all takes no value"},
	        {"team: keep-all keep-last=1", "keep-all stands alone"},
	        {"team: keep-last=1; keep-pulled=1d", "expected a number"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct loci__retention_rule r;
		struct loci_error err = {0};
		int rc = loci__retention_rule_parse(&r, rows[i].text, &err);
		if (rc != LOCI_E_INVALID || !strstr(err.msg, rows[i].why))
			fail_msg("'%s': %d '%s'", rows[i].text, rc, err.msg);
	}
}

static void test_limits(void **state)
{
	struct loci__retention_rule r;
	struct loci_retention *all = NULL;
	struct loci_error err;
	const char *rules[LOCI_RETENTION_RULES_MAX + 1];
	char text[10000];
	int n = snprintf(text, sizeof(text), "a: keep-tags=a");
	(void)state;
	for (int i = 1; i < LOCI_RETENTION_TAGS_MAX; i++, n += 2)
		snprintf(text + n, sizeof(text) - (size_t)n, ",a");
	assert_int_equal(loci__retention_rule_parse(&r, text, &err), 0);
	loci__retention_rule_done(&r);
	snprintf(text + n, sizeof(text) - (size_t)n, ",a");
	assert_int_equal(loci__retention_rule_parse(&r, text, &err), LOCI_E_INVALID);
	memset(text, ' ', sizeof(text) - 1);
	assert_int_equal(loci__retention_rule_parse(&r, text, &err), LOCI_E_TOO_LARGE);
	for (int i = 0; i <= LOCI_RETENTION_RULES_MAX; i++)
		rules[i] = "**: keep-all";
	assert_int_equal(loci_retention_parse(rules, LOCI_RETENTION_RULES_MAX + 1, &all, &err),
	                 LOCI_E_TOO_LARGE);
	assert_int_equal(loci_retention_parse(rules, LOCI_RETENTION_RULES_MAX, &all, &err), 0);
	loci_retention_free(all);
	loci_retention_free(NULL);
}

/* The first whose glob fits. */
static void test_choice(void **state)
{
	static const char *const rules[] = {"prod/**: keep-all", "*/app: keep-last=1",
	                                    "**: keep-untagged=1d"};
	static const struct {
		const char *repo;
		int rule;
	} rows[] = {{"prod/app", 0}, {"team/app", 1}, {"team/tool", 2}, {"app", 2}};
	struct loci_retention *r;
	struct loci_error err;
	(void)state;
	assert_int_equal(loci_retention_parse(rules, 3, &r, &err), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_ptr_equal(loci__retention_rule_of(r, rows[i].repo), &r->rules[rows[i].rule]);
	assert_false(loci_retention_wants_pulls(r));
	loci_retention_free(r);
	static const char *const pulled[] = {"a: keep-all", "b: keep-pulled=1d"};
	assert_int_equal(loci_retention_parse(pulled, 2, &r, &err), 0);
	assert_true(loci_retention_wants_pulls(r));
	assert_null(loci__retention_rule_of(r, "c"));
	loci_retention_free(r);
	/* One that is wrong is told of, and none is left. */
	static const char *const wrong[] = {"a: keep-all", "b"};
	assert_int_equal(loci_retention_parse(wrong, 2, &r, &err), LOCI_E_INVALID);
	assert_non_null(strstr(err.msg, "'b'"));
}

static void test_subject_names(void **state)
{
#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	struct loci_digest d;
	(void)state;
	assert_true(loci__retention_names_subject("sha256-" HEX, &d));
	assert_int_equal(d.bytes[0], 0x01);
	assert_true(loci__retention_names_subject("sha256-" HEX ".sig", &d));
	assert_false(loci__retention_names_subject("sha256-" HEX "0", &d));
	assert_false(loci__retention_names_subject("sha256-0123", &d));
	assert_false(loci__retention_names_subject("sha512-" HEX, &d));
	assert_false(loci__retention_names_subject("latest", &d));
	char upper[] = "sha256-" HEX;
	upper[20] = 'A';
	assert_false(loci__retention_names_subject(upper, &d));
}

static struct loci_tag_info tag_of(const char *name, uint64_t time)
{
	struct loci_tag_info t = {.pushed_at = time};
	snprintf(t.tag, sizeof(t.tag), "%s", name);
	return t;
}

/* Against sorting all of them. */
static void test_newest(void **state)
{
	enum { ALL = 500, KEPT = 37 };
	struct loci__newest *w;
	struct loci_tag_info tags[ALL];
	unsigned seed = 7, kept = 0;
	char name[16];
	(void)state;
	assert_int_equal(loci__newest_new(KEPT, &w, NULL), 0);
	for (int i = 0; i < ALL; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		tags[i] = tag_of(name, (uint64_t)(rand_r(&seed) % 50));
		loci__newest_offer(w, &tags[i]);
	}
	for (int i = 0; i < ALL; i++) {
		int newer = 0;
		for (int j = 0; j < ALL; j++)
			newer += tags[j].pushed_at > tags[i].pushed_at ||
			         (tags[j].pushed_at == tags[i].pushed_at &&
			          strcmp(tags[j].tag, tags[i].tag) > 0);
		assert_int_equal(loci__newest_has(w, &tags[i]), newer < KEPT);
		kept += loci__newest_has(w, &tags[i]);
	}
	assert_int_equal(kept, KEPT);
	loci__newest_free(w);
	/* Fewer than it holds. */
	assert_int_equal(loci__newest_new(3, &w, NULL), 0);
	loci__newest_offer(w, &tags[0]);
	assert_true(loci__newest_has(w, &tags[0]));
	loci__newest_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_words),         cmocka_unit_test(test_refused),
	        cmocka_unit_test(test_limits),        cmocka_unit_test(test_choice),
	        cmocka_unit_test(test_subject_names), cmocka_unit_test(test_newest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

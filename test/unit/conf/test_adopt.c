/* SPDX-License-Identifier: Apache-2.0 */
/* Taking over new values: what differs is told, and only the rows that may are taken. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "conf/option.h"

#include <stdio.h>
#include <string.h>

struct sample {
	bool read_only;
	char *name, *store, *token;
	struct loci_string_list rules;
	uint64_t loops;
};

static const struct loci_option rows[] = {
        {LOCI_OPT_BOOL(struct sample, read_only), .key = "read-only", .flags = LOCI_OPTION_RELOADS},
        {LOCI_OPT_STRING(struct sample, name), .key = "name", .flags = LOCI_OPTION_RELOADS},
        {LOCI_OPT_STRING(struct sample, token), .key = "token",
         .flags = LOCI_OPTION_RELOADS | LOCI_OPTION_SECRET},
        {LOCI_OPT_LIST(struct sample, rules), .key = "rules", .flags = LOCI_OPTION_RELOADS},
        {LOCI_OPT_STRING(struct sample, store), .key = "store"},
        {LOCI_OPT_NUMBER(struct sample, loops), .key = "loops", .value = "2"},
        {0}};

struct values {
	struct sample s;
	struct loci_options *o;
};

static void values_init(struct values *v, const char *yaml)
{
	struct loci_error err;
	const struct loci_option_set set = {"Options", rows, &v->s};
	memset(v, 0, sizeof(*v));
	assert_int_equal(loci__options_new(NULL, &v->o, NULL), 0);
	assert_int_equal(loci__options_add(v->o, &set, NULL), 0);
	if (loci__options_yaml(v->o, "x.yaml", yaml, strlen(yaml), &err) < 0)
		fail_msg("%s", err.msg);
}

struct told {
	char text[512];
	size_t n;
};

static void tell(void *arg, const struct loci_option *row, bool adopted, const char *old,
                 const char *now)
{
	struct told *t = arg;
	t->n += (size_t)snprintf(t->text + t->n, sizeof(t->text) - t->n, "%s%s: %s -> %s\n",
	                         adopted ? "" : "later ", row->key, old, now);
}

static void adopts_what_may_change(void **state)
{
	struct values before, after;
	struct told told = {.n = 0};
	const struct loci_options_adoption how = {.changed = tell, .arg = &told};
	(void)state;
	values_init(&before, "read-only: false\nname: a\nstore: /a\ntoken: one\nrules: [x, y]\n");
	values_init(&after, "read-only: true\nstore: /b\ntoken: two\nrules: [x, z]\nloops: 3\n");
	assert_int_equal(loci__options_adopt(before.o, after.o, &how, NULL), 0);
	assert_string_equal(told.text, "read-only: false -> true\n"
	                               "name: a -> (not set)\n"
	                               "token: (set) -> (set)\n"
	                               "rules: x,y -> x,z\n"
	                               "later store: /a -> /b\n"
	                               "later loops: 2 -> 3\n");
	loci__options_free(after.o); /* the old values went there */
	assert_true(before.s.read_only);
	assert_null(before.s.name);
	assert_string_equal(before.s.token, "two");
	assert_string_equal(before.s.rules.v[1], "z");
	assert_string_equal(before.s.store, "/a");
	assert_int_equal(before.s.loops, 2);
	assert_int_equal(loci__options_source(before.o, &before.s.name), LOCI_SOURCE_DEFAULT);
	assert_int_equal(loci__options_source(before.o, &before.s.read_only), LOCI_SOURCE_FILE);
	loci__options_free(before.o);
}

static void says_nothing_of_what_is_alike(void **state)
{
	struct values before, after;
	struct told told = {.n = 0};
	const struct loci_options_adoption how = {.changed = tell, .arg = &told};
	(void)state;
	values_init(&before, "name: a\nrules: [x]\nloops: 2\n");
	values_init(&after, "rules:\n  - x\nname: 'a'\n");
	assert_int_equal(loci__options_adopt(before.o, after.o, &how, NULL), 0);
	assert_string_equal(told.text, "");
	loci__options_free(before.o);
	loci__options_free(after.o);
}

static void a_dry_run_only_tells(void **state)
{
	struct values before, after;
	struct told told = {.n = 0};
	const struct loci_options_adoption how = {.changed = tell, .arg = &told, .dry = true};
	(void)state;
	values_init(&before, "name: a\n");
	values_init(&after, "name: b\n");
	assert_int_equal(loci__options_adopt(before.o, after.o, &how, NULL), 0);
	assert_string_equal(told.text, "name: a -> b\n");
	assert_string_equal(before.s.name, "a");
	loci__options_free(before.o);
	loci__options_free(after.o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(adopts_what_may_change),
	        cmocka_unit_test(says_nothing_of_what_is_alike),
	        cmocka_unit_test(a_dry_run_only_tells),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

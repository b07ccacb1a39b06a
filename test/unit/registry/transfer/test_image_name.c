/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "registry/transfer/image_name.h"

#include <stdio.h>

static const struct row {
	const char *text;
	const char *repo, *tag;         /* as a whole name; NULL: refused */
	const char *ref_repo, *ref_tag; /* as ref.name */
} rows[] = {
        {"1.0", "1.0", "", "", "1.0"},
        {"alpine", "alpine", "", "", "alpine"},
        {"alpine:3.19", "alpine", "3.19", "alpine", "3.19"},
        {"docker.io/library/alpine:3.19", "library/alpine", "3.19", "library/alpine", "3.19"},
        {"localhost:5000/a/b:c", "a/b", "c", "a/b", "c"},
        {"team/app@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
         "team/app", "", "team/app", ""},
        {"Team/App:1", NULL, NULL, NULL, NULL},
        {"", NULL, NULL, NULL, NULL},
        {"a/b:", NULL, NULL, NULL, NULL},
};

static void check(const struct row *row, int rc, const struct loci__image_name *name,
                  const char *repo, const char *tag, const struct loci_error *err)
{
	if ((rc == 0) != (repo != NULL))
		fail_msg("'%s': %d %s", row->text, rc, rc < 0 ? err->msg : name->repo);
	if (rc < 0)
		return;
	assert_string_equal(name->repo, repo);
	assert_string_equal(name->tag, tag);
}

static void test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct loci__image_name name = {0};
		struct loci_error err;
		int rc = loci__image_name_parse(rows[i].text, &name, &err);
		check(&rows[i], rc, &name, rows[i].repo, rows[i].tag, &err);
		rc = loci__ref_name_parse(rows[i].text, &name, &err);
		check(&rows[i], rc, &name, rows[i].ref_repo, rows[i].ref_tag, &err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_names)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

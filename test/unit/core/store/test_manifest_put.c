/* SPDX-License-Identifier: Apache-2.0 */
/* What may stand in a manifest's way inside the transaction: preconditions and fixed tags. */
#include "store_fixture.h"

#include <string.h>

static const char *const v1[] = {"v1"};

static int put_with(struct loci_store *st, const struct image *im, struct loci_manifest_put put,
                    struct loci_error *err)
{
	put.struct_size = sizeof(put);
	put.media_type = LOCI_MEDIA_OCI_MANIFEST;
	put.bytes = im->manifest;
	put.n = im->n;
	put.flags = LOCI_MANIFEST_PUT_SPARSE;
	return loci_manifest_put(st, "r", &put, /* res= */ NULL, err);
}

struct seen {
	bool answer;
	int n;
	struct loci_digest current; /* .alg 0: there was none */
};

static bool look(void *arg, const struct loci_digest *current)
{
	struct seen *s = arg;
	s->n++;
	s->current = current ? *current : (struct loci_digest){0};
	return s->answer;
}

static struct loci_manifest_put looking(struct seen *s, const struct loci_digest *want)
{
	return (struct loci_manifest_put){
	        .tags = v1, .n_tags = 1, .want = want, .condition = look, .condition_arg = s};
}

static void test_condition_of_a_tag(void **state)
{
	struct fixture *f = *state;
	struct image one, two;
	struct seen yes = {.answer = true}, no = {0};
	struct loci_manifest_bytes *m;
	image_make(&one, "c", "1", NULL);
	image_make(&two, "c", "2", NULL);
	assert_loci_code(LOCI_E_CONDITION, put_with(f->st, &one, looking(&no, NULL), &e_));
	assert_int_equal(no.n, 1);
	assert_int_equal(no.current.alg, 0);
	assert_false(loci_repo_exists(f->st, "r"));
	assert_loci_ok(put_with(f->st, &one, looking(&yes, NULL), &e_));
	assert_int_equal(yes.current.alg, 0);
	/* It is told what the tag stands for, not what is to come. */
	assert_loci_code(LOCI_E_CONDITION, put_with(f->st, &two, looking(&no, NULL), &e_));
	assert_true(loci_digest_equal(&no.current, &one.digest));
	assert_true(has_tag(f->st, "r", "v1", &one.digest));
	assert_loci_code(LOCI_E_NOT_FOUND,
	                 loci_manifest_get(f->st, "r", NULL, &two.digest, &m, &e_));
	assert_loci_ok(put_with(f->st, &two, looking(&yes, NULL), &e_));
	assert_true(loci_digest_equal(&yes.current, &one.digest));
	assert_true(has_tag(f->st, "r", "v1", &two.digest));
	image_done(&one);
	image_done(&two);
}

/* Pushed by digest, the name is the digest, whatever tags come with it. */
static void test_condition_of_a_digest(void **state)
{
	struct fixture *f = *state;
	struct image one, two;
	struct seen yes = {.answer = true};
	image_make(&one, "c", "1", NULL);
	image_make(&two, "c", "2", NULL);
	assert_loci_ok(image_put(f->st, "r", &one, "v1", LOCI_MANIFEST_PUT_SPARSE, NULL, &e_));
	assert_loci_ok(put_with(f->st, &two, looking(&yes, &two.digest), &e_));
	assert_int_equal(yes.current.alg, 0);
	assert_loci_ok(put_with(f->st, &two, looking(&yes, &two.digest), &e_));
	assert_true(loci_digest_equal(&yes.current, &two.digest));
	image_done(&one);
	image_done(&two);
}

static void test_fixed_tags(void **state)
{
	static const char *const tags[] = {"free", "v1"};
	static const bool fixed[] = {false, true};
	struct fixture *f = *state;
	const struct loci_manifest_put put = {.tags = tags, .n_tags = 2, .fixed = fixed};
	struct image one, two;
	struct loci_error err;
	image_make(&one, "c", "1", NULL);
	image_make(&two, "c", "2", NULL);
	assert_loci_ok(put_with(f->st, &one, put, &e_));
	assert_loci_ok(put_with(f->st, &one, put, &e_)); /* the same again moves nothing */
	assert_int_equal(put_with(f->st, &two, put, &err), LOCI_E_DENIED);
	assert_non_null(strstr(err.msg, "tag 'v1' is immutable"));
	/* One that may not move keeps all of them from moving. */
	assert_true(has_tag(f->st, "r", "free", &one.digest));
	assert_true(has_tag(f->st, "r", "v1", &one.digest));
	/* Only the fixed one is held. */
	assert_loci_ok(put_with(
	        f->st, &two, (struct loci_manifest_put){.tags = tags, .n_tags = 1, .fixed = fixed},
	        &e_));
	assert_true(has_tag(f->st, "r", "free", &two.digest));
	image_done(&one);
	image_done(&two);
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        STORE_TEST(test_condition_of_a_tag),
	        STORE_TEST(test_condition_of_a_digest),
	        STORE_TEST(test_fixed_tags),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

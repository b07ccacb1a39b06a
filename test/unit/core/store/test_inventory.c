/* SPDX-License-Identifier: Apache-2.0 */
/* Listings with all that is known of each entry. */
#include "store_fixture.h"

#include "core/base/clock.h"
#include "loci/inventory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct search {
	struct loci_digest digest;
	struct loci_manifest_info info;
	unsigned n;
	bool found;
};

static int look(void *arg, const struct loci_manifest_info *info)
{
	struct search *s = arg;
	s->n++;
	if (loci_digest_equal(&info->digest, &s->digest)) {
		s->found = true;
		s->info = *info;
	}
	return 0;
}

static struct loci_manifest_info info_of(struct loci_store *st, const struct loci_digest *d)
{
	struct search s = {.digest = *d};
	assert_loci_ok(loci_manifest_info_foreach(st, "r", NULL, look, &s, &e_));
	assert_true(s.found);
	return s.info;
}

static void test_fields(void **state)
{
	struct fixture *f = *state;
	struct image im;
	uint64_t before = loci__clock_epoch();
	image_make(&im, "{}", "layer", NULL);
	image_push(f->st, "r", &im, "{}", "layer", "v1");
	assert_loci_ok(image_put(f->st, "r", &im, "v2", 0, NULL, &e_));
	struct loci_manifest_info info = info_of(f->st, &im.digest);
	assert_string_equal(info.media_type, LOCI_MEDIA_OCI_MANIFEST);
	assert_int_equal(info.size, im.n);
	assert_true(info.pushed_at >= before);
	assert_int_equal(info.pulled_at | info.untagged_at, 0);
	assert_int_equal(info.n_tags, 2);
	assert_int_equal(info.subject.alg, 0);
	assert_false(info.has_parent || info.has_subject);
	image_done(&im);
}

/* The parent and the subject count in this repository alone. */
static void test_holders(void **state)
{
	struct fixture *f = *state;
	struct image im, referrer;
	char subject[LOCI_DIGEST_STR_MAX];
	image_make(&im, "{}", "layer", NULL);
	loci_digest_format(&im.digest, subject);
	image_make(&referrer, "{}", "signature", subject);
	image_push(f->st, "other", &im, "{}", "layer", NULL);
	index_push(f->st, "other", &im, 1, "all");
	image_push(f->st, "r", &referrer, "{}", "signature", NULL);
	assert_false(info_of(f->st, &referrer.digest).has_subject);
	struct loci_manifest_info info = info_of(f->st, &referrer.digest);
	assert_true(loci_digest_equal(&info.subject, &im.digest));
	image_push(f->st, "r", &im, "{}", "layer", NULL);
	assert_true(info_of(f->st, &referrer.digest).has_subject);
	assert_false(info_of(f->st, &im.digest).has_parent);
	struct loci_digest index = index_push(f->st, "r", &im, 1, "all");
	assert_true(info_of(f->st, &im.digest).has_parent);
	assert_false(info_of(f->st, &index).has_parent);
	assert_loci_ok(loci_manifest_delete(f->st, "r", &index, &e_));
	assert_false(info_of(f->st, &im.digest).has_parent);
	image_done(&im);
	image_done(&referrer);
}

static int set_old_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	const struct image *im = arg;
	struct loci__key tag = loci__key_of_repo_text("r", "v1");
	struct loci__key member = loci__key_of_repo_digest("r", &im->digest);
	char b[LOCI_DIGEST_KEY_MAX + 8];
	size_t n = loci__put_digest(b, &im->digest);
	loci__put_u64le(b + n, 1000);
	int rc = loci__txn_put(t, LOCI_INDEX_TAG, &tag, (struct loci_slice){b, n + 8}, err);
	loci__put_u64le(b, 900);
	return rc < 0 ? rc
	              : loci__txn_put(t, LOCI_INDEX_MEMBER, &member, (struct loci_slice){b, 8},
	                              err);
}

static int untime_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	const struct image *im = arg;
	struct loci__key tag = loci__key_of_repo_text("r", "v1");
	char b[LOCI_DIGEST_KEY_MAX];
	size_t n = loci__put_digest(b, &im->digest);
	return loci__txn_put(t, LOCI_INDEX_TAG, &tag, (struct loci_slice){b, n}, err);
}

static int take_tag(void *arg, const struct loci_tag_info *info)
{
	*(struct loci_tag_info *)arg = *info;
	return 0;
}

static struct loci_tag_info first_tag(struct loci_store *st)
{
	struct loci_tag_info info = {0};
	assert_loci_ok(loci_tag_info_foreach(st, "r", NULL, take_tag, &info, &e_));
	return info;
}

/* Pushed again is pushed now: the tag, and its manifest. */
static void test_times(void **state)
{
	struct fixture *f = *state;
	struct image im;
	uint64_t before = loci__clock_epoch();
	image_make(&im, "{}", "layer", NULL);
	image_push(f->st, "r", &im, "{}", "layer", "v1");
	assert_true(first_tag(f->st).pushed_at >= before);
	assert_loci_ok(loci__store_write(f->st, set_old_op, &im, &e_));
	assert_int_equal(first_tag(f->st).pushed_at, 1000);
	assert_int_equal(info_of(f->st, &im.digest).pushed_at, 900);
	/* A tag of format 1 has its manifest's time. */
	assert_loci_ok(loci__store_write(f->st, untime_op, &im, &e_));
	assert_int_equal(first_tag(f->st).pushed_at, 900);
	assert_loci_ok(image_put(f->st, "r", &im, "v1", 0, NULL, &e_));
	assert_true(first_tag(f->st).pushed_at >= before);
	assert_true(info_of(f->st, &im.digest).pushed_at >= before);
	image_done(&im);
}

struct order {
	unsigned n;
	char last[LOCI_TAG_MAX + 1];
	struct loci_digest last_digest;
};

static int tags_in_order(void *arg, const struct loci_tag_info *info)
{
	struct order *o = arg;
	assert_true(strcmp(o->last, info->tag) < 0);
	memcpy(o->last, info->tag, sizeof(o->last));
	o->n++;
	return 0;
}

static int digests_in_order(void *arg, const struct loci_manifest_info *info)
{
	struct order *o = arg;
	assert_true(memcmp(o->last_digest.bytes, info->digest.bytes, 32) < 0);
	o->last_digest = info->digest;
	o->n++;
	return 0;
}

static int stop_tag(void *arg, const struct loci_tag_info *info)
{
	(void)arg, (void)info;
	return 1;
}

static int stop_manifest(void *arg, const struct loci_manifest_info *info)
{
	(void)arg, (void)info;
	return 1;
}

/* More than a batch, from a place on, and other repositories beside. */
static void test_batches(void **state)
{
	enum { N = 150 };
	struct fixture *f = *state;
	struct order o = {0};
	char text[32];
	for (int i = 0; i < N; i++) {
		struct image im;
		snprintf(text, sizeof(text), "layer %d", i);
		image_make(&im, "{}", text, NULL);
		snprintf(text, sizeof(text), "t%03d", i);
		assert_loci_ok(
		        image_put(f->st, "r", &im, text, LOCI_MANIFEST_PUT_SPARSE, NULL, &e_));
		assert_loci_ok(image_put(f->st, i % 2 ? "r-x" : "q", &im, text,
		                         LOCI_MANIFEST_PUT_SPARSE, NULL, &e_));
		image_done(&im);
	}
	assert_loci_ok(loci_tag_info_foreach(f->st, "r", NULL, tags_in_order, &o, &e_));
	assert_int_equal(o.n, N);
	o = (struct order){0};
	assert_loci_ok(loci_tag_info_foreach(f->st, "r", "t099", tags_in_order, &o, &e_));
	assert_int_equal(o.n, 50);
	o = (struct order){0};
	assert_loci_ok(loci_manifest_info_foreach(f->st, "r", NULL, digests_in_order, &o, &e_));
	assert_int_equal(o.n, N);
	struct loci_digest last = o.last_digest;
	o = (struct order){0};
	assert_loci_ok(loci_manifest_info_foreach(f->st, "r", &last, digests_in_order, &o, &e_));
	assert_int_equal(o.n, 0);
	assert_loci_code(LOCI_E_CALLBACK,
	                 loci_tag_info_foreach(f->st, "r", NULL, stop_tag, NULL, &e_));
	assert_loci_code(LOCI_E_CALLBACK,
	                 loci_manifest_info_foreach(f->st, "r", NULL, stop_manifest, NULL, &e_));
	assert_loci_ok(loci_tag_info_foreach(f->st, "none", NULL, stop_tag, NULL, &e_));
	assert_loci_code(LOCI_E_INVALID,
	                 loci_tag_info_foreach(f->st, "R", NULL, stop_tag, NULL, &e_));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)
	        TEST(test_fields),
	        TEST(test_holders),
	        TEST(test_times),
	        TEST(test_batches),
#undef TEST
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

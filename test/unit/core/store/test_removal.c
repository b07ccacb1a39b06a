/* SPDX-License-Identifier: Apache-2.0 */
/* Removal on conditions, and of whole repositories. */
#include "store_fixture.h"

#include "core/base/clock.h"
#include "loci/inventory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool has_manifest(struct loci_store *st, const struct loci_digest *d)
{
	struct loci_manifest_bytes *m;
	if (loci_manifest_get(st, "r", NULL, d, &m, NULL) < 0)
		return false;
	loci_manifest_bytes_free(m);
	return true;
}

static bool remove_it(struct loci_store *st, struct loci_removal r)
{
	assert_loci_ok(loci_remove_if(st, "r", &r, 1, &e_));
	return r.removed;
}

static bool remove_loose(struct loci_store *st, const struct loci_digest *d)
{
	return remove_it(st, (struct loci_removal){.digest = *d, .flags = LOCI_REMOVE_IF_LOOSE});
}

static void test_tag(void **state)
{
	struct fixture *f = *state;
	struct image first, second;
	uint64_t before = loci__clock_epoch();
	image_make(&first, "{}", "one", NULL);
	image_make(&second, "{}", "two", NULL);
	image_push(f->st, "r", &first, "{}", "one", "latest");
	struct loci_removal r = {.tag = "latest", .digest = second.digest};
	assert_false(remove_it(f->st, r)); /* it points elsewhere */
	r.digest = first.digest;
	r.pushed_until = before - 1;
	assert_false(remove_it(f->st, r)); /* it was set since */
	assert_true(has_tag(f->st, "r", "latest", &first.digest));
	r.pushed_until = before + 1000;
	assert_true(remove_it(f->st, r));
	assert_false(has_tag(f->st, "r", "latest", &first.digest));
	assert_true(has_manifest(f->st, &first.digest));
	assert_false(remove_it(f->st, r)); /* it is gone */
	assert_usage_is_right(f->st);
	image_done(&first);
	image_done(&second);
}

static void test_loose(void **state)
{
	struct fixture *f = *state;
	struct image im, referrer;
	char subject[LOCI_DIGEST_STR_MAX];
	image_make(&im, "{}", "layer", NULL);
	loci_digest_format(&im.digest, subject);
	image_make(&referrer, "{}", "signature", subject);
	image_push(f->st, "r", &im, "{}", "layer", "v1");
	image_push(f->st, "r", &referrer, "{}", "signature", NULL);
	assert_false(remove_loose(f->st, &im.digest)); /* a tag */
	struct loci_digest index = index_push(f->st, "r", &im, 1, NULL);
	assert_loci_ok(loci_tag_delete(f->st, "r", "v1", &e_));
	assert_false(remove_loose(f->st, &im.digest));       /* an index */
	assert_false(remove_loose(f->st, &referrer.digest)); /* a subject */
	assert_true(remove_loose(f->st, &index));
	assert_true(remove_loose(f->st, &im.digest));
	assert_true(remove_loose(f->st, &referrer.digest));
	assert_false(remove_loose(f->st, &referrer.digest));
	assert_false(loci_repo_exists(f->st, "r"));
	assert_usage_is_right(f->st);
	image_done(&im);
	image_done(&referrer);
}

/* An order of the batch is an order in time: what the first lets go, the second finds loose. */
static void test_order(void **state)
{
	struct fixture *f = *state;
	struct image im;
	image_make(&im, "{}", "layer", NULL);
	image_push(f->st, "r", &im, "{}", "layer", NULL);
	struct loci_digest index = index_push(f->st, "r", &im, 1, NULL);
	struct loci_removal r[] = {
	        {.digest = im.digest, .flags = LOCI_REMOVE_IF_LOOSE},
	        {.digest = index, .flags = LOCI_REMOVE_IF_LOOSE},
	        {.digest = im.digest, .flags = LOCI_REMOVE_IF_LOOSE},
	};
	assert_loci_ok(loci_remove_if(f->st, "r", r, 3, &e_));
	assert_false(r[0].removed);
	assert_true(r[1].removed && r[2].removed);
	image_done(&im);
}

static void test_times(void **state)
{
	struct fixture *f = *state;
	struct image im, other;
	uint64_t now = loci__clock_epoch();
	image_make(&im, "{}", "layer", NULL);
	image_make(&other, "{}", "other", NULL);
	image_push(f->st, "r", &im, "{}", "layer", "v1");
	struct loci_removal r = {.digest = im.digest, .pushed_until = now - 1};
	assert_false(remove_it(f->st, r));
	r.pushed_until = now + 1000;
	loci_manifest_pulled(f->st, "r", &im.digest);
	r.pulled_until = now - 1;
	assert_false(remove_it(f->st, r)); /* it was pulled since */
	assert_true(has_manifest(f->st, &im.digest));
	r.pulled_until = now + 1000;
	assert_true(remove_it(f->st, r)); /* its tag goes along */
	assert_false(has_manifest(f->st, &im.digest));
	assert_false(has_tag(f->st, "r", "v1", &im.digest));
	image_done(&im);
	image_done(&other);
}

static void test_arguments(void **state)
{
	struct fixture *f = *state;
	struct loci_removal r[LOCI_REMOVALS_MAX + 1];
	struct loci_digest d = digest_of("x", 1);
	for (size_t i = 0; i < LOCI_REMOVALS_MAX + 1; i++)
		r[i] = (struct loci_removal){.digest = d, .removed = true};
	assert_loci_code(LOCI_E_TOO_LARGE,
	                 loci_remove_if(f->st, "r", r, LOCI_REMOVALS_MAX + 1, &e_));
	assert_loci_code(LOCI_E_INVALID, loci_remove_if(f->st, "R", r, 1, &e_));
	assert_false(r[0].removed);
	r[0] = (struct loci_removal){.tag = "a b", .digest = d};
	assert_loci_code(LOCI_E_INVALID, loci_remove_if(f->st, "r", r, 1, &e_));
	r[0] = (struct loci_removal){.tag = "a"};
	assert_loci_code(LOCI_E_INVALID, loci_remove_if(f->st, "r", r, 1, &e_));
	assert_loci_ok(loci_remove_if(f->st, "r", r, 0, &e_));
}

static void test_repository(void **state)
{
	enum { N = 100 };
	struct fixture *f = *state;
	struct loci_usage sum = {0}, step, kept;
	char text[32];
	int more, steps = 0;
	for (int i = 0; i < N; i++) {
		struct image im;
		snprintf(text, sizeof(text), "layer %d", i);
		image_make(&im, "{}", text, NULL);
		image_push(f->st, "r", &im, "{}", text, i % 2 ? NULL : "tag");
		if (i == 0)
			image_push(f->st, "r/below", &im, "{}", text, "tag");
		image_done(&im);
	}
	while ((more = loci_repo_remove_step(f->st, "r", &step, NULL)) == 1) {
		assert_true(step.manifests <= LOCI_REMOVALS_MAX);
		assert_true(step.blobs <= LOCI_REMOVALS_MAX);
		sum.bytes += step.bytes;
		sum.blobs += step.blobs;
		sum.manifests += step.manifests;
		sum.tags += step.tags;
		steps++;
	}
	assert_int_equal(more, 0);
	assert_true(steps >= 4);
	assert_int_equal(sum.manifests, N);
	assert_int_equal(sum.blobs, N + 1);
	assert_int_equal(sum.tags, 1);
	assert_false(loci_repo_exists(f->st, "r"));
	assert_loci_ok(loci_usage_get(f->st, "r", &kept, &e_));
	assert_int_equal(kept.manifests, 1); /* "r/below" is another one */
	assert_int_equal(kept.blobs, 2);
	assert_usage_is_right(f->st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)
	        TEST(test_tag),   TEST(test_loose),     TEST(test_order),
	        TEST(test_times), TEST(test_arguments), TEST(test_repository),
#undef TEST
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

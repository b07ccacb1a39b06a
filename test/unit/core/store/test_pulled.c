/* SPDX-License-Identifier: Apache-2.0 */
/* When manifests were pulled, and when they lost a tag. */
#include "store_fixture.h"

#include "core/base/clock.h"
#include "core/store/pulled.h"
#include "loci/inventory.h"

#include <stdio.h>
#include <string.h>

static struct loci__pulled_row row_of(struct loci_store *st, const struct loci_digest *d)
{
	loci__cleanup_read struct loci__txn t = {0};
	struct loci__pulled_row row;
	assert_loci_ok(loci__read_begin(st->sh->index, &t, &e_));
	assert_loci_ok(loci__pulled_row_get(&t, "r", d, &row, &e_));
	return row;
}

static int nothing_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	(void)t, (void)arg, (void)err;
	return 0;
}

/* Notes are posted: they have been written when what was queued after them has. */
static void pull(struct loci_store *st, const char *repo, const struct loci_digest *d)
{
	loci_manifest_pulled(st, repo, d);
	assert_loci_ok(loci__store_write(st, nothing_op, NULL, &e_));
}

struct set {
	const struct loci_digest *digest;
	uint64_t pulled;
};

static int set_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	const struct set *s = arg;
	struct loci__key k = loci__key_of_repo_digest("r", s->digest);
	char b[16] = {0};
	loci__put_u64le(b, s->pulled);
	return loci__txn_put(t, LOCI_INDEX_PULLED, &k, (struct loci_slice){b, sizeof(b)}, err);
}

static void set_pulled(struct loci_store *st, const struct loci_digest *d, uint64_t time)
{
	struct set s = {d, time};
	assert_loci_ok(loci__store_write(st, set_op, &s, &e_));
}

static void test_pull(void **state)
{
	struct fixture *f = *state;
	struct image im;
	image_make(&im, "{}", "layer", NULL);
	image_push(f->st, "r", &im, "{}", "layer", "v1");
	uint64_t before = loci__clock_epoch();
	assert_int_equal(row_of(f->st, &im.digest).pulled, 0);
	pull(f->st, "r", &im.digest);
	assert_true(row_of(f->st, &im.digest).pulled >= before);
	image_done(&im);
}

/* Once an hour, in one process and across a restart. */
static void test_hourly(void **state)
{
	struct fixture *f = *state;
	struct image im;
	uint64_t now = loci__clock_epoch();
	image_make(&im, "{}", "layer", NULL);
	image_push(f->st, "r", &im, "{}", "layer", "v1");
	pull(f->st, "r", &im.digest);
	set_pulled(f->st, &im.digest, 1);
	pull(f->st, "r", &im.digest); /* this process knows that it has noted it */
	assert_int_equal(row_of(f->st, &im.digest).pulled, 1);
	fixture_reopen(f);
	pull(f->st, "r", &im.digest);
	assert_true(row_of(f->st, &im.digest).pulled >= now);
	/* Another process's note, within the hour. */
	set_pulled(f->st, &im.digest, now - 1000);
	fixture_reopen(f);
	pull(f->st, "r", &im.digest);
	assert_int_equal(row_of(f->st, &im.digest).pulled, now - 1000);
	image_done(&im);
}

/* Only of what is there; the row goes with the membership. */
static void test_members_only(void **state)
{
	struct fixture *f = *state;
	struct image im;
	image_make(&im, "{}", "layer", NULL);
	pull(f->st, "r", &im.digest);
	assert_int_equal(row_of(f->st, &im.digest).pulled, 0);
	fixture_reopen(f);
	image_push(f->st, "r", &im, "{}", "layer", "v1");
	pull(f->st, "r", &im.digest);
	assert_true(row_of(f->st, &im.digest).pulled > 0);
	assert_loci_ok(loci_manifest_delete(f->st, "r", &im.digest, &e_));
	assert_int_equal(row_of(f->st, &im.digest).pulled, 0);
	image_done(&im);
}

static void test_untagged(void **state)
{
	struct fixture *f = *state;
	struct image first, second;
	image_make(&first, "{}", "one", NULL);
	image_make(&second, "{}", "two", NULL);
	image_push(f->st, "r", &first, "{}", "one", "latest");
	assert_loci_ok(image_put(f->st, "r", &first, "latest", 0, NULL, &e_));
	assert_int_equal(row_of(f->st, &first.digest).untagged, 0);
	uint64_t before = loci__clock_epoch();
	image_push(f->st, "r", &second, "{}", "two", "latest"); /* the tag moves */
	assert_true(row_of(f->st, &first.digest).untagged >= before);
	assert_int_equal(row_of(f->st, &second.digest).untagged, 0);
	assert_loci_ok(loci_tag_delete(f->st, "r", "latest", &e_));
	assert_true(row_of(f->st, &second.digest).untagged >= before);
	image_done(&first);
	image_done(&second);
}

static void test_since(void **state)
{
	struct fixture *f = *state;
	uint64_t since = 1, again;
	assert_loci_ok(loci_pulls_since(f->st, &since, &e_));
	assert_int_equal(since, 0);
	assert_loci_ok(loci_pulls_track(f->st, false, &e_));
	assert_loci_ok(loci_pulls_track(f->st, true, &e_));
	assert_loci_ok(loci_pulls_since(f->st, &since, &e_));
	assert_true(since > 0);
	fixture_reopen(f);
	assert_loci_ok(loci_pulls_track(f->st, true, &e_));
	assert_loci_ok(loci_pulls_since(f->st, &again, &e_));
	assert_int_equal(again, since);
	assert_loci_ok(loci_pulls_track(f->st, false, &e_));
	assert_loci_ok(loci_pulls_since(f->st, &again, &e_));
	assert_int_equal(again, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)
	        TEST(test_pull),     TEST(test_hourly), TEST(test_members_only),
	        TEST(test_untagged), TEST(test_since),
#undef TEST
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

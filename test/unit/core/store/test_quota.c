/* SPDX-License-Identifier: Apache-2.0 */
/* Quotas: what they refuse, and that clients together cannot go beyond one. */
#include "store_fixture.h"

#include "loci/inventory.h"
#include "loci/quota.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void set_quota(struct loci_store *st, const char *path, uint64_t bytes)
{
	struct loci_quota q = {path, bytes};
	assert_loci_ok(loci_store_set_quotas(st, &q, 1, &e_));
}

static int put(struct loci_store *st, const char *repo, const char *text, struct loci_error *err)
{
	struct loci_digest d;
	return loci_blob_put(st, repo, text, strlen(text), NULL, &d, err);
}

static uint64_t bytes_of(struct loci_store *st, const char *path)
{
	struct loci_usage u;
	assert_loci_ok(loci_usage_get(st, path, &u, &e_));
	return u.bytes;
}

static void test_blobs(void **state)
{
	struct fixture *f = *state;
	struct loci_error err;
	struct loci_digest d = digest_of("1234567890", 10);
	set_quota(f->st, "team", 10);
	assert_loci_ok(put(f->st, "team/app", "1234567890", &e_)); /* to the last byte */
	assert_int_equal(put(f->st, "team/app", "x", &err), LOCI_E_DENIED);
	assert_string_equal(err.msg, "quota of 'team': 10 bytes allowed, 10 used, 1 more needed");
	struct loci_digest x = digest_of("x", 1);
	assert_false(has_blob(f->st, NULL, &x));
	/* What the repository has needs nothing; another path has no quota. */
	assert_loci_ok(put(f->st, "team/app", "1234567890", &e_));
	assert_loci_ok(loci_blob_mount(f->st, "team/app", "team/app", &d, &e_));
	assert_loci_ok(put(f->st, "teams/app", "1234567890x", &e_));
	assert_loci_code(LOCI_E_DENIED, loci_blob_mount(f->st, "team/app", "team", &d, &e_));
	/* Room again. */
	assert_loci_ok(loci_blob_delete(f->st, "team/app", &d, &e_));
	assert_loci_ok(put(f->st, "team", "x", &e_));
	assert_usage_is_right(f->st);
}

/* A failed commit leaves the session, which fits after the quota has grown; a file without a row
 * stays nowhere. */
static void test_commit(void **state)
{
	struct fixture *f = *state;
	struct loci_upload *up;
	char id[LOCI_UPLOAD_ID_MAX], hex[LOCI_DIGEST_STR_MAX], path[600];
	struct loci_digest d = digest_of("12345", 5);
	loci_digest_format(&d, hex);
	snprintf(path, sizeof(path), "%s/blobs/sha256/%.2s/%s", f->store, hex + 7, hex + 7);
	assert_loci_ok(loci_upload_begin(f->st, "r", 0, &up, &e_));
	snprintf(id, sizeof(id), "%s", loci_upload_id(up));
	assert_loci_ok(loci_upload_write(up, "12345", 5, &e_));
	set_quota(f->st, "r/", 4);
	assert_loci_code(LOCI_E_DENIED, loci_upload_commit(up, &d, &e_));
	assert_false(has_blob(f->st, NULL, &d));
	assert_int_equal(access(path, F_OK), -1);
	assert_loci_ok(loci_upload_resume(f->st, "r", id, &up, &e_));
	set_quota(f->st, "r/", 5);
	assert_loci_ok(loci_upload_commit(up, &d, &e_));
	assert_true(has_blob(f->st, "r", &d));
	assert_int_equal(access(path, F_OK), 0);
}

static void test_manifests(void **state)
{
	struct fixture *f = *state;
	struct image im;
	image_make(&im, "{}", "layer", NULL);
	set_quota(f->st, "", 2 + 5 + im.n - 1);
	assert_loci_ok(put(f->st, "r", "{}", &e_));
	assert_loci_ok(put(f->st, "r", "layer", &e_));
	struct loci_error err;
	assert_int_equal(image_put(f->st, "r", &im, "v1", 0, NULL, &err), LOCI_E_DENIED);
	assert_non_null(strstr(err.msg, "quota of all repositories: "));
	set_quota(f->st, "", 2 + 5 + im.n);
	assert_loci_ok(image_put(f->st, "r", &im, "v1", 0, NULL, &e_));
	/* It is there: tags are free. */
	set_quota(f->st, "", 1);
	assert_loci_ok(image_put(f->st, "r", &im, "v2", 0, NULL, &e_));
	assert_true(has_tag(f->st, "r", "v2", &im.digest));
	image_done(&im);
}

/* All that fit count; of one path, the last. */
static void test_several(void **state)
{
	struct fixture *f = *state;
	uint64_t room;
	struct loci_quota q[] = {{"", 100}, {"team/", 1}, {"team/app", 50}, {"team", 20}};
	assert_loci_ok(loci_quota_room(f->st, "team/app", &room, &e_));
	assert_int_equal(room, UINT64_MAX);
	assert_loci_ok(loci_store_set_quotas(f->st, q, 4, &e_));
	assert_loci_ok(loci_quota_room(f->st, "team/app", &room, &e_));
	assert_int_equal(room, 20);
	assert_loci_ok(put(f->st, "team/tool", "12345", &e_));
	assert_loci_ok(loci_quota_room(f->st, "team/app", &room, &e_));
	assert_int_equal(room, 15);
	assert_loci_ok(loci_quota_room(f->st, "other", &room, &e_));
	assert_int_equal(room, 95);
	assert_loci_ok(loci_quota_check(f->st, "team/app", 15, &e_));
	assert_loci_code(LOCI_E_DENIED, loci_quota_check(f->st, "team/app", 16, &e_));
	assert_loci_code(LOCI_E_DENIED, loci_quota_check(f->st, "team/app", UINT64_MAX, &e_));
	assert_loci_ok(loci_store_set_quotas(f->st, NULL, 0, &e_));
	assert_loci_ok(loci_quota_check(f->st, "team/app", UINT64_MAX, &e_));
	/* What was wrong changes nothing. */
	set_quota(f->st, "team", 5);
	q[1].path = "Team";
	assert_loci_code(LOCI_E_INVALID, loci_store_set_quotas(f->st, q, 4, &e_));
	assert_loci_code(LOCI_E_TOO_LARGE,
	                 loci_store_set_quotas(f->st, q, LOCI_QUOTAS_MAX + 1, &e_));
	assert_loci_code(LOCI_E_DENIED, loci_quota_check(f->st, "team/app", 1, &e_));
	assert_loci_code(LOCI_E_INVALID, loci_quota_check(f->st, "Team", 1, &e_));
}

/* ---- many at once ---------------------------------------------------------------------------- */

#define THREADS 8
#define EACH    40

struct crowd {
	struct loci_store *st;
	atomic_uint next, taken, denied, other;
	atomic_bool done;
};

static void *push_some(void *arg)
{
	struct crowd *c = arg;
	char text[16];
	for (int i = 0; i < EACH; i++) {
		snprintf(text, sizeof(text), "%09u", atomic_fetch_add(&c->next, 1));
		int rc = put(c->st, "team/app", text, NULL);
		atomic_fetch_add(rc == 0               ? &c->taken
		                 : rc == LOCI_E_DENIED ? &c->denied
		                                       : &c->other,
		                 1);
	}
	return NULL;
}

/* As at a reload: replaced by the same, all the time. */
static void *set_again(void *arg)
{
	struct crowd *c = arg;
	while (!atomic_load(&c->done)) {
		struct loci_quota q[] = {{"other", 1}, {"team", 900}};
		if (loci_store_set_quotas(c->st, q, 2, NULL) < 0)
			atomic_fetch_add(&c->other, 1);
	}
	return NULL;
}

static void test_together(void **state)
{
	struct fixture *f = *state;
	struct crowd c = {.st = f->st};
	pthread_t threads[THREADS], setter;
	set_quota(f->st, "team", 900);
	assert_int_equal(pthread_create(&setter, NULL, set_again, &c), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, push_some, &c), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	atomic_store(&c.done, true);
	pthread_join(setter, NULL);
	assert_int_equal(atomic_load(&c.taken), 100);
	assert_int_equal(atomic_load(&c.denied), THREADS * EACH - 100);
	assert_int_equal(atomic_load(&c.other), 0);
	assert_int_equal(bytes_of(f->st, "team"), 900);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)
	        TEST(test_blobs),   TEST(test_commit),   TEST(test_manifests),
	        TEST(test_several), TEST(test_together),
#undef TEST
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

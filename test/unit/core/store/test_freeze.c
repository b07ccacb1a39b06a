/* SPDX-License-Identifier: Apache-2.0 */
/* The mark against writing: seen by every process, lifted by none but the one that is asked to. */
#include "store_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static int put(struct loci_store *st, const char *text, struct loci_error *err)
{
	struct loci_digest d;
	return loci_blob_put(st, "a", text, strlen(text), NULL, &d, err);
}

static void refuses_writes_and_answers_reads(void **state)
{
	struct fixture *f = *state;
	struct image im;
	image_make(&im, "config", "layer", NULL);
	image_push(f->st, "a", &im, "config", "layer", "v1");
	assert_false(loci_store_is_frozen(f->st));
	assert_loci_ok(loci_store_freeze(f->st, "backup", &e_));
	assert_true(loci_store_is_frozen(f->st));
	assert_loci_code(LOCI_E_READ_ONLY, put(f->st, "x", &e_));
	assert_loci_code(LOCI_E_READ_ONLY, image_put(f->st, "a", &im, "v2", 0, NULL, &e_));
	assert_loci_code(LOCI_E_READ_ONLY, loci_tag_delete(f->st, "a", "v1", &e_));
	assert_true(has_tag(f->st, "a", "v1", &im.digest));
	assert_true(has_blob(f->st, "a", &im.layer));
	assert_loci_ok(loci_store_thaw(f->st, &e_));
	assert_loci_ok(put(f->st, "x", &e_));
	assert_loci_ok(image_put(f->st, "a", &im, "v2", 0, NULL, &e_));
	image_done(&im);
}

static void tells_since_when_and_why(void **state)
{
	struct fixture *f = *state;
	struct loci_store_freeze mark;
	assert_loci_code(LOCI_E_NOT_FOUND, loci_store_frozen(f->st, &mark, &e_));
	assert_loci_code(LOCI_E_NOT_FOUND, loci_store_thaw(f->st, &e_));
	assert_loci_ok(loci_store_freeze(f->st, NULL, &e_));
	assert_loci_ok(loci_store_frozen(f->st, &mark, &e_));
	assert_string_equal(mark.reason, "");
	assert_true(mark.since > 1000000000);
	assert_loci_ok(loci_store_freeze(f->st, "moved", &e_));
	assert_loci_ok(loci_store_frozen(f->st, &mark, &e_));
	assert_string_equal(mark.reason, "moved");
	char reason[LOCI_FREEZE_REASON_MAX + 1];
	memset(reason, 'x', sizeof(reason));
	reason[LOCI_FREEZE_REASON_MAX] = '\0';
	assert_loci_code(LOCI_E_INVALID, loci_store_freeze(f->st, reason, &e_));
	reason[LOCI_FREEZE_REASON_MAX - 1] = '\0';
	assert_loci_ok(loci_store_freeze(f->st, reason, &e_));
	assert_loci_ok(loci_store_frozen(f->st, &mark, &e_));
	assert_string_equal(mark.reason, reason);
}

static void lasts_beyond_a_restart(void **state)
{
	struct fixture *f = *state;
	assert_loci_ok(loci_store_freeze(f->st, NULL, &e_));
	fixture_reopen(f);
	assert_true(loci_store_is_frozen(f->st));
	assert_loci_code(LOCI_E_READ_ONLY, put(f->st, "x", &e_));
}

/* A commit that was refused can be made up for: its bytes are kept. */
static void keeps_a_session_whose_commit_was_refused(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d = digest_of("bytes", 5);
	struct loci_upload *up;
	char id[LOCI_UPLOAD_ID_MAX];
	assert_loci_ok(loci_upload_begin(f->st, "a", 0, &up, &e_));
	snprintf(id, sizeof(id), "%s", loci_upload_id(up));
	assert_loci_ok(loci_store_freeze(f->st, NULL, &e_));
	assert_loci_ok(loci_upload_write(up, "bytes", 5, &e_));
	assert_loci_code(LOCI_E_READ_ONLY, loci_upload_commit(up, &d, &e_));
	assert_false(has_blob(f->st, "a", &d));
	assert_loci_ok(loci_store_thaw(f->st, &e_));
	assert_loci_ok(loci_upload_resume(f->st, "a", id, &up, &e_));
	assert_loci_ok(loci_upload_commit(up, &d, &e_));
	assert_true(has_blob(f->st, "a", &d));
}

static int freeze_in_child(void *arg)
{
	struct loci_store *st = open_store(arg);
	child_check(loci_store_freeze(st, "child", NULL) == 0);
	loci_store_close(st);
	return 0;
}

static void another_process_sees_it(void **state)
{
	struct fixture *f = *state;
	fixture_close(f);
	assert_int_equal(child_wait(child_start(freeze_in_child, f->store)), 0);
	f->st = open_store(f->store);
	assert_loci_code(LOCI_E_READ_ONLY, put(f->st, "x", &e_));
}

struct pusher {
	struct loci_store *st;
	atomic_uint written;
	atomic_bool stop;
	unsigned seed;
};

static void *push_on(void *arg)
{
	struct pusher *p = arg;
	char text[32];
	while (!atomic_load(&p->stop)) {
		snprintf(text, sizeof(text), "blob %u", p->seed++);
		if (put(p->st, text, NULL) == 0)
			atomic_fetch_add(&p->written, 1);
	}
	return NULL;
}

/* Once it has returned nothing is written any more, whoever was in the middle of it. */
static void waits_for_writers(void **state)
{
	struct fixture *f = *state;
	struct pusher p = {.st = f->st};
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, push_on, &p), 0);
	for (int i = 0; i < 20; i++) {
		unsigned before = atomic_load(&p.written);
		while (atomic_load(&p.written) == before)
			sched_yield();
		assert_loci_ok(loci_store_freeze(f->st, NULL, &e_));
		/* One that was acknowledged may still be on its way to being counted. */
		unsigned at_rest = atomic_load(&p.written);
		assert_loci_code(LOCI_E_READ_ONLY, put(f->st, "mine", &e_));
		assert_in_range(atomic_load(&p.written), at_rest, at_rest + 1);
		assert_loci_ok(loci_store_thaw(f->st, &e_));
	}
	atomic_store(&p.stop, true);
	pthread_join(thread, NULL);
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        STORE_TEST(refuses_writes_and_answers_reads),
	        STORE_TEST(tells_since_when_and_why),
	        STORE_TEST(lasts_beyond_a_restart),
	        STORE_TEST(keeps_a_session_whose_commit_was_refused),
	        STORE_TEST(another_process_sees_it),
	        STORE_TEST(waits_for_writers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

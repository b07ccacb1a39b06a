/* SPDX-License-Identifier: Apache-2.0 */
/* Group commit: what runs together does not suffer together. */
#include "store_fixture.h"

#include "core/base/err.h"
#include "core/base/histogram.h"
#include "loci/stats.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An operation that keeps the writing thread until it is let go, so that others queue behind it
 * and make one batch. */
struct brake {
	sem_t running;
	sem_t go;
};

static int brake_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	struct brake *b = arg;
	(void)t;
	(void)err;
	sem_post(&b->running);
	sem_wait(&b->go);
	return 0;
}

struct brake_thread {
	struct loci_store *st;
	struct brake brake;
	pthread_t thread;
};

static void *brake_main(void *arg)
{
	struct brake_thread *b = arg;
	if (loci__store_write(b->st, brake_op, &b->brake, NULL) < 0)
		abort();
	return NULL;
}

static void brake_start(struct brake_thread *b, struct loci_store *st)
{
	b->st = st;
	sem_init(&b->brake.running, 0, 0);
	sem_init(&b->brake.go, 0, 0);
	assert_int_equal(pthread_create(&b->thread, NULL, brake_main, b), 0);
	sem_wait(&b->brake.running);
}

static void brake_end(struct brake_thread *b)
{
	sem_post(&b->brake.go);
	pthread_join(b->thread, NULL);
	sem_destroy(&b->brake.running);
	sem_destroy(&b->brake.go);
}

/* Writes a row; may then fail. posted: nobody waits, so the order of the queue is ours. */
struct row_op {
	char name[16];
	bool fail_before, fail_after;
	unsigned *runs;
};

static int row_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	struct row_op *o = arg;
	struct loci__key k = {0};
	loci__key_text(&k, o->name);
	if (o->runs)
		++*o->runs;
	if (o->fail_before)
		return loci__err_set(err, LOCI_E_NOT_FOUND, "fails before it writes");
	int rc = loci__txn_put_u64(t, LOCI_INDEX_REPO, &k, 1, err);
	return rc == 0 && o->fail_after ? loci__err_set(err, LOCI_E_INVALID, "fails after") : rc;
}

static void post(struct loci_store *st, const char *name, bool before, bool after, unsigned *runs)
{
	struct row_op *o = calloc(1, sizeof(*o));
	snprintf(o->name, sizeof(o->name), "%s", name);
	o->fail_before = before;
	o->fail_after = after;
	o->runs = runs;
	assert_loci_ok(loci__writer_post(st->sh->writer, row_op, o, &e_));
}

static void test_failing_operation_spares_its_batch(void **state)
{
	struct fixture *f = *state;
	struct brake_thread brake;
	unsigned runs = 0;
	brake_start(&brake, f->st);
	post(f->st, "a", false, false, &runs);
	post(f->st, "b", true, false, NULL);
	post(f->st, "c", false, false, NULL);
	brake_end(&brake);
	fixture_reopen(f);
	assert_true(loci_repo_exists(f->st, "a"));
	assert_false(loci_repo_exists(f->st, "b"));
	assert_true(loci_repo_exists(f->st, "c"));
	assert_int_equal(runs, 1); /* one batch, no second run */
}

static void test_half_done_operation_is_undone_alone(void **state)
{
	struct fixture *f = *state;
	struct brake_thread brake;
	unsigned runs = 0;
	brake_start(&brake, f->st);
	post(f->st, "a", false, false, &runs);
	post(f->st, "b", false, true, NULL);
	post(f->st, "c", false, false, NULL);
	brake_end(&brake);
	fixture_reopen(f);
	assert_true(loci_repo_exists(f->st, "a"));
	assert_false(loci_repo_exists(f->st, "b"));
	assert_true(loci_repo_exists(f->st, "c"));
	assert_int_equal(runs, 2); /* they were a batch */
}

static void test_error_of_its_own(void **state)
{
	struct fixture *f = *state;
	struct row_op before = {.name = "x", .fail_before = true},
	              after = {.name = "y", .fail_after = true};
	struct loci_error err;
	assert_int_equal(loci__store_write(f->st, row_op, &before, &err), LOCI_E_NOT_FOUND);
	assert_string_equal(err.msg, "fails before it writes");
	assert_int_equal(loci__store_write(f->st, row_op, &after, &err), LOCI_E_INVALID);
	assert_string_equal(err.msg, "fails after");
	assert_false(loci_repo_exists(f->st, "y"));
}

/* A key that the engine refuses fails its transaction, and only that. */
static int bad_key_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	struct loci__key k = {0};
	(void)arg;
	for (int i = 0; i < 100; i++)
		loci__key_text(&k, "longer than any key");
	return loci__txn_put_u64(t, LOCI_INDEX_REPO, &k, 1, err);
}

static void test_refused_key(void **state)
{
	struct fixture *f = *state;
	struct row_op good = {.name = "good"};
	struct loci__key k = {0};
	for (int i = 0; i < 26; i++)
		loci__key_text(&k, "twenty bytes a time!");
	assert_int_equal(k.n, LOCI_INDEX_KEY_MAX + 1);
	assert_loci_code(LOCI_E_INVALID, loci__store_write(f->st, bad_key_op, NULL, &e_));
	assert_loci_ok(loci__store_write(f->st, row_op, &good, &e_));
	assert_true(loci_repo_exists(f->st, "good"));
}

/* Posting never waits and never grows without end. */
static void test_posted_queue_is_bounded(void **state)
{
	struct fixture *f = *state;
	struct brake_thread brake;
	unsigned n = 0;
	int rc = 0;
	brake_start(&brake, f->st);
	while (rc == 0 && n < 100000) {
		struct row_op *o = calloc(1, sizeof(*o));
		snprintf(o->name, sizeof(o->name), "n%u", n);
		rc = loci__writer_post(f->st->sh->writer, row_op, o, NULL);
		if (rc < 0)
			free(o);
		else
			n++;
	}
	assert_int_equal(rc, LOCI_E_BUSY);
	brake_end(&brake);
	/* All that was taken is done, and there is room again. */
	fixture_reopen(f);
	char name[16];
	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		assert_true(loci_repo_exists(f->st, name));
	}
}

static int nothing_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	(void)t, (void)arg, (void)err;
	return 0;
}

/* Three that queue behind one are a batch of three. */
static void test_stats(void **state)
{
	struct fixture *f = *state;
	struct loci_store_stats before = {.struct_size = sizeof(before)}, s = before;
	struct brake_thread b;
	assert_loci_ok(loci_store_stats(f->st, &before, &e_));
	assert_int_equal(before.queue, 0);
	assert_true(before.disk_bytes > before.disk_free_bytes);
	assert_true(before.disk_free_bytes > 0 && before.index_bytes > 0);
	brake_start(&b, f->st);
	for (int i = 0; i < 3; i++)
		assert_loci_ok(loci__writer_post(f->st->sh->writer, nothing_op, NULL, &e_));
	assert_loci_ok(loci_store_stats(f->st, &s, &e_));
	assert_int_equal(s.queue, 3);
	brake_end(&b);
	assert_loci_ok(loci__store_write(f->st, nothing_op, NULL, &e_));
	assert_loci_ok(loci_store_stats(f->st, &s, &e_));
	assert_int_equal(s.queue, 0);
	assert_int_equal(s.batches.sum - before.batches.sum, 5);
	assert_int_equal(loci__histogram_total(&s.batches), loci__histogram_total(&s.commits));
	assert_in_range(loci__histogram_total(&s.batches) - loci__histogram_total(&before.batches),
	                2, 3);
	struct loci_store_stats unset = {0};
	assert_loci_code(LOCI_E_INVALID, loci_store_stats(f->st, &unset, &e_));
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        STORE_TEST(test_failing_operation_spares_its_batch),
	        STORE_TEST(test_half_done_operation_is_undone_alone),
	        STORE_TEST(test_error_of_its_own),
	        STORE_TEST(test_refused_key),
	        STORE_TEST(test_posted_queue_is_bounded),
	        STORE_TEST(test_stats),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

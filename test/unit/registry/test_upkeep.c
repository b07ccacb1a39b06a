/* SPDX-License-Identifier: Apache-2.0 */
/* The upkeep's thread: what it runs, in which order, when it is woken, and that it ends. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "harness.h"
#include "loci/upkeep.h"

#include <fcntl.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define WAIT_S     60
#define INTERVAL_S 3

struct seen {
	struct fixture f;
	sem_t done;
	char order[16]; /* 'b' before, 'd' done */
	size_t n;
	int rc;
	struct loci_gc_stats stats;
	int before_rc;
	uint64_t since; /* seconds from the last collection's begin to what comes before this one */
};

static int on_before(void *arg, loci_gc_canceled_fn is_canceled, void *cancel_arg,
                     struct loci_error *err)
{
	struct seen *s = arg;
	(void)is_canceled(cancel_arg);
	s->since = (uint64_t)time(NULL) - loci_gc_last(s->f.store);
	if (s->n < sizeof(s->order) - 1)
		s->order[s->n++] = 'b';
	if (err && s->before_rc < 0)
		*err = (struct loci_error){.code = s->before_rc, .msg = "injected"};
	return s->before_rc;
}

static void on_done(void *arg, int rc, const struct loci_gc_stats *stats)
{
	struct seen *s = arg;
	if (s->n < sizeof(s->order) - 1)
		s->order[s->n++] = 'd';
	s->rc = rc;
	s->stats = *stats;
	sem_post(&s->done);
}

static void wait_done(struct seen *s)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_S;
	assert_int_equal(sem_timedwait(&s->done, &until), 0);
}

static struct loci_upkeep *start(struct seen *s, uint64_t interval_s, uint64_t grace_s)
{
	const struct loci_upkeep_opts o = {
	        .struct_size = sizeof(o),
	        .store = s->f.store,
	        .log = &s->f.log,
	        .interval_s = interval_s,
	        .grace_s = grace_s,
	        .before = on_before,
	        .before_arg = s,
	        .done = on_done,
	        .done_arg = s,
	};
	struct loci_upkeep *u = NULL;
	struct loci_error err;
	assert_int_equal(loci_upkeep_start(&o, &u, &err), 0);
	return u;
}

static struct seen seen;

static int setup(void **state)
{
	memset(&seen, 0, sizeof(seen));
	fixture_open(&seen.f, NULL);
	sem_init(&seen.done, 0, 0);
	*state = &seen;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	sem_destroy(&seen.done);
	fixture_close(&seen.f);
	return 0;
}

static void test_woken(void **state)
{
	struct seen *s = *state;
	struct loci_upkeep *u = start(s, 3600, 1);
	loci_upkeep_wake(u);
	wait_done(s);
	assert_int_equal(s->rc, 0);
	loci_upkeep_stop(u);
	assert_string_equal(s->order, "bd");
	assert_true(loci_gc_last(s->f.store) > 0);
}

static void test_by_itself(void **state)
{
	struct seen *s = *state;
	struct loci_upkeep *u = start(s, 1, 1);
	wait_done(s);
	wait_done(s);
	loci_upkeep_stop(u);
	assert_memory_equal(s->order, "bdbd", 4);
}

/* What comes first may fail. */
static void test_before_fails(void **state)
{
	struct seen *s = *state;
	s->before_rc = LOCI_E_INTERNAL;
	struct loci_upkeep *u = start(s, 3600, 1);
	loci_upkeep_wake(u);
	wait_done(s);
	loci_upkeep_stop(u);
	assert_int_equal(s->rc, 0);
	assert_string_equal(s->order, "bd");
	assert_int_not_equal(s->f.n_logged, 0);
}

static void test_busy(void **state)
{
	struct seen *s = *state;
	char path[160];
	snprintf(path, sizeof(path), "%s/run/.collecting", loci_store_dir(s->f.store));
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0);
	struct loci_upkeep *u = start(s, 3600, 1);
	loci_upkeep_wake(u);
	wait_done(s);
	assert_int_equal(s->rc, LOCI_E_BUSY);
	close(fd);
	loci_upkeep_wake(u);
	wait_done(s);
	assert_int_equal(s->rc, 0);
	loci_upkeep_stop(u);
}

/* In the middle of a grace of an hour. */
static void test_stop_in_a_collection(void **state)
{
	struct seen *s = *state;
	struct loci_digest d;
	struct loci_error err;
	assert_int_equal(loci_blob_put(s->f.store, NULL, "garbage", 7, NULL, &d, &err), 0);
	assert_int_equal(loci_blob_delete(s->f.store, NULL, &d, &err), 0); /* ends its lease */
	struct loci_upkeep *u = start(s, 3600, 3600);
	loci_upkeep_wake(u);
	/* It shows no more once it is condemned. (Opening renews no lease.) */
	for (int fd = -1; loci_blob_open(s->f.store, NULL, &d, &fd, NULL, NULL) == 0; close(fd))
		sched_yield();
	loci_upkeep_stop(u);
	assert_int_equal(s->rc, LOCI_E_CANCELED);
	assert_int_equal(s->stats.of[LOCI_GC_BLOB].removed, 0);
}

/* Another process on the store collects while this one waits for its turn. */
static void test_another_collects(void **state)
{
	struct seen *s = *state;
	static const struct timespec poll = {.tv_nsec = 10000000};
	struct loci_upkeep *u = start(s, INTERVAL_S, 1);
	const time_t began = time(NULL);
	while (time(NULL) == began)
		nanosleep(&poll, NULL);
	assert_int_equal(loci_gc_run(s->f.store, /* opts= */ NULL, /* stats= */ NULL, NULL), 0);
	wait_done(s);
	loci_upkeep_stop(u);
	assert_true(s->since >= INTERVAL_S);
}

static void test_stop_at_once(void **state)
{
	struct seen *s = *state;
	loci_upkeep_stop(start(s, 3600, 1));
	loci_upkeep_stop(NULL);
	assert_string_equal(s->order, "");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(test_woken),
	        TEST(test_by_itself),
	        TEST(test_before_fails),
	        TEST(test_busy),
	        TEST(test_stop_in_a_collection),
	        TEST(test_another_collects),
	        TEST(test_stop_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

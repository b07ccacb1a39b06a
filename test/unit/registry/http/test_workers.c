/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "registry/http/workers.h"

#include <signal.h>
#include <stdatomic.h>

#define JOBS 1000

static struct loci__job jobs[JOBS];
static int order[JOBS];
static atomic_int ran;
static atomic_int open_signals;

static void note(struct loci__job *j)
{
	order[atomic_fetch_add(&ran, 1)] = (int)(j - jobs);
}

static void run_all(unsigned threads, void (*run)(struct loci__job *j))
{
	struct loci__workers *w = NULL;
	atomic_store(&ran, 0);
	assert_int_equal(loci__workers_new(threads, &w, NULL), 0);
	for (int i = 0; i < JOBS; i++) {
		jobs[i].run = run;
		loci__workers_submit(w, &jobs[i]);
	}
	loci__workers_free(w);
	assert_int_equal(atomic_load(&ran), JOBS);
}

static void test_one_thread_keeps_order(void **state)
{
	(void)state;
	run_all(1, note);
	for (int i = 0; i < JOBS; i++)
		assert_int_equal(order[i], i);
}

static void test_every_job_runs_once(void **state)
{
	bool seen[JOBS] = {false};
	(void)state;
	run_all(8, note);
	for (int i = 0; i < JOBS; i++) {
		assert_false(seen[order[i]]);
		seen[order[i]] = true;
	}
}

static atomic_int together;
static pthread_mutex_t meeting_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t meeting = PTHREAD_COND_INITIALIZER;

/* Waits until all four are here, which takes four threads. */
static void meet(struct loci__job *j)
{
	(void)j;
	pthread_mutex_lock(&meeting_lock);
	if (atomic_fetch_add(&together, 1) + 1 == 4)
		pthread_cond_broadcast(&meeting);
	while (atomic_load(&together) < 4)
		pthread_cond_wait(&meeting, &meeting_lock);
	pthread_mutex_unlock(&meeting_lock);
	atomic_fetch_add(&ran, 1);
}

static void test_threads_come_when_jobs_would_wait(void **state)
{
	struct loci__workers *w = NULL;
	(void)state;
	atomic_store(&ran, 0);
	assert_int_equal(loci__workers_new(4, &w, NULL), 0);
	for (int i = 0; i < 4; i++) {
		jobs[i].run = meet;
		loci__workers_submit(w, &jobs[i]);
	}
	loci__workers_free(w);
	assert_int_equal(atomic_load(&ran), 4);
}

static void look_at_signals(struct loci__job *j)
{
	sigset_t set;
	(void)j;
	pthread_sigmask(SIG_BLOCK, NULL, &set);
	if (!sigismember(&set, SIGTERM) || !sigismember(&set, SIGPIPE))
		atomic_fetch_add(&open_signals, 1);
	atomic_fetch_add(&ran, 1);
}

static void test_signals_are_blocked(void **state)
{
	(void)state;
	run_all(2, look_at_signals);
	assert_int_equal(atomic_load(&open_signals), 0);
}

static void test_half_of_them_may_wait(void **state)
{
	struct loci__workers *w = NULL;
	(void)state;
	assert_int_equal(loci__workers_new(3, &w, NULL), 0);
	assert_true(loci__workers_may_wait(w));
	assert_true(loci__workers_may_wait(w));
	assert_false(loci__workers_may_wait(w));
	loci__workers_waited(w);
	assert_true(loci__workers_may_wait(w));
	loci__workers_waited(w);
	loci__workers_waited(w);
	loci__workers_free(w);
}

static void test_free_of_nothing(void **state)
{
	(void)state;
	loci__workers_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_one_thread_keeps_order),
	        cmocka_unit_test(test_every_job_runs_once),
	        cmocka_unit_test(test_threads_come_when_jobs_would_wait),
	        cmocka_unit_test(test_signals_are_blocked),
	        cmocka_unit_test(test_half_of_them_may_wait),
	        cmocka_unit_test(test_free_of_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked by those who watch a store: whether its writer still answers. */
#include "store_fixture.h"

#include "loci/stats.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#define HOUR    3600
#define GIVE_UP 10 /* seconds; only a probe that waits for the disk sees their end */

/* ---- a later time ---------------------------------------------------------------------------- */

static atomic_int ahead;

int __real_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
	int rc = __real_clock_gettime(id, t);
	if (id == CLOCK_MONOTONIC)
		t->tv_sec += atomic_load(&ahead);
	return rc;
}

/* ---- a disk that does not answer ------------------------------------------------------------- */

struct stall {
	struct loci_store *st;
	sem_t begun, over;
	pthread_t thread;
};

static int wait_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	struct stall *s = arg;
	struct timespec until;
	(void)t, (void)err;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += GIVE_UP;
	sem_post(&s->begun);
	sem_timedwait(&s->over, &until);
	return 0;
}

static void *write_main(void *arg)
{
	struct stall *s = arg;
	struct loci_error err;
	return loci__store_write(s->st, wait_op, s, &err) < 0 ? s : NULL;
}

static void stalled_writer(void **state)
{
	struct fixture *f = *state;
	struct stall s = {.st = f->st};
	void *failed;
	assert_loci_ok(loci_store_probe(f->st, &e_));
	sem_init(&s.begun, 0, 0);
	sem_init(&s.over, 0, 0);
	assert_int_equal(pthread_create(&s.thread, NULL, write_main, &s), 0);
	sem_wait(&s.begun);
	atomic_store(&ahead, HOUR);
	assert_loci_code(LOCI_E_BUSY, loci_store_probe(f->st, &e_));
	sem_post(&s.over);
	pthread_join(s.thread, &failed);
	assert_null(failed);
	assert_loci_ok(loci_store_probe(f->st, &e_));
	/* At leisure it does not count as stalled. */
	atomic_store(&ahead, 2 * HOUR);
	assert_loci_ok(loci_store_probe(f->st, &e_));
	sem_destroy(&s.begun);
	sem_destroy(&s.over);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(stalled_writer, fixture_setup, fixture_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

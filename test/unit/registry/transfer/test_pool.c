/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/err.h"
#include "registry/transfer/pool.h"

#include <stdatomic.h>
#include <stdio.h>

#define MANY 1000 /* more than the queue holds */

struct seen {
	atomic_uint done;
	atomic_uint times[MANY];
	atomic_uint worker_max;
	unsigned fail_at; /* the item that fails; MANY: none */
};

static unsigned number_of(const struct loci__pool_item *item)
{
	return item->digest.bytes[0] | (unsigned)item->digest.bytes[1] << 8;
}

static int take(void *arg, unsigned worker, const struct loci__pool_item *item,
                struct loci_error *err)
{
	struct seen *s = arg;
	unsigned i = number_of(item);
	if (i == s->fail_at)
		return loci__err_set(err, LOCI_E_NO_SPACE, "item %u", i);
	atomic_fetch_add(&s->times[i], 1);
	atomic_fetch_add(&s->done, 1);
	for (unsigned max = atomic_load(&s->worker_max);
	     worker > max && !atomic_compare_exchange_weak(&s->worker_max, &max, worker);)
		;
	return 0;
}

/* How many were taken by the queue. */
static unsigned give_all(struct loci__pool *p, int *ret_rc, struct loci_error *err)
{
	unsigned i = 0;
	for (*ret_rc = 0; i < MANY && *ret_rc == 0; i++) {
		struct loci__pool_item item = {
		        .digest.bytes = {(unsigned char)i, (unsigned char)(i >> 8)}};
		*ret_rc = loci__pool_put(p, &item, err);
	}
	return i;
}

static void test_each_once(void **state)
{
	static const unsigned threads[] = {1, 2, 8, 1000};
	(void)state;
	for (size_t t = 0; t < sizeof(threads) / sizeof(threads[0]); t++) {
		struct seen s = {.fail_at = MANY};
		struct loci__pool *p;
		int rc;
		assert_int_equal(loci__pool_new(threads[t], take, &s, &p, NULL), 0);
		assert_int_equal(give_all(p, &rc, NULL), MANY);
		assert_int_equal(rc, 0);
		assert_int_equal(loci__pool_finish(p, /* abandon= */ false, NULL), 0);
		assert_int_equal(s.done, MANY);
		for (unsigned i = 0; i < MANY; i++)
			assert_int_equal(s.times[i], 1);
		assert_true(s.worker_max < LOCI_POOL_MAX && s.worker_max < threads[t]);
	}
}

/* Whoever puts is told, nobody waits for ever, and the text is the first one's. */
static void test_failure_ends_it(void **state)
{
	struct seen s = {.fail_at = 10};
	struct loci__pool *p;
	struct loci_error err = {0};
	int rc;
	(void)state;
	assert_int_equal(loci__pool_new(2, take, &s, &p, NULL), 0);
	assert_true(give_all(p, &rc, &err) < MANY);
	assert_int_equal(rc, LOCI_E_NO_SPACE);
	assert_string_equal(err.msg, "item 10");
	err.msg[0] = '\0';
	assert_int_equal(loci__pool_finish(p, /* abandon= */ false, &err), LOCI_E_NO_SPACE);
	assert_string_equal(err.msg, "item 10");
	assert_true(s.done < MANY);
}

static void test_abandoned(void **state)
{
	struct seen s = {.fail_at = MANY};
	struct loci__pool *p;
	struct loci__pool_item item = {0};
	(void)state;
	assert_int_equal(loci__pool_new(3, take, &s, &p, NULL), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(loci__pool_put(p, &item, NULL), 0);
	assert_int_equal(loci__pool_finish(p, /* abandon= */ true, NULL), 0);
	assert_true(s.done <= 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_each_once),
	        cmocka_unit_test(test_failure_ends_it),
	        cmocka_unit_test(test_abandoned),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

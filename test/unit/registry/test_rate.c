/* SPDX-License-Identifier: Apache-2.0 */
/* Token buckets with a clock of our own, and the table of clients. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "registry/rate.h"

#include <pthread.h>
#include <stdatomic.h>

#define S UINT64_C(1000000000)

static struct loci__rates *make(size_t clients)
{
	struct loci__rates *r;
	assert_int_equal(loci__rates_new(clients, &r, NULL), 0);
	return r;
}

/* How many of n requests at that moment are admitted. */
static unsigned admitted(struct loci__rates *r, const struct loci__rate_limits *l, uint64_t client,
                         uint64_t now, unsigned n)
{
	unsigned count = 0;
	while (n--)
		count += loci__rates_admit(r, l, client, now) == 0;
	return count;
}

static void burst_then_rate(void **state)
{
	struct loci__rates *r = make(64);
	const struct loci__rate_limits l = {.requests = loci__rate_make(10, 5)};
	uint64_t now = 100 * S;
	(void)state;
	assert_int_equal(admitted(r, &l, 1, now, 20), 5);
	assert_int_equal(loci__rates_admit(r, &l, 1, now), S / 10); /* until the next token */
	assert_int_equal(admitted(r, &l, 1, now + S / 10, 20), 1);
	assert_int_equal(admitted(r, &l, 1, now + S / 2, 20), 4);
	assert_int_equal(admitted(r, &l, 1, now + 100 * S, 20), 5); /* never more than the burst */
	loci__rates_free(r);
}

static void defaults_and_extremes(void **state)
{
	struct loci__rates *r = make(1);
	(void)state;
	struct loci__rate_limits l = {.requests = loci__rate_make(3, 0)};
	assert_int_equal(admitted(r, &l, 1, S, 100), 30); /* ten seconds' worth */
	l.requests = loci__rate_make(0, 5);
	assert_false(loci__rate_limits_any(&l));
	assert_int_equal(admitted(r, &l, 2, S, 100), 100);
	l.requests = loci__rate_make(UINT32_MAX, UINT32_MAX);
	assert_int_equal(admitted(r, &l, 3, S, 100), 100);
	l.requests = loci__rate_make(1, 1);
	assert_int_equal(admitted(r, &l, 4, S, 3), 1);
	assert_int_equal(loci__rates_admit(r, &l, 4, S), S);
	loci__rates_free(r);
}

static void clients_do_not_share(void **state)
{
	struct loci__rates *r = make(64);
	const struct loci__rate_limits l = {.requests = loci__rate_make(1, 2)};
	(void)state;
	assert_int_equal(admitted(r, &l, 1, S, 5), 2);
	assert_int_equal(admitted(r, &l, 2, S, 5), 2);
	assert_int_equal(admitted(r, &l, 1, S, 5), 0);
	loci__rates_free(r);
}

static void all_share_the_total(void **state)
{
	struct loci__rates *r = make(64);
	const struct loci__rate_limits l = {.requests = loci__rate_make(1, 2),
	                                    .total = loci__rate_make(1, 3)};
	(void)state;
	assert_int_equal(admitted(r, &l, 1, S, 5), 2);
	/* What was refused to the first took nothing from the others. */
	assert_int_equal(admitted(r, &l, 2, S, 5), 1);
	assert_int_equal(admitted(r, &l, 3, S, 5), 0);
	assert_int_equal(admitted(r, &l, 3, 2 * S, 5), 1);
	loci__rates_free(r);
}

static void failures_keep_a_client_out(void **state)
{
	struct loci__rates *r = make(64);
	const struct loci__rate_limits l = {.errors = loci__rate_make(1, 3)};
	(void)state;
	assert_int_equal(admitted(r, &l, 1, S, 100), 100);
	loci__rates_charge(r, &l, 1, S);
	loci__rates_charge(r, &l, 1, S);
	assert_int_equal(admitted(r, &l, 1, S, 5), 5);
	for (int i = 0; i < 1000; i++)
		loci__rates_charge(r, &l, 1, S);
	assert_int_equal(admitted(r, &l, 1, S, 5), 0);
	assert_int_equal(admitted(r, &l, 2, S, 5), 5);
	assert_int_equal(loci__rates_admit(r, &l, 1, S), S); /* not for a thousand seconds */
	assert_int_equal(admitted(r, &l, 1, 2 * S, 5), 5);
	loci__rates_free(r);
}

/* A new rate counts at once. */
static void rates_change(void **state)
{
	struct loci__rates *r = make(64);
	struct loci__rate_limits l = {.requests = loci__rate_make(1, 1)};
	(void)state;
	assert_int_equal(admitted(r, &l, 1, S, 5), 1);
	l.requests = loci__rate_make(1000, 1000);
	assert_true(admitted(r, &l, 1, S + S / 2, 1000) >= 500);
	l.requests = loci__rate_make(0, 0);
	assert_int_equal(admitted(r, &l, 1, S, 1000), 1000);
	loci__rates_free(r);
}

/* Whoever emptied a bucket that fills slowly does not go on waiting for it under a faster rate. */
static void a_faster_rate_lets_in(void **state)
{
	struct loci__rates *r = make(64);
	const struct loci__rate slow = loci__rate_make(1, 500), fast = loci__rate_make(50, 500);
	(void)state;
	struct loci__rate_limits l = {.requests = slow};
	assert_int_equal(admitted(r, &l, 1, S, 1000), 500);
	l.requests = fast;
	assert_int_equal(loci__rates_admit(r, &l, 1, 2 * S), S / 50);
	assert_int_equal(admitted(r, &l, 1, 3 * S, 1000), 50);

	l = (struct loci__rate_limits){.total = slow};
	assert_int_equal(admitted(r, &l, 1, S, 1000), 500);
	l.total = fast;
	assert_int_equal(loci__rates_admit(r, &l, 1, 2 * S), S / 50);
	assert_int_equal(admitted(r, &l, 1, 3 * S, 1000), 50);

	l = (struct loci__rate_limits){.errors = slow};
	for (int i = 0; i < 500; i++)
		loci__rates_charge(r, &l, 1, S);
	l.errors = fast;
	assert_int_equal(loci__rates_admit(r, &l, 1, 2 * S), S / 50);
	assert_int_equal(loci__rates_admit(r, &l, 1, 3 * S), 0);
	loci__rates_free(r);
}

/* Ten times as many clients as places: an active one may be forgotten, one that is over its limit
 * stays longest. */
static void the_table_is_bounded(void **state)
{
	struct loci__rates *r = make(512);
	const struct loci__rate_limits l = {.requests = loci__rate_make(1, 100)};
	unsigned again = 0;
	(void)state;
	assert_int_equal(admitted(r, &l, 7, S, 1000), 100);
	for (uint64_t client = 1000; client < 6000; client++)
		again += admitted(r, &l, client, S, 1);
	assert_int_equal(again, 5000);
	assert_int_equal(admitted(r, &l, 7, S, 1), 0);
	loci__rates_free(r);
}

struct crowd {
	struct loci__rates *r;
	struct loci__rate_limits l;
	atomic_uint admitted, next;
};

static void *ask(void *arg)
{
	struct crowd *c = arg;
	const uint64_t client = atomic_fetch_add(&c->next, 1) % 2;
	for (int i = 0; i < 10000; i++) {
		if (loci__rates_admit(c->r, &c->l, client, S) == 0)
			atomic_fetch_add(&c->admitted, 1);
		loci__rates_charge(c->r, &c->l, client + 100, S);
	}
	return NULL;
}

static void many_threads(void **state)
{
	struct crowd c = {.r = make(64),
	                  .l = {.requests = loci__rate_make(1, 1000),
	                        .errors = loci__rate_make(1, 1000),
	                        .total = loci__rate_make(1, 1500)}};
	pthread_t threads[4];
	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask, &c), 0);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&c.admitted), 1500);
	loci__rates_free(c.r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(burst_then_rate),
	        cmocka_unit_test(defaults_and_extremes),
	        cmocka_unit_test(clients_do_not_share),
	        cmocka_unit_test(all_share_the_total),
	        cmocka_unit_test(failures_keep_a_client_out),
	        cmocka_unit_test(rates_change),
	        cmocka_unit_test(a_faster_rate_lets_in),
	        cmocka_unit_test(the_table_is_bounded),
	        cmocka_unit_test(many_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

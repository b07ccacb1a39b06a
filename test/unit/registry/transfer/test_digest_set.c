/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "registry/transfer/digest_set.h"

#define MANY 5000 /* grows a few times */

static struct loci_digest digest_of(uint32_t i, int alg)
{
	struct loci_digest d;
	assert_int_equal(loci_digest_bytes(alg, &i, sizeof(i), &d, NULL), 0);
	return d;
}

static void test_once_each_in_order(void **state)
{
	struct loci__digest_set s = {0};
	(void)state;
	for (int round = 0; round < 2; round++)
		for (uint32_t i = 0; i < MANY; i++) {
			struct loci_digest d = digest_of(i, i % 2 ? LOCI_SHA256 : LOCI_SHA512);
			assert_int_equal(loci__digest_set_add(&s, &d, NULL), round == 0);
		}
	assert_int_equal(s.n, MANY);
	for (uint32_t i = 0; i < MANY; i++) {
		struct loci_digest d = digest_of(i, i % 2 ? LOCI_SHA256 : LOCI_SHA512);
		assert_true(loci_digest_equal(&s.v[i], &d));
	}
	loci__digest_set_done(&s);
}

/* The same first bytes are no equality. */
static void test_collisions(void **state)
{
	struct loci__digest_set s = {0};
	struct loci_digest d = digest_of(1, LOCI_SHA256);
	(void)state;
	for (int i = 0; i < 100; i++) {
		d.bytes[31] = (unsigned char)i;
		assert_int_equal(loci__digest_set_add(&s, &d, NULL), 1);
		assert_int_equal(loci__digest_set_add(&s, &d, NULL), 0);
	}
	loci__digest_set_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_once_each_in_order),
	                                   cmocka_unit_test(test_collisions)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

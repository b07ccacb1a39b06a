/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/arena.h"

#include <stdalign.h>
#include <string.h>

static void pieces_are_zeroed_aligned_and_apart(void **state)
{
	(void)state;
	loci__cleanup_arena struct loci__arena a = LOCI_ARENA_INIT(1 << 20);
	unsigned char *pieces[200];
	for (size_t i = 0; i < 200; i++) {
		size_t n = i * 37 % 6000 + 1;
		pieces[i] = loci__arena_alloc(&a, n);
		assert_non_null(pieces[i]);
		assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t), 0);
		for (size_t k = 0; k < n; k++)
			assert_int_equal(pieces[i][k], 0);
		memset(pieces[i], (int)i + 1, n);
	}
	for (size_t i = 0; i < 200; i++)
		assert_int_equal(pieces[i][i * 37 % 6000], (unsigned char)(i + 1));
}

static void the_maximum_holds(void **state)
{
	(void)state;
	loci__cleanup_arena struct loci__arena a = LOCI_ARENA_INIT(4096);
	assert_null(loci__arena_alloc(&a, 4097));
	assert_null(loci__arena_array(&a, SIZE_MAX / 2, 4));
	assert_null(loci__arena_alloc(&a, SIZE_MAX));
	size_t got = 0;
	while (loci__arena_alloc(&a, 64))
		got += 64;
	assert_int_equal(got, 4096);
}

static void strings(void **state)
{
	(void)state;
	loci__cleanup_arena struct loci__arena a = LOCI_ARENA_INIT(4096);
	assert_string_equal(loci__arena_strdup(&a, "abc"), "abc");
	assert_string_equal(loci__arena_strndup(&a, "abcdef", 2), "ab");
	assert_string_equal(loci__arena_printf(&a, "%s-%d", "x", 5), "x-5");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(pieces_are_zeroed_aligned_and_apart),
	        cmocka_unit_test(the_maximum_holds),
	        cmocka_unit_test(strings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/err.h"
#include "unpack/ring.h"

#include <string.h>

/* Counts up, a few bytes at a time, then ends or fails. */
struct source {
	uint64_t at, size;
	int code; /* instead of the end */
};

static unsigned char byte_at(uint64_t at)
{
	return (unsigned char)(at ^ at >> 8 ^ at >> 16);
}

static ssize_t source_read(void *arg, void *buf, size_t n, struct loci_error *err)
{
	struct source *s = arg;
	unsigned char *p = buf;
	if (s->at == s->size && s->code)
		return loci__err_set(err, s->code, "the source broke");
	if (n > 10007)
		n = 10007;
	if (n > s->size - s->at)
		n = (size_t)(s->size - s->at);
	for (size_t i = 0; i < n; i++)
		p[i] = byte_at(s->at++);
	return (ssize_t)n;
}

/* Reads all of it and checks every byte. */
static void read_all(bool threaded, uint64_t size, int code)
{
	struct source s = {.size = size, .code = code};
	struct loci_reader in = {source_read, &s};
	struct loci_ring *r;
	struct loci_error err = {0};
	const unsigned char *p;
	uint64_t at = 0;
	ssize_t n;
	assert_int_equal(loci__ring_new(&in, threaded, &r, NULL), 0);
	while ((n = loci__ring_next(r, &p, &err)) > 0) {
		/* Only the last may be short: headers must not straddle two. */
		assert_true((size_t)n == LOCI_RING_BLOCK_SIZE || at + (uint64_t)n == size);
		for (ssize_t i = 0; i < n; i++)
			if (p[i] != byte_at(at + (uint64_t)i))
				fail_msg("byte %llu",
				         (unsigned long long)at + (unsigned long long)i);
		at += (uint64_t)n;
	}
	assert_int_equal(n, code);
	assert_int_equal(at, size);
	assert_string_equal(err.msg, code ? "the source broke" : "");
	/* The end and the error stay. */
	for (int i = 0; i < 3; i++)
		assert_int_equal(loci__ring_next(r, &p, &err), code);
	loci__ring_free(r);
}

static void test_sizes(void **state)
{
	(void)state;
	const uint64_t block = LOCI_RING_BLOCK_SIZE;
	const uint64_t sizes[] = {0, 1, block - 1, block, block + 1, 16 * block, 40 * block + 5};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (int threaded = 0; threaded < 2; threaded++) {
			read_all(threaded, sizes[i], 0);
			read_all(threaded, sizes[i], LOCI_E_INVALID);
		}
}

/* Whoever has seen enough goes; the filler must notice wherever it is. */
static void test_leaving_early(void **state)
{
	(void)state;
	for (int blocks = 0; blocks < 20; blocks++) {
		struct source s = {.size = UINT64_MAX};
		struct loci_reader in = {source_read, &s};
		struct loci_ring *r;
		const unsigned char *p;
		assert_int_equal(loci__ring_new(&in, true, &r, NULL), 0);
		for (int i = 0; i < blocks; i++)
			assert_true(loci__ring_next(r, &p, NULL) > 0);
		loci__ring_free(r);
		assert_true(s.at <=
		            (uint64_t)(blocks + LOCI_RING_BLOCKS + 1) * LOCI_RING_BLOCK_SIZE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_sizes),
	        cmocka_unit_test(test_leaving_early),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Running hashes: against known digests, and through their bytes at every place of a block. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/hash.h"

#include <openssl/evp.h>
#include <string.h>

static const int algs[] = {LOCI_SHA256, LOCI_SHA512};

static struct loci_digest reference(int alg, const void *p, size_t n)
{
	struct loci_digest d = {.alg = alg};
	const EVP_MD *md = alg == LOCI_SHA256 ? EVP_sha256() : EVP_sha512();
	assert_int_equal(EVP_Digest(p, n, d.bytes, &d.len, md, NULL), 1);
	return d;
}

static struct loci_hasher *hasher_of(int alg, const void *p, size_t n)
{
	struct loci_hasher *h;
	assert_int_equal(loci_hasher_new(alg, &h, NULL), 0);
	assert_int_equal(loci_hasher_update(h, p, n, NULL), 0);
	return h;
}

static struct loci_hasher *through_bytes(struct loci_hasher *take_h)
{
	unsigned char bytes[LOCI_HASH_STATE_MAX];
	struct loci_hasher *h;
	size_t n = loci__hasher_export(take_h, bytes);
	assert_true(n <= sizeof(bytes));
	assert_int_equal(loci__hasher_import(bytes, n, &h, NULL), 0);
	assert_int_equal(loci__hasher_alg(h), loci__hasher_alg(take_h));
	assert_int_equal(loci__hasher_length(h), loci__hasher_length(take_h));
	loci_hasher_free(take_h);
	return h;
}

static void every_length(void **state)
{
	(void)state;
	unsigned char data[300];
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 7 + 1);
	for (int a = 0; a < 2; a++) {
		for (size_t n = 0; n <= sizeof(data); n++) {
			struct loci_digest got, want = reference(algs[a], data, n);
			assert_int_equal(loci_digest_bytes(algs[a], data, n, &got, NULL), 0);
			assert_true(loci_digest_equal(&got, &want));
		}
	}
}

static void cut_anywhere(void **state)
{
	(void)state;
	unsigned char data[300];
	memset(data, 0xa5, sizeof(data));
	for (int a = 0; a < 2; a++) {
		struct loci_digest got, want = reference(algs[a], data, sizeof(data));
		for (size_t cut = 0; cut <= sizeof(data); cut++) {
			struct loci_hasher *h = through_bytes(hasher_of(algs[a], data, cut));
			assert_int_equal(
			        loci_hasher_update(h, data + cut, sizeof(data) - cut, NULL), 0);
			assert_int_equal(loci_hasher_finish(h, &got, NULL), 0);
			assert_true(loci_digest_equal(&got, &want));
			loci_hasher_free(h);
		}
	}
}

/* Asking for the digest does not end it: what is exported afterwards goes on. */
static void finish_changes_nothing(void **state)
{
	(void)state;
	struct loci_digest got, want = reference(LOCI_SHA256, "abcdef", 6);
	struct loci_hasher *h = hasher_of(LOCI_SHA256, "abc", 3);
	assert_int_equal(loci_hasher_finish(h, &got, NULL), 0);
	h = through_bytes(h);
	assert_int_equal(loci_hasher_update(h, "def", 3, NULL), 0);
	assert_int_equal(loci_hasher_finish(h, &got, NULL), 0);
	assert_true(loci_digest_equal(&got, &want));
	loci_hasher_free(h);
}

/* A state as another machine would have written it: FIPS 180-4's "abc", at three bytes. */
static void the_format_stays(void **state)
{
	(void)state;
	static const unsigned char abc[] =
	        "\x01\x01\x00\x00\x00\x00\x00\x00\x00\x03"
	        "\x6a\x09\xe6\x67\xbb\x67\xae\x85\x3c\x6e\xf3\x72\xa5\x4f\xf5\x3a"
	        "\x51\x0e\x52\x7f\x9b\x05\x68\x8c\x1f\x83\xd9\xab\x5b\xe0\xcd\x19"
	        "abc";
	unsigned char bytes[LOCI_HASH_STATE_MAX];
	struct loci_hasher *h = hasher_of(LOCI_SHA256, "abc", 3);
	assert_int_equal(loci__hasher_export(h, bytes), sizeof(abc) - 1);
	assert_memory_equal(bytes, abc, sizeof(abc) - 1);
	loci_hasher_free(h);
}

/* Past 512 MiB the count of bits needs its upper word. */
static void large_counts(void **state)
{
	(void)state;
	static const uint64_t lengths[] = {(uint64_t)1 << 29, (uint64_t)1 << 40,
	                                   ((uint64_t)1 << 61) - 64};
	for (int a = 0; a < 2; a++) {
		for (size_t i = 0; i < 3; i++) {
			unsigned char bytes[LOCI_HASH_STATE_MAX] = {1, (unsigned char)algs[a]};
			struct loci_hasher *h;
			uint64_t length = lengths[i] & ~(uint64_t)127;
			for (int b = 0; b < 8; b++)
				bytes[2 + b] = (unsigned char)(length >> (8 * (7 - b)));
			size_t n = 10 + 8 * (algs[a] == LOCI_SHA256 ? 4 : 8);
			assert_int_equal(loci__hasher_import(bytes, n, &h, NULL), 0);
			assert_true(loci__hasher_length(h) == length);
			assert_int_equal(loci_hasher_update(h, "xyz", 3, NULL), 0);
			assert_true(loci__hasher_length(h) == length + 3);
			h = through_bytes(h);
			assert_true(loci__hasher_length(h) == length + 3);
			loci_hasher_free(h);
		}
	}
}

static void refused(void **state)
{
	(void)state;
	unsigned char good[LOCI_HASH_STATE_MAX], bad[LOCI_HASH_STATE_MAX + 1] = {0};
	struct loci_hasher *h = hasher_of(LOCI_SHA256, "abc", 3), *none;
	size_t n = loci__hasher_export(h, good);
	loci_hasher_free(h);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(loci__hasher_import(good, i, &none, NULL), LOCI_E_INVALID);
	memcpy(bad, good, n);
	assert_int_equal(loci__hasher_import(bad, n + 1, &none, NULL), LOCI_E_INVALID);
	bad[0] = 2;
	assert_int_equal(loci__hasher_import(bad, n, &none, NULL), LOCI_E_UNSUPPORTED);
	bad[0] = 1;
	bad[1] = 9;
	assert_int_equal(loci__hasher_import(bad, n, &none, NULL), LOCI_E_UNSUPPORTED);
	bad[1] = 1;
	bad[2] = 0xff; /* more bits than are counted */
	assert_int_equal(loci__hasher_import(bad, n, &none, NULL), LOCI_E_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_length),           cmocka_unit_test(cut_anywhere),
	        cmocka_unit_test(finish_changes_nothing), cmocka_unit_test(the_format_stays),
	        cmocka_unit_test(large_counts),           cmocka_unit_test(refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Container formats: what is accepted and refused, by each codec, however the input is cut. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/err.h"
#include "unpack/decoder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

struct bytes {
	unsigned char *p;
	size_t n;
};

/* ---- making blobs ---- */

static struct bytes append(struct bytes a, const void *p, size_t n)
{
	a.p = realloc(a.p, a.n + n + 1);
	assert_non_null(a.p);
	memcpy(a.p + a.n, p, n);
	a.n += n;
	return a;
}

/* Compressible, but not all of it. */
static struct bytes make_plain(size_t n)
{
	struct bytes b = {malloc(n + 1), n};
	uint32_t x = 1;
	for (size_t i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		b.p[i] = i % 64 < 40 ? (unsigned char)"some text that comes again"[i % 26]
		                     : (unsigned char)(x >> 24);
	}
	return b;
}

static struct bytes make_gzip(struct bytes plain, gz_header *head, int window_bits)
{
	z_stream z = {0};
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
	if (head)
		assert_int_equal(deflateSetHeader(&z, head), Z_OK);
	struct bytes out = {malloc(plain.n + 4096), 0};
	z.next_in = plain.p;
	z.avail_in = (uInt)plain.n;
	z.next_out = out.p;
	z.avail_out = (uInt)plain.n + 4096;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out.n = z.total_out;
	deflateEnd(&z);
	return out;
}

static struct bytes make_zstd(struct bytes plain)
{
	struct bytes out = {malloc(ZSTD_compressBound(plain.n)), 0};
	out.n = ZSTD_compress(out.p, ZSTD_compressBound(plain.n), plain.p, plain.n, 3);
	assert_false(ZSTD_isError(out.n));
	return out;
}

/* ---- reading them ---- */

struct source {
	struct bytes b;
	size_t at, step; /* bytes a call */
	bool fails;      /* instead of ending */
};

static ssize_t source_read(void *arg, void *buf, size_t n, struct loci_error *err)
{
	struct source *s = arg;
	size_t left = s->b.n - s->at;
	if (!left && s->fails)
		return loci__err_set(err, LOCI_E_UNREACHABLE, "the network is gone");
	if (n > s->step)
		n = s->step;
	if (n > left)
		n = left;
	if (n)
		memcpy(buf, s->b.p + s->at, n);
	s->at += n;
	return (ssize_t)n;
}

/* 0 when the output is want, 1 when it is not, or the error's code. */
static int decode_by(int compression, const struct loci_codec *codec, struct source *s,
                     size_t out_step, struct bytes want, struct loci_error *err)
{
	struct loci_reader in = {source_read, s};
	struct loci_decoder *d;
	int rc = codec ? loci__decoder_new_codec(compression, codec, &in, &d, err)
	               : loci__decoder_new(compression, &in, &d, err);
	assert_int_equal(rc, 0);
	unsigned char *out = malloc(want.n + out_step + 1);
	size_t n = 0;
	ssize_t got = 0;
	while (n <= want.n && (got = loci__decoder_read(d, out + n, out_step, err)) > 0)
		n += (size_t)got;
	if (got < 0) {
		/* A broken stream stays broken. */
		assert_int_equal(loci__decoder_read(d, out, 1, NULL), got);
		rc = (int)got;
	} else {
		rc = n != want.n || (n && memcmp(out, want.p, n));
	}
	free(out);
	loci__decoder_free(d);
	return rc;
}

static const struct loci_codec *const gzip_codecs[] = {
        &loci__codec_zlib,
#ifdef LOCI_HAVE_ISAL
        &loci__codec_isal,
#endif
};

/* Every codec of the format and several ways to cut input and output must agree. */
static void expect(const char *name, int compression, struct bytes blob, struct bytes want,
                   int code)
{
	static const struct {
		size_t in, out;
	} steps[] = {{1 << 20, 1 << 18}, {1, 1 << 18}, {1 << 20, 7}, {7, 13}, {4096, 4096}};
	size_t n_codecs = compression == LOCI_COMPRESSION_GZIP
	                          ? sizeof(gzip_codecs) / sizeof(gzip_codecs[0])
	                          : 1;
	for (size_t c = 0; c < n_codecs; c++) {
		const struct loci_codec *codec =
		        compression == LOCI_COMPRESSION_GZIP ? gzip_codecs[c] : NULL;
		for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
			struct source s = {.b = blob, .step = steps[i].in};
			struct loci_error err = {0};
			int rc = decode_by(compression, codec, &s, steps[i].out, want, &err);
			if (rc != code)
				fail_msg("%s, codec %zu, step %zu/%zu: %d, expected %d (%s)", name,
				         c, steps[i].in, steps[i].out, rc, code, err.msg);
			if (code < 0 && (!err.msg[0] || err.code != code))
				fail_msg("%s: no error text", name);
		}
	}
}

/* ---- gzip ---- */

static void test_gzip(void **state)
{
	(void)state;
	struct bytes plain = make_plain(300000), gz = make_gzip(plain, NULL, 31);
	const int G = LOCI_COMPRESSION_GZIP;
	expect("plain member", G, gz, plain, 0);

	struct bytes b = append(append((struct bytes){0}, gz.p, gz.n), gz.p, gz.n);
	struct bytes twice = append(append((struct bytes){0}, plain.p, plain.n), plain.p, plain.n);
	expect("gz-multi-member", G, b, twice, 0);
	free(b.p);
	free(twice.p);

	struct bytes none = {0}, empty = make_gzip(none, NULL, 31);
	b = append(append((struct bytes){0}, gz.p, gz.n), empty.p, empty.n);
	expect("gz-empty-member", G, b, plain, 0);
	expect("gz-empty-only", G, empty, none, 0);
	free(b.p);
	free(empty.p);

	gz_header head = {.extra = (Bytef *)"xtra",
	                  .extra_len = 4,
	                  .name = (Bytef *)"a name",
	                  .comment = (Bytef *)"a comment",
	                  .hcrc = 1};
	b = make_gzip(plain, &head, 31);
	expect("gz-fname-extra", G, b, plain, 0);
	b.p[20] ^= 1; /* in the name */
	expect("gz-header-crc", G, b, plain, LOCI_E_INVALID);
	b.p[20] ^= 1;
	b.p[3] |= 0x80;
	expect("gz-reserved-flag", G, b, plain, LOCI_E_INVALID);
	free(b.p);
	head = (gz_header){.extra = (Bytef *)"", .extra_len = 0};
	b = make_gzip(plain, &head, 31);
	expect("gz-extra-of-no-bytes", G, b, plain, 0);
	free(b.p);

	struct bytes tiny = make_plain(5), tiny_gz = make_gzip(tiny, NULL, 31);
	for (size_t n = 1; n < tiny_gz.n; n++)
		expect("gz-trunc everywhere", G, (struct bytes){tiny_gz.p, n}, tiny,
		       LOCI_E_INVALID);
	free(tiny.p);
	free(tiny_gz.p);
	expect("gz-trunc by 1", G, (struct bytes){gz.p, gz.n - 1}, plain, LOCI_E_INVALID);
	expect("gz-trunc half", G, (struct bytes){gz.p, gz.n / 2}, plain, LOCI_E_INVALID);
	expect("empty blob", G, none, none, LOCI_E_INVALID);

	b = append(append((struct bytes){0}, gz.p, gz.n), "garbage", 7);
	expect("gz-trailing-garbage", G, b, plain, LOCI_E_INVALID);
	memset(b.p + gz.n, 0, 7);
	expect("gz-trailing-zeros", G, b, plain, LOCI_E_INVALID);
	memcpy(b.p + gz.n, gz.p, 7);
	expect("gz-half-a-member-behind", G, b, plain, LOCI_E_INVALID);
	free(b.p);

	static const struct {
		const char *name;
		size_t from_end;
	} flips[] = {{"gz-isize", 2}, {"gz-crc", 7}, {"gz-bitflip", 10000}};
	for (size_t i = 0; i < sizeof(flips) / sizeof(flips[0]); i++) {
		gz.p[gz.n - flips[i].from_end] ^= 0x10;
		/* Compared beyond the end, so that wrong bytes do not end the test early. */
		expect(flips[i].name, G, gz, plain, LOCI_E_INVALID);
		gz.p[gz.n - flips[i].from_end] ^= 0x10;
	}
	b = make_gzip(plain, NULL, 15);
	expect("zlib-wrapped", G, b, plain, LOCI_E_INVALID);
	free(b.p);
	free(gz.p);
	free(plain.p);
}

/* ---- zstd ---- */

static void test_zstd(void **state)
{
	(void)state;
	struct bytes plain = make_plain(300000), zst = make_zstd(plain), none = {0};
	const int Z = LOCI_COMPRESSION_ZSTD;
	expect("one frame", Z, zst, plain, 0);
	struct bytes b = append(append((struct bytes){0}, zst.p, zst.n), zst.p, zst.n);
	struct bytes twice = append(append((struct bytes){0}, plain.p, plain.n), plain.p, plain.n);
	expect("zstd-multi-frame", Z, b, twice, 0);
	free(b.p);
	free(twice.p);

	static const unsigned char skippable[] = {0x5a, 0x2a, 0x4d, 0x18, 3,  0,
	                                          0,    0,    'a',  'b',  'c'};
	b = append((struct bytes){0}, skippable, sizeof(skippable));
	b = append(append(b, zst.p, zst.n), skippable, sizeof(skippable));
	expect("zstd-skippable-frame", Z, b, plain, 0);
	expect("zstd-skippable cut", Z, (struct bytes){b.p, b.n - 1}, plain, LOCI_E_INVALID);
	free(b.p);

	expect("zstd-trunc by 1", Z, (struct bytes){zst.p, zst.n - 1}, plain, LOCI_E_INVALID);
	expect("zstd-trunc half", Z, (struct bytes){zst.p, zst.n / 2}, plain, LOCI_E_INVALID);
	expect("empty blob", Z, none, none, LOCI_E_INVALID);
	b = append(append((struct bytes){0}, zst.p, zst.n), "\0\0\0\0\0", 5);
	expect("zstd-trailing-zeros", Z, b, plain, LOCI_E_INVALID);
	free(b.p);

	/* Frame header: no single segment, window descriptor (31 - 10) << 3 is 2 GiB. */
	static const unsigned char window[] = {0x28,           0xb5, 0x2f, 0xfd, 0x00,
	                                       (31 - 10) << 3, 1,    0,    0};
	expect("zstd-window-2GiB", Z, (struct bytes){(unsigned char *)window, sizeof(window)}, none,
	       LOCI_E_TOO_LARGE);
	free(zst.p);
	free(plain.p);
}

/* ---- the format is the media type's ---- */

static void test_magic(void **state)
{
	(void)state;
	struct bytes plain = make_plain(2000), gz = make_gzip(plain, NULL, 31),
	             zst = make_zstd(plain);
	const struct bytes blobs[] = {plain, gz, zst};
	for (int compression = 0; compression < 3; compression++)
		for (int b = 0; b < 3; b++)
			expect("magic", compression, blobs[b], plain,
			       b == compression ? 0 : LOCI_E_INVALID);
	expect("plain, empty", LOCI_COMPRESSION_NONE, (struct bytes){0}, (struct bytes){0},
	       LOCI_E_INVALID);
	expect("plain, short", LOCI_COMPRESSION_NONE, (struct bytes){plain.p, 1},
	       (struct bytes){plain.p, 1}, 0);
	free(plain.p);
	free(gz.p);
	free(zst.p);
}

/* What the reader says comes through as it is. */
static void test_reader_fails(void **state)
{
	(void)state;
	struct bytes plain = make_plain(100000), gz = make_gzip(plain, NULL, 31),
	             zst = make_zstd(plain);
	const struct bytes blobs[] = {plain, gz, zst};
	for (int compression = 0; compression < 3; compression++)
		for (int half = 0; half < 3; half++) {
			struct source s = {.b = blobs[compression], .step = 1000, .fails = true};
			struct loci_error err = {0};
			s.b.n = s.b.n * (size_t)half / 2;
			assert_int_equal(decode_by(compression, NULL, &s, 4096,
			                           (struct bytes){plain.p, plain.n}, &err),
			                 LOCI_E_UNREACHABLE);
		}
	free(plain.p);
	free(gz.p);
	free(zst.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_gzip),
	        cmocka_unit_test(test_zstd),
	        cmocka_unit_test(test_magic),
	        cmocka_unit_test(test_reader_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* image-spec descriptor.md "Digests", its own examples included. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "loci/digest.h"

#include <string.h>

#define HEX64 "6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b"

static int parse(const char *s, struct loci_digest *d)
{
	struct loci_error err = {0};
	int rc = loci_digest_parse(s, strlen(s), d, &err);
	assert_int_equal(rc < 0, err.msg[0] != 0);
	return rc;
}

static void grammar(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int expected;
	} rows[] = {
	        {"sha256:" HEX64, 0},
	        {"sha512:" HEX64 HEX64, 0},
	        {"multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8",
	         LOCI_E_UNSUPPORTED},
	        {"sha256+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564", LOCI_E_UNSUPPORTED},
	        {"blake3:" HEX64, LOCI_E_UNSUPPORTED},
	        {"sha384:" HEX64, LOCI_E_UNSUPPORTED},
	        {"", LOCI_E_INVALID},
	        {":", LOCI_E_INVALID},
	        {"sha256", LOCI_E_INVALID},
	        {"sha256:", LOCI_E_INVALID},
	        {HEX64, LOCI_E_INVALID},
	        {"SHA256:" HEX64, LOCI_E_INVALID},
	        {"sha256::" HEX64, LOCI_E_INVALID},
	        {"sha256:" HEX64 "0", LOCI_E_INVALID},
	        {"sha256:6c3c", LOCI_E_INVALID},
	        {"sha512:" HEX64, LOCI_E_INVALID},
	        {"sha256:6C3C624B58DBBCD3C0DD82B4C53F04194D1247C6EEBDAAB7C610CF7D66709B3B",
	         LOCI_E_INVALID},
	        {"sha256:" HEX64 "\n", LOCI_E_INVALID},
	        {" sha256:" HEX64, LOCI_E_INVALID},
	        {"sha256:../../../../../../etc/passwd", LOCI_E_INVALID},
	        {"sha256:..%2f..%2f", LOCI_E_INVALID},
	        {"../sha256:" HEX64, LOCI_E_INVALID},
	        {"a+:b", LOCI_E_INVALID},
	        {"+a:b", LOCI_E_INVALID},
	        {"a..b:c", LOCI_E_INVALID},
	        {"a.b_c-d+e:f=", LOCI_E_UNSUPPORTED},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct loci_digest d;
		if (parse(rows[i].text, &d) != rows[i].expected)
			fail_msg("%s", rows[i].text);
	}
}

static void a_nul_inside_is_no_end(void **state)
{
	(void)state;
	struct loci_digest d;
	struct loci_error err;
	char text[] = "sha256:" HEX64 "\0x";
	assert_int_equal(loci_digest_parse(text, sizeof(text) - 1, &d, &err), LOCI_E_INVALID);
}

static void round_trip(void **state)
{
	(void)state;
	static const char *const texts[] = {"sha256:" HEX64, "sha512:" HEX64 HEX64};
	for (size_t i = 0; i < 2; i++) {
		struct loci_digest d;
		char buf[LOCI_DIGEST_STR_MAX];
		assert_int_equal(parse(texts[i], &d), 0);
		assert_int_equal(loci_digest_format(&d, buf), strlen(texts[i]));
		assert_string_equal(buf, texts[i]);
	}
	struct loci_digest none = {0};
	char buf[LOCI_DIGEST_STR_MAX] = "old";
	assert_int_equal(loci_digest_format(&none, buf), 0);
	assert_string_equal(buf, "");
}

static void equality(void **state)
{
	(void)state;
	struct loci_digest a, b;
	assert_int_equal(parse("sha256:" HEX64, &a), 0);
	memset(&b, 0xff, sizeof(b)); /* the unused rest does not count */
	assert_int_equal(parse("sha256:" HEX64, &b), 0);
	assert_true(loci_digest_equal(&a, &b));
	b.bytes[31] ^= 1;
	assert_false(loci_digest_equal(&a, &b));
	assert_int_equal(parse("sha512:" HEX64 HEX64, &b), 0);
	assert_false(loci_digest_equal(&a, &b));
}

static void algorithms(void **state)
{
	(void)state;
	assert_int_equal(loci_digest_alg_parse("sha256", 6), LOCI_SHA256);
	assert_int_equal(loci_digest_alg_parse("sha512", 6), LOCI_SHA512);
	assert_int_equal(loci_digest_alg_parse("sha25", 5), 0);
	assert_int_equal(loci_digest_alg_parse("md5", 3), 0);
	assert_string_equal(loci_digest_alg_name(LOCI_SHA512), "sha512");
	assert_null(loci_digest_alg_name(0));
}

/* FIPS 180-4 examples */
static void hashing(void **state)
{
	(void)state;
	struct loci_error err;
	struct loci_digest whole, pieces;
	struct loci_hasher *h;
	char text[LOCI_DIGEST_STR_MAX];
	assert_int_equal(loci_digest_bytes(LOCI_SHA256, "abc", 3, &whole, &err), 0);
	loci_digest_format(&whole, text);
	assert_string_equal(
	        text, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_int_equal(loci_hasher_new(LOCI_SHA256, &h, &err), 0);
	assert_int_equal(loci_hasher_update(h, "a", 1, &err), 0);
	assert_int_equal(loci_hasher_update(h, "bc", 2, &err), 0);
	assert_int_equal(loci_hasher_finish(h, &pieces, &err), 0);
	loci_hasher_free(h);
	assert_true(loci_digest_equal(&whole, &pieces));
	assert_int_equal(loci_digest_bytes(LOCI_SHA512, "", 0, &whole, &err), 0);
	assert_int_equal(whole.len, 64);
	assert_int_equal(whole.bytes[0], 0xcf);
	assert_int_equal(loci_hasher_new(99, &h, &err), LOCI_E_UNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(grammar),    cmocka_unit_test(a_nul_inside_is_no_end),
	        cmocka_unit_test(round_trip), cmocka_unit_test(equality),
	        cmocka_unit_test(algorithms), cmocka_unit_test(hashing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The test cases of RFC 4231. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/hex.h"
#include "core/base/hmac.h"

#include <string.h>

static void expect(const void *key, size_t key_n, const char *data, const char *want)
{
	struct loci_digest mac;
	char hex[129];
	assert_int_equal(loci__hmac_sha256(key, key_n, data, strlen(data), &mac, NULL), 0);
	loci__hex_format(mac.bytes, mac.len, hex);
	assert_string_equal(hex, want);
}

static void test_rfc4231(void **state)
{
	unsigned char long_key[131], short_key[20];
	(void)state;
	memset(long_key, 0xaa, sizeof(long_key));
	memset(short_key, 0x0b, sizeof(short_key));
	expect(short_key, sizeof(short_key), "Hi There",
	       "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	expect("Jefe", 4, "what do ya want for nothing?",
	       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	expect(long_key, sizeof(long_key), "Test Using Larger Than Block-Size Key - Hash Key First",
	       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rfc4231)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/base64.h"

#include <string.h>

/* RFC 4648, section 10 */
static const struct {
	const char *plain, *text;
} vectors[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
};

static void test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		char text[16], plain[16];
		size_t n;
		assert_int_equal(
		        loci__base64_format(vectors[i].plain, strlen(vectors[i].plain), text),
		        strlen(vectors[i].text));
		assert_string_equal(text, vectors[i].text);
		assert_true(loci__base64_parse(text, strlen(text), plain, sizeof(plain), &n));
		assert_int_equal(n, strlen(vectors[i].plain));
		assert_memory_equal(plain, vectors[i].plain, n);
	}
}

static void test_all_bytes(void **state)
{
	(void)state;
	unsigned char all[256], back[256];
	char text[LOCI_BASE64_SIZE(sizeof(all))];
	size_t n;
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (unsigned char)(255 - i);
	size_t len = loci__base64_format(all, sizeof(all), text);
	assert_int_equal(len + 1, sizeof(text));
	assert_true(loci__base64_parse(text, len, back, sizeof(back), &n));
	assert_int_equal(n, sizeof(all));
	assert_memory_equal(all, back, sizeof(all));
}

static void test_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"Z",    "Zg",   "Zg=",      "Zh==", "Zm9=",  "=",
	                                  "====", "Z===", "Zg==Zg==", "Zm 9", "Zm9\n", "Zm9-"};
	char out[16];
	size_t n;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (loci__base64_parse(bad[i], strlen(bad[i]), out, sizeof(out), &n))
			fail_msg("'%s' was taken", bad[i]);
	}
	assert_false(loci__base64_parse("Zm9vYmFy", 8, out, 5, &n)); /* no room */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_vectors),
	        cmocka_unit_test(test_all_bytes),
	        cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

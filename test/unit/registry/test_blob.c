/* SPDX-License-Identifier: Apache-2.0 */
/* end-2 and end-10: blobs that are there. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "harness.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CONTENT "0123456789"

static int open_fixture(void **state)
{
	static struct fixture f;
	fixture_open(&f, NULL);
	push_blob(&f, "a/b", CONTENT, 10);
	*state = &f;
	return 0;
}

static int close_fixture(void **state)
{
	fixture_close(*state);
	return 0;
}

static const char *blob_path(void)
{
	return text("/v2/a/b/blobs/%s", sha256_of(CONTENT, 10));
}

static void check_described(const struct answer *a)
{
	assert_string_equal(answer_header(a, "docker-content-digest"), sha256_of(CONTENT, 10));
	assert_string_equal(answer_header(a, "content-type"), "application/octet-stream");
	assert_string_equal(answer_header(a, "accept-ranges"), "bytes");
	assert_string_equal(answer_header(a, "etag"), text("\"%s\"", sha256_of(CONTENT, 10)));
	assert_string_equal(answer_header(a, "x-content-type-options"), "nosniff");
	assert_string_equal(answer_header(a, "docker-distribution-api-version"), "registry/2.0");
}

static void test_get(void **state)
{
	struct answer a = ask(*state, "GET", blob_path());
	assert_int_equal(a.status, 200);
	assert_int_equal(a.n, 10);
	assert_string_equal(a.body, CONTENT);
	assert_true(a.rs->file_fd >= 0);
	check_described(&a);
	answer_done(&a);
}

static void test_get_encoded(void **state)
{
	const char *digest = sha256_of(CONTENT, 10);
	struct answer a = ask(*state, "GET", text("/v2/a/b/blobs/sha256%%3A%s", digest + 7));
	assert_int_equal(a.status, 200);
	assert_string_equal(a.body, CONTENT);
	answer_done(&a);
}

static void test_head(void **state)
{
	struct answer a = ask(*state, "HEAD", blob_path());
	assert_int_equal(a.status, 200);
	assert_int_equal(a.rs->content_length, 10);
	assert_int_equal(a.rs->file_fd, -1);
	assert_null(a.rs->body);
	check_described(&a);
	answer_done(&a);
}

static void test_unknown(void **state)
{
	const char *other = sha256_of("other", 5);
	expect_code(*state, 404, "BLOB_UNKNOWN", "GET", text("/v2/a/b/blobs/%s", other));
	expect_code(*state, 404, "BLOB_UNKNOWN", "HEAD", text("/v2/a/b/blobs/%s", other));
	/* There, but not in this repository. */
	expect_code(*state, 404, "BLOB_UNKNOWN", "GET",
	            text("/v2/other/blobs/%s", sha256_of(CONTENT, 10)));
}

static void test_detail(void **state)
{
	const char *other = sha256_of("other", 5);
	struct answer a = ask(*state, "GET", text("/v2/a/b/blobs/%s", other));
	assert_non_null(strstr(a.body, text("\"detail\":\"%s\"", other)));
	assert_non_null(strstr(a.body, "\"message\":\""));
	answer_done(&a);
}

static void test_bad_digests(void **state)
{
	static const struct {
		const char *digest, *code;
	} bad[] = {
	        {"latest", "DIGEST_INVALID"},
	        {"sha256:", "DIGEST_INVALID"},
	        {"sha256:00", "DIGEST_INVALID"},
	        {"sha256:ZZ", "DIGEST_INVALID"},
	        {"sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709", "UNSUPPORTED"},
	        {"md5:d41d8cd98f00b204e9800998ecf8427e", "UNSUPPORTED"},
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_code(*state, 400, bad[i].code, "GET",
		            text("/v2/a/b/blobs/%s", bad[i].digest));
	char longest[4000];
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	expect_code(*state, 400, "DIGEST_INVALID", "GET", text("/v2/a/b/blobs/%s", longest));
}

static struct answer get_range(struct fixture *f, const char *range, const char *if_range)
{
	const struct ask get = {
	        .method = "GET",
	        .target = blob_path(),
	        .headers = {{"range", range}, {if_range ? "if-range" : NULL, if_range}},
	};
	return ask_with(f, &get);
}

static void test_ranges(void **state)
{
	static const struct {
		const char *range, *body, *content_range;
	} cases[] = {
	        {"bytes=0-0", "0", "bytes 0-0/10"},
	        {"bytes=3-5", "345", "bytes 3-5/10"},
	        {"bytes=8-", "89", "bytes 8-9/10"},
	        {"bytes=-4", "6789", "bytes 6-9/10"},
	        {"bytes=5-100", "56789", "bytes 5-9/10"},
	        {"bytes=0-1,4-5", "012345", "bytes 0-5/10"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct answer a = get_range(*state, cases[i].range, NULL);
		assert_int_equal(a.status, 206);
		assert_string_equal(a.body, cases[i].body);
		assert_string_equal(answer_header(&a, "content-range"), cases[i].content_range);
		check_described(&a);
		answer_done(&a);
	}
}

static void test_ranges_that_give_the_whole(void **state)
{
	static const char *const ranges[] = {"bytes=x", "lines=1-2", "bytes=0-1,x"};
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		struct answer a = get_range(*state, ranges[i], NULL);
		assert_int_equal(a.status, 200);
		assert_string_equal(a.body, CONTENT);
		assert_null(answer_header(&a, "content-range"));
		answer_done(&a);
	}
}

/* A blob that is long enough for ranges to lie apart: each byte tells its place. */
#define LONG_SIZE 3000
static const char *push_long(struct fixture *f)
{
	static char bytes[LONG_SIZE];
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)('a' + i / 10 % 26);
	return push_blob(f, "a/b", bytes, sizeof(bytes));
}

static void test_several_ranges(void **state)
{
	const char *digest = push_long(*state);
	struct ask get = {.method = "GET",
	                  .target = text("/v2/a/b/blobs/%s", digest),
	                  .headers = {{"range", "bytes=2000-2010,0-4"}}};
	struct answer a = ask_with(*state, &get);
	assert_int_equal(a.status, 206);
	assert_null(answer_header(&a, "content-range"));
	static const char type[] = "multipart/byteranges; boundary=";
	const char *boundary = answer_header(&a, "content-type");
	assert_memory_equal(boundary, type, sizeof(type) - 1);
	boundary += sizeof(type) - 1;
	assert_string_equal(a.body, text("--%s\r\ncontent-type: application/octet-stream\r\n"
	                                 "content-range: bytes 2000-2010/3000\r\n\r\n"
	                                 "sssssssssst\r\n--%s\r\ncontent-type: "
	                                 "application/octet-stream\r\ncontent-range: bytes "
	                                 "0-4/3000\r\n\r\naaaaa\r\n--%s--\r\n",
	                                 boundary, boundary, boundary));
	assert_string_equal(answer_header(&a, "docker-content-digest"), digest);
	char first[64];
	snprintf(first, sizeof(first), "%s", boundary);
	answer_done(&a);
	/* Nobody can know the next boundary. */
	a = ask_with(*state, &get);
	assert_string_not_equal(answer_header(&a, "content-type") + sizeof(type) - 1, first);
	answer_done(&a);
	/* HEAD is not asked in ranges, and a server of one piece gets the whole. */
	get.method = "HEAD";
	a = ask_with(*state, &get);
	assert_int_equal(a.status, 200);
	assert_int_equal(a.rs->content_length, LONG_SIZE);
	answer_done(&a);
	get.method = "GET";
	get.no_parts = true;
	a = ask_with(*state, &get);
	assert_int_equal(a.status, 200);
	assert_int_equal(a.n, LONG_SIZE);
	answer_done(&a);
}

static void test_range_outside(void **state)
{
	struct answer a = get_range(*state, "bytes=10-", NULL);
	assert_int_equal(a.status, 416);
	assert_string_equal(answer_header(&a, "content-range"), "bytes */10");
	assert_string_equal(answer_code(&a), "SIZE_INVALID");
	assert_int_equal(a.rs->file_fd, -1);
	answer_done(&a);
	a = get_range(*state, "bytes=5-3", NULL);
	assert_int_equal(a.status, 416);
	answer_done(&a);
	a = get_range(*state, "bytes=10-,20-30", NULL);
	assert_int_equal(a.status, 416);
	answer_done(&a);
}

static void test_if_range(void **state)
{
	const char *etag = text("\"%s\"", sha256_of(CONTENT, 10));
	struct answer a = get_range(*state, "bytes=1-2", etag);
	assert_int_equal(a.status, 206);
	answer_done(&a);
	a = get_range(*state, "bytes=1-2", text("W/%s", etag));
	assert_int_equal(a.status, 200);
	answer_done(&a);
	a = get_range(*state, "bytes=1-2", "\"sha256:other\"");
	assert_int_equal(a.status, 200);
	answer_done(&a);
}

static void test_if_none_match(void **state)
{
	const char *digest = sha256_of(CONTENT, 10);
	const struct {
		const char *value;
		int status;
	} cases[] = {
	        {text("\"%s\"", digest), 304},
	        {text("W/\"%s\"", digest), 304},
	        {text("\"x\", \"%s\"", digest), 304},
	        {digest, 304},
	        {"*", 304},
	        {"\"x\"", 200},
	        {"", 200},
	        {",", 200},
	        {"\"", 200},
	        {text("\"x\" \"%s\"", digest), 200},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct ask get = {.method = "GET",
		                        .target = blob_path(),
		                        .headers = {{"if-none-match", cases[i].value}}};
		struct answer a = ask_with(*state, &get);
		if (a.status != cases[i].status)
			fail_msg("if-none-match: %s: %d", cases[i].value, a.status);
		if (a.status == 304) {
			assert_int_equal(a.n, 0);
			assert_string_equal(answer_header(&a, "etag"), text("\"%s\"", digest));
		}
		answer_done(&a);
	}
}

static void test_file_can_be_taken(void **state)
{
	struct answer a = ask(*state, "GET", blob_path());
	int fd = a.rs->file_fd;
	a.rs->file_fd = -1;
	answer_done(&a);
	char byte;
	assert_int_equal(read(fd, &byte, 1), 1);
	close(fd);
}

static void test_delete(void **state)
{
	struct fixture *f = *state;
	const char *path = text("/v2/gone/blobs/%s", push_blob(f, "gone", "gone", 4));
	expect(f, 200, "GET", path);
	expect(f, 202, "DELETE", path);
	expect_code(f, 404, "BLOB_UNKNOWN", "GET", path);
	expect_code(f, 404, "BLOB_UNKNOWN", "DELETE", path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_get),
	        cmocka_unit_test(test_get_encoded),
	        cmocka_unit_test(test_head),
	        cmocka_unit_test(test_unknown),
	        cmocka_unit_test(test_detail),
	        cmocka_unit_test(test_bad_digests),
	        cmocka_unit_test(test_ranges),
	        cmocka_unit_test(test_ranges_that_give_the_whole),
	        cmocka_unit_test(test_several_ranges),
	        cmocka_unit_test(test_range_outside),
	        cmocka_unit_test(test_if_range),
	        cmocka_unit_test(test_if_none_match),
	        cmocka_unit_test(test_file_can_be_taken),
	        cmocka_unit_test(test_delete),
	};
	return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}

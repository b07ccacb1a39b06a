/* SPDX-License-Identifier: Apache-2.0 */
/* Quotas as clients meet them: 403 with the figures, as early as it is known. */
#include "harness.h"

#include "loci/quota.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	fixture_open(f, NULL);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_close(*state);
	free(*state);
	return 0;
}

static void set_quota(struct fixture *f, const char *path, uint64_t bytes)
{
	const struct loci_quota q = {path, bytes};
	assert_int_equal(loci_store_set_quotas(f->store, &q, 1, NULL), 0);
}

static void expect_denied(struct fixture *f, const struct ask *ask, const char *why)
{
	struct answer a = ask_with(f, ask);
	assert_int_equal(a.status, 403);
	assert_string_equal(answer_code(&a), "DENIED");
	if (!strstr(a.body, why))
		fail_msg("'%s' is not in %s", why, a.body);
	answer_done(&a);
}

static struct ask post(const char *bytes, bool chunked)
{
	size_t n = strlen(bytes);
	return (struct ask){
	        .method = "POST",
	        .target = text("/v2/team/app/blobs/uploads/?digest=%s", sha256_of(bytes, n)),
	        .body = bytes,
	        .n = n,
	        .chunked = chunked};
}

static void test_whole_blob(void **state)
{
	struct fixture *f = *state;
	push_blob(f, "team/app", "12345", 5);
	set_quota(f, "team", 8);
	struct ask too_much = post("6789", false), chunked = post("6789", true);
	const char *why = "quota of 'team': 8 bytes allowed, 5 used, 4 more needed";
	expect_denied(f, &too_much, why);
	expect_denied(f, &chunked, why);
	/* What is there may come again, and what fits. */
	push_blob(f, "team/app", "12345", 5);
	struct ask again = post("12345", true);
	struct answer a = ask_with(f, &again);
	assert_int_equal(a.status, 201);
	answer_done(&a);
	push_blob(f, "team/app", "678", 3);
}

static struct ask patch(const char *path, const char *bytes, bool chunked)
{
	return (struct ask){.method = "PATCH",
	                    .target = path,
	                    .body = bytes,
	                    .n = strlen(bytes),
	                    .chunked = chunked};
}

/* With a length before it is sent, and the session is as it was; without, as soon as it is too
 * much, and nothing is left to lie beyond the quota. */
static void test_session(void **state)
{
	struct fixture *f = *state;
	set_quota(f, "team", 8);
	const char *path = start_upload(f, "team/app");
	struct ask first = patch(path, "12345", false), more = patch(path, "6789", false);
	struct answer a = ask_with(f, &first);
	assert_int_equal(a.status, 202);
	answer_done(&a);
	expect_denied(f, &more, "8 bytes allowed, 0 used, 9 more needed");
	expect(f, 204, "GET", path);
	struct ask chunked = patch(path, "6789", true);
	expect_denied(f, &chunked, "8 bytes allowed, 0 used");
	expect_code(f, 404, "BLOB_UPLOAD_UNKNOWN", "GET", path);
}

/* The room shrinks while a body is on its way: the commit finds out. */
static void test_commit(void **state)
{
	struct fixture *f = *state;
	const char *path = start_upload(f, "team/app");
	struct ask first = patch(path, "12345", false);
	struct answer a = ask_with(f, &first);
	answer_done(&a);
	set_quota(f, "team", 4);
	struct ask put = {.method = "PUT",
	                  .target = text("%s?digest=%s", path, sha256_of("12345", 5))};
	expect_denied(f, &put, "4 bytes allowed, 0 used, 5 more needed");
	expect(f, 204, "GET", path); /* refused before anything was tried */
	put.chunked = true;
	expect_denied(f, &put, "4 bytes allowed, 0 used, 5 more needed");
	expect_code(f, 404, "BLOB_UPLOAD_UNKNOWN", "GET", path);
}

static void test_mount_and_manifest(void **state)
{
	struct fixture *f = *state;
	const char *digest = text("%s", push_blob(f, "other", "12345", 5));
	set_quota(f, "team", 4);
	struct ask mount = {
	        .method = "POST",
	        .target = text("/v2/team/app/blobs/uploads/?mount=%s&from=other", digest)};
	expect_denied(f, &mount, "quota of 'team'");
	static const char index[] = "{\"schemaVersion\":2,\"mediaType\":\"application/"
	                            "vnd.oci.image.index.v1+json\",\"manifests\":[]}";
	struct ask put = {.method = "PUT",
	                  .target = "/v2/team/app/manifests/latest",
	                  .headers = {{"content-type", "application/vnd.oci.image.index.v1+json"}},
	                  .body = index,
	                  .n = sizeof(index) - 1};
	expect_denied(f, &put, "quota of 'team'");
	set_quota(f, "team", sizeof(index) - 1);
	struct answer a = ask_with(f, &put);
	assert_int_equal(a.status, 201);
	answer_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	        TEST(test_whole_blob),
	        TEST(test_session),
	        TEST(test_commit),
	        TEST(test_mount_and_manifest),
#undef TEST
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

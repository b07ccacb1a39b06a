/* SPDX-License-Identifier: Apache-2.0 */
/* Preconditions of reads and of manifest PUT. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "harness.h"
#include "registry/condition.h"

#include <stdio.h>
#include <string.h>

static int open_fixture(void **state)
{
	static struct fixture f;
	fixture_open(&f, NULL);
	*state = &f;
	return 0;
}

static int close_fixture(void **state)
{
	fixture_close(*state);
	return 0;
}

/* Lists against a digest that is there, and against nothing. */
static void test_lists(void **state)
{
	static const char content[] = "x";
	const char *d = sha256_of(content, 1);
	struct loci_digest current;
	const struct {
		const char *list;
		bool match, none_match;   /* hold over the digest */
		bool match_nil, none_nil; /* over nothing */
	} cases[] = {
	        {text("\"%s\"", d), true, false, false, true},
	        {text("W/\"%s\"", d), false, false, false, true}, /* weak: no match, but not none */
	        {text("\"a\" , \"%s\"", d), true, false, false, true},
	        {text("\"a\",W/\"b\",\"%s\"", d), true, false, false, true},
	        {d, true, false, false, true}, /* as docker's clients write it */
	        {"*", true, false, false, true},
	        {"\"*\"", false, true, false, true}, /* a tag that is called so */
	        {"\"a\"", false, true, false, true},
	        {"", false, true, false, true},
	        {"\"", false, true, false, true},
	        {text("\"a\" \"%s\"", d), false, true, false, true},
	};
	(void)state;
	assert_int_equal(loci_digest_parse(d, strlen(d), &current, NULL), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char list[256];
		struct loci__condition match = {.match = list}, none = {.none_match = list};
		snprintf(list, sizeof(list), "%s", cases[i].list);
		if (loci__condition_holds(&match, &current) != cases[i].match ||
		    loci__condition_holds(&none, &current) != cases[i].none_match ||
		    loci__condition_holds(&match, NULL) != cases[i].match_nil ||
		    loci__condition_holds(&none, NULL) != cases[i].none_nil)
			fail_msg("%s", list);
	}
}

static int put_if(struct fixture *f, const char *target, const char *json, const char *header,
                  const char *value)
{
	const struct ask put = {
	        .method = "PUT",
	        .target = target,
	        .headers = {{"content-type", LOCI_MEDIA_OCI_INDEX}, {header, value}},
	        .body = json,
	        .n = strlen(json),
	};
	struct answer a = ask_with(f, &put);
	int status = a.status;
	if (status == 412)
		assert_string_equal(answer_code(&a), "DENIED");
	answer_done(&a);
	return status;
}

/* An index of nothing, told apart by a word. */
static const char *empty_index(const char *word)
{
	return text("{\"schemaVersion\":2,\"mediaType\":\"%s\",\"manifests\":[],"
	            "\"annotations\":{\"word\":\"%s\"}}",
	            LOCI_MEDIA_OCI_INDEX, word);
}

/* As clients guard a referrers tag: create it if it is not there, replace what was read. */
static void test_put(void **state)
{
	static const char path[] = "/v2/cond/manifests/v1";
	struct fixture *f = *state;
	const char *one = empty_index("1"), *two = empty_index("2");
	const char *is_one = text("\"%s\"", sha256_of(one, strlen(one)));
	const char *is_two = text("\"%s\"", sha256_of(two, strlen(two)));
	assert_int_equal(put_if(f, path, one, "if-match", "*"), 412);
	assert_int_equal(put_if(f, path, one, "if-match", is_one), 412);
	expect(f, 404, "GET", path);
	assert_int_equal(put_if(f, path, one, "if-none-match", "*"), 201);
	assert_int_equal(put_if(f, path, two, "if-none-match", "*"), 412);
	assert_int_equal(put_if(f, path, two, "if-match", is_two), 412);
	assert_int_equal(put_if(f, path, two, "if-match", is_one), 201);
	assert_int_equal(put_if(f, path, one, "if-match", is_one), 412);
	assert_int_equal(put_if(f, path, one, "if-match", "*"), 201);
	/* By digest, it is the digest that is asked for. */
	const char *three = empty_index("3");
	const char *by_digest =
	        text("/v2/cond/manifests/%s?tag=v1", sha256_of(three, strlen(three)));
	assert_int_equal(put_if(f, by_digest, three, "if-match", "*"), 412);
	assert_int_equal(put_if(f, by_digest, three, "if-none-match", "*"), 201);
	assert_int_equal(put_if(f, by_digest, three, "if-none-match", "*"), 412);
}

/* What a PUT answers is what the next one may be conditional on. */
static void test_put_tells_the_tag(void **state)
{
	struct fixture *f = *state;
	const char *json = empty_index("etag");
	const struct ask put = {.method = "PUT",
	                        .target = "/v2/cond/manifests/etag",
	                        .headers = {{"content-type", LOCI_MEDIA_OCI_INDEX}},
	                        .body = json,
	                        .n = strlen(json)};
	struct answer a = ask_with(f, &put);
	assert_int_equal(a.status, 201);
	assert_string_equal(answer_header(&a, "etag"),
	                    text("\"%s\"", sha256_of(json, strlen(json))));
	answer_done(&a);
}

static void test_lists_have_a_limit(void **state)
{
	static char huge[20000];
	memset(huge, 'a', sizeof(huge) - 1);
	assert_int_equal(
	        put_if(*state, "/v2/cond/manifests/huge", empty_index("h"), "if-match", huge), 413);
}

static void test_reads(void **state)
{
	struct fixture *f = *state;
	const char *blob = push_blob(f, "cond", "blob", 4);
	const char *manifest = push_image(f, "cond", "read", "read");
	const char *const targets[][2] = {
	        {text("/v2/cond/blobs/%s", blob), text("\"%s\"", blob)},
	        {"/v2/cond/manifests/read", text("\"%s\"", manifest)},
	};
	static const char *const methods[] = {"GET", "HEAD"};
	for (size_t i = 0; i < 4; i++) {
		const char *const *target = targets[i / 2];
		struct ask get = {.method = methods[i % 2],
		                  .target = target[0],
		                  .headers = {{"if-match", "\"other\""}}};
		struct answer a = ask_with(f, &get);
		assert_int_equal(a.status, 412);
		assert_string_equal(answer_header(&a, "etag"), target[1]);
		answer_done(&a);
		get.headers[0].value = target[1];
		a = ask_with(f, &get);
		assert_int_equal(a.status, 200);
		answer_done(&a);
		/* If-Match comes first, RFC 9110 13.2.2 */
		get.headers[0].value = "\"other\"";
		get.headers[1] = (struct loci_http_header){"if-none-match", "*"};
		a = ask_with(f, &get);
		assert_int_equal(a.status, 412);
		answer_done(&a);
	}
}

static int delete_if(struct fixture *f, const char *target, const char *match)
{
	const struct ask del = {
	        .method = "DELETE", .target = target, .headers = {{"if-match", match}}};
	struct answer a = ask_with(f, &del);
	int status = a.status;
	answer_done(&a);
	return status;
}

static void test_deletes(void **state)
{
	struct fixture *f = *state;
	const char *digest = push_image(f, "cond", "gone", "gone");
	const char *by_digest = text("/v2/cond/manifests/%s", digest);
	const char *right = text("\"%s\"", digest);
	assert_int_equal(delete_if(f, "/v2/cond/manifests/gone", "\"other\""), 412);
	assert_int_equal(delete_if(f, "/v2/cond/manifests/gone", text("W/%s", right)), 412);
	expect(f, 200, "GET", "/v2/cond/manifests/gone");
	assert_int_equal(delete_if(f, "/v2/cond/manifests/gone", right), 202);
	assert_int_equal(delete_if(f, "/v2/cond/manifests/gone", right), 404);
	assert_int_equal(delete_if(f, by_digest, "\"other\""), 412);
	expect(f, 200, "GET", by_digest);
	assert_int_equal(delete_if(f, by_digest, right), 202);

	digest = push_blob(f, "cond", "gone", 4);
	by_digest = text("/v2/cond/blobs/%s", digest);
	assert_int_equal(delete_if(f, by_digest, "\"other\""), 412);
	expect(f, 200, "GET", by_digest);
	assert_int_equal(delete_if(f, by_digest, text("\"%s\"", digest)), 202);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_lists),
	        cmocka_unit_test(test_put),
	        cmocka_unit_test(test_put_tells_the_tag),
	        cmocka_unit_test(test_lists_have_a_limit),
	        cmocka_unit_test(test_reads),
	        cmocka_unit_test(test_deletes),
	};
	return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}

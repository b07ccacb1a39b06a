/* SPDX-License-Identifier: Apache-2.0 */
/* end-8, end-12 and the catalog: listings and their pages. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "harness.h"

#include "core/base/buf.h"
#include "core/base/json.h"

#include <string.h>

static int open_fixture(void **state)
{
	static const char *const tags[] = {"b", "a", "B", "10", "9", "_x", "a.1", "latest"};
	static const struct loci_registry_opts opts = {.list_max = 5};
	static struct fixture f;
	fixture_open(&f, &opts);
	for (size_t i = 0; i < 8; i++)
		push_image(&f, "lib/app", tags[i], "app");
	push_image(&f, "lib/app2", "v1", "app");
	push_image(&f, "aaa", "v1", "app");
	*state = &f;
	return 0;
}

static int close_fixture(void **state)
{
	fixture_close(*state);
	return 0;
}

static void expect_page(struct fixture *f, const char *target, const char *body, const char *link)
{
	struct answer a = ask(f, "GET", target);
	if (a.status != 200)
		fail_msg("%s: %d %s", target, a.status, a.body);
	assert_string_equal(a.body, text("%s\n", body));
	assert_string_equal(answer_header(&a, "content-type"), "application/json");
	const char *got = answer_header(&a, "link");
	if (link)
		assert_string_equal(got, link);
	else
		assert_null(got);
	answer_done(&a);
}

#define TAGS          "/v2/lib/app/tags/list"
#define PAGE(tags)    "{\"name\":\"lib/app\",\"tags\":[" tags "]}"
#define NEXT(n, last) "<" TAGS "?n=" n "&last=" last ">; rel=\"next\""

static void test_tags(void **state)
{
	struct fixture *f = *state;
	expect_page(f, TAGS "?n=2", PAGE("\"10\",\"9\""), NEXT("2", "9"));
	expect_page(f, TAGS "?n=2&last=9", PAGE("\"B\",\"_x\""), NEXT("2", "_x"));
	expect_page(f, TAGS "?last=a&n=3", PAGE("\"a.1\",\"b\",\"latest\""), NULL);
	expect_page(f, TAGS "?last=a", PAGE("\"a.1\",\"b\",\"latest\""), NULL);
	expect_page(f, TAGS "?last=latest", PAGE(""), NULL);
	/* `last` need not be there. */
	expect_page(f, TAGS "?last=az", PAGE("\"b\",\"latest\""), NULL);
	expect_page(f, TAGS "?n=0", PAGE(""), NULL);
}

static void test_tags_by_limit(void **state)
{
	struct fixture *f = *state;
	const char *page = PAGE("\"10\",\"9\",\"B\",\"_x\",\"a\"");
	expect_page(f, TAGS, page, NEXT("5", "a"));
	expect_page(f, TAGS "?n=6", page, NEXT("5", "a"));
	expect_page(f, TAGS "?n=18446744073709551615", page, NEXT("5", "a"));
	expect_page(f, TAGS "?n=99999999999999999999999999", page, NEXT("5", "a"));
}

static void test_bad_numbers(void **state)
{
	static const char *const bad[] = {"", "-1", "x", "1x", "0x1", "1e3", "%31%20", "+1"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		expect_code(*state, 400, "UNSUPPORTED", "GET", text(TAGS "?n=%s", bad[i]));
		expect_code(*state, 400, "UNSUPPORTED", "GET", text("/v2/_catalog?n=%s", bad[i]));
	}
	expect_code(*state, 400, "UNSUPPORTED", "GET", TAGS "?n=1&n=2");
}

static void test_unknown_parameters(void **state)
{
	expect_page(*state, TAGS "?ns=docker.io&n=1&x=%26", PAGE("\"10\""), NEXT("1", "10"));
}

/* What a client sends as `last` is looked for, never echoed. */
static void test_hostile_last(void **state)
{
	struct answer a = ask(*state, "GET", TAGS "?n=1&last=%3E%3B%20rel%3D%22x%22");
	assert_int_equal(a.status, 200);
	const char *link = answer_header(&a, "link");
	assert_true(!link || !strstr(link, "rel=\"x\""));
	answer_done(&a);
	expect(*state, 400, "GET", TAGS "?n=1&last=%0d%0ax:y");
	char last[3000];
	memset(last, 'a', sizeof(last) - 1);
	last[sizeof(last) - 1] = '\0';
	expect_code(*state, 400, "UNSUPPORTED", "GET", text(TAGS "?last=%s", last));
	expect_code(*state, 400, "UNSUPPORTED", "GET", text("/v2/_catalog?last=%s", last));
}

static void test_no_repository(void **state)
{
	expect_code(*state, 404, "NAME_UNKNOWN", "GET", "/v2/lib/tags/list");
	expect_code(*state, 404, "NAME_UNKNOWN", "GET", "/v2/none/tags/list?n=0");
}

static void test_catalog(void **state)
{
	struct fixture *f = *state;
	expect_page(f, "/v2/_catalog", "{\"repositories\":[\"aaa\",\"lib/app\",\"lib/app2\"]}",
	            NULL);
	expect_page(f, "/v2/_catalog?n=2", "{\"repositories\":[\"aaa\",\"lib/app\"]}",
	            "</v2/_catalog?n=2&last=lib/app>; rel=\"next\"");
	expect_page(f, "/v2/_catalog?n=2&last=lib/app", "{\"repositories\":[\"lib/app2\"]}", NULL);
}

/* ---- referrers ---- */

static const char *push_referrer(struct fixture *f, const char *type, const char *word,
                                 const char *subject)
{
	const char *config = push_blob(f, "refs", "{}", 2);
	const char *json = text(
	        "{\"schemaVersion\":2,\"mediaType\":\"%s\",%s\"config\":{\"mediaType\":\"%s\","
	        "\"digest\":\"%s\",\"size\":2},\"layers\":[],\"subject\":{\"mediaType\":\"%s\","
	        "\"digest\":\"%s\",\"size\":2},\"annotations\":{\"word\":\"%s \\\"\\u00e4\\\"\"}}",
	        LOCI_MEDIA_OCI_MANIFEST, type ? text("\"artifactType\":\"%s\",", type) : "",
	        "application/x.config+json", config, LOCI_MEDIA_OCI_MANIFEST, subject, word);
	return push_manifest(f, "refs", NULL, LOCI_MEDIA_OCI_MANIFEST, json);
}

/* The index, parsed; checks what every answer must have. */
static json_t *get_referrers(struct fixture *f, const char *target, struct answer *ret)
{
	static const struct loci_json_limits limits = {1 << 20, 32};
	struct loci_error err;
	json_t *doc = NULL;
	*ret = ask(f, "GET", target);
	assert_int_equal(ret->status, 200);
	assert_string_equal(answer_header(ret, "content-type"), LOCI_MEDIA_OCI_INDEX);
	if (loci__json_parse(ret->body, ret->n, &limits, "index", &doc, &err) < 0)
		fail_msg("%s: %s", err.msg, ret->body);
	assert_string_equal(json_string_value(json_object_get(doc, "mediaType")),
	                    LOCI_MEDIA_OCI_INDEX);
	assert_int_equal(json_integer_value(json_object_get(doc, "schemaVersion")), 2);
	return doc;
}

static void expect_count(struct fixture *f, const char *target, size_t n)
{
	struct answer a;
	json_t *doc = get_referrers(f, target, &a);
	assert_int_equal(json_array_size(json_object_get(doc, "manifests")), n);
	json_decref(doc);
	answer_done(&a);
}

static const char *field(const json_t *descriptor, const char *key)
{
	return json_string_value(json_object_get(descriptor, key));
}

static void test_referrers(void **state)
{
	struct fixture *f = *state;
	const char *subject = sha256_of("subject", 7);
	const char *digest = push_referrer(f, "application/x.sbom+json", "one", subject);
	struct answer a;
	json_t *doc = get_referrers(f, text("/v2/refs/referrers/%s", subject), &a);
	const json_t *manifests = json_object_get(doc, "manifests");
	assert_int_equal(json_array_size(manifests), 1);
	const json_t *m = json_array_get(manifests, 0);
	assert_string_equal(field(m, "digest"), digest);
	assert_string_equal(field(m, "mediaType"), LOCI_MEDIA_OCI_MANIFEST);
	assert_string_equal(field(m, "artifactType"), "application/x.sbom+json");
	assert_string_equal(field(json_object_get(m, "annotations"), "word"), "one \"\xc3\xa4\"");
	assert_true(json_integer_value(json_object_get(m, "size")) > 100);
	assert_null(answer_header(&a, "oci-filters-applied"));
	json_decref(doc);
	answer_done(&a);
}

/* Without an artifactType an image is of its config's type. */
static void test_type_of_config(void **state)
{
	struct fixture *f = *state;
	const char *subject = sha256_of("typeless", 8);
	push_referrer(f, NULL, "typeless", subject);
	struct answer a;
	json_t *doc = get_referrers(f, text("/v2/refs/referrers/%s", subject), &a);
	const json_t *m = json_array_get(json_object_get(doc, "manifests"), 0);
	assert_string_equal(field(m, "artifactType"), "application/x.config+json");
	json_decref(doc);
	answer_done(&a);
}

static void test_filter(void **state)
{
	struct fixture *f = *state;
	const char *subject = sha256_of("filtered", 8);
	push_referrer(f, "application/x.sbom+json", "1", subject);
	push_referrer(f, "application/x.sbom+json", "2", subject);
	push_referrer(f, "application/x.sig", "3", subject);
	const char *path = text("/v2/refs/referrers/%s", subject);
	expect_count(f, path, 3);
	expect_count(f, text("%s?artifactType=application/x.sbom+json", path), 2);
	expect_count(f, text("%s?artifactType=application%%2Fx.sbom%%2Bjson", path), 2);
	expect_count(f, text("%s?artifactType=application/x.other", path), 0);
	struct answer a = ask(f, "GET", text("%s?artifactType=application/x.sig", path));
	assert_string_equal(answer_header(&a, "oci-filters-applied"), "artifactType");
	answer_done(&a);
}

/* A page goes on where it was, though its last manifest is gone. */
static void test_page_behind_the_deleted(void **state)
{
	struct fixture *f = *state;
	char subject[LOCI_DIGEST_STR_MAX];
	memcpy(subject, sha256_of("deleted", 7), 72);
	for (int i = 0; i < 4; i++)
		push_referrer(f, "application/x.sbom+json", text("%d", i), subject);
	struct answer a;
	json_t *doc = get_referrers(f, text("/v2/refs/referrers/%s", subject), &a);
	const char *second =
	        text("%s", field(json_array_get(json_object_get(doc, "manifests"), 1), "digest"));
	json_decref(doc);
	answer_done(&a);
	expect(f, 202, "DELETE", text("/v2/refs/manifests/%s", second));
	expect_count(f, text("/v2/refs/referrers/%s?last=%s", subject, second), 2);
}

static void test_no_referrers(void **state)
{
	struct fixture *f = *state;
	expect_count(f, text("/v2/refs/referrers/%s", sha256_of("lonely", 6)), 0);
	expect_count(f, text("/v2/none/referrers/%s", sha256_of("lonely", 6)), 0);
	expect_code(f, 400, "DIGEST_INVALID", "GET", "/v2/refs/referrers/latest");
	expect_code(f, 400, "DIGEST_INVALID", "GET", "/v2/refs/referrers/sha256:00");
}

static const char *next_page(const struct answer *a)
{
	const char *link = answer_header(a, "link");
	if (!link)
		return NULL;
	assert_int_equal(link[0], '<');
	size_t n = strcspn(link, ">");
	assert_string_equal(link + n, ">; rel=\"next\"");
	return text("%.*s", (int)n - 1, link + 1);
}

static void test_referrer_pages(void **state)
{
	struct fixture *f = *state;
	char subject[LOCI_DIGEST_STR_MAX];
	memcpy(subject, sha256_of("paged", 5), 72);
	for (int i = 0; i < 12; i++)
		push_referrer(f, "application/x.sbom+json", text("%d", i), subject);
	const char *path =
	        text("/v2/refs/referrers/%s?artifactType=application/x.sbom%%2Bjson", subject);
	char seen[12][LOCI_DIGEST_STR_MAX];
	size_t n = 0, pages = 0;
	while (path) {
		struct answer a;
		json_t *doc = get_referrers(f, path, &a);
		const json_t *manifests = json_object_get(doc, "manifests");
		assert_in_range(json_array_size(manifests), 1, 5);
		for (size_t i = 0; i < json_array_size(manifests); i++) {
			const char *digest = field(json_array_get(manifests, i), "digest");
			for (size_t j = 0; j < n; j++)
				assert_string_not_equal(seen[j], digest);
			assert_true(n < 12);
			memcpy(seen[n++], digest, strlen(digest) + 1);
		}
		path = next_page(&a);
		pages++;
		json_decref(doc);
		answer_done(&a);
	}
	assert_int_equal(n, 12);
	assert_int_equal(pages, 3);
}

/* Pages by bytes: annotations of almost the largest manifest each. */
static void test_referrer_bytes(void **state)
{
	struct fixture f;
	static char big[3000];
	(void)state;
	fixture_open(&f, NULL);
	memset(big, 'x', sizeof(big) - 1);
	const char *subject = sha256_of("bytes", 5);
	const char *config = push_blob(&f, "refs", "{}", 2);
	struct loci_buf json = LOCI_BUF_INIT(4u << 20);
	for (int i = 0; i < 3; i++) {
		loci__buf_reset(&json);
		loci__buf_printf(
		        &json,
		        "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"a/b\",\"digest\":"
		        "\"%s\",\"size\":2},\"layers\":[],\"subject\":{\"mediaType\":\"%s\","
		        "\"digest\":\"%s\",\"size\":2},\"annotations\":{\"i\":\"%d\"",
		        config, LOCI_MEDIA_OCI_MANIFEST, subject, i);
		for (int k = 0; k < 600; k++)
			loci__buf_printf(&json, ",\"%d\":\"%s\"", k, big);
		loci__buf_puts(&json, "}}");
		assert_int_equal(json.failed, 0);
		push_manifest(&f, "refs", NULL, LOCI_MEDIA_OCI_MANIFEST, json.p);
	}
	size_t n = 0, pages = 0;
	for (const char *path = text("/v2/refs/referrers/%s", subject); path; pages++) {
		struct answer a = ask(&f, "GET", path);
		assert_int_equal(a.status, 200);
		assert_in_range(a.n, 1, 4u << 20);
		for (const char *p = a.body; (p = strstr(p, "\"artifactType\"")); p++)
			n++;
		path = next_page(&a);
		answer_done(&a);
	}
	assert_int_equal(n, 3);
	assert_int_equal(pages, 2);
	loci__buf_done(&json);
	fixture_close(&f);
}

/* One that alone is larger than a page, escaped, hides none of the others. */
static void test_referrer_larger_than_a_page(void **state)
{
	struct fixture f;
	static char big[(1 << 20) + 1];
	(void)state;
	fixture_open(&f, NULL);
	char subject[LOCI_DIGEST_STR_MAX];
	memcpy(subject, sha256_of("larger", 6), 72);
	for (int i = 0; i < 4; i++)
		push_referrer(&f, NULL, text("%d", i), subject);
	memset(big, 0x7f, sizeof(big) - 1);
	struct loci_buf json = LOCI_BUF_INIT(4u << 20);
	loci__buf_printf(&json,
	                 "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"a/b\",\"digest\":"
	                 "\"%s\",\"size\":2},\"layers\":[],\"subject\":{\"mediaType\":\"%s\","
	                 "\"digest\":\"%s\",\"size\":2},\"annotations\":{\"big\":\"%s\"}}",
	                 sha256_of("{}", 2), LOCI_MEDIA_OCI_MANIFEST, subject, big);
	push_manifest(&f, "refs", NULL, LOCI_MEDIA_OCI_MANIFEST, json.p);
	size_t n = 0;
	for (const char *path = text("/v2/refs/referrers/%s", subject); path;) {
		struct answer a = ask(&f, "GET", path);
		assert_int_equal(a.status, 200);
		for (const char *p = a.body; (p = strstr(p, "\"artifactType\"")); p++)
			n++;
		path = next_page(&a);
		answer_done(&a);
	}
	assert_int_equal(n, 5);
	loci__buf_done(&json);
	fixture_close(&f);
}

/* ---- a store that cannot be read: the linker sends the registry's questions through here ---- */

static bool store_is_busy;

int __real_loci_tag_foreach(struct loci_store *st, const char *repo, const char *after,
                            loci_name_fn fn, void *arg, struct loci_error *err);
int __wrap_loci_tag_foreach(struct loci_store *st, const char *repo, const char *after,
                            loci_name_fn fn, void *arg, struct loci_error *err);
bool __real_loci_repo_exists(struct loci_store *st, const char *repo);
bool __wrap_loci_repo_exists(struct loci_store *st, const char *repo);

int __wrap_loci_tag_foreach(struct loci_store *st, const char *repo, const char *after,
                            loci_name_fn fn, void *arg, struct loci_error *err)
{
	if (!store_is_busy)
		return __real_loci_tag_foreach(st, repo, after, fn, arg, err);
	*err = (struct loci_error){.code = LOCI_E_BUSY};
	return LOCI_E_BUSY;
}

bool __wrap_loci_repo_exists(struct loci_store *st, const char *repo)
{
	return !store_is_busy && __real_loci_repo_exists(st, repo);
}

static void test_busy_is_not_unknown(void **state)
{
	store_is_busy = true;
	struct answer a = ask(*state, "GET", TAGS);
	store_is_busy = false;
	assert_int_equal(a.status, 503);
	answer_done(&a);
	expect(*state, 200, "GET", TAGS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_tags),
	        cmocka_unit_test(test_tags_by_limit),
	        cmocka_unit_test(test_bad_numbers),
	        cmocka_unit_test(test_unknown_parameters),
	        cmocka_unit_test(test_hostile_last),
	        cmocka_unit_test(test_no_repository),
	        cmocka_unit_test(test_catalog),
	        cmocka_unit_test(test_referrers),
	        cmocka_unit_test(test_type_of_config),
	        cmocka_unit_test(test_filter),
	        cmocka_unit_test(test_no_referrers),
	        cmocka_unit_test(test_referrer_pages),
	        cmocka_unit_test(test_referrer_bytes),
	        cmocka_unit_test(test_page_behind_the_deleted),
	        cmocka_unit_test(test_referrer_larger_than_a_page),
	        cmocka_unit_test(test_busy_is_not_unknown),
	};
	return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* end-3, end-7, end-9: manifests and their tags. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "harness.h"
#include "registry/request.h"

#include <stdio.h>
#include <stdlib.h>
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

/* An artifact of nothing but a subject (or none): valid without any blob but the empty one. */
static const char *artifact(struct fixture *f, const char *repo, const char *word,
                            const char *subject)
{
	const char *config = push_blob(f, repo, "{}", 2);
	const char *of =
	        subject ? text(",\"subject\":{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":2}",
	                       LOCI_MEDIA_OCI_MANIFEST, subject)
	                : "";
	return text(
	        "{\"schemaVersion\":2,\"mediaType\":\"%s\",\"artifactType\":\"application/x.%s\","
	        "\"config\":{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":2},\"layers\":[]%s}",
	        LOCI_MEDIA_OCI_MANIFEST, word, LOCI_MEDIA_OCI_EMPTY, config, of);
}

static struct answer put_as(struct fixture *f, const char *target, const char *media_type,
                            const void *p, size_t n)
{
	const struct ask put = {
	        .method = "PUT",
	        .target = target,
	        .headers = {{media_type ? "content-type" : NULL, media_type}},
	        .body = p,
	        .n = n,
	};
	return ask_with(f, &put);
}

static struct answer put(struct fixture *f, const char *target, const char *json)
{
	return put_as(f, target, LOCI_MEDIA_OCI_MANIFEST, json, strlen(json));
}

static void expect_failure(struct answer *a, int status, const char *code)
{
	if (a->status != status)
		fail_msg("%d: %s", a->status, a->body);
	assert_string_equal(answer_code(a), code);
	answer_done(a);
}

static void test_by_tag_and_digest(void **state)
{
	struct fixture *f = *state;
	const char *json = text("%s", artifact(f, "a/b", "one", NULL));
	const char *digest = push_manifest(f, "a/b", "v1.0", LOCI_MEDIA_OCI_MANIFEST, json);
	const char *const references[] = {"v1.0", digest, text("sha256%%3A%s", digest + 7)};
	for (size_t i = 0; i < 3; i++) {
		const char *path = text("/v2/a/b/manifests/%s", references[i]);
		struct answer a = ask(f, "GET", path);
		assert_int_equal(a.status, 200);
		assert_string_equal(a.body, json);
		assert_string_equal(answer_header(&a, "content-type"), LOCI_MEDIA_OCI_MANIFEST);
		assert_string_equal(answer_header(&a, "docker-content-digest"), digest);
		assert_string_equal(answer_header(&a, "etag"), text("\"%s\"", digest));
		answer_done(&a);
		a = ask(f, "HEAD", path);
		assert_int_equal(a.status, 200);
		assert_int_equal(a.rs->content_length, strlen(json));
		assert_string_equal(answer_header(&a, "docker-content-digest"), digest);
		answer_done(&a);
	}
}

static void test_created(void **state)
{
	struct fixture *f = *state;
	const char *json = text("%s", artifact(f, "created", "x", NULL));
	const char *digest = sha256_of(json, strlen(json));
	struct answer a = put(f, "/v2/created/manifests/latest", json);
	assert_int_equal(a.status, 201);
	assert_string_equal(answer_header(&a, "location"),
	                    text("/v2/created/manifests/%s", digest));
	assert_string_equal(answer_header(&a, "docker-content-digest"), digest);
	assert_null(answer_header(&a, "oci-subject"));
	assert_null(answer_header(&a, "oci-tag"));
	answer_done(&a);
}

/* Blanks, order, what we do not know: all of it comes back. */
static void test_bytes_are_kept(void **state)
{
	struct fixture *f = *state;
	const char *config = push_blob(f, "bytes", "{}", 2);
	const char *json = text("\n{ \"layers\":[ ],\t\"x-unknown\": 1.50,\"config\":{\"size\":2,"
	                        "\"digest\":\"%s\",\"mediaType\":\"%s\"},\"schemaVersion\":2}\n\n",
	                        config, LOCI_MEDIA_OCI_EMPTY);
	push_manifest(f, "bytes", "t", LOCI_MEDIA_OCI_MANIFEST, json);
	struct answer a = ask(f, "GET", "/v2/bytes/manifests/t");
	assert_string_equal(a.body, json);
	answer_done(&a);
}

static void test_if_none_match(void **state)
{
	struct fixture *f = *state;
	const char *digest = push_image(f, "cond", "v1", "cond");
	const struct ask get = {.method = "GET",
	                        .target = "/v2/cond/manifests/v1",
	                        .headers = {{"accept", "*/*"},
	                                    {"if-none-match", "\"nothing\""},
	                                    {"if-none-match", text("\"%s\"", digest)}}};
	struct answer a = ask_with(f, &get);
	assert_int_equal(a.status, 304);
	assert_int_equal(a.n, 0);
	assert_string_equal(answer_header(&a, "docker-content-digest"), digest);
	answer_done(&a);
}

static void test_unknown(void **state)
{
	struct fixture *f = *state;
	const char *digest = sha256_of("nothing", 7);
	push_image(f, "known", "v1", "known");
	expect_code(f, 404, "MANIFEST_UNKNOWN", "GET", "/v2/known/manifests/v2");
	expect_code(f, 404, "MANIFEST_UNKNOWN", "HEAD", text("/v2/known/manifests/%s", digest));
	expect_code(f, 404, "NAME_UNKNOWN", "GET", "/v2/unknown/manifests/v1");
	expect_code(f, 404, "NAME_UNKNOWN", "GET", text("/v2/unknown/manifests/%s", digest));
	/* No tag at all is not there either. */
	expect_code(f, 404, "MANIFEST_UNKNOWN", "GET", "/v2/known/manifests/.INVALID");
	expect_code(f, 400, "DIGEST_INVALID", "GET", "/v2/known/manifests/sha256:x");
}

static void test_bad_references(void **state)
{
	struct fixture *f = *state;
	const char *json = artifact(f, "ref", "x", NULL);
	char tag[LOCI_TAG_MAX + 2];
	memset(tag, 'a', sizeof(tag));
	tag[LOCI_TAG_MAX + 1] = '\0';
	const struct {
		const char *reference, *code;
	} cases[] = {
	        {".x", "MANIFEST_INVALID"},      {"-x", "MANIFEST_INVALID"},
	        {"a%20b", "MANIFEST_INVALID"},   {tag, "MANIFEST_INVALID"},
	        {"sha256:00", "DIGEST_INVALID"}, {"a:b", "UNSUPPORTED"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct answer a = put(f, text("/v2/ref/manifests/%s", cases[i].reference), json);
		expect_failure(&a, 400, cases[i].code);
	}
	tag[LOCI_TAG_MAX] = '\0';
	struct answer a = put(f, text("/v2/ref/manifests/%s", tag), json);
	assert_int_equal(a.status, 201);
	answer_done(&a);
}

static void test_missing_blob(void **state)
{
	struct fixture *f = *state;
	const char *json = text("%s", artifact(f, "has", "x", NULL));
	/* The config is in another repository only: whether that will do is the store's rule; a
	 * digest that is nowhere never does. */
	const char *missing = sha256_of("missing", 7);
	const char *bad =
	        text("{\"schemaVersion\":2,\"config\":{\"mediaType\":\"%s\",\"digest\":\"%s\","
	             "\"size\":2},\"layers\":[{\"mediaType\":\"%s\",\"digest\":\"%s\","
	             "\"size\":7}]}",
	             LOCI_MEDIA_OCI_EMPTY, sha256_of("{}", 2),
	             "application/vnd.oci.image.layer.v1.tar", missing);
	struct answer a = put(f, "/v2/has/manifests/v1", json);
	assert_int_equal(a.status, 201);
	answer_done(&a);
	a = put(f, "/v2/has/manifests/v2", bad);
	assert_non_null(strstr(a.body, missing));
	expect_failure(&a, 400, "MANIFEST_BLOB_UNKNOWN");
	expect(f, 404, "GET", "/v2/has/manifests/v2");
}

/* BuildKit exports a cache to a registry as an index whose entries are blobs. */
static void test_build_cache(void **state)
{
	struct fixture *f = *state;
	const char *layer = push_blob(f, "cache", "layer", 5);
	static const struct {
		const char *media_type;
		int status;
	} entries[] = {
	        {"application/vnd.oci.image.layer.v1.tar+gzip", 201},
	        {"application/vnd.buildkit.cacheconfig.v0", 201},
	        {LOCI_MEDIA_OCI_MANIFEST, 400}, /* nobody could pull it */
	        {LOCI_MEDIA_OCI_INDEX, 400},
	};
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		for (int missing = 0; missing < 2; missing++) {
			const char *json =
			        text("{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"%s\","
			             "\"digest\":\"%s\",\"size\":5}]}",
			             entries[i].media_type, missing ? sha256_of("none", 4) : layer);
			const struct ask put = {
			        .method = "PUT",
			        .target = "/v2/cache/manifests/main",
			        .headers = {{"content-type", LOCI_MEDIA_OCI_INDEX}},
			        .body = json,
			        .n = strlen(json),
			};
			struct answer a = ask_with(f, &put);
			assert_int_equal(a.status, missing ? 400 : entries[i].status);
			answer_done(&a);
		}
	}
}

static void test_sparse(void **state)
{
	const struct loci_registry_opts opts = {.allow_sparse = true};
	const char *json =
	        text("{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"%s\",\"digest\":"
	             "\"%s\",\"size\":7}]}",
	             LOCI_MEDIA_OCI_MANIFEST, sha256_of("missing", 7));
	struct fixture f;
	fixture_open(&f, &opts);
	push_manifest(&f, "sparse", "v1", LOCI_MEDIA_OCI_INDEX, json);
	fixture_close(&f);
	struct answer a =
	        put_as(*state, "/v2/sparse/manifests/v1", LOCI_MEDIA_OCI_INDEX, json, strlen(json));
	expect_failure(&a, 400, "MANIFEST_BLOB_UNKNOWN");
}

/* One switch for indexes, another for layers that may be elsewhere; neither for the rest. */
static void test_partly_sparse(void **state)
{
	const struct loci_registry_opts opts = {.allow_sparse_index = true, .deny_foreign = true};
	const char *absent = sha256_of("missing", 7);
	const char *index = text("{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"%s\","
	                         "\"digest\":\"%s\",\"size\":7}]}",
	                         LOCI_MEDIA_OCI_MANIFEST, absent);
	static const char image[] = "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"a/b\","
	                            "\"digest\":\"%s\",\"size\":2},\"layers\":[{\"mediaType\":"
	                            "\"application/vnd.oci.image.layer.%s\",\"digest\":\"%s\","
	                            "\"size\":7}]}";
	const char *config = sha256_of("{}", 2);
	const char *plain = text(image, config, "v1.tar", absent);
	const char *foreign = text(image, config, "nondistributable.v1.tar", absent);
	struct fixture f;
	fixture_open(&f, &opts);
	push_blob(&f, "r", "{}", 2);
	push_blob(*state, "partly", "{}", 2);
	push_manifest(&f, "r", "index", LOCI_MEDIA_OCI_INDEX, index);
	struct answer a = put(&f, "/v2/r/manifests/v1", plain);
	expect_failure(&a, 400, "MANIFEST_BLOB_UNKNOWN");
	a = put(&f, "/v2/r/manifests/v1", foreign);
	expect_failure(&a, 400, "MANIFEST_BLOB_UNKNOWN");
	fixture_close(&f);
	/* By default it may, and the client hears that this has no future. */
	a = put(*state, "/v2/partly/manifests/v1", foreign);
	assert_int_equal(a.status, 201);
	assert_string_equal(
	        answer_header(&a, "warning"),
	        "299 - \"non-distributable layers are deprecated since image-spec 1.1\"");
	answer_done(&a);
	a = put(*state, "/v2/partly/manifests/v1", artifact(*state, "partly", "x", NULL));
	assert_int_equal(a.status, 201);
	assert_null(answer_header(&a, "warning"));
	answer_done(&a);
}

static void test_invalid(void **state)
{
	static const char *const bad[] = {
	        "",
	        "{",
	        "[]",
	        "null",
	        "{}",
	        "{\"schemaVersion\":1}",
	        "{\"schemaVersion\":2}",
	        "{\"schemaVersion\":2,\"schemaVersion\":2,\"config\":{},\"layers\":[]}",
	        "\xff\xfe",
	        "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"a/b\",\"digest\":\"x\","
	        "\"size\":1},\"layers\":[]}"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct answer a = put(*state, "/v2/invalid/manifests/v1", bad[i]);
		if (a.status != 400)
			fail_msg("%s: %d", bad[i], a.status);
		expect_failure(&a, 400, "MANIFEST_INVALID");
	}
	expect(*state, 404, "GET", "/v2/invalid/manifests/v1");
}

static void test_wrong_digest(void **state)
{
	struct fixture *f = *state;
	const char *json = artifact(f, "wrong", "x", NULL);
	const char *path = text("/v2/wrong/manifests/%s", sha256_of("other", 5));
	struct answer a = put(f, path, json);
	expect_failure(&a, 400, "DIGEST_INVALID");
	expect(f, 404, "GET", path);
}

static void test_sha512(void **state)
{
	struct fixture *f = *state;
	const char *json = text("%s", artifact(f, "s512", "x", NULL));
	const char *digest = sha512_of(json, strlen(json));
	struct answer a = put(f, text("/v2/s512/manifests/%s", digest), json);
	assert_int_equal(a.status, 201);
	assert_string_equal(answer_header(&a, "docker-content-digest"), digest);
	answer_done(&a);
	a = ask(f, "GET", text("/v2/s512/manifests/%s", digest));
	assert_string_equal(a.body, json);
	answer_done(&a);
}

static void test_media_types(void **state)
{
	struct fixture *f = *state;
	const char *json = text("%s", artifact(f, "type", "x", NULL));
	const char *untyped = "{\"schemaVersion\":2,\"manifests\":[]}";
	/* Parameters are ignored; without the header the document speaks for itself. */
	const char *const good[] = {LOCI_MEDIA_OCI_MANIFEST "; charset=utf-8",
	                            " " LOCI_MEDIA_OCI_MANIFEST, NULL};
	for (size_t i = 0; i < 3; i++) {
		struct answer a = put_as(f, "/v2/type/manifests/v1", good[i], json, strlen(json));
		assert_int_equal(a.status, 201);
		answer_done(&a);
		a = ask(f, "GET", "/v2/type/manifests/v1");
		assert_string_equal(answer_header(&a, "content-type"), LOCI_MEDIA_OCI_MANIFEST);
		answer_done(&a);
	}
	const char *const bad[] = {"",
	                           "text/html",
	                           "application/",
	                           "application/a/b",
	                           "x",
	                           "application/a\r\nx: y",
	                           LOCI_MEDIA_OCI_INDEX};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct answer a = put_as(f, "/v2/type/manifests/v2", bad[i], json, strlen(json));
		if (i == 5) { /* what stands before a control character is a type of its own */
			answer_done(&a);
			continue;
		}
		expect_failure(&a, 400, "MANIFEST_INVALID");
	}
	struct answer a = put_as(f, "/v2/type/manifests/v3", NULL, untyped, strlen(untyped));
	assert_true(a.status == 400 || a.status == 201);
	answer_done(&a);
}

static void test_size_limit(void **state)
{
	const struct loci_registry_opts opts = {.max_manifest_size = 1000};
	struct fixture f;
	char *big = calloc(1, 2001);
	(void)state;
	memset(big, ' ', 2000);
	fixture_open(&f, &opts);
	struct answer a = put(&f, "/v2/a/manifests/v1", big);
	assert_null(a.rs->sink);
	expect_failure(&a, 413, "MANIFEST_INVALID");
	const struct ask chunked = {.method = "PUT",
	                            .target = "/v2/a/manifests/v1",
	                            .body = big,
	                            .n = 2000,
	                            .chunked = true};
	a = ask_with(&f, &chunked);
	expect_failure(&a, 413, "MANIFEST_INVALID");
	fixture_close(&f);
	free(big);
}

static void test_vanish(void **state)
{
	struct fixture *f = *state;
	const char *json = artifact(f, "vanish", "x", NULL);
	const struct ask ask_put = {.method = "PUT",
	                            .target = "/v2/vanish/manifests/v1",
	                            .headers = {{"content-type", LOCI_MEDIA_OCI_MANIFEST}},
	                            .body = json,
	                            .n = strlen(json),
	                            .vanish = 20};
	struct answer a = ask_with(f, &ask_put);
	answer_done(&a);
	expect(f, 404, "GET", "/v2/vanish/manifests/v1");
}

static void test_subject(void **state)
{
	struct fixture *f = *state;
	const char *subject = sha256_of("pushed later, or never", 22);
	const char *json = artifact(f, "subject", "sbom", subject);
	struct answer a =
	        put(f, text("/v2/subject/manifests/%s", sha256_of(json, strlen(json))), json);
	assert_int_equal(a.status, 201);
	assert_string_equal(answer_header(&a, "oci-subject"), subject);
	answer_done(&a);
}

static void test_several_tags(void **state)
{
	struct fixture *f = *state;
	const char *json = text("%s", artifact(f, "tags", "x", NULL));
	const char *path = text("/v2/tags/manifests/%s", sha256_of(json, strlen(json)));
	struct answer a = put(f, text("%s?tag=1.2.3&tag=1.2&x=y&tag=latest", path), json);
	assert_int_equal(a.status, 201);
	assert_string_equal(answer_header(&a, "oci-tag"), "1.2.3, 1.2, latest");
	answer_done(&a);
	expect(f, 200, "GET", "/v2/tags/manifests/1.2");
	expect(f, 200, "GET", "/v2/tags/manifests/latest");
	a = put(f, text("%s?tag=.x", path), json);
	expect_failure(&a, 400, "MANIFEST_INVALID");
	a = put(f, text("%s?tag=ok&tag=", path), json);
	expect_failure(&a, 400, "MANIFEST_INVALID");
	expect(f, 404, "GET", "/v2/tags/manifests/ok");
	/* By tag the parameter means nothing. */
	a = put(f, "/v2/tags/manifests/main?tag=other", json);
	assert_null(answer_header(&a, "oci-tag"));
	answer_done(&a);
	expect(f, 404, "GET", "/v2/tags/manifests/other");
}

static void test_most_tags(void **state)
{
	struct fixture *f = *state;
	const char *json = text("%s", artifact(f, "many", "x", NULL));
	char target[8192], tag[LOCI_TAG_MAX - 10];
	memset(tag, 'a', sizeof(tag) - 1);
	tag[sizeof(tag) - 1] = '\0';
	int n = snprintf(target, sizeof(target), "/v2/many/manifests/%s?",
	                 sha256_of(json, strlen(json)));
	/* The longest that fit into a target, all of them told. */
	for (int i = 0; i < 60; i++)
		n += snprintf(target + n, sizeof(target) - (size_t)n, "&tag=%d%s", 100 + i, tag);
	struct answer a = put(f, target, json);
	assert_int_equal(a.status, 201);
	assert_int_equal(strlen(answer_header(&a, "oci-tag")), 60 * (3 + strlen(tag) + 2) - 2);
	answer_done(&a);
	n = snprintf(target, sizeof(target), "/v2/many/manifests/%s?",
	             sha256_of(json, strlen(json)));
	for (int i = 0; i <= LOCI_PUT_TAGS_MAX; i++)
		n += snprintf(target + n, sizeof(target) - (size_t)n, "&tag=%d", i);
	a = put(f, target, json);
	expect_failure(&a, 414, "MANIFEST_INVALID");
}

static void test_tag_moves(void **state)
{
	struct fixture *f = *state;
	const char *first = push_image(f, "move", "latest", "first");
	const char *second = push_image(f, "move", "latest", "second");
	struct answer a = ask(f, "GET", "/v2/move/manifests/latest");
	assert_string_equal(answer_header(&a, "docker-content-digest"), second);
	answer_done(&a);
	expect(f, 200, "GET", text("/v2/move/manifests/%s", first));
}

static void test_delete_tag(void **state)
{
	struct fixture *f = *state;
	const char *digest = push_image(f, "deltag", "v1", "word");
	expect(f, 202, "DELETE", "/v2/deltag/manifests/v1");
	expect_code(f, 404, "MANIFEST_UNKNOWN", "GET", "/v2/deltag/manifests/v1");
	expect_code(f, 404, "MANIFEST_UNKNOWN", "DELETE", "/v2/deltag/manifests/v1");
	expect(f, 200, "GET", text("/v2/deltag/manifests/%s", digest));
}

static void test_delete_manifest(void **state)
{
	struct fixture *f = *state;
	const char *digest = push_image(f, "delman", "v1", "word");
	push_image(f, "delman", "other", "other");
	expect(f, 202, "DELETE", text("/v2/delman/manifests/%s", digest));
	expect(f, 404, "GET", text("/v2/delman/manifests/%s", digest));
	expect(f, 404, "GET", "/v2/delman/manifests/v1");
	expect(f, 404, "DELETE", text("/v2/delman/manifests/%s", digest));
	expect(f, 200, "GET", "/v2/delman/manifests/other");
	expect_code(f, 404, "NAME_UNKNOWN", "DELETE",
	            text("/v2/never/manifests/%s", sha256_of("x", 1)));
}

static void test_survives_restart(void **state)
{
	struct fixture *f = *state;
	const char *digest = push_image(f, "restart", "v1", "restart");
	fixture_restart(f, NULL);
	struct answer a = ask(f, "GET", "/v2/restart/manifests/v1");
	assert_int_equal(a.status, 200);
	assert_string_equal(answer_header(&a, "docker-content-digest"), digest);
	answer_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_by_tag_and_digest),
	        cmocka_unit_test(test_created),
	        cmocka_unit_test(test_bytes_are_kept),
	        cmocka_unit_test(test_if_none_match),
	        cmocka_unit_test(test_unknown),
	        cmocka_unit_test(test_bad_references),
	        cmocka_unit_test(test_missing_blob),
	        cmocka_unit_test(test_build_cache),
	        cmocka_unit_test(test_sparse),
	        cmocka_unit_test(test_partly_sparse),
	        cmocka_unit_test(test_invalid),
	        cmocka_unit_test(test_wrong_digest),
	        cmocka_unit_test(test_sha512),
	        cmocka_unit_test(test_media_types),
	        cmocka_unit_test(test_size_limit),
	        cmocka_unit_test(test_vanish),
	        cmocka_unit_test(test_subject),
	        cmocka_unit_test(test_several_tags),
	        cmocka_unit_test(test_most_tags),
	        cmocka_unit_test(test_tag_moves),
	        cmocka_unit_test(test_delete_tag),
	        cmocka_unit_test(test_delete_manifest),
	        cmocka_unit_test(test_survives_restart),
	};
	return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}

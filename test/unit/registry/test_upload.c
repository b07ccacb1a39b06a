/* SPDX-License-Identifier: Apache-2.0 */
/* end-4 to end-6, end-11, end-13, end-14: every way to push a blob, and every way that it fails. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD "some content"
#define SIZE (sizeof(WORD) - 1)

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

static void expect_blob(struct fixture *f, const char *repo, const char *digest, const void *p,
                        size_t n)
{
	struct answer a = ask(f, "GET", text("/v2/%s/blobs/%s", repo, digest));
	assert_int_equal(a.status, 200);
	assert_int_equal(a.n, n);
	assert_memory_equal(a.body, p, n);
	answer_done(&a);
}

/* 201 with what must come with it. */
static void expect_created(struct answer *a, const char *repo, const char *digest)
{
	if (a->status != 201)
		fail_msg("%d: %s", a->status, a->body);
	assert_string_equal(answer_header(a, "location"), text("/v2/%s/blobs/%s", repo, digest));
	assert_string_equal(answer_header(a, "docker-content-digest"), digest);
	assert_int_equal(a->rs->content_length, 0);
	answer_done(a);
}

/* A session at an offset: 202 and 204 say it the same way. */
static void expect_session(struct answer *a, int status, const char *path, const char *range)
{
	if (a->status != status)
		fail_msg("%d: %s", a->status, a->body);
	assert_string_equal(answer_header(a, "location"), path);
	assert_string_equal(answer_header(a, "range"), range);
	assert_non_null(strstr(path, answer_header(a, "docker-upload-uuid")));
	answer_done(a);
}

static void expect_failure(struct answer *a, int status, const char *code)
{
	if (a->status != status)
		fail_msg("%d: %s", a->status, a->body);
	assert_string_equal(answer_code(a), code);
	answer_done(a);
}

static struct answer send_piece(struct fixture *f, const char *method, const char *target,
                                const char *range, const void *p, size_t n)
{
	const struct ask piece = {.method = method,
	                          .target = target,
	                          .headers = {{range ? "content-range" : NULL, range}},
	                          .body = p,
	                          .n = n};
	return ask_with(f, &piece);
}

static const char *with_digest(const char *path, const char *digest)
{
	return text("%s?digest=%s", path, digest);
}

/* ---- the four ways ---- */

static void test_post_then_put(void **state)
{
	const char *digest = sha256_of(WORD, SIZE);
	const char *path = start_upload(*state, "put/one");
	struct answer a = send_piece(*state, "PUT", with_digest(path, digest), NULL, WORD, SIZE);
	expect_created(&a, "put/one", digest);
	expect_blob(*state, "put/one", digest, WORD, SIZE);
	expect_code(*state, 404, "BLOB_UPLOAD_UNKNOWN", "GET", path);
}

static void test_digest_in_query_is_encoded(void **state)
{
	const char *digest = sha256_of(WORD, SIZE);
	const char *path = start_upload(*state, "put/encoded");
	struct answer a = send_piece(
	        *state, "PUT", text("%s?digest=sha256%%3A%s", path, digest + 7), NULL, WORD, SIZE);
	expect_created(&a, "put/encoded", digest);
}

static void test_single_post(void **state)
{
	const char *digest = sha256_of(WORD, SIZE);
	struct answer a = send_piece(*state, "POST", with_digest("/v2/post/blobs/uploads/", digest),
	                             NULL, WORD, SIZE);
	expect_created(&a, "post", digest);
	expect_blob(*state, "post", digest, WORD, SIZE);
}

static void test_post_without_slash(void **state)
{
	const char *digest = sha256_of(WORD, SIZE);
	struct answer a = send_piece(*state, "POST", with_digest("/v2/bare/blobs/uploads", digest),
	                             NULL, WORD, SIZE);
	expect_created(&a, "bare", digest);
}

static void test_stream(void **state)
{
	size_t n = 300000;
	char *p = malloc(n);
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(i * 7 + i / 251);
	const char *digest = sha256_of(p, n);
	const char *path = start_upload(*state, "stream");
	const struct ask patch = {
	        .method = "PATCH", .target = path, .body = p, .n = n, .chunked = true};
	struct answer a = ask_with(*state, &patch);
	expect_session(&a, 202, path, text("0-%zu", n - 1));
	a = ask(*state, "PUT", with_digest(path, digest));
	expect_created(&a, "stream", digest);
	expect_blob(*state, "stream", digest, p, n);
	free(p);
}

static void test_chunks(void **state)
{
	const char *digest = sha256_of(WORD, SIZE);
	const char *path = start_upload(*state, "chunks");
	struct answer a = send_piece(*state, "PATCH", path, "0-3", WORD, 4);
	expect_session(&a, 202, path, "0-3");
	a = send_piece(*state, "PATCH", path, "bytes 4-7/*", WORD + 4, 4);
	expect_session(&a, 202, path, "0-7");
	a = ask(*state, "GET", path);
	expect_session(&a, 204, path, "0-7");
	a = send_piece(*state, "PUT", with_digest(path, digest), text("8-%zu", SIZE - 1), WORD + 8,
	               SIZE - 8);
	expect_created(&a, "chunks", digest);
	expect_blob(*state, "chunks", digest, WORD, SIZE);
}

static void test_sha512(void **state)
{
	const char *digest = sha512_of(WORD, SIZE);
	struct answer a = ask(*state, "POST", "/v2/sha512/blobs/uploads/?digest-algorithm=sha512");
	assert_int_equal(a.status, 202);
	const char *path = text("%s", answer_header(&a, "location"));
	answer_done(&a);
	a = send_piece(*state, "PATCH", path, NULL, WORD, SIZE);
	expect_session(&a, 202, path, text("0-%zu", SIZE - 1));
	a = ask(*state, "PUT", with_digest(path, digest));
	expect_created(&a, "sha512", digest);
	expect_blob(*state, "sha512", digest, WORD, SIZE);
	a = send_piece(*state, "POST", with_digest("/v2/sha512/blobs/uploads/", sha512_of("x", 1)),
	               NULL, "x", 1);
	expect_created(&a, "sha512", sha512_of("x", 1));
}

/* The client need not have said which algorithm it will name in the end. */
static void test_algorithm_changes(void **state)
{
	const char *digest = sha512_of(WORD, SIZE);
	const char *path = start_upload(*state, "change");
	struct answer a = send_piece(*state, "PATCH", path, NULL, WORD, SIZE);
	answer_done(&a);
	a = ask(*state, "PUT", with_digest(path, digest));
	expect_created(&a, "change", digest);
	expect_blob(*state, "change", digest, WORD, SIZE);
}

static void test_empty_blob(void **state)
{
	const char *digest = sha256_of("", 0);
	struct answer a = ask(*state, "POST", with_digest("/v2/empty/blobs/uploads/", digest));
	expect_created(&a, "empty", digest);
	const char *path = start_upload(*state, "empty/put");
	a = ask(*state, "PUT", with_digest(path, digest));
	expect_created(&a, "empty/put", digest);
	expect_blob(*state, "empty/put", digest, "", 0);
}

/* ---- sessions ---- */

static void test_new_session(void **state)
{
	struct answer a = ask(*state, "POST", "/v2/new/blobs/uploads/");
	const char *path = text("%s", answer_header(&a, "location"));
	assert_memory_equal(path, "/v2/new/blobs/uploads/", 22);
	expect_session(&a, 202, path, "0-0");
	a = ask(*state, "GET", path);
	expect_session(&a, 204, path, "0-0");
	a = ask(*state, "PATCH", path);
	expect_session(&a, 202, path, "0-0");
}

static void test_cancel(void **state)
{
	const char *path = start_upload(*state, "cancel");
	struct answer a = send_piece(*state, "PATCH", path, NULL, WORD, 5);
	answer_done(&a);
	expect(*state, 204, "DELETE", path);
	expect_code(*state, 404, "BLOB_UPLOAD_UNKNOWN", "GET", path);
	expect_code(*state, 404, "BLOB_UPLOAD_UNKNOWN", "PATCH", path);
	expect_code(*state, 404, "BLOB_UPLOAD_UNKNOWN", "DELETE", path);
}

static void test_unknown_session(void **state)
{
	static const char *const ids[] = {"00000000-0000-4000-8000-000000000000", "x", "..",
	                                  "%2e%2e", "00000000-0000-4000-8000-00000000000G"};
	const char *digest = sha256_of(WORD, SIZE);
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		const char *path = text("/v2/none/blobs/uploads/%s", ids[i]);
		expect_code(*state, 404, "BLOB_UPLOAD_UNKNOWN", "GET", path);
		expect_code(*state, 404, "BLOB_UPLOAD_UNKNOWN", "PATCH", path);
		expect_code(*state, 404, "BLOB_UPLOAD_UNKNOWN", "PUT", with_digest(path, digest));
		expect_code(*state, 404, "BLOB_UPLOAD_UNKNOWN", "DELETE", path);
	}
	char id[1000];
	memset(id, 'a', sizeof(id) - 1);
	id[sizeof(id) - 1] = '\0';
	expect_code(*state, 404, "BLOB_UPLOAD_UNKNOWN", "GET",
	            text("/v2/none/blobs/uploads/%s", id));
}

static void test_session_of_another_repository(void **state)
{
	const char *path = start_upload(*state, "mine");
	const char *other = text("/v2/other/blobs/uploads/%s", strrchr(path, '/') + 1);
	expect_code(*state, 404, "BLOB_UPLOAD_UNKNOWN", "GET", other);
	expect_code(*state, 404, "BLOB_UPLOAD_UNKNOWN", "PATCH", other);
	expect(*state, 204, "GET", path);
}

static void test_busy_session(void **state)
{
	struct fixture *f = *state;
	const char *path = start_upload(f, "busy");
	const struct loci_http_request patch = {.struct_size = sizeof(patch),
	                                        .method = "PATCH",
	                                        .target = path,
	                                        .body_length = LOCI_BODY_UNKNOWN};
	struct loci_http_response *first = loci_registry_handle(f->registry, &patch);
	assert_non_null(first->sink);
	struct answer a = ask(f, "PATCH", path);
	assert_int_equal(a.status, 503);
	assert_non_null(answer_header(&a, "retry-after"));
	answer_done(&a);
	/* Freed with the sink still in it: the same as an abort. */
	loci_http_response_free(first);
	a = ask(f, "PATCH", path);
	expect_session(&a, 202, path, "0-0");
}

/* ---- order and size ---- */

static void test_out_of_order(void **state)
{
	const char *path = start_upload(*state, "order");
	struct answer a = send_piece(*state, "PATCH", path, "0-3", WORD, 4);
	expect_session(&a, 202, path, "0-3");
	const char *const ranges[] = {"0-3", "3-6", "5-8", "100-103"};
	for (size_t i = 0; i < 4; i++) {
		a = send_piece(*state, "PATCH", path, ranges[i], WORD, 4);
		assert_string_equal(answer_header(&a, "location"), path);
		assert_string_equal(answer_header(&a, "range"), "0-3");
		expect_failure(&a, 416, "BLOB_UPLOAD_INVALID");
	}
	a = send_piece(*state, "PUT", with_digest(path, sha256_of(WORD, SIZE)), "0-3", WORD, 4);
	expect_failure(&a, 416, "BLOB_UPLOAD_INVALID");
	a = ask(*state, "GET", path);
	expect_session(&a, 204, path, "0-3");
}

static void test_bad_content_range(void **state)
{
	static const char *const ranges[] = {"", "x", "3-0", "0-", "bytes=0-3", "0-3,4-5"};
	const char *path = start_upload(*state, "bad/range");
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		struct answer a = send_piece(*state, "PATCH", path, ranges[i], WORD, 4);
		expect_failure(&a, 400, "BLOB_UPLOAD_INVALID");
	}
}

/* What clients say of the range of nothing: regclient the end, others the whole. */
static void test_range_of_an_empty_put(void **state)
{
	static const char *const ranges[] = {"12-12", "0-11", "0-0", "11-11", "0--1", "0-"};
	const char *digest = sha256_of(WORD, SIZE);
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		const char *path = start_upload(*state, "close");
		struct answer a = send_piece(*state, "PATCH", path, "0-11", WORD, SIZE);
		expect_session(&a, 202, path, "0-11");
		a = send_piece(*state, "PUT", with_digest(path, digest), ranges[i], "", 0);
		assert_int_equal(a.status, 201);
		answer_done(&a);
	}
}

static void test_length_against_range(void **state)
{
	const char *path = start_upload(*state, "length");
	struct answer a = send_piece(*state, "PATCH", path, "0-9", WORD, 4);
	expect_failure(&a, 400, "SIZE_INVALID");
	/* A length that shows only while it comes: too long and too short. */
	struct ask chunked = {.method = "PATCH",
	                      .target = path,
	                      .headers = {{"content-range", "0-3"}},
	                      .body = WORD,
	                      .n = SIZE,
	                      .chunked = true};
	a = ask_with(*state, &chunked);
	expect_failure(&a, 400, "SIZE_INVALID");
	/* Nothing of the piece that went too far. */
	a = ask(*state, "GET", path);
	expect_session(&a, 204, path, "0-2");
	path = start_upload(*state, "length");
	chunked.target = path;
	chunked.n = 2;
	a = ask_with(*state, &chunked);
	expect_failure(&a, 400, "SIZE_INVALID");
	/* What came is kept, and the session says so. */
	a = ask(*state, "GET", path);
	expect_session(&a, 204, path, "0-1");
}

static void test_blob_limit(void **state)
{
	const struct loci_registry_opts opts = {.max_upload_size = 10};
	struct fixture f;
	(void)state;
	fixture_open(&f, &opts);
	const char *digest = sha256_of(WORD, SIZE);
	struct answer a = send_piece(&f, "POST", with_digest("/v2/a/blobs/uploads/", digest), NULL,
	                             WORD, SIZE);
	expect_failure(&a, 413, "SIZE_INVALID");
	const char *path = start_upload(&f, "a");
	const struct ask chunked = {
	        .method = "PATCH", .target = path, .body = WORD, .n = SIZE, .chunked = true};
	a = ask_with(&f, &chunked);
	expect_failure(&a, 413, "SIZE_INVALID");
	a = ask(&f, "DELETE", path);
	assert_int_equal(a.status, 204);
	answer_done(&a);
	path = start_upload(&f, "a");
	a = send_piece(&f, "PATCH", path, NULL, WORD, 10);
	expect_session(&a, 202, path, "0-9");
	a = send_piece(&f, "PATCH", path, NULL, WORD, 1);
	expect_failure(&a, 413, "SIZE_INVALID");
	fixture_close(&f);
}

/* ---- digests ---- */

static void test_wrong_digest(void **state)
{
	const char *wrong = sha256_of("another", 7);
	const char *path = start_upload(*state, "wrong");
	struct answer a = send_piece(*state, "PUT", with_digest(path, wrong), NULL, WORD, SIZE);
	expect_failure(&a, 400, "DIGEST_INVALID");
	expect_code(*state, 404, "BLOB_UNKNOWN", "GET", text("/v2/wrong/blobs/%s", wrong));
	expect_code(*state, 404, "BLOB_UNKNOWN", "GET",
	            text("/v2/wrong/blobs/%s", sha256_of(WORD, SIZE)));
	expect_code(*state, 404, "BLOB_UPLOAD_UNKNOWN", "GET", path);
	a = send_piece(*state, "POST", with_digest("/v2/wrong/blobs/uploads/", wrong), NULL, WORD,
	               SIZE);
	expect_failure(&a, 400, "DIGEST_INVALID");
}

static void test_bad_digest(void **state)
{
	static const struct {
		const char *query, *code;
	} cases[] = {
	        {"", "DIGEST_INVALID"},
	        {"?digest", "DIGEST_INVALID"},
	        {"?digest=", "DIGEST_INVALID"},
	        {"?digest=latest", "DIGEST_INVALID"},
	        {"?digest=sha256:00", "DIGEST_INVALID"},
	        {"?digest=sha256%3a00", "DIGEST_INVALID"},
	        {"?digest=md5:d41d8cd98f00b204e9800998ecf8427e", "UNSUPPORTED"},
	        {"?digest=%zz", "UNSUPPORTED"},
	        {"?digest=a&digest=b", "UNSUPPORTED"},
	};
	const char *path = start_upload(*state, "bad/digest");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct answer a = send_piece(*state, "PUT", text("%s%s", path, cases[i].query),
		                             NULL, WORD, SIZE);
		expect_failure(&a, 400, cases[i].code);
	}
	expect(*state, 204, "GET", path);
	expect_code(*state, 400, "DIGEST_INVALID", "POST", "/v2/a/blobs/uploads/?digest=x");
	expect_code(*state, 400, "UNSUPPORTED", "POST",
	            "/v2/a/blobs/uploads/?digest-algorithm=md5");
}

/* ---- clients that go ---- */

static void test_vanish_in_patch(void **state)
{
	const char *digest = sha256_of(WORD, SIZE);
	const char *path = start_upload(*state, "vanish");
	const struct ask patch = {
	        .method = "PATCH", .target = path, .body = WORD, .n = SIZE, .vanish = 5};
	struct answer a = ask_with(*state, &patch);
	answer_done(&a);
	a = ask(*state, "GET", path);
	expect_session(&a, 204, path, "0-4");
	/* As by a restart of the server. */
	fixture_restart(*state, NULL);
	a = send_piece(*state, "PATCH", path, text("5-%zu", SIZE - 1), WORD + 5, SIZE - 5);
	expect_session(&a, 202, path, text("0-%zu", SIZE - 1));
	a = ask(*state, "PUT", with_digest(path, digest));
	expect_created(&a, "vanish", digest);
	expect_blob(*state, "vanish", digest, WORD, SIZE);
}

static int count_sessions(const struct fixture *f)
{
	char path[128];
	int n = 0;
	snprintf(path, sizeof(path), "%s/uploads", f->dir);
	DIR *dir = opendir(path);
	assert_non_null(dir);
	for (struct dirent *e; (e = readdir(dir));)
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

/* Nobody knows its id: it must not stay until its lease is over. */
static void test_vanish_in_post(void **state)
{
	int before = count_sessions(*state);
	const char *digest = sha256_of(WORD, SIZE);
	const struct ask post = {.method = "POST",
	                         .target = with_digest("/v2/gone/blobs/uploads/", digest),
	                         .body = WORD,
	                         .n = SIZE,
	                         .vanish = 5};
	struct answer a = ask_with(*state, &post);
	answer_done(&a);
	assert_int_equal(count_sessions(*state), before);
	expect_code(*state, 404, "BLOB_UNKNOWN", "GET", text("/v2/gone/blobs/%s", digest));
}

/* The store syncs a blob before it shows it; the linker sends that through here. */
static bool disk_is_full;
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

int __wrap_fdatasync(int fd)
{
	if (!disk_is_full)
		return __real_fdatasync(fd);
	errno = ENOSPC;
	return -1;
}

/* The same when all of it came and only the sync failed; then no session is left, as a second sync
 * would succeed over bytes that the disk does not have. */
static void test_failed_commit(void **state)
{
	int before = count_sessions(*state);
	const char *digest = sha256_of("full", 4);
	struct ask put = {.method = "POST",
	                  .target = with_digest("/v2/full/blobs/uploads/", digest),
	                  .body = "full",
	                  .n = 4};
	for (int with_id = 0; with_id < 2; with_id++) {
		const char *where = start_upload(*state, "full");
		if (with_id) {
			put.method = "PUT";
			put.target = with_digest(where, digest);
		}
		disk_is_full = true;
		struct answer a = ask_with(*state, &put);
		disk_is_full = false;
		assert_int_equal(a.status, 507);
		answer_done(&a);
		assert_int_equal(count_sessions(*state), before + !with_id);
		expect_code(*state, 404, "BLOB_UNKNOWN", "GET", text("/v2/full/blobs/%s", digest));
		expect(*state, with_id ? 404 : 204, "DELETE", where);
	}
}

/* The server may end response and sink in either order. */
static void test_sink_outlives_response(void **state)
{
	struct fixture *f = *state;
	const char *path = start_upload(f, "outlive");
	const struct loci_http_request patch = {
	        .struct_size = sizeof(patch), .method = "PATCH", .target = path, .body_length = 3};
	struct loci_http_response *rs = loci_registry_handle(f->registry, &patch);
	struct loci_http_sink *sink = rs->sink;
	rs->sink = NULL;
	loci_http_response_free(rs);
	loci_http_sink_abort(sink);
	rs = loci_registry_handle(f->registry, &patch);
	loci_http_sink_abort(rs->sink);
	assert_null(rs->sink);
	loci_http_response_free(rs);
	loci_http_response_free(NULL);
	loci_http_sink_abort(NULL);
}

/* ---- mounts ---- */

static void test_mount(void **state)
{
	const char *digest = push_blob(*state, "from", WORD, SIZE);
	struct answer a =
	        ask(*state, "POST", text("/v2/to/blobs/uploads/?mount=%s&from=from", digest));
	expect_created(&a, "to", digest);
	expect_blob(*state, "to", digest, WORD, SIZE);
}

static void test_mount_from_anywhere(void **state)
{
	const char *digest = push_blob(*state, "from", WORD, SIZE);
	struct answer a = ask(*state, "POST", text("/v2/any/blobs/uploads/?mount=%s", digest));
	expect_created(&a, "any", digest);
	expect_blob(*state, "any", digest, WORD, SIZE);
}

/* What the client may not read is not there, whether it names it or not. */
static bool may_read(void *arg, const struct loci_http_request *rq, const char *repo)
{
	assert_string_equal(rq->method, "POST");
	++*(int *)arg;
	return strncmp(repo, "secret", 6) != 0;
}

static int mount_status(struct fixture *f, const char *query)
{
	struct answer a = ask(f, "POST", text("/v2/to/blobs/uploads/?%s", query));
	int status = a.status;
	answer_done(&a);
	return status;
}

static void test_mount_of_what_may_be_read(void **state)
{
	int n_asked = 0;
	const struct loci_registry_opts opts = {.may_read = may_read, .may_read_arg = &n_asked};
	struct fixture f;
	(void)state;
	fixture_open(&f, &opts);
	const char *hidden = push_blob(&f, "secret/a", "hidden", 6);
	push_blob(&f, "secret/b", "hidden", 6);
	const char *known = push_blob(&f, "secret/a", "known", 5);
	push_blob(&f, "seen", "known", 5);
	assert_int_equal(n_asked, 0); /* their own path is none of its business */
	assert_int_equal(mount_status(&f, text("mount=%s&from=secret/a", hidden)), 202);
	assert_int_equal(n_asked, 1);
	assert_int_equal(mount_status(&f, text("mount=%s", hidden)), 202);
	assert_int_equal(n_asked, 3);
	expect(&f, 404, "GET", text("/v2/to/blobs/%s", hidden));
	assert_int_equal(mount_status(&f, text("mount=%s&from=secret/a", known)), 202);
	assert_int_equal(mount_status(&f, text("mount=%s&from=seen", known)), 201);
	expect(&f, 202, "DELETE", text("/v2/to/blobs/%s", known));
	assert_int_equal(mount_status(&f, text("mount=%s", known)), 201);
	assert_int_equal(mount_status(&f, text("mount=%s", sha256_of("nowhere", 7))), 202);
	fixture_close(&f);
}

/* A blob that very many hold is not worth asking about each of them. */
static void test_mount_gives_up(void **state)
{
	int n_asked = 0;
	const struct loci_registry_opts opts = {.may_read = may_read, .may_read_arg = &n_asked};
	struct fixture f;
	(void)state;
	fixture_open(&f, &opts);
	const char *digest = push_blob(&f, "secret", "popular", 7);
	for (int i = 0; i < 300; i++)
		push_blob(&f, text("secret/%d", i), "popular", 7);
	push_blob(&f, "seen", "popular", 7);
	assert_int_equal(mount_status(&f, text("mount=%s", digest)), 202);
	assert_int_equal(n_asked, 256);
	fixture_close(&f);
}

/* In the store, but in no repository: what ocipull fetched is not published by that. */
static void test_mount_of_the_unpublished(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d;
	assert_int_equal(loci_blob_put(f->store, /* repo= */ NULL, "pulled", 6, NULL, &d, NULL), 0);
	assert_int_equal(mount_status(f, text("mount=%s", sha256_of("pulled", 6))), 202);
	const char *digest = push_blob(f, "once", "deleted", 7);
	expect(f, 202, "DELETE", text("/v2/once/blobs/%s", digest));
	assert_int_equal(mount_status(f, text("mount=%s", digest)), 202);
}

static void test_mount_of_nothing(void **state)
{
	const char *digest = push_blob(*state, "from", WORD, SIZE);
	const char *const queries[] = {
	        text("mount=%s&from=from", sha256_of("never pushed", 12)),
	        text("mount=%s&from=empty", digest),
	        text("mount=%s&from=NOT%%20A%%20NAME", digest),
	        text("mount=%s", sha256_of("never pushed", 12)),
	};
	for (size_t i = 0; i < 4; i++) {
		struct answer a =
		        ask(*state, "POST", text("/v2/unmounted/blobs/uploads/?%s", queries[i]));
		const char *path = text("%s", answer_header(&a, "location"));
		assert_memory_equal(path, "/v2/unmounted/blobs/uploads/", 28);
		expect_session(&a, 202, path, "0-0");
	}
	expect_code(*state, 400, "DIGEST_INVALID", "POST",
	            "/v2/to/blobs/uploads/?mount=x&from=from");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_post_then_put),
	        cmocka_unit_test(test_digest_in_query_is_encoded),
	        cmocka_unit_test(test_single_post),
	        cmocka_unit_test(test_post_without_slash),
	        cmocka_unit_test(test_stream),
	        cmocka_unit_test(test_chunks),
	        cmocka_unit_test(test_sha512),
	        cmocka_unit_test(test_algorithm_changes),
	        cmocka_unit_test(test_empty_blob),
	        cmocka_unit_test(test_new_session),
	        cmocka_unit_test(test_cancel),
	        cmocka_unit_test(test_unknown_session),
	        cmocka_unit_test(test_session_of_another_repository),
	        cmocka_unit_test(test_busy_session),
	        cmocka_unit_test(test_out_of_order),
	        cmocka_unit_test(test_bad_content_range),
	        cmocka_unit_test(test_range_of_an_empty_put),
	        cmocka_unit_test(test_length_against_range),
	        cmocka_unit_test(test_blob_limit),
	        cmocka_unit_test(test_wrong_digest),
	        cmocka_unit_test(test_bad_digest),
	        cmocka_unit_test(test_vanish_in_patch),
	        cmocka_unit_test(test_vanish_in_post),
	        cmocka_unit_test(test_failed_commit),
	        cmocka_unit_test(test_sink_outlives_response),
	        cmocka_unit_test(test_mount),
	        cmocka_unit_test(test_mount_from_anywhere),
	        cmocka_unit_test(test_mount_of_what_may_be_read),
	        cmocka_unit_test(test_mount_gives_up),
	        cmocka_unit_test(test_mount_of_the_unpublished),
	        cmocka_unit_test(test_mount_of_nothing),
	};
	return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}

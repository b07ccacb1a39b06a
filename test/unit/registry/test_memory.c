/* SPDX-License-Identifier: Apache-2.0 */
/* Each allocation of each request fails once: the answer is a 500 or none, nothing leaks, and the
 * same request succeeds afterwards. The linker sends our allocations through the functions below.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "harness.h"

#include <stdatomic.h>
#include <string.h>

/* Negative: nothing fails. The store has a thread of its own, so this is atomic. */
static atomic_int countdown = -1;

static bool fails_now(void)
{
	return atomic_load(&countdown) >= 0 && atomic_fetch_sub(&countdown, 1) == 0;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

void *__wrap_malloc(size_t n)
{
	return fails_now() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails_now() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	return fails_now() ? NULL : __real_realloc(p, n);
}

struct plain {
	const char *method;
	const char *target;
	const char *body;
	int status; /* when memory is not out */
	struct loci_http_header header;
};

/* The status, 0 without any response. */
static int request(struct fixture *f, const struct plain *p)
{
	const struct loci_http_header headers[] = {{"content-type", LOCI_MEDIA_OCI_MANIFEST},
	                                           p->header};
	const struct loci_http_request rq = {
	        .struct_size = sizeof(rq),
	        .method = p->method,
	        .target = p->target,
	        .headers = headers,
	        .n_headers = p->header.name ? 2 : 1,
	        .takes_parts = true,
	        .body_length = p->body ? strlen(p->body) : 0,
	};
	struct loci_http_response *rs = loci_registry_handle(f->registry, &rq);
	if (!rs)
		return 0;
	struct loci_http_sink *sink = rs->sink;
	if (sink && loci_http_sink_write(sink, p->body, strlen(p->body), rs) < 0)
		loci_http_sink_abort(sink);
	else if (sink)
		loci_http_sink_finish(sink, rs);
	int status = rs->status;
	if (status >= 400)
		assert_non_null(rs->body);
	loci_http_response_free(rs);
	return status;
}

#define ALLOCATIONS_MAX 2000

static void torture(struct fixture *f, const struct plain *p)
{
	for (int i = 0; i < ALLOCATIONS_MAX; i++) {
		atomic_store(&countdown, i);
		int status = request(f, p);
		bool all_given = atomic_load(&countdown) >= 0;
		atomic_store(&countdown, -1);
		if (all_given) {
			if (status != p->status)
				fail_msg("%s %s: %d", p->method, p->target, status);
			assert_true(i > 0);
			return;
		}
		if (status != 0 && status != 500 && status != p->status)
			fail_msg("%s %s: %d when allocation %d failed", p->method, p->target,
			         status, i);
	}
	fail_msg("%s %s: more allocations than anybody needs", p->method, p->target);
}

static void test_every_allocation(void **state)
{
	struct fixture f;
	(void)state;
	fixture_open(&f, NULL);
	char image[LOCI_DIGEST_STR_MAX];
	memcpy(image, push_image(&f, "a/b", "v1", "one"), 72);
	const char *manifest =
	        text("{\"schemaVersion\":2,\"mediaType\":\"%s\",\"config\":{\"mediaType\":"
	             "\"%s\",\"digest\":\"%s\",\"size\":2},\"layers\":[],\"subject\":{"
	             "\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":2}}",
	             LOCI_MEDIA_OCI_MANIFEST, LOCI_MEDIA_OCI_EMPTY, push_blob(&f, "a/b", "{}", 2),
	             LOCI_MEDIA_OCI_MANIFEST, image);
	static char long_blob[3000];
	memset(long_blob, 'x', sizeof(long_blob));
	const char *tagged = text("{\"schemaVersion\":2,\"config\":{\"mediaType\":\"a/b\","
	                          "\"digest\":\"%s\",\"size\":2},\"layers\":[],\"subject\":{"
	                          "\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":2}}",
	                          sha256_of("{}", 2), LOCI_MEDIA_OCI_MANIFEST, image);
	push_manifest(&f, "a/b", NULL, "application/vnd.example+json", tagged);
	push_manifest(&f, "a/b", text("sha256-%s", image + 7), LOCI_MEDIA_OCI_INDEX,
	              text("{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"%s\",\"digest\":"
	                   "\"%s\",\"size\":9}]}",
	                   LOCI_MEDIA_OCI_MANIFEST, sha256_of(tagged, strlen(tagged))));
	const struct plain requests[] = {
	        {"GET",
	         text("/v2/a/b/blobs/%s", push_blob(&f, "a/b", long_blob, sizeof(long_blob))),
	         NULL,
	         206,
	         {"range", "bytes=0-9,2000-"}},
	        {"PUT", "/v2/a/b/manifests/guarded", manifest, 201, {"if-none-match", "\"other\""}},
	        {"DELETE", "/v2/a/b/manifests/guarded", NULL, 412, {"if-match", "\"other\""}},
	        {"GET", "/v2/", NULL, 200},
	        {"GET", "/v2/a/b/manifests/v1", NULL, 200},
	        {"GET", "/v2/a/b/manifests/v2", NULL, 404},
	        {"GET", text("/v2/a/b/blobs/%s", sha256_of("{}", 2)), NULL, 200},
	        {"PUT",
	         text("/v2/a/b/manifests/%s?tag=x&tag=y", sha256_of(manifest, strlen(manifest))),
	         manifest, 201},
	        {"PUT", "/v2/a/b/manifests/bad", "{}", 400},
	        {"POST", text("/v2/a/b/blobs/uploads/?digest=%s", sha256_of("x", 1)), "x", 201},
	        {"POST", "/v2/a/b/blobs/uploads/", NULL, 202},
	        {"POST", text("/v2/c/blobs/uploads/?mount=%s", sha256_of("{}", 2)), NULL, 201},
	        {"PATCH", start_upload(&f, "a/b"), "y", 202},
	        {"GET", "/v2/a/b/tags/list?n=1", NULL, 200},
	        {"GET", "/v2/_catalog", NULL, 200},
	        {"GET", text("/v2/a/b/referrers/%s?artifactType=x", image), NULL, 200},
	        {"GET", text("/v2/a/b/referrers/%s", image), NULL, 200},
	};
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		torture(&f, &requests[i]);
	/* Nothing of it has hurt the store. */
	expect(&f, 200, "GET", "/v2/a/b/manifests/x");
	expect(&f, 200, "GET", text("/v2/a/b/blobs/%s", sha256_of("x", 1)));
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_every_allocation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The route table itself: sound, complete against the spec, and each row reached through a request.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "harness.h"
#include "registry/route.h"

#include <string.h>

static const struct {
	const char *target;
	const char *pattern; /* NULL: nothing there */
	const char *name;
	const char *reference;
} paths[] = {
        {"/", "/", "", ""},
        {"/livez", "/livez", "", ""},
        {"/v2", "/v2", "", ""},
        {"/v2/", "/v2/", "", ""},
        {"/v2/_catalog", "/v2/_catalog", "", ""},
        {"/v2/a/tags/list", "/v2/<name>/tags/list", "a", ""},
        {"/v2/a/b/c/tags/list", "/v2/<name>/tags/list", "a/b/c", ""},
        {"/v2/a/manifests/latest", "/v2/<name>/manifests/<reference>", "a", "latest"},
        {"/v2/tags/list/manifests/v1", "/v2/<name>/manifests/<reference>", "tags/list", "v1"},
        {"/v2/manifests/manifests/manifests", "/v2/<name>/manifests/<reference>", "manifests",
         "manifests"},
        {"/v2/a/blobs/sha256:00", "/v2/<name>/blobs/<reference>", "a", "sha256:00"},
        {"/v2/a/blobs/b/blobs/sha256:00", "/v2/<name>/blobs/<reference>", "a/blobs/b", "sha256:00"},
        {"/v2/a/blobs/uploads/", "/v2/<name>/blobs/uploads/", "a", ""},
        {"/v2/a/blobs/uploads", "/v2/<name>/blobs/uploads", "a", ""},
        {"/v2/a/blobs/uploads/id", "/v2/<name>/blobs/uploads/<reference>", "a", "id"},
        {"/v2/a/blobs/uploads/blobs/uploads/id", "/v2/<name>/blobs/uploads/<reference>",
         "a/blobs/uploads", "id"},
        {"/v2/a/referrers/sha256:00", "/v2/<name>/referrers/<reference>", "a", "sha256:00"},
        {"/v2/a%2Fb/tags/list", NULL, "", ""},
        {"/v1/", NULL, "", ""},
        {"/v2//", NULL, "", ""},
        {"//v2/", NULL, "", ""},
        {"/v2/a", NULL, "", ""},
        {"/v2/tags/list", NULL, "", ""},
        {"/v2//tags/list", NULL, "", ""},
        {"/v2/a/tags/list/", NULL, "", ""},
        {"/v2/a/tags/", NULL, "", ""},
        {"/v2/a/manifests/", NULL, "", ""},
        {"/v2/a/manifests", NULL, "", ""},
        {"/v2/a/blobs/", NULL, "", ""},
        {"/v2/blobs/uploads/", NULL, "", ""},
        {"/v2/a/referrers/", NULL, "", ""},
        {"/v2/_catalog/", NULL, "", ""},
        {"/livez/", NULL, "", ""},
};

static void test_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct loci__target t;
		struct loci__match m;
		bool found = loci__target_parse(paths[i].target, &t, NULL) == 0 &&
		             loci__route_match(t.path, &m);
		if (!paths[i].pattern) {
			if (found)
				fail_msg("%s: is %s", paths[i].target, m.rows->pattern);
			continue;
		}
		if (!found)
			fail_msg("%s: nothing there", paths[i].target);
		assert_string_equal(m.rows->pattern, paths[i].pattern);
		assert_int_equal(m.name.n, strlen(paths[i].name));
		assert_memory_equal(m.name.p, paths[i].name, m.name.n);
		assert_int_equal(m.reference.n, strlen(paths[i].reference));
		if (m.reference.n)
			assert_memory_equal(m.reference.p, paths[i].reference, m.reference.n);
	}
}

/* spec.md "Endpoints": the path is one that exists in no store. */
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"
#define ID    "00000000-0000-4000-8000-000000000000"
static const struct {
	const char *method;
	const char *target;
	const char *end; /* as the table of the spec numbers it */
	int status;      /* of an empty registry and no body */
	bool blocks, writes;
} requests[] = {
        {"GET", "/v2/", "end-1", 200, false, false},
        {"HEAD", "/v2/", "end-1", 200, false, false},
        {"GET", "/v2", "end-1", 200, false, false},
        {"HEAD", "/v2", "end-1", 200, false, false},
        {"GET", "/v2/_catalog", "", 200, false, false},
        {"HEAD", "/v2/_catalog", "", 200, false, false},
        {"GET", "/v2/a/manifests/v1", "end-3", 404, false, false},
        {"HEAD", "/v2/a/manifests/v1", "end-3", 404, false, false},
        {"PUT", "/v2/a/manifests/v1", "end-7", 400, true, true},
        {"DELETE", "/v2/a/manifests/v1", "end-9", 404, true, true},
        {"POST", "/v2/a/blobs/uploads/", "end-4 end-11", 202, true, true},
        {"POST", "/v2/a/blobs/uploads", "end-4 end-11", 202, true, true},
        {"PATCH", "/v2/a/blobs/uploads/" ID, "end-5", 404, true, true},
        {"PUT", "/v2/a/blobs/uploads/" ID "?digest=sha256:" ZEROS, "end-6", 404, true, true},
        {"GET", "/v2/a/blobs/uploads/" ID, "end-13", 404, false, false},
        {"HEAD", "/v2/a/blobs/uploads/" ID, "end-13", 404, false, false},
        {"DELETE", "/v2/a/blobs/uploads/" ID, "end-14", 404, true, true},
        {"GET", "/v2/a/blobs/sha256:" ZEROS, "end-2", 404, false, false},
        {"HEAD", "/v2/a/blobs/sha256:" ZEROS, "end-2", 404, false, false},
        {"DELETE", "/v2/a/blobs/sha256:" ZEROS, "end-10", 404, true, true},
        {"GET", "/v2/a/tags/list", "end-8", 404, false, false},
        {"HEAD", "/v2/a/tags/list", "end-8", 404, false, false},
        {"GET", "/v2/a/referrers/sha256:" ZEROS, "end-12", 200, true, false},
        {"HEAD", "/v2/a/referrers/sha256:" ZEROS, "end-12", 200, true, false},
        {"GET", "/livez", "", 200, false, false},
        {"HEAD", "/livez", "", 200, false, false},
        {"GET", "/readyz", "", 200, true, false},
        {"HEAD", "/readyz", "", 200, true, false},
        {"GET", "/metrics", "", 200, true, false},
        {"HEAD", "/metrics", "", 200, true, false},
        {"GET", "/", "", 200, false, false},
        {"HEAD", "/", "", 200, false, false},
};
#define N_REQUESTS (sizeof(requests) / sizeof(requests[0]))

static const struct loci__route *row_of(const char *method, const char *target)
{
	struct loci__target t;
	struct loci__match m;
	assert_int_equal(loci__target_parse(target, &t, NULL), 0);
	assert_true(loci__route_match(t.path, &m));
	return loci__route_method(m.rows, method);
}

/* Every row is reached by a request above, every request by a row, and both say the same. */
static void test_every_row(void **state)
{
	size_t n = 0;
	(void)state;
	for (const struct loci__route *row = loci__routes; row->method; row++) {
		bool reached = false;
		for (size_t i = 0; i < N_REQUESTS; i++)
			reached |= row_of(requests[i].method, requests[i].target) == row;
		if (!reached)
			fail_msg("%s %s: no request here reaches it", row->method, row->pattern);
		n++;
	}
	assert_int_equal(n, N_REQUESTS);
	for (size_t i = 0; i < N_REQUESTS; i++) {
		const struct loci__route *row = row_of(requests[i].method, requests[i].target);
		assert_non_null(row);
		assert_string_equal(row->end, requests[i].end);
		assert_int_equal(!!(row->flags & LOCI_ROUTE_WRITES), requests[i].writes);
	}
}

static void test_requests(void **state)
{
	struct fixture f;
	(void)state;
	fixture_open(&f, NULL);
	for (size_t i = 0; i < N_REQUESTS; i++) {
		expect(&f, requests[i].status, requests[i].method, requests[i].target);
		assert_int_equal(
		        loci_registry_may_block(f.registry, requests[i].method, requests[i].target),
		        requests[i].blocks);
	}
	for (size_t i = 0; i < N_REQUESTS; i++) {
		const struct loci_http_request rq = {.struct_size = sizeof(rq),
		                                     .method = requests[i].method,
		                                     .target = requests[i].target,
		                                     .must_not_block = true};
		struct loci_http_response *rs = loci_registry_handle(f.registry, &rq);
		assert_int_equal(!rs, requests[i].blocks);
		loci_http_response_free(rs);
	}
	/* However it is written: each byte of the longest name and of a digest in three. */
	char encoded[3 * LOCI_REPO_MAX + 1];
	for (size_t i = 0; i < LOCI_REPO_MAX; i++)
		memcpy(encoded + 3 * i, "%61", 4);
	assert_true(loci_registry_may_block(f.registry, "DELETE",
	                                    text("/v2/%s/blobs/sha256:%.192s", encoded, encoded)));
	assert_true(loci_registry_may_block(f.registry, "DELETE",
	                                    text("/v2/%s/blobs/sha512:%.384s", encoded, encoded)));
	assert_false(loci_registry_may_block(f.registry, "PUT", "/nowhere"));
	assert_false(loci_registry_may_block(f.registry, "BREW", "/v2/a/manifests/v1"));
	assert_int_equal(f.n_logged, 0);
	fixture_close(&f);
}

static void expect_allow(struct fixture *f, const char *method, const char *target,
                         const char *allow)
{
	struct answer a = ask(f, method, target);
	assert_int_equal(a.status, 405);
	assert_string_equal(answer_code(&a), "UNSUPPORTED");
	assert_string_equal(answer_header(&a, "allow"), allow);
	answer_done(&a);
}

static void test_other_methods(void **state)
{
	struct fixture f;
	(void)state;
	fixture_open(&f, NULL);
	expect_allow(&f, "POST", "/v2/", "GET, HEAD");
	expect_allow(&f, "get", "/v2/", "GET, HEAD");
	expect_allow(&f, "PATCH", "/v2/a/manifests/v1", "GET, HEAD, PUT, DELETE");
	expect_allow(&f, "PUT", "/v2/a/blobs/sha256:" ZEROS, "GET, HEAD, DELETE");
	expect_allow(&f, "GET", "/v2/a/blobs/uploads/", "POST");
	expect_allow(&f, "POST", "/v2/a/blobs/uploads/" ID, "PATCH, PUT, GET, HEAD, DELETE");
	expect_allow(&f, "DELETE", "/v2/a/tags/list", "GET, HEAD");
	expect_allow(&f, "OPTIONS", "/v2/_catalog", "GET, HEAD");
	fixture_close(&f);
}

static void test_read_only(void **state)
{
	const struct loci_registry_opts opts = {.read_only = true};
	struct fixture f;
	(void)state;
	fixture_open(&f, &opts);
	for (size_t i = 0; i < N_REQUESTS; i++)
		expect(&f, requests[i].writes ? 405 : requests[i].status, requests[i].method,
		       requests[i].target);
	expect_allow(&f, "PUT", "/v2/a/manifests/v1", "GET, HEAD");
	fixture_close(&f);
}

static void test_delete_disabled(void **state)
{
	const struct loci_registry_opts opts = {.delete_disabled = true};
	struct fixture f;
	(void)state;
	fixture_open(&f, &opts);
	expect_allow(&f, "DELETE", "/v2/a/manifests/v1", "GET, HEAD, PUT");
	expect_allow(&f, "DELETE", "/v2/a/blobs/sha256:" ZEROS, "GET, HEAD");
	/* A session is not content. */
	expect(&f, 404, "DELETE", "/v2/a/blobs/uploads/" ID);
	fixture_close(&f);
}

static void test_nowhere(void **state)
{
	struct fixture f;
	(void)state;
	fixture_open(&f, NULL);
	expect_code(&f, 404, "UNSUPPORTED", "GET", "/nowhere");
	expect_code(&f, 404, "UNSUPPORTED", "GET", "/v2/a");
	expect_code(&f, 400, "UNSUPPORTED", "GET", "/v2/a%2Fb/tags/list");
	expect_code(&f, 400, "UNSUPPORTED", "GET", "/v2/%00");
	expect_code(&f, 400, "UNSUPPORTED", "GET", "*");
	fixture_close(&f);
}

/* What the grammar of names refuses, whichever end-point is asked. */
static void test_names(void **state)
{
	static const char *const bad[] = {"A",    "a/B",  "a//b",  "-a",    "a-",
	                                  "a..b", ".a",   "a___b", "a/.",   "..",
	                                  "a/..", "%61_", "a%20b", "%C3%A4"};
	struct fixture f;
	(void)state;
	fixture_open(&f, NULL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		expect_code(&f, 400, "NAME_INVALID", "GET", text("/v2/%s/manifests/v1", bad[i]));
		expect_code(&f, 400, "NAME_INVALID", "POST", text("/v2/%s/blobs/uploads/", bad[i]));
		expect_code(&f, 400, "NAME_INVALID", "GET", text("/v2/%s/tags/list", bad[i]));
	}
	char name[LOCI_REPO_MAX + 2];
	memset(name, 'a', sizeof(name));
	name[LOCI_REPO_MAX + 1] = '\0';
	expect_code(&f, 400, "NAME_INVALID", "POST", text("/v2/%s/blobs/uploads/", name));
	name[LOCI_REPO_MAX] = '\0';
	expect(&f, 202, "POST", text("/v2/%s/blobs/uploads/", name));
	fixture_close(&f);
}

/* Fields are appended: who was built with fewer of them gets the defaults of the others. */
static void test_options_of_an_older_caller(void **state)
{
	struct fixture f;
	(void)state;
	fixture_open(&f, NULL);
	struct loci_registry_opts o = {.struct_size =
	                                       offsetof(struct loci_registry_opts, read_only),
	                               .store = f.store,
	                               .read_only = true};
	struct loci_registry *all = f.registry;
	assert_int_equal(loci_registry_new(&o, &f.registry, NULL), 0);
	expect(&f, 202, "POST", "/v2/a/blobs/uploads/");
	loci_registry_free(f.registry);
	o.struct_size = sizeof(o) + 8; /* a newer one */
	struct {
		struct loci_registry_opts o;
		char more[8];
	} newer = {.o = o};
	assert_int_equal(loci_registry_new(&newer.o, &f.registry, NULL), 0);
	expect(&f, 405, "POST", "/v2/a/blobs/uploads/");
	loci_registry_free(f.registry);
	o.struct_size = 0;
	assert_int_equal(loci_registry_new(&o, &f.registry, NULL), LOCI_E_INVALID);
	f.registry = all;
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_paths),
	        cmocka_unit_test(test_every_row),
	        cmocka_unit_test(test_requests),
	        cmocka_unit_test(test_other_methods),
	        cmocka_unit_test(test_read_only),
	        cmocka_unit_test(test_delete_disabled),
	        cmocka_unit_test(test_nowhere),
	        cmocka_unit_test(test_names),
	        cmocka_unit_test(test_options_of_an_older_caller),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

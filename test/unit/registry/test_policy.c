/* SPDX-License-Identifier: Apache-2.0 */
/* What changes while the registry serves: by loci_registry_reconfigure and by the store's mark. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "harness.h"
#include "registry/policy.h"

#include <pthread.h>
#include <string.h>

static struct loci_registry_opts options(const struct fixture *f)
{
	return (struct loci_registry_opts){.struct_size = sizeof(struct loci_registry_opts),
	                                   .log = &f->log};
}

static void reconfigure(struct fixture *f, const struct loci_registry_opts *o)
{
	struct loci_error err;
	if (loci_registry_reconfigure(f->registry, o, &err) < 0)
		fail_msg("%s", err.msg);
}

static void switches_change_for_the_next_request(void **state)
{
	struct fixture f;
	(void)state;
	fixture_open(&f, NULL);
	struct loci_registry_opts o = options(&f);
	push_image(&f, "a", "v1", "one");
	o.read_only = true;
	reconfigure(&f, &o);
	expect_code(&f, 405, "UNSUPPORTED", "POST", "/v2/a/blobs/uploads/");
	expect(&f, 200, "GET", "/v2/a/manifests/v1");
	o.read_only = false;
	o.delete_disabled = true;
	reconfigure(&f, &o);
	expect(&f, 202, "POST", "/v2/a/blobs/uploads/");
	expect_code(&f, 405, "UNSUPPORTED", "DELETE", "/v2/a/manifests/v1");
	o.delete_disabled = false;
	reconfigure(&f, &o);
	expect(&f, 202, "DELETE", "/v2/a/manifests/v1");
	fixture_close(&f);
}

static void a_wrong_change_changes_nothing(void **state)
{
	struct fixture f;
	(void)state;
	fixture_open(&f, NULL);
	struct loci_registry_opts o = options(&f);
	o.read_only = true;
	o.list_max = 1000000;
	assert_int_equal(loci_registry_reconfigure(f.registry, &o, NULL), LOCI_E_INVALID);
	expect(&f, 202, "POST", "/v2/a/blobs/uploads/");
	fixture_close(&f);
}

/* A request that began before ends by what held then. */
static void a_body_in_flight_ends_by_its_own_policy(void **state)
{
	static const char json[] = "{\"schemaVersion\":2,\"mediaType\":\"" LOCI_MEDIA_OCI_INDEX
	                           "\",\"manifests\":[{\"mediaType\":\"" LOCI_MEDIA_OCI_MANIFEST
	                           "\",\"size\":1,\"digest\":\"sha256:"
	                           "00000000000000000000000000000000"
	                           "00000000000000000000000000000000\"}]}";
	struct fixture f;
	(void)state;
	fixture_open(&f, NULL);
	struct loci_registry_opts o = options(&f);
	o.allow_sparse = true;
	reconfigure(&f, &o);
	const struct loci_http_header type = {"content-type", LOCI_MEDIA_OCI_INDEX};
	const struct loci_http_request rq = {
	        .struct_size = sizeof(rq),
	        .method = "PUT",
	        .target = "/v2/a/manifests/v1",
	        .headers = &type,
	        .n_headers = 1,
	        .body_length = sizeof(json) - 1,
	};
	struct loci_http_response *rs = loci_registry_handle(f.registry, &rq);
	assert_non_null(rs->sink);
	o.allow_sparse = false;
	o.read_only = true;
	reconfigure(&f, &o);
	assert_int_equal(loci_http_sink_write(rs->sink, json, sizeof(json) - 1, rs), 0);
	loci_http_sink_finish(rs->sink, rs);
	assert_int_equal(rs->status, 201);
	loci_http_response_free(rs);
	fixture_close(&f);
}

static void the_stores_mark_is_seen_at_once(void **state)
{
	struct fixture f;
	(void)state;
	fixture_open(&f, NULL);
	push_image(&f, "a", "v1", "one");
	assert_int_equal(loci_store_freeze(f.store, "backup", NULL), 0);
	struct answer a = ask(&f, "PUT", "/v2/a/manifests/v1");
	assert_int_equal(a.status, 405);
	assert_string_equal(answer_code(&a), "UNSUPPORTED");
	assert_string_equal(answer_header(&a, "allow"), "GET, HEAD");
	answer_done(&a);
	expect(&f, 200, "GET", "/v2/a/manifests/v1");
	assert_int_equal(loci_store_thaw(f.store, NULL), 0);
	expect(&f, 202, "DELETE", "/v2/a/manifests/v1");
	fixture_close(&f);
}

/* The mark came while the body did: the client may try again, and the log is not alarmed. */
static void a_commit_after_the_mark_is_put_off(void **state)
{
	struct fixture f;
	(void)state;
	fixture_open(&f, NULL);
	const char *digest = sha256_of("bytes", 5);
	const char *session = start_upload(&f, "a");
	const char *target = text("%s?digest=%s", session, digest);
	const struct loci_http_request rq = {
	        .struct_size = sizeof(rq), .method = "PUT", .target = target, .body_length = 5};
	struct loci_http_response *rs = loci_registry_handle(f.registry, &rq);
	assert_non_null(rs->sink);
	assert_int_equal(loci_store_freeze(f.store, NULL, NULL), 0);
	assert_int_equal(loci_http_sink_write(rs->sink, "bytes", 5, rs), 0);
	loci_http_sink_finish(rs->sink, rs);
	assert_int_equal(rs->status, 503);
	loci_http_response_free(rs);
	assert_int_equal(f.n_logged, 0);
	assert_int_equal(loci_store_thaw(f.store, NULL), 0);
	expect(&f, 201, "PUT", target);
	expect(&f, 200, "HEAD", text("/v2/a/blobs/%s", digest));
	fixture_close(&f);
}

/* ---- the slots ------------------------------------------------------------------------------- */

static void a_held_policy_does_not_change(void **state)
{
	struct loci__policies *all;
	struct loci_registry_opts o = {.read_only = true};
	const struct loci__policy *held[LOCI_POLICY_SLOTS];
	(void)state;
	assert_int_equal(loci__policies_new(&all, NULL), 0);
	for (unsigned i = 0; i < LOCI_POLICY_SLOTS; i++) {
		o.read_only = i % 2;
		assert_int_equal(loci__policies_set(all, &o, NULL), 0);
		held[i] = loci__policy_get(all);
	}
	assert_int_equal(loci__policies_set(all, &o, NULL), LOCI_E_BUSY);
	for (unsigned i = 0; i < LOCI_POLICY_SLOTS; i++)
		assert_int_equal(held[i]->read_only, i % 2);
	loci__policy_put(held[2]);
	o.read_only = true;
	assert_int_equal(loci__policies_set(all, &o, NULL), 0);
	assert_true(loci__policy_get(all)->read_only);
	loci__policies_free(all);
}

struct crowd {
	struct loci__policies *all;
	atomic_bool stop;
	atomic_uint torn;
};

/* Both switches are always set alike: a half-written one would show. */
static void *take_and_look(void *arg)
{
	struct crowd *c = arg;
	while (!atomic_load(&c->stop)) {
		const struct loci__policy *p = loci__policy_get(c->all);
		if (p->read_only != p->delete_disabled || p->read_only != p->allow_sparse)
			atomic_fetch_add(&c->torn, 1);
		loci__policy_put(p);
	}
	return NULL;
}

static void changes_among_readers(void **state)
{
	struct crowd c = {0};
	pthread_t threads[4];
	(void)state;
	assert_int_equal(loci__policies_new(&c.all, NULL), 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_and_look, &c), 0);
	for (unsigned i = 0; i < 20000; i++) {
		const bool on = i % 2;
		const struct loci_registry_opts o = {
		        .read_only = on, .delete_disabled = on, .allow_sparse = on};
		assert_int_equal(loci__policies_set(c.all, &o, NULL), 0);
	}
	atomic_store(&c.stop, true);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&c.torn), 0);
	loci__policies_free(c.all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(switches_change_for_the_next_request),
	        cmocka_unit_test(a_wrong_change_changes_nothing),
	        cmocka_unit_test(a_body_in_flight_ends_by_its_own_policy),
	        cmocka_unit_test(the_stores_mark_is_seen_at_once),
	        cmocka_unit_test(a_commit_after_the_mark_is_put_off),
	        cmocka_unit_test(a_held_policy_does_not_change),
	        cmocka_unit_test(changes_among_readers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Options, verdicts, waits and numbers; deliveries are test/integration/registry/test_notify.py's.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "../exposition.h"
#include "../harness.h"
#include "core/base/cleanup.h"
#include "core/base/fs.h"
#include "loci/event.h"
#include "registry/notify/notify.h"

#include <fcntl.h>
#include <string.h>

static void test_verdicts(void **state)
{
	static const struct {
		int status, verdict;
	} rows[] = {
	        {200, LOCI_NOTIFY_DELIVERED}, {202, LOCI_NOTIFY_DELIVERED},
	        {204, LOCI_NOTIFY_DELIVERED}, {301, LOCI_NOTIFY_RETRY},
	        {307, LOCI_NOTIFY_RETRY},     {400, LOCI_NOTIFY_REJECTED},
	        {401, LOCI_NOTIFY_RETRY},     {403, LOCI_NOTIFY_RETRY},
	        {404, LOCI_NOTIFY_RETRY},     {410, LOCI_NOTIFY_RETRY},
	        {413, LOCI_NOTIFY_REJECTED},  {415, LOCI_NOTIFY_REJECTED},
	        {422, LOCI_NOTIFY_REJECTED},  {429, LOCI_NOTIFY_RETRY},
	        {500, LOCI_NOTIFY_RETRY},     {503, LOCI_NOTIFY_RETRY},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if ((int)loci__notify_judge(rows[i].status) != rows[i].verdict)
			fail_msg("status %d", rows[i].status);
}

static void test_waits(void **state)
{
	const struct loci__notify_shared s = {.retry_ms = 100, .retry_max_ms = 1000};
	(void)state;
	assert_int_equal(loci__notify_wait_ms(&s, 1, -1, 0), 100);
	assert_int_equal(loci__notify_wait_ms(&s, 2, -1, 0), 200);
	assert_int_equal(loci__notify_wait_ms(&s, 4, -1, 0), 800);
	assert_int_equal(loci__notify_wait_ms(&s, 5, -1, 0), 1000);
	assert_int_equal(loci__notify_wait_ms(&s, 1000000, -1, 0), 1000);
	/* A quarter is jitter. */
	assert_in_range(loci__notify_wait_ms(&s, 5, -1, 255), 750, 999);
	assert_int_equal(loci__notify_wait_ms(&s, 1, 5000, 0), 5000);
	assert_int_equal(loci__notify_wait_ms(&s, 5, 10, 0), 1000);
	assert_int_equal(loci__notify_wait_ms(&s, 1, INT64_MAX, 0), 10 * 60 * 1000);
}

static void refuse(struct fixture *f, struct loci_notify_opts o, const char *says)
{
	struct loci_notify *n;
	struct loci_error err = {0};
	o.struct_size = sizeof(o);
	o.store = f->store;
	assert_true(loci_notify_new(&o, &n, &err) < 0);
	if (!strstr(err.msg, says))
		fail_msg("%s", err.msg);
	assert_null(strstr(err.msg, "hush"));
}

static void test_options(void **state)
{
	static const char *const one[] = {"a=http://127.0.0.1:1/"};
	static const char *const twice[] = {"a=http://h/", "a=http://h/"};
	static const char *const strange_header[] = {"b: X: hush"};
	static const char *const strange_secret[] = {"b=hush"};
	static const char *const two_secrets[] = {"a=hush", "a=hush"};
	static const char *const no_file[] = {"a=@/nonexistent"};
	const char *many[LOCI_NOTIFY_ENDPOINTS_MAX + 1];
	struct fixture f;
	(void)state;
	fixture_open(&f, NULL);
	for (size_t i = 0; i <= LOCI_NOTIFY_ENDPOINTS_MAX; i++)
		many[i] = text("e%zu=http://h/", i);
	refuse(&f, (struct loci_notify_opts){.endpoints = twice, .n_endpoints = 2}, "twice");
	refuse(&f,
	       (struct loci_notify_opts){.endpoints = many,
	                                 .n_endpoints = LOCI_NOTIFY_ENDPOINTS_MAX + 1},
	       "at most");
	refuse(&f,
	       (struct loci_notify_opts){.endpoints = one,
	                                 .n_endpoints = 1,
	                                 .headers = strange_header,
	                                 .n_headers = 1},
	       "no end-point");
	refuse(&f,
	       (struct loci_notify_opts){.endpoints = one,
	                                 .n_endpoints = 1,
	                                 .secrets = strange_secret,
	                                 .n_secrets = 1},
	       "no end-point");
	refuse(&f,
	       (struct loci_notify_opts){
	               .endpoints = one, .n_endpoints = 1, .secrets = two_secrets, .n_secrets = 2},
	       "two secrets");
	refuse(&f,
	       (struct loci_notify_opts){
	               .endpoints = one, .n_endpoints = 1, .secrets = no_file, .n_secrets = 1},
	       "/nonexistent");
	fixture_close(&f);
}

/* A key may be any bytes; only a line's end at its end is none of it. */
static void test_secret_of_bytes(void **state)
{
	static const char *const one[] = {"a=http://h/"};
	static const char bytes[] = "k\0ey\0\r\n"; /* and no NUL behind it */
	struct fixture f;
	struct loci_notify *n;
	(void)state;
	fixture_open(&f, NULL);
	const char *path = text("%s/secret", f.dir);
	const char *const secret[] = {text("a=@%s", path)};
	assert_int_equal(loci__write_file_atomic(AT_FDCWD, path, bytes, sizeof(bytes) - 1, 0600,
	                                         /* sync= */ false, NULL),
	                 0);
	const struct loci_notify_opts o = {.struct_size = sizeof(o),
	                                   .store = f.store,
	                                   .endpoints = one,
	                                   .n_endpoints = 1,
	                                   .secrets = secret,
	                                   .n_secrets = 1};
	assert_int_equal(loci_notify_new(&o, &n, NULL), 0);
	assert_int_equal(n->endpoints[0].secret_n, 5);
	assert_memory_equal(n->endpoints[0].secret, bytes, 5);
	loci_notify_free(n);
	fixture_close(&f);
}

/* Every family is shown, and documented. Nothing listens at port 1: all ends all the same. */
static void test_numbers(void **state)
{
	static const char *const one[] = {"a=http://127.0.0.1:1/ events=blobs"};
	static const char *const types[] = {"", "counter", "gauge", "histogram"};
	struct exposition e;
	struct fixture f;
	char *page loci__cleanup_free = NULL;
	size_t n_page;
	struct loci_notify *n;
	(void)state;
	fixture_open(&f, NULL);
	const struct loci_notify_opts o = {.struct_size = sizeof(o),
	                                   .store = f.store,
	                                   .registry = f.registry,
	                                   .endpoints = one,
	                                   .n_endpoints = 1};
	assert_int_equal(loci_notify_new(&o, &n, NULL), 0);
	assert_int_equal(loci_notify_start(n, NULL), 0);
	assert_true(loci_event_is_wanted(f.store, LOCI_EVENT_BLOB_PUSH));
	push_blob(&f, "team/app", "x", 1);
	atomic_fetch_add(&n->endpoints[0].counts.status[503], 1);
	struct answer a = ask(&f, "GET", "/metrics");
	exposition_parse(&e, a.body);
	answer_done(&a);
	assert_true(exposition_value(&e, "loci_events_waiting") == 1);
	assert_true(exposition_value(&e, "registry_notifications_pending_total{endpoint=\"a\"}") ==
	            1);
	assert_int_equal(loci__read_file(AT_FDCWD, LOCI_TEST_DATA "/../../docs/observing.md",
	                                 1 << 20, &page, &n_page, NULL),
	                 0);
	for (size_t i = 0; i < loci__n_notify_families; i++) {
		const struct loci_metric_family *row = &loci__notify_families[i];
		if (!exposition_has_family(&e, row->name, types[row->type]))
			fail_msg("%s is not shown", row->name);
		if (!strstr(page, text("`%s`", row->name)))
			fail_msg("docs/observing.md: no %s", row->name);
	}
	exposition_done(&e);
	loci_notify_free(n);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_verdicts), cmocka_unit_test(test_waits),
	        cmocka_unit_test(test_options),  cmocka_unit_test(test_secret_of_bytes),
	        cmocka_unit_test(test_numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

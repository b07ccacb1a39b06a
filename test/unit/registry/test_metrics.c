/* SPDX-License-Identifier: Apache-2.0 */
/* /metrics: the text by a strict reader, what is counted under which labels, others' sources. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/fs.h"
#include "exposition.h"
#include "harness.h"
#include "registry/metrics.h"
#include "registry/route.h"

#include <fcntl.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

static void scrape(struct fixture *f, struct exposition *e)
{
	struct answer a = ask(f, "GET", "/metrics");
	assert_int_equal(a.status, 200);
	assert_string_equal(answer_header(&a, "content-type"),
	                    "text/plain; version=0.0.4; charset=utf-8");
	exposition_parse(e, a.body);
	answer_done(&a);
}

/* As a server does, after the exchange. */
static void exchange(struct fixture *f, const char *method, const char *target)
{
	struct answer a = ask(f, method, target);
	const struct loci_request_sample s = {
	        .struct_size = sizeof(s),
	        .method = method,
	        .end_point = a.rs->end_point,
	        .status = a.status,
	        .bytes_in = 3000,
	        .bytes_out = a.n,
	        .duration_us = 30001,
	};
	loci_registry_observe(f->registry, &s);
	answer_done(&a);
}

/* ---- the text -------------------------------------------------------------------------------- */

static void test_every_family(void **state)
{
	static const char *const types[] = {"", "counter", "gauge", "histogram"};
	struct exposition e;
	struct fixture f;
	(void)state;
	fixture_open(&f, NULL);
	exchange(&f, "GET", "/v2/");
	scrape(&f, &e);
	size_t n = 0;
	for (size_t i = 0; i < loci__metrics_n_sources(f.registry->metrics); i++) {
		size_t n_rows;
		const struct loci_metric_family *rows =
		        loci__metrics_source(f.registry->metrics, i, &n_rows);
		for (size_t j = 0; j < n_rows; j++, n++)
			if (!exposition_has_family(&e, rows[j].name, types[rows[j].type]))
				fail_msg("%s is not shown", rows[j].name);
	}
	assert_int_equal(n, e.n_families);
	exposition_done(&e);
	fixture_close(&f);
}

/* docs/observing.md has every family. */
static void test_documented(void **state)
{
	char *page loci__cleanup_free = NULL;
	struct fixture f;
	size_t n;
	(void)state;
	assert_int_equal(loci__read_file(AT_FDCWD, LOCI_TEST_DATA "/../../docs/observing.md",
	                                 1 << 20, &page, &n, NULL),
	                 0);
	fixture_open(&f, NULL);
	for (size_t i = 0; i < loci__metrics_n_sources(f.registry->metrics); i++) {
		size_t n_rows;
		const struct loci_metric_family *rows =
		        loci__metrics_source(f.registry->metrics, i, &n_rows);
		for (size_t j = 0; j < n_rows; j++)
			if (!strstr(page, text("`%s`", rows[j].name)))
				fail_msg("docs/observing.md: no %s", rows[j].name);
	}
	fixture_close(&f);
}

static const struct {
	double value;
	const char *text;
} numbers[] = {
        {0, "0"},
        {1, "1"},
        {-1.5, "-1.5"},
        {0.005, "0.005"},
        {0.1, "0.1"},
        {1e-9, "0.000000001"},
        {1795750030.649102926, "1795750030.649102926"},
        {0.9999999999, "1"},
        {9007199254740992.0, "9007199254740992"},
        {1e20, "100000000000000000000"},
        {INFINITY, "+Inf"},
        {-INFINITY, "-Inf"},
        {NAN, "NaN"},
};

static void collect_number(struct loci_metrics *m, const struct loci_metric_family *f, void *arg)
{
	const double *v = arg;
	(void)f;
	loci_metrics_value(m, NULL, 0, *v);
}

static void test_numbers(void **state)
{
	const struct loci_metric_family family = {"a", "b", LOCI_METRIC_GAUGE, collect_number, 0};
	(void)state;
	setlocale(LC_ALL, "de_DE.UTF-8"); /* a decimal comma, where it is installed */
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct loci_buf out loci__cleanup_buf = LOCI_BUF_INIT(1024);
		double v = numbers[i].value;
		loci__metric_family_print(&family, &v, &out);
		assert_string_equal(out.p,
		                    text("# HELP a b\n# TYPE a gauge\na %s\n", numbers[i].text));
	}
	setlocale(LC_ALL, "C");
}

static void collect_hostile(struct loci_metrics *m, const struct loci_metric_family *f, void *arg)
{
	const struct loci_metric_label labels[] = {{"x", "\"\\\n\xff}"}, {"y", "\xc3\xa4 \x01"}};
	const struct loci_histogram none = {0};
	(void)f, (void)arg;
	loci_metrics_value(m, labels, 2, 1);
	loci_metrics_histogram(m, labels, 2, &none); /* of another type: left out */
}

static void test_escapes(void **state)
{
	const struct loci_metric_family family = {"a", "one\\two\nthree \"x\"", LOCI_METRIC_GAUGE,
	                                          collect_hostile, 0};
	struct loci_buf out loci__cleanup_buf = LOCI_BUF_INIT(1024);
	struct exposition e;
	(void)state;
	loci__metric_family_print(&family, NULL, &out);
	assert_string_equal(out.p, "# HELP a one\\\\two\\nthree \"x\"\n# TYPE a gauge\n"
	                           "a{x=\"\\\"\\\\\\n\xef\xbf\xbd}\",y=\"\xc3\xa4 \x01\"} 1\n");
	exposition_parse(&e, out.p);
	exposition_done(&e);
}

/* ---- requests -------------------------------------------------------------------------------- */

static void test_labels(void **state)
{
	struct fixture f;
	size_t n = 0;
	(void)state;
	fixture_open(&f, NULL);
	for (const struct loci__route *row = loci__routes; row->method; row++, n++)
		if (loci__metrics_end_point(f.registry->metrics, row) == 0)
			fail_msg("%s is counted as nothing", row->pattern);
	assert_true(n < 128);
	assert_string_equal(loci__end_point_name(0), "other");
	assert_string_equal(loci__end_point_name(12345), "other");
	fixture_close(&f);
}

static void test_requests(void **state)
{
	struct exposition e;
	struct fixture f;
	(void)state;
	fixture_open(&f, NULL);
	exchange(&f, "GET", "/v2/");
	exchange(&f, "GET", "/v2");
	exchange(&f, "HEAD", "/v2/secret/repository/manifests/v1");
	exchange(&f, "BREW", "/secret");
	exchange(&f, "get", "/v2/");
	/* A refusal of the server's, and a head that was none. */
	const struct loci_request_sample refused = {
	        .struct_size = sizeof(refused), .end_point = 999, .status = 777};
	loci_registry_observe(f.registry, &refused);
	scrape(&f, &e);
	static const struct {
		const char *series;
		double value;
	} expected[] = {
#define REQUESTS "registry_http_requests_total"
#define DURATION "registry_http_request_duration_seconds"
	        {REQUESTS "{handler=\"base\",method=\"get\",code=\"200\"}", 2},
	        {REQUESTS "{handler=\"base\",method=\"unknown\",code=\"405\"}", 1},
	        {REQUESTS "{handler=\"manifest\",method=\"head\",code=\"404\"}", 1},
	        {REQUESTS "{handler=\"other\",method=\"unknown\",code=\"404\"}", 1},
	        {REQUESTS "{handler=\"other\",method=\"unknown\",code=\"other\"}", 1},
	        {DURATION "_bucket{handler=\"base\",method=\"get\",le=\"0.025\"}", 0},
	        {DURATION "_bucket{handler=\"base\",method=\"get\",le=\"0.05\"}", 2},
	        {DURATION "_sum{handler=\"base\",method=\"get\"}", 0.060002},
	        {"registry_http_request_size_bytes_bucket{handler=\"base\",le=\"2048\"}", 0},
	        {"registry_http_request_size_bytes_bucket{handler=\"base\",le=\"4096\"}", 3},
	        {"registry_http_response_size_bytes_count{handler=\"manifest\"}", 1},
	        {"registry_http_in_flight_requests{handler=\"base\"}", 0},
	        {"registry_http_in_flight_requests{handler=\"metrics\"}", 1},
	};
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		double v = exposition_value(&e, expected[i].series);
		if (fabs(v - expected[i].value) > 1e-9)
			fail_msg("%s: %f, expected %f", expected[i].series, v, expected[i].value);
	}
	for (size_t i = 0; i < e.n_samples; i++)
		assert_null(strstr(e.samples[i].series, "secret"));
	exposition_done(&e);
	fixture_close(&f);
}

/* An answer that is an error keeps its end-point. */
static void test_errors_keep_end_point(void **state)
{
	struct fixture f;
	(void)state;
	fixture_open(&f, NULL);
	struct answer a = ask(&f, "PATCH", "/v2/a/blobs/uploads/nonsense");
	assert_true(a.status >= 400);
	assert_string_equal(loci__end_point_name(a.rs->end_point), "blob_upload_chunk");
	answer_done(&a);
	fixture_close(&f);
}

#define THREADS 12 /* more than there are shards */
#define ROUNDS  5000

static void *observe_many(void *arg)
{
	const struct loci_request_sample s = {.struct_size = sizeof(s),
	                                      .method = "PUT",
	                                      .status = 201,
	                                      .bytes_in = 1,
	                                      .duration_us = 1000};
	for (int i = 0; i < ROUNDS; i++)
		loci_registry_observe(arg, &s);
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[THREADS];
	struct exposition e;
	struct fixture f;
	(void)state;
	fixture_open(&f, NULL);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, observe_many, f.registry), 0);
	scrape(&f, &e);
	exposition_done(&e);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	scrape(&f, &e);
	assert_true(
	        exposition_value(&e, REQUESTS "{handler=\"other\",method=\"put\",code=\"201\"}") ==
	        THREADS * ROUNDS);
	assert_true(
	        exposition_value(&e, "registry_http_request_size_bytes_sum{handler=\"other\"}") ==
	        THREADS * ROUNDS);
	exposition_done(&e);
	fixture_close(&f);
}

/* ---- sources --------------------------------------------------------------------------------- */

static void test_sources(void **state)
{
	static const struct loci_metric_family rows[] = {
	        {"mine_total", "x", LOCI_METRIC_COUNTER, collect_number, 0},
	        {"mine", "x", LOCI_METRIC_GAUGE, collect_number, 0},
	};
	static const struct loci_metric_family bad[] = {
	        {"registry_http_requests_total", "x", LOCI_METRIC_COUNTER, collect_number, 0},
	        {"0x", "x", LOCI_METRIC_GAUGE, collect_number, 0},
	        {"a-b", "x", LOCI_METRIC_GAUGE, collect_number, 0},
	        {"", "x", LOCI_METRIC_GAUGE, collect_number, 0},
	        {"ok", NULL, LOCI_METRIC_GAUGE, collect_number, 0},
	        {"ok", "x", 0, collect_number, 0},
	        {"ok", "x", LOCI_METRIC_GAUGE, NULL, 0},
	};
	static const int codes[] = {LOCI_E_EXISTS,  LOCI_E_INVALID, LOCI_E_INVALID, LOCI_E_INVALID,
	                            LOCI_E_INVALID, LOCI_E_INVALID, LOCI_E_INVALID};
	struct exposition e;
	struct fixture f;
	double v = 7;
	(void)state;
	fixture_open(&f, NULL);
	assert_int_equal(loci_registry_metrics_add_source(f.registry, rows, 2, &v, NULL), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(loci_registry_metrics_add_source(f.registry, &bad[i], 1, &v, NULL),
		                 codes[i]);
	scrape(&f, &e);
	assert_true(exposition_value(&e, "mine_total") == 7);
	assert_true(exposition_value(&e, "mine") == 7);
	exposition_done(&e);
	loci_registry_metrics_remove_source(f.registry, &v);
	scrape(&f, &e);
	assert_true(exposition_value(&e, "mine") == -1);
	exposition_done(&e);
	int rc = 0;
	size_t n = 0;
	/* Sources without families, up to the limit. */
	while (rc == 0 && n <= LOCI_METRICS_SOURCES_MAX) {
		rc = loci_registry_metrics_add_source(f.registry, rows, 0, &v, NULL);
		n += rc == 0;
	}
	assert_int_equal(rc, LOCI_E_TOO_LARGE);
	assert_in_range(n, 1, LOCI_METRICS_SOURCES_MAX);
	fixture_close(&f);
}

static void test_disabled(void **state)
{
	const struct loci_registry_opts opts = {.metrics_disabled = true};
	static const struct loci_metric_family row = {"mine", "x", LOCI_METRIC_GAUGE,
	                                              collect_number, 0};
	struct fixture f;
	(void)state;
	fixture_open(&f, &opts);
	expect(&f, 404, "GET", "/metrics");
	exchange(&f, "GET", "/v2/");
	assert_int_equal(loci_registry_metrics_add_source(f.registry, &row, 1, NULL, NULL), 0);
	loci_registry_metrics_remove_source(f.registry, NULL);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_every_family),
	        cmocka_unit_test(test_documented),
	        cmocka_unit_test(test_numbers),
	        cmocka_unit_test(test_escapes),
	        cmocka_unit_test(test_labels),
	        cmocka_unit_test(test_requests),
	        cmocka_unit_test(test_errors_keep_end_point),
	        cmocka_unit_test(test_threads),
	        cmocka_unit_test(test_sources),
	        cmocka_unit_test(test_disabled),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

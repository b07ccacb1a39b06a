/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests, counted under the names and labels of distribution's registry, so that its dashboards
 * go on working.
 *
 * Each thread counts into one of a few shards: an uncontended atomic addition costs some
 * nanoseconds, one that cores pass around costs a hundred. Shards are mostly empty pages, which
 * cost nothing.
 */
#include "registry/metrics.h"

#include "core/base/cleanup.h"
#include "core/base/histogram.h"

#include <string.h>

#define SHARDS   8
#define ROWS_MAX 128 /* of the route table; a test holds it to this */

/* ---- labels ---------------------------------------------------------------------------------- */

/* distribution's where it has one. 0 is what no route was found for, and the server's refusals. */
static const char *const end_points[] = {"other",     "base",    "manifest",    "tags",
                                         "blob",      "catalog", "blob_upload", "blob_upload_chunk",
                                         "referrers", "metrics", "health"};

static const struct {
	const char *pattern;
	const char *name;
} shown_as[] = {
        {"/v2/", "base"},
        {"/v2", "base"},
        {"/v2/_catalog", "catalog"},
        {"/v2/<name>/manifests/<reference>", "manifest"},
        {"/v2/<name>/blobs/<reference>", "blob"},
        {"/v2/<name>/blobs/uploads/", "blob_upload"},
        {"/v2/<name>/blobs/uploads", "blob_upload"},
        {"/v2/<name>/blobs/uploads/<reference>", "blob_upload_chunk"},
        {"/v2/<name>/tags/list", "tags"},
        {"/v2/<name>/referrers/<reference>", "referrers"},
        {"/metrics", "metrics"},
        {"/livez", "health"},
        {"/readyz", "health"},
        {"/", "health"},
};

static const char *const methods[] = {"get",   "head",   "put",     "post",
                                      "patch", "delete", "options", "unknown"};

/* Those that the registry or its server gives, the frequent ones first. 0: nothing was sent. */
static const int codes[] = {200, 404, 201, 202, 206, 304, 401, 204, 0,   100, 301, 302, 307,
                            308, 400, 403, 405, 406, 408, 409, 411, 412, 413, 414, 415, 416,
                            417, 421, 422, 426, 429, 431, 499, 500, 501, 502, 503, 504, 507};

#define N_END_POINTS loci__array_len(end_points)
#define N_METHODS    loci__array_len(methods)
#define N_CODES      (loci__array_len(codes) + 1) /* and "other" */

static unsigned number_of(const char *name)
{
	unsigned i = 0;
	while (i < N_END_POINTS && strcmp(end_points[i], name) != 0)
		i++;
	return i;
}

static unsigned end_point_of(const char *pattern)
{
	for (size_t i = 0; i < loci__array_len(shown_as); i++)
		if (strcmp(shown_as[i].pattern, pattern) == 0)
			return number_of(shown_as[i].name);
	return 0;
}

static void fill_rows(unsigned char of_row[ROWS_MAX])
{
	const struct loci__route *row = loci__routes;
	for (size_t i = 0; row->method && i < ROWS_MAX; i++, row++)
		of_row[i] = (unsigned char)end_point_of(row->pattern);
}

const char *loci__end_point_name(unsigned end_point)
{
	return end_points[end_point < N_END_POINTS ? end_point : 0];
}

static const char *code_name(size_t i, char buf[8])
{
	if (i == loci__array_len(codes))
		return "other";
	snprintf(buf, 8, "%d", codes[i]);
	return buf;
}

static size_t code_index(int status)
{
	size_t i = 0;
	while (i < loci__array_len(codes) && codes[i] != status)
		i++;
	return i;
}

static bool is_method(const char *method, const char *lower)
{
	for (; *method && *lower; method++, lower++)
		if (*method != *lower - 'a' + 'A')
			return false;
	return *method == *lower;
}

static size_t method_index(const char *method)
{
	size_t i = 0;
	while (i < N_METHODS - 1 && !(method && is_method(method, methods[i])))
		i++;
	return i;
}

/* ---- counting -------------------------------------------------------------------------------- */

/* distribution's buckets, and 30 s, which zot's users ask for. */
static const uint64_t duration_us[] = {5000,     10000,    25000,    50000,   100000,
                                       250000,   500000,   1000000,  2500000, 5000000,
                                       10000000, 25000000, 30000000, 60000000};
#define KIB(n) ((uint64_t)1024 << (n))
static const uint64_t size_bytes[] = {KIB(0),  KIB(1),  KIB(2),  KIB(3),  KIB(4),  KIB(5),
                                      KIB(6),  KIB(7),  KIB(8),  KIB(9),  KIB(10), KIB(11),
                                      KIB(12), KIB(13), KIB(14), KIB(15), KIB(16), KIB(17),
                                      KIB(18), KIB(19), KIB(20), KIB(21)};
static const struct loci__bounds durations = {duration_us, loci__array_len(duration_us), 1e-6};
static const struct loci__bounds sizes = {size_bytes, loci__array_len(size_bytes), 1};

struct shard {
	atomic_uint_fast64_t begun[N_END_POINTS];
	atomic_uint_fast64_t ended[N_END_POINTS];
	struct loci__histogram bytes_in[N_END_POINTS];
	struct loci__histogram bytes_out[N_END_POINTS];
	struct loci__histogram duration[N_END_POINTS][N_METHODS];
	atomic_uint_fast64_t requests[N_END_POINTS][N_METHODS][N_CODES];
};

struct loci__http_counts {
	unsigned char of_row[ROWS_MAX]; /* end-point of each row of loci__routes */
	struct shard shards[SHARDS];
};

unsigned loci__metrics_end_point(struct loci__metrics *mx, const struct loci__route *row)
{
	size_t i = (size_t)(row - loci__routes);
	return mx && i < ROWS_MAX ? loci__metrics_http(mx)->of_row[i] : 0;
}

static struct shard *own_shard(struct loci__http_counts *c)
{
	static atomic_uint next;
	static _Thread_local unsigned mine; /* its number and one */
	if (!mine)
		mine = 1 + atomic_fetch_add_explicit(&next, 1, memory_order_relaxed) % SHARDS;
	return &c->shards[mine - 1];
}

void loci__metrics_begin(struct loci__metrics *mx, unsigned end_point)
{
	if (mx)
		loci__count(&own_shard(loci__metrics_http(mx))->begun[end_point], 1);
}

void loci__metrics_end(struct loci__metrics *mx, unsigned end_point)
{
	if (mx)
		loci__count(&own_shard(loci__metrics_http(mx))->ended[end_point], 1);
}

void loci__metrics_observe(struct loci__metrics *mx, const struct loci_request_sample *s)
{
	if (!mx)
		return;
	struct shard *sh = own_shard(loci__metrics_http(mx));
	size_t end_point = s->end_point < N_END_POINTS ? s->end_point : 0;
	size_t method = method_index(s->method);
	loci__count(&sh->requests[end_point][method][code_index(s->status)], 1);
	loci__histogram_count(&sh->duration[end_point][method], &durations, s->duration_us);
	loci__histogram_count(&sh->bytes_in[end_point], &sizes, s->bytes_in);
	loci__histogram_count(&sh->bytes_out[end_point], &sizes, s->bytes_out);
}

/* Zeroed by the kernel: what is never counted has no page. */
struct loci__http_counts *loci__http_counts_new(void)
{
	struct loci__http_counts *c = calloc(1, sizeof(*c));
	if (c)
		fill_rows(c->of_row);
	return c;
}

void loci__http_counts_free(struct loci__http_counts *c)
{
	free(c);
}

/* ---- showing --------------------------------------------------------------------------------- */

static uint64_t requests(const struct loci__http_counts *c, size_t end_point, size_t method,
                         size_t code)
{
	uint64_t n = 0;
	for (size_t i = 0; i < SHARDS; i++)
		n += loci__counted(&c->shards[i].requests[end_point][method][code]);
	return n;
}

static void collect_requests(struct loci_metrics *m, const struct loci_metric_family *f, void *arg)
{
	(void)f;
	for (size_t e = 0; e < N_END_POINTS; e++)
		for (size_t k = 0; k < N_METHODS; k++)
			for (size_t i = 0; i < N_CODES; i++) {
				char code[8];
				const struct loci_metric_label labels[] = {
				        {"handler", end_points[e]},
				        {"method", methods[k]},
				        {"code", code_name(i, code)},
				};
				uint64_t n = requests(arg, e, k, i);
				if (n)
					loci_metrics_value(m, labels, 3, (double)n);
			}
}

static void collect_in_flight(struct loci_metrics *m, const struct loci_metric_family *f, void *arg)
{
	const struct loci__http_counts *c = arg;
	(void)f;
	for (size_t e = 0; e < N_END_POINTS; e++) {
		const struct loci_metric_label label = {"handler", end_points[e]};
		uint64_t n = 0;
		/* What ended before what began: never less than none. */
		for (size_t i = 0; i < SHARDS; i++)
			n -= loci__counted(&c->shards[i].ended[e]);
		for (size_t i = 0; i < SHARDS; i++)
			n += loci__counted(&c->shards[i].begun[e]);
		loci_metrics_value(m, &label, 1, (double)n);
	}
}

static void collect_duration(struct loci_metrics *m, const struct loci_metric_family *f, void *arg)
{
	const struct loci__http_counts *c = arg;
	(void)f;
	for (size_t e = 0; e < N_END_POINTS; e++)
		for (size_t k = 0; k < N_METHODS; k++) {
			const struct loci_metric_label labels[] = {{"handler", end_points[e]},
			                                           {"method", methods[k]}};
			struct loci_histogram h = {0};
			for (size_t i = 0; i < SHARDS; i++)
				loci__histogram_read(&c->shards[i].duration[e][k], &durations, &h);
			if (loci__histogram_total(&h))
				loci_metrics_histogram(m, labels, 2, &h);
		}
}

/* f->offset: which of the shard's two histograms of sizes. */
static void collect_sizes(struct loci_metrics *m, const struct loci_metric_family *f, void *arg)
{
	const struct loci__http_counts *c = arg;
	for (size_t e = 0; e < N_END_POINTS; e++) {
		const struct loci_metric_label label = {"handler", end_points[e]};
		struct loci_histogram h = {0};
		for (size_t i = 0; i < SHARDS; i++) {
			const char *shard = (const char *)&c->shards[i];
			const struct loci__histogram *of =
			        (const struct loci__histogram *)(const void *)(shard + f->offset);
			loci__histogram_read(&of[e], &sizes, &h);
		}
		if (loci__histogram_total(&h))
			loci_metrics_histogram(m, &label, 1, &h);
	}
}

const struct loci_metric_family loci__http_families[] = {
        {"registry_http_requests_total",
         "Requests that were answered or cut; code 0: nothing was sent", LOCI_METRIC_COUNTER,
         collect_requests, 0},
        {"registry_http_in_flight_requests", "Responses that are being made or sent",
         LOCI_METRIC_GAUGE, collect_in_flight, 0},
        {"registry_http_request_duration_seconds",
         "From the whole request head to the last byte of the response", LOCI_METRIC_HISTOGRAM,
         collect_duration, 0},
        {"registry_http_request_size_bytes", "Bytes of request bodies", LOCI_METRIC_HISTOGRAM,
         collect_sizes, offsetof(struct shard, bytes_in)},
        {"registry_http_response_size_bytes", "Bytes of response bodies", LOCI_METRIC_HISTOGRAM,
         collect_sizes, offsetof(struct shard, bytes_out)},
};
const size_t loci__n_http_families = loci__array_len(loci__http_families);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sources of numbers, and the answer of /metrics. One lock: a source is not taken away while it
 * is asked, and two scrapers wait for each other rather than ask the disk twice.
 */
#include "registry/metrics.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "loci/version.h"
#include "registry/handlers.h"

#include <pthread.h>
#include <string.h>

struct source {
	const struct loci_metric_family *families;
	size_t n;
	void *arg;
};

struct loci__metrics {
	struct loci__http_counts *http;
	pthread_mutex_t lock;
	struct source sources[LOCI_METRICS_SOURCES_MAX];
	size_t n_sources;
};

/* ---- what stands alone ----------------------------------------------------------------------- */

static void collect_build(struct loci_metrics *m, const struct loci_metric_family *f, void *arg)
{
	const struct loci_metric_label label = {"version", LOCI_VERSION};
	(void)f, (void)arg;
	loci_metrics_value(m, &label, 1, 1);
}

static const struct loci_metric_family build_families[] = {
        {"loci_build_info", "Always 1; the version is in its label", LOCI_METRIC_GAUGE,
         collect_build, 0},
};

/* ---- sources --------------------------------------------------------------------------------- */

static bool is_taken(const struct loci__metrics *mx, const char *name)
{
	for (size_t i = 0; i < mx->n_sources; i++)
		for (size_t j = 0; j < mx->sources[i].n; j++)
			if (strcmp(mx->sources[i].families[j].name, name) == 0)
				return true;
	return false;
}

static int check(const struct loci__metrics *mx, const struct loci_metric_family *families,
                 size_t n, struct loci_error *err)
{
	for (size_t i = 0; i < n; i++) {
		const struct loci_metric_family *f = &families[i];
		if (!f->name || !f->help || !f->collect || f->type < LOCI_METRIC_COUNTER ||
		    f->type > LOCI_METRIC_HISTOGRAM || !loci__metric_name_is_valid(f->name))
			return loci__err_set(err, LOCI_E_INVALID, "metrics: family '%s'",
			                     f->name ? f->name : "");
		if (is_taken(mx, f->name))
			return loci__err_set(err, LOCI_E_EXISTS, "metrics: family '%s' is there",
			                     f->name);
	}
	if (mx->n_sources == LOCI_METRICS_SOURCES_MAX)
		return loci__err_set(err, LOCI_E_TOO_LARGE, "metrics: more than %d sources",
		                     LOCI_METRICS_SOURCES_MAX);
	return 0;
}

int loci__metrics_add(struct loci__metrics *mx, const struct loci_metric_family *families, size_t n,
                      void *arg, struct loci_error *err)
{
	pthread_mutex_lock(&mx->lock);
	int rc = check(mx, families, n, err);
	if (rc == 0)
		mx->sources[mx->n_sources++] = (struct source){families, n, arg};
	pthread_mutex_unlock(&mx->lock);
	return rc;
}

void loci__metrics_remove(struct loci__metrics *mx, void *arg)
{
	size_t kept = 0;
	pthread_mutex_lock(&mx->lock);
	for (size_t i = 0; i < mx->n_sources; i++)
		if (mx->sources[i].arg != arg)
			mx->sources[kept++] = mx->sources[i];
	mx->n_sources = kept;
	pthread_mutex_unlock(&mx->lock);
}

size_t loci__metrics_n_sources(const struct loci__metrics *mx)
{
	return mx->n_sources;
}

const struct loci_metric_family *loci__metrics_source(const struct loci__metrics *mx, size_t i,
                                                      size_t *ret_n)
{
	*ret_n = mx->sources[i].n;
	return mx->sources[i].families;
}

int loci_registry_metrics_add_source(struct loci_registry *r,
                                     const struct loci_metric_family *families, size_t n, void *arg,
                                     struct loci_error *err)
{
	return r->metrics ? loci__metrics_add(r->metrics, families, n, arg, err) : 0;
}

void loci_registry_metrics_remove_source(struct loci_registry *r, void *arg)
{
	if (r->metrics)
		loci__metrics_remove(r->metrics, arg);
}

void loci_registry_observe(struct loci_registry *r, const struct loci_request_sample *given)
{
	struct loci_request_sample s = {0};
	memcpy(&s, given, given->struct_size < sizeof(s) ? given->struct_size : sizeof(s));
	loci__metrics_observe(r->metrics, &s);
}

/* ---- life ------------------------------------------------------------------------------------ */

int loci__metrics_new(struct loci_store *store, struct loci__metrics **ret, struct loci_error *err)
{
	struct loci__metrics *mx = calloc(1, sizeof(*mx));
	struct loci__http_counts *http = mx ? loci__http_counts_new() : NULL;
	if (!http) {
		free(mx);
		return loci__err_nomem(err);
	}
	mx->http = http;
	pthread_mutex_init(&mx->lock, NULL);
	mx->sources[0] = (struct source){build_families, loci__array_len(build_families), NULL};
	mx->sources[1] = (struct source){loci__http_families, loci__n_http_families, http};
	mx->sources[2] = (struct source){loci__process_families, loci__n_process_families, mx};
	mx->sources[3] = (struct source){loci__store_families, loci__n_store_families, store};
	mx->n_sources = 4;
	*ret = mx;
	return 0;
}

void loci__metrics_free(struct loci__metrics *mx)
{
	if (!mx)
		return;
	pthread_mutex_destroy(&mx->lock);
	loci__http_counts_free(mx->http);
	free(mx);
}

struct loci__http_counts *loci__metrics_http(struct loci__metrics *mx)
{
	return mx->http;
}

/* ---- the answer ------------------------------------------------------------------------------ */

void loci__metrics_print(struct loci__metrics *mx, struct loci_buf *out)
{
	pthread_mutex_lock(&mx->lock);
	for (size_t i = 0; i < mx->n_sources; i++)
		for (size_t j = 0; j < mx->sources[i].n; j++)
			loci__metric_family_print(&mx->sources[i].families[j], mx->sources[i].arg,
			                          out);
	pthread_mutex_unlock(&mx->lock);
}

void loci__handle_metrics(struct loci__rq *rq, struct loci__rs *rs)
{
	struct loci_buf text loci__cleanup_buf = LOCI_BUF_INIT(LOCI_METRICS_TEXT_MAX);
	if (!rq->reg->metrics) {
		loci__rs_error(rs, 404, "UNSUPPORTED", "metrics are switched off",
		               /* detail= */ NULL);
		return;
	}
	loci__metrics_print(rq->reg->metrics, &text);
	loci__rs_body_take(rs, "text/plain; version=0.0.4; charset=utf-8", &text);
}

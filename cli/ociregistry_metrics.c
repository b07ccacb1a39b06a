/* SPDX-License-Identifier: Apache-2.0 */
/* What the program's collections did, at /metrics. */
#include "cli/ociregistry.h"
#include "core/base/cleanup.h"
#include "core/base/histogram.h"
#include "loci/gc.h"
#include "loci/metrics.h"

#include <stdatomic.h>

static struct {
	atomic_uint_fast64_t passes, failed;
	atomic_uint_fast64_t duration_ms, longest_step_us; /* of the last pass */
	atomic_uint_fast64_t removed[LOCI_GC_KINDS], bytes;
} collected;

void loci__ociregistry_count_collection(void *arg, int rc, const struct loci_gc_stats *stats)
{
	(void)arg;
	if (rc < 0 && !loci_gc_is_failure(rc))
		return;
	loci__count(rc < 0 ? &collected.failed : &collected.passes, 1);
	atomic_store(&collected.duration_ms, stats->duration_ms);
	atomic_store(&collected.longest_step_us, stats->longest_step_us);
	for (int i = 0; i < LOCI_GC_KINDS; i++) {
		loci__count(&collected.removed[i], stats->of[i].removed);
		loci__count(&collected.bytes, stats->of[i].bytes);
	}
}

static void collect_passes(struct loci_metrics *m, const struct loci_metric_family *f, void *arg)
{
	static const struct loci_metric_label ok = {"result", "ok"}, failed = {"result", "failed"};
	(void)f, (void)arg;
	loci_metrics_value(m, &ok, 1, (double)loci__counted(&collected.passes));
	loci_metrics_value(m, &failed, 1, (double)loci__counted(&collected.failed));
}

static void collect_removed(struct loci_metrics *m, const struct loci_metric_family *f, void *arg)
{
	(void)f, (void)arg;
	for (int i = 0; i < LOCI_GC_KINDS; i++) {
		const struct loci_metric_label label = {"kind", loci_gc_kind_name(i)};
		loci_metrics_value(m, &label, 1, (double)loci__counted(&collected.removed[i]));
	}
}

static void collect_freed(struct loci_metrics *m, const struct loci_metric_family *f, void *arg)
{
	(void)f, (void)arg;
	loci_metrics_value(m, NULL, 0, (double)loci__counted(&collected.bytes));
}

static void collect_duration(struct loci_metrics *m, const struct loci_metric_family *f, void *arg)
{
	(void)f, (void)arg;
	loci_metrics_value(m, NULL, 0, (double)loci__counted(&collected.duration_ms) / 1e3);
}

static void collect_step(struct loci_metrics *m, const struct loci_metric_family *f, void *arg)
{
	(void)f, (void)arg;
	loci_metrics_value(m, NULL, 0, (double)loci__counted(&collected.longest_step_us) / 1e6);
}

static const struct loci_metric_family gc_families[] = {
        {"loci_gc_passes_total", "Collections of this process, by result", LOCI_METRIC_COUNTER,
         collect_passes, 0},
        {"loci_gc_removed_total", "What they removed, by kind", LOCI_METRIC_COUNTER,
         collect_removed, 0},
        {"loci_gc_freed_bytes_total", "Bytes that became free", LOCI_METRIC_COUNTER, collect_freed,
         0},
        {"loci_gc_last_duration_seconds", "How long the last one took", LOCI_METRIC_GAUGE,
         collect_duration, 0},
        {"loci_gc_last_longest_step_seconds",
         "Its longest step: what a push may have waited for it", LOCI_METRIC_GAUGE, collect_step,
         0},
};

int loci__ociregistry_metrics_add(struct loci_registry *registry, struct loci_error *err)
{
	return loci_registry_metrics_add_source(registry, gc_families, loci__array_len(gc_families),
	                                        &collected, err);
}

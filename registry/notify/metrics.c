/* SPDX-License-Identifier: Apache-2.0 */
/* Deliveries at /metrics, under the names and labels of distribution's notifications. */
#include "registry/notify/notify.h"

#include "core/base/cleanup.h"
#include "core/base/histogram.h"

#include <stdio.h>

/* distribution's words; "Rejected" and "Lost" are ours. */
static const struct {
	const char *type;
	size_t offset;
} kinds[] = {
        {"Events", offsetof(struct loci__notify_counts, events)},
        {"Successes", offsetof(struct loci__notify_counts, delivered)},
        {"Failures", offsetof(struct loci__notify_counts, failures)},
        {"Errors", offsetof(struct loci__notify_counts, errors)},
        {"Rejected", offsetof(struct loci__notify_counts, rejected)},
        {"Lost", offsetof(struct loci__notify_counts, lost)},
};

static uint64_t count_at(const struct loci__endpoint *ep, size_t offset)
{
	const char *counts = (const char *)&ep->counts;
	return loci__counted((const atomic_uint_fast64_t *)(const void *)(counts + offset));
}

static void collect_events(struct loci_metrics *m, const struct loci_metric_family *f, void *arg)
{
	const struct loci_notify *n = arg;
	(void)f;
	for (size_t i = 0; i < n->n_endpoints; i++)
		for (size_t k = 0; k < loci__array_len(kinds); k++) {
			const struct loci_metric_label labels[] = {
			        {"type", kinds[k].type}, {"endpoint", n->endpoints[i].rule.name}};
			loci_metrics_value(m, labels, loci__array_len(labels),
			                   (double)count_at(&n->endpoints[i], kinds[k].offset));
		}
}

static void collect_status(struct loci_metrics *m, const struct loci_metric_family *f, void *arg)
{
	const struct loci_notify *n = arg;
	(void)f;
	for (size_t i = 0; i < n->n_endpoints; i++)
		for (size_t code = 0; code < LOCI_NOTIFY_STATUS_MAX; code++) {
			char text[8];
			const struct loci_metric_label labels[] = {
			        {"code", text}, {"endpoint", n->endpoints[i].rule.name}};
			uint64_t times = loci__counted(&n->endpoints[i].counts.status[code]);
			if (!times)
				continue;
			snprintf(text, sizeof(text), "%zu", code);
			loci_metrics_value(m, labels, loci__array_len(labels), (double)times);
		}
}

static void collect_pending(struct loci_metrics *m, const struct loci_metric_family *f, void *arg)
{
	const struct loci_notify *n = arg;
	struct loci_event_stats s = {.struct_size = sizeof(s)};
	(void)f;
	if (loci_event_stats(n->shared.store, &s, /* err= */ NULL) < 0)
		return;
	for (size_t i = 0; i < n->n_endpoints; i++) {
		const struct loci_metric_label label = {"endpoint", n->endpoints[i].rule.name};
		uint64_t mark = loci__counted(&n->endpoints[i].counts.mark);
		loci_metrics_value(m, &label, 1, mark < s.last ? (double)(s.last - mark) : 0);
	}
}

static void collect_last_ok(struct loci_metrics *m, const struct loci_metric_family *f, void *arg)
{
	const struct loci_notify *n = arg;
	(void)f;
	for (size_t i = 0; i < n->n_endpoints; i++) {
		const struct loci_metric_label label = {"endpoint", n->endpoints[i].rule.name};
		loci_metrics_value(m, &label, 1,
		                   (double)loci__counted(&n->endpoints[i].counts.last_ok));
	}
}

/* f->offset: a uint64_t of struct loci_event_stats. */
static void collect_queue(struct loci_metrics *m, const struct loci_metric_family *f, void *arg)
{
	const struct loci_notify *n = arg;
	struct loci_event_stats s = {.struct_size = sizeof(s)};
	if (loci_event_stats(n->shared.store, &s, /* err= */ NULL) == 0)
		loci_metrics_value(
		        m, NULL, 0,
		        (double)*(const uint64_t *)(const void *)((const char *)&s + f->offset));
}

const struct loci_metric_family loci__notify_families[] = {
        {"registry_notifications_events_total",
         "Events met, delivered, given up or lost, and requests that failed, by type",
         LOCI_METRIC_COUNTER, collect_events, 0},
        {"registry_notifications_status_total", "Answers of end-points by status",
         LOCI_METRIC_COUNTER, collect_status, 0},
        {"registry_notifications_pending_total",
         "Events in the queue behind an end-point's mark, those that it does not want too",
         LOCI_METRIC_GAUGE, collect_pending, 0},
        {"loci_notifications_last_success_timestamp_seconds",
         "When a request was last taken, in seconds since the epoch; 0: not yet", LOCI_METRIC_GAUGE,
         collect_last_ok, 0},
        {"loci_events_waiting", "Events in the queue", LOCI_METRIC_GAUGE, collect_queue,
         offsetof(struct loci_event_stats, waiting)},
        {"loci_events_dropped_total", "Events that fell out of the full queue, ever",
         LOCI_METRIC_COUNTER, collect_queue, offsetof(struct loci_event_stats, dropped)},
};
const size_t loci__n_notify_families = loci__array_len(loci__notify_families);

int loci__notify_metrics_add(struct loci_notify *n, struct loci_registry *registry,
                             struct loci_error *err)
{
	int rc = loci_registry_metrics_add_source(registry, loci__notify_families,
	                                          loci__n_notify_families, n, err);
	if (rc == 0)
		n->registry = registry;
	return rc;
}

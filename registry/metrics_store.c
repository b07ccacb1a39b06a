/* SPDX-License-Identifier: Apache-2.0 */
/* The store's numbers: its disk, its index, its one writer, and what is in it. */
#include "registry/metrics.h"

#include "core/base/cleanup.h"
#include "loci/stats.h"
#include "loci/usage.h"

/* f->offset: a uint64_t of struct loci_store_stats. */
static void collect_stat(struct loci_metrics *m, const struct loci_metric_family *f, void *arg)
{
	struct loci_store_stats s = {.struct_size = sizeof(s)};
	if (loci_store_stats(arg, &s, /* err= */ NULL) == 0)
		loci_metrics_value(
		        m, NULL, 0,
		        (double)*(const uint64_t *)(const void *)((const char *)&s + f->offset));
}

static void collect_batches(struct loci_metrics *m, const struct loci_metric_family *f, void *arg)
{
	struct loci_store_stats s = {.struct_size = sizeof(s)};
	(void)f;
	if (loci_store_stats(arg, &s, /* err= */ NULL) == 0)
		loci_metrics_histogram(m, NULL, 0, &s.batches);
}

/* distribution times what it asks of its storage driver; of a store that is one, the commit is what
 * a push waits for. */
static void collect_commits(struct loci_metrics *m, const struct loci_metric_family *f, void *arg)
{
	static const struct loci_metric_label labels[] = {{"driver", "loci"}, {"action", "Commit"}};
	struct loci_store_stats s = {.struct_size = sizeof(s)};
	(void)f;
	if (loci_store_stats(arg, &s, /* err= */ NULL) == 0)
		loci_metrics_histogram(m, labels, loci__array_len(labels), &s.commits);
}

/* f->offset: a uint64_t of struct loci_usage. */
static void collect_usage(struct loci_metrics *m, const struct loci_metric_family *f, void *arg)
{
	struct loci_usage u;
	if (loci_usage_get(arg, /* path= */ NULL, &u, /* err= */ NULL) == 0)
		loci_metrics_value(
		        m, NULL, 0,
		        (double)*(const uint64_t *)(const void *)((const char *)&u + f->offset));
}

struct uploads {
	uint64_t open;
	uint64_t bytes;
};

static int count_upload(void *arg, const struct loci_upload_info *info)
{
	struct uploads *u = arg;
	u->open++;
	u->bytes += info->bytes;
	return 0;
}

/* f->offset: a field of struct uploads. */
static void collect_uploads(struct loci_metrics *m, const struct loci_metric_family *f, void *arg)
{
	struct uploads u = {0};
	if (loci_upload_foreach(arg, count_upload, &u, /* err= */ NULL) == 0)
		loci_metrics_value(
		        m, NULL, 0,
		        (double)*(const uint64_t *)(const void *)((const char *)&u + f->offset));
}

#define STAT(field)  offsetof(struct loci_store_stats, field)
#define USAGE(field) offsetof(struct loci_usage, field)
const struct loci_metric_family loci__store_families[] = {
        {"registry_storage_action_seconds", "Transactions of the index, their sync included",
         LOCI_METRIC_HISTOGRAM, collect_commits, 0},
        {"loci_index_batch_operations", "Operations that shared one transaction",
         LOCI_METRIC_HISTOGRAM, collect_batches, 0},
        {"loci_index_queue_operations", "Operations that wait for the index's writer",
         LOCI_METRIC_GAUGE, collect_stat, STAT(queue)},
        {"loci_index_size_bytes", "Disk space of the index", LOCI_METRIC_GAUGE, collect_stat,
         STAT(index_bytes)},
        {"loci_disk_size_bytes", "Size of the file system that holds the store", LOCI_METRIC_GAUGE,
         collect_stat, STAT(disk_bytes)},
        {"loci_disk_free_bytes", "What of it may still be taken", LOCI_METRIC_GAUGE, collect_stat,
         STAT(disk_free_bytes)},
        {"loci_uploads_open", "Open upload sessions", LOCI_METRIC_GAUGE, collect_uploads,
         offsetof(struct uploads, open)},
        {"loci_uploads_bytes", "Bytes in them", LOCI_METRIC_GAUGE, collect_uploads,
         offsetof(struct uploads, bytes)},
        {"loci_repositories_bytes",
         "Bytes of manifests and blobs, counted in each repository that has them",
         LOCI_METRIC_GAUGE, collect_usage, USAGE(bytes)},
        {"loci_repositories_blobs", "Blobs, counted likewise", LOCI_METRIC_GAUGE, collect_usage,
         USAGE(blobs)},
        {"loci_repositories_manifests", "Manifests, counted likewise", LOCI_METRIC_GAUGE,
         collect_usage, USAGE(manifests)},
        {"loci_repositories_tags", "Tags of all repositories", LOCI_METRIC_GAUGE, collect_usage,
         USAGE(tags)},
};
const size_t loci__n_store_families = loci__array_len(loci__store_families);

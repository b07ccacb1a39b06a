/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOCI_REGISTRY_NOTIFY_NOTIFY_H
#define LOCI_REGISTRY_NOTIFY_NOTIFY_H

#include "core/base/rand.h"
#include "loci/metrics.h"
#include "registry/notify/endpoint.h"

struct loci_notify {
	struct loci__notify_shared shared;
	struct loci_registry *registry; /* that shows our numbers, or NULL */
	uint64_t queue_max;
	int lock_fd; /* held while we deliver, or -1 */
	pthread_t waiter;
	bool waits;
	char host[256];
	char source[512];
	char user_agent[128];
	char instance[LOCI_UUID_MAX];
	size_t n_endpoints;
	struct loci__endpoint endpoints[LOCI_NOTIFY_ENDPOINTS_MAX];
};

/* metrics.c */
int loci__notify_metrics_add(struct loci_notify *n, struct loci_registry *registry,
                             struct loci_error *err);
extern const struct loci_metric_family loci__notify_families[]; /* arg: struct loci_notify */
extern const size_t loci__n_notify_families;

#endif

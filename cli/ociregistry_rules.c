/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of retention in a server: its upkeep applies them before each collection, on a thread
 * of its own, while SIGHUP may replace them. A run goes on with the rules that it began with.
 */
#include "cli/ociregistry.h"
#include "core/base/logger.h"
#include "loci/retention.h"

#include <inttypes.h>

#define COMPONENT "retention"

#define S struct loci_ociregistry_settings

void loci__ociregistry_rules_init(struct loci_ociregistry_rules *r, struct loci_store *store,
                                  const struct loci_log *log)
{
	*r = (struct loci_ociregistry_rules){.store = store, .log = log};
	pthread_mutex_init(&r->lock, NULL);
}

void loci__ociregistry_rules_done(struct loci_ociregistry_rules *r)
{
	if (!r->store)
		return; /* never begun */
	loci_retention_free(r->now);
	pthread_mutex_destroy(&r->lock);
}

/* With the lock held. */
static void replace(struct loci_ociregistry_rules *r, struct loci_retention *take_rules)
{
	if (r->now != r->running)
		loci_retention_free(r->now); /* else whoever runs them does */
	r->now = take_rules;
}

int loci__ociregistry_rules_set(struct loci_ociregistry_rules *r, const S *s,
                                struct loci_error *err)
{
	struct loci_retention *rules = NULL;
	int rc = s->retention_rules.n == 0
	                 ? 0
	                 : loci_retention_parse(s->retention_rules.v, s->retention_rules.n, &rules,
	                                        err);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&r->lock);
	replace(r, rules);
	pthread_mutex_unlock(&r->lock);
	return 0;
}

static const struct loci_retention *begin(struct loci_ociregistry_rules *r)
{
	pthread_mutex_lock(&r->lock);
	r->running = r->now;
	pthread_mutex_unlock(&r->lock);
	return r->running;
}

static void end(struct loci_ociregistry_rules *r)
{
	pthread_mutex_lock(&r->lock);
	if (r->running != r->now)
		loci_retention_free((struct loci_retention *)r->running);
	r->running = NULL;
	pthread_mutex_unlock(&r->lock);
}

static void log_item(void *arg, const struct loci_retention_item *item)
{
	const struct loci_ociregistry_rules *r = arg;
	char digest[LOCI_DIGEST_STR_MAX];
	loci_digest_format(item->digest, digest);
	const struct loci_log_field fields[] = {
	        {"repository", item->repo},
	        {"tag", item->tag ? item->tag : ""},
	        {"digest", digest},
	        {"why", item->why},
	};
	loci__log_fields(r->log, LOCI_LOG_INFO, COMPONENT,
	                 item->tag ? "tag removed" : "manifest removed", fields,
	                 sizeof(fields) / sizeof(fields[0]));
}

static int run(struct loci_ociregistry_rules *r, const struct loci_retention *rules,
               loci_retention_canceled_fn is_canceled, void *cancel_arg, struct loci_error *err)
{
	struct loci_retention_stats stats = {.struct_size = sizeof(stats)};
	const struct loci_retention_opts o = {
	        .struct_size = sizeof(o),
	        .report = log_item,
	        .report_arg = r,
	        .is_canceled = is_canceled,
	        .cancel_arg = cancel_arg,
	};
	int rc = loci_retention_run(rules, r->store, &o, &stats, err);
	loci__log(r->log, LOCI_LOG_DEBUG, COMPONENT,
	          "%" PRIu64 " of %" PRIu64 " tags and %" PRIu64 " of %" PRIu64
	          " manifests removed in %" PRIu64 " ms",
	          stats.tags_removed, stats.tags, stats.manifests_removed, stats.manifests,
	          stats.duration_ms);
	/* A store at rest and a server that ends are as they should be. */
	return rc == LOCI_E_READ_ONLY || rc == LOCI_E_CANCELED ? 0 : rc;
}

int loci__ociregistry_rules_run(void *arg, bool (*is_canceled)(void *arg), void *cancel_arg,
                                struct loci_error *err)
{
	struct loci_ociregistry_rules *r = arg;
	const struct loci_retention *rules = begin(r);
	int rc = rules ? run(r, rules, is_canceled, cancel_arg, err) : 0;
	end(r);
	return rc;
}

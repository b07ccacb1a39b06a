/* SPDX-License-Identifier: Apache-2.0 */
/* The webhooks of ociregistry: from settings to loci/notify.h. */
#include "cli/ociregistry.h"
#include "loci/notify.h"

int loci__ociregistry_notify_new(const struct loci_invocation *inv, struct loci_store *store,
                                 struct loci_registry *registry, struct loci_notify **ret,
                                 struct loci_error *err)
{
	const struct loci_ociregistry_settings *s = inv->settings;
	const struct loci_notify_opts o = {
	        .struct_size = sizeof(o),
	        .store = store,
	        .registry = registry,
	        .log = inv->log,
	        .endpoints = s->notify_endpoints.v,
	        .n_endpoints = s->notify_endpoints.n,
	        .headers = s->notify_headers.v,
	        .n_headers = s->notify_headers.n,
	        .secrets = s->notify_secrets.v,
	        .n_secrets = s->notify_secrets.n,
	        .source = s->notify_source,
	        .queue_max = s->notify_queue_max,
	        .timeout_ms = (unsigned)s->notify_timeout_ms,
	        .retry_ms = (unsigned)s->notify_retry_ms,
	        .retry_max_ms = (unsigned)s->notify_retry_max_ms,
	        .rejects_max = s->notify_rejects_max,
	};
	return loci_notify_new(&o, ret, err);
}

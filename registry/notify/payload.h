/* SPDX-License-Identifier: Apache-2.0 */
/* Events as the bodies of requests. */
#ifndef LOCI_REGISTRY_NOTIFY_PAYLOAD_H
#define LOCI_REGISTRY_NOTIFY_PAYLOAD_H

#include "core/base/buf.h"
#include "loci/event.h"

#define LOCI_NOTIFY_BODY_MAX (4u << 20) /* bytes */

/* What tells this registry from others. */
struct loci__notify_source {
	const char *source;   /* a URI reference, CloudEvents' "source" */
	const char *base_url; /* "https://registry.example", for links, or NULL */
	const char *host;     /* this machine */
	const char *instance; /* of this run */
};

/* Type of an event in CloudEvents ("loci.manifest.pushed"), and what registry:2 calls the action.
 */
const char *loci__event_type_name(int type);
const char *loci__event_action(int type);

/* CloudEvents 1.0, structured: one object, or with `batch` a list. */
void loci__payload_cloudevents(const struct loci__notify_source *src,
                               struct loci_event *const *events, size_t n, bool batch,
                               struct loci_buf *out);
/* The envelope of distribution: an entry for each tag of each event. */
void loci__payload_distribution(const struct loci__notify_source *src,
                                struct loci_event *const *events, size_t n, struct loci_buf *out);

#endif

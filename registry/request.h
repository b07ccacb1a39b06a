/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request on its way through a handler: what the route found in its path, its query, and the
 * registry that it belongs to. Lives on the stack of loci_registry_handle; a sink copies what it
 * needs longer.
 */
#ifndef LOCI_REGISTRY_REQUEST_H
#define LOCI_REGISTRY_REQUEST_H

#include "loci/registry.h"

#include "registry/policy.h"
#include "registry/response.h"
#include "registry/target.h"

#include <stdatomic.h>

#define LOCI_MEDIA_TYPE_MAX 255
#define LOCI_PUT_TAGS_MAX   64 /* ?tag= of one manifest PUT */

struct loci__metrics;

struct loci_registry {
	struct loci_store *store;
	struct loci_log log;
	uint64_t max_manifest_size;
	uint64_t max_upload_size; /* UINT64_MAX: the store's */
	unsigned list_max;
	struct loci__metrics *metrics;   /* or NULL: switched off */
	struct loci__policies *policies; /* what may change meanwhile */
	struct loci__rates *rates;       /* of clients */
	bool (*may_read)(void *arg, const struct loci_http_request *rq, const char *repo);
	void *may_read_arg;
	uint64_t min_free;
	atomic_bool draining;
};

struct loci__rq {
	const struct loci_registry *reg;
	const struct loci__policy *policy; /* of this request, to its end */
	const struct loci_http_request *http;
	const struct loci__target *target;
	bool head;                    /* HEAD: the body will not be sent */
	char name[LOCI_REPO_MAX + 1]; /* "" when the route has none */
	const char *reference;        /* the path's last part, likewise; of any length */
};

/* The n-th header of that (lower-case) name, or NULL. */
const char *loci__rq_header(const struct loci__rq *rq, const char *name, size_t n);

/* Whether its server can send a body in parts; one that was built with an older header cannot. */
bool loci__rq_takes_parts(const struct loci__rq *rq);
bool loci__rq_must_not_block(const struct loci__rq *rq);

/* A query parameter that may stand once. False when the response has been filled with an error;
 * *ret is NULL when it is absent. */
bool loci__rq_param(const struct loci__rq *rq, const char *key, const char **ret,
                    struct loci__rs *rs);
/* The path's last part as a digest; false likewise. */
bool loci__rq_digest(const struct loci__rq *rq, struct loci_digest *ret, struct loci__rs *rs);
/* Any text as a digest; false likewise. */
bool loci__rq_parse_digest(const struct loci__rq *rq, const char *text, struct loci_digest *ret,
                           struct loci__rs *rs);

#endif

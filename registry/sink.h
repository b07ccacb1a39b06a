/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What takes a request's body: an upload session or a manifest's buffer. A kind embeds the struct
 * first and brings three functions; the public ones below it keep response and sink from pointing
 * at each other's remains, in whichever order the server ends them.
 */
#ifndef LOCI_REGISTRY_SINK_H
#define LOCI_REGISTRY_SINK_H

#include "registry/origin.h"
#include "registry/response.h"

struct loci__sink_kind {
	/* On failure fills rs and returns a negative code. */
	int (*write)(struct loci_http_sink *sink, const void *p, size_t n, struct loci__rs *rs);
	/* Fills rs. Frees the sink. */
	void (*finish)(struct loci_http_sink *sink, struct loci__rs *rs);
	/* Frees the sink. */
	void (*abort)(struct loci_http_sink *sink);
};

struct loci_http_sink {
	const struct loci__sink_kind *kind;
	struct loci__rs *rs;        /* the response that it came in, NULL when that is gone */
	struct loci_origin *origin; /* who sends it, when somebody wants to know */
};

#endif

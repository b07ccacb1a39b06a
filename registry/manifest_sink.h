/* SPDX-License-Identifier: Apache-2.0 */
/* The sink of manifests: collects the body up to the limit, then stores it and its tags at once. */
#ifndef LOCI_REGISTRY_MANIFEST_SINK_H
#define LOCI_REGISTRY_MANIFEST_SINK_H

#include "registry/request.h"
#include "registry/sink.h"

struct loci__manifest_sink_opts {
	char media_type[LOCI_MEDIA_TYPE_MAX + 1]; /* "": as the document says */
	struct loci_digest digest;                /* it was pushed by; .alg == 0: by tag */
	const char *tags[LOCI_PUT_TAGS_MAX];      /* copied */
	size_t n_tags;
	bool tell_tags; /* answer with OCI-Tag */
};
/* NULL and rs filled when memory is out. */
struct loci_http_sink *loci__manifest_sink_new(const struct loci__rq *rq,
                                               const struct loci__manifest_sink_opts *o,
                                               struct loci__rs *rs);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The sink of blob uploads: bytes into a session of the store, and what its end means. */
#ifndef LOCI_REGISTRY_UPLOAD_H
#define LOCI_REGISTRY_UPLOAD_H

#include "registry/range.h"
#include "registry/request.h"
#include "registry/sink.h"

struct loci__upload_sink_opts {
	/* Verify and make visible at the end; .alg == 0: keep the session open for more. */
	struct loci_digest digest;
	/* Bytes that must come, UINT64_MAX: any number. */
	uint64_t expected;
	/* Nobody knows the session's id yet: an aborted body ends it. */
	bool discard_on_abort;
};
/* Takes the session in every case; NULL and rs filled when memory is out. */
struct loci_http_sink *loci__upload_sink_new(const struct loci__rq *rq, struct loci_upload *take_up,
                                             const struct loci__upload_sink_opts *o,
                                             struct loci__rs *rs);

/* Location, Range and Docker-Upload-UUID of a session at an offset. */
void loci__upload_describe(struct loci__rs *rs, const char *repo, const char *id, uint64_t offset);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/sink.h"

#include "core/base/cleanup.h"
#include "registry/limit.h"

/* From here on the response no longer knows the sink. */
static void detach(struct loci_http_sink *sink)
{
	if (!sink->rs)
		return;
	if (sink->rs->http.sink == sink)
		sink->rs->http.sink = NULL;
	sink->rs->sink = NULL;
	sink->rs = NULL;
}

int loci_http_sink_write(struct loci_http_sink *sink, const void *p, size_t n,
                         struct loci_http_response *rs)
{
	int r = sink->kind->write(sink, p, n, (struct loci__rs *)rs);
	if (r < 0)
		loci__limit_settle((struct loci__rs *)rs);
	return r;
}

void loci_http_sink_finish(struct loci_http_sink *take_sink, struct loci_http_response *rs)
{
	struct loci_origin *origin loci__cleanup_free = loci__steal_ptr(&take_sink->origin);
	detach(take_sink);
	/* Without a body it is finished by its handler, for which the origin is set already. */
	const struct loci_origin *before = origin ? loci_origin_set(origin) : NULL;
	take_sink->kind->finish(take_sink, (struct loci__rs *)rs);
	if (origin)
		loci_origin_set(before);
	loci__limit_settle((struct loci__rs *)rs);
}

void loci_http_sink_abort(struct loci_http_sink *sink)
{
	if (!sink)
		return;
	free(loci__steal_ptr(&sink->origin));
	detach(sink);
	sink->kind->abort(sink);
}

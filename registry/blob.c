/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs that are there: spec.md "Pulling blobs", "Checking if content exists", "Deleting Blobs". */
#include "registry/handlers.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "registry/condition.h"
#include "registry/multipart.h"
#include "registry/problem.h"

#include <inttypes.h>

/* A digest names its bytes for ever. */
#define CACHE_FOR_EVER "max-age=31536000, immutable"

#define CONTENT_TYPE "application/octet-stream"

static void describe(struct loci__rs *rs, const struct loci_digest *d, uint64_t size)
{
	loci__rs_content(rs, d);
	loci__rs_header_ref(rs, "accept-ranges", "bytes");
	loci__rs_header_ref(rs, "cache-control", CACHE_FOR_EVER);
	loci__rs_header_ref(rs, "x-content-type-options", "nosniff");
	rs->http.content_length = size;
}

static void not_modified(struct loci__rs *rs, const struct loci_digest *d)
{
	loci__rs_reset(rs, 304);
	loci__rs_content(rs, d);
	loci__rs_header_ref(rs, "cache-control", CACHE_FOR_EVER);
}

static void send_range(struct loci__rs *rs, const struct loci__range *range, uint64_t size)
{
	loci__rs_header_ref(rs, "content-type", CONTENT_TYPE);
	loci__rs_header(rs, "content-range", "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, range->first,
	                range->last, size);
	rs->http.file_off = range->first;
	rs->http.file_len = range->last - range->first + 1;
	rs->http.content_length = rs->http.file_len;
}

static void refuse_range(const struct loci__rq *rq, struct loci__rs *rs, uint64_t size)
{
	struct loci_error err;
	loci__err_set(&err, LOCI_E_RANGE, "range: outside of the blob's %" PRIu64 " bytes", size);
	loci__problem(rq, rs, LOCI_ABOUT_BLOB, &err, rq->reference);
	loci__rs_header(rs, "content-range", "bytes */%" PRIu64, size);
}

/* What of the blob is asked for; a server that cannot send parts gets all of it. */
static int asked_ranges(const struct loci__rq *rq, const struct loci_digest *d, uint64_t size,
                        struct loci__ranges *ret)
{
	const char *value = loci__rq_header(rq, "range", 0);
	if (!value || loci__rq_header(rq, "range", 1) || !loci__rq_if_range(rq, d))
		return LOCI_RANGE_NONE;
	int kind = loci__ranges_parse(value, size, ret);
	return kind == LOCI_RANGE_SOME && ret->n > 1 && !loci__rq_takes_parts(rq) ? LOCI_RANGE_NONE
	                                                                          : kind;
}

static void send_file(const struct loci__rq *rq, struct loci__rs *rs, const struct loci_digest *d,
                      int *take_fd, uint64_t size)
{
	struct loci__ranges ranges;
	int kind = asked_ranges(rq, d, size, &ranges);
	if (kind == LOCI_RANGE_UNSATISFIABLE) {
		refuse_range(rq, rs, size);
		return;
	}
	describe(rs, d, size);
	rs->http.file_fd = loci__steal_fd(take_fd);
	rs->http.file_len = size;
	rs->http.status = kind == LOCI_RANGE_SOME ? 206 : 200;
	if (kind == LOCI_RANGE_NONE)
		loci__rs_header_ref(rs, "content-type", CONTENT_TYPE);
	else if (ranges.n == 1)
		send_range(rs, &ranges.r[0], size);
	else
		loci__multipart_set(rs, &ranges, CONTENT_TYPE, size);
}

static void answer_head(struct loci__rs *rs, const struct loci_digest *d, uint64_t size)
{
	describe(rs, d, size);
	loci__rs_header_ref(rs, "content-type", CONTENT_TYPE);
}

void loci__handle_blob_get(struct loci__rq *rq, struct loci__rs *rs)
{
	struct loci_digest d;
	struct loci_error err;
	int fd loci__cleanup_close = -1;
	uint64_t size;
	if (!loci__rq_digest(rq, &d, rs))
		return;
	bool known = loci__rq_none_match(rq, &d);
	int r = rq->head || known ? loci_blob_stat(rq->reg->store, rq->name, &d, &size, &err)
	                          : loci_blob_open(rq->reg->store, rq->name, &d, &fd, &size, &err);
	if (r < 0)
		loci__problem(rq, rs, LOCI_ABOUT_BLOB, &err, rq->reference);
	else if (!loci__rq_match(rq, &d))
		loci__rq_refuse_match(rq, rs, &d);
	else if (known)
		not_modified(rs, &d);
	else if (rq->head)
		answer_head(rs, &d, size);
	else
		send_file(rq, rs, &d, &fd, size);
}

void loci__handle_blob_delete(struct loci__rq *rq, struct loci__rs *rs)
{
	struct loci_digest d;
	struct loci_error err;
	if (!loci__rq_digest(rq, &d, rs))
		return;
	if (!loci__rq_match(rq, &d))
		loci__rq_refuse_match(rq, rs, &d);
	else if (loci_blob_delete(rq->reg->store, rq->name, &d, &err) < 0)
		loci__problem(rq, rs, LOCI_ABOUT_BLOB, &err, rq->reference);
	else
		rs->http.status = 202;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/request.h"

#include "registry/problem.h"

#include <stddef.h>
#include <string.h>

const char *loci__rq_header(const struct loci__rq *rq, const char *name, size_t n)
{
	for (size_t i = 0; i < rq->http->n_headers; i++)
		if (strcmp(rq->http->headers[i].name, name) == 0 && n-- == 0)
			return rq->http->headers[i].value;
	return NULL;
}

bool loci__rq_takes_parts(const struct loci__rq *rq)
{
	const size_t end = offsetof(struct loci_http_request, takes_parts) + sizeof(bool);
	return rq->http->struct_size >= end && rq->http->takes_parts;
}

bool loci__rq_must_not_block(const struct loci__rq *rq)
{
	const size_t end = offsetof(struct loci_http_request, must_not_block) + sizeof(uint64_t);
	return rq->http->struct_size >= end && rq->http->must_not_block;
}

bool loci__rq_param(const struct loci__rq *rq, const char *key, const char **ret,
                    struct loci__rs *rs)
{
	struct loci_error err;
	if (loci__target_param(rq->target, key, ret, &err) == 0)
		return true;
	loci__problem(rq, rs, LOCI_ABOUT_TARGET, &err, key);
	return false;
}

bool loci__rq_parse_digest(const struct loci__rq *rq, const char *text, struct loci_digest *ret,
                           struct loci__rs *rs)
{
	struct loci_error err;
	if (loci_digest_parse(text, strlen(text), ret, &err) == 0)
		return true;
	loci__problem(rq, rs, LOCI_ABOUT_DIGEST, &err, text);
	return false;
}

bool loci__rq_digest(const struct loci__rq *rq, struct loci_digest *ret, struct loci__rs *rs)
{
	return loci__rq_parse_digest(rq, rq->reference, ret, rs);
}

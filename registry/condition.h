/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preconditions (RFC 9110 section 13) of what digests name: the digest in quotes is the entity-tag.
 * A read is judged at once. A write is judged inside the transaction that writes, long after the
 * request is gone: its lists are copied.
 */
#ifndef LOCI_REGISTRY_CONDITION_H
#define LOCI_REGISTRY_CONDITION_H

#include "registry/request.h"

/* Whether If-Match is absent or names the digest (or is a star). */
bool loci__rq_match(const struct loci__rq *rq, const struct loci_digest *d);
/* The answer when it does not: 412. */
void loci__rq_refuse_match(const struct loci__rq *rq, struct loci__rs *rs,
                           const struct loci_digest *d);
/* Whether If-None-Match names the digest (or is a star). */
bool loci__rq_none_match(const struct loci__rq *rq, const struct loci_digest *d);
/* Whether If-Range is absent or names the digest: only then does Range count. */
bool loci__rq_if_range(const struct loci__rq *rq, const struct loci_digest *d);

struct loci__condition {
	char *match;      /* the list of If-Match, or NULL */
	char *none_match; /* likewise */
};
/* Copies the request's. NOMEM, or TOO_LARGE. */
int loci__condition_init(struct loci__condition *c, const struct loci__rq *rq,
                         struct loci_error *err);
void loci__condition_done(struct loci__condition *c);
static inline bool loci__condition_is_set(const struct loci__condition *c)
{
	return c->match || c->none_match;
}
/* As loci_manifest_put.condition. */
bool loci__condition_holds(void *condition, const struct loci_digest *current);

#endif

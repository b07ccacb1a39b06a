/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who asks too often is told to wait: 429 TOOMANYREQUESTS with Retry-After. Before a request is
 * looked at it is counted for its client, and when its answer is known and is a failure, once more
 * among the failures. Which requests are free of it stands in the route table.
 */
#ifndef LOCI_REGISTRY_LIMIT_H
#define LOCI_REGISTRY_LIMIT_H

#include "registry/request.h"

/* False when rs has been filled with the refusal. */
bool loci__limit_admit(const struct loci__rq *rq, struct loci__rs *rs);
/* The status stands; a second call does nothing. */
void loci__limit_settle(struct loci__rs *rs);

#endif

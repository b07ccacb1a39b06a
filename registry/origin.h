/* SPDX-License-Identifier: Apache-2.0 */
/* Who makes a request, for the events of what it changes. */
#ifndef LOCI_REGISTRY_ORIGIN_H
#define LOCI_REGISTRY_ORIGIN_H

#include "loci/event.h"
#include "loci/registry.h"

/* Its strings are the request's. */
struct loci_origin loci__origin_of(const struct loci_http_request *http);
/* A copy in one allocation, released by free(), or NULL: no memory. */
struct loci_origin *loci__origin_copy(const struct loci_origin *o);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name of a request in the logs of everything it goes through: what the client or a proxy sent
 * as X-Request-Id when that is sane, one of our own otherwise.
 */
#ifndef LOCI_REGISTRY_HTTP_REQUEST_ID_H
#define LOCI_REGISTRY_HTTP_REQUEST_ID_H

#include "loci/registry.h"

#define LOCI_REQUEST_ID_HEADER "x-request-id"
#define LOCI_REQUEST_ID_MAX    64 /* bytes of one that is taken over */
#define LOCI_REQUEST_ID_MADE   17 /* bytes of one that is made, with the NUL */

/* The value of the one header, when it is 1 to 64 letters, digits and -._:+/=@ ; otherwise NULL:
 * it goes into logs and back to the client, and two of them say nothing. */
const char *loci__request_id_find(const struct loci_http_header *headers, size_t n);
/* The nth of a seed: no two are equal, and none tells how many there were. */
void loci__request_id_make(uint64_t seed, uint64_t n, char ret[LOCI_REQUEST_ID_MADE]);

#endif

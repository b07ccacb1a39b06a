/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An exchange and the redirects behind it: registries send blobs from other hosts. Credentials go
 * to the origin they were made for and nowhere else; https never turns into http.
 */
#ifndef LOCI_PULLER_FOLLOW_H
#define LOCI_PULLER_FOLLOW_H

#include "puller/http.h"

#define LOCI_REDIRECTS_MAX 10

/* As loci__http_exchange. ret_elsewhere (or NULL): the response is of another origin than req->url.
 * A POST is not redirected: its 3xx is the response. Expected, further: PROTOCOL. */
int loci__http_follow(struct loci_http *h, const struct loci_http_request *req,
                      struct loci_http_response *resp, bool *ret_elsewhere, struct loci_error *err);

#endif

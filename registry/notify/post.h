/* SPDX-License-Identifier: Apache-2.0 */
/* One request to an end-point; the only file behind it that knows the HTTP client. */
#ifndef LOCI_REGISTRY_NOTIFY_POST_H
#define LOCI_REGISTRY_NOTIFY_POST_H

#include "registry/notify/endpoint.h"

struct loci__notify_answer {
	int status;
	int64_t retry_after_ms; /* what it asks for; -1: nothing */
};

int loci__notify_share_new(struct loci_http_share **ret, struct loci_error *err);
void loci__notify_share_free(struct loci_http_share *s); /* NULL is fine */
int loci__notify_client_open(struct loci__endpoint *ep, struct loci_error *err);
void loci__notify_client_close(struct loci__endpoint *ep);

/* On the end-point's thread. 0 when an answer came, whatever it says. */
int loci__notify_post(struct loci__endpoint *ep, struct loci_event *const *events, size_t n,
                      struct loci__notify_answer *ret, struct loci_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A repository at a registry: its address, who we are there, and requests that come back with an
 * answer or with an error that says what the registry said.
 */
#ifndef LOCI_PULLER_REMOTE_H
#define LOCI_PULLER_REMOTE_H

#include "loci/pull.h"
#include "puller/auth.h"
#include "puller/http.h"
#include "puller/retry.h"

#include <stdatomic.h>

#define LOCI_REMOTE_BASE_MAX 300 /* bytes of "https://host:port", NUL included */

struct loci_remote {
	const struct loci_ref *ref;
	const struct loci_log *log;
	char base[LOCI_REMOTE_BASE_MAX];
	struct loci_auth auth;
	unsigned retries;
	unsigned retry_base_ms;
	atomic_bool has_answered;
};
/* Chooses the address: docker.io is registry-1.docker.io; and the scheme: https, but for a loopback
 * host http when it answers that; the flags of o may say otherwise. ref and o are borrowed.
 * Expected: INVALID, CANCELED. */
int loci__remote_init(struct loci_remote *r, const struct loci_ref *ref,
                      const struct loci_pull_opts *o, struct loci_http *h, struct loci_error *err);
void loci__remote_done(struct loci_remote *r);

struct loci_remote_request {
	const char *method;
	const char *kind; /* "manifests", "blobs" */
	const char *what; /* a tag or digest */
	const char *accept;
	uint64_t range_from;
	size_t body_max;
	loci_http_sink_fn sink;
	void *sink_arg;
};
/* One try: authentication and redirects included. 0 when the answer is a 2xx; otherwise an error,
 * and resp->retry says whether another try makes sense. Expected: NOT_FOUND, UNAUTHORIZED, DENIED,
 * BUSY (429), RANGE (416), UNREACHABLE, TIMEOUT, PROTOCOL, CANCELED. */
int loci__remote_try(struct loci_remote *r, struct loci_http *h,
                     const struct loci_remote_request *req, struct loci_http_response *resp,
                     struct loci_error *err);
/* After a failed try: waits and returns 0 when there is to be another one; otherwise rc (err as it
 * was), or CANCELED. */
int loci__remote_again(struct loci_remote *r, struct loci_http *h, struct loci_retry *retry,
                       const struct loci_http_response *resp, int rc, struct loci_error *err);
/* Tries until there is an answer. */
int loci__remote_request(struct loci_remote *r, struct loci_http *h,
                         const struct loci_remote_request *req, struct loci_http_response *resp,
                         struct loci_error *err);
void loci__remote_retry_init(const struct loci_remote *r, struct loci_retry *ret);

/* What an error body says ("MANIFEST_UNKNOWN: manifest unknown"), fit for a terminal; "" for
 * nothing legible. */
void loci__remote_error_text(const void *body, size_t n, char *buf, size_t size);

#endif

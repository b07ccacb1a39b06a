/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP exchange at a time over libcurl: no redirects, no authentication, no retries (those are
 * decided above, where it is known whom to trust). A client belongs to one thread; clients share
 * name look-ups and TLS sessions, not connections, which libcurl does not support across threads.
 */
#ifndef LOCI_PULLER_HTTP_H
#define LOCI_PULLER_HTTP_H

#include "core/base/buf.h"
#include "loci/log.h"

#define LOCI_HTTP_HEADERS_MAX (256 * 1024) /* bytes of one response's head */
#define LOCI_HTTP_ERROR_MAX   (64 * 1024)  /* bytes kept of a body that is no success */
#define LOCI_HTTP_STALL_BYTES 1024         /* a slower drip than this per stall time is none */
#define LOCI_HTTP_TICK_MS     200          /* how often a waiting exchange looks up */

struct loci_http_share;
int loci__http_share_new(struct loci_http_share **ret, struct loci_error *err);
void loci__http_share_free(struct loci_http_share *s);

struct loci_http_opts {
	const struct loci_log *log;
	unsigned connect_timeout_ms;
	unsigned stall_timeout_ms;
	const char *user_agent;
	bool insecure_tls;
	bool no_proxy; /* a loopback registry is not behind a proxy */
	/* Called while waiting, every LOCI_HTTP_TICK_MS at least; true ends the exchange with
	 * CANCELED. */
	bool (*is_canceled)(void *arg);
	void *cancel_arg;
};
struct loci_http;
/* Strings of opts are borrowed for the client's life. */
int loci__http_new(struct loci_http_share *share, const struct loci_http_opts *opts,
                   struct loci_http **ret, struct loci_error *err);
void loci__http_free(struct loci_http *h);
/* From any thread: look at is_canceled now. */
void loci__http_wake(struct loci_http *h);
/* Waits; CANCELED when is_canceled says so. */
int loci__http_pause(struct loci_http *h, uint64_t ms, struct loci_error *err);

struct loci_http_response {
	int status;
	bool got_body;                    /* something of it reached the sink */
	int64_t content_length;           /* -1: not said */
	struct loci_buf www_authenticate; /* all its lines, joined by ", " */
	struct loci_buf content_type;
	struct loci_buf content_digest; /* Docker-Content-Digest */
	struct loci_buf content_range;
	struct loci_buf location;
	struct loci_buf retry_after;
	struct loci_buf body; /* what did not go to a sink */
	int retry;            /* enum loci_retry_class, of an exchange that failed */
};
void loci__http_response_init(struct loci_http_response *r);
void loci__http_response_done(struct loci_http_response *r);
#define loci__cleanup_response __attribute__((cleanup(loci__http_response_done)))

/* A piece of the body of a 200 or 206; negative ends the exchange with that code. */
typedef int (*loci_http_sink_fn)(void *arg, const struct loci_http_response *resp, const void *p,
                                 size_t n, struct loci_error *err);

struct loci_http_request {
	const char *method; /* GET, HEAD, POST */
	const char *url;
	const char *authorization; /* the field's value, or NULL */
	const char *accept;        /* or NULL */
	const char *form;          /* the body of a POST, or: */
	const void *body;          /* any other body of a POST, with its type */
	size_t body_n;
	const char *content_type;
	const char *const *headers; /* further ones, "Field: value", checked by the caller */
	size_t n_headers;
	uint64_t range_from; /* 0: all of it */
	size_t body_max;     /* of a success without a sink */
	loci_http_sink_fn sink;
	void *sink_arg;
};
/* 0 when a response came, whatever its status. Expected: UNREACHABLE, TIMEOUT, PROTOCOL, TOO_LARGE
 * (body_max), CANCELED, and what the sink said. resp is reset first. */
int loci__http_exchange(struct loci_http *h, const struct loci_http_request *req,
                        struct loci_http_response *resp, struct loci_error *err);

#endif

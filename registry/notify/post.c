/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/notify/post.h"

#include "core/base/clock.h"
#include "core/base/hex.h"
#include "core/base/hmac.h"
#include "puller/http.h"
#include "puller/retry.h"

#include <stdio.h>
#include <string.h>

#define ANSWER_MAX       (64 * 1024) /* bytes of a body; nobody reads it */
#define SIGNATURE_HEADER "X-Loci-Signature"

/* ---- the client ------------------------------------------------------------------------------ */

int loci__notify_share_new(struct loci_http_share **ret, struct loci_error *err)
{
	return loci__http_share_new(ret, err);
}

void loci__notify_share_free(struct loci_http_share *s)
{
	loci__http_share_free(s);
}

/* A request under way has until stop_at. */
static bool is_canceled(void *arg)
{
	const struct loci__notify_shared *s = ((const struct loci__endpoint *)arg)->shared;
	return atomic_load(&s->stopping) && loci__clock_ms() >= atomic_load(&s->stop_at_ms);
}

int loci__notify_client_open(struct loci__endpoint *ep, struct loci_error *err)
{
	const struct loci_http_opts opts = {
	        .log = &ep->shared->log,
	        .connect_timeout_ms = ep->shared->timeout_ms,
	        .stall_timeout_ms = ep->shared->timeout_ms,
	        .user_agent = ep->shared->user_agent,
	        .insecure_tls = ep->rule.insecure_tls,
	        .is_canceled = is_canceled,
	        .cancel_arg = ep,
	};
	return loci__http_new(ep->shared->http, &opts, &ep->http, err);
}

void loci__notify_client_close(struct loci__endpoint *ep)
{
	loci__http_free(ep->http);
	ep->http = NULL;
}

/* ---- the request ----------------------------------------------------------------------------- */

static const char *write_body(const struct loci__endpoint *ep, struct loci_event *const *events,
                              size_t n, struct loci_buf *body)
{
	const struct loci__notify_source *src = &ep->shared->source;
	if (ep->rule.format == LOCI_NOTIFY_DISTRIBUTION) {
		loci__payload_distribution(src, events, n, body);
		return "application/vnd.docker.distribution.events.v1+json";
	}
	bool list = ep->rule.batch > 1;
	loci__payload_cloudevents(src, events, n, list, body);
	return list ? "application/cloudevents-batch+json; charset=utf-8"
	            : "application/cloudevents+json; charset=utf-8";
}

static int sign(const struct loci__endpoint *ep, const struct loci_buf *body, char *line,
                size_t size, struct loci_error *err)
{
	struct loci_digest mac;
	char hex[2 * sizeof(mac.bytes) + 1];
	int rc = loci__hmac_sha256(ep->secret, ep->secret_n, body->p, body->len, &mac, err);
	if (rc < 0)
		return rc;
	loci__hex_format(mac.bytes, mac.len, hex);
	snprintf(line, size, SIGNATURE_HEADER ": sha256=%s", hex);
	return 0;
}

static int exchange(struct loci__endpoint *ep, const struct loci_http_request *req,
                    struct loci__notify_answer *ret, struct loci_error *err)
{
	struct loci_http_response resp loci__cleanup_response;
	loci__http_response_init(&resp);
	int rc = loci__http_exchange(ep->http, req, &resp, err);
	/* Whatever stands in a body that is too long: the status was there before it. */
	if (rc < 0 && !(rc == LOCI_E_TOO_LARGE && resp.status))
		return rc;
	*ret = (struct loci__notify_answer){
	        .status = resp.status,
	        .retry_after_ms = loci__retry_after_parse(resp.retry_after.p, loci__clock_epoch())};
	return 0;
}

int loci__notify_post(struct loci__endpoint *ep, struct loci_event *const *events, size_t n,
                      struct loci__notify_answer *ret, struct loci_error *err)
{
	struct loci_buf body loci__cleanup_buf = LOCI_BUF_INIT(LOCI_NOTIFY_BODY_MAX);
	const char *headers[LOCI_NOTIFY_HEADERS_MAX + 1];
	char signature[160];
	size_t n_headers = ep->n_headers;
	const char *type = write_body(ep, events, n, &body);
	int rc = loci__buf_check(&body, "events", err);
	for (size_t i = 0; i < n_headers; i++)
		headers[i] = ep->headers[i];
	if (rc == 0 && ep->secret) {
		rc = sign(ep, &body, signature, sizeof(signature), err);
		headers[n_headers++] = signature;
	}
	if (rc < 0)
		return rc;
	const struct loci_http_request req = {
	        .method = "POST",
	        .url = ep->rule.url,
	        .body = body.p,
	        .body_n = body.len,
	        .content_type = type,
	        .headers = headers,
	        .n_headers = n_headers,
	        .body_max = ANSWER_MAX,
	};
	return exchange(ep, &req, ret, err);
}

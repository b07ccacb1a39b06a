/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/limit.h"

#include "registry/forwarded.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define NS            UINT64_C(1000000000)
#define FORWARDED_MAX 8 /* lines of the header */

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS + (uint64_t)now.tv_nsec;
}

/* A peer that is no address is one client, too: it can only be a server's mistake. */
static struct loci__address peer_of(const struct loci_http_request *http)
{
	struct loci__address a = {{0}};
	if (http->peer)
		loci__address_parse((struct loci_slice){http->peer, strlen(http->peer)}, &a);
	return a;
}

/* The last lines of X-Forwarded-For, in their order: those that came first are the client's own to
 * write. */
static size_t forwarded_lines(const struct loci_http_request *http,
                              const char *values[FORWARDED_MAX])
{
	size_t n = 0;
	for (size_t i = http->n_headers; i-- > 0 && n < FORWARDED_MAX;)
		if (strcmp(http->headers[i].name, "x-forwarded-for") == 0)
			values[FORWARDED_MAX - ++n] = http->headers[i].value;
	memmove(values, values + FORWARDED_MAX - n, n * sizeof(*values));
	return n;
}

static uint64_t client_of(const struct loci__rq *rq)
{
	struct loci__address client = peer_of(rq->http);
	const char *values[FORWARDED_MAX];
	if (!loci__networks_have(&rq->policy->trusted, &client))
		return loci__address_client(&client);
	const size_t n = forwarded_lines(rq->http, values);
	client = loci__forwarded_client(&client, values, n, &rq->policy->trusted);
	return loci__address_client(&client);
}

static void refuse(const struct loci__rq *rq, struct loci__rs *rs, uint64_t wait_ns)
{
	const uint64_t seconds = (wait_ns + NS - 1) / NS;
	loci__rs_error(rs, 429, "TOOMANYREQUESTS", "too many requests", rq->http->method);
	loci__rs_header(rs, "retry-after", "%" PRIu64, seconds);
}

bool loci__limit_admit(const struct loci__rq *rq, struct loci__rs *rs)
{
	const struct loci__rate_limits *limits = &rq->policy->limits;
	if (!loci__rate_limits_any(limits))
		return true;
	const uint64_t client = client_of(rq);
	const uint64_t wait = loci__rates_admit(rq->reg->rates, limits, client, now_ns());
	if (wait) {
		refuse(rq, rs, wait);
		return false;
	}
	rs->charge = (struct loci__charge){
	        .reg = rq->reg,
	        .client = client,
	        .is_head = strcmp(rq->http->method, "HEAD") == 0,
	};
	return true;
}

/* 404 to a HEAD is how clients learn that they have to send a blob: every push has many. */
static bool is_failure(const struct loci__rs *rs)
{
	const int status = rs->http.status;
	return status >= 400 && status < 500 && !(status == 404 && rs->charge.is_head);
}

void loci__limit_settle(struct loci__rs *rs)
{
	const struct loci_registry *reg = rs->charge.reg;
	rs->charge.reg = NULL;
	if (!reg || !is_failure(rs))
		return;
	const struct loci__policy *policy = loci__policy_get(reg->policies);
	loci__rates_charge(reg->rates, &policy->limits, rs->charge.client, now_ns());
	loci__policy_put(policy);
}

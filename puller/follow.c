/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl could follow by itself, but its rule for credentials is by host name, and what it did is
 * not visible afterwards.
 */
#include "puller/follow.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "puller/origin.h"

#include <string.h>

static bool is_redirect(const struct loci_http_response *resp)
{
	return resp->status == 301 || resp->status == 302 || resp->status == 303 ||
	       resp->status == 307 || resp->status == 308;
}

static int next_url(const char *from, const struct loci_http_response *resp, char **ret,
                    struct loci_error *err)
{
	if (!resp->location.len || resp->location.failed)
		return loci__err_set(err, LOCI_E_PROTOCOL, "%.256s: %d without a usable location",
		                     from, resp->status);
	return loci__redirect_target(from, resp->location.p, ret, err);
}

int loci__http_follow(struct loci_http *h, const struct loci_http_request *req,
                      struct loci_http_response *resp, bool *ret_elsewhere, struct loci_error *err)
{
	struct loci_http_request hop = *req;
	struct loci_origin home, here;
	loci__cleanup_free char *url = NULL;
	bool elsewhere = false;
	int rc = loci__origin_of(req->url, &home, err);
	for (int i = 0; rc >= 0 && i <= LOCI_REDIRECTS_MAX; i++) {
		if (ret_elsewhere)
			*ret_elsewhere = elsewhere;
		rc = loci__http_exchange(h, &hop, resp, err);
		if (rc < 0 || req->form || !is_redirect(resp))
			return rc;
		char *next = NULL;
		rc = next_url(hop.url, resp, &next, err);
		if (rc < 0)
			return rc;
		free(url);
		hop.url = url = next;
		rc = loci__origin_of(url, &here, err);
		/* Once away, always away: a host that was redirected to must not be able to send
		 * the credentials of home on a path of its choice. */
		elsewhere = elsewhere || !loci__origin_equal(&home, &here);
		if (elsewhere)
			hop.authorization = NULL;
	}
	return rc < 0 ? rc
	              : loci__err_set(err, LOCI_E_PROTOCOL, "%.256s: more than %d redirects",
	                              req->url, LOCI_REDIRECTS_MAX);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/origin.h"

#include "core/base/cleanup.h"

#include <string.h>

#define TEXT_MAX 256 /* of each: an event keeps no more */

static const char *header(const struct loci_http_request *http, const char *name)
{
	for (size_t i = 0; i < http->n_headers; i++)
		if (strcmp(http->headers[i].name, name) == 0)
			return http->headers[i].value;
	return NULL;
}

/* A caller that was built with an older header has no request_id. */
static const char *request_id(const struct loci_http_request *http)
{
	size_t end = offsetof(struct loci_http_request, request_id) + sizeof(http->request_id);
	return http->struct_size >= end ? http->request_id : NULL;
}

struct loci_origin loci__origin_of(const struct loci_http_request *http)
{
	return (struct loci_origin){
	        .struct_size = sizeof(struct loci_origin),
	        .peer = http->peer,
	        .user_agent = header(http, "user-agent"),
	        .request_id = request_id(http),
	        .host = http->host,
	        .method = http->method,
	};
}

static size_t kept(const char *s)
{
	return s ? strnlen(s, TEXT_MAX) + 1 : 0;
}

static const char *keep(char **to, const char *s)
{
	if (!s)
		return NULL;
	char *start = *to;
	size_t n = kept(s) - 1;
	memcpy(start, s, n);
	start[n] = '\0';
	*to += n + 1;
	return start;
}

struct loci_origin *loci__origin_copy(const struct loci_origin *o)
{
	struct loci_origin *copy = malloc(sizeof(*copy) + kept(o->peer) + kept(o->user_agent) +
	                                  kept(o->request_id) + kept(o->host) + kept(o->method));
	if (!copy)
		return NULL;
	char *to = (char *)(copy + 1);
	copy->struct_size = sizeof(*copy);
	copy->peer = keep(&to, o->peer);
	copy->user_agent = keep(&to, o->user_agent);
	copy->request_id = keep(&to, o->request_id);
	copy->host = keep(&to, o->host);
	copy->method = keep(&to, o->method);
	return copy;
}

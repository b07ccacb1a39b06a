/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs are taken apart by libcurl's own parser, so that what is checked here is what is spoken to
 * later: two parsers that differ are how credentials leak.
 */
#include "puller/origin.h"

#include "core/base/cleanup.h"
#include "core/base/cursor.h"
#include "core/base/err.h"
#include "loci/ref.h"
#include "puller/curl_api.h"

#include <string.h>
#include <strings.h>

LOCI_DEFINE_CLEANUP(url_cleanup_ptr, CURLU, loci__curl_loaded()->url_cleanup)
#define cleanup_url loci__cleanup(url_cleanup_ptr)
LOCI_DEFINE_CLEANUP(curl_free_ptr, char, loci__curl_loaded()->free)
#define cleanup_curl_free loci__cleanup(curl_free_ptr)

static void lower(char *s)
{
	for (; *s; s++) {
		if (*s >= 'A' && *s <= 'Z')
			*s = (char)(*s - 'A' + 'a');
	}
}

static int origin_of_handle(CURLU *u, struct loci_origin *ret, struct loci_error *err)
{
	const struct loci__curl *curl = loci__curl_loaded();
	cleanup_curl_free char *scheme = NULL;
	cleanup_curl_free char *host = NULL;
	cleanup_curl_free char *port = NULL;
	uint64_t number;
	if (curl->url_get(u, CURLUPART_SCHEME, &scheme, 0) ||
	    curl->url_get(u, CURLUPART_HOST, &host, 0) ||
	    curl->url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT))
		return loci__err_set(err, LOCI_E_INVALID, "expected a url with a host");
	struct loci_origin o = {.is_https = !strcasecmp(scheme, "https")};
	if (!o.is_https && strcasecmp(scheme, "http") != 0)
		return loci__err_set(err, LOCI_E_INVALID,
		                     "expected http or https, found scheme '%.32s'", scheme);
	if (!loci__parse_u64(port, strlen(port), &number) || !number || number > UINT16_MAX)
		return loci__err_set(err, LOCI_E_INVALID, "port %.16s is out of range", port);
	o.port = (uint16_t)number;
	if (!loci__slice_copy(loci__slice(host, strlen(host)), o.host, sizeof(o.host)))
		return loci__err_set(err, LOCI_E_INVALID, "host longer than %zu bytes",
		                     sizeof(o.host) - 1);
	lower(o.host);
	*ret = o;
	return 0;
}

static int parse_url(const char *url, CURLU **ret, struct loci_error *err)
{
	const struct loci__curl *curl;
	int rc = loci__curl_load(&curl, err);
	if (rc < 0)
		return rc;
	cleanup_url CURLU *u = curl->url();
	if (!u)
		return loci__err_nomem(err);
	CURLUcode bad = strlen(url) > LOCI_URL_MAX
	                        ? CURLUE_MALFORMED_INPUT
	                        : curl->url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME);
	if (bad)
		return loci__err_set(err, LOCI_E_INVALID, "url '%.128s': %s", url,
		                     curl->url_strerror(bad));
	*ret = loci__steal_ptr(&u);
	return 0;
}

int loci__origin_of(const char *url, struct loci_origin *ret, struct loci_error *err)
{
	cleanup_url CURLU *u = NULL;
	int rc = parse_url(url, &u, err);
	if (rc < 0)
		return rc;
	rc = origin_of_handle(u, ret, err);
	return rc < 0 ? loci__err_prefix(err, rc, "url '%.128s'", url) : 0;
}

bool loci__origin_equal(const struct loci_origin *a, const struct loci_origin *b)
{
	return a->is_https == b->is_https && a->port == b->port && !strcmp(a->host, b->host);
}

static int check_redirect(CURLU *u, const struct loci_origin *from, struct loci_error *err)
{
	struct loci_origin to;
	int rc = origin_of_handle(u, &to, err);
	if (rc < 0)
		return rc;
	if (from->is_https && !to.is_https)
		return loci__err_set(err, LOCI_E_INVALID, "leaves https for http");
	return 0;
}

int loci__redirect_target(const char *from, const char *location, char **ret,
                          struct loci_error *err)
{
	cleanup_url CURLU *u = NULL;
	cleanup_curl_free char *url = NULL;
	struct loci_origin origin;
	int rc = loci__origin_of(from, &origin, err);
	if (rc < 0)
		return rc;
	if ((rc = parse_url(from, &u, err)) < 0)
		return rc;
	const struct loci__curl *curl = loci__curl_loaded();
	CURLUcode bad = strlen(location) > LOCI_URL_MAX
	                        ? CURLUE_MALFORMED_INPUT
	                        : curl->url_set(u, CURLUPART_URL, location,
	                                        CURLU_NON_SUPPORT_SCHEME | CURLU_URLENCODE);
	if (bad)
		return loci__err_set(err, LOCI_E_PROTOCOL, "redirect to '%.128s': %s", location,
		                     curl->url_strerror(bad));
	struct loci_error why = {0};
	if (check_redirect(u, &origin, &why) < 0)
		return loci__err_set(err, LOCI_E_PROTOCOL, "redirect to '%.128s': %s", location,
		                     why.msg);
	if (curl->url_set(u, CURLUPART_USER, NULL, 0) ||
	    curl->url_set(u, CURLUPART_PASSWORD, NULL, 0) ||
	    curl->url_set(u, CURLUPART_FRAGMENT, NULL, 0) ||
	    curl->url_get(u, CURLUPART_URL, &url, 0) || !(*ret = strdup(url)))
		return loci__err_nomem(err);
	return 0;
}

int loci__realm_check(const char *realm, const struct loci_origin *registry, bool plain_http_wanted,
                      struct loci_error *err)
{
	struct loci_origin o;
	struct loci_error why = {0};
	if (loci__origin_of(realm, &o, &why) < 0)
		return loci__err_set(err, LOCI_E_PROTOCOL, "token realm: %s", why.msg);
	if (o.is_https)
		return 0;
	if (registry->is_https)
		return loci__err_set(err, LOCI_E_PROTOCOL,
		                     "token realm '%.128s': expected https, as the registry's own",
		                     realm);
	if (!plain_http_wanted && !loci_host_is_loopback(o.host))
		return loci__err_set(err, LOCI_E_PROTOCOL,
		                     "token realm '%.128s': plain http to another machine", realm);
	return 0;
}

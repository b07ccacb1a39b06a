/* SPDX-License-Identifier: Apache-2.0 */
/* What http.tls says, as the server takes it, and what is told of its certificate. */
#include "cli/ociregistry.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/logger.h"
#include "loci/registry_http.h"

#include <time.h>

#define SOON (14 * 24 * 3600) /* seconds */

#define S struct loci_ociregistry_settings

int loci__ociregistry_set_tls(const S *s, struct loci_http_server_opts *o, struct loci_error *err)
{
	if (!s->tls_certificate != !s->tls_key)
		return loci__err_set(err, LOCI_E_USAGE,
		                     "http.tls: expected both certificate and key, or none of "
		                     "them; there is no %s",
		                     s->tls_key ? "certificate" : "key");
	o->tls_certificate = s->tls_certificate;
	o->tls_key = s->tls_key;
	o->tls_minimum = s->tls_minimum;
	o->tls_ciphers = s->tls_ciphers.v;
	o->n_tls_ciphers = s->tls_ciphers.n;
	return 0;
}

static void tell(const char *path, const struct loci_http_certificate *c,
                 const struct loci_log *log)
{
	const int64_t now = (int64_t)loci__clock_epoch();
	const bool early = now < c->not_before;
	const bool late = now >= c->not_after;
	const bool soon = now >= c->not_after - SOON;
	const time_t at = (time_t)(early ? c->not_before : c->not_after);
	struct tm tm;
	char date[32] = "";
	if (gmtime_r(&at, &tm))
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M UTC", &tm);
	loci__log(log, early || soon ? LOCI_LOG_WARN : LOCI_LOG_INFO, "ociregistry",
	          "certificate %s %s %s", path,
	          early  ? "is not valid before"
	          : late ? "has expired, on"
	          : soon ? "expires soon, on"
	                 : "is valid until",
	          date);
}

int loci__ociregistry_check_tls(const S *s, const struct loci_log *log, struct loci_error *err)
{
	struct loci_http_server_opts o = {.struct_size = sizeof(o)};
	struct loci_http_certificate c = {.struct_size = sizeof(c)};
	int r = loci__ociregistry_set_tls(s, &o, err);
	if (r == 0 && s->tls_certificate)
		r = loci_http_tls_check(&o, &c, err);
	if (r == 0 && s->tls_certificate)
		tell(s->tls_certificate, &c, log);
	return r;
}

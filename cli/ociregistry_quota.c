/* SPDX-License-Identifier: Apache-2.0 */
/* limits.quota to the store, when a server starts and at SIGHUP. */
#include "cli/ociregistry.h"
#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "loci/quota.h"

#include <stdlib.h>
#include <string.h>

#define S struct loci_ociregistry_settings

/* The path of each in a copy of its text. */
static int parse_all(const S *s, struct loci_quota *quotas, char **texts, struct loci_error *err)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < s->quotas.n; i++) {
		size_t n;
		rc = loci__ociregistry_parse_quota(s->quotas.v[i], &n, &quotas[i].bytes, err);
		texts[i] = rc == 0 ? strndup(s->quotas.v[i], n) : NULL;
		quotas[i].path = texts[i];
		if (rc == 0 && !texts[i])
			rc = loci__err_nomem(err);
	}
	return rc;
}

int loci__ociregistry_set_quotas(const S *s, struct loci_store *store, struct loci_error *err)
{
	size_t n = s->quotas.n;
	loci__cleanup_free struct loci_quota *quotas = calloc(n + 1, sizeof(*quotas));
	loci__cleanup_free char **texts = calloc(n + 1, sizeof(*texts));
	if (!quotas || !texts)
		return loci__err_nomem(err);
	int rc = parse_all(s, quotas, texts, err);
	if (rc == 0)
		rc = loci_store_set_quotas(store, quotas, n, err);
	for (size_t i = 0; i < n; i++)
		free(texts[i]);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "puller/curl_api.h"

#include "core/base/cleanup.h"

static struct loci__curl functions;

static const char *const names[] = {
#define XX(name) "curl_" #name,
        LOCI_CURL_FUNCTIONS(XX)
#undef XX
};
_Static_assert(sizeof(functions) == sizeof(names), "a pointer a name, and nothing else");

struct loci__dynlib loci__curl_library = {
        .soname = LOCI_CURL_SONAME,
        .package = "libcurl4",
        .names = names,
        .n = loci__array_len(names),
        .table = &functions,
        .lock = PTHREAD_MUTEX_INITIALIZER,
};

int loci__curl_load(const struct loci__curl **ret, struct loci_error *err)
{
	int rc = loci__dynlib_load(&loci__curl_library, err);
	if (rc == 0)
		*ret = &functions;
	return rc;
}

const struct loci__curl *loci__curl_loaded(void)
{
	return &functions;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/transfer/archive_api.h"

#include "core/base/cleanup.h"

static struct loci__archive_api functions;

static const char *const names[] = {
#define XX(name) #name,
        LOCI_ARCHIVE_FUNCTIONS(XX)
#undef XX
};
_Static_assert(sizeof(functions) == sizeof(names), "a pointer a name, and nothing else");

struct loci__dynlib loci__archive_library = {
        .soname = LOCI_ARCHIVE_SONAME,
        .package = "libarchive13",
        .names = names,
        .n = loci__array_len(names),
        .table = &functions,
        .lock = PTHREAD_MUTEX_INITIALIZER,
};

int loci__archive_load(const struct loci__archive_api **ret, struct loci_error *err)
{
	int rc = loci__dynlib_load(&loci__archive_library, err);
	if (rc == 0)
		*ret = &functions;
	return rc;
}

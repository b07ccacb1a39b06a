/* SPDX-License-Identifier: Apache-2.0 */
/* The scrub's bookmark: what parses is a place in one of its two tables. */
#include "core/store/scrub.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loci__scrub_mark mark;
	if (loci__scrub_mark_parse((const char *)data, size, &mark) &&
	    ((mark.table != LOCI_INDEX_BLOB && mark.table != LOCI_INDEX_MANIFEST) ||
	     !mark.digest.len))
		abort();
	return 0;
}

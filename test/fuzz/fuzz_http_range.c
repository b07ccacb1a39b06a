/* SPDX-License-Identifier: Apache-2.0 */
/* Range and Content-Range, against blobs of several sizes. */
#include "registry/range.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Inside, not backwards, and none shares a byte with another. */
static void check_ranges(const char *value, uint64_t size)
{
	struct loci__ranges all;
	if (loci__ranges_parse(value, size, &all) != LOCI_RANGE_SOME)
		return;
	if (all.n == 0 || all.n > LOCI_RANGES_MAX)
		abort();
	for (size_t i = 0; i < all.n; i++) {
		if (all.r[i].first > all.r[i].last || all.r[i].last >= size)
			abort();
		for (size_t k = 0; k < i; k++)
			if (all.r[i].first <= all.r[k].last && all.r[k].first <= all.r[i].last)
				abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t sizes[] = {0, 1, 2, 100, UINT32_MAX, UINT64_MAX};
	struct loci__range range;
	char *value = malloc(size + 1);
	if (!value)
		return 0;
	memcpy(value, data, size);
	value[size] = '\0';
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		check_ranges(value, sizes[i]);
	if (loci__content_range_parse(value, &range) &&
	    (range.first > range.last || range.last - range.first == UINT64_MAX))
		abort();
	free(value);
	return 0;
}

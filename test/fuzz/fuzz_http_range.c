/* SPDX-License-Identifier: Apache-2.0 */
/* Range and Content-Range, against blobs of several sizes. */
#include "registry/range.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_range(const char *value, uint64_t size)
{
	struct loci__range range;
	if (loci__range_parse(value, size, &range) != LOCI_RANGE_ONE)
		return;
	if (range.first > range.last || range.last >= size)
		abort();
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
		check_range(value, sizes[i]);
	if (loci__content_range_parse(value, &range) &&
	    (range.first > range.last || range.last - range.first == UINT64_MAX))
		abort();
	free(value);
	return 0;
}

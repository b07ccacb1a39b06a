/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/json.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct loci_json_limits limits = {.max_bytes = 1 << 16, .max_depth = 16};
	loci__cleanup_json json_t *doc = NULL;
	struct loci_error err;
	if (loci__json_parse(data, size, &limits, "fuzz", &doc, &err) == 0 && size > 1 << 16)
		abort();
	return 0;
}

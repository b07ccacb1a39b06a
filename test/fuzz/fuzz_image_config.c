/* SPDX-License-Identifier: Apache-2.0 */
#include "loci/image_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loci_image_config *c;
	struct loci_error err;
	if (loci_image_config_parse(data, size, &c, &err) == 0)
		loci_image_config_free(c);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever parses must format back to the same bytes. */
#include "loci/digest.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loci_digest d;
	struct loci_error err;
	char text[LOCI_DIGEST_STR_MAX];
	if (loci_digest_parse((const char *)data, size, &d, &err) == 0 &&
	    (loci_digest_format(&d, text) != size || memcmp(text, data, size) != 0))
		abort();
	return 0;
}

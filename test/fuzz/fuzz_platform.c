/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever parses is already in its canonical spelling. */
#include "loci/manifest.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loci_platform_buf p, again;
	struct loci_error err;
	char text[LOCI_PLATFORM_STR_MAX], twice[LOCI_PLATFORM_STR_MAX];
	char *s = strndup((const char *)data, size);
	if (loci_platform_parse(s, &p, &err) == 0) {
		loci_platform_format(&p.platform, text);
		if (loci_platform_parse(text, &again, &err) < 0)
			abort();
		loci_platform_format(&again.platform, twice);
		if (strcmp(text, twice) != 0)
			abort();
	}
	free(s);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A link file of registry:2: what parses is the digest's text, with one newline at most. */
#include "registry/transfer/import.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loci_digest d;
	struct loci_error err;
	char text[LOCI_DIGEST_STR_MAX];
	if (loci__registry2_parse_link((const char *)data, size, &d, &err) < 0)
		return 0;
	size_t n = loci_digest_format(&d, text);
	if (memcmp(text, data, n) != 0 || (size != n && (size != n + 1 || data[n] != '\n')))
		abort();
	return 0;
}

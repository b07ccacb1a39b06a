/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever parses has a full form that parses to itself. */
#include "loci/ref.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loci_ref ref, again;
	struct loci_error err;
	char full[LOCI_REF_STR_MAX], twice[LOCI_REF_STR_MAX];
	char *s = strndup((const char *)data, size);
	loci_host_is_loopback(s);
	for (unsigned flags = 0; flags <= LOCI_REF_DOCKER_DEFAULTS; flags++) {
		if (loci_ref_parse(s, flags, &ref, &err) < 0)
			continue;
		loci_ref_format(&ref, full);
		if (!loci_repo_is_valid(ref.repo, strlen(ref.repo)) ||
		    loci_ref_parse(full, flags, &again, &err) < 0)
			abort();
		loci_ref_format(&again, twice);
		if (strcmp(full, twice) != 0)
			abort();
	}
	free(s);
	return 0;
}

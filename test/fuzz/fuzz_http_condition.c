/* SPDX-License-Identifier: Apache-2.0 */
/* If-Match and If-None-Match over a digest that is there and over nothing. */
#include "registry/condition.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loci_digest d = {.alg = LOCI_SHA256, .len = 32};
	char *list = malloc(size + 1);
	if (!list)
		return 0;
	memcpy(list, data, size);
	list[size] = '\0';
	struct loci__condition match = {.match = list}, none = {.none_match = list};
	/* Over nothing no list matches; over something, both hold for no list. */
	if (loci__condition_holds(&match, NULL) || !loci__condition_holds(&none, NULL))
		abort();
	if (loci__condition_holds(&match, &d) && loci__condition_holds(&none, &d))
		abort();
	free(list);
	return 0;
}

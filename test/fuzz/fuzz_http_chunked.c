/* SPDX-License-Identifier: Apache-2.0 */
/* The chunked decoder must give the same however the bytes are cut: whole, and byte by byte. */
#include "registry/http/chunked.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loci__chunked whole = {0}, steps = {0};
	size_t whole_n, whole_used, steps_n = 0, used_all = 0;
	char *buf = malloc(size + 1), *out = malloc(size + 1);
	int rc = 0;
	must(buf && out);
	memcpy(buf, data, size);
	int whole_rc = loci__chunked_decode(&whole, buf, size, &whole_n, &whole_used);
	for (size_t i = 0; i < size && rc == 0; i++) {
		char *one = malloc(1); /* so that a sanitizer sees a look beside it */
		size_t n, used;
		must(one);
		*one = (char)data[i];
		rc = loci__chunked_decode(&steps, one, 1, &n, &used);
		must(n <= 1 && used == 1);
		if (n)
			out[steps_n++] = *one;
		used_all += used;
		free(one);
	}
	must(rc == whole_rc && used_all == whole_used && steps_n == whole_n);
	must(memcmp(out, buf, whole_n) == 0 && (rc >= 0 || whole.reason));
	free(out);
	free(buf);
	return 0;
}

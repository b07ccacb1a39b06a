/* SPDX-License-Identifier: Apache-2.0 */
/* The file oci-layout, and paths of blobs: a path that is one is the only one of its digest. */
#include "registry/transfer/layout.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loci_digest d;
	struct loci_error err = {0};
	char path[LOCI_SOURCE_PATH_MAX], *text = strndup((const char *)data, size);
	if (!text)
		return 0;
	if (loci__layout_path_parse(text, &d)) {
		loci__layout_path(&d, path);
		if (strcmp(path, text) != 0)
			abort();
	}
	if (loci__layout_check_version((const char *)data, size, &err) < 0 && !err.msg[0])
		abort();
	free(text);
	return 0;
}

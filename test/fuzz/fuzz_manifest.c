/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte chooses the Content-Type. */
#include "loci/manifest.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const types[] = {
	        NULL,
	        LOCI_MEDIA_OCI_MANIFEST,
	        LOCI_MEDIA_OCI_INDEX,
	        LOCI_MEDIA_DOCKER_MANIFEST,
	        LOCI_MEDIA_DOCKER_INDEX,
	        "application/vnd.mine+json",
	};
	struct loci_manifest *m;
	struct loci_platform_buf host;
	struct loci_error err;
	if (size == 0)
		return 0;
	const char *type = types[data[0] % (sizeof(types) / sizeof(types[0]))];
	if (loci_manifest_parse(data + 1, size - 1, type, &m, &err) < 0)
		return 0;
	if (m->kind == LOCI_MANIFEST_IMAGE ? !m->config || m->entries : m->config || m->layers)
		abort();
	loci_platform_host(&host);
	loci_manifest_pick(m, &host.platform);
	loci_manifest_free(m);
	return 0;
}

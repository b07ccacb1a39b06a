/* SPDX-License-Identifier: Apache-2.0 */
/* manifest.json of docker save: parsed or refused with a text; what parses has all its strings. */
#include "registry/transfer/docker_save.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t look(const struct loci__saved_image *image)
{
	size_t n = strlen(image->config);
	for (size_t i = 0; i < image->n_tags; i++)
		n += strlen(image->tags[i]);
	for (size_t i = 0; i < image->n_layers; i++)
		n += strlen(image->layers[i]);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loci__saved s;
	struct loci_error err = {0};
	size_t n = 0;
	if (loci__saved_parse((const char *)data, size, &s, &err) < 0) {
		if (!err.msg[0])
			abort();
		return 0;
	}
	for (size_t i = 0; i < s.n; i++)
		n += look(&s.images[i]);
	if (n > size)
		abort();
	loci__saved_done(&s);
	return 0;
}

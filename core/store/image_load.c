/* SPDX-License-Identifier: Apache-2.0 */
/* From a pulled image's record to what it says: manifest and config, parsed. */
#include "loci/store.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "core/base/fs.h"

#define CONFIG_MAX ((uint64_t)8 << 20) /* bytes; real ones have some thousand */

LOCI_DEFINE_CLEANUP(free_bytes, struct loci_manifest_bytes, loci_manifest_bytes_free)
LOCI_DEFINE_CLEANUP(free_manifest, struct loci_manifest, loci_manifest_free)

int loci_image_config_load(struct loci_store *st, const struct loci_descriptor *config,
                           struct loci_image_config **ret, struct loci_error *err)
{
	loci__cleanup_close int fd = -1;
	uint64_t size;
	int rc = loci_blob_open(st, /* repo= */ NULL, &config->digest, &fd, &size, err);
	if (rc < 0)
		return rc;
	if (size > CONFIG_MAX)
		return loci__err_set(err, LOCI_E_TOO_LARGE,
		                     "image config: %llu bytes, at most %llu are allowed",
		                     (unsigned long long)size, (unsigned long long)CONFIG_MAX);
	loci__cleanup_free char *text = malloc((size_t)size + 1);
	if (!text)
		return loci__err_nomem(err);
	ssize_t n = loci__read_full(fd, text, (size_t)size);
	if (n < 0)
		return loci__err_sys(err, "read the image config");
	return loci_image_config_parse(text, (size_t)n, ret, err);
}

int loci_image_load(struct loci_store *st, const struct loci_image *image,
                    struct loci_manifest **ret_manifest, struct loci_image_config **ret_config,
                    struct loci_error *err)
{
	loci__cleanup(free_bytes) struct loci_manifest_bytes *bytes = NULL;
	loci__cleanup(free_manifest) struct loci_manifest *m = NULL;
	struct loci_image_config *config = NULL;
	int rc = loci_manifest_get(st, /* repo= */ NULL, /* tag= */ NULL, &image->manifest, &bytes,
	                           err);
	if (rc == 0)
		rc = loci_manifest_parse(bytes->bytes, bytes->n, bytes->media_type, &m, err);
	if (rc < 0)
		return rc;
	if (m->config && loci_media_kind(m->config->media_type) == LOCI_MEDIA_IMAGE_CONFIG)
		rc = loci_image_config_load(st, m->config, &config, err);
	if (rc < 0)
		return rc;
	*ret_manifest = loci__steal_ptr(&m);
	*ret_config = config;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* OCI image layouts (image-spec image-layout.md). */
#ifndef LOCI_TRANSFER_LAYOUT_H
#define LOCI_TRANSFER_LAYOUT_H

#include "registry/transfer/import.h"

#define LOCI_LAYOUT_FILE      "oci-layout"
#define LOCI_LAYOUT_VERSION   "1.0.0"
#define LOCI_LAYOUT_INDEX     "index.json"
#define LOCI_LAYOUT_FILE_MAX  ((size_t)4096)
#define LOCI_LAYOUT_INDEX_MAX LOCI_MANIFEST_SIZE_MAX

/* Where a digest's bytes are in a layout. */
void loci__layout_path(const struct loci_digest *d, char path[LOCI_SOURCE_PATH_MAX]);
/* "blobs/<alg>/<hex>" back to a digest. */
bool loci__layout_path_parse(const char *path, struct loci_digest *ret);
/* The content of oci-layout. Expected: INVALID, UNSUPPORTED. */
int loci__layout_check_version(const char *p, size_t n, struct loci_error *err);
/* Every image that the index lists. */
int loci__layout_import(struct loci__import *im, const struct loci__source *src, const char *index,
                        size_t n, struct loci_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a file of the root file system before it is mounted: the layers are searched as overlayfs
 * would merge them (topmost first, whiteouts, opaque directories), and symlinks are followed over
 * all layers as if "/" were the container's. Nothing outside the layers is ever reached.
 */
#ifndef LOCI_BUNDLE_MERGED_H
#define LOCI_BUNDLE_MERGED_H

#include "loci/error.h"

/* The file's bytes with a NUL behind, malloc'ed. layers: directory fds, topmost first. Expected
 * errors: NOT_FOUND, INVALID (no regular file, a loop of symlinks), TOO_LARGE. */
int loci__merged_read(const int *layers, size_t n_layers, const char *path, size_t max, char **ret,
                      size_t *ret_n, struct loci_error *err);

#endif

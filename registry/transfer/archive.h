/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Archives as streams: blobs go into upload sessions as they come, of no repository, since the
 * index that says whose they are may come last. What is small and named is kept.
 */
#ifndef LOCI_TRANSFER_ARCHIVE_H
#define LOCI_TRANSFER_ARCHIVE_H

#include "registry/transfer/import.h"

/* A tar of an OCI layout or of docker save, plain or compressed by gzip or zstd. Nothing of it
 * needs a place on disk beside the blobs. Expected: INVALID, TOO_LARGE, NO_SPACE,
 * UNSUPPORTED (no libarchive). */
int loci__archive_import(struct loci__import *im, int fd, struct loci_error *err);

#endif

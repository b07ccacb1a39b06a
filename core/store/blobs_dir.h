/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOCI_STORE_BLOBS_DIR_H
#define LOCI_STORE_BLOBS_DIR_H

#include "loci/sys/blobs.h"

/* Blobs and sessions as files of the store's directory; see blobs_dir.c. */
int loci__blobs_dir_open(int dirfd, struct loci_blobs **ret, struct loci_error *err);

#endif

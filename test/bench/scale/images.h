/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The images of a made-up registry, each computed from its number alone, so that a store of any
 * size can be filled and asked without a list of what is in it.
 *
 * A repository has some 50 images, the older ones more. An image has a tag, a configuration and a
 * layer of its own, a layer that a quarter of its repository shares, and the three layers of one of
 * 2000 bases.
 */
#ifndef LOCI_BENCH_SCALE_IMAGES_H
#define LOCI_BENCH_SCALE_IMAGES_H

#include "loci/digest.h"

#define IMAGE_LAYERS 5
#define IMAGE_BLOBS  (1 + IMAGE_LAYERS) /* the configuration is the first */
#define IMAGE_TEXT   2048

struct image_name {
	char repo[32];
	char tag[16];
	uint64_t repo_rank; /* as repo, in the order of names */
};

void image_name(uint64_t i, struct image_name *ret);
/* Its n-th blob; *ret_size may be NULL. */
void image_blob(uint64_t i, unsigned n, struct loci_digest *ret, uint64_t *ret_size);
/* The manifest; salt: another one over the same blobs. Its length. */
size_t image_manifest(uint64_t i, uint64_t salt, char ret[IMAGE_TEXT]);

/* A number from two, without order. */
uint64_t image_mix(uint64_t a, uint64_t b);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `docker save` (before it wrote OCI layouts, too), podman and skopeo (docker-archive:) write:
 * manifest.json, which names a config and layers by their paths.
 */
#ifndef LOCI_TRANSFER_DOCKER_SAVE_H
#define LOCI_TRANSFER_DOCKER_SAVE_H

#include "core/base/arena.h"
#include "registry/transfer/import.h"

#define LOCI_DOCKER_SAVE_FILE "manifest.json"
#define LOCI_DOCKER_SAVE_MAX  ((size_t)16 << 20) /* bytes of manifest.json */

struct loci__saved_image {
	const char *config; /* a path */
	const char *const *tags;
	size_t n_tags;
	const char *const *layers; /* paths */
	size_t n_layers;
};
struct loci__saved {
	struct loci__arena arena;
	struct loci__saved_image *images;
	size_t n;
};
/* Expected: INVALID (names the JSON path), TOO_LARGE. */
int loci__saved_parse(const char *p, size_t n, struct loci__saved *ret, struct loci_error *err);
void loci__saved_done(struct loci__saved *s);
#define loci__cleanup_saved __attribute__((cleanup(loci__saved_done)))

/* A file of the archive whose bytes are in the store now. */
struct loci__saved_file {
	struct loci_digest digest;
	uint64_t size;
	bool gzip; /* by its first bytes */
};
/* Finds a file by its path, symlinks inside the archive followed. Expected: NOT_FOUND, INVALID. */
typedef int (*loci__saved_find_fn)(void *arg, const char *path, struct loci__saved_file *ret,
                                   struct loci_error *err);

int loci__saved_import(struct loci__import *im, const char *manifest, size_t n,
                       loci__saved_find_fn find, void *find_arg, struct loci_error *err);
/* The same, unpacked. */
int loci__saved_import_directory(struct loci__import *im, int dirfd, struct loci_error *err);

#endif

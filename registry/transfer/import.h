/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kinds of sources share: where blobs are (struct loci__source), and taking one image with
 * all below it (take.c).
 */
#ifndef LOCI_TRANSFER_IMPORT_H
#define LOCI_TRANSFER_IMPORT_H

#include "loci/transfer.h"
#include "registry/transfer/digest_set.h"

#include <pthread.h>

#define LOCI_SOURCE_PATH_MAX 192

struct loci__source {
	int dirfd; /* of the blobs; -1: they are in the store already, of no repository */
	/* Where the digest's bytes are below dirfd. */
	void (*path)(const struct loci_digest *d, char path[LOCI_SOURCE_PATH_MAX]);
	bool link; /* its files never change: hard links are the rule */
};

#define LOCI_IMPORT_DONE_SLOTS 4096
#define LOCI_IMPORT_STRIPES    64

/* What several threads of one import share. */
struct loci__import_shared {
	struct loci_transfer_counts *counts; /* under lock */
	pthread_mutex_t lock;                /* also while an event is told */
	/* Held by digest while a blob or manifest is taken in: two images that share it take it in
	 * once. */
	pthread_mutex_t stripes[LOCI_IMPORT_STRIPES];
};

struct loci__import {
	struct loci_store *st;
	struct loci_import_opts opts;
	struct loci__import_shared *shared;
	bool met_schema1;             /* what fails now does so for that reason */
	char repo[LOCI_REPO_MAX + 1]; /* where images go at the moment */
	/* What done_repo has got from here. Blobs are a direct-mapped table that saves looking
	 * again at what many manifests share. Manifests are remembered as they are: indexes that
	 * list each other's over and over would be walked on as many ways as there are. */
	char done_repo[LOCI_REPO_MAX + 1];
	struct loci__digest_set manifests;
	struct loci_digest blobs[LOCI_IMPORT_DONE_SLOTS];
};

/* A thread's own, of the same import. */
struct loci__import *loci__import_clone(const struct loci__import *im);
void loci__import_free(struct loci__import *im);
/* The repository for a name of the source ("": the given one alone). INVALID when it is no name. */
int loci__import_set_repo(struct loci__import *im, const char *name, struct loci_error *err);
/* The image with everything below it, then its tag. media_type NULL: as the document says; tag
 * NULL: none. */
int loci__import_take(struct loci__import *im, const struct loci__source *src,
                      const struct loci_digest *d, const char *media_type, const char *tag,
                      struct loci_error *err);
/* A file of no repository yet; counted. */
int loci__import_adopt(struct loci__import *im, int fd, const struct loci_digest *d, uint64_t size,
                       struct loci_error *err);
/* Adds to one of the counts. */
void loci__import_add(struct loci__import *im, uint64_t *count, uint64_t n);
/* How size bytes of a blob came in (enum loci_adopt_way). */
void loci__import_count(struct loci__import *im, int way, uint64_t size);
/* What becomes of an image that failed with rc: 0 when it was told and the rest goes on, else the
 * code that ends the import. */
int loci__import_failed(struct loci__import *im, const char *tag, const struct loci_digest *d,
                        int rc, struct loci_error *err);
/* CANCELED when the caller wants to stop. */
int loci__import_tell(struct loci__import *im, int kind, const char *tag,
                      const struct loci_digest *d, struct loci_error *err);

/* "<alg>:<hex>", a newline may follow: what registry:2 keeps in its link files. */
int loci__registry2_parse_link(const char *p, size_t n, struct loci_digest *ret,
                               struct loci_error *err);
/* The directory with "blobs" and "repositories" at or below dirfd. Expected: NOT_FOUND. */
int loci__registry2_find(int dirfd, int *ret_fd, struct loci_error *err);
int loci__registry2_import(struct loci__import *im, int v2_fd, struct loci_error *err);

#endif

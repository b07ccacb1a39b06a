/* SPDX-License-Identifier: Apache-2.0 */
/* An export: what goes out (export_plan.c), and where to (export_dir.c, export_tar.c). */
#ifndef LOCI_TRANSFER_EXPORT_H
#define LOCI_TRANSFER_EXPORT_H

#include "core/base/buf.h"
#include "loci/transfer.h"
#include "registry/transfer/digest_set.h"

struct loci__export {
	struct loci_store *st;
	struct loci_export_opts opts;
	struct loci_transfer_counts *counts;
	struct loci__digest_set seen;      /* manifests and blobs */
	struct loci__digest_set manifests; /* those of them that are manifests */
	struct loci_buf index;             /* the entries of index.json, so far */
	bool one_repo;                     /* then a tag alone names an image */
};

/* Adds what a name stands for. */
int loci__export_add(struct loci__export *ex, const char *name, struct loci_error *err);
/* "repository[:tag|@digest]"; *ret_tag is empty and ret_digest->alg 0 where there is none. */
int loci__export_name(const char *name, char repo[LOCI_REPO_MAX + 1], char tag[LOCI_TAG_MAX + 1],
                      struct loci_digest *ret_digest, struct loci_error *err);

struct loci__export_sink;
struct loci__export_sink_ops {
	/* Bytes in memory, or n bytes of an fd, which are verified while they are copied. */
	int (*bytes)(struct loci__export_sink *s, const char *path, const void *p, size_t n,
	             struct loci_error *err);
	int (*blob)(struct loci__export_sink *s, const char *path, const struct loci_digest *d,
	            int fd, uint64_t n, int *ret_way, struct loci_error *err);
	/* The last file, and with it the whole. */
	int (*finish)(struct loci__export_sink *s, const char *path, const void *p, size_t n,
	              struct loci_error *err);
	/* In every case; what was not finished may be left for the next try, or be removed. */
	void (*close)(struct loci__export_sink *s);
};
struct loci__export_sink {
	const struct loci__export_sink_ops *ops;
};
int loci__export_dir_open(const char *path, bool link, struct loci__export_sink **ret,
                          struct loci_error *err);
int loci__export_tar_open(const char *path, struct loci__export_sink **ret, struct loci_error *err);

/* Copies n bytes of fd by way of write, and holds them to the digest. */
typedef int (*loci__export_write_fn)(void *arg, const void *p, size_t n, struct loci_error *err);
int loci__export_copy(int fd, uint64_t n, const struct loci_digest *d, loci__export_write_fn write,
                      void *arg, struct loci_error *err);

#endif

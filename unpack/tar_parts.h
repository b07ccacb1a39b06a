/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the tar parser share among themselves. */
#ifndef LOCI_UNPACK_TAR_PARTS_H
#define LOCI_UNPACK_TAR_PARTS_H

#include "core/base/buf.h"
#include "core/base/cursor.h"
#include "unpack/tar.h"

enum loci_tar_format { LOCI_TAR_V7, LOCI_TAR_USTAR, LOCI_TAR_STAR, LOCI_TAR_GNU };

/* The fields of one header block. */
struct loci_tar_header {
	int format; /* enum loci_tar_format */
	char type;  /* the byte that stands there */
	char name[155 + 1 + 100 + 1];
	char link[100 + 1];
	int64_t mode, uid, gid, size, mtime, dev_major, dev_minor;
};
/* Checksum and every number checked. */
int loci__tar_header_parse(const unsigned char b[LOCI_TAR_BLOCK], struct loci_tar_header *ret,
                           struct loci_error *err);
/* Octal, or base-256 when the top bit is set; false when it is neither or does not fit. */
bool loci__tar_number(const unsigned char *p, size_t n, int64_t *ret);

/* A stretch of a file that has bytes in the archive. */
struct loci_tar_piece {
	uint64_t offset;
	uint64_t n;
};

struct loci_tar_pieces {
	struct loci_tar_piece *p;
	size_t n, cap;
};
int loci__tar_pieces_add(struct loci_tar_pieces *m, int64_t offset, int64_t n,
                         struct loci_error *err);

/* The records of one extended header; texts point into the buffer they were read from. */
struct loci_tar_pax {
	bool present;
	const char *path, *linkpath; /* NULL: not given */
	bool has_uid, has_gid, has_size, has_mtime, has_sparse_size, has_sparse_realsize;
	int64_t uid, gid, size, sparse_size, sparse_realsize, mtime;
	long mtime_ns;
	const char *sparse_name, *sparse_map, *sparse_major, *sparse_minor;
	int64_t sparse_blocks;         /* -1: not given */
	int64_t sparse_offset;         /* format 0.0: waits for its numbytes; -1: none */
	struct loci_tar_pieces pieces; /* format 0.0 */
	struct loci_tar_xattr *xattrs; /* LOCI_TAR_MAX_XATTRS of them, made on first use */
	size_t n_xattrs;
};
void loci__tar_pax_reset(struct loci_tar_pax *x); /* keeps the memory */
void loci__tar_pax_done(struct loci_tar_pax *x);
/* Parses n bytes at p, which are written to (records become strings). */
int loci__tar_pax_parse(struct loci_tar_pax *x, char *p, size_t n, struct loci_error *err);

/* Where a sparse map's bytes come from when it stands in the content: 1 and a block, or a code. */
typedef int (*loci_tar_block_fn)(void *arg, const unsigned char **ret, struct loci_error *err);

enum loci_tar_sparse { LOCI_TAR_DENSE, LOCI_TAR_SPARSE_PAX, LOCI_TAR_SPARSE_PAX_1_0 };
/* Which pax form an entry has (enum loci_tar_sparse). */
int loci__tar_sparse_kind(const struct loci_tar_pax *x);
/* Each fills m. next gives the blocks behind the header. */
int loci__tar_sparse_old(const unsigned char header[LOCI_TAR_BLOCK], loci_tar_block_fn next,
                         void *arg, struct loci_tar_pieces *m, uint64_t *ret_size,
                         struct loci_error *err);
int loci__tar_sparse_pax(const struct loci_tar_pax *x, struct loci_tar_pieces *m,
                         struct loci_error *err);
int loci__tar_sparse_pax_1_0(loci_tar_block_fn next, void *arg, struct loci_tar_pieces *m,
                             struct loci_error *err);
/* In order, inside the file, and exactly as many bytes as the archive holds. */
int loci__tar_sparse_check(const struct loci_tar_pieces *m, uint64_t size, uint64_t stored,
                           struct loci_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pull parser for tar: ustar, pax (x, g), GNU (L, K, base-256, S) and star headers, sparse files
 * of GNU's old and three pax forms. Where implementations differ it reads what Go's archive/tar
 * reads, because that is what every other container engine sees; a parser that sees other files in
 * the same bytes is how content gets smuggled. Where Go is lax about damage this one refuses.
 *
 * Nothing is allocated per entry: extended headers share buffers that are reused, and every one of
 * them has a maximum.
 */
#ifndef LOCI_UNPACK_TAR_H
#define LOCI_UNPACK_TAR_H

#include "unpack/chunks.h"

#define LOCI_TAR_BLOCK      512
#define LOCI_TAR_MAX_PAX    (1024 * 1024) /* bytes of one extended header, as Go */
#define LOCI_TAR_MAX_XATTRS 1024          /* of one entry */
#define LOCI_TAR_MAX_PIECES 65536         /* of one sparse file */

/* What an entry makes. GNU's sparse and the contiguous type are regular files. */
enum loci_tar_type {
	LOCI_TAR_FILE = '0',
	LOCI_TAR_LINK = '1',
	LOCI_TAR_SYMLINK = '2',
	LOCI_TAR_CHAR = '3',
	LOCI_TAR_BLOCKDEV = '4',
	LOCI_TAR_DIR = '5',
	LOCI_TAR_FIFO = '6'
};

struct loci_tar_xattr {
	const char *name;
	const char *value;
	size_t n;
};

/* Lives until the next call of loci__tar_next. */
struct loci_tar_entry {
	int type; /* enum loci_tar_type */
	const char *name;
	const char *link;  /* target of a link, "" otherwise */
	uint64_t size;     /* bytes of the file that comes out, holes included */
	int64_t mode;      /* as it stands there: mask it */
	int64_t uid, gid;  /* as they stand there: may be negative or huge */
	int64_t dev_major; /* likewise */
	int64_t dev_minor;
	int64_t mtime; /* seconds since the epoch */
	long mtime_ns; /* 0 … 999 999 999 */
	const struct loci_tar_xattr *xattrs;
	size_t n_xattrs;
};

struct loci_tar;
int loci__tar_new(const struct loci_chunks *in, struct loci_tar **ret, struct loci_error *err);
void loci__tar_free(struct loci_tar *t); /* NULL is fine */

/* 1: an entry, 0: the end of the archive (what follows is not looked at), < 0: INVALID, TOO_LARGE,
 * UNSUPPORTED, or what the source returned. Unread content is skipped. */
int loci__tar_next(struct loci_tar *t, const struct loci_tar_entry **ret, struct loci_error *err);
/* The next piece of the entry's content: 1, or 0 when there is no more. Pieces ascend; what no
 * piece covers is a hole. The bytes are lent until the next call on t. */
int loci__tar_data(struct loci_tar *t, uint64_t *ret_offset, const unsigned char **ret_p,
                   size_t *ret_n, struct loci_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of a directory that somebody else made: regular ones below its fd, reached through no
 * symlink, read up to a limit; names of a directory, sorted.
 */
#ifndef LOCI_TRANSFER_BENEATH_H
#define LOCI_TRANSFER_BENEATH_H

#include "core/base/arena.h"
#include "loci/error.h"

/* Expected: NOT_FOUND, INVALID (no regular file, a symlink on the way). */
int loci__beneath_open(int dirfd, const char *path, int *ret_fd, uint64_t *ret_size,
                       struct loci_error *err);
int loci__beneath_dir(int dirfd, const char *path, int *ret_fd, struct loci_error *err);
/* malloc'ed, with a NUL behind. Expected: also TOO_LARGE. */
int loci__beneath_read(int dirfd, const char *path, size_t max, char **ret, size_t *ret_n,
                       struct loci_error *err);

#define LOCI_NAMES_MAX ((size_t)1 << 20) /* entries of one directory */
struct loci__names {
	struct loci__arena arena;
	const char **v;
	size_t n;
};
/* In byte order, without names that begin with a dot; an absent directory has none. */
int loci__names_read(int dirfd, const char *path, struct loci__names *ret, struct loci_error *err);
void loci__names_done(struct loci__names *names);
#define loci__cleanup_names __attribute__((cleanup(loci__names_done)))

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files below a directory fd. Paths under somebody else's control go through loci__open_in, which
 * never leaves the directory and follows no magic link; nothing here glues path strings together.
 * Every fd is O_CLOEXEC.
 */
#ifndef LOCI_BASE_FS_H
#define LOCI_BASE_FS_H

#include "loci/error.h"

#include <sys/stat.h>

/* openat2(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS): symlinks are followed inside dirfd as if it
 * were "/". Returns the fd or -1 with errno. EAGAIN (a racing rename) is retried a few times. */
int loci__open_in(int dirfd, const char *path, int flags, mode_t mode);
/* The same, but any symlink and any ".." that leaves is refused (RESOLVE_BENEATH | NO_SYMLINKS). */
int loci__open_beneath(int dirfd, const char *path, int flags, mode_t mode);

/* mkdir -p below dirfd (AT_FDCWD too), then the directory opened O_RDONLY|O_DIRECTORY. */
int loci__mkdirs_open(int dirfd, const char *path, mode_t mode, int *ret_fd,
                      struct loci_error *err);

/* Removes dirfd/name and everything below it without following symlinks or leaving the file system;
 * a missing name is success. */
int loci__rm_tree(int dirfd, const char *name, struct loci_error *err);

/* The whole file as malloc'ed bytes with a NUL behind; TOO_LARGE above max. */
int loci__read_file(int dirfd, const char *path, size_t max, char **ret, size_t *ret_n,
                    struct loci_error *err);
/* Writes a temporary file beside it and renames it over path. With sync both last from then on:
 * path must be a name in dirfd itself, which is what is synced. */
int loci__write_file_atomic(int dirfd, const char *path, const void *p, size_t n, mode_t mode,
                            bool sync, struct loci_error *err);

/* All n bytes or failure; EINTR is retried. 0 or -1 with errno. */
int loci__write_all(int fd, const void *p, size_t n);
int loci__pwrite_all(int fd, const void *p, size_t n, uint64_t offset);
/* Up to n bytes, fewer only at the end of the file; -1 with errno. */
ssize_t loci__read_full(int fd, void *p, size_t n);
ssize_t loci__pread_full(int fd, void *p, size_t n, uint64_t offset);

/* A second name of an open file, and a clone of its blocks into an empty one (FICLONE). 0 or -1
 * with errno; EXDEV, EOPNOTSUPP and EPERM are ordinary. */
int loci__link_fd(int fd, int dirfd, const char *name);
int loci__clone_fd(int from_fd, int to_fd);

/* fsync of a directory, so that names in it last. */
int loci__sync_dir(int dirfd);

#endif

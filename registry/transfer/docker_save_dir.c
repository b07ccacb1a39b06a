/* SPDX-License-Identifier: Apache-2.0 */
/* An unpacked `docker save`: files below a directory, taken in as they are named. */
#include "registry/transfer/docker_save.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "core/base/fs.h"
#include "registry/transfer/beneath.h"

#include <fcntl.h>
#include <stdlib.h>

#define HASH_CHUNK ((size_t)256 << 10)

struct saved_dir {
	struct loci__import *im;
	int dirfd;
};

LOCI_DEFINE_CLEANUP(hasher_free_ptr, struct loci_hasher, loci_hasher_free)

/* Layers that two images share are symlinks of one directory to another's: followed, but never out
 * of the whole. */
static int open_inside(int dirfd, const char *path, int *ret_fd, struct loci_error *err)
{
	struct stat st;
	loci__cleanup_close int fd =
	        loci__open_in(dirfd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0 || fstat(fd, &st) < 0)
		return loci__err_sys(err, "open '%.200s'", path);
	if (!S_ISREG(st.st_mode))
		return loci__err_set(err, LOCI_E_INVALID, "'%.200s': expected a regular file",
		                     path);
	*ret_fd = loci__steal_fd(&fd);
	return 0;
}

static int hash_file(int fd, struct loci__saved_file *ret, struct loci_error *err)
{
	loci__cleanup_free unsigned char *chunk = malloc(HASH_CHUNK);
	loci__cleanup(hasher_free_ptr) struct loci_hasher *h = NULL;
	*ret = (struct loci__saved_file){0};
	if (!chunk)
		return loci__err_nomem(err);
	int rc = loci_hasher_new(LOCI_SHA256, &h, err);
	for (ssize_t n = 1; rc == 0 && n > 0;) {
		n = loci__read_full(fd, chunk, HASH_CHUNK);
		if (n < 0)
			return loci__err_sys(err, "read a file to take in");
		if (ret->size == 0)
			ret->gzip = n > 1 && chunk[0] == 0x1f && chunk[1] == 0x8b;
		rc = loci_hasher_update(h, chunk, (size_t)n, err);
		ret->size += (uint64_t)n;
	}
	return rc < 0 ? rc : loci_hasher_finish(h, &ret->digest, err);
}

static int find(void *arg, const char *path, struct loci__saved_file *ret, struct loci_error *err)
{
	const struct saved_dir *s = arg;
	loci__cleanup_close int fd = -1;
	int rc = open_inside(s->dirfd, path, &fd, err);
	if (rc == 0)
		rc = hash_file(fd, ret, err);
	if (rc == 0)
		rc = loci__import_adopt(s->im, fd, &ret->digest, ret->size, err);
	return rc;
}

int loci__saved_import_directory(struct loci__import *im, int dirfd, struct loci_error *err)
{
	struct saved_dir s = {im, dirfd};
	loci__cleanup_free char *manifest = NULL;
	size_t n;
	int rc = loci__beneath_read(dirfd, LOCI_DOCKER_SAVE_FILE, LOCI_DOCKER_SAVE_MAX, &manifest,
	                            &n, err);
	return rc < 0 ? rc : loci__saved_import(im, manifest, n, find, &s, err);
}

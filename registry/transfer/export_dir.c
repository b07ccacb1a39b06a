/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layout as a directory. Each blob comes under its name whole (made beside it and renamed, or
 * linked), so that an export that was stopped is gone on with by passing over what is there. All is
 * synced, then index.json is written: a directory that has one is whole.
 */
#include "registry/transfer/export.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "core/base/fs.h"
#include "core/base/rand.h"
#include "registry/transfer/layout.h"

#include <fcntl.h>
#include <string.h>

#define DIR_MODE  0755
#define FILE_MODE 0644

struct dir_sink {
	struct loci__export_sink base;
	int fd;
	bool link;
};

static struct dir_sink *dir_of(struct loci__export_sink *s)
{
	return (struct dir_sink *)s;
}

/* A file of that size; a symlink's size is that of its words. */
static bool is_present(const struct dir_sink *s, const char *path, uint64_t n)
{
	struct stat st;
	return fstatat(s->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       (uint64_t)st.st_size == n;
}

static int dir_bytes(struct loci__export_sink *base, const char *path, const void *p, size_t n,
                     struct loci_error *err)
{
	struct dir_sink *s = dir_of(base);
	if (is_present(s, path, n))
		return 0;
	return loci__write_file_atomic(s->fd, path, p, n, FILE_MODE, /* sync= */ false, err);
}

static int write_fd(void *arg, const void *p, size_t n, struct loci_error *err)
{
	int *fd = arg;
	return loci__write_all(*fd, p, n) < 0 ? loci__err_sys(err, "write a blob") : 0;
}

static int fill(int to, const struct loci_digest *d, int fd, uint64_t n, int *ret_way,
                struct loci_error *err)
{
	*ret_way = LOCI_ADOPTED_CLONE;
	if (loci__clone_fd(fd, to) == 0)
		return 0;
	*ret_way = LOCI_ADOPTED_COPY;
	return loci__export_copy(fd, n, d, write_fd, &to, err);
}

static int dir_blob(struct loci__export_sink *base, const char *path, const struct loci_digest *d,
                    int fd, uint64_t n, int *ret_way, struct loci_error *err)
{
	struct dir_sink *s = dir_of(base);
	char random[LOCI_RAND_NAME_MAX], temp[LOCI_RAND_NAME_MAX + 8];
	*ret_way = LOCI_ADOPTED_PRESENT;
	if (is_present(s, path, n))
		return 0;
	*ret_way = LOCI_ADOPTED_LINK;
	if (s->link && loci__link_fd(fd, s->fd, path) == 0)
		return 0;
	int rc = loci__rand_name(random, err);
	if (rc < 0)
		return rc;
	snprintf(temp, sizeof(temp), ".tmp-%s", random);
	loci__cleanup_close int to =
	        openat(s->fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
	if (to < 0)
		return loci__err_sys(err, "make a file for '%s'", path);
	rc = fill(to, d, fd, n, ret_way, err);
	if (rc == 0 && renameat(s->fd, temp, s->fd, path) < 0)
		rc = loci__err_sys(err, "name '%s'", path);
	if (rc < 0)
		unlinkat(s->fd, temp, 0);
	return rc;
}

static int dir_finish(struct loci__export_sink *base, const char *path, const void *p, size_t n,
                      struct loci_error *err)
{
	struct dir_sink *s = dir_of(base);
	if (syncfs(s->fd) < 0)
		return loci__err_sys(err, "sync the layout");
	return loci__write_file_atomic(s->fd, path, p, n, FILE_MODE, /* sync= */ true, err);
}

static void dir_close(struct loci__export_sink *base)
{
	loci__close_fd(&dir_of(base)->fd);
	free(base);
}

static const struct loci__export_sink_ops dir_ops = {dir_bytes, dir_blob, dir_finish, dir_close};

/* Empty, or begun by an export: nobody's files are mixed with ours. Files that a stopped one left
 * half-written go. */
static int check_place(int dirfd, const char *path, struct loci_error *err)
{
	if (faccessat(dirfd, LOCI_LAYOUT_INDEX, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return loci__err_set(err, LOCI_E_EXISTS, "'%s' is a layout already", path);
	bool begun = faccessat(dirfd, LOCI_LAYOUT_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	loci__cleanup_close int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	loci__cleanup_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return loci__err_sys(err, "list '%s'", path);
	loci__steal_fd(&fd);
	for (struct dirent *e; (e = readdir(dir));) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (!begun)
			return loci__err_set(err, LOCI_E_EXISTS, "'%s' is not empty ('%s')", path,
			                     e->d_name);
		if (!strncmp(e->d_name, ".tmp-", strlen(".tmp-")))
			unlinkat(dirfd, e->d_name, 0);
	}
	return 0;
}

static int make_blob_dirs(int dirfd, struct loci_error *err)
{
	for (int alg = LOCI_SHA256; alg <= LOCI_SHA512; alg++) {
		loci__cleanup_close int fd = -1;
		char path[32];
		snprintf(path, sizeof(path), "blobs/%s", loci_digest_alg_name(alg));
		int rc = loci__mkdirs_open(dirfd, path, DIR_MODE, &fd, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int loci__export_dir_open(const char *path, bool link, struct loci__export_sink **ret,
                          struct loci_error *err)
{
	static const char layout[] = "{\"imageLayoutVersion\":\"" LOCI_LAYOUT_VERSION "\"}";
	loci__cleanup_close int fd = -1;
	int rc = loci__mkdirs_open(AT_FDCWD, path, DIR_MODE, &fd, err);
	if (rc == 0)
		rc = check_place(fd, path, err);
	/* First, as the mark of a directory that was begun. */
	if (rc == 0)
		rc = loci__write_file_atomic(fd, LOCI_LAYOUT_FILE, layout, sizeof(layout) - 1,
		                             FILE_MODE, /* sync= */ false, err);
	if (rc == 0)
		rc = make_blob_dirs(fd, err);
	if (rc < 0)
		return rc;
	struct dir_sink *s = calloc(1, sizeof(*s));
	if (!s)
		return loci__err_nomem(err);
	*s = (struct dir_sink){{&dir_ops}, loci__steal_fd(&fd), link};
	*ret = &s->base;
	return 0;
}

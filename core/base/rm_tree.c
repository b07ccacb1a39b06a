/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing a tree of any depth with a bounded number of fds and no memory that grows. Down to a
 * fixed depth each level keeps its directory open; below that, what lies deeper is first moved up
 * to the deepest open level, so that the tree becomes flat while it is taken down. Each directory
 * is moved at most once.
 */
#include "core/base/fs.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "core/base/rand.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* Levels that hold an fd each. */
#define MAX_OPEN 32

static int refuse(int code)
{
	errno = code;
	return -1;
}

/* Not through a symlink, not into another file system. Without root's rights a directory may be
 * closed to its own owner: it is opened up then. */
static int open_dir(int parent, const char *name, dev_t dev)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(parent, name, flags);
	if (fd < 0 && errno == EACCES) {
		loci__cleanup_close int path =
		        openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		char proc[64];
		snprintf(proc, sizeof(proc), "/proc/self/fd/%d", path);
		if (path < 0 || chmod(proc, 0700) < 0)
			return -1;
		fd = openat(parent, name, flags);
	}
	struct stat st;
	if (fd >= 0 && (fstat(fd, &st) < 0 || st.st_dev != dev)) {
		loci__close_fd(&fd);
		return refuse(EXDEV);
	}
	if (fd >= 0 && (st.st_mode & 0700) != 0700)
		(void)!fchmod(fd, 0700); /* what cannot be changed shows at the first unlink */
	return fd;
}

/* 1: gone (or never there), 0: a directory that is not empty, -1: errno. */
static int remove_easy(int parent, const char *name)
{
	if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
		return 1;
	if (errno != EISDIR && errno != EPERM)
		return -1;
	if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 1;
	return errno == ENOTEMPTY || errno == EEXIST ? 0 : -1;
}

/* What lies in parent/name moves up into parent, under names that nobody else has. */
static int move_up(int parent, const char *name, dev_t dev)
{
	int fd = open_dir(parent, name, dev);
	loci__cleanup_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		loci__close_fd(&fd);
		return -1;
	}
	struct dirent *e;
	while ((errno = 0, e = readdir(dir))) {
		char fresh[LOCI_RAND_NAME_MAX];
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		int rc = remove_easy(fd, e->d_name);
		if (rc < 0 || (rc == 0 && loci__rand_name(fresh, NULL) < 0))
			return -1;
		if (rc > 0)
			continue;
		if (renameat(fd, e->d_name, parent, fresh) == 0)
			continue;
		/* Moving a directory writes to it: it may be closed to its owner. */
		loci__cleanup_close int opened =
		        errno == EACCES ? open_dir(fd, e->d_name, dev) : -1;
		if (opened < 0 || renameat(fd, e->d_name, parent, fresh) < 0)
			return -1;
	}
	return errno ? -1 : 0;
}

static int remove_content(int take_fd, dev_t dev, unsigned depth);

static int remove_dir(int parent, const char *name, dev_t dev, unsigned depth)
{
	int rc;
	if (depth < MAX_OPEN) {
		int fd = open_dir(parent, name, dev);
		rc = fd < 0 ? -1 : remove_content(fd, dev, depth);
	} else {
		rc = move_up(parent, name, dev);
	}
	return rc < 0 ? rc : unlinkat(parent, name, AT_REMOVEDIR);
}

/* Reads on until a whole pass finds nothing: what was moved up may have come behind the cursor. */
static int remove_content(int take_fd, dev_t dev, unsigned depth)
{
	loci__cleanup_dir DIR *dir = fdopendir(take_fd);
	if (!dir) {
		loci__close_fd(&take_fd);
		return -1;
	}
	for (bool found = true; found; rewinddir(dir)) {
		struct dirent *e;
		found = false;
		while ((errno = 0, e = readdir(dir))) {
			if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
				continue;
			int rc = remove_easy(dirfd(dir), e->d_name);
			if (rc == 0) {
				rc = remove_dir(dirfd(dir), e->d_name, dev, depth + 1);
				found = true;
			}
			if (rc < 0)
				return -1;
		}
		if (errno)
			return -1;
	}
	return 0;
}

int loci__rm_tree(int dirfd, const char *name, struct loci_error *err)
{
	struct stat st;
	int rc = remove_easy(dirfd, name);
	if (rc == 0) {
		rc = fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW);
		if (rc == 0)
			rc = remove_dir(dirfd, name, st.st_dev, 0);
	}
	return rc < 0 ? loci__err_sys(err, "remove '%s'", name) : 0;
}

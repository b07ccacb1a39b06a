/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/fs.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "core/base/rand.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_how(int dirfd, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = {
	        .flags = (uint64_t)(flags | O_CLOEXEC),
	        .mode = flags & (O_CREAT | __O_TMPFILE) ? mode : 0,
	        .resolve = resolve,
	};
	int fd = -1;
	/* The kernel gives up with EAGAIN when a rename races with ".."; it is not our failure. */
	for (int tries = 0; tries < 32; tries++) {
		fd = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return fd;
}

int loci__open_in(int dirfd, const char *path, int flags, mode_t mode)
{
	return open_how(dirfd, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int loci__open_beneath(int dirfd, const char *path, int flags, mode_t mode)
{
	return open_how(dirfd, path, flags, mode,
	                RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
}

int loci__mkdirs_open(int dirfd, const char *path, mode_t mode, int *ret_fd, struct loci_error *err)
{
	loci__cleanup_free char *copy = strdup(path);
	if (!copy)
		return loci__err_nomem(err);
	for (char *slash = *copy ? strchr(copy + 1, '/') : NULL;; slash = strchr(slash + 1, '/')) {
		if (slash)
			*slash = '\0';
		if (mkdirat(dirfd, copy, mode) < 0 && errno != EEXIST)
			return loci__err_sys(err, "make directory '%s'", copy);
		if (!slash)
			break;
		*slash = '/';
	}
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return loci__err_sys(err, "open directory '%s'", path);
	*ret_fd = fd;
	return 0;
}

int loci__read_file(int dirfd, const char *path, size_t max, char **ret, size_t *ret_n,
                    struct loci_error *err)
{
	loci__cleanup_close int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return loci__err_sys(err, "open '%s'", path);
	struct stat st;
	if (fstat(fd, &st) < 0)
		return loci__err_sys(err, "stat '%s'", path);
	/* Files in /proc say 0: read on until the end, whatever the size was. */
	size_t cap = S_ISREG(st.st_mode) && st.st_size > 0 ? (size_t)st.st_size : 4096;
	size_t len = 0;
	loci__cleanup_free char *p = NULL;
	for (;;) {
		if (cap > max)
			cap = max;
		char *grown = realloc(p, cap + 2); /* a byte to see too much by, and the NUL */
		if (!grown)
			return loci__err_nomem(err);
		p = grown;
		ssize_t n = loci__read_full(fd, p + len, cap + 1 - len);
		if (n < 0)
			return loci__err_sys(err, "read '%s'", path);
		len += (size_t)n;
		if (len <= cap)
			break;
		if (cap == max)
			return loci__err_set(err, LOCI_E_TOO_LARGE, "'%s': more than %zu bytes",
			                     path, max);
		cap *= 2;
	}
	p[len] = '\0';
	*ret = loci__steal_ptr(&p);
	if (ret_n)
		*ret_n = len;
	return 0;
}

int loci__write_file_atomic(int dirfd, const char *path, const void *p, size_t n, mode_t mode,
                            bool sync, struct loci_error *err)
{
	char temp[4096], id[LOCI_RAND_NAME_MAX];
	if (loci__rand_name(id, err) < 0)
		return LOCI_E_SYS;
	if (snprintf(temp, sizeof(temp), "%s.%s.tmp", path, id) >= (int)sizeof(temp))
		return loci__err_set(err, LOCI_E_TOO_LARGE, "write '%s': name too long", path);
	loci__cleanup_close int fd =
	        openat(dirfd, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return loci__err_sys(err, "create '%s'", temp);
	if (loci__write_all(fd, p, n) < 0 || (sync && fsync(fd) < 0) ||
	    renameat(dirfd, temp, dirfd, path) < 0) {
		int code = loci__err_sys(err, "write '%s'", path);
		unlinkat(dirfd, temp, 0);
		return code;
	}
	if (sync && loci__sync_dir(dirfd) < 0)
		return loci__err_sys(err, "sync the directory of '%s'", path);
	return 0;
}

int loci__write_all(int fd, const void *p, size_t n)
{
	const char *at = p;
	while (n > 0) {
		ssize_t w = write(fd, at, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -1;
		at += w;
		n -= (size_t)w;
	}
	return 0;
}

int loci__pwrite_all(int fd, const void *p, size_t n, uint64_t offset)
{
	const char *at = p;
	while (n > 0) {
		ssize_t w = pwrite(fd, at, n, (off_t)offset);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -1;
		at += w;
		n -= (size_t)w;
		offset += (uint64_t)w;
	}
	return 0;
}

ssize_t loci__read_full(int fd, void *p, size_t n)
{
	size_t got = 0;
	while (got < n) {
		ssize_t r = read(fd, (char *)p + got, n - got);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		if (r == 0)
			break;
		got += (size_t)r;
	}
	return (ssize_t)got;
}

ssize_t loci__pread_full(int fd, void *p, size_t n, uint64_t offset)
{
	size_t got = 0;
	while (got < n) {
		ssize_t r = pread(fd, (char *)p + got, n - got, (off_t)(offset + got));
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		if (r == 0)
			break;
		got += (size_t)r;
	}
	return (ssize_t)got;
}

int loci__link_fd(int fd, int dirfd, const char *name)
{
	char path[32];
	if (linkat(fd, "", dirfd, name, AT_EMPTY_PATH) == 0)
		return 0;
	if (errno != ENOENT) /* what the kernel says without CAP_DAC_READ_SEARCH */
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, dirfd, name, AT_SYMLINK_FOLLOW);
}

int loci__clone_fd(int from_fd, int to_fd)
{
	return ioctl(to_fd, FICLONE, from_fd);
}

int loci__sync_dir(int dirfd)
{
	if (dirfd != AT_FDCWD)
		return fsync(dirfd);
	loci__cleanup_close int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -1 : fsync(fd);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "failing_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define SEEN_BY_ALL __attribute__((visibility("default")))

static pthread_mutex_t plan_lock = PTHREAD_MUTEX_INITIALIZER;
static const char *plan_below;
static enum failing_kind plan_kind;
static unsigned plan_left;
static const char *plan_happened;

void failing_calls_plan(const char *below, enum failing_kind kind, unsigned at)
{
	pthread_mutex_lock(&plan_lock);
	plan_below = below;
	plan_kind = kind;
	plan_left = at;
	plan_happened = NULL;
	pthread_mutex_unlock(&plan_lock);
}

const char *failing_calls_happened(void)
{
	pthread_mutex_lock(&plan_lock);
	const char *call = plan_happened;
	pthread_mutex_unlock(&plan_lock);
	return call;
}

static bool is_below(int fd)
{
	char link[64], path[512];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	path[n < 0 ? 0 : n] = '\0';
	return strstr(path, plan_below) != NULL;
}

/* Whether this call is the planned one. */
static bool is_due(const char *call, int fd, bool is_write)
{
	bool due = false;
	pthread_mutex_lock(&plan_lock);
	if (plan_below && plan_left > 0 && (is_write || plan_kind != FAILING_SHORT) && is_below(fd))
		due = --plan_left == 0;
	if (due)
		plan_happened = call;
	pthread_mutex_unlock(&plan_lock);
	if (due)
		errno = plan_kind == FAILING_EIO ? EIO : ENOSPC;
	return due;
}

/* ---- writes ---------------------------------------------------------------------------------- */

static ssize_t pwrite_or_fail(int fd, const void *p, size_t n, off_t offset)
{
	if (is_due("pwrite", fd, true)) {
		if (plan_kind != FAILING_SHORT)
			return -1;
		n /= 2;
	}
	return syscall(SYS_pwrite64, fd, p, n, offset);
}

SEEN_BY_ALL ssize_t pwrite(int fd, const void *p, size_t n, off_t offset)
{
	return pwrite_or_fail(fd, p, n, offset);
}

SEEN_BY_ALL ssize_t pwrite64(int fd, const void *p, size_t n, off64_t offset)
{
	return pwrite_or_fail(fd, p, n, offset);
}

static ssize_t pwritev_or_fail(int fd, const struct iovec *v, int n, off_t offset)
{
	if (is_due("pwritev", fd, true)) {
		if (plan_kind != FAILING_SHORT)
			return -1;
		return syscall(SYS_pwrite64, fd, v[0].iov_base, v[0].iov_len / 2, offset);
	}
	return syscall(SYS_pwritev, fd, v, n, offset, (long)0);
}

SEEN_BY_ALL ssize_t pwritev(int fd, const struct iovec *v, int n, off_t offset)
{
	return pwritev_or_fail(fd, v, n, offset);
}

SEEN_BY_ALL ssize_t pwritev64(int fd, const struct iovec *v, int n, off64_t offset)
{
	return pwritev_or_fail(fd, v, n, offset);
}

SEEN_BY_ALL ssize_t write(int fd, const void *p, size_t n)
{
	if (is_due("write", fd, true)) {
		if (plan_kind != FAILING_SHORT)
			return -1;
		n /= 2;
	}
	return syscall(SYS_write, fd, p, n);
}

/* LMDB's way to write many pages. */
SEEN_BY_ALL ssize_t writev(int fd, const struct iovec *v, int n)
{
	if (is_due("writev", fd, true)) {
		if (plan_kind != FAILING_SHORT)
			return -1;
		return syscall(SYS_write, fd, v[0].iov_base, v[0].iov_len / 2);
	}
	return syscall(SYS_writev, fd, v, n);
}

SEEN_BY_ALL int ftruncate(int fd, off_t size)
{
	return is_due("ftruncate", fd, false) ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

/* ---- syncs ----------------------------------------------------------------------------------- */

SEEN_BY_ALL int fdatasync(int fd)
{
	return is_due("fdatasync", fd, false) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

SEEN_BY_ALL int fsync(int fd)
{
	return is_due("fsync", fd, false) ? -1 : (int)syscall(SYS_fsync, fd);
}

/* ---- names ----------------------------------------------------------------------------------- */

SEEN_BY_ALL int openat(int dirfd, const char *path, int flags, ...)
{
	va_list args;
	va_start(args, flags);
	mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
	va_end(args);
	if (flags & O_CREAT && is_due("openat", dirfd, false))
		return -1;
	return (int)syscall(SYS_openat, dirfd, path, flags, mode);
}

SEEN_BY_ALL int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	return is_due("linkat", to_fd, false)
	               ? -1
	               : (int)syscall(SYS_linkat, from_fd, from, to_fd, to, flags);
}

SEEN_BY_ALL int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	return is_due("renameat", to_fd, false)
	               ? -1
	               : (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
}

SEEN_BY_ALL int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	return renameat2(from_fd, from, to_fd, to, 0);
}

SEEN_BY_ALL int unlinkat(int dirfd, const char *path, int flags)
{
	return is_due("unlinkat", dirfd, false) ? -1
	                                        : (int)syscall(SYS_unlinkat, dirfd, path, flags);
}

SEEN_BY_ALL int mkdirat(int dirfd, const char *path, mode_t mode)
{
	return is_due("mkdirat", dirfd, false) ? -1 : (int)syscall(SYS_mkdirat, dirfd, path, mode);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a blob to see whether it is right: from the disk, not from the page cache, which may hold
 * good bytes over bad sectors, and without pushing out of it what a server needs. Direct reads do
 * both. Where there are none, what was not in the cache before is dropped from it afterwards.
 */
#include "core/base/page_cache.h"
#include "core/store/scrub.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void loci__scrub_open_direct(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags >= 0)
		(void)fcntl(fd, F_SETFL, flags | O_DIRECT);
}

ssize_t loci__scrub_pread(int fd, void *p, size_t n, uint64_t offset)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags >= 0 && flags & O_DIRECT) {
		ssize_t got = pread(fd, p, n, (off_t)offset);
		if (got >= 0 || errno != EINVAL)
			return got;
		fcntl(fd, F_SETFL, flags & ~O_DIRECT);
	}
	ssize_t got = loci__page_cache_read(fd, p, n, offset);
	if (got > 0)
		return got;
	got = pread(fd, p, n, (off_t)offset);
	if (got > 0)
		(void)posix_fadvise(fd, (off_t)offset, got, POSIX_FADV_DONTNEED);
	return got;
}

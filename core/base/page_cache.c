/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/page_cache.h"

#include <errno.h>
#include <sys/uio.h>

#define FILL_BUFFER (64 * 1024)

static ssize_t read_at(int fd, void *p, size_t n, uint64_t offset, int flags)
{
	struct iovec v = {p, n};
	return preadv2(fd, &v, 1, (off_t)offset, flags);
}

ssize_t loci__page_cache_read(int fd, void *p, size_t n, uint64_t offset)
{
	return read_at(fd, p, n, offset, RWF_NOWAIT);
}

static bool lacks_byte(int fd, uint64_t offset)
{
	char byte;
	return loci__page_cache_read(fd, &byte, 1, offset) < 0 && errno == EAGAIN;
}

bool loci__page_cache_lacks(int fd, uint64_t offset, size_t n, size_t step)
{
	for (size_t at = 0; at < n - 1; at += step)
		if (lacks_byte(fd, offset + at))
			return true;
	return lacks_byte(fd, offset + n - 1);
}

/* Read and thrown away, as that is what tells of errors. POSIX_FADV_WILLNEED would not wait, and
 * fills memory with small pages, which cost several times the CPU. */
int loci__page_cache_fill(int fd, uint64_t offset, size_t n)
{
	char buf[FILL_BUFFER];
	while (n > 0) {
		ssize_t got = read_at(fd, buf, n < sizeof(buf) ? n : sizeof(buf), offset, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return (int)got;
		offset += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

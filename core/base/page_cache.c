/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/page_cache.h"

#include "core/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

ssize_t loci__pread_cached(int fd, void *p, size_t n, uint64_t offset)
{
	struct iovec v = {p, n};
	return preadv2(fd, &v, 1, (off_t)offset, RWF_NOWAIT);
}

static bool byte_is_cold(int fd, uint64_t offset)
{
	char byte;
	return loci__pread_cached(fd, &byte, 1, offset) < 0 && errno == EAGAIN;
}

bool loci__is_cold(int fd, uint64_t offset, size_t n)
{
	return byte_is_cold(fd, offset) || (n > 1 && byte_is_cold(fd, offset + n - 1));
}

/* /dev/null takes pages without a look at them, so nothing is copied. POSIX_FADV_WILLNEED would
 * read further ahead, but one small page at a time, which costs several times the CPU. */
void loci__warm(int fd, uint64_t offset, size_t n)
{
	off_t at = (off_t)offset, end = at + (off_t)n;
	loci__cleanup_close int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	while (null >= 0 && at < end) {
		ssize_t moved = sendfile(null, fd, &at, (size_t)(end - at));
		if (moved == 0 || (moved < 0 && errno != EINTR))
			return;
	}
}

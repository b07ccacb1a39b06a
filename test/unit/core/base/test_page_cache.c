/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of the kernel about a file's bytes, and that they are in memory after the wait. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/fs.h"
#include "core/base/page_cache.h"

#include "loci/api.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILE_BYTES (1024 * 1024)

/* A real disk may be done with a byte between two questions: this one has one byte, and waits. */
static off_t byte_that_is_cold;
static int cold_errno;
static unsigned n_asked;

LOCI_API ssize_t preadv2(int fd, const struct iovec *iov, int n, off_t offset, int flags)
{
	(void)fd;
	(void)n;
	assert_int_equal(flags, RWF_NOWAIT);
	n_asked++;
	errno = cold_errno;
	return byte_that_is_cold >= offset && byte_that_is_cold < offset + (off_t)iov->iov_len
	               ? -1
	               : (ssize_t)iov->iov_len;
}

static bool is_cold(off_t cold, uint64_t offset, size_t n)
{
	byte_that_is_cold = cold;
	cold_errno = EAGAIN;
	n_asked = 0;
	return loci__is_cold(/* fd= */ 0, offset, n);
}

static void test_either_end_counts(void **state)
{
	(void)state;
	assert_false(is_cold(9, 10, 10));
	assert_true(is_cold(10, 10, 10));
	assert_int_equal(n_asked, 1);
	assert_false(is_cold(15, 10, 10)); /* nobody asks */
	assert_int_equal(n_asked, 2);
	assert_true(is_cold(19, 10, 10));
	assert_false(is_cold(20, 10, 10));
	assert_true(is_cold(10, 10, 1));
	assert_false(is_cold(11, 10, 1));
	assert_int_equal(n_asked, 1);
}

static void test_what_cannot_tell_is_not_cold(void **state)
{
	(void)state;
	byte_that_is_cold = 10;
	cold_errno = EOPNOTSUPP;
	assert_false(loci__is_cold(/* fd= */ 0, 10, 10));
}

static bool all_in_memory(int fd)
{
	unsigned char seen[FILE_BYTES / 4096];
	size_t n = FILE_BYTES / (size_t)sysconf(_SC_PAGESIZE);
	void *p = mmap(NULL, FILE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(p != MAP_FAILED);
	assert_int_equal(mincore(p, FILE_BYTES, seen), 0);
	munmap(p, FILE_BYTES);
	while (n && seen[n - 1] & 1)
		n--;
	return n == 0;
}

static void test_warm(void **state)
{
	static char text[FILE_BYTES];
	char path[256];
	const char *tmp = getenv("TMPDIR");
	(void)state;
	snprintf(path, sizeof(path), "%s/loci-cold-XXXXXX", tmp ? tmp : "/tmp");
	loci__cleanup_close int fd = mkostemp(path, O_CLOEXEC);
	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(loci__write_all(fd, text, sizeof(text)), 0);
	assert_int_equal(fsync(fd), 0);
	/* Out of memory, where the file system can; and no reading ahead of what is asked for. */
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
	loci__warm(fd, 0, FILE_BYTES / 2);
	loci__warm(fd, FILE_BYTES / 2, FILE_BYTES); /* past the end */
	assert_true(all_in_memory(fd));
	loci__warm(fd, FILE_BYTES, 1); /* returns */
	loci__warm(/* fd= */ -1, 0, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_either_end_counts),
	        cmocka_unit_test(test_what_cannot_tell_is_not_cold),
	        cmocka_unit_test(test_warm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

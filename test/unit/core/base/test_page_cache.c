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
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILE_BYTES (1024 * 1024)

/* A real disk may be done with a byte between two questions: this one has one byte, and waits. */
static off_t byte_that_is_cold;
static int cold_errno;
static unsigned n_asked;

LOCI_API ssize_t preadv2(int fd, const struct iovec *iov, int n, off_t offset, int flags)
{
	if (!(flags & RWF_NOWAIT))
		return syscall(SYS_preadv2, fd, iov, n, offset, 0, flags);
	n_asked++;
	errno = cold_errno;
	return byte_that_is_cold >= offset && byte_that_is_cold < offset + (off_t)iov->iov_len
	               ? -1
	               : (ssize_t)iov->iov_len;
}

static bool is_cold(off_t cold, uint64_t offset, size_t n, size_t step)
{
	byte_that_is_cold = cold;
	cold_errno = EAGAIN;
	n_asked = 0;
	return loci__page_cache_lacks(/* fd= */ 0, offset, n, step);
}

static void test_either_end_counts(void **state)
{
	(void)state;
	assert_false(is_cold(9, 10, 10, 10));
	assert_true(is_cold(10, 10, 10, 10));
	assert_int_equal(n_asked, 1);
	assert_false(is_cold(15, 10, 10, 10)); /* nobody asks */
	assert_int_equal(n_asked, 2);
	assert_true(is_cold(19, 10, 10, 10));
	assert_false(is_cold(20, 10, 10, 10));
	assert_true(is_cold(10, 10, 1, 1));
	assert_false(is_cold(11, 10, 1, 1));
	assert_int_equal(n_asked, 1);
}

static void test_steps_between(void **state)
{
	(void)state;
	for (off_t cold = 0; cold < 30; cold++)
		assert_int_equal(is_cold(cold, 10, 10, 4),
		                 cold == 10 || cold == 14 || cold == 18 || cold == 19);
	assert_false(is_cold(0, 10, 9, 4)); /* 10, 14, 18: the last is a step's */
	assert_int_equal(n_asked, 3);
}

static void test_what_cannot_tell_is_not_cold(void **state)
{
	(void)state;
	byte_that_is_cold = 10;
	cold_errno = EOPNOTSUPP;
	assert_false(loci__page_cache_lacks(/* fd= */ 0, 10, 10, 10));
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

static void test_fill(void **state)
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
	if (all_in_memory(fd))
		print_message("this file system keeps all in memory\n");
	assert_int_equal(loci__page_cache_fill(fd, 0, FILE_BYTES / 2), 0);
	assert_int_equal(loci__page_cache_fill(fd, FILE_BYTES / 2, FILE_BYTES),
	                 0); /* past the end */
	assert_true(all_in_memory(fd));
	assert_int_equal(loci__page_cache_fill(fd, FILE_BYTES, 1), 0);
	assert_int_equal(loci__page_cache_fill(/* fd= */ -1, 0, 1), -1);
	assert_int_equal(errno, EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_either_end_counts),
	        cmocka_unit_test(test_steps_between),
	        cmocka_unit_test(test_what_cannot_tell_is_not_cold),
	        cmocka_unit_test(test_fill),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

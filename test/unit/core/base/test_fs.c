/* SPDX-License-Identifier: Apache-2.0 */
/* Files below a directory: containment against symlinks and "..", removal, whole-file I/O. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/fs.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

struct dirs {
	char path[256];
	int fd; /* the directory "in" of path; "out" beside it must never be reached */
};

static void write_text(int dirfd, const char *name, const char *text)
{
	loci__cleanup_close int fd =
	        openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(loci__write_all(fd, text, strlen(text)), 0);
}

static int setup(void **state)
{
	static struct dirs d;
	const char *tmp = getenv("TMPDIR");
	snprintf(d.path, sizeof(d.path), "%s/loci-fs-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(d.path))
		return -1;
	loci__cleanup_close int top = open(d.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mkdirat(top, "in", 0755) < 0 || mkdirat(top, "out", 0755) < 0)
		return -1;
	loci__cleanup_close int out = openat(top, "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	write_text(out, "secret", "outside");
	d.fd = openat(top, "in", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = &d;
	return d.fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct dirs *d = *state;
	struct loci_error err;
	close(d->fd);
	return loci__rm_tree(AT_FDCWD, d->path, &err);
}

static void expect_text(int dirfd, const char *path, const char *expected)
{
	loci__cleanup_close int fd = loci__open_in(dirfd, path, O_RDONLY, 0);
	assert_true(fd >= 0);
	char buf[64] = "";
	assert_true(loci__read_full(fd, buf, sizeof(buf) - 1) >= 0);
	assert_string_equal(buf, expected);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void open_in_never_leaves(void **state)
{
	struct dirs *d = *state;
	assert_int_equal(mkdirat(d->fd, "etc", 0755), 0);
	write_text(d->fd, "etc/passwd", "inside");
	assert_int_equal(symlinkat("/etc/passwd", d->fd, "abs"), 0);
	assert_int_equal(symlinkat("../../../../etc/passwd", d->fd, "dots"), 0);
	assert_int_equal(symlinkat("../out", d->fd, "up"), 0);
	expect_text(d->fd, "abs", "inside");
	expect_text(d->fd, "dots", "inside");
	expect_text(d->fd, "/../../etc/passwd", "inside");
	assert_int_equal(loci__open_in(d->fd, "up/secret", O_RDONLY, 0), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(loci__open_in(d->fd, "../out/secret", O_RDONLY, 0), -1);
}

static void open_in_follows_no_magic_link(void **state)
{
	(void)state;
	loci__cleanup_close int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(proc >= 0);
	assert_int_equal(loci__open_in(proc, "self/root/etc", O_PATH, 0), -1);
	assert_int_equal(errno, ELOOP);
}

static void open_beneath_takes_no_symlink_at_all(void **state)
{
	struct dirs *d = *state;
	write_text(d->fd, "plain", "x");
	assert_int_equal(symlinkat("plain", d->fd, "link"), 0);
	loci__cleanup_close int fd = loci__open_beneath(d->fd, "plain", O_RDONLY, 0);
	assert_true(fd >= 0);
	assert_int_equal(loci__open_beneath(d->fd, "link", O_RDONLY, 0), -1);
	assert_int_equal(errno, ELOOP);
	assert_int_equal(loci__open_beneath(d->fd, "../out/secret", O_RDONLY, 0), -1);
	assert_int_equal(errno, EXDEV);
	assert_int_equal(loci__open_beneath(d->fd, "/etc/passwd", O_RDONLY, 0), -1);
	assert_int_equal(errno, EXDEV);
}

static void rm_tree_removes_links_not_their_targets(void **state)
{
	struct dirs *d = *state;
	struct loci_error err;
	assert_int_equal(mkdirat(d->fd, "tree", 0755), 0);
	assert_int_equal(mkdirat(d->fd, "tree/sub", 0), 0);
	assert_int_equal(mkdirat(d->fd, "tree/sub/deep", 0755), 0);
	write_text(d->fd, "tree/sub/deep/f", "x");
	assert_int_equal(symlinkat("../../out", d->fd, "tree/dirlink"), 0);
	assert_int_equal(symlinkat("../../out/secret", d->fd, "tree/filelink"), 0);
	assert_int_equal(mkfifoat(d->fd, "tree/fifo", 0644), 0);
	assert_int_equal(loci__rm_tree(d->fd, "tree", &err), 0);
	struct stat st;
	assert_int_equal(fstatat(d->fd, "tree", &st, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(fstatat(d->fd, "../out/secret", &st, 0), 0);
}

static void rm_tree_of_a_link_or_of_nothing(void **state)
{
	struct dirs *d = *state;
	struct loci_error err;
	struct stat st;
	assert_int_equal(symlinkat("../out", d->fd, "link"), 0);
	assert_int_equal(loci__rm_tree(d->fd, "link", &err), 0);
	assert_int_equal(fstatat(d->fd, "link", &st, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(fstatat(d->fd, "../out/secret", &st, 0), 0);
	assert_int_equal(loci__rm_tree(d->fd, "nothing", &err), 0);
}

static void rm_tree_stays_on_its_file_system(void **state)
{
	struct dirs *d = *state;
	struct loci_error err;
	char target[300];
	assert_int_equal(mkdirat(d->fd, "tree", 0755), 0);
	assert_int_equal(mkdirat(d->fd, "tree/mnt", 0755), 0);
	snprintf(target, sizeof(target), "%s/in/tree/mnt", d->path);
	if (mount("none", target, "tmpfs", MS_NOSUID, "size=64k") < 0)
		skip(); /* not root */
	write_text(d->fd, "tree/mnt/kept", "x");
	int rc = loci__rm_tree(d->fd, "tree", &err);
	struct stat st;
	int there = fstatat(d->fd, "tree/mnt/kept", &st, 0);
	assert_int_equal(umount(target), 0);
	assert_true(rc < 0);
	assert_int_equal(there, 0);
	assert_int_equal(loci__rm_tree(d->fd, "tree", &err), 0);
}

static void mkdirs_makes_what_is_missing(void **state)
{
	struct dirs *d = *state;
	struct loci_error err;
	for (int round = 0; round < 2; round++) {
		loci__cleanup_close int fd = -1;
		assert_int_equal(loci__mkdirs_open(d->fd, "a/b/c", 0755, &fd, &err), 0);
		struct stat st;
		assert_int_equal(fstat(fd, &st), 0);
		assert_true(S_ISDIR(st.st_mode));
	}
	write_text(d->fd, "a/file", "x");
	int fd = -1;
	assert_true(loci__mkdirs_open(d->fd, "a/file/d", 0755, &fd, &err) < 0);
	assert_int_equal(fd, -1);
	assert_non_null(strstr(err.msg, "a/file"));
	assert_int_equal(loci__mkdirs_open(d->fd, "", 0755, &fd, &err), LOCI_E_NOT_FOUND);
}

static void read_file_has_an_exact_maximum(void **state)
{
	struct dirs *d = *state;
	struct loci_error err;
	loci__cleanup_free char *p = NULL;
	size_t n = 0;
	write_text(d->fd, "f", "12345");
	assert_int_equal(loci__read_file(d->fd, "f", 5, &p, &n, &err), 0);
	assert_int_equal(n, 5);
	assert_string_equal(p, "12345");
	char *none = NULL;
	assert_int_equal(loci__read_file(d->fd, "f", 4, &none, &n, &err), LOCI_E_TOO_LARGE);
	assert_int_equal(loci__read_file(d->fd, "g", 4, &none, &n, &err), LOCI_E_NOT_FOUND);
	assert_null(none);
	loci__cleanup_free char *proc = NULL; /* says size 0, has content */
	assert_int_equal(loci__read_file(AT_FDCWD, "/proc/self/status", 1 << 20, &proc, &n, &err),
	                 0);
	assert_true(n > 100);
}

static void write_file_atomic_replaces_whole_files(void **state)
{
	struct dirs *d = *state;
	struct loci_error err;
	assert_int_equal(loci__write_file_atomic(d->fd, "f", "old", 3, 0600, false, &err), 0);
	loci__cleanup_close int before = openat(d->fd, "f", O_RDONLY | O_CLOEXEC);
	assert_int_equal(loci__write_file_atomic(d->fd, "f", "newer", 5, 0600, true, &err), 0);
	expect_text(d->fd, "f", "newer");
	char buf[8] = "";
	assert_int_equal(loci__pread_full(before, buf, sizeof(buf), 0), 3);
	assert_string_equal(buf, "old");
	struct stat st;
	assert_int_equal(fstatat(d->fd, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(loci__write_file_atomic(d->fd, "no/f", "x", 1, 0600, false, &err) < 0);
}

static void positioned_io(void **state)
{
	struct dirs *d = *state;
	loci__cleanup_close int fd = openat(d->fd, "f", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(loci__pwrite_all(fd, "abc", 3, 5), 0);
	char buf[16];
	assert_int_equal(loci__pread_full(fd, buf, sizeof(buf), 5), 3);
	assert_memory_equal(buf, "abc", 3);
	assert_int_equal(loci__pread_full(fd, buf, sizeof(buf), 8), 0);
	assert_int_equal(loci__pread_full(-1, buf, 1, 0), -1);
	assert_int_equal(errno, EBADF);
}

#define FS_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        FS_TEST(open_in_never_leaves),
	        FS_TEST(open_in_follows_no_magic_link),
	        FS_TEST(open_beneath_takes_no_symlink_at_all),
	        FS_TEST(rm_tree_removes_links_not_their_targets),
	        FS_TEST(rm_tree_of_a_link_or_of_nothing),
	        FS_TEST(rm_tree_stays_on_its_file_system),
	        FS_TEST(mkdirs_makes_what_is_missing),
	        FS_TEST(read_file_has_an_exact_maximum),
	        FS_TEST(write_file_atomic_replaces_whole_files),
	        FS_TEST(positioned_io),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

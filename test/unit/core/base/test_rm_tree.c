/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/fs.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

static char top_path[64];
static int top;

static int setup(void **state)
{
	(void)state;
	snprintf(top_path, sizeof(top_path), "/tmp/loci-rm-tree-XXXXXX");
	if (!mkdtemp(top_path))
		return -1;
	top = open(top_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return top < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	close(top);
	return rmdir(top_path); /* fails when a test left something */
}

static void touch(int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
}

/* A chain of directories called d, with a file and an empty directory here and there. */
static void make_chain(int dir, unsigned depth)
{
	int fd = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	for (unsigned i = 0; i < depth; i++) {
		assert_int_equal(mkdirat(fd, "d", 0700), 0);
		int next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		if (i % 8 == 0) {
			touch(next, "f");
			assert_int_equal(mkdirat(next, "e", 0700), 0);
		}
		close(fd);
		fd = next;
	}
	close(fd);
}

static void test_missing_is_success(void **state)
{
	(void)state;
	assert_int_equal(loci__rm_tree(top, "nothing", NULL), 0);
}

static void test_deep_with_few_fds(void **state)
{
	(void)state;
	struct rlimit old, few;
	make_chain(top, 1500);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	few.rlim_cur = 64;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	struct loci_error err = {0};
	int rc = loci__rm_tree(top, "d", &err);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_string_equal(err.msg, "");
	assert_int_equal(rc, 0);
}

static void test_deep_and_wide(void **state)
{
	(void)state;
	assert_int_equal(mkdirat(top, "w", 0700), 0);
	int fd = openat(top, "w", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 10; i++) {
		char name[16];
		make_chain(fd, 50);
		snprintf(name, sizeof(name), "chain%d", i);
		assert_int_equal(renameat(fd, "d", fd, name), 0);
	}
	for (int i = 0; i < 100; i++) {
		char name[16];
		snprintf(name, sizeof(name), "file%d", i);
		touch(fd, name);
	}
	close(fd);
	assert_int_equal(loci__rm_tree(top, "w", NULL), 0);
}

static void test_symlinks_are_not_followed(void **state)
{
	(void)state;
	assert_int_equal(mkdirat(top, "kept", 0700), 0);
	int kept = openat(top, "kept", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	touch(kept, "file");
	assert_int_equal(mkdirat(top, "t", 0700), 0);
	int t = openat(top, "t", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(symlinkat("../kept", t, "link"), 0);
	assert_int_equal(symlinkat("kept", top, "link"), 0);
	close(t);
	assert_int_equal(loci__rm_tree(top, "t", NULL), 0);
	assert_int_equal(loci__rm_tree(top, "link", NULL), 0);
	assert_int_equal(faccessat(kept, "file", F_OK, 0), 0);
	close(kept);
	assert_int_equal(loci__rm_tree(top, "kept", NULL), 0);
}

static int remove_closed_dirs(void)
{
	if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
		return 1;
	mkdirat(top, "c", 0700);
	int c = openat(top, "c", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	make_chain(c, 40);
	mkdirat(c, "x", 0700);
	int x = openat(c, "x", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	touch(x, "f");
	/* Closed, and open but read-only. */
	if (fchmod(x, 0) < 0 || fchmod(c, 0555) < 0)
		return 2;
	struct loci_error err = {0};
	if (loci__rm_tree(top, "c", &err) < 0)
		fprintf(stderr, "%s\n", err.msg);
	return err.code ? 3 : 0;
}

static void test_closed_dirs_without_root(void **state)
{
	(void)state;
	assert_int_equal(fchmod(top, 0777), 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit(remove_closed_dirs());
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_missing_is_success),
	        cmocka_unit_test(test_deep_with_few_fds),
	        cmocka_unit_test(test_deep_and_wide),
	        cmocka_unit_test(test_symlinks_are_not_followed),
	        cmocka_unit_test(test_closed_dirs_without_root),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}

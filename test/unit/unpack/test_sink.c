/* SPDX-License-Identifier: Apache-2.0 */
/* The sink alone: entries made by hand, no archive. Runs without root's rights too. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "scratch_dir.h"
#include "unpack/sink.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

static struct scratch top;

static struct loci_sink *open_sink(uint64_t max_bytes)
{
	struct loci_sink_opts o = {.max_bytes = max_bytes, .reserve = 1, .rootless = true};
	struct loci_sink *s;
	struct loci_error err = {0};
	if (loci__sink_new(top.fd, &o, &s, &err) < 0)
		fail_msg("%s", err.msg);
	return s;
}

/* 0, or the code of the step that failed. */
static int put(struct loci_sink *s, char type, const char *name, const char *text,
               struct loci_error *err)
{
	bool link = type == LOCI_TAR_LINK || type == LOCI_TAR_SYMLINK;
	struct loci_tar_entry e = {
	        .type = type,
	        .name = name,
	        .link = link ? text : "",
	        .size = link || !text ? 0 : strlen(text),
	        .mode = type == LOCI_TAR_DIR ? 0755 : 0644,
	        .mtime = 1000,
	};
	int rc = loci__sink_entry(s, &e, err);
	bool opened = rc == 1;
	if (opened && e.size)
		rc = loci__sink_data(s, 0, text, e.size, err);
	return rc < 0 || !opened ? rc : loci__sink_end(s, err);
}

static int setup(void **state)
{
	(void)state;
	umask(0);
	return scratch_open(&top);
}

static int teardown(void **state)
{
	(void)state;
	return scratch_close(&top);
}

static void test_directory_times_last(void **state)
{
	(void)state;
	struct loci_sink *s = open_sink(1000);
	unsigned flags;
	uint64_t skipped;
	struct stat st;
	assert_int_equal(put(s, LOCI_TAR_DIR, "d", NULL, NULL), 0);
	assert_int_equal(put(s, LOCI_TAR_FILE, "d/f", "x", NULL), 0);
	assert_int_equal(fstatat(top.fd, "d", &st, 0), 0);
	assert_true(st.st_mtim.tv_sec > 1000);
	assert_int_equal(loci__sink_finish(s, &flags, &skipped, NULL), 0);
	assert_int_equal(fstatat(top.fd, "d", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 1000);
	loci__sink_free(s);
}

/* Chains deeper than the fds that may be open, going up and down. */
static void test_deep_chain_needs_few_fds(void **state)
{
	(void)state;
	char name[2 * 300 + 2];
	unsigned before = count_fds();
	struct loci_sink *s = open_sink(100000);
	for (int depth = 300; depth > 0; depth -= 7) {
		for (int i = 0; i < depth; i++)
			memcpy(name + 2 * i, "d/", 2);
		memcpy(name + 2 * depth, "f", 2);
		assert_int_equal(put(s, LOCI_TAR_FILE, name, "deep", NULL), 0);
		assert_true(count_fds() <= before + 64 + 2);
		assert_int_equal(put(s, LOCI_TAR_FILE, depth % 2 ? "d/d/top" : "top", "top", NULL),
		                 0);
	}
	loci__sink_free(s);
	assert_int_equal(count_fds(), before);
}

/* The budget is spent by what files claim, before a byte is written. */
static void test_budget(void **state)
{
	(void)state;
	struct loci_sink *s = open_sink(10);
	struct loci_error err = {0};
	assert_int_equal(put(s, LOCI_TAR_FILE, "a", "12345", NULL), 0);
	assert_int_equal(put(s, LOCI_TAR_FILE, "b", "123456", &err), LOCI_E_TOO_LARGE);
	assert_string_equal(err.msg, "entry 'b': the layer's files have more than 10 bytes");
	assert_int_equal(faccessat(top.fd, "b", F_OK, 0), -1);
	assert_int_equal(put(s, LOCI_TAR_FILE, "c", "12345", NULL), 0);
	loci__sink_free(s);
}

/* write(2) that fails in the middle, and the entry's name in the error. */
static void test_failing_write(void **state)
{
	(void)state;
	struct rlimit old, small;
	char text[5000];
	struct loci_error err = {0};
	unsigned before = count_fds();
	struct loci_sink *s = open_sink(100000);
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 4096;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	int rc = put(s, LOCI_TAR_FILE, "big", text, &err);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(rc, LOCI_E_SYS);
	assert_int_equal(err.sys_errno, EFBIG);
	assert_non_null(strstr(err.msg, "entry 'big': write the file"));
	loci__sink_free(s); /* with its file still open */
	assert_int_equal(count_fds(), before);
}

/* No fd to be had, wherever it comes to that: an error, nothing left open, nothing overwritten. */
static void test_no_fds_left(void **state)
{
	(void)state;
	struct rlimit old, few;
	unsigned before = count_fds(), failed = 0;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	for (unsigned spare = 0; spare < 8; spare++) {
		struct loci_error err = {0};
		struct loci_sink *s = open_sink(100000);
		int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
		close(next);
		few = old;
		few.rlim_cur = (rlim_t)next + spare;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		int rc = put(s, LOCI_TAR_FILE, "a/b/c/f", "x", &err);
		if (rc == 0)
			rc = put(s, LOCI_TAR_LINK, "h", "a/b/c/f", &err);
		if (rc == 0)
			rc = put(s, LOCI_TAR_FILE, "a/.wh.c", NULL, &err);
		if (rc == 0)
			rc = put(s, LOCI_TAR_FILE, "a", "replaces a directory", &err);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
		loci__sink_free(s);
		assert_int_equal(count_fds(), before);
		if (rc < 0) {
			failed++;
			assert_int_equal(err.sys_errno, EMFILE);
			assert_int_equal(rc, LOCI_E_SYS);
		}
		assert_int_equal(loci__rm_tree(top.fd, "a", NULL), 0);
		assert_int_equal(loci__rm_tree(top.fd, "h", NULL), 0);
	}
	assert_in_range(failed, 1, 7);
}

/* The caller's working directory may be gone: nothing depends on it. */
static void test_without_cwd(void **state)
{
	(void)state;
	int cwd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(top.fd, "gone", 0700), 0);
	int gone = openat(top.fd, "gone", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(fchdir(gone), 0);
	assert_int_equal(unlinkat(top.fd, "gone", AT_REMOVEDIR), 0);
	struct loci_sink *s = open_sink(1000);
	assert_int_equal(put(s, LOCI_TAR_FILE, "x/y", "z", NULL), 0);
	assert_int_equal(put(s, LOCI_TAR_LINK, "x/l", "x/y", NULL), 0);
	loci__sink_free(s);
	assert_int_equal(fchdir(cwd), 0);
	assert_int_equal(faccessat(top.fd, "x/l", F_OK, 0), 0);
	close(gone);
	close(cwd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_directory_times_last, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_deep_chain_needs_few_fds, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_budget, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_failing_write, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_no_fds_left, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_without_cwd, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

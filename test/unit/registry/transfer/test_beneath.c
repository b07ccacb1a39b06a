/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/fs.h"
#include "registry/transfer/beneath.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

struct place {
	char path[64];
	int fd;
};

static int setup(void **state)
{
	static struct place p;
	snprintf(p.path, sizeof(p.path), "/tmp/loci-beneath-XXXXXX");
	assert_non_null(mkdtemp(p.path));
	p.fd = open(p.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(p.fd >= 0);
	assert_int_equal(mkdirat(p.fd, "dir", 0700), 0);
	assert_int_equal(loci__write_file_atomic(p.fd, "dir/file", "12345", 5, 0600, false, NULL),
	                 0);
	assert_int_equal(symlinkat("dir/file", p.fd, "link"), 0);
	assert_int_equal(symlinkat("dir", p.fd, "dirlink"), 0);
	assert_int_equal(mkfifoat(p.fd, "fifo", 0600), 0);
	*state = &p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	close(p->fd);
	return loci__rm_tree(AT_FDCWD, p->path, NULL);
}

static void test_open(void **state)
{
	static const struct {
		const char *path;
		int code;
	} rows[] = {
	        {"dir/file", 0},
	        {"link", LOCI_E_INVALID},
	        {"dirlink/file", LOCI_E_INVALID},
	        {"fifo", LOCI_E_INVALID},
	        {"dir", LOCI_E_INVALID},
	        {"none", LOCI_E_NOT_FOUND},
	        {"../etc", LOCI_E_INVALID},
	        {"/etc/passwd", LOCI_E_INVALID},
	};
	struct place *p = *state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		loci__cleanup_close int fd = -1;
		uint64_t size = 0;
		int rc = loci__beneath_open(p->fd, rows[i].path, &fd, &size, NULL);
		if (rc != rows[i].code)
			fail_msg("%s: %d", rows[i].path, rc);
		if (rc == 0)
			assert_int_equal(size, 5);
	}
}

static void test_read(void **state)
{
	struct place *p = *state;
	loci__cleanup_free char *text = NULL;
	size_t n;
	assert_int_equal(loci__beneath_read(p->fd, "dir/file", 4, &text, &n, NULL),
	                 LOCI_E_TOO_LARGE);
	assert_int_equal(loci__beneath_read(p->fd, "dir/file", 5, &text, &n, NULL), 0);
	assert_int_equal(n, 5);
	assert_string_equal(text, "12345");
}

static void test_list(void **state)
{
	struct place *p = *state;
	struct loci__names names loci__cleanup_names = {0};
	assert_int_equal(loci__write_file_atomic(p->fd, ".hidden", "", 0, 0600, false, NULL), 0);
	assert_int_equal(loci__names_read(p->fd, ".", &names, NULL), 0);
	static const char *const want[] = {"dir", "dirlink", "fifo", "link"};
	assert_int_equal(names.n, loci__array_len(want));
	for (size_t i = 0; i < names.n; i++)
		assert_string_equal(names.v[i], want[i]);
	struct loci__names none loci__cleanup_names = {0};
	assert_int_equal(loci__names_read(p->fd, "none", &none, NULL), 0);
	assert_int_equal(none.n, 0);
	assert_int_equal(loci__names_read(p->fd, "dirlink", &none, NULL), LOCI_E_INVALID);
}

int main(void)
{
#define ROW(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {ROW(test_open), ROW(test_read), ROW(test_list)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

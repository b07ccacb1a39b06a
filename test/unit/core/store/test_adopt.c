/* SPDX-License-Identifier: Apache-2.0 */
/* Files of others as blobs: by link, by clone, by copy, and which of them when. */
#include "store_fixture.h"

#include "core/base/cleanup.h"
#include "core/base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char text[] = "somebody else's bytes";
#define TEXT_N (sizeof(text) - 1)

/* What FICLONE does on a file system that has it. */
static bool has_clones;
static int clone_errno;
int __real_loci__clone_fd(int from_fd, int to_fd);
int __wrap_loci__clone_fd(int from_fd, int to_fd);
int __wrap_loci__clone_fd(int from_fd, int to_fd)
{
	char b[64];
	if (!has_clones) {
		errno = clone_errno ? clone_errno : EOPNOTSUPP;
		return -1;
	}
	ssize_t n = pread(from_fd, b, sizeof(b), 0);
	return n >= 0 && pwrite(to_fd, b, (size_t)n, 0) == n ? 0 : -1;
}

static int make_file(const struct fixture *f, const char *name, mode_t mode)
{
	char path[400];
	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, TEXT_N), TEXT_N);
	assert_int_equal(fchmod(fd, mode), 0);
	return fd;
}

static struct stat stat_of(int fd)
{
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	return st;
}

static struct stat stat_of_blob(struct loci_store *st, const struct loci_digest *d)
{
	int fd;
	assert_loci_ok(loci_blob_open(st, NULL, d, &fd, NULL, &e_));
	struct stat s = stat_of(fd);
	close(fd);
	return s;
}

static unsigned count_sessions(const struct fixture *f)
{
	char path[400];
	unsigned n = 0;
	snprintf(path, sizeof(path), "%s/uploads", f->store);
	loci__cleanup_dir DIR *d = opendir(path);
	for (struct dirent *e; d && (e = readdir(d));)
		n += e->d_name[0] != '.';
	return n;
}

/* Adopts and looks: the way, the content, no session left behind. */
static void adopt(struct fixture *f, int fd, unsigned flags, int want_way)
{
	struct loci_digest d = digest_of(text, TEXT_N);
	int way = -1;
	assert_loci_ok(loci_blob_adopt(f->st, "a/b", fd, &d, flags, &way, &e_));
	assert_int_equal(way, want_way);
	assert_true(has_blob(f->st, "a/b", &d));
	assert_int_equal(count_sessions(f), 0);
}

static void test_link(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d = digest_of(text, TEXT_N);
	int fd = make_file(f, "file", 0644);
	adopt(f, fd, LOCI_ADOPT_LINK, LOCI_ADOPTED_LINK);
	assert_int_equal(stat_of_blob(f->st, &d).st_ino, stat_of(fd).st_ino);
	assert_int_equal(stat_of(fd).st_nlink, 2);
	assert_int_equal(stat_of(fd).st_mode & 07777, 0644); /* the file stays as it was */
	adopt(f, fd, LOCI_ADOPT_LINK, LOCI_ADOPTED_PRESENT);
	close(fd);
	fixture_reopen(f);
	assert_true(has_blob(f->st, "a/b", &d));
}

/* Sessions that clients gave up hold up no import, not even one that copies. */
static void test_no_limits(void **state)
{
	struct fixture *f = *state;
	const struct loci_store_opts o = {
	        .struct_size = sizeof(o), .max_uploads = 1, .max_upload_bytes = 2};
	struct loci_upload *up;
	int fd = make_file(f, "file", 0644);
	struct loci_digest d = digest_of(text, TEXT_N);
	int way;
	fixture_close(f);
	assert_loci_ok(loci_store_open(f->store, &o, &f->st, &e_));
	assert_loci_ok(loci_upload_begin(f->st, "a/b", 0, &up, &e_));
	assert_loci_ok(loci_upload_write(up, "x", 1, &e_));
	assert_loci_ok(loci_blob_adopt(f->st, "a/b", fd, &d, 0, &way, &e_));
	assert_int_equal(way, LOCI_ADOPTED_COPY);
	loci_upload_close(up, /* discard= */ true);
	close(fd);
}

/* Nobody's permission: the file is left alone. */
static void test_no_link_unless_asked(void **state)
{
	struct fixture *f = *state;
	int fd = make_file(f, "file", 0644);
	adopt(f, fd, 0, LOCI_ADOPTED_COPY);
	assert_int_equal(stat_of(fd).st_nlink, 1);
	struct loci_digest d = digest_of(text, TEXT_N);
	assert_int_equal(stat_of_blob(f->st, &d).st_mode & 07777, 0600);
	close(fd);
}

/* Mode, owner (as root): link or copy. */
static void test_whose_file(void **state)
{
	static const struct {
		mode_t mode;
		uid_t uid;
		bool linked;
	} rows[] = {
	        {0600, 0, true},  {0400, 0, true},     {0644, 0, true},
	        {0664, 0, false}, {0646, 0, false},    {0666, 0, false},
	        {0200, 0, false}, {0644, 4242, false}, {0444, 4242, false},
	};
	struct fixture *f = *state;
	struct loci_digest d = digest_of(text, TEXT_N);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].uid && geteuid() != 0)
			continue;
		char repo[16];
		int way;
		snprintf(repo, sizeof(repo), "r%zu", i);
		int fd = make_file(f, repo, rows[i].mode);
		if (rows[i].uid)
			assert_int_equal(fchown(fd, rows[i].uid, (gid_t)-1), 0);
		fixture_close(f);
		assert_int_equal(loci__rm_tree(AT_FDCWD, f->store, NULL), 0);
		fixture_reopen(f);
		assert_loci_ok(loci_blob_adopt(f->st, repo, fd, &d, LOCI_ADOPT_LINK, &way, &e_));
		assert_int_equal(way, rows[i].linked ? LOCI_ADOPTED_LINK : LOCI_ADOPTED_COPY);
		close(fd);
	}
}

static void test_clone(void **state)
{
	struct fixture *f = *state;
	int fd = make_file(f, "file", 0666);
	has_clones = true;
	adopt(f, fd, LOCI_ADOPT_LINK, LOCI_ADOPTED_CLONE); /* the link is refused by the mode */
	has_clones = false;
	close(fd);
}

static void test_clone_on_a_full_disk(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d = digest_of(text, TEXT_N);
	int fd = make_file(f, "file", 0644);
	clone_errno = ENOSPC;
	assert_loci_code(LOCI_E_NO_SPACE, loci_blob_adopt(f->st, "a/b", fd, &d, 0, NULL, &e_));
	clone_errno = 0;
	assert_int_equal(count_sessions(f), 0);
	close(fd);
}

/* By every way a wrong digest is refused, and nothing of it stays; unless the caller vouches for it
 * where nothing is copied. */
static void test_wrong_digest(void **state)
{
	struct fixture *f = *state;
	struct loci_digest other = digest_of("other", 5);
	int fd = make_file(f, "file", 0644);
	assert_loci_code(LOCI_E_DIGEST_MISMATCH,
	                 loci_blob_adopt(f->st, "r", fd, &other, LOCI_ADOPT_LINK, NULL, &e_));
	assert_loci_code(LOCI_E_DIGEST_MISMATCH,
	                 loci_blob_adopt(f->st, "r", fd, &other, 0, NULL, &e_));
	assert_loci_code(LOCI_E_DIGEST_MISMATCH,
	                 loci_blob_adopt(f->st, "r", fd, &other, LOCI_ADOPT_TRUST, NULL, &e_));
	has_clones = true;
	assert_loci_code(LOCI_E_DIGEST_MISMATCH,
	                 loci_blob_adopt(f->st, "r", fd, &other, 0, NULL, &e_));
	has_clones = false;
	assert_int_equal(stat_of(fd).st_nlink, 1);
	assert_int_equal(count_sessions(f), 0);
	assert_false(has_blob(f->st, NULL, &other));
	unsigned trust = LOCI_ADOPT_LINK | LOCI_ADOPT_TRUST;
	assert_loci_ok(loci_blob_adopt(f->st, "r", fd, &other, trust, NULL, &e_));
	assert_int_equal(stat_of_blob(f->st, &other).st_ino, stat_of(fd).st_ino);
	close(fd);
}

static void test_refused(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d = digest_of(text, TEXT_N);
	int dir = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), ends[2];
	assert_loci_code(LOCI_E_INVALID, loci_blob_adopt(f->st, "r", dir, &d, 0, NULL, &e_));
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_loci_code(LOCI_E_INVALID, loci_blob_adopt(f->st, "r", ends[0], &d, 0, NULL, &e_));
	int fd = make_file(f, "file", 0644);
	assert_loci_code(LOCI_E_INVALID, loci_blob_adopt(f->st, "R", fd, &d, 0, NULL, &e_));
	struct loci_store_opts small = {.struct_size = sizeof(small), .max_blob_size = 4};
	struct loci_store *st;
	assert_loci_ok(loci_store_open(f->store, &small, &st, &e_));
	assert_loci_code(LOCI_E_TOO_LARGE,
	                 loci_blob_adopt(st, "r", fd, &d, LOCI_ADOPT_LINK, NULL, &e_));
	loci_store_close(st);
	close(fd);
	close(dir);
	close(ends[0]);
	close(ends[1]);
}

/* Two repositories share the one file; the other's blob is found whoever brought it. */
static void test_present(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d;
	int way, fd = make_file(f, "file", 0644);
	assert_loci_ok(loci_blob_put(f->st, "x", text, TEXT_N, NULL, &d, &e_));
	assert_loci_ok(loci_blob_adopt(f->st, "y", fd, &d, LOCI_ADOPT_LINK, &way, &e_));
	assert_int_equal(way, LOCI_ADOPTED_PRESENT);
	assert_true(has_blob(f->st, "y", &d));
	assert_int_equal(stat_of(fd).st_nlink, 1);
	close(fd);
}

/* A row whose file is gone does not count as there. */
static void test_heals(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d = digest_of(text, TEXT_N);
	char hex[LOCI_DIGEST_STR_MAX], path[600];
	int fd = make_file(f, "file", 0644);
	adopt(f, fd, 0, LOCI_ADOPTED_COPY);
	loci_digest_format(&d, hex);
	snprintf(path, sizeof(path), "%s/blobs/sha256/%.2s/%s", f->store, hex + 7, hex + 7);
	assert_int_equal(unlink(path), 0);
	adopt(f, fd, LOCI_ADOPT_LINK, LOCI_ADOPTED_LINK);
	close(fd);
}

/* The crash between rename and index: the link stands in blobs/ without a row. */
static void test_link_that_stands(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d = digest_of(text, TEXT_N);
	char hex[LOCI_DIGEST_STR_MAX], from[400], path[600];
	int fd = make_file(f, "file", 0644);
	loci_digest_format(&d, hex);
	snprintf(from, sizeof(from), "%s/file", f->dir);
	snprintf(path, sizeof(path), "%s/blobs/sha256/%.2s", f->store, hex + 7);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/blobs/sha256/%.2s/%s", f->store, hex + 7, hex + 7);
	assert_int_equal(link(from, path), 0);
	adopt(f, fd, LOCI_ADOPT_LINK, LOCI_ADOPTED_LINK);
	assert_int_equal(stat_of(fd).st_nlink, 2);
	close(fd);
}

int main(void)
{
#define ROW(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	        ROW(test_link),
	        ROW(test_no_link_unless_asked),
	        ROW(test_no_limits),
	        ROW(test_whose_file),
	        ROW(test_clone),
	        ROW(test_clone_on_a_full_disk),
	        ROW(test_wrong_digest),
	        ROW(test_refused),
	        ROW(test_present),
	        ROW(test_heals),
	        ROW(test_link_that_stands),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

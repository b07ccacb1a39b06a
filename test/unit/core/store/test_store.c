/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing. */
#include "store_fixture.h"

#include "core/store/index_lmdb.h"
#include "core/store/remote_fs.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_text(const char *dir, const char *name, const char *text)
{
	char path[400];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void test_no_create(void **state)
{
	struct fixture *f = *state;
	struct loci_store_opts opts = {.struct_size = sizeof(opts), .flags = LOCI_STORE_NO_CREATE};
	assert_loci_code(LOCI_E_NOT_FOUND, loci_store_open(f->store, &opts, &f->st, &e_));
	assert_int_equal(access(f->store, F_OK), -1);
	assert_int_equal(mkdir(f->store, 0755), 0);
	assert_loci_code(LOCI_E_NOT_FOUND, loci_store_open(f->store, &opts, &f->st, &e_));
	assert_loci_ok(loci_store_open(f->store, NULL, &f->st, &e_));
	fixture_close(f);
	assert_loci_ok(loci_store_open(f->store, &opts, &f->st, &e_));
}

static void test_missing_parents_and_modes(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	char path[600];
	snprintf(path, sizeof(path), "%s/a/b/c", f->dir);
	assert_loci_ok(loci_store_open(path, NULL, &f->st, &e_));
	assert_string_equal(loci_store_dir(f->st), path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	static const char *const dirs[] = {"blobs", "uploads", "layers", "index", "run"};
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, sizeof(path), "%s/a/b/c/%s", f->dir, dirs[i]);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0700);
	}
}

static void test_newer_format_is_refused(void **state)
{
	struct fixture *f = *state;
	struct loci_error err;
	assert_int_equal(mkdir(f->store, 0755), 0);
	write_text(f->store, "format", "loci-store 3\n");
	assert_int_equal(loci_store_open(f->store, NULL, &f->st, &err), LOCI_E_UNSUPPORTED);
	assert_non_null(strstr(err.msg, "has format 3, made by a newer version; this one knows"));
	write_text(f->store, "format", "something\n");
	assert_loci_code(LOCI_E_INVALID, loci_store_open(f->store, NULL, &f->st, &e_));
}

static void test_not_empty_is_refused(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(mkdir(f->store, 0755), 0);
	write_text(f->store, "letter.txt", "dear");
	assert_loci_code(LOCI_E_INVALID, loci_store_open(f->store, NULL, &f->st, &e_));
	char path[400];
	snprintf(path, sizeof(path), "%s/blobs", f->store);
	assert_int_equal(access(path, F_OK), -1);
	snprintf(path, sizeof(path), "%s/letter.txt", f->store);
	assert_loci_code(LOCI_E_SYS, loci_store_open(path, NULL, &f->st, &e_)); /* ENOTDIR */
	/* What a crash while making it leaves is no reason. */
	unlink(path);
	snprintf(path, sizeof(path), "%s/blobs", f->store);
	assert_int_equal(mkdir(path, 0700), 0);
	write_text(f->store, "format.0123.tmp", "");
	assert_loci_ok(loci_store_open(f->store, NULL, &f->st, &e_));
}

/* Options of an older caller: what its struct does not have is default. */
static void test_short_options(void **state)
{
	struct fixture *f = *state;
	struct loci_store_opts opts;
	memset(&opts, 0xff, sizeof(opts));
	opts.struct_size = offsetof(struct loci_store_opts, durability);
	opts.log = NULL;
	assert_loci_ok(loci_store_open(f->store, &opts, &f->st, &e_));
	assert_int_equal(f->st->opts.max_manifest_size, 4 << 20);
	assert_int_equal(f->st->opts.flags, 0);
}

static void test_subdir(void **state)
{
	struct fixture *f = *state;
	int fd;
	assert_loci_ok(loci_store_open(f->store, NULL, &f->st, &e_));
	assert_loci_ok(loci_store_subdir(f->st, "bundles", &fd, &e_));
	assert_int_equal(mkdirat(fd, "x", 0700), 0);
	close(fd);
	assert_loci_ok(loci_store_subdir(f->st, "bundles", &fd, &e_));
	assert_int_equal(faccessat(fd, "x", F_OK, 0), 0);
	close(fd);
	static const char *const bad[] = {"", ".", "..", "a/b", "/", ".hidden"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_loci_code(LOCI_E_INVALID, loci_store_subdir(f->st, bad[i], &fd, &e_));
}

static void test_close_null(void **state)
{
	(void)state;
	loci_store_close(NULL);
}

/* ---- traps ----------------------------------------------------------------------------------- */

/* Opened twice in one process, also by another spelling: the second close must not take the
 * first one's locks. A peer process would then count as the only one and clear its slots. */
static int check_slot_alive(void *arg)
{
	struct fixture *f = arg;
	char byte;
	child_check(read(*(int *)f->dir, &byte, 1) == 1);
	struct loci_index_lmdb_info info;
	struct loci_store *st = open_store(f->store);
	child_check(st != NULL);
	loci__index_lmdb_info(st->sh->index, &info);
	loci_store_close(st);
	return (int)info.slots_busy;
}

static void test_trap_2_opened_twice(void **state)
{
	struct fixture *f = *state;
	struct fixture arg = *f;
	struct loci_store *second;
	struct loci__txn t = {0};
	char other[700];
	int fds[2];
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	memcpy(arg.dir, &fds[0], sizeof(fds[0]));
	pid_t pid = child_start(check_slot_alive, &arg);
	f->st = open_store(f->store);
	snprintf(other, sizeof(other), "%s/../store/.", f->store);
	assert_loci_ok(loci_store_open(other, NULL, &second, &e_));
	assert_ptr_equal(second->sh, f->st->sh);
	assert_int_equal(f->st->sh->refs, 2);
	assert_string_equal(loci_store_dir(second), other);
	loci_store_close(second);
	/* A snapshot of ours is still seen as alive by the peer, who clears the dead at open. */
	assert_loci_ok(loci__read_begin(f->st->sh->index, &t, &e_));
	assert_int_equal(write(fds[1], "g", 1), 1);
	assert_int_equal(child_wait(pid), 1);
	loci__read_end(&t);
	close(fds[0]);
	close(fds[1]);
}

static void test_trap_3_fork(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d;
	f->st = open_store(f->store);
	assert_loci_ok(loci_blob_put(f->st, "a", "x", 1, NULL, &d, &e_));
	pid_t pid = fork();
	if (pid == 0) {
		uint64_t size;
		int fd;
		struct loci_upload *up;
		struct loci_manifest_bytes *m;
		struct loci_error err;
		child_check(loci_blob_stat(f->st, "a", &d, &size, &err) == LOCI_E_USAGE);
		child_check(strstr(err.msg, "before a fork") != NULL);
		child_check(loci_blob_put(f->st, "a", "y", 1, NULL, &d, NULL) == LOCI_E_USAGE);
		child_check(loci_upload_begin(f->st, "a", 0, &up, NULL) == LOCI_E_USAGE);
		child_check(loci_manifest_get(f->st, "a", "b", NULL, &m, NULL) == LOCI_E_USAGE);
		child_check(loci_layer_open(f->st, &d, &fd, NULL, NULL) == LOCI_E_USAGE);
		child_check(!loci_repo_exists(f->st, "a"));
		loci_store_close(f->st);
#ifndef __SANITIZE_THREAD__ /* allows no threads in the child of a threaded process */
		/* Opened anew it works, and its end leaves the parent's alone. */
		struct loci_store *st = open_store(f->store);
		child_check(st != NULL);
		child_check(loci_blob_stat(st, "a", &d, &size, NULL) == 0);
		child_check(loci_blob_put(st, "a", "child", 5, NULL, &d, NULL) == 0);
		loci_store_close(st);
#endif
		_exit(0);
	}
	assert_int_equal(child_wait(pid), 0);
#ifndef __SANITIZE_THREAD__
	d = digest_of("child", 5);
	assert_true(has_blob(f->st, "a", &d));
#endif
	assert_loci_ok(loci_blob_put(f->st, "a", "parent", 6, NULL, &d, &e_));
}

static const char *pretend_nfs(int dirfd)
{
	(void)dirfd;
	return loci__remote_fs_name(NFS_SUPER_MAGIC);
}

static void test_trap_14_network_file_system(void **state)
{
	struct fixture *f = *state;
	struct loci__sys sys = {.remote_fs = pretend_nfs};
	struct loci_store_opts opts = {.struct_size = sizeof(opts)};
	struct loci_error err;
	assert_int_equal(loci__store_open_with(f->store, &opts, &sys, &f->st, &err),
	                 LOCI_E_UNSUPPORTED);
	assert_non_null(strstr(err.msg, "is on nfs"));
	opts.flags = LOCI_STORE_FORCE_REMOTE;
	assert_loci_ok(loci__store_open_with(f->store, &opts, &sys, &f->st, &e_));
	assert_string_equal(loci__remote_fs_name(0x65735546), "fuse");
	assert_null(loci__remote_fs_name(EXT4_SUPER_MAGIC));
	assert_null(loci__remote_fs_name(TMPFS_MAGIC));
	assert_null(loci__remote_fs_name(XFS_SUPER_MAGIC));
	assert_null(loci__remote_fs_name(BTRFS_SUPER_MAGIC));
	assert_null(loci__remote_fs_name(OVERLAYFS_SUPER_MAGIC));
}

/* Nothing of the store may leak into a program that is started. */
static void test_every_fd_closes_on_exec(void **state)
{
	struct fixture *f = *state;
	struct loci_upload *up;
	struct loci_layer_staging *s;
	struct loci_digest d = digest_of("x", 1);
	unsigned seen = 0;
	bool before[1024] = {false};
	for (int fd = 0; fd < 1024; fd++)
		before[fd] = fcntl(fd, F_GETFD) >= 0;
	f->st = open_store(f->store);
	assert_loci_ok(loci_upload_begin(f->st, "a", 0, &up, &e_));
	assert_loci_ok(loci_layer_begin(f->st, &d, &s, &e_));
	for (int fd = 0; fd < 1024; fd++) {
		int flags = before[fd] ? -1 : fcntl(fd, F_GETFD);
		if (flags < 0)
			continue;
		seen++;
		assert_true(flags & FD_CLOEXEC);
	}
	assert_true(seen >= 8);
	loci_upload_close(up, true);
	loci_layer_abort(s);
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup_empty, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        STORE_TEST(test_no_create),
	        STORE_TEST(test_missing_parents_and_modes),
	        STORE_TEST(test_newer_format_is_refused),
	        STORE_TEST(test_not_empty_is_refused),
	        STORE_TEST(test_short_options),
	        STORE_TEST(test_subdir),
	        STORE_TEST(test_close_null),
	        STORE_TEST(test_trap_2_opened_twice),
	        STORE_TEST(test_trap_3_fork),
	        STORE_TEST(test_trap_14_network_file_system),
	        STORE_TEST(test_every_fd_closes_on_exec),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "store_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void make_file(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	close(fd);
}

static void unpack(struct loci_store *st, const struct loci_digest *d, unsigned flags)
{
	struct loci_layer_staging *s;
	assert_loci_ok(loci_layer_begin(st, d, &s, &e_));
	make_file(loci_layer_staging_fd(s), "file");
	assert_loci_ok(loci_layer_commit(s, flags, &e_));
}

static bool is_unpacked(struct loci_store *st, const struct loci_digest *d)
{
	int fd;
	if (loci_layer_open(st, d, &fd, NULL, NULL) < 0)
		return false;
	bool ok = faccessat(fd, "file", F_OK, 0) == 0;
	close(fd);
	return ok;
}

/* Names in layers/ that begin with a dot. */
static unsigned count_hidden(const struct fixture *f)
{
	char path[400];
	snprintf(path, sizeof(path), "%s/layers", f->store);
	DIR *d = opendir(path);
	unsigned n = 0;
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] == '.' && strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
	closedir(d);
	return n;
}

static void test_commit_open(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d = digest_of("layer", 5);
	struct loci_layer_staging *s;
	unsigned flags = 77;
	int fd;
	assert_loci_code(LOCI_E_NOT_FOUND, loci_layer_open(f->st, &d, &fd, &flags, &e_));
	unpack(f->st, &d, LOCI_LAYER_CUT);
	fixture_reopen(f);
	assert_loci_ok(loci_layer_open(f->st, &d, &fd, &flags, &e_));
	assert_int_equal(flags, LOCI_LAYER_CUT);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	assert_true(is_unpacked(f->st, &d));
	assert_loci_code(LOCI_E_EXISTS, loci_layer_begin(f->st, &d, &s, &e_));
	assert_int_equal(count_hidden(f), 0);
}

static void test_abort(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d = digest_of("layer", 5);
	struct loci_layer_staging *s;
	assert_loci_ok(loci_layer_begin(f->st, &d, &s, &e_));
	make_file(loci_layer_staging_fd(s), "file");
	loci_layer_abort(s);
	loci_layer_abort(NULL);
	assert_false(is_unpacked(f->st, &d));
	assert_int_equal(count_hidden(f), 0);
	unpack(f->st, &d, 0);
	assert_true(is_unpacked(f->st, &d));
}

static void test_two_layers_at_once(void **state)
{
	struct fixture *f = *state;
	struct loci_digest a = digest_of("a", 1), b = digest_of("b", 1);
	struct loci_layer_staging *sa, *sb;
	assert_loci_ok(loci_layer_begin(f->st, &a, &sa, &e_));
	assert_loci_ok(loci_layer_begin(f->st, &b, &sb, &e_));
	make_file(loci_layer_staging_fd(sa), "file");
	make_file(loci_layer_staging_fd(sb), "file");
	assert_loci_ok(loci_layer_commit(sb, 0, &e_));
	assert_loci_ok(loci_layer_commit(sa, 0, &e_));
	assert_true(is_unpacked(f->st, &a));
	assert_true(is_unpacked(f->st, &b));
}

/* Several unpackers of one layer: one does it, the others find it. */
enum { THREADS = 8 };
struct unpackers {
	struct loci_store *st;
	struct loci_digest d;
	pthread_barrier_t barrier;
};

static void *unpack_or_find(void *arg)
{
	struct unpackers *u = arg;
	struct loci_layer_staging *s;
	pthread_barrier_wait(&u->barrier);
	int rc = loci_layer_begin(u->st, &u->d, &s, NULL);
	if (rc == 0) {
		int fd = openat(loci_layer_staging_fd(s), "file", O_WRONLY | O_CREAT | O_CLOEXEC,
		                0644);
		close(fd);
		rc = loci_layer_commit(s, 0, NULL);
	}
	return (void *)(intptr_t)rc;
}

static void test_same_layer_in_threads(void **state)
{
	struct fixture *f = *state;
	struct unpackers u = {.st = f->st, .d = digest_of("shared", 6)};
	pthread_t threads[THREADS];
	unsigned done = 0, found = 0;
	pthread_barrier_init(&u.barrier, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, unpack_or_find, &u), 0);
	for (int i = 0; i < THREADS; i++) {
		void *rc;
		pthread_join(threads[i], &rc);
		done += (intptr_t)rc == 0;
		found += (intptr_t)rc == LOCI_E_EXISTS;
	}
	pthread_barrier_destroy(&u.barrier);
	assert_int_equal(done, 1);
	assert_int_equal(found, THREADS - 1);
	assert_true(is_unpacked(f->st, &u.d));
	assert_int_equal(count_hidden(f), 0);
}

/* ---- another process dies in the middle ------------------------------------------------------ */

struct peer {
	const char *store;
	struct loci_digest d;
	int fd;
};

static int hold_layer(void *arg)
{
	struct peer *p = arg;
	struct loci_store *st = open_store(p->store);
	struct loci_layer_staging *s;
	child_check(st != NULL);
	child_check(loci_layer_begin(st, &p->d, &s, NULL) == 0);
	child_check(mkdirat(loci_layer_staging_fd(s), "half", 0755) == 0);
	child_check(write(p->fd, "x", 1) == 1);
	while (pause() < 0)
		;
	return 0;
}

static void test_unpacker_dies(void **state)
{
	struct fixture *f = *state;
	struct peer p = {f->store, digest_of("dies", 4), -1};
	int fds[2];
	char byte;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	p.fd = fds[1];
	fixture_close(f);
	pid_t pid = child_start(hold_layer, &p);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	/* It lives: an open leaves its work alone. */
	f->st = open_store(f->store);
	assert_int_equal(count_hidden(f), 2);
	fixture_close(f);
	kill(pid, SIGKILL);
	assert_int_equal(child_wait(pid), 128 + SIGKILL);
	f->st = open_store(f->store);
	assert_int_equal(count_hidden(f), 0);
	assert_false(is_unpacked(f->st, &p.d));
	unpack(f->st, &p.d, 0);
	assert_true(is_unpacked(f->st, &p.d));
	close(fds[0]);
	close(fds[1]);
}

/* A crash between rename and transaction, or a directory removed by hand: both are made good. */
static void test_row_and_directory_disagree(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d = digest_of("disagree", 8);
	char text[LOCI_DIGEST_STR_MAX], path[600], moved[600];
	loci_digest_format(&d, text);
	snprintf(path, sizeof(path), "%s/layers/sha256/%s", f->store, strchr(text, ':') + 1);
	snprintf(moved, sizeof(moved), "%s/moved", f->dir);

	unpack(f->st, &d, 0);
	assert_int_equal(rename(path, moved), 0);
	assert_false(is_unpacked(f->st, &d)); /* a row without a directory */
	unpack(f->st, &d, 0);
	assert_true(is_unpacked(f->st, &d));

	struct loci_digest other = digest_of("other", 5);
	loci_digest_format(&other, text);
	snprintf(path, sizeof(path), "%s/layers/sha256/%s", f->store, strchr(text, ':') + 1);
	assert_int_equal(rename(moved, path), 0);
	assert_false(is_unpacked(f->st, &other)); /* a directory without a row */
	unpack(f->st, &other, 0);
	assert_true(is_unpacked(f->st, &other));
	assert_int_equal(count_hidden(f), 0);
}

static struct loci_layer_staging *inherited;

static int abort_a_copy(void *arg)
{
	(void)arg;
	loci_layer_abort(inherited);
	return 0;
}

static int commit_a_copy(void *arg)
{
	(void)arg;
	return loci_layer_commit(inherited, 0, NULL) != LOCI_E_USAGE;
}

/* A forked child has a copy of the handle; the directory and the locks are the parent's. */
static void test_a_forked_child_touches_nothing(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d = digest_of("forked", 6);
	assert_loci_ok(loci_layer_begin(f->st, &d, &inherited, &e_));
	make_file(loci_layer_staging_fd(inherited), "file");
	assert_int_equal(child_wait(child_start(abort_a_copy, NULL)), 0);
	assert_int_equal(child_wait(child_start(commit_a_copy, NULL)), 0);
	assert_int_equal(count_hidden(f), 2);
	assert_loci_ok(loci_layer_commit(inherited, 0, &e_));
	assert_true(is_unpacked(f->st, &d));
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        STORE_TEST(test_commit_open),
	        STORE_TEST(test_abort),
	        STORE_TEST(test_two_layers_at_once),
	        STORE_TEST(test_same_layer_in_threads),
	        STORE_TEST(test_unpacker_dies),
	        STORE_TEST(test_row_and_directory_disagree),
	        STORE_TEST(test_a_forked_child_touches_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "store_fixture.h"

#include "core/base/clock.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned count_sessions(const struct fixture *f)
{
	char path[400];
	snprintf(path, sizeof(path), "%s/uploads", f->store);
	DIR *d = opendir(path);
	unsigned n = 0;
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void test_chunks(void **state)
{
	struct fixture *f = *state;
	struct loci_upload *up;
	struct loci_digest want = digest_of("hello world", 11);
	assert_loci_ok(loci_upload_begin(f->st, "a", 0, &up, &e_));
	assert_int_equal(loci_upload_offset(up), 0);
	assert_loci_ok(loci_upload_write(up, "hello", 5, &e_));
	assert_loci_ok(loci_upload_write(up, "", 0, &e_));
	assert_loci_ok(loci_upload_write(up, " world", 6, &e_));
	assert_int_equal(loci_upload_offset(up), 11);
	assert_false(has_blob(f->st, NULL, &want));
	assert_loci_ok(loci_upload_commit(up, &want, &e_));
	assert_true(has_blob(f->st, "a", &want));
	assert_int_equal(count_sessions(f), 0);
}

/* restart: whether the store is closed in between, so that the hash is made again. */
static void resume(struct fixture *f, bool restart)
{
	struct loci_upload *up;
	uint64_t offset;
	char id[LOCI_UPLOAD_ID_MAX];
	struct loci_digest want = digest_of("abcdef", 6);
	assert_loci_ok(loci_upload_begin(f->st, "a", 0, &up, &e_));
	snprintf(id, sizeof(id), "%s", loci_upload_id(up));
	for (const char *p = "abcdef"; *p; p += 2) {
		assert_loci_ok(loci_upload_write(up, p, 2, &e_));
		loci_upload_close(up, false);
		if (restart)
			fixture_reopen(f);
		assert_loci_ok(loci_upload_stat(f->st, "a", id, &offset, &e_));
		assert_loci_ok(loci_upload_resume(f->st, "a", id, &up, &e_));
		assert_string_equal(loci_upload_id(up), id);
		assert_int_equal(loci_upload_offset(up), offset);
	}
	assert_loci_ok(loci_upload_commit(up, &want, &e_));
	assert_true(has_blob(f->st, "a", &want));
}

static void test_resume(void **state)
{
	resume(*state, false);
}

static void test_resume_after_restart(void **state)
{
	resume(*state, true);
}

/* Ids are checked before a path is made of them, and lead nowhere in another repository. */
static void test_ids(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = {
	        "",
	        ".",
	        "../format",
	        "0123456789abcdef0123456789abcdef",
	        "01234567-89ab-cdef-0123-456789abcdeF",
	        "01234567-89ab-cdef-0123-456789abcde",
	        "01234567-89ab-cdef-0123-456789abcdef0",
	        "01234567-89ab-cdef-0123/456789abcdef",
	};
	struct loci_upload *up;
	uint64_t offset;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_loci_code(LOCI_E_INVALID, loci_upload_resume(f->st, "a", bad[i], &up, &e_));
		assert_loci_code(LOCI_E_INVALID,
		                 loci_upload_stat(f->st, "a", bad[i], &offset, &e_));
	}
	assert_loci_code(
	        LOCI_E_NOT_FOUND,
	        loci_upload_resume(f->st, "a", "01234567-89ab-cdef-0123-456789abcdef", &up, &e_));
	char id[LOCI_UPLOAD_ID_MAX];
	assert_loci_ok(loci_upload_begin(f->st, "a", 0, &up, &e_));
	snprintf(id, sizeof(id), "%s", loci_upload_id(up));
	loci_upload_close(up, false);
	assert_loci_code(LOCI_E_NOT_FOUND, loci_upload_resume(f->st, "b", id, &up, &e_));
	assert_loci_code(LOCI_E_NOT_FOUND, loci_upload_resume(f->st, NULL, id, &up, &e_));
	assert_loci_code(LOCI_E_NOT_FOUND, loci_upload_stat(f->st, "b", id, &offset, &e_));
	assert_loci_ok(loci_upload_resume(f->st, "a", id, &up, &e_));
	loci_upload_close(up, true);
	assert_loci_code(LOCI_E_NOT_FOUND, loci_upload_resume(f->st, "a", id, &up, &e_));
	assert_int_equal(count_sessions(f), 0);
}

static void test_one_writer(void **state)
{
	struct fixture *f = *state;
	struct loci_upload *up, *second;
	char id[LOCI_UPLOAD_ID_MAX];
	uint64_t offset;
	assert_loci_ok(loci_upload_begin(f->st, "a", 0, &up, &e_));
	snprintf(id, sizeof(id), "%s", loci_upload_id(up));
	assert_loci_ok(loci_upload_write(up, "x", 1, &e_));
	assert_loci_code(LOCI_E_BUSY, loci_upload_resume(f->st, "a", id, &second, &e_));
	assert_loci_ok(loci_upload_stat(f->st, "a", id, &offset, &e_));
	assert_int_equal(offset, 1);
	loci_upload_close(up, false);
	assert_loci_ok(loci_upload_resume(f->st, "a", id, &second, &e_));
	loci_upload_close(second, true);
}

struct peer {
	const char *store;
	const char *id;
	int fd;
};

/* Takes the session, says so, and dies with it. */
static int hold_session(void *arg)
{
	struct peer *p = arg;
	struct loci_store *st = open_store(p->store);
	struct loci_upload *up;
	child_check(st != NULL);
	child_check(loci_upload_resume(st, "a", p->id, &up, NULL) == 0);
	child_check(loci_upload_write(up, "peer", 4, NULL) == 0);
	child_check(write(p->fd, "x", 1) == 1);
	while (pause() < 0) /* until it is killed */
		;
	return 0;
}

static void test_writer_in_another_process_dies(void **state)
{
	struct fixture *f = *state;
	struct loci_upload *up;
	char id[LOCI_UPLOAD_ID_MAX], byte;
	struct loci_digest want = digest_of("minepeer", 8);
	int fds[2];
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_loci_ok(loci_upload_begin(f->st, "a", 0, &up, &e_));
	snprintf(id, sizeof(id), "%s", loci_upload_id(up));
	assert_loci_ok(loci_upload_write(up, "mine", 4, &e_));
	loci_upload_close(up, false);
	fixture_close(f);
	struct peer p = {f->store, id, fds[1]};
	pid_t pid = child_start(hold_session, &p);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	f->st = open_store(f->store);
	assert_loci_code(LOCI_E_BUSY, loci_upload_resume(f->st, "a", id, &up, &e_));
	kill(pid, SIGKILL);
	assert_int_equal(child_wait(pid), 128 + SIGKILL);
	assert_loci_ok(loci_upload_resume(f->st, "a", id, &up, &e_));
	assert_int_equal(loci_upload_offset(up), 8);
	assert_loci_ok(loci_upload_commit(up, &want, &e_));
	assert_true(has_blob(f->st, "a", &want));
	close(fds[0]);
	close(fds[1]);
}

/* Bytes that another process appended while this one kept a running hash. */
static int append_there(void *arg)
{
	struct peer *p = arg;
	struct loci_store *st = open_store(p->store);
	struct loci_upload *up;
	child_check(loci_upload_resume(st, "a", p->id, &up, NULL) == 0);
	child_check(loci_upload_write(up, "22", 2, NULL) == 0);
	loci_upload_close(up, false);
	loci_store_close(st);
	return 0;
}

static int append_after_go(void *arg)
{
	struct peer *p = arg;
	char byte;
	child_check(read(p->fd, &byte, 1) == 1);
	char id[LOCI_UPLOAD_ID_MAX];
	child_check(read(p->fd, id, sizeof(id)) == sizeof(id));
	p->id = id;
	return append_there(p);
}

static void test_hash_follows_another_process(void **state)
{
	struct fixture *f = *state;
	struct loci_upload *up;
	char id[LOCI_UPLOAD_ID_MAX] = "";
	struct loci_digest want = digest_of("112233", 6);
	int fds[2];
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	fixture_close(f);
	struct peer p = {f->store, NULL, fds[0]};
	pid_t pid = child_start(append_after_go, &p);
	f->st = open_store(f->store);
	assert_loci_ok(loci_upload_begin(f->st, "a", 0, &up, &e_));
	snprintf(id, sizeof(id), "%s", loci_upload_id(up));
	assert_loci_ok(loci_upload_write(up, "11", 2, &e_));
	loci_upload_close(up, false);
	assert_int_equal(write(fds[1], "g", 1), 1);
	assert_int_equal(write(fds[1], id, sizeof(id)), sizeof(id));
	assert_int_equal(child_wait(pid), 0);
	assert_loci_ok(loci_upload_resume(f->st, "a", id, &up, &e_));
	assert_int_equal(loci_upload_offset(up), 4);
	assert_loci_ok(loci_upload_write(up, "33", 2, &e_));
	assert_loci_ok(loci_upload_commit(up, &want, &e_));
	assert_true(has_blob(f->st, "a", &want));
	close(fds[0]);
	close(fds[1]);
}

static void test_mismatch_ends_the_session(void **state)
{
	struct fixture *f = *state;
	struct loci_upload *up;
	char id[LOCI_UPLOAD_ID_MAX];
	struct loci_digest want = digest_of("right", 5), wrong = digest_of("wrong", 5);
	assert_loci_ok(loci_upload_begin(f->st, "a", 0, &up, &e_));
	snprintf(id, sizeof(id), "%s", loci_upload_id(up));
	assert_loci_ok(loci_upload_write(up, "wrong", 5, &e_));
	assert_loci_code(LOCI_E_DIGEST_MISMATCH, loci_upload_commit(up, &want, &e_));
	assert_false(has_blob(f->st, NULL, &want));
	assert_false(has_blob(f->st, NULL, &wrong));
	assert_loci_code(LOCI_E_NOT_FOUND, loci_upload_resume(f->st, "a", id, &up, &e_));
	assert_int_equal(count_sessions(f), 0);
}

/* A digest of another algorithm than the session began with. */
static void test_other_algorithm_at_commit(void **state)
{
	struct fixture *f = *state;
	struct loci_upload *up;
	struct loci_digest want;
	assert_loci_ok(loci_digest_bytes(LOCI_SHA512, "bytes", 5, &want, &e_));
	assert_loci_ok(loci_upload_begin(f->st, "a", LOCI_SHA256, &up, &e_));
	assert_loci_ok(loci_upload_write(up, "bytes", 5, &e_));
	assert_loci_ok(loci_upload_commit(up, &want, &e_));
	assert_true(has_blob(f->st, "a", &want));
	assert_loci_ok(loci_upload_begin(f->st, "a", LOCI_SHA512, &up, &e_));
	char id[LOCI_UPLOAD_ID_MAX];
	snprintf(id, sizeof(id), "%s", loci_upload_id(up));
	assert_loci_ok(loci_upload_write(up, "by", 2, &e_));
	loci_upload_close(up, false);
	assert_loci_ok(loci_upload_resume(f->st, "a", id, &up, &e_));
	assert_loci_ok(loci_upload_write(up, "tes", 3, &e_));
	assert_loci_ok(loci_upload_commit(up, &want, &e_));
	assert_loci_code(LOCI_E_UNSUPPORTED, loci_upload_begin(f->st, "a", 9, &up, &e_));
}

static void test_too_large(void **state)
{
	struct fixture *f = *state;
	struct loci_store_opts opts = {.struct_size = sizeof(opts), .max_blob_size = 4};
	struct loci_store *small;
	struct loci_upload *up;
	struct loci_digest d = digest_of("1234", 4);
	assert_loci_ok(loci_store_open(f->store, &opts, &small, &e_));
	assert_loci_ok(loci_upload_begin(small, "a", 0, &up, &e_));
	assert_loci_ok(loci_upload_write(up, "123", 3, &e_));
	assert_loci_code(LOCI_E_TOO_LARGE, loci_upload_write(up, "45", 2, &e_));
	assert_int_equal(loci_upload_offset(up), 3);
	assert_loci_ok(loci_upload_write(up, "4", 1, &e_));
	assert_loci_ok(loci_upload_commit(up, &d, &e_));
	assert_loci_code(LOCI_E_TOO_LARGE, loci_blob_put(small, "a", "12345", 5, NULL, &d, &e_));
	loci_store_close(small);
}

/* More idle sessions than hashes are kept for: all of them can still be finished. */
static void test_many_idle_sessions(void **state)
{
	enum { N = 300 };
	struct fixture *f = *state;
	static char ids[N][LOCI_UPLOAD_ID_MAX];
	char text[32];
	struct loci_upload *up;
	for (int i = 0; i < N; i++) {
		int n = snprintf(text, sizeof(text), "session %d", i);
		assert_loci_ok(loci_upload_begin(f->st, "a", 0, &up, &e_));
		snprintf(ids[i], sizeof(ids[i]), "%s", loci_upload_id(up));
		assert_loci_ok(loci_upload_write(up, text, (size_t)n, &e_));
		loci_upload_close(up, false);
	}
	for (int i = 0; i < N; i++) {
		int n = snprintf(text, sizeof(text), "session %d", i);
		struct loci_digest want = digest_of(text, (size_t)n);
		assert_loci_ok(loci_upload_resume(f->st, "a", ids[i], &up, &e_));
		assert_loci_ok(loci_upload_commit(up, &want, &e_));
	}
	assert_int_equal(count_sessions(f), 0);
}

/* A session whose file is a blob already: its commit failed, or was killed, before the transaction.
 */
static void test_sealed_session(void **state)
{
	struct fixture *f = *state;
	struct loci_upload *up;
	char id[LOCI_UPLOAD_ID_MAX], name[LOCI_SESSION_NAME_MAX];
	struct loci_digest want = digest_of("sealed", 6);
	struct loci_session *s;
	struct loci_blobs *b = f->st->sh->blobs;
	assert_loci_ok(loci_upload_begin(f->st, "a", 0, &up, &e_));
	snprintf(id, sizeof(id), "%s", loci_upload_id(up));
	assert_loci_ok(loci_upload_write(up, "sealed", 6, &e_));
	loci_upload_close(up, false);
	char path[400];
	snprintf(path, sizeof(path), "%s/uploads", f->store);
	DIR *d = opendir(path);
	for (struct dirent *e; (e = readdir(d));)
		if (e->d_name[0] != '.')
			snprintf(name, sizeof(name), "%s", e->d_name);
	closedir(d);
	assert_loci_ok(b->ops->session_take(b, name, &s, &e_));
	assert_loci_ok(b->ops->session_publish(s, &want, true, &e_));
	b->ops->session_close(s, false);
	assert_false(has_blob(f->st, NULL, &want)); /* no row yet */

	assert_loci_ok(loci_upload_resume(f->st, "a", id, &up, &e_));
	assert_int_equal(loci_upload_offset(up), 6);
	assert_loci_code(LOCI_E_INVALID, loci_upload_write(up, "more", 4, &e_));
	assert_loci_ok(loci_upload_commit(up, &want, &e_));
	assert_true(has_blob(f->st, "a", &want));
	assert_int_equal(count_sessions(f), 0);
}

/* Every session looks 8 days old, and the last look at them as well. */
static void let_8_days_pass(const struct fixture *f)
{
	char path[400];
	snprintf(path, sizeof(path), "%s/uploads", f->store);
	DIR *d = opendir(path);
	struct timespec past[2] = {{.tv_sec = (time_t)loci__clock_epoch() - 8 * 24 * 3600}};
	past[1] = past[0];
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));)
		if (e->d_name[0] != '.')
			assert_int_equal(utimensat(dirfd(d), e->d_name, past, 0), 0);
	assert_int_equal(utimensat(dirfd(d), "../run/.uploads-looked-at", past, 0), 0);
	closedir(d);
}

static void begin_and_leave(struct loci_store *st, char id[LOCI_UPLOAD_ID_MAX])
{
	struct loci_upload *up;
	assert_loci_ok(loci_upload_begin(st, "a", 0, &up, &e_));
	snprintf(id, LOCI_UPLOAD_ID_MAX, "%s", loci_upload_id(up));
	loci_upload_close(up, false);
}

static void touch_session(const struct fixture *f, const char *id)
{
	char path[400];
	snprintf(path, sizeof(path), "%s/uploads", f->store);
	DIR *d = opendir(path);
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));)
		if (!strncmp(e->d_name, id, strlen(id)))
			assert_int_equal(utimensat(dirfd(d), e->d_name, NULL, 0), 0);
	closedir(d);
}

static void test_old_sessions_go_at_open(void **state)
{
	struct fixture *f = *state;
	struct loci_upload *up;
	char old[LOCI_UPLOAD_ID_MAX], young[LOCI_UPLOAD_ID_MAX];
	begin_and_leave(f->st, old);
	begin_and_leave(f->st, young);
	let_8_days_pass(f);
	touch_session(f, young);
	assert_int_equal(count_sessions(f), 2);
	fixture_reopen(f);
	assert_int_equal(count_sessions(f), 1);
	assert_loci_ok(loci_upload_resume(f->st, "a", young, &up, &e_));
	loci_upload_close(up, true);
}

/* Killed between the rename of a session, where there are no links, and the removal of its note. */
static void test_notes_without_a_session_go(void **state)
{
	struct fixture *f = *state;
	char id[LOCI_UPLOAD_ID_MAX], path[400];
	struct stat st;
	begin_and_leave(f->st, id);
	snprintf(path, sizeof(path), "%s/uploads/.%s.sha256.0123456789abcdef", f->store, id);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	let_8_days_pass(f);
	fixture_reopen(f);
	assert_int_equal(stat(path, &st), 0); /* too young */
	struct timespec past[2] = {{.tv_sec = (time_t)loci__clock_epoch() - 8 * 24 * 3600}};
	past[1] = past[0];
	assert_int_equal(futimens(fd, past), 0);
	let_8_days_pass(f);
	fixture_reopen(f);
	assert_int_equal(stat(path, &st), -1);
	close(fd);
}

/* A server runs for months: it does not wait for its restart. One that is held stays. */
static void test_old_sessions_go_in_a_running_store(void **state)
{
	struct fixture *f = *state;
	struct loci_upload *held;
	char old[LOCI_UPLOAD_ID_MAX], young[LOCI_UPLOAD_ID_MAX];
	begin_and_leave(f->st, old);
	assert_loci_ok(loci_upload_begin(f->st, "a", 0, &held, &e_));
	let_8_days_pass(f);
	begin_and_leave(f->st, young);
	assert_int_equal(count_sessions(f), 2);
	loci_upload_close(held, true);
}

/* Opening does not look at every session there is: not again so soon. */
static void test_an_open_need_not_look_at_sessions(void **state)
{
	struct fixture *f = *state;
	char id[LOCI_UPLOAD_ID_MAX], path[400];
	begin_and_leave(f->st, id);
	let_8_days_pass(f);
	snprintf(path, sizeof(path), "%s/run/.uploads-looked-at", f->store);
	assert_int_equal(utimensat(AT_FDCWD, path, NULL, 0), 0);
	fixture_reopen(f);
	assert_int_equal(count_sessions(f), 1);
}

static struct loci_upload *inherited;

static int let_go_of_a_copy(void *arg)
{
	struct loci_digest d = digest_of("12", 2);
	struct loci_error err;
	(void)arg;
	child_check(loci_upload_write(inherited, "2", 1, &err) == LOCI_E_USAGE);
	child_check(loci_upload_commit(inherited, &d, &err) == LOCI_E_USAGE);
	return 0;
}

static int discard_a_copy(void *arg)
{
	(void)arg;
	loci_upload_close(inherited, /* discard= */ true);
	return 0;
}

/* A forked child has a copy of the handle; the session, its file and its lock are the parent's. */
static void test_a_forked_child_touches_nothing(void **state)
{
	struct fixture *f = *state;
	struct loci_upload *other;
	struct loci_digest want = digest_of("12", 2);
	char id[LOCI_UPLOAD_ID_MAX];
	assert_loci_ok(loci_upload_begin(f->st, "a", 0, &inherited, &e_));
	snprintf(id, sizeof(id), "%s", loci_upload_id(inherited));
	assert_loci_ok(loci_upload_write(inherited, "1", 1, &e_));
	assert_int_equal(child_wait(child_start(let_go_of_a_copy, NULL)), 0);
	assert_int_equal(child_wait(child_start(discard_a_copy, NULL)), 0);
	assert_int_equal(count_sessions(f), 1);
	assert_loci_code(LOCI_E_BUSY, loci_upload_resume(f->st, "a", id, &other, &e_));
	assert_loci_ok(loci_upload_write(inherited, "2", 1, &e_));
	assert_loci_ok(loci_upload_commit(inherited, &want, &e_));
	assert_true(has_blob(f->st, "a", &want));
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        STORE_TEST(test_chunks),
	        STORE_TEST(test_resume),
	        STORE_TEST(test_resume_after_restart),
	        STORE_TEST(test_ids),
	        STORE_TEST(test_one_writer),
	        STORE_TEST(test_writer_in_another_process_dies),
	        STORE_TEST(test_hash_follows_another_process),
	        STORE_TEST(test_mismatch_ends_the_session),
	        STORE_TEST(test_other_algorithm_at_commit),
	        STORE_TEST(test_too_large),
	        STORE_TEST(test_many_idle_sessions),
	        STORE_TEST(test_sealed_session),
	        STORE_TEST(test_old_sessions_go_at_open),
	        STORE_TEST(test_notes_without_a_session_go),
	        STORE_TEST(test_old_sessions_go_in_a_running_store),
	        STORE_TEST(test_an_open_need_not_look_at_sessions),
	        STORE_TEST(test_a_forked_child_touches_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

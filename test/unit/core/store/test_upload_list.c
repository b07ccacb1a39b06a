/* SPDX-License-Identifier: Apache-2.0 */
/* Upload sessions as an operator sees them, and the limits of their number, bytes and age. */
#include "store_fixture.h"

#include "core/base/clock.h"
#include "core/store/upload.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void begin(struct loci_store *st, const char *repo, const char *text, char *id)
{
	struct loci_upload *up;
	assert_loci_ok(loci_upload_begin(st, repo, 0, &up, &e_));
	snprintf(id, LOCI_UPLOAD_ID_MAX, "%s", loci_upload_id(up));
	assert_loci_ok(loci_upload_write(up, text, strlen(text), &e_));
	loci_upload_close(up, false);
}

/* The session's file; with note: that of its note. */
static void path_of(const struct fixture *f, const char *id, bool note, char path[600])
{
	char dir[400];
	snprintf(dir, sizeof(dir), "%s/uploads", f->store);
	DIR *d = opendir(dir);
	path[0] = '\0';
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));)
		if (strncmp(e->d_name + note, id, strlen(id)) == 0)
			snprintf(path, 600, "%s/%s", dir, e->d_name);
	closedir(d);
}

static bool exists(const struct fixture *f, const char *id)
{
	char path[600];
	path_of(f, id, false, path);
	return path[0] != '\0';
}

static void make_older(const struct fixture *f, const char *id, time_t by)
{
	char path[600];
	struct timespec past[2] = {{.tv_sec = (time_t)loci__clock_epoch() - by}};
	past[1] = past[0];
	path_of(f, id, false, path);
	assert_int_equal(utimensat(AT_FDCWD, path, past, 0), 0);
}

static void let_the_next_look(const struct fixture *f)
{
	char path[400];
	struct timespec past[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
	snprintf(path, sizeof(path), "%s/run/.uploads-looked-at", f->store);
	assert_int_equal(utimensat(AT_FDCWD, path, past, 0), 0);
}

/* ---- listing --------------------------------------------------------------------------------- */

struct seen {
	struct loci_upload_info infos[8];
	unsigned n;
};

static int see(void *arg, const struct loci_upload_info *info)
{
	struct seen *s = arg;
	assert_true(s->n < 8);
	s->infos[s->n++] = *info;
	return 0;
}

static const struct loci_upload_info *find(const struct seen *s, const char *id)
{
	for (unsigned i = 0; i < s->n; i++)
		if (strcmp(s->infos[i].id, id) == 0)
			return &s->infos[i];
	fail_msg("session %s is not listed", id);
	return NULL;
}

static void test_foreach(void **state)
{
	struct fixture *f = *state;
	char one[LOCI_UPLOAD_ID_MAX], two[LOCI_UPLOAD_ID_MAX], path[600];
	struct loci_upload *held;
	struct seen s = {0};
	uint64_t now = loci__clock_epoch();
	assert_loci_ok(loci_upload_foreach(f->st, see, &s, &e_));
	assert_int_equal(s.n, 0);
	begin(f->st, "team/app", "1234", one);
	begin(f->st, "b", "", two);
	assert_loci_ok(loci_upload_begin(f->st, NULL, LOCI_SHA512, &held, &e_));
	snprintf(path, sizeof(path), "%s/uploads/not-ours", f->store);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	assert_loci_ok(loci_upload_foreach(f->st, see, &s, &e_));
	assert_int_equal(s.n, 3);
	const struct loci_upload_info *a = find(&s, one), *c = find(&s, loci_upload_id(held));
	assert_true(a->repo_is_known);
	assert_string_equal(a->repo, "team/app");
	assert_int_equal(a->alg, LOCI_SHA256);
	assert_int_equal(a->bytes, 4);
	assert_true(a->began_at >= now && a->began_at <= now + 60);
	assert_true(a->written_at >= now - 1 && a->written_at <= now + 60);
	assert_false(a->is_held);
	assert_string_equal(find(&s, two)->repo, "b");
	assert_true(c->is_held);
	assert_true(c->repo_is_known);
	assert_string_equal(c->repo, "");
	assert_int_equal(c->alg, LOCI_SHA512);
	loci_upload_close(held, true);
}

/* A note that names another repository than the file's name has the hash of. */
static void test_a_repository_is_checked(void **state)
{
	struct fixture *f = *state;
	char id[LOCI_UPLOAD_ID_MAX], path[600];
	unsigned char bytes[LOCI_SESSION_NOTE_MAX];
	struct loci__session_note note = {.started = 5, .repo = "other"};
	struct seen s = {0};
	begin(f->st, "a", "1234", id);
	size_t n = loci__session_note_format(&note, bytes);
	path_of(f, id, true, path);
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_int_equal(write(fd, bytes, n), n);
	close(fd);
	assert_loci_ok(loci_upload_foreach(f->st, see, &s, &e_));
	assert_false(find(&s, id)->repo_is_known);
	assert_string_equal(find(&s, id)->repo, "");
}

static int stop(void *arg, const struct loci_upload_info *info)
{
	(void)info;
	++*(int *)arg;
	return 1;
}

static void test_foreach_stops(void **state)
{
	struct fixture *f = *state;
	char id[LOCI_UPLOAD_ID_MAX];
	int n = 0;
	begin(f->st, "a", "", id);
	begin(f->st, "a", "", id);
	assert_loci_code(LOCI_E_CALLBACK, loci_upload_foreach(f->st, stop, &n, &e_));
	assert_int_equal(n, 1);
}

static atomic_bool looked_enough;

static int pass_by(void *arg, const struct loci_upload_info *info)
{
	(void)arg;
	(void)info;
	return atomic_load(&looked_enough);
}

static void *look_all_the_time(void *st)
{
	while (!atomic_load(&looked_enough))
		if (loci_upload_foreach(st, pass_by, NULL, NULL) == LOCI_E_SYS)
			abort();
	return NULL;
}

/* Were the lock taken to look, somebody would be refused for that. */
static void test_looking_disturbs_nobody(void **state)
{
	struct fixture *f = *state;
	char id[LOCI_UPLOAD_ID_MAX];
	struct loci_upload *up;
	pthread_t threads[2];
	begin(f->st, "a", "1234", id);
	atomic_store(&looked_enough, false);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, look_all_the_time, f->st), 0);
	for (int i = 0; i < 3000; i++) {
		assert_loci_ok(loci_upload_resume(f->st, "a", id, &up, &e_));
		loci_upload_close(up, false);
	}
	atomic_store(&looked_enough, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

static void test_remove(void **state)
{
	struct fixture *f = *state;
	char one[LOCI_UPLOAD_ID_MAX], two[LOCI_UPLOAD_ID_MAX], path[600];
	struct loci_upload *up;
	begin(f->st, "team/app", "1234", one);
	begin(f->st, "b", "", two);
	assert_loci_ok(loci_upload_remove(f->st, one, 0, &e_));
	assert_false(exists(f, one));
	path_of(f, one, true, path);
	assert_string_equal(path, "");
	assert_loci_code(LOCI_E_NOT_FOUND, loci_upload_remove(f->st, one, 0, &e_));
	assert_loci_code(LOCI_E_INVALID, loci_upload_remove(f->st, "../format", 0, &e_));
	assert_loci_code(LOCI_E_BUSY, loci_upload_remove(f->st, two, 60, &e_));
	make_older(f, two, 61);
	assert_loci_ok(loci_upload_resume(f->st, "b", two, &up, &e_));
	assert_loci_code(LOCI_E_BUSY, loci_upload_remove(f->st, two, 60, &e_));
	loci_upload_close(up, false);
	assert_loci_ok(loci_upload_remove(f->st, two, 60, &e_));
	assert_false(exists(f, two));
}

/* ---- limits ---------------------------------------------------------------------------------- */

static struct loci_store *open_with(const struct fixture *f, struct loci_store_opts opts)
{
	struct loci_store *st = NULL;
	opts.struct_size = sizeof(opts);
	assert_loci_ok(loci_store_open(f->store, &opts, &st, &e_));
	return st;
}

static void test_most_sessions(void **state)
{
	struct fixture *f = *state;
	struct loci_store *st = open_with(f, (struct loci_store_opts){.max_uploads = 2});
	struct loci_upload *a, *b, *c;
	struct loci_digest d = digest_of("x", 1);
	assert_loci_ok(loci_upload_begin(st, "a", 0, &a, &e_));
	assert_loci_ok(loci_upload_begin(st, "a", 0, &b, &e_));
	assert_loci_code(LOCI_E_BUSY, loci_upload_begin(st, "b", 0, &c, &e_));
	assert_loci_code(LOCI_E_BUSY, loci_blob_put(st, "a", "x", 1, NULL, &d, &e_));
	assert_loci_ok(loci_blob_put(st, NULL, "x", 1, NULL, &d, &e_)); /* the puller's */
	loci_upload_close(a, /* discard= */ true);
	assert_loci_ok(loci_upload_begin(st, "b", 0, &a, &e_));
	assert_loci_ok(loci_upload_write(a, "x", 1, &e_));
	assert_loci_ok(loci_upload_commit(a, &d, &e_));
	assert_loci_ok(loci_upload_begin(st, "b", 0, &a, &e_));
	assert_loci_code(LOCI_E_BUSY, loci_upload_begin(st, "b", 0, &c, &e_));
	loci_upload_close(a, true);
	loci_upload_close(b, true);
	loci_store_close(st);
}

/* What others began, or before this process was there, counts. */
static void test_sessions_from_before(void **state)
{
	struct fixture *f = *state;
	struct loci_upload *up;
	char id[LOCI_UPLOAD_ID_MAX];
	begin(f->st, "a", "1", id);
	begin(f->st, "a", "2", id);
	fixture_close(f);
	f->st = open_with(f, (struct loci_store_opts){.max_uploads = 2});
	assert_loci_code(LOCI_E_BUSY, loci_upload_begin(f->st, "a", 0, &up, &e_));
	fixture_close(f);
	f->st = open_with(f, (struct loci_store_opts){.max_upload_bytes = 2});
	assert_loci_code(LOCI_E_BUSY, loci_upload_begin(f->st, "a", 0, &up, &e_));
}

static void test_most_bytes(void **state)
{
	struct fixture *f = *state;
	struct loci_store *st = open_with(f, (struct loci_store_opts){.max_upload_bytes = 10});
	struct loci_digest d = digest_of("12345678", 8);
	struct loci_upload *a, *b, *c;
	assert_loci_ok(loci_upload_begin(st, "a", 0, &a, &e_));
	assert_loci_ok(loci_upload_begin(st, "a", 0, &b, &e_));
	assert_loci_ok(loci_upload_write(a, "12345678", 8, &e_));
	assert_loci_code(LOCI_E_BUSY, loci_upload_write(b, "123", 3, &e_));
	assert_int_equal(loci_upload_offset(b), 0);
	assert_loci_ok(loci_upload_write(b, "12", 2, &e_));
	assert_loci_code(LOCI_E_BUSY, loci_upload_write(b, "3", 1, &e_));
	assert_loci_code(LOCI_E_BUSY, loci_upload_begin(st, "a", 0, &c, &e_));
	assert_loci_ok(loci_upload_commit(a, &d, &e_)); /* no session's any more */
	assert_loci_ok(loci_upload_write(b, "345678", 6, &e_));
	assert_loci_ok(loci_upload_commit(b, &d, &e_));
	loci_store_close(st);
}

static void test_expiry_is_configured(void **state)
{
	struct fixture *f = *state;
	char old[LOCI_UPLOAD_ID_MAX], young[LOCI_UPLOAD_ID_MAX];
	begin(f->st, "a", "1", old);
	begin(f->st, "a", "1", young);
	make_older(f, old, 70);
	make_older(f, young, 30);
	fixture_close(f);
	f->st = open_with(f, (struct loci_store_opts){.upload_expiry_s = 60});
	assert_true(exists(f, old)); /* the first open has just looked */
	fixture_close(f);
	let_the_next_look(f);
	f->st = open_with(f, (struct loci_store_opts){.upload_expiry_s = 60});
	assert_false(exists(f, old));
	assert_true(exists(f, young));
}

/* The puller opens the store, and knows nothing of what the registry keeps, or for how long. */
static void test_expiry_is_remembered(void **state)
{
	struct fixture *f = *state;
	char old[LOCI_UPLOAD_ID_MAX];
	begin(f->st, "a", "1", old);
	make_older(f, old, 8 * 24 * 3600);
	fixture_close(f);
	let_the_next_look(f);
	f->st = open_with(f, (struct loci_store_opts){.upload_expiry_s = 30 * 24 * 3600});
	fixture_close(f);
	let_the_next_look(f);
	f->st = open_with(f, (struct loci_store_opts){0});
	assert_true(exists(f, old));
	fixture_close(f);
	let_the_next_look(f);
	f->st = open_with(f, (struct loci_store_opts){.upload_expiry_s = 7 * 24 * 3600});
	assert_false(exists(f, old));
}

/* What an import that was killed left of a file that its owner may only read. */
static void test_read_only_file(void **state)
{
	struct fixture *f = *state;
	char id[LOCI_UPLOAD_ID_MAX], path[600], dir[400];
	const uid_t other = 4242;
	begin(f->st, "a", "linked", id);
	path_of(f, id, false, path);
	snprintf(dir, sizeof(dir), "%s/uploads", f->store);
	assert_int_equal(chmod(path, 0400), 0);
	bool is_root = geteuid() == 0;
	if (is_root) {
		assert_int_equal(chown(path, other, (gid_t)-1), 0);
		assert_int_equal(chown(dir, other, (gid_t)-1), 0);
		assert_int_equal(seteuid(other), 0);
	}
	int rc = loci_upload_remove(f->st, id, /* unwritten_s= */ 0, /* err= */ NULL);
	if (is_root)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(rc, 0);
	assert_false(exists(f, id));
}

#define LIST_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        LIST_TEST(test_foreach),
	        LIST_TEST(test_a_repository_is_checked),
	        LIST_TEST(test_foreach_stops),
	        LIST_TEST(test_looking_disturbs_nobody),
	        LIST_TEST(test_remove),
	        LIST_TEST(test_read_only_file),
	        LIST_TEST(test_most_sessions),
	        LIST_TEST(test_sessions_from_before),
	        LIST_TEST(test_most_bytes),
	        LIST_TEST(test_expiry_is_configured),
	        LIST_TEST(test_expiry_is_remembered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

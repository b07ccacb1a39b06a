/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions that are taken up again after a crash, a restart or a power cut: how much of them is
 * read back, and that no note, whatever it says, makes a wrong blob or refuses a right one.
 */
#include "store_fixture.h"

#include "core/store/blobs_dir.h"
#include "core/store/upload.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

/* ---- a store that counts what is read back -------------------------------------------------- */

static uint64_t n_read;
static struct loci_blobs_ops counting_ops;
static ssize_t (*real_read)(struct loci_session *s, uint64_t offset, void *p, size_t n,
                            struct loci_error *err);

static ssize_t counting_read(struct loci_session *s, uint64_t offset, void *p, size_t n,
                             struct loci_error *err)
{
	ssize_t got = real_read(s, offset, p, n, err);
	n_read += got > 0 ? (uint64_t)got : 0;
	return got;
}

static int counting_open(int dirfd, struct loci_blobs **ret, struct loci_error *err)
{
	int rc = loci__blobs_dir_open(dirfd, ret, err);
	if (rc < 0)
		return rc;
	counting_ops = *(*ret)->ops;
	real_read = counting_ops.session_read;
	counting_ops.session_read = counting_read;
	(*ret)->ops = &counting_ops;
	return 0;
}

/* The machine's boots are numbered: another number, another boot. */
static void open_in_boot(struct fixture *f, int boot)
{
	char id[32];
	snprintf(id, sizeof(id), "boot-%d", boot);
	const struct loci__sys sys = {.blobs_open = counting_open, .boot_id = id};
	fixture_close(f);
	assert_loci_ok(loci__store_open_with(f->store, NULL, &sys, &f->st, &e_));
	n_read = 0;
}

static int setup(void **state)
{
	if (fixture_setup_empty(state) < 0)
		return -1;
	open_in_boot(*state, 1);
	return 0;
}

/* ---- sessions and their files ---------------------------------------------------------------- */

/* The nth megabyte says n; so a piece in the wrong place shows. */
static char *content(size_t n)
{
	char *p = malloc(n);
	assert_non_null(p);
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(1 + i % 251 + i / MIB);
	return p;
}

/* The path of the only session, or of its note. False: there is none. */
static bool find_file(const struct fixture *f, bool note, char path[600])
{
	char dir[400];
	bool found = false;
	snprintf(dir, sizeof(dir), "%s/uploads", f->store);
	DIR *d = opendir(dir);
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    (e->d_name[0] == '.') != note)
			continue;
		assert_false(found);
		found = true;
		snprintf(path, 600, "%s/%s", dir, e->d_name);
	}
	closedir(d);
	return found;
}

/* A session with the first n bytes of p, let go of. */
static void leave(struct fixture *f, const void *p, size_t n, char id[LOCI_UPLOAD_ID_MAX])
{
	struct loci_upload *up;
	assert_loci_ok(loci_upload_begin(f->st, "a", 0, &up, &e_));
	snprintf(id, LOCI_UPLOAD_ID_MAX, "%s", loci_upload_id(up));
	assert_loci_ok(loci_upload_write(up, p, n, &e_));
	loci_upload_close(up, false);
}

static uint64_t offset_of(struct fixture *f, const char *id)
{
	uint64_t offset = 0;
	assert_loci_ok(loci_upload_stat(f->st, "a", id, &offset, &e_));
	return offset;
}

/* The client goes on where the store says, and commits; n is the whole of p. */
static void go_on(struct fixture *f, const char *id, const char *p, size_t n, uint64_t from)
{
	struct loci_upload *up;
	struct loci_digest want = digest_of(p, n);
	assert_loci_ok(loci_upload_resume(f->st, "a", id, &up, &e_));
	assert_int_equal(loci_upload_offset(up), from);
	assert_loci_ok(loci_upload_write(up, p + from, n - from, &e_));
	assert_loci_ok(loci_upload_commit(up, &want, &e_));
	assert_true(has_blob(f->st, "a", &want));
}

static void overwrite(const char *path, uint64_t at, const void *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, p, n, (off_t)at), n);
	close(fd);
}

static void write_note(const struct fixture *f, const struct loci__session_note *note)
{
	unsigned char bytes[LOCI_SESSION_NOTE_MAX];
	char path[600];
	assert_true(find_file(f, true, path));
	overwrite(path, 0, bytes, loci__session_note_format(note, bytes));
}

static struct loci__session_note read_note(const struct fixture *f)
{
	unsigned char bytes[LOCI_SESSION_NOTE_MAX];
	struct loci__session_note note;
	char path[600];
	assert_true(find_file(f, true, path));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, bytes, sizeof(bytes));
	close(fd);
	assert_true(n > 0);
	assert_loci_ok(loci__session_note_parse(bytes, (size_t)n, &note, &e_));
	return note;
}

/* What a note says when `p` has been hashed. */
static void set_state(struct loci__session_note *note, const void *p, size_t n)
{
	struct loci_hasher *h;
	assert_int_equal(loci_hasher_new(LOCI_SHA256, &h, NULL), 0);
	assert_int_equal(loci_hasher_update(h, p, n, NULL), 0);
	note->state_n = loci__hasher_export(h, note->state);
	loci_hasher_free(h);
}

/* ---- the same boot --------------------------------------------------------------------------- */

static void test_nothing_is_read_between_requests(void **state)
{
	struct fixture *f = *state;
	char id[LOCI_UPLOAD_ID_MAX];
	char *p = content(3 * MIB);
	leave(f, p, MIB + 7, id);
	struct loci__session_note note = read_note(f);
	assert_string_equal(note.repo, "a");
	assert_true(note.started > 0);
	open_in_boot(f, 1);
	go_on(f, id, p, 3 * MIB, MIB + 7);
	assert_int_equal(n_read, 0);
	free(p);
}

struct stream {
	const char *store;
	const char *p;
	size_t n;
	int fd;
};

/* One long request, and death in the middle of it. */
static int stream_and_die(void *arg)
{
	const struct stream *s = arg;
	const struct loci__sys sys = {.boot_id = "boot-1"};
	struct loci_store *st;
	struct loci_upload *up;
	child_check(loci__store_open_with(s->store, NULL, &sys, &st, NULL) == 0);
	child_check(loci_upload_begin(st, "a", 0, &up, NULL) == 0);
	child_check(write(s->fd, loci_upload_id(up), LOCI_UPLOAD_ID_MAX) == LOCI_UPLOAD_ID_MAX);
	for (size_t at = 0; at < s->n; at += MIB / 2)
		child_check(loci_upload_write(up, s->p + at, MIB / 2, NULL) == 0);
	raise(SIGKILL);
	return 0;
}

static void test_kill_in_a_stream(void **state)
{
	struct fixture *f = *state;
	size_t n = 2 * LOCI_CHECKPOINT_BYTES + 5 * MIB;
	char *p = content(n + MIB), id[LOCI_UPLOAD_ID_MAX];
	int fds[2];
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	fixture_close(f);
	struct stream s = {f->store, p, n, fds[1]};
	assert_int_equal(child_wait(child_start(stream_and_die, &s)), 128 + SIGKILL);
	assert_int_equal(read(fds[0], id, sizeof(id)), sizeof(id));
	open_in_boot(f, 1);
	assert_int_equal(offset_of(f, id), n);
	go_on(f, id, p, n + MIB, n);
	assert_int_equal(n_read, 5 * MIB);
	assert_true(n_read <= LOCI_CHECKPOINT_BYTES);
	close(fds[0]);
	close(fds[1]);
	free(p);
}

/* Notes that cannot be right, or cannot be read: as if there were none. */
static void test_useless_notes(void **state)
{
	struct fixture *f = *state;
	char id[LOCI_UPLOAD_ID_MAX], path[600];
	char *p = content(2 * MIB);
	for (int i = 0; i < 5; i++) {
		leave(f, p, MIB, id);
		struct loci__session_note note = read_note(f);
		assert_true(find_file(f, true, path));
		if (i == 0) /* longer than the bytes */
			set_state(&note, p, MIB + 1);
		if (i == 1) /* no state of a hash */
			memset(note.state, 0xff, note.state_n = 20);
		if (i == 2) /* another algorithm than the session's */
			note.state[1] = LOCI_SHA512;
		write_note(f, &note);
		if (i == 3) /* torn */
			assert_int_equal(truncate(path, 30), 0);
		if (i == 4)
			assert_int_equal(unlink(path), 0);
		open_in_boot(f, 1);
		assert_int_equal(offset_of(f, id), MIB);
		go_on(f, id, p, 2 * MIB, MIB);
		assert_int_equal(n_read, MIB);
	}
	free(p);
}

/* Whole by its checksum, right in its length, and wrong. */
static void test_a_wrong_note_refuses_nothing(void **state)
{
	struct fixture *f = *state;
	char id[LOCI_UPLOAD_ID_MAX];
	char *p = content(2 * MIB), *other = calloc(1, MIB);
	leave(f, p, MIB, id);
	struct loci__session_note note = read_note(f);
	set_state(&note, other, MIB);
	write_note(f, &note);
	go_on(f, id, p, 2 * MIB, MIB);
	assert_int_equal(n_read, 2 * MIB);

	/* The same the other way round: nothing passes that is not in the file. */
	struct loci_upload *up;
	struct loci_digest want = digest_of(p, MIB);
	leave(f, other, MIB, id);
	assert_loci_ok(loci_upload_resume(f->st, "a", id, &up, &e_));
	assert_loci_code(LOCI_E_DIGEST_MISMATCH, loci_upload_commit(up, &want, &e_));
	assert_false(has_blob(f->st, NULL, &want));
	free(other);
	free(p);
}

static void test_another_algorithm_at_the_end(void **state)
{
	struct fixture *f = *state;
	char id[LOCI_UPLOAD_ID_MAX];
	struct loci_upload *up;
	struct loci_digest want;
	char *p = content(MIB);
	assert_loci_ok(loci_digest_bytes(LOCI_SHA512, p, MIB, &want, &e_));
	leave(f, p, MIB, id);
	open_in_boot(f, 1);
	assert_loci_ok(loci_upload_resume(f->st, "a", id, &up, &e_));
	assert_loci_ok(loci_upload_commit(up, &want, &e_));
	assert_true(has_blob(f->st, "a", &want));
	assert_int_equal(n_read, MIB);
	free(p);
}

/* ---- another boot ---------------------------------------------------------------------------- */

static void test_power_cut_that_lost_nothing(void **state)
{
	struct fixture *f = *state;
	char id[LOCI_UPLOAD_ID_MAX];
	char *p = content(3 * MIB);
	leave(f, p, MIB, id);
	open_in_boot(f, 2);
	assert_int_equal(offset_of(f, id), MIB);
	struct loci_upload *up;
	assert_loci_ok(loci_upload_resume(f->st, "a", id, &up, &e_));
	assert_int_equal(n_read, MIB); /* once */
	loci_upload_close(up, false);
	assert_loci_ok(loci_upload_resume(f->st, "a", id, &up, &e_));
	loci_upload_close(up, false);
	go_on(f, id, p, 3 * MIB, MIB);
	assert_int_equal(n_read, MIB);
	free(p);
}

/* The file has its length, but a page of it never got to the disk. */
static void test_power_cut_that_lost_a_page(void **state)
{
	struct fixture *f = *state;
	char id[LOCI_UPLOAD_ID_MAX], path[600], zeros[4096] = {0};
	struct loci_upload *up;
	char *p = content(3 * MIB);
	leave(f, p, MIB, id);
	assert_true(find_file(f, false, path));
	overwrite(path, 40960, zeros, sizeof(zeros));
	open_in_boot(f, 2);
	assert_loci_ok(loci_upload_resume(f->st, "a", id, &up, &e_));
	assert_int_equal(loci_upload_offset(up), 0);
	loci_upload_close(up, false);
	assert_int_equal(offset_of(f, id), 0);
	go_on(f, id, p, 3 * MIB, 0);
	free(p);
}

/* Bytes behind the note, of a request that the power cut ended: nothing proves them. */
static void test_power_cut_in_a_stream(void **state)
{
	struct fixture *f = *state;
	char id[LOCI_UPLOAD_ID_MAX], path[600], zeros[8192] = {0};
	char *p = content(3 * MIB);
	leave(f, p, MIB, id);
	assert_true(find_file(f, false, path));
	overwrite(path, MIB, zeros, sizeof(zeros));
	open_in_boot(f, 2);
	assert_int_equal(offset_of(f, id), MIB);
	go_on(f, id, p, 3 * MIB, MIB);
	free(p);
}

/* The note got to the disk, the last bytes did not: the digest at the end decides. */
static void test_power_cut_behind_the_note(void **state)
{
	struct fixture *f = *state;
	char id[LOCI_UPLOAD_ID_MAX], path[600];
	char *p = content(3 * MIB);
	leave(f, p, MIB, id);
	assert_true(find_file(f, false, path));
	assert_int_equal(truncate(path, MIB / 2), 0);
	open_in_boot(f, 2);
	assert_int_equal(offset_of(f, id), MIB / 2);
	go_on(f, id, p, 3 * MIB, MIB / 2);
	free(p);
}

static void test_power_cut_in_the_first_request(void **state)
{
	struct fixture *f = *state;
	char id[LOCI_UPLOAD_ID_MAX], path[600], zeros[4096] = {0};
	struct loci_upload *up;
	char *p = content(MIB);
	assert_loci_ok(loci_upload_begin(f->st, "a", 0, &up, &e_));
	snprintf(id, sizeof(id), "%s", loci_upload_id(up));
	loci_upload_close(up, false);
	assert_true(find_file(f, false, path));
	overwrite(path, 0, zeros, sizeof(zeros));
	open_in_boot(f, 2);
	assert_int_equal(offset_of(f, id), 0);
	go_on(f, id, p, MIB, 0);
	free(p);
}

/* A session whose bytes are a blob already is not cut, whatever its note says. */
static void test_sealed_is_never_cut(void **state)
{
	struct fixture *f = *state;
	struct loci_session *s;
	struct loci_upload *up;
	char id[LOCI_UPLOAD_ID_MAX], path[600];
	char *p = content(MIB);
	struct loci_digest want = digest_of(p, MIB);
	struct loci_blobs *b = f->st->sh->blobs;
	leave(f, p, MIB, id);
	struct loci__session_note note = read_note(f);
	assert_true(find_file(f, false, path));
	assert_loci_ok(b->ops->session_take(b, strrchr(path, '/') + 1, &s, &e_));
	assert_loci_ok(b->ops->session_publish(s, &want, true, &e_));
	unsigned char bytes[LOCI_SESSION_NOTE_MAX];
	set_state(&note, p, 10);
	size_t n = loci__session_note_format(&note, bytes);
	assert_loci_ok(b->ops->note_put(s, bytes, n, &e_));
	b->ops->session_close(s, false);
	open_in_boot(f, 2);
	assert_loci_ok(loci_upload_resume(f->st, "a", id, &up, &e_));
	assert_int_equal(loci_upload_offset(up), MIB);
	assert_loci_ok(loci_upload_commit(up, &want, &e_));
	assert_true(has_blob(f->st, "a", &want));
	free(p);
}

/* ---- notes go with their sessions ------------------------------------------------------------ */

static void test_notes_leave_nothing(void **state)
{
	struct fixture *f = *state;
	struct loci_upload *up;
	char id[LOCI_UPLOAD_ID_MAX], path[600];
	char *p = content(MIB);
	struct loci_digest wrong = digest_of("", 0);
	leave(f, p, MIB / 2, id);
	go_on(f, id, p, MIB, MIB / 2);
	assert_false(find_file(f, true, path));
	leave(f, p, MIB, id);
	assert_loci_ok(loci_upload_resume(f->st, "a", id, &up, &e_));
	loci_upload_close(up, /* discard= */ true);
	assert_false(find_file(f, true, path));
	leave(f, p, MIB, id);
	assert_loci_ok(loci_upload_resume(f->st, "a", id, &up, &e_));
	assert_loci_code(LOCI_E_DIGEST_MISMATCH, loci_upload_commit(up, &wrong, &e_));
	assert_false(find_file(f, true, path));
	free(p);
}

#define RESUME_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        RESUME_TEST(test_nothing_is_read_between_requests),
	        RESUME_TEST(test_kill_in_a_stream),
	        RESUME_TEST(test_useless_notes),
	        RESUME_TEST(test_a_wrong_note_refuses_nothing),
	        RESUME_TEST(test_another_algorithm_at_the_end),
	        RESUME_TEST(test_power_cut_that_lost_nothing),
	        RESUME_TEST(test_power_cut_that_lost_a_page),
	        RESUME_TEST(test_power_cut_in_a_stream),
	        RESUME_TEST(test_power_cut_behind_the_note),
	        RESUME_TEST(test_power_cut_in_the_first_request),
	        RESUME_TEST(test_sealed_is_never_cut),
	        RESUME_TEST(test_notes_leave_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Stores of format 1: no row of USAGE, tags without times. */
#include "store_fixture.h"

#include "core/base/fs.h"
#include "core/store/format.h"
#include "core/store/index_lmdb.h"
#include "core/store/usage.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static unsigned format_of(const struct fixture *f)
{
	unsigned version = 0;
	int fd = open(f->store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_loci_ok(loci__format_read(fd, f->store, &version, &e_));
	close(fd);
	return version;
}

static void write_format_1(const struct fixture *f)
{
	int fd = open(f->store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_loci_ok(loci__format_write(fd, 1, &e_));
	close(fd);
}

struct spoil {
	const char *path;
	const char *val;
	size_t n;
};

/* What a format 1 would not have there. */
static int spoil_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	const struct spoil *s = arg;
	struct loci__key k = {0};
	loci__key_name(&k, s->path);
	if (s->n)
		return loci__txn_put(t, LOCI_INDEX_USAGE, &k, (struct loci_slice){s->val, s->n},
		                     err);
	int rc = loci__txn_del(t, LOCI_INDEX_USAGE, &k, err);
	return rc == LOCI_E_NOT_FOUND ? 0 : rc;
}

static int untime_tag_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	const struct image *im = arg;
	struct loci__key k = loci__key_of_repo_text("team/app", "v1");
	char b[LOCI_DIGEST_KEY_MAX];
	size_t n = loci__put_digest(b, &im->digest);
	return loci__txn_put(t, LOCI_INDEX_TAG, &k, (struct loci_slice){b, n}, err);
}

/* A store as format 1 left it, with a stray row of a migration that was cut off. */
static void make_format_1(struct fixture *f, const struct image *im)
{
	static const char stray[64] = {1, 2, 3};
	struct spoil gone[] = {{.path = ""}, {.path = "team"}, {.path = "team/app"}};
	struct spoil left = {"old/one", stray, sizeof(stray)};
	image_push(f->st, "team/app", im, "{}", "layer", "v1");
	for (size_t i = 0; i < 3; i++)
		assert_loci_ok(loci__store_write(f->st, spoil_op, &gone[i], &e_));
	assert_loci_ok(loci__store_write(f->st, spoil_op, &left, &e_));
	assert_loci_ok(loci__store_write(f->st, untime_tag_op, (void *)im, &e_));
	fixture_close(f);
	write_format_1(f);
}

static void test_counts(void **state)
{
	struct fixture *f = *state;
	struct image im;
	struct loci_usage u;
	assert_int_equal(format_of(f), LOCI_FORMAT_NOW);
	image_make(&im, "{}", "layer", NULL);
	make_format_1(f, &im);
	fixture_reopen(f);
	assert_int_equal(format_of(f), LOCI_FORMAT_NOW);
	assert_loci_ok(loci_usage_get(f->st, "team", &u, &e_));
	assert_int_equal(u.bytes, 2 + 5 + im.n);
	assert_int_equal(u.blobs, 2);
	assert_int_equal(u.manifests, 1);
	assert_int_equal(u.tags, 1);
	assert_loci_ok(loci_usage_get(f->st, "old", &u, &e_));
	assert_int_equal(u.bytes | u.blobs | u.manifests | u.tags, 0);
	assert_true(has_tag(f->st, "team/app", "v1", &im.digest));
	assert_usage_is_right(f->st);
	/* Once is enough: a row of now stays as it is. */
	struct spoil mark = {"mark", (const char[64]){7}, 64};
	assert_loci_ok(loci__store_write(f->st, spoil_op, &mark, &e_));
	fixture_reopen(f);
	assert_loci_ok(loci_usage_get(f->st, "mark", &u, &e_));
	assert_int_equal(u.bytes, 7);
	image_done(&im);
}

/* Several open it at once: one migrates, the others wait for it. */
static int open_and_count(void *arg)
{
	const struct fixture *f = arg;
	struct loci_usage u = {0};
	struct loci_store *st = open_store(f->store);
	child_check(st != NULL);
	child_check(loci_usage_get(st, "team", &u, NULL) == 0 && u.blobs == 2 && u.tags == 1);
	loci_store_close(st);
	return 0;
}

static void test_several_at_once(void **state)
{
	enum { N = 6 };
	struct fixture *f = *state;
	struct image im;
	pid_t pids[N];
	image_make(&im, "{}", "layer", NULL);
	make_format_1(f, &im);
	for (int i = 0; i < N; i++)
		pids[i] = child_start(open_and_count, f);
	for (int i = 0; i < N; i++)
		assert_int_equal(child_wait(pids[i]), 0);
	assert_int_equal(format_of(f), LOCI_FORMAT_NOW);
	image_done(&im);
}

struct old_process {
	const struct fixture *f;
	int told[2];    /* it has the store open */
	int release[2]; /* its end of input lets it go */
};

static int hold_open(void *arg)
{
	struct old_process *o = arg;
	char byte;
	close(o->release[1]);
	struct loci_store *st = open_store(o->f->store);
	child_check(st != NULL);
	child_check(write(o->told[1], "o", 1) == 1);
	child_check(read(o->release[0], &byte, 1) == 0);
	loci_store_close(st);
	return 0;
}

/* An older process has it open: nothing is touched; once it has gone, the store is taken over. */
static void test_older_process(void **state)
{
	struct fixture *f = *state;
	struct old_process o = {.f = f};
	struct loci__sys soon = {.pid_wait_ms = 1};
	char byte;
	fixture_close(f);
	assert_int_equal(pipe2(o.told, O_CLOEXEC), 0);
	assert_int_equal(pipe2(o.release, O_CLOEXEC), 0);
	pid_t pid = child_start(hold_open, &o);
	assert_int_equal(read(o.told[0], &byte, 1), 1);
	write_format_1(f);
	struct loci_error err = {0};
	assert_int_equal(loci__store_open_with(f->store, NULL, &soon, &f->st, &err), LOCI_E_BUSY);
	assert_non_null(strstr(err.msg, "a process of an older version has it open"));
	assert_int_equal(format_of(f), 1);
	/* Waited for while it drains. */
	struct loci__sys patient = {.pid_wait_ms = 60000};
	close(o.release[1]);
	assert_loci_ok(loci__store_open_with(f->store, NULL, &patient, &f->st, &e_));
	assert_int_equal(format_of(f), LOCI_FORMAT_NOW);
	assert_int_equal(child_wait(pid), 0);
	close(o.release[0]);
	close(o.told[0]);
	close(o.told[1]);
}

/* ---- one that comes in while we migrate ------------------------------------------------------ */

static unsigned alone_asked;
static int (*real_is_alone)(struct loci_index *ix, struct loci_error *err);
static struct loci_index_ops spying_ops;

static int is_alone_once(struct loci_index *ix, struct loci_error *err)
{
	return ++alone_asked == 1 ? real_is_alone(ix, err) : 0;
}

static int open_spying(const char *path, const struct loci_index_opts *opts,
                       struct loci_index **ret, struct loci_error *err)
{
	int rc = loci__index_lmdb_open(path, opts, ret, err);
	if (rc < 0)
		return rc;
	spying_ops = *(*ret)->ops;
	real_is_alone = spying_ops.is_alone;
	spying_ops.is_alone = is_alone_once;
	(*ret)->ops = &spying_ops;
	return 0;
}

static void test_late_comer(void **state)
{
	struct fixture *f = *state;
	struct image im;
	struct loci__sys spying = {.index_open = open_spying};
	image_make(&im, "{}", "layer", NULL);
	make_format_1(f, &im);
	assert_loci_code(LOCI_E_BUSY, loci__store_open_with(f->store, NULL, &spying, &f->st, &e_));
	assert_int_equal(alone_asked, 2);
	assert_int_equal(format_of(f), 1); /* what it writes is counted by the next open */
	fixture_reopen(f);
	assert_int_equal(format_of(f), LOCI_FORMAT_NOW);
	assert_usage_is_right(f->st);
	image_done(&im);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)
	        TEST(test_counts),
	        TEST(test_several_at_once),
	        TEST(test_older_process),
	        TEST(test_late_comer),
#undef TEST
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pass over a store with something of each kind, and clients in the middle of it, run once for
 * every call of the seams it makes: that call fails. What was kept or acknowledged must be there
 * and whole, at once and after another pass without failures, which must remove all the rest.
 */
#include "fault.h"
#include "gc_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG  "{\"config\":1}"
#define REVIVED "condemned, then referred to"
#define AGAIN   "collected, and sent again"

struct story {
	struct fixture *f;
	struct image kept, dead, revived;
	struct loci_digest again, orphan;
	bool sent_revived, sent_again; /* acknowledged */
};

/* The link, the lease and the file: a file that a failure left is kept for a lease, too. */
static void make_old(const struct story *s, const char *repo, const struct loci_digest *d)
{
	static const struct timespec times[2] = {{1, 0}, {1, 0}};
	char path[600];
	gc_age(s->f->st, repo, d);
	blob_path(s->f, d, path, sizeof(path));
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void prepare(struct story *s)
{
	struct loci_store *st = s->f->st;
	struct loci_digest d;
	image_make(&s->kept, CONFIG, "kept", NULL);
	image_make(&s->dead, "{\"config\":2}", "dead", NULL);
	image_make(&s->revived, CONFIG, REVIVED, NULL);
	image_push(st, "r", &s->kept, CONFIG, "kept", "v");
	image_push(st, "s", &s->dead, "{\"config\":2}", "dead", "v");
	struct loci_digest index = put_index(st, "s", &s->dead.digest, 1, "");
	assert_loci_ok(loci_manifest_delete(st, "s", &index, &e_));
	assert_loci_ok(loci_manifest_delete(st, "s", &s->dead.digest, &e_));
	assert_loci_ok(loci_blob_put(st, "r", REVIVED, strlen(REVIVED), NULL, &d, &e_));
	assert_loci_ok(loci_blob_put(st, "r", AGAIN, strlen(AGAIN), NULL, &s->again, &e_));
	make_old(s, "r", &s->kept.layer);
	make_old(s, "r", &s->kept.config);
	make_old(s, "r", &s->revived.layer);
	make_old(s, "r", &s->again);
	make_old(s, "s", &s->dead.layer);
	make_old(s, "s", &s->dead.config);
	make_orphan(s->f, "orphan", 100000, &s->orphan);
}

static void on_point(void *arg, enum loci__gc_point point)
{
	struct story *s = arg;
	struct loci_digest d;
	if (point == LOCI__GC_CONDEMNED && !s->sent_revived)
		s->sent_revived = image_put(s->f->st, "r", &s->revived, "back", 0, NULL, NULL) == 0;
	if (point == LOCI__GC_ROW_GONE && !s->sent_again)
		s->sent_again =
		        loci_blob_put(s->f->st, "r", AGAIN, strlen(AGAIN), NULL, &d, NULL) == 0;
}

static void check(const struct story *s)
{
	struct loci_store *st = s->f->st;
	assert_true(has_tag(st, "r", "v", &s->kept.digest));
	assert_true(has_blob(st, "r", &s->kept.layer) && has_blob(st, "r", &s->kept.config));
	assert_true(has_blob(st, NULL, &s->kept.layer));
	if (s->sent_revived) {
		assert_true(has_tag(st, "r", "back", &s->revived.digest));
		assert_true(has_blob(st, "r", &s->revived.layer));
	}
	if (s->sent_again)
		assert_true(has_blob(st, "r", &s->again));
}

static void check_rest_is_gone(const struct story *s)
{
	assert_false(has_file(s->f, &s->dead.layer) || has_file(s->f, &s->dead.config));
	assert_false(has_file(s->f, &s->orphan));
	assert_false(has_manifest(s->f->st, NULL, &s->dead.digest));
	assert_int_equal(has_file(s->f, &s->revived.layer), s->sent_revived);
	assert_int_equal(has_file(s->f, &s->again), s->sent_again);
	assert_int_equal(count_files(s->f), 2 + s->sent_revived + s->sent_again);
	assert_int_equal(count_rows(s->f->st, LOCI_INDEX_MANIFEST), 1 + s->sent_revived);
	assert_int_equal(count_rows(s->f->st, LOCI_INDEX_PARENT), 2 + 2 * s->sent_revived);
}

/* False: the pass was over before the failure came. */
static bool run_with(enum fault_kind kind, unsigned at)
{
	struct story s = {0};
	const struct loci__gc_hook hook = {on_point, &s};
	assert_int_equal(fixture_setup_empty((void **)&s.f), 0);
	assert_loci_ok(loci__store_open_with(s.f->store, NULL, &fault_sys, &s.f->st, &e_));
	prepare(&s);
	fault_plan(kind, at);
	int rc = gc_try(s.f->st, LOCI_GC_NO_GRACE, &hook, NULL, NULL);
	bool happened = fault_happened();
	fault_plan(FAULT_NONE, 0);
	if (!happened || kind == FAULT_AGAIN)
		assert_int_equal(rc, 0);
	check(&s); /* the open one agrees with the disk */
	fixture_reopen(s.f);
	check(&s);
	gc_run(s.f->st, LOCI_GC_NO_GRACE, NULL);
	check(&s);
	check_rest_is_gone(&s);
	image_done(&s.kept);
	image_done(&s.dead);
	image_done(&s.revived);
	assert_int_equal(fixture_teardown((void **)&s.f), 0);
	return happened;
}

static void torture(enum fault_kind kind, unsigned at_least)
{
	unsigned at = 1;
	while (run_with(kind, at))
		at++;
	assert_true(at > at_least); /* the pass went through the seams */
}

static void test_eio(void **state)
{
	(void)state;
	torture(FAULT_EIO, 200);
}

static void test_enospc(void **state)
{
	(void)state;
	torture(FAULT_ENOSPC, 200);
}

static void test_again(void **state)
{
	(void)state;
	torture(FAULT_AGAIN, 40);
}

int main(void)
{
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", /* overwrite= */ 0);
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_eio),
	        cmocka_unit_test(test_enospc),
	        cmocka_unit_test(test_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

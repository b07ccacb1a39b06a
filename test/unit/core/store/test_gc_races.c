/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients between the steps of a pass: each of them at each point where it can hurt. The store's
 * lease is a day, the grace is left out: what saves must be what the client did.
 */
#include "gc_fixture.h"

#include "core/store/blobs_dir.h"
#include "core/store/link_row.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONFIG  "{\"config\":1}"
#define GARBAGE "nobody refers to it"

/* One client, once, at one point. */
struct visit {
	enum loci__gc_point at;
	void (*fn)(struct visit *v);
	struct fixture *f;
	struct loci_digest d; /* of GARBAGE */
	struct image im;      /* over CONFIG and GARBAGE */
	unsigned n;
	int rc;
};

static void on_point(void *arg, enum loci__gc_point point)
{
	struct visit *v = arg;
	/* Who came before it was condemned never sees it go. */
	if (point == LOCI__GC_CONDEMNED && v->at == LOCI__GC_FOUND)
		assert_true(has_blob(v->f->st, "r", &v->d));
	if (point == v->at && v->n++ == 0)
		v->fn(v);
}

/* A blob in "r" whose lease is over and to which nothing refers, then a pass with the visit. */
static void collect_with(struct fixture *f, enum loci__gc_point at, void (*fn)(struct visit *v),
                         struct visit *ret)
{
	*ret = (struct visit){.at = at, .fn = fn, .f = f};
	const struct loci__gc_hook hook = {on_point, ret};
	struct loci_digest config;
	image_make(&ret->im, CONFIG, GARBAGE, NULL);
	assert_loci_ok(loci_blob_put(f->st, "r", GARBAGE, strlen(GARBAGE), NULL, &ret->d, &e_));
	assert_loci_ok(loci_blob_put(f->st, "r", CONFIG, strlen(CONFIG), NULL, &config, &e_));
	gc_age(f->st, "r", &ret->d);
	gc_run(f->st, LOCI_GC_NO_GRACE, &hook);
	assert_int_not_equal(ret->n, 0);
}

static void expect_saved(struct fixture *f, enum loci__gc_point at, void (*fn)(struct visit *v))
{
	struct visit v;
	collect_with(f, at, fn, &v);
	assert_int_equal(v.rc, 0);
	assert_true(has_blob(f->st, "r", &v.d) && has_blob(f->st, NULL, &v.d));
	/* Whole, not left over by chance: the next pass leaves it, too. */
	gc_run(f->st, LOCI_GC_NO_GRACE, NULL);
	assert_true(has_blob(f->st, "r", &v.d) && has_blob(f->st, NULL, &v.d));
	image_done(&v.im);
}

/* ---- clients --------------------------------------------------------------------------------- */

static void do_head(struct visit *v)
{
	uint64_t size;
	v->rc = loci_blob_stat(v->f->st, "r", &v->d, &size, NULL);
}

/* The renewal of somebody who was told before the pass began. */
static void do_late_renewal(struct visit *v)
{
	v->rc = loci__lease_renew(v->f->st, &v->d, 0, NULL);
}

static void do_put_manifest(struct visit *v)
{
	v->rc = image_put(v->f->st, "r", &v->im, "tag", 0, NULL, NULL);
}

static void do_put_sparse(struct visit *v)
{
	v->rc = image_put(v->f->st, "r", &v->im, "tag", LOCI_MANIFEST_PUT_SPARSE, NULL, NULL);
}

static void do_upload(struct visit *v)
{
	struct loci_digest d;
	v->rc = loci_blob_put(v->f->st, "r", GARBAGE, strlen(GARBAGE), NULL, &d, NULL);
}

static void do_mount(struct visit *v)
{
	v->rc = loci_blob_mount(v->f->st, "r", "other", &v->d, NULL);
}

static void do_mount_any(struct visit *v)
{
	v->rc = loci_blob_mount(v->f->st, NULL, "other", &v->d, NULL);
}

/* ---- before it is condemned ------------------------------------------------------------------ */

static void test_head_when_found(void **state)
{
	expect_saved(*state, LOCI__GC_FOUND, do_head);
}

static void test_manifest_when_found(void **state)
{
	expect_saved(*state, LOCI__GC_FOUND, do_put_manifest);
}

static void test_upload_when_found(void **state)
{
	expect_saved(*state, LOCI__GC_FOUND, do_upload);
}

/* Its lease is the digest's: the link it was mounted from lives on with it. */
static void test_mount_when_found(void **state)
{
	expect_saved(*state, LOCI__GC_FOUND, do_mount);
	struct fixture *f = *state;
	struct loci_digest d = digest_of(GARBAGE, strlen(GARBAGE));
	assert_true(has_blob(f->st, "other", &d));
}

/* ---- condemned ------------------------------------------------------------------------------- */

static void test_renewal_when_condemned(void **state)
{
	expect_saved(*state, LOCI__GC_CONDEMNED, do_late_renewal);
}

static void test_manifest_when_condemned(void **state)
{
	expect_saved(*state, LOCI__GC_CONDEMNED, do_put_manifest);
}

static void test_sparse_manifest_when_condemned(void **state)
{
	expect_saved(*state, LOCI__GC_CONDEMNED, do_put_sparse);
}

static void test_upload_when_condemned(void **state)
{
	expect_saved(*state, LOCI__GC_CONDEMNED, do_upload);
}

static void expect_refused(struct fixture *f, void (*fn)(struct visit *v))
{
	struct visit v;
	collect_with(f, LOCI__GC_CONDEMNED, fn, &v);
	assert_int_equal(v.rc, LOCI_E_NOT_FOUND);
	assert_false(has_blob(f->st, "r", &v.d) || has_file(f, &v.d));
	assert_false(has_blob(f->st, "other", &v.d));
	image_done(&v.im);
}

static void test_head_when_condemned(void **state)
{
	expect_refused(*state, do_head);
}

static void test_mount_when_condemned(void **state)
{
	expect_refused(*state, do_mount);
}

static void test_mount_of_any_when_condemned(void **state)
{
	expect_refused(*state, do_mount_any);
}

/* ---- the row is gone, the file is not -------------------------------------------------------- */

static void test_upload_when_row_is_gone(void **state)
{
	expect_saved(*state, LOCI__GC_ROW_GONE, do_upload);
}

/* The link was gone by then: the client is told. */
static void test_manifest_when_row_is_gone(void **state)
{
	struct fixture *f = *state;
	struct visit v;
	collect_with(f, LOCI__GC_ROW_GONE, do_put_manifest, &v);
	assert_int_equal(v.rc, LOCI_E_NOT_FOUND);
	assert_false(has_manifest(f->st, "r", &v.im.digest));
	assert_false(has_file(f, &v.d));
	image_done(&v.im);
}

/* ---- pulled manifests ------------------------------------------------------------------------ */

struct pulled {
	struct fixture *f;
	struct image im;
	struct loci_image image;
	bool by_name;
};

static void pull_again(void *arg, enum loci__gc_point point)
{
	struct pulled *p = arg;
	if (point != LOCI__GC_CONDEMNED)
		return;
	assert_false(has_manifest(p->f->st, NULL, &p->im.digest));
	assert_false(has_blob(p->f->st, NULL, &p->im.layer));
	if (p->by_name)
		assert_loci_ok(loci_image_put(p->f->st, &p->image, &e_));
	else
		assert_loci_ok(image_put(p->f->st, NULL, &p->im, NULL, LOCI_MANIFEST_PUT_SPARSE,
		                         NULL, &e_));
	assert_true(has_manifest(p->f->st, NULL, &p->im.digest));
}

static void collect_pulled(struct fixture *f, bool by_name)
{
	struct pulled p = {.f = f, .by_name = by_name};
	const struct loci__gc_hook hook = {pull_again, &p};
	image_make(&p.im, CONFIG, GARBAGE, NULL);
	image_push(f->st, NULL, &p.im, CONFIG, GARBAGE, NULL);
	p.image = (struct loci_image){
	        .ref = "docker.io/library/x:y", .top = p.im.digest, .manifest = p.im.digest};
	gc_age(f->st, NULL, &p.im.digest);
	gc_age(f->st, NULL, &p.im.layer);
	gc_age(f->st, NULL, &p.im.config);
	gc_run(f->st, LOCI_GC_NO_GRACE, &hook);
	assert_true(has_manifest(f->st, NULL, &p.im.digest));
	assert_true(has_blob(f->st, NULL, &p.im.layer) && has_blob(f->st, NULL, &p.im.config));
	image_done(&p.im);
}

static void test_image_when_condemned(void **state)
{
	collect_pulled(*state, true);
}

/* It takes along what it refers to, which was condemned with it. */
static void test_pulled_manifest_when_condemned(void **state)
{
	collect_pulled(*state, false);
}

/* ---- a publisher between the rename and the row ---------------------------------------------- */

static const struct loci_blobs_ops *real_ops;
static struct loci_blobs_ops pausing_ops; /* the directory's own but for one */
static void (*when_published)(void *arg);
static void *when_published_arg;

static int pausing_publish(struct loci_session *s, const struct loci_digest *d, bool sync,
                           struct loci_error *err)
{
	int rc = real_ops->session_publish(s, d, sync, err);
	if (rc == 0 && when_published)
		when_published(when_published_arg);
	return rc;
}

static int pausing_open(int dirfd, struct loci_blobs **ret, struct loci_error *err)
{
	int rc = loci__blobs_dir_open(dirfd, ret, err);
	if (rc < 0)
		return rc;
	real_ops = (*ret)->ops;
	pausing_ops = *real_ops;
	pausing_ops.session_publish = pausing_publish;
	(*ret)->ops = &pausing_ops;
	return 0;
}

static const struct loci__sys pausing_sys = {.blobs_open = pausing_open};

struct meeting {
	struct loci_store *st;
	struct loci_gc_stats stats;
};

static void collect_meanwhile(void *arg)
{
	struct meeting *m = arg;
	when_published = NULL;
	m->stats = gc_run(m->st, GC_NOW, NULL);
}

/* An old orphan is there, and the same blob is being published over it. */
static void test_publisher_in_this_process(void **state)
{
	struct fixture *f = *state;
	struct meeting m;
	struct loci_digest d;
	assert_loci_ok(loci__store_open_with(f->store, NULL, &pausing_sys, &f->st, &e_));
	m.st = f->st;
	when_published = collect_meanwhile;
	when_published_arg = &m;
	assert_loci_ok(loci_blob_put(f->st, "r", "published", 9, NULL, &d, &e_));
	assert_null(when_published);
	assert_int_equal(m.stats.of[LOCI_GC_FILE].examined, 1); /* it was seen */
	assert_int_equal(m.stats.of[LOCI_GC_FILE].removed, 0);
	assert_true(has_blob(f->st, "r", &d));
	/* And it is the guard that saved it: the same file without a publisher goes. */
	gc_run(f->st, GC_NOW, NULL);
	assert_false(has_file(f, &d));
}

struct peer {
	const char *store;
	int told_fd; /* a byte when the file is in place */
	int go_fd;   /* a byte when it may go on */
};

static void say_and_wait(void *arg)
{
	struct peer *p = arg;
	char byte = 'p';
	child_check(write(p->told_fd, &byte, 1) == 1);
	child_check(read(p->go_fd, &byte, 1) == 1);
}

static int publish_in_child(void *arg)
{
	struct peer *p = arg;
	struct loci_store *st;
	struct loci_digest d;
	child_check(loci__store_open_with(p->store, NULL, &pausing_sys, &st, NULL) == 0);
	when_published = say_and_wait;
	when_published_arg = p;
	child_check(loci_blob_put(st, "r", "of a peer", 9, NULL, &d, NULL) == 0);
	loci_store_close(st);
	return 0;
}

static void test_publisher_in_another_process(void **state)
{
	struct fixture *f = *state;
	int told[2], go[2];
	char byte;
	struct loci_digest d = digest_of("of a peer", 9);
	assert_int_equal(pipe(told) | pipe(go), 0);
	struct peer p = {f->store, told[1], go[0]};
	pid_t pid = child_start(publish_in_child, &p);
	close(told[1]);
	assert_int_equal(read(told[0], &byte, 1), 1);
	f->st = open_store(f->store);
	assert_non_null(f->st);
	assert_true(has_file(f, &d));
	struct loci_gc_stats stats = gc_run(f->st, GC_NOW, NULL);
	assert_int_equal(stats.of[LOCI_GC_FILE].examined, 1);
	assert_int_equal(stats.of[LOCI_GC_FILE].removed, 0);
	assert_int_equal(write(go[1], "g", 1), 1);
	assert_int_equal(child_wait(pid), 0);
	assert_true(has_blob(f->st, "r", &d));
	close(told[0]);
	close(go[0]);
	close(go[1]);
}

/* ---- a publisher who comes while the collector holds the shard ------------------------------- */

struct waiting {
	struct fixture *f;
	pthread_t thread;
	struct loci_digest d;
	bool started;
	int rc;
};

static void *publish_main(void *arg)
{
	struct waiting *w = arg;
	struct loci_digest d;
	w->rc = loci_blob_put(w->f->st, "r", "orphan", 6, NULL, &d, NULL);
	return NULL;
}

static void publish_beside(void *arg, enum loci__gc_point point)
{
	struct waiting *w = arg;
	if (point != LOCI__GC_GUARDED || w->started)
		return;
	w->started = true;
	assert_int_equal(pthread_create(&w->thread, NULL, publish_main, w), 0);
}

/* Whoever is first: in the end the blob is there. */
static void test_publisher_waits_for_the_collector(void **state)
{
	struct fixture *f = *state;
	for (int i = 0; i < 20; i++) {
		struct waiting w = {.f = f, .rc = -1};
		const struct loci__gc_hook hook = {publish_beside, &w};
		make_orphan(f, "orphan", 100000, &w.d);
		gc_run(f->st, LOCI_GC_NO_GRACE, &hook);
		assert_true(w.started);
		pthread_join(w.thread, NULL);
		assert_int_equal(w.rc, 0);
		assert_true(has_blob(f->st, "r", &w.d));
		gc_run(f->st, GC_NOW, NULL);
		assert_false(has_file(f, &w.d));
	}
}

#define STORE_TEST(fn)  cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)
#define CLOSED_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup_empty, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        STORE_TEST(test_head_when_found),
	        STORE_TEST(test_manifest_when_found),
	        STORE_TEST(test_upload_when_found),
	        STORE_TEST(test_mount_when_found),
	        STORE_TEST(test_renewal_when_condemned),
	        STORE_TEST(test_manifest_when_condemned),
	        STORE_TEST(test_sparse_manifest_when_condemned),
	        STORE_TEST(test_upload_when_condemned),
	        STORE_TEST(test_head_when_condemned),
	        STORE_TEST(test_mount_when_condemned),
	        STORE_TEST(test_mount_of_any_when_condemned),
	        STORE_TEST(test_upload_when_row_is_gone),
	        STORE_TEST(test_manifest_when_row_is_gone),
	        STORE_TEST(test_image_when_condemned),
	        STORE_TEST(test_pulled_manifest_when_condemned),
	        CLOSED_TEST(test_publisher_in_this_process),
	        CLOSED_TEST(test_publisher_in_another_process),
	        STORE_TEST(test_publisher_waits_for_the_collector),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was acknowledged is on disk: the calls that put it there, seen in their order, and what
 * becomes of a blob whose sync fails; and that reads go on beside one. The functions below stand
 * before the C library's, for the store and for LMDB.
 */
#include "store_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- what is seen ---------------------------------------------------------------------------- */

#define TRACE_MAX 4096

static pthread_mutex_t trace_lock = PTHREAD_MUTEX_INITIALIZER;
static char trace[TRACE_MAX]; /* "sync <path>\nrename <path>\n…" below the store */
static size_t trace_n;
static bool tracing;
static const char *fail_sync; /* the first sync of a path with this in it fails */
static const char *hold_sync; /* the first sync of a path with this in it waits */
static sem_t held, let_go;

static void note(const char *what, int fd, const char *name)
{
	char link[64], path[512];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	path[n < 0 ? 0 : n] = '\0';
	const char *at = strstr(path, "/store");
	pthread_mutex_lock(&trace_lock);
	if (tracing && at && trace_n < sizeof(trace))
		trace_n += (size_t)snprintf(trace + trace_n, sizeof(trace) - trace_n, "%s %s%s%s\n",
		                            what, at + strlen("/store"), *name ? "/" : "", name);
	pthread_mutex_unlock(&trace_lock);
}

/* Whether fd is the planned one; a plan is for once. */
static bool is_planned(const char **plan, int fd)
{
	char link[64], path[512];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	path[n < 0 ? 0 : n] = '\0';
	pthread_mutex_lock(&trace_lock);
	bool planned = *plan && strstr(path, *plan);
	if (planned)
		*plan = NULL;
	pthread_mutex_unlock(&trace_lock);
	return planned;
}

static bool is_failing(int fd)
{
	if (is_planned(&hold_sync, fd)) {
		sem_post(&held);
		while (sem_wait(&let_go) < 0)
			;
	}
	if (!is_planned(&fail_sync, fd))
		return false;
	errno = EIO;
	return true;
}

__attribute__((visibility("default"))) int fdatasync(int fd)
{
	if (is_failing(fd))
		return -1;
	int rc = (int)syscall(SYS_fdatasync, fd);
	note("sync", fd, "");
	return rc;
}

__attribute__((visibility("default"))) int fsync(int fd)
{
	if (is_failing(fd))
		return -1;
	int rc = (int)syscall(SYS_fsync, fd);
	note("sync", fd, "");
	return rc;
}

static int rename_flags(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	int rc = (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
	if (rc == 0)
		note("rename", to_fd, to);
	return rc;
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	int rc = (int)syscall(SYS_linkat, from_fd, from, to_fd, to, flags);
	if (rc == 0)
		note("link", to_fd, to);
	return rc;
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	return rename_flags(from_fd, from, to_fd, to, 0);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	return rename_flags(from_fd, from, to_fd, to, flags);
}

static void trace_start(void)
{
	pthread_mutex_lock(&trace_lock);
	tracing = true;
	trace_n = 0;
	trace[0] = '\0';
	pthread_mutex_unlock(&trace_lock);
}

static void trace_stop(void)
{
	pthread_mutex_lock(&trace_lock);
	tracing = false;
	pthread_mutex_unlock(&trace_lock);
}

/* The lines stand in the trace in this order, others between them. */
static void assert_order(const char *const *lines)
{
	const char *at = trace;
	for (; *lines; lines++) {
		at = strstr(at, *lines);
		if (!at)
			fail_msg("'%s' is missing or too early in:\n%s", *lines, trace);
		at += strlen(*lines);
	}
}

/* ---- the order ------------------------------------------------------------------------------- */

static struct loci_store *open_relaxed(const struct fixture *f)
{
	struct loci_store_opts opts = {.struct_size = sizeof(opts),
	                               .durability = LOCI_DURABILITY_RELAXED};
	struct loci_store *st;
	assert_loci_ok(loci_store_open(f->store, &opts, &st, &e_));
	return st;
}

static void test_new_store(void **state)
{
	struct fixture *f = *state;
	trace_start();
	f->st = open_store(f->store);
	trace_stop();
	assert_non_null(f->st);
	/* The names of the directories, of the index's file, of the store itself. */
	assert_order((const char *const[]){"sync \n", "rename /format\n", "sync \n", NULL});
	assert_order((const char *const[]){"sync /index/data.mdb\n", "sync /index\n", NULL});
}

/* Made with its parent. */
static void test_new_parents(void **state)
{
	struct fixture *f = *state;
	char nested[400];
	snprintf(nested, sizeof(nested), "%s/nested", f->store);
	trace_start();
	f->st = open_store(nested);
	trace_stop();
	assert_non_null(f->st);
	assert_order((const char *const[]){"sync \n", "rename /nested/format\n", NULL});
}

static void test_blob(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d = digest_of("blob", 4);
	char text[LOCI_DIGEST_STR_MAX], linked[200], dir[64];
	f->st = open_store(f->store);
	assert_non_null(f->st);
	loci_digest_format(&d, text);
	const char *hex = strchr(text, ':') + 1;
	snprintf(linked, sizeof(linked), "link /blobs/sha256/%.2s/%s\n", hex, hex);
	snprintf(dir, sizeof(dir), "sync /blobs/sha256/%.2s\n", hex);
	trace_start();
	assert_loci_ok(loci_blob_put(f->st, "r", "blob", 4, NULL, &d, &e_));
	trace_stop();
	assert_order((const char *const[]){"sync /uploads/", linked, dir, "sync /blobs/sha256\n",
	                                   "sync /index/data.mdb\n", NULL});
}

static void test_layer(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d = digest_of("layer", 5);
	struct loci_layer_staging *s;
	char text[LOCI_DIGEST_STR_MAX], renamed[200];
	f->st = open_store(f->store);
	assert_non_null(f->st);
	loci_digest_format(&d, text);
	snprintf(renamed, sizeof(renamed), "rename /layers/sha256/%s\n", strchr(text, ':') + 1);
	trace_start();
	assert_loci_ok(loci_layer_begin(f->st, &d, &s, &e_));
	assert_loci_ok(loci_layer_commit(s, 0, &e_));
	trace_stop();
	assert_order((const char *const[]){renamed, "sync /layers/sha256\n", "sync /layers\n",
	                                   "sync /index/data.mdb\n", NULL});
}

/* A durable write that finds everything there, by one that did not sync it. */
static void test_nothing_to_write_is_synced_too(void **state)
{
	struct fixture *f = *state;
	struct image im;
	image_make(&im, "c", "l", NULL);
	f->st = open_store(f->store);
	assert_non_null(f->st);
	struct loci_store *relaxed = open_relaxed(f);
	assert_loci_ok(image_put(relaxed, "r", &im, NULL, LOCI_MANIFEST_PUT_SPARSE, NULL, &e_));
	trace_start();
	assert_loci_ok(image_put(f->st, "r", &im, NULL, LOCI_MANIFEST_PUT_SPARSE, NULL, &e_));
	trace_stop();
	assert_order((const char *const[]){"sync /index/data.mdb\n", NULL});
	loci_store_close(relaxed);
	image_done(&im);
}

/* ---- two durabilities ------------------------------------------------------------------------ */

static struct loci_session *new_session(struct loci_blobs *b, const char *name, const char *text)
{
	struct loci_session *s;
	assert_loci_ok(b->ops->session_new(b, name, &s, &e_));
	assert_loci_ok(b->ops->session_write(s, 0, text, strlen(text), &e_));
	return s;
}

/* A blob that was acknowledged as synced is not replaced by a file that is not. */
static void test_relaxed_does_not_replace_synced(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d = digest_of("blob", 4);
	f->st = open_store(f->store);
	assert_non_null(f->st);
	struct loci_blobs *b = f->st->sh->blobs;
	struct loci_session *durable = new_session(b, "durable", "blob");
	struct loci_session *relaxed = new_session(b, "relaxed", "blob");
	assert_loci_ok(b->ops->session_publish(durable, &d, /* sync= */ true, &e_));
	trace_start();
	assert_loci_ok(b->ops->session_publish(relaxed, &d, /* sync= */ false, &e_));
	trace_stop();
	assert_order((const char *const[]){"sync /uploads/relaxed\n", "rename /blobs/", NULL});
	b->ops->session_close(durable, false);
	b->ops->session_close(relaxed, false);
}

/* ---- a sync that fails ----------------------------------------------------------------------- */

/* The kernel says so once and takes the pages for clean: a second sync would succeed over bytes
 * that never reached the disk. */
static void test_failed_sync_ends_the_session(void **state)
{
	struct fixture *f = *state;
	struct loci_upload *up;
	struct loci_digest d = digest_of("blob", 4);
	char id[LOCI_UPLOAD_ID_MAX];
	f->st = open_store(f->store);
	assert_non_null(f->st);
	assert_loci_ok(loci_upload_begin(f->st, "r", 0, &up, &e_));
	snprintf(id, sizeof(id), "%s", loci_upload_id(up));
	assert_loci_ok(loci_upload_write(up, "blob", 4, &e_));
	fail_sync = "/uploads/";
	assert_loci_code(LOCI_E_SYS, loci_upload_commit(up, &d, &e_));
	assert_false(has_blob(f->st, NULL, &d));
	assert_loci_code(LOCI_E_NOT_FOUND, loci_upload_resume(f->st, "r", id, &up, &e_));
	assert_loci_ok(loci_blob_put(f->st, "r", "blob", 4, NULL, &d, &e_));
	assert_true(has_blob(f->st, "r", &d));
}

/* ---- reads beside a sync --------------------------------------------------------------------- */

static int ignore_name(void *arg, const char *name)
{
	(void)arg;
	(void)name;
	return 0;
}

static int ignore_referrer(void *arg, const struct loci_manifest_bytes *m)
{
	(void)arg;
	(void)m;
	return 0;
}

struct pusher {
	struct loci_store *st;
	int rc;
};

static void *push_in_thread(void *arg)
{
	struct pusher *p = arg;
	struct loci_digest d;
	p->rc = loci_blob_put(p->st, "r", "new", 3, NULL, &d, NULL);
	return NULL;
}

/* All that may be called from an event loop, in the order of the header. */
static void read_everything(struct loci_store *st, const struct image *im, const char *session)
{
	struct loci_manifest_bytes *m;
	struct loci_image image;
	uint64_t size;
	unsigned flags;
	int fd;
	assert_loci_ok(loci_blob_stat(st, "r", &im->layer, &size, &e_));
	assert_loci_ok(loci_blob_open(st, "r", &im->layer, &fd, &size, &e_));
	close(fd);
	assert_loci_ok(loci_upload_stat(st, "r", session, &size, &e_));
	assert_loci_ok(loci_manifest_get(st, "r", "v1", NULL, &m, &e_));
	loci_manifest_bytes_free(m);
	assert_true(loci_repo_exists(st, "r"));
	assert_loci_ok(loci_tag_foreach(st, "r", NULL, ignore_name, NULL, &e_));
	assert_loci_ok(loci_repo_foreach(st, NULL, ignore_name, NULL, &e_));
	assert_loci_ok(
	        loci_referrer_foreach(st, "r", &im->digest, NULL, ignore_referrer, NULL, &e_));
	assert_loci_ok(loci_image_get(st, NULL, &image, &e_));
	assert_loci_ok(loci_layer_open(st, &im->layer, &fd, &flags, &e_));
	close(fd);
}

/* Were one of them to wait for the sync, this would never end. */
static void read_while_held(struct fixture *f, const struct image *im, const char *session,
                            const char *path)
{
	struct pusher p = {f->st, -1};
	pthread_t thread;
	hold_sync = path;
	assert_int_equal(pthread_create(&thread, NULL, push_in_thread, &p), 0);
	while (sem_wait(&held) < 0)
		;
	read_everything(f->st, im, session);
	sem_post(&let_go);
	pthread_join(thread, NULL);
	assert_int_equal(p.rc, 0);
}

static void test_reads_do_not_wait_for_syncs(void **state)
{
	struct fixture *f = *state;
	/* Leases that are always due: a stat queues a renewal each time. */
	struct loci_store_opts opts = {.struct_size = sizeof(opts), .lease_s = 1};
	struct loci_image image = {.ref = "localhost/r:v1", .pulled_at = 1};
	struct loci_upload *up;
	struct loci_layer_staging *s;
	struct image im;
	sem_init(&held, 0, 0);
	sem_init(&let_go, 0, 0);
	assert_loci_ok(loci_store_open(f->store, &opts, &f->st, &e_));
	image_make(&im, "c", "l", NULL);
	image_push(f->st, "r", &im, "c", "l", "v1");
	image.top = image.manifest = im.digest;
	assert_loci_ok(loci_image_put(f->st, &image, &e_));
	assert_loci_ok(loci_layer_begin(f->st, &im.layer, &s, &e_));
	assert_loci_ok(loci_layer_commit(s, 0, &e_));
	assert_loci_ok(loci_upload_begin(f->st, "r", 0, &up, &e_));
	read_while_held(f, &im, loci_upload_id(up), "/uploads/");
	struct loci_digest d = digest_of("new", 3);
	assert_loci_ok(loci_blob_delete(f->st, "r", &d, &e_));
	read_while_held(f, &im, loci_upload_id(up), "/index/data.mdb");
	loci_upload_close(up, true);
	image_done(&im);
	sem_destroy(&held);
	sem_destroy(&let_go);
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup_empty, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        STORE_TEST(test_new_store),
	        STORE_TEST(test_new_parents),
	        STORE_TEST(test_blob),
	        STORE_TEST(test_layer),
	        STORE_TEST(test_nothing_to_write_is_synced_too),
	        STORE_TEST(test_relaxed_does_not_replace_synced),
	        STORE_TEST(test_failed_sync_ends_the_session),
	        STORE_TEST(test_reads_do_not_wait_for_syncs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

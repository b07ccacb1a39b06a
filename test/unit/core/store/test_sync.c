/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was acknowledged is on disk: the calls that put it there, seen in their order, and what
 * becomes of a blob whose sync fails. The functions below stand before the C library's, for the
 * store and for LMDB.
 */
#include "store_fixture.h"

#include <errno.h>
#include <pthread.h>
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

static bool is_failing(int fd)
{
	char link[64], path[512];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	path[n < 0 ? 0 : n] = '\0';
	if (!fail_sync || !strstr(path, fail_sync))
		return false;
	fail_sync = NULL;
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
	char text[LOCI_DIGEST_STR_MAX], renamed[200], dir[64];
	f->st = open_store(f->store);
	assert_non_null(f->st);
	loci_digest_format(&d, text);
	const char *hex = strchr(text, ':') + 1;
	snprintf(renamed, sizeof(renamed), "rename /blobs/sha256/%.2s/%s\n", hex, hex);
	snprintf(dir, sizeof(dir), "sync /blobs/sha256/%.2s\n", hex);
	trace_start();
	assert_loci_ok(loci_blob_put(f->st, "r", "blob", 4, NULL, &d, &e_));
	trace_stop();
	assert_order((const char *const[]){"sync /uploads/", renamed, dir, "sync /blobs/sha256\n",
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
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A full disk, a real one: a small tmpfs in a mount namespace of a child. Pushes go on until there
 * is no space; what was acknowledged is whole, what was refused is not there, and with space made
 * the store goes on. (trap 15)
 */
#include "store_fixture.h"

#include "core/base/rand.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

enum { DISK = 3 << 20, BLOB = 48 << 10, MAX_BLOBS = 2000, SKIPPED = 77 };

static bool mount_small(const char *dir)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("small", dir, "tmpfs", 0, "size=3m") == 0;
}

static struct loci_digest pushed[MAX_BLOBS];
static struct loci_digest tagged[MAX_BLOBS];

static int push_blob(struct loci_store *st, struct loci_digest *ret, struct loci_error *err)
{
	static char bytes[BLOB];
	if (loci__rand_bytes(bytes, sizeof(bytes), NULL) < 0)
		abort();
	*ret = digest_of(bytes, sizeof(bytes));
	return loci_blob_put(st, "r", bytes, sizeof(bytes), NULL, ret, err);
}

static int push_manifest(struct loci_store *st, int i, struct loci_digest *ret,
                         struct loci_error *err)
{
	char layer[32];
	struct image im;
	snprintf(layer, sizeof(layer), "l%d", i);
	image_make(&im, "c", layer, NULL);
	*ret = im.digest;
	int rc = image_put(st, "r", &im, layer, LOCI_MANIFEST_PUT_SPARSE, NULL, err);
	image_done(&im);
	return rc;
}

static void check_all(struct loci_store *st, int n_blobs, int n_tags)
{
	char tag[32];
	for (int i = 0; i < n_blobs; i++)
		child_check(has_blob(st, "r", &pushed[i]));
	for (int i = 0; i < n_tags; i++) {
		snprintf(tag, sizeof(tag), "l%d", i);
		child_check(has_tag(st, "r", tag, &tagged[i]));
	}
}

static int fill(void *arg)
{
	const struct fixture *f = arg;
	struct loci_error err = {0};
	struct loci_digest refused;
	char ballast[400];
	if (!mount_small(f->dir))
		return SKIPPED;
	/* Something to take away later. */
	snprintf(ballast, sizeof(ballast), "%s/ballast", f->dir);
	int fd = open(ballast, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	child_check(fd >= 0 && posix_fallocate(fd, 0, 512 << 10) == 0);
	close(fd);
	struct loci_store *st = open_store(f->store);
	child_check(st != NULL);
	int blobs = 0, tags = 0, rc = 0;
	while (blobs < MAX_BLOBS && (rc = push_blob(st, &pushed[blobs], &err)) == 0)
		blobs++;
	child_check(rc == LOCI_E_NO_SPACE);
	refused = pushed[blobs];
	child_check(blobs > 5);
	rc = 0;
	while (tags < MAX_BLOBS && (rc = push_manifest(st, tags, &tagged[tags], &err)) == 0)
		tags++;
	child_check(rc == LOCI_E_NO_SPACE);
	/* As it stands, and opened again on the full disk. */
	check_all(st, blobs, tags);
	child_check(!has_blob(st, NULL, &refused));
	char tag[32];
	snprintf(tag, sizeof(tag), "l%d", tags);
	child_check(!has_tag(st, "r", tag, &tagged[tags]));
	loci_store_close(st);
	st = open_store(f->store);
	child_check(st != NULL);
	check_all(st, blobs, tags);
	child_check(!has_blob(st, NULL, &refused));
	/* With space it goes on, in the store that saw the failure. */
	child_check(unlink(ballast) == 0);
	child_check(push_blob(st, &pushed[blobs], &err) == 0);
	child_check(push_manifest(st, tags, &tagged[tags], &err) == 0);
	check_all(st, blobs + 1, tags + 1);
	loci_store_close(st);
	return 0;
}

/* An upload that runs out of space keeps what it has and goes on later. */
static int fill_upload(void *arg)
{
	const struct fixture *f = arg;
	static char bytes[BLOB];
	char ballast[400], id[LOCI_UPLOAD_ID_MAX];
	struct loci_error err = {0};
	struct loci_upload *up;
	struct loci_hasher *h;
	struct loci_digest want;
	if (!mount_small(f->dir))
		return SKIPPED;
	snprintf(ballast, sizeof(ballast), "%s/ballast", f->dir);
	int fd = open(ballast, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	child_check(fd >= 0 && posix_fallocate(fd, 0, 512 << 10) == 0);
	close(fd);
	struct loci_store *st = open_store(f->store);
	child_check(st != NULL && loci_upload_begin(st, "r", 0, &up, &err) == 0);
	snprintf(id, sizeof(id), "%s", loci_upload_id(up));
	child_check(loci_hasher_new(LOCI_SHA256, &h, NULL) == 0);
	int rc;
	uint64_t written = 0;
	for (unsigned i = 0; i < DISK / BLOB + 1; i++) {
		memset(bytes, (int)i, sizeof(bytes));
		rc = loci_upload_write(up, bytes, sizeof(bytes), &err);
		if (rc < 0)
			break;
		child_check(loci_hasher_update(h, bytes, sizeof(bytes), NULL) == 0);
		written += sizeof(bytes);
	}
	child_check(rc == LOCI_E_NO_SPACE);
	child_check(loci_upload_offset(up) == written);
	loci_upload_close(up, false);
	child_check(unlink(ballast) == 0);
	child_check(loci_upload_resume(st, "r", id, &up, &err) == 0);
	child_check(loci_upload_offset(up) == written);
	child_check(loci_upload_write(up, bytes, sizeof(bytes), &err) == 0);
	child_check(loci_hasher_update(h, bytes, sizeof(bytes), NULL) == 0);
	child_check(loci_hasher_finish(h, &want, NULL) == 0);
	loci_hasher_free(h);
	child_check(loci_upload_commit(up, &want, &err) == 0);
	child_check(has_blob(st, "r", &want));
	loci_store_close(st);
	return 0;
}

enum { READER_THREADS = 5, READS = 40 }; /* several pages of slots */

struct readers {
	struct loci_index *ix;
	pthread_barrier_t all_have;
};

static void *take_slots(void *arg)
{
	struct readers *r = arg;
	struct loci_index_txn *reads[READS];
	struct loci_error err = {0};
	for (int i = 0; i < READS; i++)
		child_check(r->ix->ops->read_begin(r->ix, &reads[i], &err) == 0);
	pthread_barrier_wait(&r->all_have);
	for (int i = 0; i < READS; i++)
		r->ix->ops->read_end(reads[i]);
	return NULL;
}

/* The reader table is a map of its file: a slot without a block behind it would be a SIGBUS. */
static int fill_readers(void *arg)
{
	const struct fixture *f = arg;
	static char bytes[4096];
	char ballast[400];
	pthread_t threads[READER_THREADS];
	if (!mount_small(f->dir))
		return SKIPPED;
	struct loci_store *st = open_store(f->store);
	child_check(st != NULL);
	snprintf(ballast, sizeof(ballast), "%s/ballast", f->dir);
	int fd = open(ballast, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	child_check(fd >= 0);
	while (write(fd, bytes, sizeof(bytes)) > 0)
		;
	close(fd);
	struct readers r = {.ix = st->sh->index};
	pthread_barrier_init(&r.all_have, NULL, READER_THREADS);
	for (int i = 0; i < READER_THREADS; i++)
		child_check(pthread_create(&threads[i], NULL, take_slots, &r) == 0);
	for (int i = 0; i < READER_THREADS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&r.all_have);
	loci_store_close(st);
	return 0;
}

static void run_in_child(void **state, int (*fn)(void *arg))
{
	int rc = child_wait(child_start(fn, *state));
	if (rc == SKIPPED)
		skip();
	assert_int_equal(rc, 0);
}

static void test_trap_15_full_disk(void **state)
{
	run_in_child(state, fill);
}

static void test_trap_15_upload_on_a_full_disk(void **state)
{
	run_in_child(state, fill_upload);
}

static void test_trap_15_readers_on_a_full_disk(void **state)
{
	run_in_child(state, fill_readers);
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup_empty, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        STORE_TEST(test_trap_15_full_disk),
	        STORE_TEST(test_trap_15_upload_on_a_full_disk),
	        STORE_TEST(test_trap_15_readers_on_a_full_disk),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

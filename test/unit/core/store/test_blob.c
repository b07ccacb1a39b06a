/* SPDX-License-Identifier: Apache-2.0 */
#include "store_fixture.h"

#include "core/base/clock.h"
#include "core/store/lease.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void test_put_stat_open(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d, want = digest_of("hello", 5);
	uint64_t size = 0;
	assert_loci_ok(loci_blob_put(f->st, "a/b", "hello", 5, &want, &d, &e_));
	assert_true(loci_digest_equal(&d, &want));
	assert_loci_ok(loci_blob_stat(f->st, "a/b", &d, &size, &e_));
	assert_int_equal(size, 5);
	assert_loci_ok(loci_blob_stat(f->st, NULL, &d, &size, &e_));
	assert_true(has_blob(f->st, "a/b", &d));
	assert_true(has_blob(f->st, NULL, &d));
	/* Another repository does not see it. */
	assert_loci_code(LOCI_E_NOT_FOUND, loci_blob_stat(f->st, "a/c", &d, &size, &e_));
	fixture_reopen(f);
	assert_true(has_blob(f->st, "a/b", &d));
}

static void test_empty_blob(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d;
	assert_loci_ok(loci_blob_put(f->st, "a", "", 0, NULL, &d, &e_));
	assert_true(has_blob(f->st, "a", &d));
}

static int collect_name(void *arg, const char *name)
{
	size_t n = strlen(arg);
	snprintf((char *)arg + n, 64 - n, "%s ", name);
	return 0;
}

static void test_repositories_of_a_blob(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d, other, none = digest_of("none", 4);
	char names[64] = "";
	assert_loci_ok(loci_blob_put(f->st, "b", "x", 1, NULL, &d, &e_));
	assert_loci_ok(loci_blob_put(f->st, "a/b", "x", 1, NULL, &d, &e_));
	assert_loci_ok(loci_blob_put(f->st, "b/c", "x", 1, NULL, &d, &e_));
	assert_loci_ok(loci_blob_put(f->st, "other", "y", 1, NULL, &other, &e_));
	assert_loci_ok(loci_blob_repo_foreach(f->st, &d, NULL, collect_name, names, &e_));
	assert_string_equal(names, "a/b b b/c ");
	names[0] = '\0';
	assert_loci_ok(loci_blob_repo_foreach(f->st, &d, "b", collect_name, names, &e_));
	assert_string_equal(names, "b/c ");
	assert_loci_ok(loci_blob_repo_foreach(f->st, &none, NULL, collect_name, names, &e_));
	assert_string_equal(names, "b/c ");
	assert_loci_ok(loci_blob_delete(f->st, "b/c", &d, &e_));
	names[0] = '\0';
	assert_loci_ok(loci_blob_repo_foreach(f->st, &d, NULL, collect_name, names, &e_));
	assert_string_equal(names, "a/b b ");
}

static void test_put_refuses(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d, other = digest_of("other", 5);
	assert_loci_code(LOCI_E_DIGEST_MISMATCH,
	                 loci_blob_put(f->st, "a", "hello", 5, &other, &d, &e_));
	assert_false(has_blob(f->st, NULL, &other));
	assert_loci_code(LOCI_E_INVALID, loci_blob_put(f->st, "A/../b", "x", 1, NULL, &d, &e_));
	struct loci_digest none = {0};
	uint64_t size;
	assert_loci_code(LOCI_E_INVALID, loci_blob_stat(f->st, "a", &none, &size, &e_));
}

static void test_same_blob_twice(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d;
	assert_loci_ok(loci_blob_put(f->st, "a", "same", 4, NULL, &d, &e_));
	assert_loci_ok(loci_blob_put(f->st, "b", "same", 4, NULL, &d, &e_));
	assert_loci_ok(loci_blob_put(f->st, NULL, "same", 4, NULL, &d, &e_));
	assert_true(has_blob(f->st, "a", &d));
	assert_true(has_blob(f->st, "b", &d));
}

static void test_sha512(void **state)
{
	struct fixture *f = *state;
	struct loci_digest want, d;
	assert_loci_ok(loci_digest_bytes(LOCI_SHA512, "x", 1, &want, &e_));
	assert_loci_ok(loci_blob_put(f->st, "a", "x", 1, &want, &d, &e_));
	assert_true(has_blob(f->st, "a", &want));
	struct loci_digest sha256 = digest_of("x", 1);
	assert_false(has_blob(f->st, "a", &sha256));
}

static void test_mount(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d, absent = digest_of("absent", 6);
	assert_loci_ok(loci_blob_put(f->st, "from", "m", 1, NULL, &d, &e_));
	assert_loci_code(LOCI_E_NOT_FOUND, loci_blob_mount(f->st, "wrong", "to", &d, &e_));
	assert_false(has_blob(f->st, "to", &d));
	assert_loci_ok(loci_blob_mount(f->st, "from", "to", &d, &e_));
	assert_true(has_blob(f->st, "to", &d));
	assert_loci_ok(loci_blob_mount(f->st, NULL, "third", &d, &e_));
	assert_true(has_blob(f->st, "third", &d));
	assert_loci_code(LOCI_E_NOT_FOUND, loci_blob_mount(f->st, NULL, "to", &absent, &e_));
}

static void test_delete(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d;
	assert_loci_ok(loci_blob_put(f->st, "a", "d", 1, NULL, &d, &e_));
	assert_loci_ok(loci_blob_mount(f->st, "a", "b", &d, &e_));
	assert_loci_ok(loci_blob_delete(f->st, "a", &d, &e_));
	assert_false(has_blob(f->st, "a", &d));
	assert_true(has_blob(f->st, "b", &d));
	assert_loci_code(LOCI_E_NOT_FOUND, loci_blob_delete(f->st, "a", &d, &e_));
	assert_loci_ok(loci_blob_delete(f->st, NULL, &d, &e_));
	struct loci_digest absent = digest_of("absent", 6);
	assert_loci_code(LOCI_E_NOT_FOUND, loci_blob_delete(f->st, NULL, &absent, &e_));
}

/* A file that vanished or was cut is not handed out; sending the blob again heals it. */
static void test_damaged_file_is_not_found(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d;
	char path[600], text[LOCI_DIGEST_STR_MAX];
	assert_loci_ok(loci_blob_put(f->st, "a", "damaged", 7, NULL, &d, &e_));
	loci_digest_format(&d, text);
	const char *hex = strchr(text, ':') + 1;
	snprintf(path, sizeof(path), "%s/blobs/sha256/%.2s/%s", f->store, hex, hex);
	assert_int_equal(truncate(path, 3), 0);
	assert_false(has_blob(f->st, "a", &d));
	assert_loci_ok(loci_blob_put(f->st, "a", "damaged", 7, NULL, &d, &e_));
	assert_true(has_blob(f->st, "a", &d));
	assert_int_equal(unlink(path), 0);
	assert_false(has_blob(f->st, "a", &d));
	assert_loci_ok(loci_blob_put(f->st, "a", "damaged", 7, NULL, &d, &e_));
	assert_true(has_blob(f->st, "a", &d));
}

/* ---- leases ---------------------------------------------------------------------------------- */

static uint64_t lease_of(struct loci_store *st, const struct loci_digest *d)
{
	struct loci__txn t = {0};
	struct loci__lease lease = {0};
	assert_loci_ok(loci__read_begin(st->sh->index, &t, &e_));
	assert_loci_ok(loci__lease_get(&t, d, &lease, &e_));
	loci__read_end(&t);
	return lease.until;
}

static int set_lease(struct loci__txn *t, void *arg, struct loci_error *err)
{
	struct loci__key k = loci__key_of_digest(arg);
	return loci__txn_put_u64(t, LOCI_INDEX_LEASE, &k, 1, err);
}

static void test_lease_begins_with_the_blob(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d;
	uint64_t before = loci__clock_epoch();
	assert_loci_ok(loci_blob_put(f->st, "a", "lease", 5, NULL, &d, &e_));
	assert_true(lease_of(f->st, &d) >= before + 24 * 3600);
	assert_loci_ok(loci_blob_delete(f->st, NULL, &d, &e_));
	assert_int_equal(lease_of(f->st, &d), 0);
}

static void test_stat_renews_the_lease(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d;
	uint64_t size, before = loci__clock_epoch();
	assert_loci_ok(loci_blob_put(f->st, "a", "lease", 5, NULL, &d, &e_));
	assert_loci_ok(loci__store_write(f->st, set_lease, &d, &e_));
	assert_int_equal(lease_of(f->st, &d), 1);
	assert_loci_ok(loci_blob_stat(f->st, "a", &d, &size, &e_));
	/* Not waited for by the caller; closing runs what is queued. */
	fixture_reopen(f);
	assert_true(lease_of(f->st, &d) >= before + 24 * 3600);
}

/* Once is enough: a stream of HEADs must not become a stream of commits. */
static void test_lease_renewed_once_in_a_while(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d;
	uint64_t size;
	assert_loci_ok(loci_blob_put(f->st, "a", "lease", 5, NULL, &d, &e_));
	assert_loci_ok(loci__store_write(f->st, set_lease, &d, &e_));
	assert_loci_ok(loci_blob_stat(f->st, "a", &d, &size, &e_));
	assert_loci_ok(loci__store_write(f->st, set_lease, &d, &e_)); /* behind the renewal */
	assert_loci_ok(loci_blob_stat(f->st, "a", &d, &size, &e_));
	struct loci_digest other;
	assert_loci_ok(loci_blob_put(f->st, "a", "flush", 5, NULL, &other, &e_));
	assert_int_equal(lease_of(f->st, &d), 1);
}

/* ---- relaxed durability ---------------------------------------------------------------------- */

static void test_relaxed_blob_is_looked_at(void **state)
{
	struct fixture *f = *state;
	struct loci_store_opts opts = {.struct_size = sizeof(opts),
	                               .durability = LOCI_DURABILITY_RELAXED};
	struct loci_store *relaxed;
	struct loci_digest d;
	uint64_t size;
	char path[600], text[LOCI_DIGEST_STR_MAX];
	assert_loci_ok(loci_store_open(f->store, &opts, &relaxed, &e_));
	assert_loci_ok(loci_blob_put(relaxed, "a", "relaxed", 7, NULL, &d, &e_));
	assert_true(has_blob(f->st, "a", &d));
	loci_digest_format(&d, text);
	const char *hex = strchr(text, ':') + 1;
	snprintf(path, sizeof(path), "%s/blobs/sha256/%.2s/%s", f->store, hex, hex);
	assert_int_equal(truncate(path, 0), 0); /* as a power cut may leave it */
	assert_loci_code(LOCI_E_NOT_FOUND, loci_blob_stat(relaxed, "a", &d, &size, &e_));
	assert_loci_code(LOCI_E_NOT_FOUND, loci_blob_mount(relaxed, "a", "b", &d, &e_));
	assert_loci_ok(loci_blob_put(f->st, "a", "relaxed", 7, NULL, &d, &e_));
	assert_loci_ok(loci_blob_stat(relaxed, "a", &d, &size, &e_));
	loci_store_close(relaxed);
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        STORE_TEST(test_put_stat_open),
	        STORE_TEST(test_empty_blob),
	        STORE_TEST(test_repositories_of_a_blob),
	        STORE_TEST(test_put_refuses),
	        STORE_TEST(test_same_blob_twice),
	        STORE_TEST(test_sha512),
	        STORE_TEST(test_mount),
	        STORE_TEST(test_delete),
	        STORE_TEST(test_damaged_file_is_not_found),
	        STORE_TEST(test_lease_begins_with_the_blob),
	        STORE_TEST(test_stat_renews_the_lease),
	        STORE_TEST(test_lease_renewed_once_in_a_while),
	        STORE_TEST(test_relaxed_blob_is_looked_at),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

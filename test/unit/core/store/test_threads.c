/* SPDX-License-Identifier: Apache-2.0 */
/* Many threads on one store: readers and writers at once, the same blob from everywhere, handles
 * opened and closed meanwhile. Also what the thread sanitizer is given. */
#include "store_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WRITERS = 6, READERS = 3, ROUNDS = 15 };

struct crowd {
	struct loci_store *st;
	const char *dir;
	atomic_bool stop;
	atomic_uint failures;
	atomic_int next;
};

static void expect(struct crowd *c, bool ok)
{
	if (!ok)
		atomic_fetch_add(&c->failures, 1);
}

static void write_round(struct crowd *c, int who, int round)
{
	char layer[64], repo[16], tag[16];
	struct image im;
	struct loci_digest d;
	uint64_t size;
	snprintf(repo, sizeof(repo), "repo%d", who % 2);
	snprintf(layer, sizeof(layer), "layer of round %d", round); /* everybody's */
	snprintf(tag, sizeof(tag), "t%d-%d", who, round);
	image_make(&im, "config", layer, NULL);
	expect(c, loci_blob_put(c->st, repo, "config", 6, NULL, &d, NULL) == 0);
	expect(c, loci_blob_put(c->st, repo, layer, strlen(layer), NULL, &d, NULL) == 0);
	expect(c, image_put(c->st, repo, &im, tag, 0, NULL, NULL) == 0);
	expect(c, has_tag(c->st, repo, tag, &im.digest));
	expect(c, loci_blob_stat(c->st, repo, &d, &size, NULL) == 0);
	expect(c, loci_tag_delete(c->st, repo, tag, NULL) == 0);
	expect(c, !has_tag(c->st, repo, tag, &im.digest));
	expect(c, image_put(c->st, repo, &im, "latest", 0, NULL, NULL) == 0);
	image_done(&im);
}

static void *writer(void *arg)
{
	struct crowd *c = arg;
	int who = atomic_fetch_add(&c->next, 1);
	for (int round = 0; round < ROUNDS; round++)
		write_round(c, who, round);
	return NULL;
}

static int count(void *arg, const char *name)
{
	(void)name;
	++*(unsigned *)arg;
	return 0;
}

static void *reader(void *arg)
{
	struct crowd *c = arg;
	while (!atomic_load(&c->stop)) {
		struct loci_manifest_bytes *m;
		unsigned n = 0;
		if (loci_manifest_get(c->st, "repo0", "latest", NULL, &m, NULL) == 0) {
			struct loci_digest got = digest_of(m->bytes, m->n);
			expect(c, loci_digest_equal(&got, &m->digest));
			loci_manifest_bytes_free(m);
		}
		expect(c, loci_tag_foreach(c->st, "repo1", NULL, count, &n, NULL) == 0);
		expect(c, loci_repo_foreach(c->st, NULL, count, &n, NULL) == 0);
	}
	return NULL;
}

static void *opener(void *arg)
{
	struct crowd *c = arg;
	while (!atomic_load(&c->stop)) {
		struct loci_store *st = open_store(c->dir);
		expect(c, st != NULL);
		loci_store_close(st);
	}
	return NULL;
}

static void test_crowd(void **state)
{
	struct fixture *f = *state;
	struct crowd c = {.st = f->st, .dir = f->store};
	pthread_t writers[WRITERS], others[READERS + 1];
	for (int i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&writers[i], NULL, writer, &c), 0);
	for (int i = 0; i <= READERS; i++)
		assert_int_equal(
		        pthread_create(&others[i], NULL, i < READERS ? reader : opener, &c), 0);
	for (int i = 0; i < WRITERS; i++)
		pthread_join(writers[i], NULL);
	atomic_store(&c.stop, true);
	for (int i = 0; i <= READERS; i++)
		pthread_join(others[i], NULL);
	assert_int_equal(atomic_load(&c.failures), 0);
}

/* The map grows under readers: everybody's snapshots have to end first. */
static void *big_writer(void *arg)
{
	struct crowd *c = arg;
	int who = atomic_fetch_add(&c->next, 1);
	size_t n = (size_t)200 << 10;
	char *text = malloc(n + 64);
	for (int i = 0; i < 10; i++) {
		int used = snprintf(text, 64, "{\"n\":\"%d.%d\",\"x\":\"", who, i);
		memset(text + used, 'x', n);
		memcpy(text + used + n, "\"}", 3);
		struct loci_manifest_put put = {
		        .struct_size = sizeof(put),
		        .media_type = "application/json",
		        .bytes = text,
		        .n = strlen(text),
		};
		struct loci_manifest_put_result res;
		struct loci_manifest_bytes *m;
		expect(c, loci_manifest_put(c->st, "repo0", &put, &res, NULL) == 0);
		int rc = loci_manifest_get(c->st, "repo0", NULL, &res.digest, &m, NULL);
		expect(c, rc == 0 && m->n == put.n && !memcmp(m->bytes, text, put.n));
		if (rc == 0)
			loci_manifest_bytes_free(m);
	}
	free(text);
	return NULL;
}

static void test_growth_under_readers(void **state)
{
	struct fixture *f = *state;
	struct loci_store_opts opts = {.struct_size = sizeof(opts), .map_size = 1};
	fixture_close(f);
	assert_loci_ok(loci_store_open(f->store, &opts, &f->st, &e_));
	struct crowd c = {.st = f->st, .dir = f->store};
	pthread_t writers[4], readers[READERS];
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, reader, &c), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&writers[i], NULL, big_writer, &c), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(writers[i], NULL);
	atomic_store(&c.stop, true);
	for (int i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	assert_int_equal(atomic_load(&c.failures), 0);
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        STORE_TEST(test_crowd),
	        STORE_TEST(test_growth_under_readers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

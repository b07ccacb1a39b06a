/* SPDX-License-Identifier: Apache-2.0 */
/* What repositories hold, counted as it comes and goes. */
#include "store_fixture.h"

#include "loci/usage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void assert_usage(struct loci_store *st, const char *path, uint64_t bytes, uint64_t blobs,
                         uint64_t manifests, uint64_t tags)
{
	struct loci_usage u;
	assert_loci_ok(loci_usage_get(st, path, &u, &e_));
	assert_int_equal(u.bytes, bytes);
	assert_int_equal(u.blobs, blobs);
	assert_int_equal(u.manifests, manifests);
	assert_int_equal(u.tags, tags);
}

static struct loci_digest put_blob(struct loci_store *st, const char *repo, const char *text)
{
	struct loci_digest d;
	assert_loci_ok(loci_blob_put(st, repo, text, strlen(text), NULL, &d, &e_));
	return d;
}

static void test_blobs(void **state)
{
	struct fixture *f = *state;
	assert_usage(f->st, "", 0, 0, 0, 0);
	struct loci_digest d = put_blob(f->st, "team/app", "12345");
	assert_usage(f->st, "team/app", 5, 1, 0, 0);
	put_blob(f->st, "team/app", "12345"); /* it is there */
	assert_usage(f->st, "team/app", 5, 1, 0, 0);
	assert_loci_ok(loci_blob_mount(f->st, "team/app", "team/app", &d, &e_));
	assert_usage(f->st, "team/app", 5, 1, 0, 0);
	/* In full in each repository. */
	assert_loci_ok(loci_blob_mount(f->st, "team/app", "team/tool", &d, &e_));
	assert_usage(f->st, "team/tool", 5, 1, 0, 0);
	assert_usage(f->st, "team", 10, 2, 0, 0);
	/* Of no repository: nobody's. */
	put_blob(f->st, NULL, "not counted");
	assert_usage(f->st, NULL, 10, 2, 0, 0);
	assert_loci_ok(loci_blob_delete(f->st, "team/app", &d, &e_));
	assert_loci_code(LOCI_E_NOT_FOUND, loci_blob_delete(f->st, "team/app", &d, &e_));
	assert_usage(f->st, "team/app", 0, 0, 0, 0);
	assert_usage(f->st, "", 5, 1, 0, 0);
	assert_usage_is_right(f->st);
}

static void test_manifests_and_tags(void **state)
{
	struct fixture *f = *state;
	struct image im;
	image_make(&im, "{}", "layer", NULL);
	image_push(f->st, "a", &im, "{}", "layer", "v1");
	assert_usage(f->st, "a", 2 + 5 + im.n, 2, 1, 1);
	assert_loci_ok(image_put(f->st, "a", &im, "v1", 0, NULL, &e_));
	assert_usage(f->st, "a", 2 + 5 + im.n, 2, 1, 1);
	assert_loci_ok(image_put(f->st, "a", &im, "v2", 0, NULL, &e_));
	assert_loci_ok(image_put(f->st, "a", &im, "v3", 0, NULL, &e_));
	assert_usage(f->st, "a", 2 + 5 + im.n, 2, 1, 3);
	assert_loci_ok(loci_tag_delete(f->st, "a", "v2", &e_));
	assert_usage(f->st, "a", 2 + 5 + im.n, 2, 1, 2);
	/* A put that fails counts nothing. */
	assert_loci_code(LOCI_E_NOT_FOUND, image_put(f->st, "b", &im, "v1", 0, NULL, &e_));
	assert_usage(f->st, "b", 0, 0, 0, 0);
	/* It takes its tags along. */
	assert_loci_ok(loci_manifest_delete(f->st, "a", &im.digest, &e_));
	assert_usage(f->st, "a", 2 + 5, 2, 0, 0);
	assert_usage_is_right(f->st);
	image_done(&im);
}

/* A moved tag is one tag. */
static void test_retag(void **state)
{
	struct fixture *f = *state;
	struct image first, second;
	image_make(&first, "{}", "one", NULL);
	image_make(&second, "{}", "two", NULL);
	image_push(f->st, "a", &first, "{}", "one", "latest");
	image_push(f->st, "a", &second, "{}", "two", "latest");
	assert_usage(f->st, "a", 2 + 3 + 3 + first.n + second.n, 3, 2, 1);
	assert_usage_is_right(f->st);
	image_done(&first);
	image_done(&second);
}

static void test_paths(void **state)
{
	struct fixture *f = *state;
	put_blob(f->st, "a", "1");
	put_blob(f->st, "a/b", "22");
	put_blob(f->st, "a/b/c", "333");
	put_blob(f->st, "a-x", "4444"); /* between "a" and "a/" in byte order */
	put_blob(f->st, "ab", "55555");
	assert_usage(f->st, "a", 6, 3, 0, 0);
	assert_usage(f->st, "a/", 6, 3, 0, 0);
	assert_usage(f->st, "a/b", 5, 2, 0, 0);
	assert_usage(f->st, "a/b/c", 3, 1, 0, 0);
	assert_usage(f->st, "", 15, 5, 0, 0);
	assert_usage(f->st, "/", 15, 5, 0, 0);
	struct loci_usage u;
	static const char *const bad[] = {"//", "A", "a//", "/a", "a b"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_loci_code(LOCI_E_INVALID, loci_usage_get(f->st, bad[i], &u, &e_));
}

static int join(void *arg, const char *repo, const struct loci_usage *usage)
{
	char *text = arg;
	size_t n = strlen(text);
	snprintf(text + n, 400 - n, "%s=%llu ", repo, (unsigned long long)usage->bytes);
	return 0;
}

static int stop(void *arg, const char *repo, const struct loci_usage *usage)
{
	(void)repo, (void)usage;
	++*(unsigned *)arg;
	return 1;
}

static void assert_walk(struct loci_store *st, const char *path, const char *after,
                        const char *want)
{
	char text[400] = "";
	assert_loci_ok(loci_usage_foreach(st, path, after, join, text, &e_));
	assert_string_equal(text, want);
}

static void test_walk(void **state)
{
	struct fixture *f = *state;
	unsigned n = 0;
	assert_walk(f->st, NULL, NULL, "");
	put_blob(f->st, "a", "1");
	put_blob(f->st, "a-x", "4444");
	put_blob(f->st, "a-y", "4444");
	put_blob(f->st, "a/b/c", "333"); /* "a/b" is no repository */
	put_blob(f->st, "a/d", "22");
	put_blob(f->st, "ab", "55555");
	assert_walk(f->st, NULL, NULL, "a=1 a-x=4 a-y=4 a/b/c=3 a/d=2 ab=5 ");
	assert_walk(f->st, "a", NULL, "a=1 a/b/c=3 a/d=2 ");
	assert_walk(f->st, "a/", NULL, "a=1 a/b/c=3 a/d=2 ");
	assert_walk(f->st, "a", "a", "a/b/c=3 a/d=2 ");
	assert_walk(f->st, "a", "a-x", "a/b/c=3 a/d=2 ");
	assert_walk(f->st, "a", "a/b/c", "a/d=2 ");
	assert_walk(f->st, "a", "zz", "");
	assert_walk(f->st, "ab", "a", "ab=5 ");
	assert_walk(f->st, "a/b", NULL, "a/b/c=3 ");
	assert_walk(f->st, "b", NULL, "");
	assert_walk(f->st, "", "a/b/c", "a/d=2 ab=5 ");
	assert_loci_code(LOCI_E_CALLBACK, loci_usage_foreach(f->st, NULL, NULL, stop, &n, &e_));
	assert_int_equal(n, 1);
	assert_loci_code(LOCI_E_INVALID, loci_usage_foreach(f->st, "A", NULL, stop, &n, &e_));
	assert_loci_code(LOCI_E_INVALID, loci_usage_foreach(f->st, NULL, "A", stop, &n, &e_));
}

struct order {
	unsigned n;
	char last[LOCI_REPO_MAX + 1];
};

static int in_order(void *arg, const char *repo, const struct loci_usage *usage)
{
	struct order *o = arg;
	assert_true(strcmp(o->last, repo) < 0);
	assert_int_equal(usage->blobs, 1);
	snprintf(o->last, sizeof(o->last), "%s", repo);
	o->n++;
	return 0;
}

/* More than one batch of a walk. */
static void test_walk_many(void **state)
{
	struct fixture *f = *state;
	struct order o = {0};
	char repo[32];
	struct loci_digest d = put_blob(f->st, NULL, "x");
	for (int i = 0; i < 300; i++) {
		snprintf(repo, sizeof(repo), "r%d/%d", i % 7, i);
		assert_loci_ok(loci_blob_mount(f->st, NULL, repo, &d, &e_));
	}
	assert_loci_ok(loci_usage_foreach(f->st, NULL, NULL, in_order, &o, &e_));
	assert_int_equal(o.n, 300);
	o = (struct order){0};
	assert_loci_ok(loci_usage_foreach(f->st, "r3", NULL, in_order, &o, &e_));
	assert_int_equal(o.n, 43);
	assert_usage(f->st, "r3", 43, 43, 0, 0);
}

/* Names as deep as they may be. */
static void test_deepest(void **state)
{
	struct fixture *f = *state;
	char repo[LOCI_REPO_MAX + 1];
	for (int i = 0; i < LOCI_REPO_MAX; i++)
		repo[i] = i % 2 ? '/' : 'a';
	repo[LOCI_REPO_MAX] = '\0';
	struct loci_digest d = put_blob(f->st, repo, "deep");
	assert_usage(f->st, "a/a/a", 4, 1, 0, 0);
	assert_usage(f->st, repo, 4, 1, 0, 0);
	assert_loci_ok(loci_blob_delete(f->st, repo, &d, &e_));
	assert_walk(f->st, NULL, NULL, "");
	assert_usage_is_right(f->st);
}

#define RANDOM_OPS   2000
#define RANDOM_REPOS 5
#define RANDOM_TEXTS 4

static const char *const random_repos[RANDOM_REPOS] = {"a", "a/b", "a/b/c", "a-x", "z/y"};
static const char *const random_texts[RANDOM_TEXTS] = {"1", "22", "333", "4444"};

static void one_random_op(struct loci_store *st, const struct image *images, unsigned *seed)
{
	const char *repo = random_repos[rand_r(seed) % RANDOM_REPOS];
	const char *from = random_repos[rand_r(seed) % RANDOM_REPOS];
	const char *text = random_texts[rand_r(seed) % RANDOM_TEXTS];
	const struct image *im = &images[rand_r(seed) % RANDOM_TEXTS];
	struct loci_digest d = digest_of(text, strlen(text));
	struct loci_error err;
	char tag[16];
	int rc = 0;
	snprintf(tag, sizeof(tag), "t%d", rand_r(seed) % 3);
	switch (rand_r(seed) % 8) {
	case 0:
	case 1: rc = loci_blob_put(st, repo, text, strlen(text), NULL, &d, &err); break;
	case 2: rc = loci_blob_mount(st, from, repo, &d, &err); break;
	case 3: rc = loci_blob_delete(st, repo, &d, &err); break;
	case 4: rc = image_put(st, repo, im, tag, 0, NULL, &err); break;
	case 5: rc = image_put(st, repo, im, NULL, LOCI_MANIFEST_PUT_SPARSE, NULL, &err); break;
	case 6: rc = loci_tag_delete(st, repo, tag, &err); break;
	case 7: rc = loci_manifest_delete(st, repo, &im->digest, &err); break;
	}
	assert_true(rc == 0 || rc == LOCI_E_NOT_FOUND);
}

static void test_random(void **state)
{
	struct fixture *f = *state;
	struct image images[RANDOM_TEXTS];
	unsigned seed = 1;
	for (int i = 0; i < RANDOM_TEXTS; i++)
		image_make(&images[i], random_texts[i], random_texts[(i + 1) % RANDOM_TEXTS], NULL);
	for (int i = 0; i < RANDOM_OPS; i++) {
		one_random_op(f->st, images, &seed);
		if (i % 50 == 49)
			assert_usage_is_right(f->st);
	}
	struct loci_usage u;
	assert_loci_ok(loci_usage_get(f->st, NULL, &u, &e_));
	assert_true(u.blobs > 0 && u.manifests > 0 && u.tags > 0);
	for (int i = 0; i < RANDOM_TEXTS; i++)
		image_done(&images[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)
	        TEST(test_blobs),   TEST(test_manifests_and_tags),
	        TEST(test_retag),   TEST(test_paths),
	        TEST(test_walk),    TEST(test_walk_many),
	        TEST(test_deepest), TEST(test_random),
#undef TEST
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

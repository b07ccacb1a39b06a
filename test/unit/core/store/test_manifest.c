/* SPDX-License-Identifier: Apache-2.0 */
#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_put_get(void **state)
{
	struct fixture *f = *state;
	struct image im;
	struct loci_manifest_bytes *m;
	struct loci_manifest_put_result res;
	image_make(&im, "config", "layer", NULL);
	image_push(f->st, "r", &im, "config", "layer", "v1");
	assert_loci_ok(image_put(f->st, "r", &im, "v2", 0, &res, &e_));
	assert_true(loci_digest_equal(&res.digest, &im.digest));
	assert_int_equal(res.subject.alg, 0);
	fixture_reopen(f);
	assert_loci_ok(loci_manifest_get(f->st, "r", "v1", NULL, &m, &e_));
	assert_true(loci_digest_equal(&m->digest, &im.digest));
	assert_string_equal(m->media_type, LOCI_MEDIA_OCI_MANIFEST);
	assert_int_equal(m->n, im.n);
	assert_memory_equal(m->bytes, im.manifest, im.n);
	loci_manifest_bytes_free(m);
	assert_true(has_tag(f->st, "r", "v2", &im.digest));
	assert_loci_ok(loci_manifest_get(f->st, "r", NULL, &im.digest, &m, &e_));
	loci_manifest_bytes_free(m);
	assert_loci_ok(loci_manifest_get(f->st, NULL, NULL, &im.digest, &m, &e_));
	loci_manifest_bytes_free(m);
	image_done(&im);
}

static void test_get_says_what_is_missing(void **state)
{
	struct fixture *f = *state;
	struct image im;
	struct loci_error err;
	struct loci_manifest_bytes *m;
	struct loci_digest absent = digest_of("absent", 6);
	image_make(&im, "c", "l", NULL);
	image_push(f->st, "r", &im, "c", "l", "v1");
	assert_int_equal(loci_manifest_get(f->st, "r", "v9", NULL, &m, &err), LOCI_E_NOT_FOUND);
	assert_string_equal(err.msg, "tag v9 is not in repository 'r'");
	assert_int_equal(loci_manifest_get(f->st, "r2", "v1", NULL, &m, &err), LOCI_E_NOT_FOUND);
	assert_string_equal(err.msg, "tag v1: repository 'r2' is not known");
	assert_int_equal(loci_manifest_get(f->st, "r", NULL, &absent, &m, &err), LOCI_E_NOT_FOUND);
	assert_non_null(strstr(err.msg, "is not in repository 'r'"));
	assert_int_equal(loci_manifest_get(f->st, NULL, NULL, &absent, &m, &err), LOCI_E_NOT_FOUND);
	assert_loci_code(LOCI_E_INVALID, loci_manifest_get(f->st, "r", "-v", NULL, &m, &e_));
	assert_loci_code(LOCI_E_INVALID, loci_manifest_get(f->st, NULL, "v1", NULL, &m, &e_));
	assert_loci_code(LOCI_E_INVALID, loci_manifest_get(f->st, "r", NULL, NULL, &m, &e_));
	/* Of another repository. */
	assert_loci_code(LOCI_E_NOT_FOUND,
	                 loci_manifest_get(f->st, "q", NULL, &im.digest, &m, &e_));
	image_done(&im);
}

static void test_references_are_required(void **state)
{
	struct fixture *f = *state;
	struct image im;
	struct loci_digest d;
	struct loci_manifest_put_result res;
	struct loci_manifest_bytes *m;
	image_make(&im, "config", "layer", NULL);
	assert_loci_code(LOCI_E_NOT_FOUND, image_put(f->st, "r", &im, "v1", 0, &res, &e_));
	assert_true(loci_digest_equal(&res.missing, &im.config));
	assert_loci_ok(loci_blob_put(f->st, "r", "config", 6, NULL, &d, &e_));
	/* In another repository is not enough. */
	assert_loci_ok(loci_blob_put(f->st, "other", "layer", 5, NULL, &d, &e_));
	assert_loci_code(LOCI_E_NOT_FOUND, image_put(f->st, "r", &im, "v1", 0, &res, &e_));
	assert_true(loci_digest_equal(&res.missing, &im.layer));
	assert_loci_code(LOCI_E_NOT_FOUND, loci_manifest_get(f->st, "r", "v1", NULL, &m, &e_));
	assert_false(loci_repo_exists(f->st, "r"));
	/* For the whole store it is. */
	assert_loci_ok(image_put(f->st, NULL, &im, NULL, 0, NULL, &e_));
	assert_loci_code(LOCI_E_INVALID, image_put(f->st, NULL, &im, "v1", 0, NULL, &e_));
	/* Sparse does not ask. */
	assert_loci_ok(image_put(f->st, "s", &im, "v1", LOCI_MANIFEST_PUT_SPARSE, &res, &e_));
	assert_true(has_tag(f->st, "s", "v1", &im.digest));
	assert_int_equal(res.missing.alg, 0);
	image_done(&im);
}

static int put_text(struct loci_store *st, const char *repo, const char *type, const char *text,
                    const struct loci_digest *want, struct loci_manifest_put_result *res,
                    struct loci_error *err)
{
	struct loci_manifest_put put = {
	        .struct_size = sizeof(put),
	        .media_type = type,
	        .bytes = text,
	        .n = strlen(text),
	        .want = want,
	};
	return loci_manifest_put(st, repo, &put, res, err);
}

static void assert_type(struct loci_store *st, const char *repo, const char *tag,
                        const struct loci_digest *d, const char *want)
{
	struct loci_manifest_bytes *m;
	assert_loci_ok(loci_manifest_get(st, repo, tag, tag ? NULL : d, &m, &e_));
	assert_string_equal(m->media_type, want);
	loci_manifest_bytes_free(m);
}

static int tally(void *arg, const struct loci_manifest_bytes *m)
{
	(void)m;
	++*(int *)arg;
	return 0;
}

/* The bytes do not say what they are: what one repository was told does not reach another. */
static void test_media_type_is_the_repositorys_own(void **state)
{
	struct fixture *f = *state;
	static const char other[] = "application/vnd.example+json";
	struct loci_digest d, subject = digest_of("s", 1);
	char config[LOCI_DIGEST_STR_MAX], subject_text[LOCI_DIGEST_STR_MAX], text[1000];
	struct loci_manifest_put_result res;
	int n = 0;
	assert_loci_ok(loci_blob_put(f->st, "a", "cfg", 3, NULL, &d, &e_));
	loci_digest_format(&d, config);
	loci_digest_format(&subject, subject_text);
	snprintf(text, sizeof(text),
	         "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"" LOCI_MEDIA_OCI_CONFIG
	         "\",\"digest\":\"%s\",\"size\":3},\"layers\":[],\"subject\":{"
	         "\"mediaType\":\"" LOCI_MEDIA_OCI_MANIFEST "\",\"digest\":\"%s\",\"size\":1}}",
	         config, subject_text);
	assert_loci_ok(put_text(f->st, "a", LOCI_MEDIA_OCI_MANIFEST, text, NULL, &res, &e_));
	assert_loci_ok(put_text(f->st, "b", other, text, NULL, &res, &e_));
	assert_type(f->st, "a", NULL, &res.digest, LOCI_MEDIA_OCI_MANIFEST);
	assert_type(f->st, "b", NULL, &res.digest, other);
	/* The same repository may change its mind; then it is a referrer there, too. */
	assert_loci_ok(loci_referrer_foreach(f->st, "b", &subject, NULL, tally, &n, &e_));
	assert_int_equal(n, 0);
	assert_loci_ok(loci_blob_put(f->st, "b", "cfg", 3, NULL, &d, &e_));
	assert_loci_ok(put_text(f->st, "b", LOCI_MEDIA_OCI_MANIFEST, text, NULL, &res, &e_));
	assert_type(f->st, "b", NULL, &res.digest, LOCI_MEDIA_OCI_MANIFEST);
	assert_loci_ok(loci_referrer_foreach(f->st, "b", &subject, NULL, tally, &n, &e_));
	assert_int_equal(n, 1);
	/* And gone is gone, whatever the others call it. */
	assert_loci_ok(put_text(f->st, "c", other, text, NULL, &res, &e_));
	assert_loci_ok(loci_manifest_delete(f->st, "b", &res.digest, &e_));
	assert_loci_ok(put_text(f->st, "b", other, text, NULL, &res, &e_));
	n = 0;
	assert_loci_ok(loci_referrer_foreach(f->st, "b", &subject, NULL, tally, &n, &e_));
	assert_int_equal(n, 0);
}

static void test_foreign_layers_are_exempt(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d;
	char config[LOCI_DIGEST_STR_MAX], text[2000];
	assert_loci_ok(loci_blob_put(f->st, "r", "cfg", 3, NULL, &d, &e_));
	loci_digest_format(&d, config);
	snprintf(text, sizeof(text),
	         "{\"schemaVersion\":2,\"mediaType\":\"" LOCI_MEDIA_OCI_MANIFEST
	         "\",\"config\":{\"mediaType\":\"" LOCI_MEDIA_OCI_CONFIG
	         "\",\"digest\":\"%s\",\"size\":3},\"layers\":[{\"mediaType\":"
	         "\"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip\",\"digest\":"
	         "\"sha256:%064d\",\"size\":5}]}",
	         config, 7);
	assert_loci_ok(put_text(f->st, "r", LOCI_MEDIA_OCI_MANIFEST, text, NULL, NULL, &e_));
}

static void test_index_entries_are_required(void **state)
{
	struct fixture *f = *state;
	struct image im;
	struct loci_manifest_put_result res;
	char digest[LOCI_DIGEST_STR_MAX], text[1000];
	image_make(&im, "c", "l", NULL);
	loci_digest_format(&im.digest, digest);
	snprintf(text, sizeof(text),
	         "{\"schemaVersion\":2,\"mediaType\":\"" LOCI_MEDIA_OCI_INDEX
	         "\",\"manifests\":[{\"mediaType\":\"" LOCI_MEDIA_OCI_MANIFEST
	         "\",\"digest\":\"%s\",\"size\":%zu}]}",
	         digest, im.n);
	assert_loci_code(LOCI_E_NOT_FOUND,
	                 put_text(f->st, "r", LOCI_MEDIA_OCI_INDEX, text, NULL, &res, &e_));
	assert_true(loci_digest_equal(&res.missing, &im.digest));
	image_push(f->st, "r", &im, "c", "l", NULL);
	assert_loci_ok(put_text(f->st, "r", LOCI_MEDIA_OCI_INDEX, text, NULL, &res, &e_));
	/* The link from child to parent, for collection. */
	struct loci__txn t = {0};
	struct loci__key k = loci__key_of_digest(&im.digest);
	loci__key_digest(&k, &res.digest);
	assert_loci_ok(loci__read_begin(f->st->sh->index, &t, &e_));
	assert_loci_ok(loci__txn_has(&t, LOCI_INDEX_PARENT, &k, &e_));
	loci__read_end(&t);
	image_done(&im);
}

static void test_put_refuses(void **state)
{
	struct fixture *f = *state;
	struct image im;
	struct loci_digest other = digest_of("x", 1);
	image_make(&im, "c", "l", NULL);
	image_push(f->st, "r", &im, "c", "l", NULL);
	assert_loci_code(LOCI_E_DIGEST_MISMATCH, put_text(f->st, "r", LOCI_MEDIA_OCI_MANIFEST,
	                                                  im.manifest, &other, NULL, &e_));
	assert_loci_code(LOCI_E_INVALID,
	                 put_text(f->st, "r", LOCI_MEDIA_OCI_MANIFEST, "{", NULL, NULL, &e_));
	assert_loci_code(LOCI_E_INVALID, image_put(f->st, "r", &im, "bad/tag", 0, NULL, &e_));
	assert_loci_code(LOCI_E_INVALID, image_put(f->st, "R", &im, "v1", 0, NULL, &e_));
	struct loci_store_opts opts = {.struct_size = sizeof(opts), .max_manifest_size = 100};
	struct loci_store *small;
	assert_loci_ok(loci_store_open(f->store, &opts, &small, &e_));
	assert_loci_code(LOCI_E_TOO_LARGE, image_put(small, "r", &im, "v1", 0, NULL, &e_));
	loci_store_close(small);
	image_done(&im);
}

static void test_sha512(void **state)
{
	struct fixture *f = *state;
	struct image im;
	struct loci_digest want;
	struct loci_manifest_bytes *m;
	image_make(&im, "c", "l", NULL);
	image_push(f->st, "r", &im, "c", "l", NULL);
	assert_loci_ok(loci_digest_bytes(LOCI_SHA512, im.manifest, im.n, &want, &e_));
	assert_loci_ok(
	        put_text(f->st, "r", LOCI_MEDIA_OCI_MANIFEST, im.manifest, &want, NULL, &e_));
	assert_loci_ok(loci_manifest_get(f->st, "r", NULL, &want, &m, &e_));
	assert_true(loci_digest_equal(&m->digest, &want));
	loci_manifest_bytes_free(m);
	image_done(&im);
}

/* Longest names at once: keys stay within the index's 511 bytes. (trap 7) */
static void test_trap_7_longest_names(void **state)
{
	struct fixture *f = *state;
	struct image im;
	struct loci_digest want;
	struct loci_manifest_bytes *m;
	char repo[LOCI_REPO_MAX + 1], tag[LOCI_TAG_MAX + 1];
	memset(repo, 'r', LOCI_REPO_MAX);
	repo[LOCI_REPO_MAX] = '\0';
	memset(tag, 't', LOCI_TAG_MAX);
	tag[LOCI_TAG_MAX] = '\0';
	char subject[LOCI_DIGEST_STR_MAX];
	assert_loci_ok(loci_digest_bytes(LOCI_SHA512, "s", 1, &want, &e_));
	loci_digest_format(&want, subject);
	image_make(&im, "c", "l", subject);
	image_push(f->st, repo, &im, "c", "l", NULL);
	assert_loci_ok(loci_digest_bytes(LOCI_SHA512, im.manifest, im.n, &want, &e_));
	const char *tags[] = {tag};
	struct loci_manifest_put put = {
	        .struct_size = sizeof(put),
	        .media_type = LOCI_MEDIA_OCI_MANIFEST,
	        .bytes = im.manifest,
	        .n = im.n,
	        .want = &want,
	        .tags = tags,
	        .n_tags = 1,
	};
	assert_loci_ok(loci_manifest_put(f->st, repo, &put, NULL, &e_));
	assert_loci_ok(loci_manifest_get(f->st, repo, tag, NULL, &m, &e_));
	loci_manifest_bytes_free(m);
	assert_loci_ok(loci_manifest_delete(f->st, repo, &want, &e_));
	assert_loci_code(LOCI_E_NOT_FOUND, loci_manifest_get(f->st, repo, tag, NULL, &m, &e_));
	image_done(&im);
}

static void test_large_manifest(void **state)
{
	struct fixture *f = *state;
	size_t n = (size_t)3 << 20;
	char *text = malloc(n + 1);
	int used = snprintf(text, n,
	                    "{\"schemaVersion\":2,\"mediaType\":\"" LOCI_MEDIA_OCI_INDEX
	                    "\",\"manifests\":[],\"annotations\":{\"a\":\"");
	memset(text + used, 'x', n - (size_t)used);
	memcpy(text + n - 3, "\"}}", 4);
	struct loci_manifest_put_result res;
	struct loci_manifest_bytes *m;
	assert_loci_ok(put_text(f->st, "r", LOCI_MEDIA_OCI_INDEX, text, NULL, &res, &e_));
	assert_loci_ok(loci_manifest_get(f->st, "r", NULL, &res.digest, &m, &e_));
	assert_int_equal(m->n, n);
	assert_memory_equal(m->bytes, text, n);
	loci_manifest_bytes_free(m);
	free(text);
}

static void test_delete_takes_its_tags(void **state)
{
	struct fixture *f = *state;
	struct image a, b;
	char tag[16];
	struct loci_manifest_bytes *m;
	image_make(&a, "c", "a", NULL);
	image_make(&b, "c", "b", NULL);
	image_push(f->st, "r", &a, "c", "a", "moved");
	image_push(f->st, "r", &b, "c", "b", "keep");
	for (int i = 0; i < 20; i++) {
		snprintf(tag, sizeof(tag), "t%d", i);
		assert_loci_ok(image_put(f->st, "r", &a, tag, 0, NULL, &e_));
	}
	assert_loci_ok(image_put(f->st, "r", &b, "moved", 0, NULL, &e_));
	image_push(f->st, "q", &a, "c", "a", "t1");
	assert_loci_ok(loci_manifest_delete(f->st, "r", &a.digest, &e_));
	for (int i = 0; i < 20; i++) {
		snprintf(tag, sizeof(tag), "t%d", i);
		assert_loci_code(LOCI_E_NOT_FOUND,
		                 loci_manifest_get(f->st, "r", tag, NULL, &m, &e_));
	}
	assert_true(has_tag(f->st, "r", "keep", &b.digest));
	assert_true(has_tag(f->st, "r", "moved", &b.digest));
	assert_true(has_tag(f->st, "q", "t1", &a.digest));
	assert_loci_code(LOCI_E_NOT_FOUND, loci_manifest_delete(f->st, "r", &a.digest, &e_));
	image_done(&a);
	image_done(&b);
}

static void test_tag_delete(void **state)
{
	struct fixture *f = *state;
	struct image im;
	struct loci_manifest_bytes *m;
	image_make(&im, "c", "l", NULL);
	image_push(f->st, "r", &im, "c", "l", "v1");
	assert_loci_ok(loci_tag_delete(f->st, "r", "v1", &e_));
	assert_loci_code(LOCI_E_NOT_FOUND, loci_manifest_get(f->st, "r", "v1", NULL, &m, &e_));
	assert_loci_code(LOCI_E_NOT_FOUND, loci_tag_delete(f->st, "r", "v1", &e_));
	assert_loci_ok(loci_manifest_get(f->st, "r", NULL, &im.digest, &m, &e_));
	loci_manifest_bytes_free(m);
	image_done(&im);
}

static void test_repository_comes_and_goes(void **state)
{
	struct fixture *f = *state;
	struct image a, b;
	image_make(&a, "c", "a", NULL);
	image_make(&b, "c", "b", NULL);
	assert_false(loci_repo_exists(f->st, "r"));
	image_push(f->st, "r", &a, "c", "a", "v1");
	image_push(f->st, "r", &a, "c", "a", "v1"); /* again: counts once */
	image_push(f->st, "r", &b, "c", "b", "v2");
	assert_true(loci_repo_exists(f->st, "r"));
	assert_false(loci_repo_exists(f->st, "R!"));
	assert_loci_ok(loci_manifest_delete(f->st, "r", &a.digest, &e_));
	assert_true(loci_repo_exists(f->st, "r"));
	assert_loci_ok(loci_manifest_delete(f->st, "r", &b.digest, &e_));
	assert_false(loci_repo_exists(f->st, "r"));
	image_done(&a);
	image_done(&b);
}

/* ---- listings -------------------------------------------------------------------------------- */

struct names {
	char *list;
	size_t n;
	size_t stop_after;
	struct loci_store *st;
	unsigned busy;
};

static int collect(void *arg, const char *name)
{
	struct names *names = arg;
	char *longer;
	if (asprintf(&longer, "%s%s ", names->list ? names->list : "", name) < 0)
		abort();
	free(names->list);
	names->list = longer;
	return ++names->n == names->stop_after;
}

static void expect_tags(struct loci_store *st, const char *repo, const char *after,
                        const char *want)
{
	struct names names = {0};
	assert_loci_ok(loci_tag_foreach(st, repo, after, collect, &names, &e_));
	assert_string_equal(names.list ? names.list : "", want);
	free(names.list);
}

static void test_tags_in_order(void **state)
{
	struct fixture *f = *state;
	struct image im;
	static const char *const tags[] = {"b", "a", "C", "1.10", "1.2", "b.1"};
	image_make(&im, "c", "l", NULL);
	image_push(f->st, "r", &im, "c", "l", NULL);
	image_push(f->st, "r2", &im, "c", "l", "zzz"); /* neighbours */
	image_push(f->st, "q", &im, "c", "l", "zzz");
	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		assert_loci_ok(image_put(f->st, "r", &im, tags[i], 0, NULL, &e_));
	expect_tags(f->st, "r", NULL, "1.10 1.2 C a b b.1 ");
	expect_tags(f->st, "r", "a", "b b.1 ");
	expect_tags(f->st, "r", "aa", "b b.1 "); /* need not exist */
	expect_tags(f->st, "r", "b.1", "");
	expect_tags(f->st, "r", "", "1.10 1.2 C a b b.1 ");
	expect_tags(f->st, "nothing", NULL, "");
	struct names names = {.stop_after = 2};
	assert_loci_code(LOCI_E_CALLBACK, loci_tag_foreach(f->st, "r", NULL, collect, &names, &e_));
	assert_string_equal(names.list, "1.10 1.2 ");
	free(names.list);
	image_done(&im);
}

struct counter {
	unsigned n;
	char last[LOCI_TAG_MAX + 1];
};

static int count_in_order(void *arg, const char *name)
{
	struct counter *c = arg;
	assert_true(strcmp(c->last, name) < 0);
	snprintf(c->last, sizeof(c->last), "%s", name);
	c->n++;
	return 0;
}

/* More than one batch. */
static void test_many_tags(void **state)
{
	enum { N = 2000 };
	struct fixture *f = *state;
	struct image im;
	image_make(&im, "c", "l", NULL);
	image_push(f->st, "r", &im, "c", "l", NULL);
	static char text[N][40];
	static const char *tags[N];
	for (int i = 0; i < N; i++) {
		snprintf(text[i], sizeof(text[i]), "%030d", i);
		tags[i] = text[i];
	}
	struct loci_manifest_put put = {
	        .struct_size = sizeof(put),
	        .media_type = LOCI_MEDIA_OCI_MANIFEST,
	        .bytes = im.manifest,
	        .n = im.n,
	        .tags = tags,
	        .n_tags = N,
	};
	assert_loci_ok(loci_manifest_put(f->st, "r", &put, NULL, &e_));
	struct counter c = {0};
	assert_loci_ok(loci_tag_foreach(f->st, "r", NULL, count_in_order, &c, &e_));
	assert_int_equal(c.n, N);
	assert_loci_ok(loci_manifest_delete(f->st, "r", &im.digest, &e_));
	expect_tags(f->st, "r", NULL, "");
	image_done(&im);
}

static void test_repositories_in_order(void **state)
{
	struct fixture *f = *state;
	struct image im;
	struct names names = {0};
	struct loci_digest d;
	image_make(&im, "c", "l", NULL);
	image_push(f->st, "b/x", &im, "c", "l", "v1");
	image_push(f->st, "a", &im, "c", "l", "v1");
	image_push(f->st, "b", &im, "c", "l", "v1");
	assert_loci_ok(loci_blob_put(f->st, "only-blobs", "x", 1, NULL, &d, &e_));
	assert_loci_ok(loci_repo_foreach(f->st, NULL, collect, &names, &e_));
	assert_string_equal(names.list, "a b b/x ");
	free(names.list);
	names = (struct names){0};
	assert_loci_ok(loci_repo_foreach(f->st, "a", collect, &names, &e_));
	assert_string_equal(names.list, "b b/x ");
	free(names.list);
	image_done(&im);
}

static int count_referrer(void *arg, const struct loci_manifest_bytes *m)
{
	struct loci_digest got = digest_of(m->bytes, m->n);
	assert_true(loci_digest_equal(&got, &m->digest));
	++*(unsigned *)arg;
	return 0;
}

static int stop_referrers(void *arg, const struct loci_manifest_bytes *m)
{
	(void)m;
	++*(unsigned *)arg;
	return 1;
}

static unsigned referrers_of(struct loci_store *st, const char *repo, const struct loci_digest *d)
{
	unsigned n = 0;
	assert_loci_ok(loci_referrer_foreach(st, repo, d, NULL, count_referrer, &n, &e_));
	return n;
}

static int keep_digest(void *arg, const struct loci_manifest_bytes *m)
{
	*(struct loci_digest *)arg = m->digest;
	return 1;
}

/* One by one, each from behind the one before: in the order of bytes, none twice, none left out. */
static void assert_each_page(struct loci_store *st, const struct loci_digest *subject, unsigned n)
{
	struct loci_digest last, next;
	unsigned seen = 0;
	int rc;
	while ((rc = loci_referrer_foreach(st, "r", subject, seen ? &last : NULL, keep_digest,
	                                   &next, NULL)) == LOCI_E_CALLBACK) {
		if (seen)
			assert_true(memcmp(next.bytes, last.bytes, last.len) > 0);
		last = next;
		seen++;
	}
	assert_int_equal(rc, 0);
	assert_int_equal(seen, n);
	/* It need not be there. */
	memset(last.bytes, 0, sizeof(last.bytes));
	assert_loci_code(LOCI_E_CALLBACK,
	                 loci_referrer_foreach(st, "r", subject, &last, keep_digest, &next, &e_));
	last.len = 0;
	assert_loci_code(LOCI_E_INVALID,
	                 loci_referrer_foreach(st, "r", subject, &last, keep_digest, &next, &e_));
}

static void test_referrers(void **state)
{
	enum { N = 150 }; /* more than one batch */
	struct fixture *f = *state;
	struct image subject, im[N];
	struct loci_manifest_put_result res;
	char text[LOCI_DIGEST_STR_MAX], layer[32];
	unsigned n = 0;
	image_make(&subject, "c", "l", NULL); /* never pushed: it need not exist */
	loci_digest_format(&subject.digest, text);
	for (int i = 0; i < N; i++) {
		snprintf(layer, sizeof(layer), "sbom %d", i);
		image_make(&im[i], "c", layer, text);
		assert_loci_ok(
		        image_put(f->st, "r", &im[i], NULL, LOCI_MANIFEST_PUT_SPARSE, &res, &e_));
		assert_true(loci_digest_equal(&res.subject, &subject.digest));
	}
	assert_int_equal(referrers_of(f->st, "r", &subject.digest), N);
	assert_int_equal(referrers_of(f->st, "q", &subject.digest), 0);
	assert_int_equal(referrers_of(f->st, "r", &im[0].digest), 0);
	assert_loci_code(LOCI_E_CALLBACK, loci_referrer_foreach(f->st, "r", &subject.digest, NULL,
	                                                        stop_referrers, &n, &e_));
	assert_int_equal(n, 1);
	assert_each_page(f->st, &subject.digest, N);
	assert_loci_ok(loci_manifest_delete(f->st, "r", &im[7].digest, &e_));
	assert_int_equal(referrers_of(f->st, "r", &subject.digest), N - 1);
	for (int i = 0; i < N; i++)
		image_done(&im[i]);
	image_done(&subject);
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        STORE_TEST(test_put_get),
	        STORE_TEST(test_get_says_what_is_missing),
	        STORE_TEST(test_references_are_required),
	        STORE_TEST(test_media_type_is_the_repositorys_own),
	        STORE_TEST(test_foreign_layers_are_exempt),
	        STORE_TEST(test_index_entries_are_required),
	        STORE_TEST(test_put_refuses),
	        STORE_TEST(test_sha512),
	        STORE_TEST(test_trap_7_longest_names),
	        STORE_TEST(test_large_manifest),
	        STORE_TEST(test_delete_takes_its_tags),
	        STORE_TEST(test_tag_delete),
	        STORE_TEST(test_repository_comes_and_goes),
	        STORE_TEST(test_tags_in_order),
	        STORE_TEST(test_many_tags),
	        STORE_TEST(test_repositories_in_order),
	        STORE_TEST(test_referrers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

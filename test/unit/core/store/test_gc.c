/* SPDX-License-Identifier: Apache-2.0 */
/* What a pass keeps and what it removes, of each kind, with nobody else about. */
#include "gc_fixture.h"

#include "core/base/clock.h"
#include "core/store/link_row.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define CONFIG "{\"config\":1}"

/* ---- what stays ------------------------------------------------------------------------------ */

static void test_referenced_stays(void **state)
{
	struct fixture *f = *state;
	struct image a, b;
	image_make(&a, CONFIG, "shared layer", NULL);
	image_make(&b, CONFIG, "own layer", NULL);
	image_push(f->st, "r", &a, CONFIG, "shared layer", "v1");
	image_push(f->st, "r", &b, CONFIG, "own layer", NULL); /* never had a tag */
	assert_loci_ok(loci_tag_delete(f->st, "r", "v1", &e_));
	struct loci_gc_stats stats = gc_run(f->st, GC_NOW, NULL);
	for (int kind = 0; kind < LOCI_GC_KINDS; kind++)
		assert_int_equal(stats.of[kind].removed, 0);
	assert_int_equal(stats.of[LOCI_GC_LINK].examined, 3);
	assert_int_equal(stats.of[LOCI_GC_MANIFEST].examined, 2);
	assert_int_equal(stats.of[LOCI_GC_BLOB].examined, 3);
	assert_int_equal(stats.of[LOCI_GC_FILE].examined, 3);
	assert_true(has_manifest(f->st, "r", &a.digest) && has_manifest(f->st, "r", &b.digest));
	assert_true(has_blob(f->st, "r", &a.layer) && has_blob(f->st, "r", &b.layer));
	assert_true(has_blob(f->st, "r", &a.config) && has_blob(f->st, NULL, &a.config));
	image_done(&a);
	image_done(&b);
}

static void test_leased_stays(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d;
	assert_loci_ok(loci_blob_put(f->st, "r", "young", 5, NULL, &d, &e_));
	struct loci_digest m = put_text(f->st, NULL, LOCI_MEDIA_OCI_INDEX,
	                                "{\"schemaVersion\":2,\"manifests\":[]}", 0);
	gc_run(f->st, LOCI_GC_NO_GRACE, NULL);
	assert_true(has_blob(f->st, "r", &d));
	assert_true(has_manifest(f->st, NULL, &m));
}

static struct loci_digest pull(struct fixture *f, struct image *im, struct loci_image *image)
{
	image_make(im, CONFIG, "pulled layer", NULL);
	image_push(f->st, NULL, im, CONFIG, "pulled layer", NULL);
	/* Of the index only one platform is here. */
	char text[600], digest[LOCI_DIGEST_STR_MAX];
	struct loci_digest absent = digest_of("absent", 6);
	char other[LOCI_DIGEST_STR_MAX];
	loci_digest_format(&im->digest, digest);
	loci_digest_format(&absent, other);
	snprintf(text, sizeof(text),
	         "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" LOCI_MEDIA_OCI_MANIFEST
	         "\",\"digest\":\"%s\",\"size\":1},{\"mediaType\":\"" LOCI_MEDIA_OCI_MANIFEST
	         "\",\"digest\":\"%s\",\"size\":1}]}",
	         other, digest);
	struct loci_digest top =
	        put_text(f->st, NULL, LOCI_MEDIA_OCI_INDEX, text, LOCI_MANIFEST_PUT_SPARSE);
	*image = (struct loci_image){
	        .ref = "docker.io/library/x:y", .top = top, .manifest = im->digest, .pulled_at = 1};
	assert_loci_ok(loci_image_put(f->st, image, &e_));
	return top;
}

static void test_pulled_image_stays_and_goes(void **state)
{
	struct fixture *f = *state;
	struct image im;
	struct loci_image image;
	struct loci_digest top = pull(f, &im, &image);
	gc_run(f->st, GC_NOW, NULL);
	assert_true(has_manifest(f->st, NULL, &top) && has_manifest(f->st, NULL, &im.digest));
	assert_true(has_blob(f->st, NULL, &im.layer) && has_blob(f->st, NULL, &im.config));
	/* The name comes to mean another image. */
	struct loci_digest other = put_index(f->st, NULL, NULL, 0, "other");
	image.top = image.manifest = other;
	assert_loci_ok(loci_image_put(f->st, &image, &e_));
	struct loci_gc_stats stats = gc_run(f->st, GC_NOW, NULL);
	assert_int_equal(stats.of[LOCI_GC_MANIFEST].removed, 2);
	assert_int_equal(stats.of[LOCI_GC_BLOB].removed, 2);
	assert_false(has_manifest(f->st, NULL, &top) || has_manifest(f->st, NULL, &im.digest));
	assert_true(has_manifest(f->st, NULL, &other));
	assert_int_equal(count_files(f), 0);
	assert_int_equal(count_rows(f->st, LOCI_INDEX_PARENT), 0);
	image_done(&im);
}

/* ---- what goes ------------------------------------------------------------------------------- */

static void test_unreferenced_link_goes(void **state)
{
	struct fixture *f = *state;
	struct image im;
	image_make(&im, CONFIG, "kept elsewhere", NULL);
	image_push(f->st, "r", &im, CONFIG, "kept elsewhere", "v");
	assert_loci_ok(loci_blob_mount(f->st, "r", "s", &im.layer, &e_));
	struct loci_digest d;
	assert_loci_ok(loci_blob_put(f->st, "s", "nobody's", 8, NULL, &d, &e_));
	struct loci_gc_stats stats = gc_run(f->st, GC_NOW, NULL);
	assert_int_equal(stats.of[LOCI_GC_LINK].removed, 2);
	assert_int_equal(stats.of[LOCI_GC_BLOB].removed, 1);
	assert_int_equal(stats.of[LOCI_GC_BLOB].bytes, 8);
	assert_false(has_blob(f->st, "s", &im.layer) || has_blob(f->st, NULL, &d));
	assert_false(has_file(f, &d));
	assert_true(has_blob(f->st, "r", &im.layer));
	image_done(&im);
}

static void test_lease_over_goes(void **state)
{
	struct fixture *f = *state;
	struct loci_digest old, young;
	assert_loci_ok(loci_blob_put(f->st, "r", "old", 3, NULL, &old, &e_));
	assert_loci_ok(loci_blob_put(f->st, "r", "young", 5, NULL, &young, &e_));
	gc_age(f->st, "r", &old);
	gc_run(f->st, LOCI_GC_NO_GRACE, NULL);
	assert_false(has_blob(f->st, "r", &old) || has_file(f, &old));
	assert_true(has_blob(f->st, "r", &young));
}

/* All that was pushed is deleted: nothing is left in any table. */
static void test_nothing_is_left(void **state)
{
	struct fixture *f = *state;
	struct image im[3];
	char layer[3][20], subject[LOCI_DIGEST_STR_MAX];
	struct loci_digest d[3];
	for (int i = 0; i < 3; i++) {
		snprintf(layer[i], sizeof(layer[i]), "layer %d", i);
		if (i)
			loci_digest_format(&d[0], subject);
		image_make(&im[i], CONFIG, layer[i], i ? subject : NULL);
		image_push(f->st, "r", &im[i], CONFIG, layer[i], i == 1 ? "tag" : NULL);
		d[i] = im[i].digest;
	}
	struct loci_digest inner = put_index(f->st, "r", d, 2, "inner");
	struct loci_digest both[] = {inner, d[2]};
	struct loci_digest outer = put_index(f->st, "r", both, 2, "outer");
	gc_run(f->st, GC_NOW, NULL);
	assert_true(has_manifest(f->st, "r", &outer) && has_blob(f->st, "r", &im[2].layer));
	for (int i = 0; i < 3; i++)
		assert_loci_ok(loci_manifest_delete(f->st, "r", &d[i], &e_));
	assert_loci_ok(loci_manifest_delete(f->st, "r", &inner, &e_));
	assert_loci_ok(loci_manifest_delete(f->st, "r", &outer, &e_));
	struct loci_gc_stats stats = gc_run(f->st, GC_NOW, NULL);
	assert_int_equal(stats.of[LOCI_GC_MANIFEST].removed, 5);
	assert_int_equal(stats.of[LOCI_GC_LINK].removed, 4);
	assert_int_equal(stats.of[LOCI_GC_BLOB].removed, 4);
	assert_int_equal(count_all_rows(f->st), 0);
	assert_int_equal(count_files(f), 0);
	for (int i = 0; i < 3; i++)
		image_done(&im[i]);
}

/* Deleted alone, what an index lists stays as long as the index. */
static void test_child_of_an_index_stays(void **state)
{
	struct fixture *f = *state;
	struct image im;
	image_make(&im, CONFIG, "layer", NULL);
	image_push(f->st, "r", &im, CONFIG, "layer", NULL);
	struct loci_digest index = put_index(f->st, "r", &im.digest, 1, "");
	assert_loci_ok(loci_manifest_delete(f->st, "r", &im.digest, &e_));
	gc_run(f->st, GC_NOW, NULL);
	assert_false(has_manifest(f->st, "r", &im.digest)); /* the client said so */
	assert_true(has_manifest(f->st, NULL, &im.digest));
	assert_true(has_blob(f->st, NULL, &im.layer));
	assert_loci_ok(loci_manifest_delete(f->st, "r", &index, &e_));
	gc_run(f->st, GC_NOW, NULL);
	assert_int_equal(count_all_rows(f->st), 0);
	image_done(&im);
}

/* More parents than one look takes. */
static void test_popular_layer(void **state)
{
	enum { N = 150 };
	struct fixture *f = *state;
	struct image im[N];
	char config[N][32];
	for (int i = 0; i < N; i++) {
		snprintf(config[i], sizeof(config[i]), "{\"config\":%d}", i);
		image_make(&im[i], config[i], "popular", NULL);
		image_push(f->st, i % 2 ? "r" : "s", &im[i], config[i], "popular", NULL);
	}
	for (int i = 0; i < N - 1; i++)
		assert_loci_ok(loci_manifest_delete(f->st, i % 2 ? "r" : "s", &im[i].digest, &e_));
	struct loci_gc_stats stats = gc_run(f->st, GC_NOW, NULL);
	assert_int_equal(stats.of[LOCI_GC_MANIFEST].removed, N - 1);
	assert_int_equal(stats.of[LOCI_GC_BLOB].removed, N - 1); /* configs */
	assert_true(has_blob(f->st, "r", &im[N - 1].layer));
	assert_false(has_blob(f->st, "s", &im[N - 1].layer));
	assert_loci_ok(loci_manifest_delete(f->st, "r", &im[N - 1].digest, &e_));
	gc_run(f->st, GC_NOW, NULL);
	assert_int_equal(count_all_rows(f->st), 0);
	assert_int_equal(count_files(f), 0);
	for (int i = 0; i < N; i++)
		image_done(&im[i]);
}

static void test_popular_layer_dies_at_once(void **state)
{
	enum { N = 200 };
	struct fixture *f = *state;
	struct image im;
	for (int i = 0; i < N; i++) {
		char config[32];
		snprintf(config, sizeof(config), "{\"config\":%d}", i);
		image_make(&im, config, "popular", NULL);
		image_push(f->st, "r", &im, config, "popular", NULL);
		assert_loci_ok(loci_manifest_delete(f->st, "r", &im.digest, &e_));
		image_done(&im);
	}
	gc_run(f->st, GC_NOW, NULL);
	assert_int_equal(count_all_rows(f->st), 0);
	assert_int_equal(count_files(f), 0);
}

/* The bytes of a manifest that were pushed as a blob, too. */
static void test_manifest_that_is_a_blob(void **state)
{
	struct fixture *f = *state;
	struct image im;
	struct loci_digest d;
	image_make(&im, CONFIG, "layer", NULL);
	image_push(f->st, "r", &im, CONFIG, "layer", NULL);
	assert_loci_ok(loci_blob_put(f->st, "s", im.manifest, im.n, NULL, &d, &e_));
	gc_run(f->st, GC_NOW, NULL);
	assert_false(has_blob(f->st, "s", &d));
	assert_true(has_manifest(f->st, "r", &im.digest) && has_blob(f->st, "r", &im.layer));
	assert_loci_ok(loci_manifest_delete(f->st, "r", &im.digest, &e_));
	gc_run(f->st, GC_NOW, NULL);
	assert_int_equal(count_all_rows(f->st), 0);
	assert_int_equal(count_files(f), 0);
	image_done(&im);
}

/* First under a type that says nothing of its references, then as what it is. */
static void test_manifest_of_two_types(void **state)
{
	struct fixture *f = *state;
	struct image im;
	char text[400], digest[LOCI_DIGEST_STR_MAX];
	image_make(&im, CONFIG, "layer", NULL);
	image_push(f->st, "s", &im, CONFIG, "layer", NULL);
	loci_digest_format(&im.digest, digest);
	snprintf(text, sizeof(text),
	         "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" LOCI_MEDIA_OCI_MANIFEST
	         "\",\"digest\":\"%s\",\"size\":1}]}",
	         digest);
	put_text(f->st, "r", "application/x-unknown", text, 0);
	struct loci_digest d = put_text(f->st, "s", LOCI_MEDIA_OCI_INDEX, text, 0);
	assert_loci_ok(loci_manifest_delete(f->st, "s", &im.digest, &e_));
	assert_loci_ok(loci_manifest_delete(f->st, "s", &d, &e_));
	gc_run(f->st, GC_NOW, NULL);
	assert_true(has_manifest(f->st, "r", &d) && has_manifest(f->st, NULL, &im.digest));
	assert_loci_ok(loci_manifest_delete(f->st, "r", &d, &e_));
	gc_run(f->st, GC_NOW, NULL);
	assert_int_equal(count_all_rows(f->st), 0);
	image_done(&im);
}

static void test_sha512(void **state)
{
	struct fixture *f = *state;
	struct loci_digest want, d;
	assert_loci_ok(loci_digest_bytes(LOCI_SHA512, "x", 1, &want, &e_));
	assert_loci_ok(loci_blob_put(f->st, "r", "x", 1, &want, &d, &e_));
	assert_int_equal(count_files(f), 1);
	gc_run(f->st, GC_NOW, NULL);
	assert_int_equal(count_all_rows(f->st), 0);
	assert_int_equal(count_files(f), 0);
}

/* A blob that an index lists, as build caches do. */
static void test_index_of_blobs(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d;
	char text[400], digest[LOCI_DIGEST_STR_MAX];
	assert_loci_ok(loci_blob_put(f->st, "r", "cache", 5, NULL, &d, &e_));
	loci_digest_format(&d, digest);
	snprintf(text, sizeof(text),
	         "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"application/"
	         "vnd.oci.image.layer.v1.tar\",\"digest\":\"%s\",\"size\":5}]}",
	         digest);
	struct loci_digest index = put_text(f->st, "r", LOCI_MEDIA_OCI_INDEX, text, 0);
	gc_run(f->st, GC_NOW, NULL);
	assert_true(has_blob(f->st, "r", &d));
	assert_loci_ok(loci_manifest_delete(f->st, "r", &index, &e_));
	gc_run(f->st, GC_NOW, NULL);
	assert_int_equal(count_all_rows(f->st), 0);
}

static void test_orphan_files(void **state)
{
	struct fixture *f = *state;
	struct loci_digest old, young, known;
	make_orphan(f, "old", 25 * 3600, &old);
	make_orphan(f, "young", 23 * 3600, &young);
	assert_loci_ok(loci_blob_put(f->st, "r", "known", 5, NULL, &known, &e_));
	struct loci_gc_stats dry = gc_run(f->st, LOCI_GC_NO_GRACE | LOCI_GC_DRY_RUN, NULL);
	assert_int_equal(dry.of[LOCI_GC_FILE].removed, 1);
	assert_true(has_file(f, &old));
	struct loci_gc_stats stats = gc_run(f->st, LOCI_GC_NO_GRACE, NULL);
	assert_int_equal(stats.of[LOCI_GC_FILE].removed, 1);
	assert_int_equal(stats.of[LOCI_GC_FILE].bytes, 3);
	assert_false(has_file(f, &old));
	assert_true(has_file(f, &young) && has_blob(f->st, "r", &known));
}

static int lease_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	return loci__lease_put(t, arg, 1, err);
}

static void test_lease_of_nothing(void **state)
{
	struct fixture *f = *state;
	struct loci_digest nothing = digest_of("nothing", 7), d;
	assert_loci_ok(loci__store_write(f->st, lease_op, &nothing, &e_));
	assert_loci_ok(loci_blob_put(f->st, "r", "garbage", 7, NULL, &d, &e_));
	gc_run(f->st, GC_NOW, NULL);
	assert_int_equal(count_all_rows(f->st), 0);
}

/* ---- condemned ------------------------------------------------------------------------------- */

struct stop {
	enum loci__gc_point at;
	bool now;
};

static void note_point(void *arg, enum loci__gc_point point)
{
	struct stop *s = arg;
	s->now |= point == s->at;
}

static bool is_stopped(void *arg)
{
	return ((struct stop *)arg)->now;
}

/* A pass that is killed behind the point, as far as the store can see. */
static void stop_at(struct loci_store *st, enum loci__gc_point point, unsigned flags)
{
	struct stop stop = {.at = point};
	const struct loci__gc_hook hook = {note_point, &stop};
	const struct loci_gc_opts o = {
	        .struct_size = sizeof(o),
	        .flags = flags,
	        .is_canceled = is_stopped,
	        .cancel_arg = &stop,
	};
	assert_loci_code(LOCI_E_CANCELED, loci__gc_run_with(st, &o, &hook, NULL, &e_));
}

static void test_condemned_is_out_of_sight(void **state)
{
	struct fixture *f = *state;
	struct image im;
	struct loci_image image;
	struct loci_digest d;
	uint64_t size;
	struct loci_digest top = pull(f, &im, &image);
	image.top = image.manifest = put_index(f->st, NULL, NULL, 0, "other");
	assert_loci_ok(loci_image_put(f->st, &image, &e_));
	assert_loci_ok(loci_blob_put(f->st, "r", "garbage", 7, NULL, &d, &e_));
	gc_age(f->st, "r", &d);
	gc_age(f->st, NULL, &top);
	gc_age(f->st, NULL, &im.digest);
	gc_age(f->st, NULL, &im.layer);
	stop_at(f->st, LOCI__GC_CONDEMNED, 0);
	assert_loci_code(LOCI_E_NOT_FOUND, loci_blob_stat(f->st, "r", &d, &size, &e_));
	assert_loci_code(LOCI_E_NOT_FOUND, loci_blob_stat(f->st, NULL, &d, &size, &e_));
	assert_false(has_blob(f->st, "r", &d) || has_blob(f->st, NULL, &d));
	assert_loci_code(LOCI_E_NOT_FOUND, loci_blob_mount(f->st, "r", "s", &d, &e_));
	assert_loci_code(LOCI_E_NOT_FOUND, loci_blob_mount(f->st, NULL, "s", &d, &e_));
	assert_false(has_manifest(f->st, NULL, &top) || has_manifest(f->st, NULL, &im.digest));
	assert_false(has_blob(f->st, NULL, &im.layer));
	assert_true(has_blob(f->st, NULL, &im.config)); /* leased */
	/* The next pass goes on from there. */
	gc_run(f->st, LOCI_GC_NO_GRACE, NULL);
	assert_false(has_file(f, &d) || has_file(f, &im.layer));
	assert_true(has_file(f, &im.config));
	image_done(&im);
}

/* Not by the next pass: at once. */
static void test_condemned_comes_back(void **state)
{
	struct fixture *f = *state;
	struct image im, pulled;
	struct loci_image image;
	struct loci_digest top = pull(f, &pulled, &image), d;
	struct loci_image other = image;
	other.top = other.manifest = put_index(f->st, NULL, NULL, 0, "other");
	assert_loci_ok(loci_image_put(f->st, &other, &e_));
	image_make(&im, CONFIG, "layer", NULL);
	assert_loci_ok(loci_blob_put(f->st, "r", CONFIG, strlen(CONFIG), NULL, &d, &e_));
	assert_loci_ok(loci_blob_put(f->st, "r", "layer", 5, NULL, &d, &e_));
	gc_age(f->st, "r", &d);
	gc_age(f->st, NULL, &top);
	gc_age(f->st, NULL, &pulled.digest);
	stop_at(f->st, LOCI__GC_CONDEMNED, 0);
	assert_false(has_blob(f->st, "r", &d) || has_blob(f->st, NULL, &d));
	assert_false(has_manifest(f->st, NULL, &top) || has_manifest(f->st, NULL, &pulled.digest));
	assert_loci_ok(image_put(f->st, "r", &im, "v", 0, NULL, &e_));
	assert_true(has_blob(f->st, "r", &d) && has_blob(f->st, NULL, &d));
	assert_loci_ok(loci_image_put(f->st, &image, &e_));
	assert_true(has_manifest(f->st, NULL, &top) && has_manifest(f->st, NULL, &pulled.digest));
	image_done(&im);
	image_done(&pulled);
}

/* A manifest that is told again takes along what was condemned with it. */
static void test_condemned_manifest_comes_back(void **state)
{
	struct fixture *f = *state;
	struct image im;
	image_make(&im, CONFIG, "layer", NULL);
	image_push(f->st, NULL, &im, CONFIG, "layer", NULL);
	gc_age(f->st, NULL, &im.digest);
	gc_age(f->st, NULL, &im.layer);
	gc_age(f->st, NULL, &im.config);
	stop_at(f->st, LOCI__GC_CONDEMNED, 0);
	assert_false(has_blob(f->st, NULL, &im.layer));
	assert_loci_ok(image_put(f->st, NULL, &im, NULL, LOCI_MANIFEST_PUT_SPARSE, NULL, &e_));
	assert_true(has_manifest(f->st, NULL, &im.digest));
	assert_true(has_blob(f->st, NULL, &im.layer) && has_blob(f->st, NULL, &im.config));
	image_done(&im);
}

static int mark_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	uint64_t future = loci__clock_epoch() + 1000000;
	int rc = loci__link_row_condemn(t, "r", arg, future, err);
	return rc == 0 ? loci__lease_condemn(t, arg, future, err) : rc;
}

/* The clock went back: a mark of the future neither hides for ever nor removes at once. */
static void test_mark_of_the_future(void **state)
{
	struct fixture *f = *state;
	struct image im;
	struct loci_digest d;
	image_make(&im, CONFIG, "layer", NULL);
	image_push(f->st, "r", &im, CONFIG, "layer", NULL);
	assert_loci_ok(loci_blob_put(f->st, "r", "garbage", 7, NULL, &d, &e_));
	assert_loci_ok(loci__store_write(f->st, mark_op, &im.layer, &e_));
	assert_loci_ok(loci__store_write(f->st, mark_op, &d, &e_));
	assert_false(has_blob(f->st, "r", &im.layer));
	gc_run(f->st, LOCI_GC_NO_GRACE, NULL);
	assert_true(has_blob(f->st, "r", &im.layer) && has_blob(f->st, NULL, &im.layer));
	assert_false(has_file(f, &d));
	image_done(&im);
}

static void test_grace_is_waited_for(void **state)
{
	struct fixture *f = *state;
	const struct loci_gc_opts o = {.struct_size = sizeof(o), .grace_s = 1};
	struct loci_gc_stats stats = {.struct_size = sizeof(stats)};
	struct loci_digest d;
	assert_loci_ok(loci_blob_put(f->st, "r", "garbage", 7, NULL, &d, &e_));
	gc_age(f->st, "r", &d);
	assert_loci_ok(loci_gc_run(f->st, &o, &stats, &e_));
	assert_true(stats.duration_ms >= 1000);
	assert_int_equal(stats.rounds, 1); /* one grace for the link and its blob */
	assert_int_equal(count_all_rows(f->st), 0);
	assert_false(has_file(f, &d));
}

static int64_t clock_off; /* seconds that somebody has set the clock by */
int __real_clock_gettime(clockid_t id, struct timespec *ret);
int __wrap_clock_gettime(clockid_t id, struct timespec *ret);
int __wrap_clock_gettime(clockid_t id, struct timespec *ret)
{
	int rc = __real_clock_gettime(id, ret);
	if (id == CLOCK_REALTIME)
		ret->tv_sec += clock_off;
	return rc;
}

static void set_clock(void *arg, enum loci__gc_point point)
{
	if (point == LOCI__GC_CONDEMNED)
		clock_off += *(const int64_t *)arg;
}

static bool is_after(void *arg)
{
	return loci__clock_ms() > *(const uint64_t *)arg;
}

/* The clock is set during the grace: it is waited for, and not for long. */
static void test_clock_set_in_grace(void **state)
{
	static const int64_t by[] = {100000, -100000};
	struct fixture *f = *state;
	struct loci_digest d;
	for (size_t i = 0; i < 2; i++) {
		uint64_t late = loci__clock_ms() + 20000;
		int64_t off = by[i];
		const struct loci_gc_opts o = {.struct_size = sizeof(o),
		                               .grace_s = 1,
		                               .is_canceled = is_after,
		                               .cancel_arg = &late};
		const struct loci__gc_hook hook = {set_clock, &off};
		struct loci_gc_stats stats = {.struct_size = sizeof(stats)};
		assert_loci_ok(loci_blob_put(f->st, "r", "garbage", 7, NULL, &d, &e_));
		gc_age(f->st, "r", &d);
		assert_loci_ok(loci__gc_run_with(f->st, &o, &hook, &stats, &e_));
		assert_true(stats.duration_ms >= 1000);
		assert_int_equal(has_file(f, &d), off < 0);
		clock_off = 0;
	}
	gc_run(f->st, LOCI_GC_NO_GRACE, NULL);
	assert_int_equal(count_all_rows(f->st), 0);
}

/* ---- the call -------------------------------------------------------------------------------- */

struct seen {
	unsigned n[LOCI_GC_KINDS];
	uint64_t bytes;
};

static void note_object(void *arg, const struct loci_gc_object *o)
{
	struct seen *seen = arg;
	assert_non_null(o->digest);
	assert_true(*o->why);
	assert_int_equal(o->repo != NULL, o->kind == LOCI_GC_LINK);
	seen->n[o->kind]++;
	seen->bytes += o->bytes;
}

static struct seen run_seen(struct loci_store *st, unsigned flags)
{
	struct seen seen = {{0}};
	const struct loci_gc_opts o = {
	        .struct_size = sizeof(o),
	        .flags = flags,
	        .report = note_object,
	        .report_arg = &seen,
	};
	assert_loci_ok(loci_gc_run(st, &o, NULL, &e_));
	return seen;
}

/* Says all that a pass then removes, through several levels, and changes nothing. */
static void test_dry_run(void **state)
{
	struct fixture *f = *state;
	struct image im, kept;
	image_make(&im, CONFIG, "layer", NULL);
	image_make(&kept, CONFIG, "kept", NULL);
	image_push(f->st, "r", &kept, CONFIG, "kept", "v");
	image_push(f->st, "s", &im, CONFIG, "layer", NULL);
	struct loci_digest inner = put_index(f->st, "s", &im.digest, 1, "inner");
	struct loci_digest outer = put_index(f->st, "s", &inner, 1, "outer");
	assert_loci_ok(loci_manifest_delete(f->st, "s", &im.digest, &e_));
	assert_loci_ok(loci_manifest_delete(f->st, "s", &inner, &e_));
	assert_loci_ok(loci_manifest_delete(f->st, "s", &outer, &e_));
	unsigned before = count_all_rows(f->st);
	struct seen dry = run_seen(f->st, GC_NOW | LOCI_GC_DRY_RUN);
	assert_int_equal(count_all_rows(f->st), before);
	assert_int_equal(dry.n[LOCI_GC_LINK], 2);
	assert_int_equal(dry.n[LOCI_GC_MANIFEST], 3);
	assert_int_equal(dry.n[LOCI_GC_BLOB], 1);
	struct seen real = run_seen(f->st, GC_NOW);
	for (int kind = 0; kind < LOCI_GC_KINDS; kind++)
		assert_int_equal(dry.n[kind], real.n[kind]);
	assert_true(real.bytes > 5);
	assert_true(has_blob(f->st, "r", &kept.layer));
	image_done(&im);
	image_done(&kept);
}

static void test_one_at_a_time(void **state)
{
	struct fixture *f = *state;
	char path[400];
	gc_run(f->st, GC_NOW, NULL);
	snprintf(path, sizeof(path), "%s/run/.collecting", f->store);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0);
	struct loci_error err = {0};
	char who[64];
	snprintf(who, sizeof(who), "process %ld", (long)getpid());
	assert_int_equal(gc_try(f->st, GC_NOW, NULL, NULL, &err), LOCI_E_BUSY);
	assert_non_null(strstr(err.msg, who));
	/* A dry run is in nobody's way. */
	gc_run(f->st, LOCI_GC_DRY_RUN, NULL);
	close(fd);
	gc_run(f->st, GC_NOW, NULL);
}

/* Many small steps come to the same. */
static void test_steps(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d;
	for (int i = 0; i < 50; i++) {
		char text[16];
		int n = snprintf(text, sizeof(text), "blob %d", i);
		assert_loci_ok(
		        loci_blob_put(f->st, i % 3 ? "r" : "s", text, (size_t)n, NULL, &d, &e_));
	}
	const struct loci_gc_opts o = {
	        .struct_size = sizeof(o), .flags = GC_NOW, .step_rows = 3, .share = 100};
	struct loci_gc_stats stats = {.struct_size = sizeof(stats)};
	assert_loci_ok(loci_gc_run(f->st, &o, &stats, &e_));
	assert_int_equal(stats.of[LOCI_GC_LINK].examined, 50);
	assert_int_equal(stats.of[LOCI_GC_LINK].removed, 50);
	assert_int_equal(stats.of[LOCI_GC_BLOB].removed, 50);
	assert_true(stats.steps > 4 * 50 / 3);
	assert_int_equal(count_all_rows(f->st), 0);
}

static void test_kind_names(void **state)
{
	(void)state;
	for (int kind = 0; kind < LOCI_GC_KINDS; kind++)
		assert_string_not_equal(loci_gc_kind_name(kind), "unknown");
	assert_string_equal(loci_gc_kind_name(LOCI_GC_KINDS), "unknown");
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        STORE_TEST(test_referenced_stays),
	        STORE_TEST(test_leased_stays),
	        STORE_TEST(test_pulled_image_stays_and_goes),
	        STORE_TEST(test_unreferenced_link_goes),
	        STORE_TEST(test_lease_over_goes),
	        STORE_TEST(test_nothing_is_left),
	        STORE_TEST(test_child_of_an_index_stays),
	        STORE_TEST(test_popular_layer),
	        STORE_TEST(test_popular_layer_dies_at_once),
	        STORE_TEST(test_manifest_that_is_a_blob),
	        STORE_TEST(test_manifest_of_two_types),
	        STORE_TEST(test_sha512),
	        STORE_TEST(test_index_of_blobs),
	        STORE_TEST(test_orphan_files),
	        STORE_TEST(test_lease_of_nothing),
	        STORE_TEST(test_condemned_is_out_of_sight),
	        STORE_TEST(test_condemned_comes_back),
	        STORE_TEST(test_condemned_manifest_comes_back),
	        STORE_TEST(test_mark_of_the_future),
	        STORE_TEST(test_grace_is_waited_for),
	        STORE_TEST(test_clock_set_in_grace),
	        STORE_TEST(test_dry_run),
	        STORE_TEST(test_one_at_a_time),
	        STORE_TEST(test_steps),
	        cmocka_unit_test(test_kind_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

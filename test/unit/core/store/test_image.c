/* SPDX-License-Identifier: Apache-2.0 */
#include "store_fixture.h"

#include <stdio.h>
#include <string.h>

static struct loci_image image_of(const char *ref, const char *seed)
{
	struct loci_image im = {.pulled_at = 1234567890123};
	snprintf(im.ref, sizeof(im.ref), "%s", ref);
	im.top = digest_of(seed, strlen(seed));
	im.manifest = digest_of(ref, strlen(ref));
	return im;
}

static void expect(struct loci_store *st, const char *ref, const struct loci_image *want)
{
	struct loci_image got;
	assert_loci_ok(loci_image_get(st, ref, &got, &e_));
	assert_string_equal(got.ref, want->ref);
	assert_true(loci_digest_equal(&got.top, &want->top));
	assert_true(loci_digest_equal(&got.manifest, &want->manifest));
	assert_int_equal(got.pulled_at, want->pulled_at);
}

static void test_put_get_last(void **state)
{
	struct fixture *f = *state;
	struct loci_image got, a = image_of("docker.io/library/alpine:3.19", "1"),
	                       b = image_of("localhost:5000/x:y", "2");
	assert_loci_code(LOCI_E_NOT_FOUND, loci_image_get(f->st, NULL, &got, &e_));
	assert_loci_code(LOCI_E_NOT_FOUND, loci_image_get(f->st, a.ref, &got, &e_));
	assert_loci_ok(loci_image_put(f->st, &a, &e_));
	assert_loci_ok(loci_image_put(f->st, &b, &e_));
	expect(f->st, a.ref, &a);
	expect(f->st, NULL, &b);
	a.top = digest_of("new", 3);
	assert_loci_ok(loci_image_put(f->st, &a, &e_));
	fixture_reopen(f);
	expect(f->st, NULL, &a);
	expect(f->st, b.ref, &b);
}

/* Longer than a key of the index, and alike up to the cut. (trap 7) */
static void test_trap_7_long_references(void **state)
{
	struct fixture *f = *state;
	char ref[LOCI_REF_STR_MAX];
	memset(ref, 'x', sizeof(ref) - 1);
	ref[sizeof(ref) - 1] = '\0';
	struct loci_image a = image_of(ref, "1");
	ref[sizeof(ref) - 2] = 'y';
	struct loci_image b = image_of(ref, "2");
	assert_loci_ok(loci_image_put(f->st, &a, &e_));
	assert_loci_ok(loci_image_put(f->st, &b, &e_));
	expect(f->st, a.ref, &a);
	expect(f->st, b.ref, &b);
}

static void test_refuses(void **state)
{
	struct fixture *f = *state;
	struct loci_image got, im = image_of("", "1");
	assert_loci_code(LOCI_E_INVALID, loci_image_put(f->st, &im, &e_));
	assert_loci_code(LOCI_E_INVALID, loci_image_get(f->st, "", &got, &e_));
	memset(im.ref, 'x', sizeof(im.ref));
	assert_loci_code(LOCI_E_INVALID, loci_image_put(f->st, &im, &e_));
	im = image_of("a:b", "1");
	im.manifest.alg = 0;
	assert_loci_code(LOCI_E_INVALID, loci_image_put(f->st, &im, &e_));
}

static int put_manifest(struct loci_store *st, const char *media_type, const char *text,
                        struct loci_image *ret)
{
	struct loci_manifest_put_result res;
	const struct loci_manifest_put put = {
	        .struct_size = sizeof(put),
	        .media_type = media_type,
	        .bytes = text,
	        .n = strlen(text),
	        .flags = LOCI_MANIFEST_PUT_SPARSE,
	};
	int rc = loci_manifest_put(st, /* repo= */ NULL, &put, &res, /* err= */ NULL);
	if (rc == 0)
		ret->manifest = res.digest;
	return rc;
}

static void make_manifest_text(struct loci_store *st, const char *config_type, const char *config,
                               char *buf, size_t size)
{
	struct loci_digest d;
	char digest[LOCI_DIGEST_STR_MAX];
	assert_loci_ok(loci_blob_put(st, NULL, config, strlen(config), NULL, &d, &e_));
	loci_digest_format(&d, digest);
	snprintf(buf, size,
	         "{\"schemaVersion\":2,\"mediaType\":\"" LOCI_MEDIA_OCI_MANIFEST "\","
	         "\"config\":{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu},"
	         "\"layers\":[]}",
	         config_type, digest, strlen(config));
}

static void test_load(void **state)
{
	static const char config_text[] = "{\"architecture\":\"amd64\",\"os\":\"linux\","
	                                  "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}";
	struct fixture *f = *state;
	struct loci_image image = image_of("localhost:5000/x:y", "1");
	struct loci_manifest *m = NULL;
	struct loci_image_config *config = NULL;
	char text[1024];
	assert_loci_code(LOCI_E_NOT_FOUND, loci_image_load(f->st, &image, &m, &config, &e_));
	make_manifest_text(f->st, LOCI_MEDIA_OCI_CONFIG, config_text, text, sizeof(text));
	assert_int_equal(0, put_manifest(f->st, LOCI_MEDIA_OCI_MANIFEST, text, &image));
	assert_loci_ok(loci_image_load(f->st, &image, &m, &config, &e_));
	assert_int_equal(LOCI_MANIFEST_IMAGE, m->kind);
	assert_string_equal("amd64", config->platform.arch);
	loci_manifest_free(m);
	loci_image_config_free(config);
	make_manifest_text(f->st, LOCI_MEDIA_OCI_EMPTY, "{}", text, sizeof(text));
	assert_int_equal(0, put_manifest(f->st, LOCI_MEDIA_OCI_MANIFEST, text, &image));
	assert_loci_ok(loci_image_load(f->st, &image, &m, &config, &e_));
	assert_null(config); /* an artifact */
	loci_manifest_free(m);
	make_manifest_text(f->st, LOCI_MEDIA_OCI_CONFIG, "no JSON", text, sizeof(text));
	assert_int_equal(0, put_manifest(f->st, LOCI_MEDIA_OCI_MANIFEST, text, &image));
	assert_loci_code(LOCI_E_INVALID, loci_image_load(f->st, &image, &m, &config, &e_));
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        STORE_TEST(test_put_get_last),
	        STORE_TEST(test_trap_7_long_references),
	        STORE_TEST(test_refuses),
	        STORE_TEST(test_load),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

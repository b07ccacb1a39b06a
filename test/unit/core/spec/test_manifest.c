/* SPDX-License-Identifier: Apache-2.0 */
/* image-spec manifest.md, image-index.md, descriptor.md, media-types.md; docker manifest-v2-2.md.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "loci/manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEX        "5b0bcabd1ed22e9fb1310cf6c2dec7cdef19f0ad69efa1f392e94a4333501270"
#define HEX2       "e692418e4cbaf90ca69d05a66403747baa33ee08806650b51fab815ad7fc331f"
#define DESC(type) "{\"mediaType\":\"" type "\",\"digest\":\"sha256:" HEX "\",\"size\":7682}"
#define CONFIG     "\"config\":" DESC(LOCI_MEDIA_OCI_CONFIG)
#define GZIP_LAYER "application/vnd.oci.image.layer.v1.tar+gzip"
#define LAYERS     "\"layers\":[" DESC(GZIP_LAYER) "]"
#define V2         "\"schemaVersion\":2"
#define TYPE(t)    "\"mediaType\":\"" t "\""
#define IMAGE      "{" V2 "," TYPE(LOCI_MEDIA_OCI_MANIFEST) "," CONFIG "," LAYERS "}"
#define EMPTY_DESC DESC(LOCI_MEDIA_OCI_EMPTY)

static int parse_as(const char *json, const char *type, struct loci_manifest **m,
                    struct loci_error *err)
{
	*m = NULL;
	err->msg[0] = '\0';
	return loci_manifest_parse(json, strlen(json), type, m, err);
}

static void an_image(void **state)
{
	(void)state;
	static const char json[] =
	        "{" V2 "," TYPE(LOCI_MEDIA_OCI_MANIFEST) "," CONFIG ",\"layers\":[" DESC(
	                GZIP_LAYER) ",{\"mediaType\":\"application/"
	                            "vnd.oci.image.layer.v1.tar+zstd\","
	                            "\"digest\":\"sha256:" HEX2
	                            "\",\"size\":0,\"annotations\":{\"a\":\"b\"}}],"
	                            "\"subject\":" DESC(
	                                    LOCI_MEDIA_OCI_MANIFEST) ","
	                                                             "\"annotations\":{\"com."
	                                                             "example.key1\":\"value1\","
	                                                             "\"com.example.key2\":\"\"}}";
	struct loci_manifest *m;
	struct loci_error err;
	if (parse_as(json, LOCI_MEDIA_OCI_MANIFEST, &m, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(m->kind, LOCI_MANIFEST_IMAGE);
	assert_string_equal(m->media_type, LOCI_MEDIA_OCI_MANIFEST);
	assert_int_equal(m->size, strlen(json));
	struct loci_digest d;
	assert_int_equal(loci_digest_bytes(LOCI_SHA256, json, strlen(json), &d, &err), 0);
	assert_true(loci_digest_equal(&d, &m->digest));
	assert_string_equal(m->config->media_type, LOCI_MEDIA_OCI_CONFIG);
	assert_int_equal(m->config->size, 7682);
	assert_int_equal(m->n_layers, 2);
	assert_int_equal(m->layers[1].digest.bytes[0], 0xe6);
	assert_int_equal(m->layers[1].n_annotations, 1);
	assert_string_equal(m->layers[1].annotations[0].value, "b");
	assert_non_null(m->subject);
	assert_int_equal(m->n_annotations, 2);
	assert_string_equal(m->annotations[1].key, "com.example.key2");
	assert_string_equal(m->annotations[1].value, "");
	assert_null(m->entries);
	assert_null(m->artifact_type);
	loci_manifest_free(m);
}

static void the_result_outlives_the_bytes(void **state)
{
	(void)state;
	char *json = strdup(IMAGE);
	struct loci_manifest *m;
	struct loci_error err;
	assert_int_equal(parse_as(json, NULL, &m, &err), 0);
	memset(json, 'x', strlen(json));
	free(json);
	assert_string_equal(m->layers[0].media_type, GZIP_LAYER);
	loci_manifest_free(m);
	loci_manifest_free(NULL);
}

static void accepted(void **state)
{
	(void)state;
	static const struct {
		const char *json, *type;
		int kind;
		const char *media_type;
	} rows[] = {
	        /* no mediaType: what it is stands in its members */
	        {"{" V2 "," CONFIG "," LAYERS "}", NULL, LOCI_MANIFEST_IMAGE,
	         LOCI_MEDIA_OCI_MANIFEST},
	        {"{" V2 ",\"manifests\":[]}", NULL, LOCI_MANIFEST_INDEX, LOCI_MEDIA_OCI_INDEX},
	        {IMAGE, LOCI_MEDIA_OCI_MANIFEST "; charset=utf-8", LOCI_MANIFEST_IMAGE,
	         LOCI_MEDIA_OCI_MANIFEST},
	        {IMAGE, "application/vnd.OCI.image.manifest.v1+json", LOCI_MANIFEST_IMAGE,
	         "application/vnd.OCI.image.manifest.v1+json"},
	        {"{" V2 "," TYPE(LOCI_MEDIA_DOCKER_MANIFEST) "," CONFIG "," LAYERS "}",
	         LOCI_MEDIA_DOCKER_MANIFEST, LOCI_MANIFEST_IMAGE, LOCI_MEDIA_DOCKER_MANIFEST},
	        {"{" V2 "," TYPE(LOCI_MEDIA_DOCKER_INDEX) ",\"manifests\":[]}", NULL,
	         LOCI_MANIFEST_INDEX, LOCI_MEDIA_DOCKER_INDEX},
	        /* artifacts */
	        {"{" V2 ",\"artifactType\":\"application/vnd.x\",\"config\":" EMPTY_DESC
	         ",\"layers\":[" EMPTY_DESC "]}",
	         LOCI_MEDIA_OCI_MANIFEST, LOCI_MANIFEST_IMAGE, LOCI_MEDIA_OCI_MANIFEST},
	        {"{" V2 ",\"artifactType\":\"application/vnd.x\",\"config\":" EMPTY_DESC
	         ",\"layers\":[]}",
	         LOCI_MEDIA_OCI_MANIFEST, LOCI_MANIFEST_IMAGE, LOCI_MEDIA_OCI_MANIFEST},
	        {"{" V2 ",\"config\":" EMPTY_DESC "}", LOCI_MEDIA_OCI_MANIFEST, LOCI_MANIFEST_IMAGE,
	         LOCI_MEDIA_OCI_MANIFEST},
	        {"{" V2 ",\"config\":" DESC(
	                 "application/vnd.cncf.helm.config.v1+json") ",\"layers\":"
	                                                             "[" DESC("applicati"
	                                                                      "on/x.y") "]}",
	         LOCI_MEDIA_OCI_MANIFEST, LOCI_MANIFEST_IMAGE, LOCI_MEDIA_OCI_MANIFEST},
	        {"{" V2 ",\"manifests\":[],\"artifactType\":\"a/b\",\"subject\":" DESC(
	                 LOCI_MEDIA_OCI_MANIFEST) "}",
	         LOCI_MEDIA_OCI_INDEX, LOCI_MANIFEST_INDEX, LOCI_MEDIA_OCI_INDEX},
	        /* unknown types: any JSON */
	        {"[1]", "application/vnd.mine+json", LOCI_MANIFEST_OTHER,
	         "application/vnd.mine+json"},
	        {"{" TYPE("application/vnd.mine+json") "}", NULL, LOCI_MANIFEST_OTHER,
	         "application/vnd.mine+json"},
	        {"{" V2 ",\"config\":null,\"layers\":7}", "a/b", LOCI_MANIFEST_OTHER, "a/b"},
	        /* unknown members */
	        {"{" V2 "," CONFIG "," LAYERS ",\"extra\":{\"x\":[1.5]}}", LOCI_MEDIA_OCI_MANIFEST,
	         LOCI_MANIFEST_IMAGE, LOCI_MEDIA_OCI_MANIFEST},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct loci_manifest *m;
		struct loci_error err;
		if (parse_as(rows[i].json, rows[i].type, &m, &err) < 0)
			fail_msg("%zu: %s", i, err.msg);
		assert_int_equal(m->kind, rows[i].kind);
		assert_string_equal(m->media_type, rows[i].media_type);
		loci_manifest_free(m);
	}
}

static void refused(void **state)
{
	(void)state;
	static const struct {
		const char *json, *type;
		int expected;
		const char *says;
	} rows[] = {
	        {"", NULL, LOCI_E_INVALID, "line 1"},
	        {"[]", NULL, LOCI_E_INVALID, "$: expected an object"},
	        {"[]", LOCI_MEDIA_OCI_MANIFEST, LOCI_E_INVALID, "$: expected an object"},
	        {"{}", NULL, LOCI_E_INVALID, "mediaType"},
	        {"{}", LOCI_MEDIA_OCI_MANIFEST, LOCI_E_INVALID, "$.schemaVersion"},
	        {"{\"schemaVersion\":\"2\"," CONFIG "," LAYERS "}", NULL, LOCI_E_INVALID,
	         "$.schemaVersion"},
	        {"{\"schemaVersion\":3," CONFIG "," LAYERS "}", NULL, LOCI_E_INVALID,
	         "$.schemaVersion: expected 2"},
	        {"{" V2 "," LAYERS "}", LOCI_MEDIA_OCI_MANIFEST, LOCI_E_INVALID, "$.config"},
	        {"{" V2 "," CONFIG ",\"layers\":{}}", NULL, LOCI_E_INVALID, "$.layers"},
	        {"{" V2 "}", LOCI_MEDIA_OCI_INDEX, LOCI_E_INVALID, "$.manifests"},
	        {"{" V2 "," TYPE(LOCI_MEDIA_DOCKER_MANIFEST) "," CONFIG "}", NULL, LOCI_E_INVALID,
	         "$.layers"},
	        {"{" V2 "," CONFIG "," LAYERS "}", LOCI_MEDIA_DOCKER_MANIFEST, LOCI_E_INVALID,
	         "$.mediaType"},
	        /* one document, two meanings */
	        {"{" V2 "," CONFIG "," LAYERS ",\"manifests\":[]}", LOCI_MEDIA_OCI_MANIFEST,
	         LOCI_E_INVALID, "$.manifests: not allowed"},
	        {"{" V2 ",\"manifests\":[]," LAYERS "}", LOCI_MEDIA_OCI_INDEX, LOCI_E_INVALID,
	         "$.layers: not allowed"},
	        {"{" V2 ",\"manifests\":[]," CONFIG "}", NULL, LOCI_E_INVALID,
	         "$.config: not allowed"},
	        {IMAGE, LOCI_MEDIA_OCI_INDEX, LOCI_E_INVALID, "$.mediaType"},
	        {IMAGE, LOCI_MEDIA_DOCKER_MANIFEST, LOCI_E_INVALID, "contradicts"},
	        {IMAGE, "application/vnd.mine+json", LOCI_E_INVALID, "contradicts"},
	        {"{" V2 ",\"mediaType\":7," CONFIG "," LAYERS "}", NULL, LOCI_E_INVALID,
	         "$.mediaType"},
	        {"{}", "no type", LOCI_E_INVALID, "no media type"},
	        {"{}", "", LOCI_E_INVALID, "no media type"},
	        /* docker schema 1 */
	        {"{\"schemaVersion\":1,\"fsLayers\":[]}", NULL, LOCI_E_UNSUPPORTED, "schema 1"},
	        {"{}", "application/vnd.docker.distribution.manifest.v1+prettyjws",
	         LOCI_E_UNSUPPORTED, "schema 1"},
	        {"{}", "application/vnd.docker.distribution.manifest.v1+json; charset=utf-8",
	         LOCI_E_UNSUPPORTED, "schema 1"},
	        {"{\"schemaVersion\":1}", LOCI_MEDIA_OCI_MANIFEST, LOCI_E_UNSUPPORTED, "schema 1"},
	        {"{" V2 "," CONFIG "," LAYERS ",\"fsLayers\":[]}", LOCI_MEDIA_OCI_MANIFEST,
	         LOCI_E_INVALID, "$.fsLayers"},
	        /* descriptors */
	        {"{" V2 ",\"config\":[]," LAYERS "}", NULL, LOCI_E_INVALID, "$.config"},
	        {"{" V2 "," CONFIG ",\"layers\":[3]}", NULL, LOCI_E_INVALID, "$.layers[0]"},
	        {"{" V2 "," CONFIG ",\"layers\":[{}]}", NULL, LOCI_E_INVALID,
	         "$.layers[0].mediaType"},
	        {"{" V2 "," CONFIG ",\"layers\":[" DESC("nonsense") "]}", NULL, LOCI_E_INVALID,
	         "$.layers[0].mediaType"},
	        {"{" V2 "," CONFIG
	         ",\"layers\":[{" TYPE("a/b") ",\"digest\":\"sha256:../../x\",\"size\":1}]}",
	         NULL, LOCI_E_INVALID, "$.layers[0].digest"},
	        {"{" V2 "," CONFIG ",\"layers\":[{" TYPE("a/b") ",\"digest\":\"blake3:" HEX
	                                                        "\",\"size\":1}]}",
	         NULL, LOCI_E_UNSUPPORTED, "$.layers[0].digest"},
	        {"{" V2 "," CONFIG ",\"layers\":[{" TYPE("a/b") ",\"digest\":\"sha256:" HEX
	                                                        "\",\"size\":-1}]}",
	         NULL, LOCI_E_INVALID, "$.layers[0].size"},
	        {"{" V2 "," CONFIG ",\"layers\":[{" TYPE("a/b") ",\"digest\":\"sha256:" HEX
	                                                        "\",\"size\":1e3}]}",
	         NULL, LOCI_E_INVALID, "$.layers[0].size"},
	        {"{" V2 "," CONFIG ",\"layers\":[{" TYPE(
	                 "a/b") ",\"digest\":\"sha256:" HEX "\",\"size\":9223372036854775808}]}",
	         NULL, LOCI_E_INVALID, "manifest: line 1"},
	        {"{" V2 "," CONFIG "," LAYERS ",\"annotations\":{\"a\":1}}", NULL, LOCI_E_INVALID,
	         "$.annotations.a"},
	        {"{" V2 "," CONFIG "," LAYERS ",\"annotations\":[]}", NULL, LOCI_E_INVALID,
	         "$.annotations"},
	        {"{" V2 "," CONFIG "," LAYERS ",\"subject\":\"x\"}", NULL, LOCI_E_INVALID,
	         "$.subject"},
	        {"{" V2 "," CONFIG "," LAYERS ",\"artifactType\":\"x\"}", NULL, LOCI_E_INVALID,
	         "$.artifactType"},
	        {"{" V2
	         ",\"manifests\":[{" TYPE("a/b") ",\"digest\":\"sha256:" HEX
	                                         "\",\"size\":1,\"platform\":{\"os\":\"linux\"}}]}",
	         NULL, LOCI_E_INVALID, "$.manifests[0].platform.architecture"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct loci_manifest *m;
		struct loci_error err;
		int rc = parse_as(rows[i].json, rows[i].type, &m, &err);
		if (rc != rows[i].expected || !strstr(err.msg, rows[i].says))
			fail_msg("%zu: %s: %s", i, loci_code_name(rc), err.msg);
		assert_null(m);
		assert_int_equal(strncmp(err.msg, "manifest: ", 10), 0);
	}
}

static void limits(void **state)
{
	(void)state;
	struct loci_manifest *m = NULL;
	struct loci_error err;
	size_t cap = 3 << 20;
	char *json = malloc(cap);
	size_t n = (size_t)snprintf(json, cap, "{" V2 ",\"manifests\":[");
	for (int i = 0; i < 10000; i++)
		n += (size_t)snprintf(json + n, cap - n, "%s" DESC(LOCI_MEDIA_OCI_MANIFEST),
		                      i ? "," : "");
	snprintf(json + n, cap - n, "]}");
	assert_int_equal(parse_as(json, NULL, &m, &err), 0);
	assert_int_equal(m->n_entries, 10000);
	loci_manifest_free(m);
	snprintf(json + n, cap - n, "," DESC(LOCI_MEDIA_OCI_MANIFEST) "]}");
	assert_int_equal(parse_as(json, NULL, &m, &err), LOCI_E_TOO_LARGE);
	assert_non_null(strstr(err.msg, "$.manifests"));

	memset(json, '[', 65);
	memset(json + 65, ']', 65);
	json[130] = '\0';
	assert_int_equal(parse_as(json, "a/b", &m, &err), LOCI_E_TOO_LARGE);
	free(json);

	char *huge = malloc(LOCI_MANIFEST_SIZE_MAX + 1);
	assert_non_null(huge);
	memset(huge, ' ', LOCI_MANIFEST_SIZE_MAX + 1);
	huge[0] = '1';
	assert_int_equal(loci_manifest_parse(huge, LOCI_MANIFEST_SIZE_MAX + 1, "a/b", &m, &err),
	                 LOCI_E_TOO_LARGE);
	free(huge);
}

/* Every string short: the text that takes the most memory for its bytes. */
static void dense_annotations_fit(void **state)
{
	(void)state;
	struct loci_manifest *m;
	struct loci_error err;
	size_t cap = 1 << 20;
	char *json = malloc(cap);
	size_t n = (size_t)snprintf(json, cap, "{" V2 "," CONFIG ",\"annotations\":{");
	for (int i = 0; i < 10000; i++)
		n += (size_t)snprintf(json + n, cap - n, "%s\"%x\":\"\"", i ? "," : "", i);
	snprintf(json + n, cap - n, "}}");
	if (parse_as(json, LOCI_MEDIA_OCI_MANIFEST, &m, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(m->n_annotations, 10000);
	loci_manifest_free(m);
	free(json);
}

static const char *entry(char *buf, size_t size, const char *type, const char *platform, int number)
{
	snprintf(buf, size, "{\"mediaType\":\"%s\",\"digest\":\"sha256:" HEX "\",\"size\":%d%s%s}",
	         type, number, *platform ? ",\"platform\":" : "", platform);
	return buf;
}

/* The entry's size says which one it was. */
static int pick(const char *const *platforms, const char *want)
{
	char json[4096], one[512];
	size_t n = (size_t)snprintf(json, sizeof(json), "{" V2 ",\"manifests\":[");
	for (int i = 0; platforms[i]; i++)
		n += (size_t)snprintf(
		        json + n, sizeof(json) - n, "%s%s", i ? "," : "",
		        entry(one, sizeof(one), LOCI_MEDIA_OCI_MANIFEST, platforms[i], i));
	snprintf(json + n, sizeof(json) - n, "]}");
	struct loci_manifest *m;
	struct loci_error err;
	struct loci_platform_buf p;
	if (parse_as(json, NULL, &m, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(loci_platform_parse(want, &p, &err), 0);
	const struct loci_descriptor *d = loci_manifest_pick(m, &p.platform);
	int which = d ? (int)d->size : -1;
	loci_manifest_free(m);
	return which;
}

#define P(os, arch)     "{\"os\":\"" os "\",\"architecture\":\"" arch "\"}"
#define PV(os, arch, v) "{\"os\":\"" os "\",\"architecture\":\"" arch "\",\"variant\":\"" v "\"}"

static void the_best_platform_is_picked(void **state)
{
	(void)state;
	const char *const arms[] = {P("windows", "arm64"),    PV("linux", "arm", "v5"),
	                            PV("linux", "arm", "v7"), PV("linux", "arm64", "v8"),
	                            PV("linux", "arm", "v6"), NULL};
	assert_int_equal(pick(arms, "linux/arm64"), 3);
	assert_int_equal(pick(arms, "linux/arm64/v8"), 3);
	assert_int_equal(pick(arms, "linux/arm64/v9"), 3);
	assert_int_equal(pick(arms, "linux/arm/v7"), 2);
	assert_int_equal(pick(arms, "linux/arm"), 2);
	assert_int_equal(pick(arms, "linux/arm/v6"), 4);
	assert_int_equal(pick(arms, "linux/arm/v5"), 1);
	assert_int_equal(pick(arms, "windows/arm64"), 0);
	assert_int_equal(pick(arms, "linux/amd64"), -1);
	const char *const levels[] = {P("linux", "386"), P("linux", "amd64"),
	                              PV("linux", "amd64", "v3"), PV("linux", "amd64", "v2"), NULL};
	assert_int_equal(pick(levels, "linux/amd64"), 1);
	assert_int_equal(pick(levels, "linux/amd64/v1"), 1);
	assert_int_equal(pick(levels, "linux/amd64/v2"), 3);
	assert_int_equal(pick(levels, "linux/amd64/v4"), 2);
	const char *const first_wins[] = {P("linux", "x86_64"), P("linux", "amd64"), NULL};
	assert_int_equal(pick(first_wins, "linux/amd64"), 0);
	const char *const only32[] = {P("linux", "386"), NULL};
	assert_int_equal(pick(only32, "linux/amd64"), 0);
	const char *const unnamed[] = {P("linux", "arm64"), "", P("linux", "riscv64"), NULL};
	assert_int_equal(pick(unnamed, "linux/amd64"), 1);
	assert_int_equal(pick(unnamed, "linux/riscv64"), 2);
	const char *const attested[] = {P("unknown", "unknown"), P("linux", "amd64"), NULL};
	assert_int_equal(pick(attested, "linux/amd64"), 1);
	assert_int_equal(pick((const char *const[]){NULL}, "linux/amd64"), -1);
}

static void media_types(void **state)
{
	(void)state;
	assert_int_equal(loci_media_kind(LOCI_MEDIA_OCI_INDEX), LOCI_MEDIA_IMAGE_INDEX);
	assert_int_equal(loci_media_kind(LOCI_MEDIA_DOCKER_CONFIG), LOCI_MEDIA_IMAGE_CONFIG);
	assert_int_equal(loci_media_kind(LOCI_MEDIA_OCI_EMPTY), LOCI_MEDIA_EMPTY);
	assert_int_equal(loci_media_kind(" " LOCI_MEDIA_OCI_INDEX " ; q=1"),
	                 LOCI_MEDIA_IMAGE_INDEX);
	assert_int_equal(loci_media_kind("application/json"), LOCI_MEDIA_UNKNOWN);
	assert_int_equal(loci_media_kind(NULL), LOCI_MEDIA_UNKNOWN);
	assert_int_equal(loci_media_kind(""), LOCI_MEDIA_UNKNOWN);
	static const struct {
		const char *type;
		int compression;
		bool foreign;
	} rows[] = {
	        {"application/vnd.oci.image.layer.v1.tar", LOCI_COMPRESSION_NONE, false},
	        {GZIP_LAYER, LOCI_COMPRESSION_GZIP, false},
	        {"application/vnd.oci.image.layer.v1.tar+zstd", LOCI_COMPRESSION_ZSTD, false},
	        {"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
	         LOCI_COMPRESSION_GZIP, true},
	        {"application/vnd.docker.image.rootfs.diff.tar.gzip", LOCI_COMPRESSION_GZIP, false},
	        {"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", LOCI_COMPRESSION_GZIP,
	         true},
	        {"application/vnd.oci.image.layer.v1.tar+gzip+encrypted", -1, false},
	        {LOCI_MEDIA_OCI_MANIFEST, -1, false},
	        {"x/y", -1, false},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(loci_media_compression(rows[i].type), rows[i].compression);
		assert_int_equal(loci_media_is_foreign(rows[i].type), rows[i].foreign);
		assert_int_equal(loci_media_kind(rows[i].type) == LOCI_MEDIA_LAYER,
		                 rows[i].compression >= 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(an_image),
	        cmocka_unit_test(the_result_outlives_the_bytes),
	        cmocka_unit_test(accepted),
	        cmocka_unit_test(refused),
	        cmocka_unit_test(limits),
	        cmocka_unit_test(dense_annotations_fit),
	        cmocka_unit_test(the_best_platform_is_picked),
	        cmocka_unit_test(media_types),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

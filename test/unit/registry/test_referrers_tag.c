/* SPDX-License-Identifier: Apache-2.0 */
/* Referrers that an index under the referrers tag schema tells of, beside those of the store. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/buf.h"
#include "harness.h"
#include "registry/referrers_tag.h"

#include <stdio.h>
#include <string.h>

#define HIDDEN "application/vnd.example.hidden+json" /* a type that nobody looks into */
#define EACH   6
#define PAGE   5

static void check_tag(const char *digest, const char *want)
{
	struct loci_digest d;
	char tag[LOCI_REFERRERS_TAG_MAX];
	assert_int_equal(loci_digest_parse(digest, strlen(digest), &d, NULL), 0);
	loci__referrers_tag(&d, tag);
	assert_string_equal(tag, want);
	assert_true(loci_tag_is_valid(tag, strlen(tag)));
}

/* The table of spec.md "Referrers Tag Schema", as far as we have its algorithms. */
static void test_tag(void **state)
{
#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	(void)state;
	check_tag("sha256:" A64, "sha256-" A64);
	check_tag("sha512:" A64 A64, "sha512-" A64);
}

/* An artifact manifest without a mediaType of its own; the word tells it from others. */
static const char *push_artifact(struct fixture *f, const char *type, const char *word,
                                 const char *subject)
{
	const char *config = push_blob(f, "r", "{}", 2);
	return push_manifest(
	        f, "r", NULL, type,
	        text("{\"schemaVersion\":2,\"artifactType\":\"application/x.%s\",\"config\":{"
	             "\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":2},\"layers\":[],\"subject\":"
	             "{"
	             "\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":2},\"annotations\":{\"of\":"
	             "\"%s\"}}",
	             word, LOCI_MEDIA_OCI_EMPTY, config, LOCI_MEDIA_OCI_MANIFEST, subject, word));
}

static void add_entry(struct loci_buf *index, const char *digest)
{
	loci__buf_printf(index, "%s{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":9}",
	                 index->p[index->len - 1] == '[' ? "" : ",", LOCI_MEDIA_OCI_MANIFEST,
	                 digest);
}

static void push_index(struct fixture *f, const char *subject, struct loci_buf *index)
{
	struct loci_digest d;
	char tag[LOCI_REFERRERS_TAG_MAX];
	loci__buf_puts(index, "]}");
	assert_int_equal(loci_digest_parse(subject, strlen(subject), &d, NULL), 0);
	loci__referrers_tag(&d, tag);
	push_manifest(f, "r", tag, LOCI_MEDIA_OCI_INDEX, index->p);
}

static void start_index(struct loci_buf *index)
{
	*index = (struct loci_buf)LOCI_BUF_INIT(1 << 20);
	loci__buf_printf(index, "{\"schemaVersion\":2,\"mediaType\":\"%s\",\"manifests\":[",
	                 LOCI_MEDIA_OCI_INDEX);
}

/* All digests of all pages, one a line, which must rise. */
static size_t collect(struct fixture *f, const char *path, struct loci_buf *all)
{
	static const char key[] = "\"digest\":\"";
	size_t n = 0;
	char last[LOCI_DIGEST_STR_MAX] = "";
	while (path) {
		struct answer a = ask(f, "GET", path);
		assert_int_equal(a.status, 200);
		size_t here = 0;
		for (const char *p = a.body; (p = strstr(p, key)) != NULL; here++) {
			char digest[LOCI_DIGEST_STR_MAX];
			p += sizeof(key) - 1;
			snprintf(digest, sizeof(digest), "%.*s", (int)strcspn(p, "\""), p);
			assert_true(strcmp(digest, last) > 0);
			memcpy(last, digest, sizeof(last));
			loci__buf_printf(all, "%s\n", digest);
		}
		assert_in_range(here, 0, PAGE);
		const char *link = answer_header(&a, "link");
		path = link ? text("%.*s", (int)strcspn(link + 1, ">"), link + 1) : NULL;
		n += here;
		answer_done(&a);
	}
	return n;
}

static void test_merged(void **state)
{
	const struct loci_registry_opts opts = {.list_max = PAGE, .allow_sparse = true};
	struct fixture f;
	struct loci_buf index, all = LOCI_BUF_INIT(1 << 16);
	char subject[LOCI_DIGEST_STR_MAX], digests[2 * EACH][LOCI_DIGEST_STR_MAX];
	(void)state;
	fixture_open(&f, &opts);
	snprintf(subject, sizeof(subject), "%s", sha256_of("subject", 7));
	start_index(&index);
	for (int i = 0; i < EACH; i++) {
		snprintf(digests[2 * i], sizeof(digests[0]), "%s",
		         push_artifact(&f, LOCI_MEDIA_OCI_MANIFEST, text("seen%d", i), subject));
		snprintf(digests[2 * i + 1], sizeof(digests[0]), "%s",
		         push_artifact(&f, HIDDEN, text("hidden%d", i), subject));
		add_entry(&index, digests[2 * i + 1]);
	}
	/* Without the index nobody knows of the hidden ones. */
	const char *path = text("/v2/r/referrers/%s", subject);
	assert_int_equal(collect(&f, path, &all), EACH);
	/* Twice; known anyway; not here; of another subject; no manifest. */
	add_entry(&index, digests[1]);
	add_entry(&index, digests[0]);
	add_entry(&index, sha256_of("absent", 6));
	add_entry(&index, push_artifact(&f, HIDDEN, "other", sha256_of("other", 5)));
	add_entry(&index, push_manifest(&f, "r", NULL, HIDDEN, "[]"));
	push_index(&f, subject, &index);
	loci__buf_reset(&all);
	assert_int_equal(collect(&f, path, &all), 2 * EACH);
	for (int i = 0; i < 2 * EACH; i++)
		assert_non_null(strstr(all.p, digests[i]));
	/* Filtered and described as all others are. */
	struct answer a = ask(&f, "GET", text("%s?artifactType=application/x.hidden3", path));
	assert_non_null(strstr(a.body, digests[7]));
	assert_null(strstr(a.body, digests[5]));
	assert_non_null(strstr(a.body, "\"mediaType\":\"" LOCI_MEDIA_OCI_MANIFEST "\",\"size\":"));
	assert_non_null(strstr(a.body, "\"annotations\":{\"of\":\"hidden3\"}"));
	answer_done(&a);
	/* One that is deleted is gone, though the index still has it. */
	expect(&f, 202, "DELETE", text("/v2/r/manifests/%s", digests[7]));
	loci__buf_reset(&all);
	assert_int_equal(collect(&f, path, &all), 2 * EACH - 1);
	loci__buf_done(&index);
	loci__buf_done(&all);
	fixture_close(&f);
}

/* What stands under the tag need not be an index. */
static void test_no_index(void **state)
{
	struct fixture f;
	struct loci_digest d;
	struct loci_buf all = LOCI_BUF_INIT(1 << 16);
	char tag[LOCI_REFERRERS_TAG_MAX], subject[LOCI_DIGEST_STR_MAX];
	(void)state;
	fixture_open(&f, NULL);
	snprintf(subject, sizeof(subject), "%s", sha256_of("subject", 7));
	assert_int_equal(loci_digest_parse(subject, strlen(subject), &d, NULL), 0);
	loci__referrers_tag(&d, tag);
	push_image(&f, "r", tag, "image");
	assert_int_equal(collect(&f, text("/v2/r/referrers/%s", subject), &all), 0);
	push_artifact(&f, LOCI_MEDIA_OCI_MANIFEST, "one", subject);
	assert_int_equal(collect(&f, text("/v2/r/referrers/%s", subject), &all), 1);
	loci__buf_done(&all);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_tag),
	        cmocka_unit_test(test_merged),
	        cmocka_unit_test(test_no_index),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

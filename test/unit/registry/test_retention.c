/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retention on a real store. Days are those of the rows: a test says when a tag was set and when a
 * manifest was pushed, and on which day the rules are applied.
 */
#include "harness.h"

#include "core/store/manifest_row.h"
#include "core/store/store.h"
#include "loci/inventory.h"
#include "loci/retention.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY       ((uint64_t)86400)
#define TODAY     (1000 * DAY)
#define INDEX     "application/vnd.oci.image.index.v1+json"
#define MANIFEST  "application/vnd.oci.image.manifest.v1+json"
#define TEXT_SIZE 4096

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	fixture_open(f, NULL);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_close(*state);
	free(*state);
	return 0;
}

/* ---- days ------------------------------------------------------------------------------------ */

struct days {
	const char *repo, *tag, *digest;
	uint64_t pushed, pulled, untagged;
};

static struct loci_digest parse(const char *s)
{
	struct loci_digest d;
	assert_int_equal(loci_digest_parse(s, strlen(s), &d, NULL), 0);
	return d;
}

static int set_tag_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	const struct days *o = arg;
	struct loci__key k = loci__key_of_repo_text(o->repo, o->tag);
	struct loci_slice v;
	struct loci_digest d;
	char b[LOCI_DIGEST_KEY_MAX + 8];
	int rc = loci__txn_get(t, LOCI_INDEX_TAG, &k, &v, err);
	if (rc < 0 || !loci__take_digest(&v, &d))
		return LOCI_E_INTERNAL;
	size_t n = loci__put_digest(b, &d);
	loci__put_u64le(b + n, o->pushed);
	return loci__txn_put(t, LOCI_INDEX_TAG, &k, (struct loci_slice){b, n + 8}, err);
}

static int set_manifest_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	const struct days *o = arg;
	struct loci_digest d = parse(o->digest);
	struct loci__key k = loci__key_of_repo_digest(o->repo, &d);
	struct loci__member_row row = {.time = o->pushed,
	                               .media_type = {MANIFEST, sizeof(MANIFEST) - 1}};
	char b[16];
	loci__put_u64le(b, o->pulled);
	loci__put_u64le(b + 8, o->untagged);
	int rc = loci__txn_put(t, LOCI_INDEX_PULLED, &k, (struct loci_slice){b, sizeof(b)}, err);
	return rc < 0 ? rc : loci__member_row_put(t, o->repo, &d, &row, err);
}

static int set_since_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	struct loci__key k = {.n = 1};
	return loci__txn_put_u64(t, LOCI_INDEX_PULLED, &k, *(const uint64_t *)arg, err);
}

static void write_op(struct fixture *f, loci__op_fn fn, const void *arg)
{
	struct loci_error err;
	if (loci__store_write(f->store, fn, (void *)arg, &err) < 0)
		fail_msg("%s", err.msg);
}

static void set_tag(struct fixture *f, const char *tag, uint64_t pushed)
{
	struct days o = {.repo = "r", .tag = tag, .pushed = pushed};
	write_op(f, set_tag_op, &o);
}

static void set_manifest(struct fixture *f, const char *digest, uint64_t pushed, uint64_t pulled,
                         uint64_t untagged)
{
	struct days o = {.repo = "r",
	                 .digest = digest,
	                 .pushed = pushed,
	                 .pulled = pulled,
	                 .untagged = untagged};
	write_op(f, set_manifest_op, &o);
}

static void watch_since(struct fixture *f, uint64_t since)
{
	write_op(f, set_since_op, &since);
}

/* ---- applying -------------------------------------------------------------------------------- */

static void note(void *arg, const struct loci_retention_item *item)
{
	char *s = arg;
	size_t n = strlen(s);
	assert_true(item->why[0] != '\0');
	snprintf(s + n, TEXT_SIZE - n, "%s ", item->tag ? item->tag : "@");
}

static struct loci_retention_stats apply_at(struct fixture *f, const char *rule, unsigned flags,
                                            uint64_t now, const char *want)
{
	char got[TEXT_SIZE] = "";
	struct loci_retention *r;
	struct loci_retention_stats stats = {.struct_size = sizeof(stats)};
	struct loci_error err;
	const struct loci_retention_opts o = {.struct_size = sizeof(o),
	                                      .flags = flags,
	                                      .now = now,
	                                      .report = note,
	                                      .report_arg = got};
	if (loci_retention_parse(&rule, 1, &r, &err) < 0 ||
	    loci_retention_run(r, f->store, &o, &stats, &err) < 0)
		fail_msg("%s", err.msg);
	loci_retention_free(r);
	assert_string_equal(got, want);
	return stats;
}

static void apply(struct fixture *f, const char *rule, const char *want)
{
	apply_at(f, rule, LOCI_RETENTION_DRY_RUN, TODAY, want);
	apply_at(f, rule, 0, TODAY, want);
}

struct digest_text {
	char s[LOCI_DIGEST_STR_MAX];
};

static struct digest_text push(struct fixture *f, const char *tag, const char *word)
{
	struct digest_text d;
	snprintf(d.s, sizeof(d.s), "%s", push_image(f, "r", tag, word));
	return d;
}

struct tag_day {
	const char *tag;
	unsigned day;
};

/* One manifest each, of the same day; to the row without a tag. */
static void push_tags(struct fixture *f, const struct tag_day *rows)
{
	for (; rows->tag; rows++) {
		struct digest_text d = push(f, rows->tag, rows->tag);
		set_manifest(f, d.s, rows->day * DAY, 0, 0);
		set_tag(f, rows->tag, rows->day * DAY);
	}
}
#define PUSH_TAGS(f, ...) push_tags(f, (const struct tag_day[]){__VA_ARGS__, {0}})

/* ---- tags ------------------------------------------------------------------------------------ */

static void test_keep_last(void **state)
{
	PUSH_TAGS(*state, {"a", 990}, {"b", 995}, {"c", 995}, {"d", 980}, {"e", 999});
	apply(*state, "r: keep-last=3", "a d ");
	apply(*state, "r: keep-last=3", "");
	expect(*state, 200, "GET", "/v2/r/manifests/e");
	expect(*state, 404, "GET", "/v2/r/manifests/a");
	/* Of one second: the names that come later. */
	apply(*state, "r: keep-last=2", "b ");
}

static void test_keep_tags(void **state)
{
	PUSH_TAGS(*state, {"v1", 1}, {"v2", 2}, {"latest", 3}, {"x", 4}, {"y", 5});
	/* What is kept by its name takes no place among the newest. */
	apply(*state, "r: keep-last=1 keep-tags=v*,latest", "x ");
	apply(*state, "r: keep-tags=v?", "latest y ");
	apply(*state, "r: keep-tags=v?", "");
}

static void test_keep_pushed(void **state)
{
	PUSH_TAGS(*state, {"a", 969}, {"b", 970}, {"c", 971}, {"future", 2000});
	apply(*state, "r: keep-pushed=30d", "a b ");
}

static void test_only_untagged(void **state)
{
	PUSH_TAGS(*state, {"a", 1});
	apply(*state, "r: keep-untagged=0s", "");
	apply(*state, "r: keep-all", "");
	apply(*state, "other: keep-last=1", "");
}

static void test_keep_pulled(void **state)
{
	struct fixture *f = *state;
	struct digest_text old = push(f, "old", "old"), used = push(f, "used", "used");
	struct digest_text fresh = push(f, "fresh", "fresh"), loose = push(f, NULL, "loose");
	set_manifest(f, old.s, 1 * DAY, 960 * DAY, 0);
	set_manifest(f, used.s, 1 * DAY, 990 * DAY, 0);
	set_manifest(f, fresh.s, 999 * DAY, 0, 0);
	set_manifest(f, loose.s, 1 * DAY, 990 * DAY, 0);
	set_tag(f, "old", 1 * DAY);
	set_tag(f, "used", 1 * DAY);
	set_tag(f, "fresh", 999 * DAY);
	/* Not watched at all, and not for as long as the rule asks: nobody knows. */
	apply(f, "r: keep-pulled=30d", "");
	watch_since(f, 980 * DAY);
	apply(f, "r: keep-pulled=30d keep-untagged=1d", "");
	watch_since(f, 900 * DAY);
	apply(f, "r: keep-pulled=30d keep-untagged=1d", "old ");
	/* To the hour: the last note may be so much older than the last pull. */
	set_manifest(f, used.s, 1 * DAY, TODAY - 30 * DAY - 1800, 0);
	apply(f, "r: keep-pulled=30d", "");
	set_manifest(f, used.s, 1 * DAY, TODAY - 30 * DAY - 3600, 0);
	apply(f, "r: keep-pulled=30d", "used ");
}

/* Names that belong to another manifest live with it. */
static void test_subject_names(void **state)
{
	struct fixture *f = *state;
	char hex[65];
	PUSH_TAGS(f, {"v1", 10}, {"v2", 20});
	struct answer a = ask(f, "HEAD", "/v2/r/manifests/v1");
	snprintf(hex, sizeof(hex), "%s", answer_header(&a, "docker-content-digest") + 7);
	const char *digest = text("sha256:%s", hex);
	answer_done(&a);
	const char *sig = text("sha256-%s.sig", hex);
	push_image(f, "r", sig, "signature");
	set_tag(f, sig, 11 * DAY);
	/* Neither removed nor counted: v2 is the newest of two. */
	apply(f, "r: keep-last=1", "v1 ");
	expect(f, 202, "DELETE", text("/v2/r/manifests/%s", digest));
	apply(f, "r: keep-last=1", text("%s ", sig));
}

/* ---- untagged -------------------------------------------------------------------------------- */

static void test_untagged(void **state)
{
	struct fixture *f = *state;
	struct digest_text old = push(f, NULL, "old"), fresh = push(f, NULL, "fresh");
	struct digest_text lost = push(f, NULL, "lost");
	set_manifest(f, old.s, 990 * DAY, 0, 0);
	set_manifest(f, fresh.s, 994 * DAY, 0, 0);
	set_manifest(f, lost.s, 1 * DAY, 0, 994 * DAY); /* pushed long ago, untagged lately */
	apply(f, "r: keep-last=1", "");
	apply(f, "r: keep-untagged=7d", "@ ");
	expect(f, 404, "GET", text("/v2/r/manifests/%s", old.s));
	expect(f, 200, "GET", text("/v2/r/manifests/%s", fresh.s));
	expect(f, 200, "GET", text("/v2/r/manifests/%s", lost.s));
	apply_at(f, "r: keep-untagged=7d", 0, TODAY + 2 * DAY, "@ @ ");
}

/* A tag that goes leaves its manifest untagged from then on: by the clock, not by this test. */
static void test_tag_then_manifest(void **state)
{
	struct fixture *f = *state;
	PUSH_TAGS(f, {"a", 1}, {"b", 2});
	apply(f, "r: keep-last=1 keep-untagged=1d", "a ");
	apply_at(f, "r: keep-last=1 keep-untagged=1d", 0, /* now= */ 0, "");
	apply_at(f, "r: keep-last=1 keep-untagged=1d", 0, (uint64_t)1 << 40, "@ ");
}

static struct digest_text push_index(struct fixture *f, const char *tag, const char *child)
{
	struct digest_text d;
	const char *json = text("{\"schemaVersion\":2,\"mediaType\":\"" INDEX
	                        "\",\"manifests\":[{\"mediaType\":\"" MANIFEST
	                        "\",\"digest\":\"%s\",\"size\":1}]}",
	                        child);
	snprintf(d.s, sizeof(d.s), "%s", push_manifest(f, "r", tag, INDEX, json));
	return d;
}

/* What an index lists is held by it, and goes with it. */
static void test_children(void **state)
{
	struct fixture *f = *state;
	struct digest_text child = push(f, NULL, "child");
	struct digest_text index = push_index(f, "all", child.s);
	struct digest_text outer = push_index(f, "outer", index.s);
	set_manifest(f, child.s, 1 * DAY, 0, 0);
	set_manifest(f, index.s, 1 * DAY, 0, 0);
	set_manifest(f, outer.s, 1 * DAY, 0, 0);
	apply(f, "r: keep-untagged=1d", "");
	expect(f, 202, "DELETE", "/v2/r/manifests/outer");
	expect(f, 202, "DELETE", "/v2/r/manifests/all");
	set_manifest(f, index.s, 1 * DAY, 0, 0);
	/* The outer one has lost its tag today. */
	apply(f, "r: keep-untagged=1d", "");
	set_manifest(f, outer.s, 1 * DAY, 0, 0);
	struct loci_retention_stats s = apply_at(f, "r: keep-untagged=1d", 0, TODAY, "@ @ @ ");
	assert_int_equal(s.manifests_removed, 3);
	expect(f, 404, "GET", text("/v2/r/manifests/%s", child.s));
}

static void test_referrers(void **state)
{
	struct fixture *f = *state;
	struct digest_text subject = push(f, "v1", "subject");
	struct digest_text referrer;
	const char *config = push_blob(f, "r", "{}", 2);
	const char *json =
	        text("{\"schemaVersion\":2,\"mediaType\":\"" MANIFEST
	             "\",\"artifactType\":\"application/x\",\"config\":{\"mediaType\":"
	             "\"application/vnd.oci.empty.v1+json\",\"digest\":\"%s\",\"size\":2},"
	             "\"layers\":[],\"subject\":{\"mediaType\":\"" MANIFEST
	             "\",\"digest\":\"%s\",\"size\":1}}",
	             config, subject.s);
	snprintf(referrer.s, sizeof(referrer.s), "%s", push_manifest(f, "r", NULL, MANIFEST, json));
	set_manifest(f, referrer.s, 1 * DAY, 0, 0);
	apply(f, "r: keep-untagged=1d", "");
	expect(f, 202, "DELETE", text("/v2/r/manifests/%s", subject.s));
	apply(f, "r: keep-untagged=1d", "@ ");
}

/* ---- beside clients, and ended --------------------------------------------------------------- */

struct meddler {
	struct fixture *f;
	unsigned reports;
};

static void push_again(void *arg, const struct loci_retention_item *item)
{
	struct meddler *m = arg;
	(void)item;
	if (m->reports++ == 0)
		push_image(m->f, "r", "t100", "one");
}

/* What is pushed again between judgement and removal stays. */
static void test_pushed_meanwhile(void **state)
{
	enum { N = 128 };
	struct fixture *f = *state;
	struct loci_retention *r;
	static const char *const rule = "r: keep-pushed=30d";
	struct meddler m = {.f = f};
	struct loci_retention_stats stats = {.struct_size = sizeof(stats)};
	const struct loci_retention_opts o = {
	        .struct_size = sizeof(o), .now = TODAY, .report = push_again, .report_arg = &m};
	for (int i = 0; i < N; i++) {
		const char *tag = text("t%03d", i);
		push_image(f, "r", tag, "one");
		set_tag(f, tag, 1 * DAY);
	}
	/* The second batch of the listing is read before the first removal: t100 with it. */
	assert_int_equal(loci_retention_parse(&rule, 1, &r, NULL), 0);
	assert_int_equal(loci_retention_run(r, f->store, &o, &stats, NULL), 0);
	loci_retention_free(r);
	assert_int_equal(stats.tags_removed, N - 1);
	expect(f, 200, "GET", "/v2/r/manifests/t100");
}

static bool cancel_third(void *arg)
{
	return ++*(unsigned *)arg == 3;
}

static void test_cancel(void **state)
{
	struct fixture *f = *state;
	struct loci_retention *r;
	static const char *const rule = "**: keep-pushed=30d keep-untagged=1d";
	unsigned asked = 0;
	struct loci_error err = {0};
	const struct loci_retention_opts o = {.struct_size = sizeof(o),
	                                      .now = TODAY,
	                                      .is_canceled = cancel_third,
	                                      .cancel_arg = &asked};
	PUSH_TAGS(f, {"a", 1});
	push_image(f, "s", "kept", "kept");
	assert_int_equal(loci_retention_parse(&rule, 1, &r, NULL), 0);
	assert_int_equal(loci_retention_run(r, f->store, &o, /* stats= */ NULL, &err),
	                 LOCI_E_CANCELED);
	assert_string_equal(err.msg, "retention was stopped");
	assert_int_equal(asked, 3);
	loci_retention_free(r);
}

/* A GET of a manifest is a pull, when they are remembered. */
static int flush_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	(void)t, (void)arg, (void)err;
	return 0;
}

static int take_pulled(void *arg, const struct loci_tag_info *tag)
{
	*(uint64_t *)arg = tag->pulled_at;
	return 0;
}

static uint64_t pulled_at(struct fixture *f)
{
	uint64_t at = 0;
	write_op(f, flush_op, NULL); /* notes are posted: they come before this */
	assert_int_equal(loci_tag_info_foreach(f->store, "r", NULL, take_pulled, &at, NULL), 0);
	return at;
}

static void test_pulls_are_noted(void **state)
{
	struct fixture *f = *state;
	const struct loci_registry_opts track = {.track_pulls = true};
	uint64_t since = 1;
	push(f, "v1", "one");
	expect(f, 200, "GET", "/v2/r/manifests/v1");
	assert_int_equal(pulled_at(f), 0);
	fixture_restart(f, &track);
	assert_int_equal(loci_pulls_since(f->store, &since, NULL), 0);
	assert_true(since > 0);
	expect(f, 200, "HEAD", "/v2/r/manifests/v1");
	assert_int_equal(pulled_at(f), 0);
	expect(f, 200, "GET", "/v2/r/manifests/v1");
	assert_true(pulled_at(f) > 0);
	fixture_restart(f, NULL);
	assert_int_equal(loci_pulls_since(f->store, &since, NULL), 0);
	assert_int_equal(since, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	        TEST(test_keep_last),       TEST(test_keep_tags),         TEST(test_keep_pushed),
	        TEST(test_only_untagged),   TEST(test_keep_pulled),       TEST(test_subject_names),
	        TEST(test_untagged),        TEST(test_tag_then_manifest), TEST(test_children),
	        TEST(test_referrers),       TEST(test_pushed_meanwhile),  TEST(test_cancel),
	        TEST(test_pulls_are_noted),
#undef TEST
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Events: what is recorded, in the transaction of what; readers and their marks; the bounded queue.
 */
#include "store_fixture.h"

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/store/event.h"
#include "core/store/event_row.h"
#include "loci/event.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALL            (~0u)
#define CONFIG         "{\"os\":\"linux\",\"architecture\":\"amd64\"}"
#define LAYER          "layer"
#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

static void listen_as(struct loci_store *st, const char *name, unsigned types, uint64_t max)
{
	const struct loci_event_reader r = {name, types};
	assert_loci_ok(loci_events_configure(st, &r, 1, max, &e_));
}

static struct loci_event *next(struct loci_store *st, uint64_t after)
{
	struct loci_event *e;
	uint64_t last;
	assert_loci_ok(loci_event_next(st, after, ALL, &e, &last, &e_));
	return e;
}

/* The event behind `after` is of that type, about the digest; the caller frees it. */
static struct loci_event *expect(struct loci_store *st, uint64_t after, int type,
                                 const struct loci_digest *d)
{
	struct loci_event *e = next(st, after);
	assert_non_null(e);
	assert_int_equal(e->sequence, after + 1);
	assert_int_equal(e->type, type);
	assert_string_equal(e->repo, "team/app");
	assert_true(loci_digest_equal(&e->digest, d));
	return e;
}

static void expect_none(struct loci_store *st, uint64_t after)
{
	assert_null(next(st, after));
}

static struct loci_event_stats stats(struct loci_store *st)
{
	struct loci_event_stats s = {.struct_size = sizeof(s)};
	assert_loci_ok(loci_event_stats(st, &s, &e_));
	return s;
}

static void put_small(struct loci_store *st, int i)
{
	char text[32];
	struct loci_digest d;
	int n = snprintf(text, sizeof(text), "blob %d", i);
	assert_loci_ok(loci_blob_put(st, "team/app", text, (size_t)n, NULL, &d, &e_));
}

/* ---- what is recorded ------------------------------------------------------------------------ */

static void test_life_of_an_image(void **state)
{
	struct fixture *f = *state;
	struct image im;
	struct loci_event *e;
	const struct loci_origin origin = {.struct_size = sizeof(origin),
	                                   .peer = "192.0.2.1",
	                                   .user_agent = "docker/25",
	                                   .request_id = "id-1",
	                                   .method = "PUT"};
	image_make(&im, CONFIG, LAYER, NULL);
	listen_as(f->st, "hook", ALL, 100);
	assert_null(loci_origin_set(&origin));
	image_push(f->st, "team/app", &im, CONFIG, LAYER, "v1");
	e = expect(f->st, 0, LOCI_EVENT_BLOB_PUSH, &im.config);
	assert_int_equal(e->size, strlen(CONFIG));
	assert_string_equal(e->origin.peer, "192.0.2.1");
	loci_event_free(e);
	loci_event_free(expect(f->st, 1, LOCI_EVENT_BLOB_PUSH, &im.layer));
	e = expect(f->st, 2, LOCI_EVENT_MANIFEST_PUSH, &im.digest);
	assert_int_equal(e->size, im.n);
	assert_string_equal(e->media_type, "application/vnd.oci.image.manifest.v1+json");
	assert_int_equal(e->n_tags, 1);
	assert_string_equal(e->tags[0], "v1");
	assert_string_equal(e->origin.user_agent, "docker/25");
	assert_string_equal(e->origin.request_id, "id-1");
	assert_string_equal(e->origin.method, "PUT");
	assert_string_equal(e->origin.host, "");
	assert_in_range(e->time_ms / 1000, loci__clock_epoch() - 600, loci__clock_epoch());
	loci_event_free(e);
	assert_ptr_equal(loci_origin_set(NULL), &origin);

	assert_loci_ok(loci_tag_delete(f->st, "team/app", "v1", &e_));
	e = expect(f->st, 3, LOCI_EVENT_TAG_DELETE, &im.digest);
	assert_string_equal(e->tags[0], "v1");
	assert_string_equal(e->origin.peer, "");
	loci_event_free(e);
	assert_loci_ok(loci_manifest_delete(f->st, "team/app", &im.digest, &e_));
	e = expect(f->st, 4, LOCI_EVENT_MANIFEST_DELETE, &im.digest);
	assert_int_equal(e->size, im.n);
	assert_string_equal(e->media_type, "application/vnd.oci.image.manifest.v1+json");
	loci_event_free(e);
	assert_loci_ok(loci_blob_delete(f->st, "team/app", &im.layer, &e_));
	loci_event_free(expect(f->st, 5, LOCI_EVENT_BLOB_DELETE, &im.layer));
	expect_none(f->st, 6);
	image_done(&im);
}

static void test_mount(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d;
	listen_as(f->st, "hook", ALL & ~LOCI_EVENT_BIT(LOCI_EVENT_BLOB_PUSH), 100);
	assert_loci_ok(loci_blob_put(f->st, "other", "x", 1, NULL, &d, &e_));
	assert_loci_ok(loci_blob_mount(f->st, "other", "team/app", &d, &e_));
	struct loci_event *e = expect(f->st, 0, LOCI_EVENT_BLOB_MOUNT, &d);
	assert_string_equal(e->from_repo, "other");
	assert_int_equal(e->size, 1);
	loci_event_free(e);
}

/* A refused put, a delete of nothing: no event. What belongs to no repository: none either. */
static void test_nothing_for_nothing(void **state)
{
	struct fixture *f = *state;
	struct image im;
	struct loci_digest d = digest_of("nothing", 7);
	image_make(&im, CONFIG, LAYER, NULL);
	listen_as(f->st, "hook", ALL, 100);
	assert_loci_code(LOCI_E_NOT_FOUND, image_put(f->st, "team/app", &im, "v1", 0, NULL, &e_));
	assert_loci_code(LOCI_E_NOT_FOUND, loci_tag_delete(f->st, "team/app", "v1", &e_));
	assert_loci_code(LOCI_E_NOT_FOUND, loci_manifest_delete(f->st, "team/app", &d, &e_));
	assert_loci_code(LOCI_E_NOT_FOUND, loci_blob_delete(f->st, "team/app", &d, &e_));
	assert_loci_code(LOCI_E_NOT_FOUND, loci_blob_mount(f->st, NULL, "team/app", &d, &e_));
	assert_loci_ok(loci_blob_put(f->st, NULL, "x", 1, NULL, NULL, &e_));
	expect_none(f->st, 0);
	image_done(&im);
}

static void test_nobody_listens(void **state)
{
	struct fixture *f = *state;
	put_small(f->st, 1);
	assert_false(loci_event_is_wanted(f->st, 0));
	assert_int_equal(stats(f->st).last, 0);
	listen_as(f->st, "hook", LOCI_EVENT_BIT(LOCI_EVENT_BLOB_PUSH), 100);
	assert_true(loci_event_is_wanted(f->st, 0));
	assert_true(loci_event_is_wanted(f->st, LOCI_EVENT_BLOB_PUSH));
	assert_false(loci_event_is_wanted(f->st, LOCI_EVENT_MANIFEST_PULL));
	put_small(f->st, 2);
	assert_int_equal(stats(f->st).waiting, 1);
	/* Nobody any more: what waited goes, the count goes on. */
	assert_loci_ok(loci_events_configure(f->st, NULL, 0, 0, &e_));
	assert_false(loci_event_is_wanted(f->st, 0));
	put_small(f->st, 3);
	assert_int_equal(stats(f->st).waiting, 0);
	assert_int_equal(stats(f->st).last, 1);
	listen_as(f->st, "hook", ALL, 100);
	put_small(f->st, 4);
	assert_int_equal(stats(f->st).last, 2);
	expect_none(f->st, 2);
}

static void test_many_tags(void **state)
{
	struct fixture *f = *state;
	struct image im;
	char names[LOCI_EVENT_TAGS_MAX + 3][8];
	const char *tags[LOCI_EVENT_TAGS_MAX + 3];
	for (size_t i = 0; i < LOCI_EVENT_TAGS_MAX + 3; i++) {
		snprintf(names[i], sizeof(names[i]), "t%zu", i);
		tags[i] = names[i];
	}
	image_make(&im, CONFIG, LAYER, NULL);
	const struct loci_manifest_put put = {
	        .struct_size = sizeof(put),
	        .media_type = "application/vnd.oci.image.manifest.v1+json",
	        .bytes = im.manifest,
	        .n = im.n,
	        .tags = tags,
	        .n_tags = LOCI_EVENT_TAGS_MAX + 3,
	        .flags = LOCI_MANIFEST_PUT_SPARSE,
	};
	listen_as(f->st, "hook", ALL, 100);
	assert_loci_ok(loci_manifest_put(f->st, "team/app", &put, NULL, &e_));
	struct loci_event *e = expect(f->st, 0, LOCI_EVENT_MANIFEST_PUSH, &im.digest);
	assert_int_equal(e->n_tags, LOCI_EVENT_TAGS_MAX);
	loci_event_free(e);
	e = expect(f->st, 1, LOCI_EVENT_MANIFEST_PUSH, &im.digest);
	assert_int_equal(e->n_tags, 3);
	assert_string_equal(e->tags[2], tags[LOCI_EVENT_TAGS_MAX + 2]);
	loci_event_free(e);
	image_done(&im);
}

/* Posted: it is there once whatever was written after it is. */
static void test_pull(void **state)
{
	struct fixture *f = *state;
	struct loci_manifest_bytes *m;
	struct image im;
	image_make(&im, CONFIG, LAYER, NULL);
	image_push(f->st, "team/app", &im, CONFIG, LAYER, "v1");
	assert_loci_ok(loci_manifest_get(f->st, "team/app", "v1", NULL, &m, &e_));
	loci_event_pulled(f->st, "team/app", m, "v1"); /* nobody listens */
	listen_as(f->st, "hook", LOCI_EVENT_BIT(LOCI_EVENT_MANIFEST_PULL), 100);
	loci_event_pulled(f->st, "team/app", m, "v1");
	loci_event_pulled(f->st, "team/app", m, NULL);
	put_small(f->st, 1);
	struct loci_event *e = expect(f->st, 0, LOCI_EVENT_MANIFEST_PULL, &im.digest);
	assert_string_equal(e->tags[0], "v1");
	loci_event_free(e);
	e = expect(f->st, 1, LOCI_EVENT_MANIFEST_PULL, &im.digest);
	assert_int_equal(e->n_tags, 0);
	loci_event_free(e);
	expect_none(f->st, 2);
	loci_manifest_bytes_free(m);
	image_done(&im);
}

/* ---- readers --------------------------------------------------------------------------------- */

static uint64_t mark(struct loci_store *st, const char *reader)
{
	uint64_t m = 0;
	assert_loci_ok(loci_event_mark(st, reader, &m, &e_));
	return m;
}

static void test_marks(void **state)
{
	struct fixture *f = *state;
	const struct loci_event_reader both[] = {{"a", ALL}, {"b", ALL}};
	assert_loci_ok(loci_events_configure(f->st, both, 1, 100, &e_));
	for (int i = 0; i < 5; i++)
		put_small(f->st, i);
	/* A new one starts with what comes next; the old one keeps its place. */
	assert_loci_ok(loci_events_configure(f->st, both, 2, 100, &e_));
	assert_int_equal(mark(f->st, "a"), 0);
	assert_int_equal(mark(f->st, "b"), 5);
	put_small(f->st, 5);
	assert_loci_ok(loci_event_done(f->st, "a", 4, &e_));
	assert_int_equal(stats(f->st).waiting, 2);
	assert_loci_ok(loci_event_done(f->st, "a", 2, &e_)); /* never back */
	assert_int_equal(mark(f->st, "a"), 4);
	assert_loci_ok(loci_event_done(f->st, "b", 999, &e_)); /* never ahead */
	assert_int_equal(mark(f->st, "b"), 6);
	assert_int_equal(stats(f->st).waiting, 2);
	/* They outlive a restart. */
	fixture_reopen(f);
	assert_int_equal(mark(f->st, "a"), 4);
	assert_false(loci_event_is_wanted(f->st, 0)); /* until it has looked */
	assert_int_equal(stats(f->st).types, ALL);
	assert_true(loci_event_is_wanted(f->st, 0));
	/* The slow one goes: what waited for it alone does, too. */
	assert_loci_ok(loci_events_configure(f->st, &both[1], 1, 100, &e_));
	assert_int_equal(stats(f->st).waiting, 0);
	uint64_t m;
	assert_loci_code(LOCI_E_NOT_FOUND, loci_event_mark(f->st, "a", &m, &e_));
	assert_loci_code(LOCI_E_NOT_FOUND, loci_event_done(f->st, "a", 1, &e_));
}

static int count_reader(void *arg, const struct loci_event_reader *r, uint64_t done)
{
	unsigned *n = arg;
	char want[16];
	snprintf(want, sizeof(want), "r%03u", (*n)++);
	assert_string_equal(r->name, want);
	assert_int_equal(r->types, 6);
	assert_int_equal(done, 0);
	return 0;
}

static void test_list_of_readers(void **state)
{
	struct fixture *f = *state;
	struct loci_event_reader readers[100];
	char names[100][16];
	unsigned n = 0;
	for (int i = 0; i < 100; i++) {
		snprintf(names[i], sizeof(names[i]), "r%03d", i);
		readers[i] = (struct loci_event_reader){names[i], 6};
	}
	assert_loci_ok(loci_events_configure(f->st, readers, 100, 1, &e_));
	assert_loci_ok(loci_event_reader_foreach(f->st, count_reader, &n, &e_));
	assert_int_equal(n, 100);
}

static void test_bad_readers(void **state)
{
	struct fixture *f = *state;
	char long_name[LOCI_EVENT_READER_MAX + 2];
	const char *const bad[] = {"", "a b", "a/b", "\x01", NULL, long_name};
	memset(long_name, 'a', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct loci_event_reader r = {bad[i], ALL};
		assert_loci_code(LOCI_E_INVALID, loci_events_configure(f->st, &r, 1, 10, &e_));
	}
	const struct loci_event_reader good = {"a", ALL};
	assert_loci_code(LOCI_E_INVALID, loci_events_configure(f->st, &good, 1, 0, &e_));
}

/* A dead reader: the queue stays at its length, the oldest go, and are counted. */
static void test_bounded(void **state)
{
	struct fixture *f = *state;
	listen_as(f->st, "dead", ALL, 3);
	for (int i = 0; i < 10; i++)
		put_small(f->st, i);
	struct loci_event_stats s = stats(f->st);
	assert_int_equal(s.waiting, 3);
	assert_int_equal(s.dropped, 7);
	assert_int_equal(s.last, 10);
	struct loci_event *e = next(f->st, 0);
	assert_int_equal(e->sequence, 8);
	loci_event_free(e);
	listen_as(f->st, "dead", ALL, 1);
	put_small(f->st, 10);
	assert_int_equal(stats(f->st).waiting, 1);
}

/* A look ends after a number of rows of no interest, and says how far it came. */
static void test_filtered_look(void **state)
{
	struct fixture *f = *state;
	struct loci_event *e;
	uint64_t last;
	listen_as(f->st, "hook", ALL, 10);
	for (int i = 0; i < 4; i++)
		put_small(f->st, i);
	assert_loci_ok(
	        loci_event_next(f->st, 1, LOCI_EVENT_BIT(LOCI_EVENT_TAG_DELETE), &e, &last, &e_));
	assert_null(e);
	assert_int_equal(last, 4);
	assert_loci_ok(loci_event_next(f->st, 4, ALL, &e, &last, &e_));
	assert_null(e);
	assert_int_equal(last, 4);
}

/* ---- waiting --------------------------------------------------------------------------------- */

static void *put_one(void *arg)
{
	put_small(arg, 1);
	return NULL;
}

static void test_wait(void **state)
{
	struct fixture *f = *state;
	pthread_t thread;
	uint64_t seen = 0;
	listen_as(f->st, "hook", ALL, 10);
	loci_events_wait(f->st, &seen, 1); /* nothing: the time is over */
	assert_int_equal(seen, 0);
	assert_int_equal(pthread_create(&thread, NULL, put_one, f->st), 0);
	while (seen == 0)
		loci_events_wait(f->st, &seen, 60000);
	pthread_join(thread, NULL);
	struct loci_event *e = next(f->st, 0);
	assert_non_null(e);
	loci_event_free(e);
	uint64_t before = seen;
	loci_events_wake(f->st);
	loci_events_wait(f->st, &seen, 60000);
	assert_int_equal(seen, before + 1);
}

/* ---- rows ------------------------------------------------------------------------------------ */

static void test_row(void **state)
{
	char p[LOCI_EVENT_ROW_MAX], agent[600];
	const char *tags[] = {"a", "b"};
	struct loci_event e = {.type = LOCI_EVENT_MANIFEST_PUSH,
	                       .repo = "r",
	                       .digest = digest_of("x", 1),
	                       .tags = tags,
	                       .n_tags = 2,
	                       .origin = {.user_agent = agent}};
	(void)state;
	/* Cut in the middle of a character: the whole of it goes. */
	memset(agent, 'x', sizeof(agent));
	memcpy(agent + LOCI_EVENT_TEXT_MAX - 1, "\xc3\xa4", 2);
	agent[sizeof(agent) - 1] = '\0';
	size_t n = loci__event_encode(&e, p);
	struct loci_event *back = loci__event_decode(7, (struct loci_slice){p, n});
	assert_non_null(back);
	assert_int_equal(back->sequence, 7);
	assert_int_equal(strlen(back->origin.user_agent), LOCI_EVENT_TEXT_MAX - 1);
	assert_string_equal(back->media_type, "");
	assert_string_equal(back->tags[1], "b");
	loci_event_free(back);
	for (size_t cut = 0; cut < n; cut++) {
		back = loci__event_decode(7, (struct loci_slice){p, cut});
		if (back)
			assert_true(back->n_tags < 2);
		else
			assert_int_equal(errno, EBADMSG);
		loci_event_free(back);
	}
	p[1] = LOCI_EVENT_TYPES_;
	assert_null(loci__event_decode(7, (struct loci_slice){p, n}));
	assert_int_equal(loci__event_type_of((struct loci_slice){p, n}), 0);
}

/* The longest of everything fits. */
static void test_longest_row(void **state)
{
	char p[LOCI_EVENT_ROW_MAX], text[300], tag[LOCI_TAG_MAX + 1];
	const char *tags[LOCI_EVENT_TAGS_MAX];
	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	memset(tag, 't', sizeof(tag));
	tag[LOCI_TAG_MAX] = '\0';
	for (size_t i = 0; i < LOCI_EVENT_TAGS_MAX; i++)
		tags[i] = tag;
	const struct loci_event e = {.type = LOCI_EVENT_MANIFEST_PUSH,
	                             .repo = text,
	                             .media_type = text,
	                             .from_repo = text,
	                             .digest = {.alg = LOCI_SHA512, .len = 64},
	                             .tags = tags,
	                             .n_tags = LOCI_EVENT_TAGS_MAX,
	                             .origin = {.peer = text,
	                                        .host = text,
	                                        .user_agent = text,
	                                        .request_id = text,
	                                        .method = text}};
	size_t n = loci__event_encode(&e, p);
	assert_in_range(n, 1, sizeof(p));
	struct loci_event *back = loci__event_decode(1, (struct loci_slice){p, n});
	assert_non_null(back);
	assert_int_equal(back->n_tags, LOCI_EVENT_TAGS_MAX);
	loci_event_free(back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        STORE_TEST(test_life_of_an_image),
	        STORE_TEST(test_mount),
	        STORE_TEST(test_nothing_for_nothing),
	        STORE_TEST(test_nobody_listens),
	        STORE_TEST(test_many_tags),
	        STORE_TEST(test_pull),
	        STORE_TEST(test_marks),
	        STORE_TEST(test_list_of_readers),
	        STORE_TEST(test_bad_readers),
	        STORE_TEST(test_bounded),
	        STORE_TEST(test_filtered_look),
	        STORE_TEST(test_wait),
	        cmocka_unit_test(test_row),
	        cmocka_unit_test(test_longest_row),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The scrub: what it finds, what it puts aside and how that heals, where it goes on. */
#include "core/store/manifest_row.h"
#include "core/store/scrub.h"
#include "loci/inventory.h"
#include "loci/usage.h"
#include "store_fixture.h"

#include "core/base/cleanup.h"
#include "core/base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG "{\"config\":1}"
#define LAYER  "the bytes of a layer"

/* ---- a disk that fails ----------------------------------------------------------------------- */

static int failures_left; /* reads that fail from now on */
ssize_t __real_loci__scrub_pread(int fd, void *p, size_t n, uint64_t offset);
ssize_t __wrap_loci__scrub_pread(int fd, void *p, size_t n, uint64_t offset);
ssize_t __wrap_loci__scrub_pread(int fd, void *p, size_t n, uint64_t offset)
{
	if (failures_left > 0) {
		failures_left--;
		errno = EIO;
		return -1;
	}
	return __real_loci__scrub_pread(fd, p, n, offset);
}

/* ---- what is told ---------------------------------------------------------------------------- */

#define TOLD_MAX 8192
struct told {
	char text[TOLD_MAX];
	size_t n;
	unsigned stop_after; /* bad things; 0: never */
	unsigned bad;
};

static void say(struct told *t, const char *fmt, ...) LOCI_PRINTF(2, 3);
static void say(struct told *t, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	t->n += (size_t)vsnprintf(t->text + t->n, sizeof(t->text) - t->n, fmt, args);
	va_end(args);
	assert_true(t->n < sizeof(t->text));
}

static int on_event(void *arg, const struct loci_scrub_event *ev)
{
	struct told *t = arg;
	if (ev->kind == LOCI_SCRUB_BAD)
		say(t, "%s %.6s %s%s\n", ev->is_manifest ? "manifest" : "blob",
		    loci__digest_text(ev->digest).s + 7, loci_scrub_verdict_name(ev->verdict),
		    ev->is_fixed ? " fixed" : "");
	if (ev->kind == LOCI_SCRUB_REFERENCE)
		say(t, "- %s %.6s %s\n", ev->repo,
		    ev->manifest ? loci__digest_text(ev->manifest).s + 7 : "",
		    ev->tag ? ev->tag : "");
	return ev->kind == LOCI_SCRUB_BAD_END && ++t->bad == t->stop_after;
}

static struct loci_scrub_result scrub_as(struct fixture *f, const char *repo, unsigned flags,
                                         struct told *told)
{
	struct loci_scrub_opts o = {.struct_size = sizeof(o),
	                            .repo = repo,
	                            .flags = flags,
	                            .event = on_event,
	                            .event_arg = told};
	struct loci_scrub_result result;
	memset(told, 0, offsetof(struct told, stop_after));
	told->bad = 0;
	assert_loci_code(told->stop_after ? LOCI_E_CANCELED : 0,
	                 loci_scrub(f->st, &o, &result, &e_));
	return result;
}

static struct loci_scrub_result scrub(struct fixture *f, unsigned flags, struct told *told)
{
	told->stop_after = 0;
	return scrub_as(f, /* repo= */ NULL, flags, told);
}

/* ---- damage ---------------------------------------------------------------------------------- */

static const char *path_of(const struct fixture *f, const struct loci_digest *d)
{
	static char path[600];
	struct loci__digest_text t = loci__digest_text(d);
	snprintf(path, sizeof(path), "%s/blobs/sha256/%.2s/%s", f->store, t.s + 7, t.s + 7);
	return path;
}

static void write_at_start(const struct fixture *f, const struct loci_digest *d, const char *bytes)
{
	int fd = open(path_of(f, d), O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, strlen(bytes)), strlen(bytes));
	close(fd);
}

static unsigned count_kept(const struct fixture *f)
{
	char path[400];
	unsigned n = 0;
	snprintf(path, sizeof(path), "%s/quarantine/sha256", f->store);
	loci__cleanup_dir DIR *d = opendir(path);
	for (struct dirent *e; d && (e = readdir(d));)
		n += e->d_name[0] != '.';
	return n;
}

static bool is_there(struct loci_store *st, const char *repo, const struct loci_digest *d)
{
	uint64_t size;
	return loci_blob_stat(st, repo, d, &size, NULL) == 0;
}

/* "r:v1" and "q:v1", one image; its layer is the one that is damaged. */
static void push_two(struct fixture *f, struct image *im)
{
	image_make(im, CONFIG, LAYER, NULL);
	image_push(f->st, "r", im, CONFIG, LAYER, "v1");
	image_push(f->st, "q", im, CONFIG, LAYER, "v1");
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void test_good(void **state)
{
	struct fixture *f = *state;
	struct told told = {0};
	struct image im;
	push_two(f, &im);
	struct loci_scrub_result r = scrub(f, LOCI_SCRUB_FIX, &told);
	assert_int_equal(r.blobs, 2);
	assert_int_equal(r.manifests, 1);
	assert_int_equal(r.bytes, strlen(CONFIG) + strlen(LAYER) + im.n);
	assert_int_equal(r.bad, 0);
	assert_true(r.ended);
	assert_string_equal(told.text, "");
	image_done(&im);
}

static void damage_bytes(struct fixture *f, const struct loci_digest *d)
{
	write_at_start(f, d, "THE");
}
static void damage_size(struct fixture *f, const struct loci_digest *d)
{
	assert_int_equal(truncate(path_of(f, d), 3), 0);
}
static void damage_name(struct fixture *f, const struct loci_digest *d)
{
	assert_int_equal(unlink(path_of(f, d)), 0);
}

static void test_found_put_aside_healed(void **state)
{
	static const struct {
		void (*damage)(struct fixture *f, const struct loci_digest *d);
		const char *verdict;
		unsigned kept;
	} rows[] = {
	        {damage_bytes, "damaged", 1}, {damage_size, "cut", 1}, {damage_name, "missing", 0}};
	struct fixture *f = *state;
	struct told told = {0};
	struct image im;
	char want[400];
	push_two(f, &im);
	for (size_t i = 0; i < loci__array_len(rows); i++) {
		rows[i].damage(f, &im.layer);
		snprintf(want, sizeof(want), "blob %.6s %s\n- q %.6s v1\n- r %.6s v1\n",
		         loci__digest_text(&im.layer).s + 7, rows[i].verdict,
		         loci__digest_text(&im.digest).s + 7, loci__digest_text(&im.digest).s + 7);
		unsigned kept = count_kept(f);
		struct loci_scrub_result r = scrub(f, 0, &told);
		assert_string_equal(told.text, want);
		assert_int_equal(r.bad, 1);
		assert_int_equal(r.fixed, 0);
		assert_int_equal(count_kept(f), kept); /* looking changes nothing */

		r = scrub(f, LOCI_SCRUB_FIX, &told);
		assert_int_equal(r.fixed, 1);
		assert_int_equal(count_kept(f), kept + rows[i].kept);
		assert_false(is_there(f->st, "r", &im.layer));
		assert_false(is_there(f->st, "q", &im.layer));
		assert_true(is_there(f->st, "r", &im.config));
		r = scrub(f, 0, &told);
		assert_int_equal(r.by_verdict[LOCI_SCRUB_MISSING], 1); /* until it is pushed */

		/* One push heals both, and the next scrub says so. */
		struct loci_digest d;
		assert_loci_ok(loci_blob_put(f->st, "r", LAYER, strlen(LAYER), &im.layer, &d, &e_));
		assert_true(has_blob(f->st, "r", &im.layer));
		assert_true(has_blob(f->st, "q", &im.layer));
		assert_int_equal(scrub(f, 0, &told).bad, 0);
		/* The time is in the name of what is kept: each round has its own. */
		char path[400];
		snprintf(path, sizeof(path), "%s/quarantine", f->store);
		assert_int_equal(loci__rm_tree(AT_FDCWD, path, NULL), 0);
	}
	image_done(&im);
}

/* A row whose file was put aside and never came back can go like any other. */
static void test_put_aside_can_be_deleted(void **state)
{
	struct fixture *f = *state;
	struct told told = {0};
	struct image im;
	push_two(f, &im);
	damage_bytes(f, &im.layer);
	scrub(f, LOCI_SCRUB_FIX, &told);
	assert_loci_ok(loci_manifest_delete(f->st, "r", &im.digest, &e_));
	assert_loci_ok(loci_blob_delete(f->st, "r", &im.layer, &e_));
	fixture_reopen(f);
	assert_false(is_there(f->st, "r", &im.layer));
	image_done(&im);
}

/* A disk that fails once is asked again; one that fails twice is told of, and loses nothing. */
static void test_unreadable(void **state)
{
	struct fixture *f = *state;
	struct told told = {0};
	struct image im;
	push_two(f, &im);
	failures_left = 1;
	assert_int_equal(scrub(f, LOCI_SCRUB_FIX, &told).bad, 0);
	failures_left = 2;
	struct loci_scrub_result r = scrub(f, LOCI_SCRUB_FIX, &told);
	assert_int_equal(r.by_verdict[LOCI_SCRUB_UNREADABLE], 1);
	assert_int_equal(r.fixed, 0);
	assert_true(has_blob(f->st, "r", &im.layer) && has_blob(f->st, "r", &im.config));
	failures_left = 2;
	r = scrub(f, LOCI_SCRUB_FIX | LOCI_SCRUB_FIX_UNREADABLE, &told);
	assert_int_equal(r.fixed, 1);
	assert_int_equal(count_kept(f), 1);
	failures_left = 0;
	image_done(&im);
}

/* The tag on an index of an image is told of, too. */
static void test_references_of_an_index(void **state)
{
	struct fixture *f = *state;
	struct told told = {0};
	struct image im;
	char json[600], want[400];
	image_make(&im, CONFIG, LAYER, NULL);
	image_push(f->st, "r", &im, CONFIG, LAYER, NULL);
	int n = snprintf(json, sizeof(json),
	                 "{\"schemaVersion\":2,\"mediaType\":\"" LOCI_MEDIA_OCI_INDEX
	                 "\",\"manifests\":[{\"mediaType\":\"" LOCI_MEDIA_OCI_MANIFEST
	                 "\",\"digest\":\"%s\",\"size\":%zu}]}",
	                 loci__digest_text(&im.digest).s, im.n);
	const char *tags[] = {"a", "b"};
	struct loci_manifest_put put = {.struct_size = sizeof(put),
	                                .bytes = json,
	                                .n = (size_t)n,
	                                .media_type = LOCI_MEDIA_OCI_INDEX,
	                                .tags = tags,
	                                .n_tags = 2};
	struct loci_manifest_put_result res;
	assert_loci_ok(loci_manifest_put(f->st, "r", &put, &res, &e_));
	damage_bytes(f, &im.layer);
	scrub(f, 0, &told);
	snprintf(want, sizeof(want), "blob %.6s damaged\n- r %.6s \n- r %.6s a\n- r %.6s b\n",
	         loci__digest_text(&im.layer).s + 7, loci__digest_text(&im.digest).s + 7,
	         loci__digest_text(&res.digest).s + 7, loci__digest_text(&res.digest).s + 7);
	assert_string_equal(told.text, want);
	image_done(&im);
}

static int spoil_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	struct loci__manifest_row row;
	char bytes[1024];
	int rc = loci__manifest_row_get(t, arg, &row, err);
	if (rc < 0)
		return rc;
	memcpy(bytes, row.bytes.p, row.bytes.n);
	bytes[0] = '[';
	char type[] = LOCI_MEDIA_OCI_MANIFEST;
	row.media_type = (struct loci_slice){type, strlen(type)};
	row.bytes.p = bytes;
	return loci__manifest_row_put(t, arg, &row, err);
}

static void test_manifest(void **state)
{
	struct fixture *f = *state;
	struct told told = {0};
	struct image im;
	char want[200];
	push_two(f, &im);
	assert_loci_ok(loci__store_write(f->st, spoil_op, &im.digest, &e_));
	snprintf(want, sizeof(want), "manifest %.6s damaged fixed\n- q %.6s v1\n- r %.6s v1\n",
	         loci__digest_text(&im.digest).s + 7, loci__digest_text(&im.digest).s + 7,
	         loci__digest_text(&im.digest).s + 7);
	assert_int_equal(scrub(f, 0, &told).fixed, 0);
	assert_int_equal(scrub(f, LOCI_SCRUB_FIX, &told).fixed, 1);
	assert_string_equal(told.text, want);
	assert_int_equal(count_kept(f), 1);
	struct loci_manifest_bytes *m;
	assert_loci_code(LOCI_E_NOT_FOUND, loci_manifest_get(f->st, "r", "v1", NULL, &m, &e_));
	assert_loci_ok(image_put(f->st, "r", &im, NULL, 0, NULL, &e_));
	assert_true(has_tag(f->st, "r", "v1", &im.digest));
	assert_true(has_tag(f->st, "q", "v1", &im.digest));
	assert_int_equal(scrub(f, 0, &told).bad, 0);
	image_done(&im);
}

static int count_manifest(void *arg, const struct loci_manifest_info *info)
{
	(void)info;
	++*(unsigned *)arg;
	return 0;
}

static unsigned count_manifests(struct fixture *f, const char *repo)
{
	unsigned n = 0;
	assert_loci_ok(loci_manifest_info_foreach(f->st, repo, NULL, count_manifest, &n, &e_));
	return n;
}

static void remove_repo(struct fixture *f, const char *repo)
{
	struct loci_usage removed, left;
	int more;
	while ((more = loci_repo_remove_step(f->st, repo, &removed, NULL)) == 1)
		;
	assert_int_equal(more, 0);
	assert_loci_ok(loci_usage_get(f->st, repo, &left, &e_));
	assert_int_equal(left.bytes + left.manifests + left.tags, 0);
}

/* Without its row a manifest is still listed past, counted rightly, and can be removed. */
static void test_manifest_put_aside_holds_up_nobody(void **state)
{
	struct fixture *f = *state;
	struct told told = {0};
	struct image im;
	push_two(f, &im);
	assert_int_equal(count_manifests(f, "q"), 1);
	assert_loci_ok(loci__store_write(f->st, spoil_op, &im.digest, &e_));
	assert_int_equal(scrub(f, LOCI_SCRUB_FIX, &told).fixed, 1);
	assert_usage_is_right(f->st);
	assert_int_equal(count_manifests(f, "q"), 0);
	assert_loci_ok(loci_manifest_delete(f->st, "q", &im.digest, &e_));
	assert_usage_is_right(f->st);
	remove_repo(f, "q");
	assert_loci_ok(image_put(f->st, "q", &im, "v1", LOCI_MANIFEST_PUT_SPARSE, NULL, &e_));
	assert_true(has_tag(f->st, "r", "v1", &im.digest));
	assert_usage_is_right(f->st);
	remove_repo(f, "q");
	remove_repo(f, "r");
	image_done(&im);
}

/* Stopped at the first bad one of many: the next run reads the rest, and only that. */
static void test_goes_on(void **state)
{
	enum { MANY = 150 };
	struct fixture *f = *state;
	struct told told = {.stop_after = 1};
	struct loci_digest d[MANY];
	for (int i = 0; i < MANY; i++) {
		char text[32];
		snprintf(text, sizeof(text), "blob number %d", i);
		assert_loci_ok(loci_blob_put(f->st, "r", text, strlen(text), NULL, &d[i], &e_));
	}
	/* Some in the middle, by digest: both runs have something to read. */
	int middle = 0;
	for (int i = 0; i < MANY; i++)
		if (d[i].bytes[0] >= 0x60 && d[i].bytes[0] < 0xa0)
			middle = i;
	damage_bytes(f, &d[middle]);
	struct loci_scrub_result first = scrub_as(f, NULL, 0, &told);
	assert_false(first.ended);
	assert_false(first.went_on);
	assert_in_range(first.blobs, 1, MANY - 2);
	struct loci_scrub_result second = scrub(f, 0, &told);
	assert_true(second.went_on && second.ended);
	assert_int_equal(first.blobs + second.blobs, MANY);
	assert_int_equal(second.bad, 1); /* it was not done */
	struct loci_scrub_result third = scrub(f, 0, &told);
	assert_false(third.went_on);
	assert_int_equal(third.blobs, MANY);
	told.stop_after = 1;
	scrub_as(f, NULL, 0, &told);
	assert_int_equal(scrub(f, LOCI_SCRUB_RESTART, &told).blobs, MANY);
}

static void test_repository(void **state)
{
	struct fixture *f = *state;
	struct told told = {0};
	struct image im;
	struct loci_digest other;
	push_two(f, &im);
	assert_loci_ok(loci_blob_put(f->st, "s", "other", 5, NULL, &other, &e_));
	damage_bytes(f, &other);
	struct loci_scrub_result r = scrub_as(f, "q", 0, &told);
	assert_int_equal(r.blobs, 2);
	assert_int_equal(r.manifests, 1);
	assert_int_equal(r.bad, 0);
	r = scrub_as(f, "s", 0, &told);
	assert_int_equal(r.blobs, 1);
	assert_int_equal(r.bad, 1);
	image_done(&im);
}

static int nested(void *arg, const struct loci_scrub_event *ev)
{
	struct fixture *f = arg;
	struct loci_scrub_result r;
	if (ev->kind == LOCI_SCRUB_BAD)
		assert_loci_code(LOCI_E_BUSY, loci_scrub(f->st, NULL, &r, &e_));
	return 0;
}

static void test_one_at_a_time(void **state)
{
	struct fixture *f = *state;
	struct loci_digest d;
	struct loci_scrub_result r;
	struct loci_scrub_opts o = {.struct_size = sizeof(o), .event = nested, .event_arg = f};
	assert_loci_ok(loci_blob_put(f->st, "r", LAYER, strlen(LAYER), NULL, &d, &e_));
	damage_bytes(f, &d);
	assert_loci_ok(loci_scrub(f->st, &o, &r, &e_));
	assert_int_equal(r.bad, 1);
	assert_loci_ok(loci_scrub(f->st, NULL, &r, &e_));
}

/* Whoever publishes while a bad file is put aside keeps what he brought. */
static void test_set_aside_leaves_others_alone(void **state)
{
	struct fixture *f = *state;
	struct loci_blobs *b = f->st->sh->blobs;
	struct loci_digest d;
	char name[LOCI_SET_ASIDE_MAX];
	uint64_t size;
	int old;
	assert_loci_ok(loci_blob_put(f->st, "r", LAYER, strlen(LAYER), NULL, &d, &e_));
	assert_loci_ok(b->ops->open(b, &d, &old, &size, &e_));
	damage_name(f, &d);
	assert_loci_ok(loci_blob_put(f->st, "r", LAYER, strlen(LAYER), NULL, &d, &e_));
	assert_loci_code(LOCI_E_NOT_FOUND, b->ops->set_aside(b, &d, old, name, &e_));
	assert_true(has_blob(f->st, "r", &d));
	close(old);
	assert_loci_ok(b->ops->open(b, &d, &old, &size, &e_));
	assert_loci_ok(b->ops->set_aside(b, &d, old, name, &e_));
	assert_int_equal(strncmp(name, "quarantine/sha256/", 18), 0);
	close(old);
}

/* A scrub at work between the look at a file and the transaction that relies on it. */
static struct fixture *scrubbed;
static const struct loci_blobs_ops *blobs_ops;
static int open_and_scrub(struct loci_blobs *b, const struct loci_digest *d, int *ret_fd,
                          uint64_t *ret_size, struct loci_error *err)
{
	struct told told = {0};
	int rc = blobs_ops->open(b, d, ret_fd, ret_size, err);
	b->ops = blobs_ops;
	assert_int_equal(scrub(scrubbed, LOCI_SCRUB_FIX, &told).fixed, 1);
	return rc;
}

/* Whoever pushes it meanwhile brings his own bytes into place. */
static void test_push_beside_scrub(void **state)
{
	struct fixture *f = *state;
	struct loci_blobs *b = f->st->sh->blobs;
	struct loci_blobs_ops ops = *b->ops;
	struct loci_digest d;
	assert_loci_ok(loci_blob_put(f->st, "r", LAYER, strlen(LAYER), NULL, &d, &e_));
	damage_bytes(f, &d);
	scrubbed = f;
	blobs_ops = b->ops;
	ops.open = open_and_scrub;
	b->ops = &ops;
	assert_loci_ok(loci_blob_put(f->st, "r", LAYER, strlen(LAYER), NULL, &d, &e_));
	assert_ptr_equal(b->ops, blobs_ops);
	assert_int_equal(count_kept(f), 1);
	assert_true(has_blob(f->st, "r", &d));
}

static void test_wait(void **state)
{
	static const struct {
		uint64_t bytes, rate, elapsed, wait;
	} rows[] = {
	        {0, 100, 0, 0},
	        {1000, 0, 0, 0},
	        {1000, 100, 0, 10000},
	        {1000, 100, 4000, 6000},
	        {1000, 100, 10000, 0},
	        {1000, 100, 20000, 0},
	        {UINT64_MAX, 1u << 30, 0, UINT64_MAX / (1u << 30) * 1000 + 999},
	};
	(void)state;
	for (size_t i = 0; i < loci__array_len(rows); i++)
		assert_int_equal(loci__scrub_wait_ms(rows[i].bytes, rows[i].rate, rows[i].elapsed),
		                 rows[i].wait);
}

/* Larger than a chunk, and no multiple of a block. */
static void test_large(void **state)
{
	struct fixture *f = *state;
	struct told told = {0};
	struct loci_digest d;
	size_t n = 2 * LOCI_SCRUB_CHUNK + 4097;
	loci__cleanup_free char *p = calloc(1, n);
	assert_non_null(p);
	assert_loci_ok(loci_blob_put(f->st, "r", p, n, NULL, &d, &e_));
	struct loci_scrub_result r = scrub(f, 0, &told);
	assert_int_equal(r.bytes, n);
	assert_int_equal(r.bad, 0);
	int fd = open(path_of(f, &d), O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "x", 1, (off_t)n - 1), 1);
	close(fd);
	assert_int_equal(scrub(f, 0, &told).by_verdict[LOCI_SCRUB_DAMAGED], 1);
}

int main(void)
{
#define ROW(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	        ROW(test_good),
	        ROW(test_found_put_aside_healed),
	        ROW(test_put_aside_can_be_deleted),
	        ROW(test_unreadable),
	        ROW(test_references_of_an_index),
	        ROW(test_manifest),
	        ROW(test_manifest_put_aside_holds_up_nobody),
	        ROW(test_goes_on),
	        ROW(test_repository),
	        ROW(test_one_at_a_time),
	        ROW(test_set_aside_leaves_others_alone),
	        ROW(test_push_beside_scrub),
	        ROW(test_large),
	        cmocka_unit_test(test_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

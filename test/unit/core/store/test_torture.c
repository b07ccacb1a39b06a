/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A day in the life of a store, run once for every call of the seams it makes: that call fails. The
 * store is then opened again without failures, and must hold what was acknowledged, whole, and
 * nothing else.
 */
#include "fault.h"
#include "loci/scrub.h"
#include "store_fixture.h"

#include "loci/inventory.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the story has been told is done. The order is that of the story. */
struct told {
	bool opened;
	bool config, layer, upload, adopt, scrub, mount, image, second, retag, untag, gone, pulled;
	bool tracked, swept;
};

static const char config_text[] = "{\"config\":1}";
static const char layer_text[] = "the bytes of a layer";
static const char upload_text[] = "first half and second half";
static const char spoilt_text[] = "bytes that go bad";
static const char adopt_text[] = "the bytes of somebody's file";

struct story {
	struct loci_digest config, layer, upload, adopted;
	int file;
	struct image first, second;
	struct loci_image pulled;
};

/* Writes over a file that was opened to be read. */
static int spoil(int fd)
{
	char path[40];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int w = open(path, O_WRONLY | O_CLOEXEC);
	int rc = w >= 0 && write(w, "BYTES", 5) == 5 ? 0 : -1;
	close(w);
	return rc;
}

/* On the store's file system, so that it can be linked. */
static int make_file(const char *dir)
{
	char path[300];
	snprintf(path, sizeof(path), "%s/somebody's", dir);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, adopt_text, strlen(adopt_text)), strlen(adopt_text));
	return fd;
}

static void story_make(struct story *s, const char *dir)
{
	s->file = make_file(dir);
	s->config = digest_of(config_text, strlen(config_text));
	s->layer = digest_of(layer_text, strlen(layer_text));
	s->upload = digest_of(upload_text, strlen(upload_text));
	s->adopted = digest_of(adopt_text, strlen(adopt_text));
	image_make(&s->first, config_text, layer_text, NULL);
	image_make(&s->second, config_text, upload_text, NULL);
	s->pulled = (struct loci_image){.ref = "docker.io/library/x:y",
	                                .top = s->first.digest,
	                                .manifest = s->first.digest};
}

static void story_done(struct story *s)
{
	image_done(&s->first);
	image_done(&s->second);
	close(s->file);
}

/* In two halves with a break between them; what fails is tried once more, as a client does. */
static bool upload_in_halves(struct loci_store *st, const struct loci_digest *want)
{
	struct loci_upload *up;
	char id[LOCI_UPLOAD_ID_MAX];
	uint64_t offset = 0;
	if (loci_upload_begin(st, "r", 0, &up, NULL) < 0)
		return false;
	snprintf(id, sizeof(id), "%s", loci_upload_id(up));
	bool wrote = loci_upload_write(up, upload_text, 10, NULL) == 0;
	assert_int_equal(loci_upload_offset(up), wrote ? 10 : 0);
	loci_upload_close(up, false);
	if (loci_upload_stat(st, "r", id, &offset, NULL) < 0 ||
	    loci_upload_resume(st, "r", id, &up, NULL) < 0)
		return false;
	offset = loci_upload_offset(up);
	int rc = loci_upload_write(up, upload_text + offset, strlen(upload_text) - offset, NULL);
	if (rc < 0)
		rc = loci_upload_write(up, upload_text + offset, strlen(upload_text) - offset,
		                       NULL);
	if (rc < 0) {
		loci_upload_close(up, false);
		return false;
	}
	if (loci_upload_commit(up, want, NULL) == 0)
		return true;
	/* The one failure has come: the session is still there, whole, and can be committed. */
	assert_loci_ok(loci_upload_resume(st, "r", id, &up, &e_));
	assert_int_equal(loci_upload_offset(up), strlen(upload_text));
	assert_loci_ok(loci_upload_commit(up, want, &e_));
	return true;
}

/* What retention does: a tag and a manifest that nothing holds, in one transaction. */
static bool sweep(struct loci_store *st, const struct story *s)
{
	struct loci_removal r[] = {
	        {.tag = "old", .digest = s->second.digest},
	        {.digest = s->first.digest, .flags = LOCI_REMOVE_IF_LOOSE},
	};
	if (image_put(st, "s", &s->second, "old", LOCI_MANIFEST_PUT_SPARSE, NULL, NULL) < 0 ||
	    image_put(st, "s", &s->first, NULL, LOCI_MANIFEST_PUT_SPARSE, NULL, NULL) < 0)
		return false;
	if (loci_remove_if(st, "s", r, 2, NULL) < 0) {
		assert_false(r[0].removed || r[1].removed);
		assert_true(has_tag(st, "s", "old", &s->second.digest));
		return false;
	}
	assert_true(r[0].removed && r[1].removed);
	return true;
}

/* A blob goes bad, is found, put aside and pushed again. What fails costs nothing else. */
static bool scrub_spoilt(struct loci_store *st)
{
	const struct loci_scrub_opts o = {.struct_size = sizeof(o),
	                                  .flags = LOCI_SCRUB_FIX | LOCI_SCRUB_RESTART};
	struct loci_scrub_result r = {0};
	struct loci_digest d;
	int fd;
	if (loci_blob_put(st, "r", spoilt_text, strlen(spoilt_text), NULL, &d, NULL) < 0 ||
	    loci_blob_open(st, "r", &d, &fd, NULL, NULL) < 0)
		return false;
	assert_int_equal(spoil(fd), 0);
	close(fd);
	bool fixed = loci_scrub(st, &o, &r, NULL) == 0 && r.fixed == 1;
	bool pushed = loci_blob_put(st, "r", spoilt_text, strlen(spoilt_text), NULL, &d, NULL) == 0;
	return fixed && pushed;
}

static void live(struct loci_store *st, struct story *s, struct told *t)
{
	struct loci_digest d;
	t->config =
	        loci_blob_put(st, "r", config_text, strlen(config_text), &s->config, &d, NULL) == 0;
	t->layer = loci_blob_put(st, "r", layer_text, strlen(layer_text), NULL, &d, NULL) == 0;
	t->upload = upload_in_halves(st, &s->upload);
	t->adopt = loci_blob_adopt(st, "r", s->file, &s->adopted, LOCI_ADOPT_LINK, NULL, NULL) == 0;
	t->scrub = scrub_spoilt(st);
	t->mount = loci_blob_mount(st, "r", "q", &s->config, NULL) == 0;
	t->image = image_put(st, "r", &s->first, "v1", 0, NULL, NULL) == 0;
	t->second = image_put(st, "r", &s->second, "v2", 0, NULL, NULL) == 0;
	t->retag = image_put(st, "r", &s->second, "v1", 0, NULL, NULL) == 0;
	t->untag = loci_tag_delete(st, "r", "v2", NULL) == 0;
	t->gone = loci_manifest_delete(st, "r", &s->first.digest, NULL) == 0;
	t->pulled = loci_image_put(st, &s->pulled, NULL) == 0;
	t->tracked = loci_pulls_track(st, true, NULL) == 0;
	t->swept = sweep(st, s);
}

static bool has_manifest(struct loci_store *st, const struct loci_digest *d)
{
	struct loci_manifest_bytes *m;
	if (loci_manifest_get(st, "r", NULL, d, &m, NULL) < 0)
		return false;
	loci_manifest_bytes_free(m);
	return true;
}

static int count(void *arg, const char *name)
{
	(void)name;
	++*(unsigned *)arg;
	return 0;
}

/* Exactly what was told, no more and no less. */
static void check(struct loci_store *st, const struct story *s, const struct told *t)
{
	struct loci_image image;
	unsigned tags = 0;
	assert_int_equal(has_blob(st, "r", &s->config), t->config);
	assert_int_equal(has_blob(st, "r", &s->layer), t->layer);
	assert_int_equal(has_blob(st, "r", &s->upload), t->upload);
	assert_int_equal(has_blob(st, NULL, &s->upload), t->upload);
	assert_int_equal(has_blob(st, "r", &s->adopted), t->adopt);
	if (t->scrub) { /* else it may be any of there, bad and gone */
		struct loci_digest spoilt = digest_of(spoilt_text, strlen(spoilt_text));
		assert_true(has_blob(st, "r", &spoilt));
	}
	assert_int_equal(has_blob(st, "q", &s->config), t->mount);
	bool first_there = t->image && !t->gone;
	bool second_there = t->second || t->retag;
	assert_int_equal(has_manifest(st, &s->first.digest), first_there);
	assert_int_equal(has_manifest(st, &s->second.digest), second_there);
	assert_int_equal(loci_repo_exists(st, "r"), first_there || second_there);
	assert_int_equal(has_tag(st, "r", "v1", &s->second.digest), t->retag);
	assert_int_equal(has_tag(st, "r", "v1", &s->first.digest), first_there && !t->retag);
	assert_int_equal(has_tag(st, "r", "v2", &s->second.digest), t->second && !t->untag);
	assert_loci_ok(loci_tag_foreach(st, "r", NULL, count, &tags, &e_));
	assert_int_equal(tags, (t->retag || first_there) + (t->second && !t->untag));
	assert_int_equal(loci_image_get(st, NULL, &image, NULL) == 0, t->pulled);
	uint64_t since;
	assert_loci_ok(loci_pulls_since(st, &since, &e_));
	assert_int_equal(since != 0, t->tracked);
	if (t->swept) {
		assert_true(loci_repo_exists(st, "s"));
		assert_false(has_tag(st, "s", "old", &s->second.digest));
	}
	assert_usage_is_right(st);
}

/* False: the story ended before the failure came. */
static bool run_with(enum fault_kind kind, unsigned at)
{
	struct fixture *f;
	struct story s;
	struct told told = {0};
	assert_int_equal(fixture_setup_empty((void **)&f), 0);
	story_make(&s, f->dir);
	fault_plan(kind, at);
	told.opened = loci__store_open_with(f->store, NULL, &fault_sys, &f->st, NULL) == 0;
	if (told.opened)
		live(f->st, &s, &told);
	bool happened = fault_happened();
	fault_plan(FAULT_NONE, 0);
	if (told.opened)
		check(f->st, &s, &told); /* the open one agrees with the disk */
	fixture_reopen(f);
	check(f->st, &s, &told);
	/* Whatever failed: tried again, all of it is told. */
	struct told again = {0};
	live(f->st, &s, &again);
	assert_true(again.config && again.layer && again.upload && again.mount && again.image);
	assert_true(again.adopt && again.scrub);
	assert_true(again.second && again.retag && again.untag && again.gone && again.pulled &&
	            again.tracked && again.swept);
	check(f->st, &s, &again);
	story_done(&s);
	assert_int_equal(fixture_teardown((void **)&f), 0);
	if (kind == FAULT_AGAIN && happened)
		assert_true(told.config && told.layer && told.upload && told.mount && told.image &&
		            told.second && told.retag && told.untag && told.gone && told.pulled &&
		            told.tracked && told.swept);
	return happened;
}

static void torture(enum fault_kind kind, unsigned at_least)
{
	unsigned at = 1;
	while (run_with(kind, at))
		at++;
	assert_true(at > at_least); /* the story went through the seams */
}

static void test_eio(void **state)
{
	(void)state;
	torture(FAULT_EIO, 80);
}

static void test_enospc(void **state)
{
	(void)state;
	torture(FAULT_ENOSPC, 80);
}

static void test_short_writes(void **state)
{
	(void)state;
	torture(FAULT_SHORT, 80);
}

/* A transaction that must be run again is nobody's failure. */
static void test_again(void **state)
{
	(void)state;
	torture(FAULT_AGAIN, 20);
}

int main(void)
{
	/* Thousands of syncs that nobody pulls the plug on: in memory, where there is room. */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", /* overwrite= */ 0);
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_eio),
	        cmocka_unit_test(test_enospc),
	        cmocka_unit_test(test_short_writes),
	        cmocka_unit_test(test_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

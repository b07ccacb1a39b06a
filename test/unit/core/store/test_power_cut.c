/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The power goes after each call that a day of the store makes, and of what was not synced any part
 * may be lost: what was acknowledged is there, the request under way happened as a whole or not at
 * all, no blob is visible that is not whole, and an upload goes on or is refused, never wrong.
 */
#include "disk_model.h"
#include "store_fixture.h"

#include "core/base/fs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEEDS     10
#define STEPS_MAX 16

static const char config_text[] = "{\"config\":1}";
static const char layer_text[] = "the bytes of a layer";
static char big[150000], open_one[90000]; /* open_one: an upload that nobody finished */

/* What can be seen of it. */
struct seen {
	int config, layer, big, mounted, first, second;
	int v1, v2; /* 0: none, or the manifest's number */
	int repo;
};

static struct {
	struct seen seen[STEPS_MAX]; /* when so many steps were acknowledged */
	unsigned calls[STEPS_MAX];   /* and calls had been made */
	unsigned n;
} story;
static char open_id[LOCI_UPLOAD_ID_MAX];
static struct image first, second;
static struct loci_digest config, layer, big_digest, open_digest;

/* ---- the day --------------------------------------------------------------------------------- */

static struct seen look(struct loci_store *st)
{
	bool v1_first = has_tag(st, "r", "v1", &first.digest);
	bool v1_second = has_tag(st, "r", "v1", &second.digest);
	struct loci_manifest_bytes *m;
	struct seen s = {
	        .config = has_blob(st, "r", &config),
	        .layer = has_blob(st, "r", &layer),
	        .big = has_blob(st, "r", &big_digest),
	        .mounted = has_blob(st, "q", &config),
	        .v1 = v1_first    ? 1
	              : v1_second ? 2
	                          : 0,
	        .v2 = has_tag(st, "r", "v2", &second.digest) ? 2 : 0,
	        .repo = loci_repo_exists(st, "r"),
	};
	if (loci_manifest_get(st, "r", NULL, &first.digest, &m, NULL) == 0) {
		s.first = 1;
		loci_manifest_bytes_free(m);
	}
	if (loci_manifest_get(st, "r", NULL, &second.digest, &m, NULL) == 0) {
		s.second = 1;
		loci_manifest_bytes_free(m);
	}
	return s;
}

static void acknowledged(struct loci_store *st)
{
	assert_true(story.n < STEPS_MAX);
	story.calls[story.n] = disk_calls();
	story.seen[story.n++] = look(st);
}

static void upload_in_pieces(struct loci_store *st)
{
	struct loci_upload *up;
	char id[LOCI_UPLOAD_ID_MAX];
	size_t half = sizeof(big) / 2;
	assert_loci_ok(loci_upload_begin(st, "r", 0, &up, &e_));
	snprintf(id, sizeof(id), "%s", loci_upload_id(up));
	assert_loci_ok(loci_upload_write(up, big, half, &e_));
	loci_upload_close(up, false);
	assert_loci_ok(loci_upload_resume(st, "r", id, &up, &e_));
	assert_loci_ok(loci_upload_write(up, big + half, sizeof(big) - half, &e_));
	assert_loci_ok(loci_upload_commit(up, &big_digest, &e_));
}

/* Two thirds of it, in two requests. */
static void leave_one_open(struct loci_store *st)
{
	struct loci_upload *up;
	assert_loci_ok(loci_upload_begin(st, "r", 0, &up, &e_));
	snprintf(open_id, sizeof(open_id), "%s", loci_upload_id(up));
	assert_loci_ok(loci_upload_write(up, open_one, 30000, &e_));
	loci_upload_close(up, false);
	assert_loci_ok(loci_upload_resume(st, "r", open_id, &up, &e_));
	assert_loci_ok(loci_upload_write(up, open_one + 30000, 30000, &e_));
	loci_upload_close(up, false);
}

static void live(struct loci_store *st)
{
	struct loci_digest d;
	acknowledged(st);
	leave_one_open(st);
	assert_loci_ok(loci_blob_put(st, "r", config_text, strlen(config_text), NULL, &d, &e_));
	acknowledged(st);
	assert_loci_ok(loci_blob_put(st, "r", layer_text, strlen(layer_text), NULL, &d, &e_));
	acknowledged(st);
	upload_in_pieces(st);
	acknowledged(st);
	assert_loci_ok(loci_blob_mount(st, "r", "q", &config, &e_));
	acknowledged(st);
	assert_loci_ok(image_put(st, "r", &first, "v1", 0, NULL, &e_));
	acknowledged(st);
	assert_loci_ok(image_put(st, "r", &second, "v2", 0, NULL, &e_));
	acknowledged(st);
	assert_loci_ok(image_put(st, "r", &second, "v1", 0, NULL, &e_));
	acknowledged(st);
	assert_loci_ok(loci_tag_delete(st, "r", "v2", &e_));
	acknowledged(st);
	assert_loci_ok(loci_manifest_delete(st, "r", &first.digest, &e_));
	acknowledged(st);
	assert_loci_ok(loci_blob_delete(st, "r", &big_digest, &e_));
	acknowledged(st);
}

/* ---- the morning after ------------------------------------------------------------------------
 */

static void check_seen(struct loci_store *st, unsigned n_calls, uint64_t seed)
{
	struct seen now = look(st);
	unsigned at = 0;
	while (at + 1 < story.n && story.calls[at + 1] <= n_calls)
		at++;
	if (memcmp(&now, &story.seen[at], sizeof(now)) == 0 ||
	    (at + 1 < story.n && memcmp(&now, &story.seen[at + 1], sizeof(now)) == 0))
		return;
	fail_msg("call %u, seed %llu: not what was acknowledged by step %u", n_calls,
	         (unsigned long long)seed, at);
}

/* Whatever is left of it leads to the right blob, or to none and a client that begins again. */
static void check_upload(struct loci_store *st)
{
	struct loci_upload *up;
	uint64_t told;
	int rc = loci_upload_stat(st, "r", open_id, &told, NULL);
	if (rc < 0 || loci_upload_resume(st, "r", open_id, &up, NULL) < 0)
		return;
	uint64_t at = loci_upload_offset(up);
	assert_true(at <= told && at <= 60000);
	assert_loci_ok(loci_upload_write(up, open_one + at, sizeof(open_one) - at, &e_));
	rc = loci_upload_commit(up, &open_digest, NULL);
	assert_true(rc == 0 || rc == LOCI_E_DIGEST_MISMATCH);
	assert_int_equal(has_blob(st, "r", &open_digest), rc == 0);
}

static void cut_at(const struct fixture *f, unsigned n_calls, uint64_t seed)
{
	const struct loci__sys sys = {.boot_id = "the one after"};
	char dir[300], store[320];
	struct loci_store *st;
	struct loci_error err;
	snprintf(dir, sizeof(dir), "%s-after", f->dir);
	snprintf(store, sizeof(store), "%s/store", dir);
	disk_replay(n_calls, seed, dir);
	int rc = loci__store_open_with(store, NULL, &sys, &st, &err);
	if (rc < 0)
		fail_msg("call %u, seed %llu: %s", n_calls, (unsigned long long)seed, err.msg);
	if (n_calls >= story.calls[0])
		check_seen(st, n_calls, seed);
	check_upload(st);
	loci_store_close(st);
	assert_loci_ok(loci__rm_tree(AT_FDCWD, dir, &e_));
}

static void test_power_cut_at_every_call(void **state)
{
	struct fixture *f = *state;
	disk_record(f->dir);
	f->st = open_store(f->store);
	live(f->st);
	unsigned n = disk_calls();
	disk_stop();
	fixture_close(f);
	for (unsigned at = 0; at <= n; at++)
		for (uint64_t seed = 1; seed <= SEEDS; seed++)
			cut_at(f, at, seed * 1000003 + at);
	print_message("%u calls, %u power cuts\n", n, (n + 1) * SEEDS);
	assert_true(n > 100);
	disk_forget();
}

static void fill(char *p, size_t n, unsigned step)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(1 + i * step % 250);
}

int main(void)
{
	/* The disk is a model; what it stands on need not be one. */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", /* overwrite= */ 0);
	fill(big, sizeof(big), 7);
	fill(open_one, sizeof(open_one), 3);
	config = digest_of(config_text, strlen(config_text));
	layer = digest_of(layer_text, strlen(layer_text));
	big_digest = digest_of(big, sizeof(big));
	open_digest = digest_of(open_one, sizeof(open_one));
	image_make(&first, config_text, layer_text, NULL);
	image_make(&second, config_text, config_text, NULL);
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_power_cut_at_every_call, fixture_setup_empty,
	                                        fixture_teardown),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	image_done(&first);
	image_done(&second);
	return failed;
}

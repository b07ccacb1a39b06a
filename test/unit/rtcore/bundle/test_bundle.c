/* SPDX-License-Identifier: Apache-2.0 */
/* Bundles out of a real store: what is in them, who holds them, what is left of them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/fs.h"
#include "core/spec/runtime_config.h"
#include "loci/bundle.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define N_LAYERS 3 /* bottom first */

struct fixture {
	char path[256];
	int top; /* path */
	struct loci_store *st;
	struct loci_image image;
	struct loci_digest diff_ids[N_LAYERS];
};

static void ok(int rc, const struct loci_error *err)
{
	if (rc < 0)
		fail_msg("%s: %s", loci_code_name(rc), err->msg);
}

/* A layer of one file; its diff ID is made up, which the store does not check. */
static void put_layer(struct fixture *f, int i, const char *file, const char *text, unsigned flags)
{
	struct loci_layer_staging *s;
	struct loci_error err;
	ok(loci_digest_bytes(LOCI_SHA256, file, strlen(file), &f->diff_ids[i], &err), &err);
	ok(loci_layer_begin(f->st, &f->diff_ids[i], &s, &err), &err);
	int fd = loci_layer_staging_fd(s), etc;
	assert_int_equal(fchmod(fd, 0755), 0);
	ok(loci__mkdirs_open(fd, "etc", 0755, &etc, &err), &err);
	close(etc);
	ok(loci__write_file_atomic(fd, file, text, strlen(text), 0644, false, &err), &err);
	ok(loci_layer_commit(s, flags, &err), &err);
}

/* order: indexes of layers, bottom first, ended by -1 */
static void put_image(struct fixture *f, const int *order, const char *config_json)
{
	char json[4096], text[LOCI_DIGEST_STR_MAX];
	struct loci_digest config;
	struct loci_manifest_put_result res;
	struct loci_error err;
	size_t n = (size_t)snprintf(json, sizeof(json),
	                            "{\"os\":\"linux\",\"architecture\":\"amd64\",\"config\":%s,"
	                            "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[",
	                            config_json);
	for (int i = 0; order[i] >= 0; i++) {
		loci_digest_format(&f->diff_ids[order[i]], text);
		n += (size_t)snprintf(json + n, sizeof(json) - n, "%s\"%s\"", i ? "," : "", text);
	}
	n += (size_t)snprintf(json + n, sizeof(json) - n, "]}}");
	ok(loci_blob_put(f->st, NULL, json, n, NULL, &config, &err), &err);
	loci_digest_format(&config, text);
	size_t size = n;
	n = (size_t)snprintf(json, sizeof(json),
	                     "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"%s\",\"digest\":"
	                     "\"%s\",\"size\":%zu},\"layers\":[]}",
	                     LOCI_MEDIA_OCI_CONFIG, text, size);
	struct loci_manifest_put put = {.struct_size = sizeof(put),
	                                .media_type = LOCI_MEDIA_OCI_MANIFEST,
	                                .bytes = json,
	                                .n = n};
	ok(loci_manifest_put(f->st, NULL, &put, &res, &err), &err);
	f->image.manifest = f->image.top = res.digest;
	snprintf(f->image.ref, sizeof(f->image.ref), "localhost/test:1");
}

static int setup(void **state)
{
	static struct fixture f;
	const char *tmp = getenv("TMPDIR");
	struct loci_error err;
	memset(&f, 0, sizeof(f));
	snprintf(f.path, sizeof(f.path), "%s/loci-bundle-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(f.path))
		return -1;
	f.top = open(f.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct loci_store_opts opts = {.struct_size = sizeof(opts)};
	ok(loci_store_open(f.path, &opts, &f.st, &err), &err);
	put_layer(&f, 0, "etc/passwd", "alice:x:5:6::/home/alice:/bin/sh\n", 0);
	put_layer(&f, 1, "etc/group", "g:x:7:alice\n", 0);
	put_layer(&f, 2, "top", "", 0);
	put_image(&f, (const int[]){0, 1, 2, -1}, "{\"Cmd\":[\"sh\"],\"User\":\"alice\"}");
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	loci_store_close(f->st);
	close(f->top);
	return loci__rm_tree(AT_FDCWD, f->path, NULL);
}

static void make(struct fixture *f, const char *id, struct loci_bundle **ret)
{
	struct loci_error err;
	struct loci_bundle_opts o = {.struct_size = sizeof(o)};
	ok(loci_bundle_make(f->st, &f->image, id, &o, ret, &err), &err);
}

static bool exists(struct fixture *f, const char *id)
{
	char path[64];
	snprintf(path, sizeof(path), "run/bundles/%s", id);
	return faccessat(f->top, path, F_OK, 0) == 0;
}

static bool has(int dirfd, const char *path)
{
	return faccessat(dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void a_bundle(void **state)
{
	struct fixture *f = *state;
	struct loci_bundle *b;
	struct loci_error err;
	loci__cleanup_free char *text = NULL;
	size_t n;
	struct loci__runtime_config c;
	make(f, "box", &b);
	assert_int_equal(b->n_lower_fds, 3);
	assert_true(has(b->lower_fds[0], "top"));
	assert_true(has(b->lower_fds[2], "etc/passwd"));
	assert_int_equal(b->path[0], '/');
	loci__cleanup_close int dir = open(b->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat upper;
	assert_int_equal(fstat(b->upper_fd, &upper), 0);
	assert_int_equal(upper.st_mode & 07777, 0755);
	assert_true(b->work_fd >= 0);
	ok(loci__read_file(dir, "config.json", 1 << 20, &text, &n, &err), &err);
	ok(loci__runtime_config_parse(text, n, &c, &err), &err);
	assert_int_equal(c.uid, 5);
	assert_int_equal(c.gid, 6);
	assert_int_equal(c.n_additional_gids, 1);
	assert_int_equal(c.additional_gids[0], 7);
	assert_string_equal(c.hostname, "box");
	loci__runtime_config_done(&c);
	loci__cleanup_free char *hosts = NULL;
	ok(loci__read_file(dir, "hosts", 4096, &hosts, NULL, &err), &err);
	assert_non_null(strstr(hosts, "127.0.0.1\tlocalhost box\n"));
	loci_bundle_free(b, true);
	assert_false(exists(f, "box"));
	loci_bundle_free(NULL, true);
}

static void a_cut_leaves_the_lower_layers_out(void **state)
{
	struct fixture *f = *state;
	struct loci_bundle *b;
	put_layer(f, 1, "cut", "", LOCI_LAYER_CUT);
	put_image(f, (const int[]){0, 1, 2, -1}, "{\"Cmd\":[\"sh\"]}");
	make(f, "box", &b);
	assert_int_equal(b->n_lower_fds, 2);
	assert_true(has(b->lower_fds[1], "cut"));
	loci_bundle_free(b, true);
}

static void a_layer_that_comes_again_is_taken_once(void **state)
{
	struct fixture *f = *state;
	struct loci_bundle *b;
	put_image(f, (const int[]){0, 2, 1, 2, -1}, "{\"Cmd\":[\"sh\"]}");
	make(f, "box", &b);
	assert_int_equal(b->n_lower_fds, 3);
	assert_true(has(b->lower_fds[0], "top"));
	assert_true(has(b->lower_fds[1], "etc/group"));
	assert_true(has(b->lower_fds[2], "etc/passwd"));
	loci_bundle_free(b, true);
}

static void failures_leave_nothing(void **state)
{
	struct fixture *f = *state;
	struct loci_bundle *b = NULL;
	struct loci_error err;
	struct loci_bundle_opts o = {.struct_size = sizeof(o), .user = "nobody"};
	assert_int_equal(loci_bundle_make(f->st, &f->image, "box", &o, &b, &err), LOCI_E_NOT_FOUND);
	assert_false(exists(f, "box"));
	static const char *const ids[] = {"", ".", "..", "a/b", "-a", ".hidden", "a b", "a\n"};
	o.user = NULL;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		assert_int_equal(loci_bundle_make(f->st, &f->image, ids[i], &o, &b, &err),
		                 LOCI_E_INVALID);
	static const char *const hosts[] = {"a b", "a\nb", ""};
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		o.hostname = hosts[i];
		assert_int_equal(loci_bundle_make(f->st, &f->image, "box", &o, &b, &err),
		                 LOCI_E_INVALID);
	}
	o.hostname = NULL;
	ok(loci_digest_bytes(LOCI_SHA256, "absent", 6, &f->diff_ids[1], &err), &err);
	put_image(f, (const int[]){0, 1, -1}, "{\"Cmd\":[\"sh\"]}");
	assert_int_equal(loci_bundle_make(f->st, &f->image, "box", &o, &b, &err), LOCI_E_NOT_FOUND);
	put_image(f, (const int[]){-1}, "{\"Cmd\":[\"sh\"]}");
	assert_int_equal(loci_bundle_make(f->st, &f->image, "box", &o, &b, &err), LOCI_E_INVALID);
	assert_false(exists(f, "box"));
	assert_null(b);
}

static void a_name_is_taken_once(void **state)
{
	struct fixture *f = *state;
	struct loci_bundle *b, *second = NULL;
	struct loci_error err;
	make(f, "box", &b);
	assert_int_equal(loci_bundle_make(f->st, &f->image, "box", NULL, &second, &err),
	                 LOCI_E_EXISTS);
	assert_true(exists(f, "box")); /* the failure did not remove the other's */
	loci_bundle_free(b, true);
}

struct gone {
	int n;
	int keep;
	char id[64];
};

static int note_gone(void *arg, const char *id, const char *path)
{
	struct gone *g = arg;
	g->n++;
	snprintf(g->id, sizeof(g->id), "%s", id);
	assert_int_equal(path[0], '/');
	return g->keep;
}

static void sweeping_takes_only_what_nobody_holds(void **state)
{
	struct fixture *f = *state;
	struct loci_bundle *held, *left;
	struct loci_error err;
	struct gone g = {0};
	make(f, "held", &held);
	make(f, "left", &left);
	loci_bundle_free(left, /* remove= */ false); /* as if its process had been killed */
	assert_true(exists(f, "left"));
	g.keep = 1;
	ok(loci_bundle_sweep(f->st, note_gone, &g, &err), &err);
	assert_int_equal(g.n, 1);
	assert_string_equal(g.id, "left");
	assert_true(exists(f, "left"));
	g.keep = 0;
	ok(loci_bundle_sweep(f->st, note_gone, &g, &err), &err);
	assert_int_equal(g.n, 2);
	assert_false(exists(f, "left"));
	assert_true(exists(f, "held"));
	loci_bundle_free(held, true);
	ok(loci_bundle_sweep(f->st, NULL, NULL, &err), &err);
	assert_false(exists(f, "held"));
}

static void the_default_config_is_sound(void **state)
{
	(void)state;
	loci__cleanup_free char *text = NULL;
	struct loci_error err;
	struct loci__runtime_config c;
	ok(loci_bundle_default_config(&text, &err), &err);
	ok(loci__runtime_config_parse(text, strlen(text), &c, &err), &err);
	assert_string_equal(c.root_path, "rootfs");
	assert_string_equal(c.args.v[0], "sh");
	assert_true(c.terminal);
	loci__runtime_config_done(&c);
}

#define BUNDLE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        BUNDLE_TEST(a_bundle),
	        BUNDLE_TEST(a_cut_leaves_the_lower_layers_out),
	        BUNDLE_TEST(a_layer_that_comes_again_is_taken_once),
	        BUNDLE_TEST(failures_leave_nothing),
	        BUNDLE_TEST(a_name_is_taken_once),
	        BUNDLE_TEST(sweeping_takes_only_what_nobody_holds),
	        BUNDLE_TEST(the_default_config_is_sound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Layers as overlayfs would merge them, and nothing outside of them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/fs.h"
#include "rtcore/bundle/merged.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define N_LAYERS 3 /* 0 is the topmost */

struct layers {
	char path[256];
	int top; /* path itself; "secret" in it is outside of all layers */
	int fds[N_LAYERS];
};

static int setup(void **state)
{
	static struct layers l;
	const char *tmp = getenv("TMPDIR");
	snprintf(l.path, sizeof(l.path), "%s/loci-merged-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(l.path))
		return -1;
	l.top = open(l.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < N_LAYERS; i++) {
		char name[2] = {(char)('0' + i), '\0'};
		struct loci_error err;
		if (loci__mkdirs_open(l.top, name, 0755, &l.fds[i], &err) < 0)
			return -1;
	}
	*state = &l;
	return loci__write_file_atomic(l.top, "secret", "outside", 7, 0644, false, NULL);
}

static int teardown(void **state)
{
	struct layers *l = *state;
	for (int i = 0; i < N_LAYERS; i++)
		close(l->fds[i]);
	close(l->top);
	return loci__rm_tree(AT_FDCWD, l->path, NULL);
}

/* Parents are made; the path is relative. */
static void put(struct layers *l, int layer, const char *path, const char *text)
{
	char dir[256];
	const char *slash = strrchr(path, '/');
	if (slash) {
		int fd;
		snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
		assert_int_equal(loci__mkdirs_open(l->fds[layer], dir, 0755, &fd, NULL), 0);
		close(fd);
	}
	assert_int_equal(
	        loci__write_file_atomic(l->fds[layer], path, text, strlen(text), 0644, false, NULL),
	        0);
}

static void expect(struct layers *l, const char *path, const char *text)
{
	loci__cleanup_free char *p = NULL;
	size_t n;
	struct loci_error err;
	if (loci__merged_read(l->fds, N_LAYERS, path, 100, &p, &n, &err) < 0)
		fail_msg("%s: %s", path, err.msg);
	assert_string_equal(p, text);
	assert_int_equal(n, strlen(text));
}

static void expect_error(struct layers *l, const char *path, int code)
{
	char *p = NULL;
	size_t n;
	struct loci_error err;
	assert_int_equal(loci__merged_read(l->fds, N_LAYERS, path, 100, &p, &n, &err), code);
	assert_null(p);
}

static void the_topmost_wins(void **state)
{
	struct layers *l = *state;
	put(l, 2, "etc/passwd", "bottom");
	expect(l, "/etc/passwd", "bottom");
	put(l, 1, "etc/group", "other"); /* a layer with etc, but no passwd */
	expect(l, "/etc/passwd", "bottom");
	put(l, 0, "etc/passwd", "top");
	expect(l, "/etc/passwd", "top");
	expect(l, "//etc/./x/../passwd", "top");
	expect(l, "/../../etc/passwd", "top");
	expect_error(l, "/etc/shadow", LOCI_E_NOT_FOUND);
	expect_error(l, "/", LOCI_E_INVALID);
	expect_error(l, "/etc", LOCI_E_INVALID);
}

static void whiteouts_hide(void **state)
{
	struct layers *l = *state;
	put(l, 2, "etc/passwd", "bottom");
	put(l, 1, "etc/x", "");
	if (mknodat(l->fds[1], "etc/passwd", S_IFCHR, makedev(0, 0)) < 0)
		skip();
	expect_error(l, "/etc/passwd", LOCI_E_NOT_FOUND);
	put(l, 0, "etc/passwd", "again");
	expect(l, "/etc/passwd", "again");
}

static void a_whited_out_directory_hides_all_in_it(void **state)
{
	struct layers *l = *state;
	put(l, 2, "etc/passwd", "bottom");
	if (mknodat(l->fds[1], "etc", S_IFCHR, makedev(0, 0)) < 0)
		skip();
	expect_error(l, "/etc/passwd", LOCI_E_NOT_FOUND);
}

static void an_opaque_directory_hides_what_is_below(void **state)
{
	struct layers *l = *state;
	put(l, 2, "etc/passwd", "bottom");
	put(l, 1, "etc/group", "g");
	loci__cleanup_close int etc = openat(l->fds[1], "etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fsetxattr(etc, "trusted.overlay.opaque", "y", 1, 0) < 0)
		skip();
	expect_error(l, "/etc/passwd", LOCI_E_NOT_FOUND);
	expect(l, "/etc/group", "g");
}

static void a_file_in_place_of_a_directory_hides_it(void **state)
{
	struct layers *l = *state;
	put(l, 2, "etc/passwd", "bottom");
	put(l, 1, "etc", "a file now");
	expect_error(l, "/etc/passwd", LOCI_E_NOT_FOUND);
}

static void symlinks_lead_over_all_layers(void **state)
{
	struct layers *l = *state;
	put(l, 2, "usr/etc/passwd", "found");
	assert_int_equal(symlinkat("usr/etc", l->fds[1], "etc"), 0);
	expect(l, "/etc/passwd", "found");
	assert_int_equal(symlinkat("/etc/passwd", l->fds[0], "absolute"), 0);
	expect(l, "/absolute", "found");
	put(l, 0, "a/b/c", "");
	assert_int_equal(symlinkat("../../usr/../usr/etc/passwd", l->fds[0], "a/b/up"), 0);
	expect(l, "/a/b/up", "found");
}

static void symlinks_never_lead_out(void **state)
{
	struct layers *l = *state;
	char target[300];
	put(l, 0, "etc/x", "");
	assert_int_equal(symlinkat("../../../../../../secret", l->fds[0], "etc/passwd"), 0);
	expect_error(l, "/etc/passwd", LOCI_E_NOT_FOUND);
	snprintf(target, sizeof(target), "%s/secret", l->path);
	assert_int_equal(symlinkat(target, l->fds[0], "etc/group"), 0);
	expect_error(l, "/etc/group", LOCI_E_NOT_FOUND);
	put(l, 2, "secret", "inside");
	expect(l, "/etc/passwd", "inside");
}

static void loops_end(void **state)
{
	struct layers *l = *state;
	assert_int_equal(symlinkat("b", l->fds[0], "a"), 0);
	assert_int_equal(symlinkat("a", l->fds[1], "b"), 0);
	expect_error(l, "/a", LOCI_E_INVALID);
	assert_int_equal(symlinkat("c/c", l->fds[0], "c"), 0);
	expect_error(l, "/c", LOCI_E_INVALID);
}

static void what_is_no_file_is_refused(void **state)
{
	struct layers *l = *state;
	put(l, 0, "etc/x", "");
	assert_int_equal(mkfifoat(l->fds[0], "etc/passwd", 0644), 0); /* would hang an open */
	expect_error(l, "/etc/passwd", LOCI_E_INVALID);
}

static void size_is_limited(void **state)
{
	struct layers *l = *state;
	char text[102];
	memset(text, 'x', 101);
	text[101] = '\0';
	put(l, 0, "f", text);
	expect_error(l, "/f", LOCI_E_TOO_LARGE);
	text[100] = '\0';
	put(l, 0, "f", text);
	expect(l, "/f", text);
}

#define MERGED_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        MERGED_TEST(the_topmost_wins),
	        MERGED_TEST(whiteouts_hide),
	        MERGED_TEST(a_whited_out_directory_hides_all_in_it),
	        MERGED_TEST(an_opaque_directory_hides_what_is_below),
	        MERGED_TEST(a_file_in_place_of_a_directory_hides_it),
	        MERGED_TEST(symlinks_lead_over_all_layers),
	        MERGED_TEST(symlinks_never_lead_out),
	        MERGED_TEST(loops_end),
	        MERGED_TEST(what_is_no_file_is_refused),
	        MERGED_TEST(size_is_limited),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

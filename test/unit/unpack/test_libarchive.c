/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tar parser against libarchive: archives that libarchive writes, in each of its tar dialects,
 * are read by both, and every entry must come out alike.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/cleanup.h"
#include "unpack/tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define LONG_NAME 150 /* more than ustar's name field holds */

struct made {
	mode_t mode; /* with the type */
	const char *name;
	const char *link; /* a symlink's target, a hard link's when `hard` */
	bool hard;
	int64_t uid, gid;
	int64_t mtime;
	long mtime_ns; /* only pax carries it */
	const char *text;
	unsigned dev_major, dev_minor;
	bool pax_only; /* the older dialects have no room for it */
};

static char long_name[2 * LONG_NAME];

static const struct made entries[] = {
        {S_IFDIR | 0755, "etc", .mtime = 1},
        {S_IFREG | 0644, "etc/passwd", .mtime = 1700000000, .text = "root:x:0:0\n"},
        {S_IFREG | 0600, "etc/empty", .uid = 1000, .gid = 100},
        {S_IFREG | 06755, "bin", .mtime = 1700000000, .text = "#!/bin/sh\n"},
        {S_IFLNK | 0777, "link", .link = "etc/passwd"},
        {S_IFREG | 0644, "hard", .link = "etc/passwd", .hard = true},
        {S_IFCHR | 0666, "null", .dev_major = 1, .dev_minor = 3},
        {S_IFBLK | 0660, "disk", .dev_major = 254, .dev_minor = 17},
        {S_IFIFO | 0600, "fifo"},
        {S_IFDIR | 01777, "tmp"},
        {S_IFREG | 0644, "grün", .text = "utf-8", .pax_only = true},
        {S_IFREG | 0644, "nanoseconds", .mtime = 12345, .mtime_ns = 678901234, .pax_only = true},
        {S_IFREG | 0644, "before the epoch", .mtime = -86400, .pax_only = true},
        {S_IFREG | 0644, "big ids", .uid = 3000000, .gid = 4000000, .pax_only = true},
        {S_IFREG | 0644, long_name, .text = "long", .pax_only = true},
};

/* ---- writing ---- */

static void write_entry(struct archive *a, const struct made *m)
{
	struct archive_entry *e = archive_entry_new();
	size_t n = m->text ? strlen(m->text) : 0;
	archive_entry_set_pathname(e, m->name);
	archive_entry_set_mode(e, m->mode);
	archive_entry_set_uid(e, m->uid);
	archive_entry_set_gid(e, m->gid);
	archive_entry_set_mtime(e, m->mtime, m->mtime_ns);
	archive_entry_set_size(e, (int64_t)n);
	archive_entry_set_rdevmajor(e, m->dev_major);
	archive_entry_set_rdevminor(e, m->dev_minor);
	if (m->hard)
		archive_entry_set_hardlink(e, m->link);
	else if (m->link)
		archive_entry_set_symlink(e, m->link);
	assert_int_equal(ARCHIVE_OK, archive_write_header(a, e));
	if (n)
		assert_int_equal(n, archive_write_data(a, m->text, n));
	archive_entry_free(e);
}

static size_t write_all(int format, char *buf, size_t size)
{
	size_t used = 0;
	struct archive *a = archive_write_new();
	assert_int_equal(ARCHIVE_OK, archive_write_set_format(a, format));
	assert_int_equal(ARCHIVE_OK, archive_write_open_memory(a, buf, size, &used));
	for (size_t i = 0; i < loci__array_len(entries); i++)
		if (!entries[i].pax_only || format == ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE)
			write_entry(a, &entries[i]);
	assert_int_equal(ARCHIVE_OK, archive_write_close(a));
	archive_write_free(a);
	return used;
}

/* ---- reading ---- */

struct source {
	const char *p;
	size_t n;
};

static ssize_t source_next(void *arg, const unsigned char **ret, struct loci_error *err)
{
	struct source *s = arg;
	size_t n = s->n < LOCI_TAR_BLOCK ? s->n : LOCI_TAR_BLOCK;
	(void)err;
	*ret = (const unsigned char *)s->p;
	s->p += n;
	s->n -= n;
	return (ssize_t)n;
}

static int type_of(struct archive_entry *e)
{
	if (archive_entry_hardlink(e))
		return LOCI_TAR_LINK;
	switch (archive_entry_filetype(e)) {
	case AE_IFREG: return LOCI_TAR_FILE;
	case AE_IFLNK: return LOCI_TAR_SYMLINK;
	case AE_IFCHR: return LOCI_TAR_CHAR;
	case AE_IFBLK: return LOCI_TAR_BLOCKDEV;
	case AE_IFDIR: return LOCI_TAR_DIR;
	default: return LOCI_TAR_FIFO;
	}
}

static const char *link_of(struct archive_entry *e)
{
	const char *link =
	        archive_entry_hardlink(e) ? archive_entry_hardlink(e) : archive_entry_symlink(e);
	return link ? link : "";
}

/* A directory's name may end with a slash or not. */
static void assert_name_equal(const char *a, const char *b)
{
	size_t a_n = strlen(a), b_n = strlen(b);
	a_n -= a_n && a[a_n - 1] == '/';
	b_n -= b_n && b[b_n - 1] == '/';
	if (a_n != b_n || memcmp(a, b, a_n) != 0)
		fail_msg("'%s' is '%s' to libarchive", a, b);
}

static void assert_entry_equal(const struct loci_tar_entry *ours, struct archive_entry *theirs)
{
	assert_name_equal(ours->name, archive_entry_pathname(theirs));
	assert_int_equal(ours->type, type_of(theirs));
	assert_string_equal(ours->link, link_of(theirs));
	assert_int_equal(ours->mode & 07777, archive_entry_mode(theirs) & 07777);
	assert_int_equal(ours->uid, archive_entry_uid(theirs));
	assert_int_equal(ours->gid, archive_entry_gid(theirs));
	assert_int_equal(ours->mtime, archive_entry_mtime(theirs));
	assert_int_equal(ours->mtime_ns, archive_entry_mtime_nsec(theirs));
	if (ours->type == LOCI_TAR_FILE)
		assert_int_equal(ours->size, archive_entry_size(theirs));
	if (ours->type == LOCI_TAR_CHAR || ours->type == LOCI_TAR_BLOCKDEV) {
		assert_int_equal(ours->dev_major, archive_entry_rdevmajor(theirs));
		assert_int_equal(ours->dev_minor, archive_entry_rdevminor(theirs));
	}
}

static void assert_content_equal(struct loci_tar *t, struct archive *a)
{
	char ours[64] = "", theirs[64] = "";
	struct loci_error err;
	uint64_t offset;
	const unsigned char *p;
	size_t n;
	while (loci__tar_data(t, &offset, &p, &n, &err) == 1) {
		assert_true(offset + n < sizeof(ours));
		memcpy(ours + offset, p, n);
	}
	assert_true(archive_read_data(a, theirs, sizeof(theirs) - 1) >= 0);
	assert_string_equal(ours, theirs);
}

static size_t compare(const char *bytes, size_t size)
{
	struct loci_error err;
	struct source source = {bytes, size};
	struct loci_chunks in = {source_next, &source};
	struct loci_tar *t;
	const struct loci_tar_entry *ours;
	struct archive_entry *theirs;
	size_t count = 0;
	struct archive *a = archive_read_new();
	assert_int_equal(ARCHIVE_OK, archive_read_support_format_tar(a));
	assert_int_equal(ARCHIVE_OK, archive_read_open_memory(a, bytes, size));
	assert_int_equal(0, loci__tar_new(&in, &t, &err));
	while (loci__tar_next(t, &ours, &err) == 1) {
		assert_int_equal(ARCHIVE_OK, archive_read_next_header(a, &theirs));
		assert_entry_equal(ours, theirs);
		if (ours->type == LOCI_TAR_FILE)
			assert_content_equal(t, a);
		count++;
	}
	assert_int_equal(ARCHIVE_EOF, archive_read_next_header(a, &theirs));
	loci__tar_free(t);
	archive_read_free(a);
	return count;
}

static void test_dialects(void **state)
{
	(void)state;
	static char buf[1 << 18];
	static const struct {
		int format;
		size_t count;
	} rows[] = {
	        {ARCHIVE_FORMAT_TAR_USTAR, 10},
	        {ARCHIVE_FORMAT_TAR_GNUTAR, 10},
	        {ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, 10},
	        {ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE, 15},
	};
	for (size_t i = 0; i < loci__array_len(rows); i++)
		assert_int_equal(rows[i].count,
		                 compare(buf, write_all(rows[i].format, buf, sizeof(buf))));
}

int main(void)
{
	setlocale(LC_ALL, "C.UTF-8"); /* libarchive turns names into it */
	memset(long_name, 'd', LONG_NAME);
	long_name[LONG_NAME] = '/';
	memset(long_name + LONG_NAME + 1, 'f', LONG_NAME - 2);
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_dialects)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

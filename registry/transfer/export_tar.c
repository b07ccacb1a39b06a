/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layout as a tar: the same members in the same order with no times and no owners, so that the
 * same images give the same bytes. A file is made beside its name and renamed when it is whole and
 * synced.
 */
#include "registry/transfer/export.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "core/base/fs.h"
#include "core/base/rand.h"
#include "registry/transfer/archive_api.h"
#include "registry/transfer/layout.h"

#include <fcntl.h>
#include <string.h>

#define FILE_MODE 0644

struct tar_sink {
	struct loci__export_sink base;
	const struct loci__archive_api *lib;
	struct archive *a;
	int fd;
	char *temp; /* until it has its name; NULL: standard output */
	char *path;
};

static struct tar_sink *tar_of(struct loci__export_sink *s)
{
	return (struct tar_sink *)s;
}

static int tar_err(struct tar_sink *s, const char *what, struct loci_error *err)
{
	int sys = s->lib->archive_errno(s->a);
	const char *why = s->lib->archive_error_string(s->a);
	if (sys > 0)
		return loci__err_errno(err, sys, "%s", what);
	return loci__err_set(err, LOCI_E_SYS, "%s: %.200s", what, why ? why : "failed");
}

static int put_header(struct tar_sink *s, const char *path, uint64_t n, struct loci_error *err)
{
	struct archive_entry *e = s->lib->archive_entry_new();
	if (!e)
		return loci__err_nomem(err);
	s->lib->archive_entry_set_pathname(e, path);
	s->lib->archive_entry_set_filetype(e, AE_IFREG);
	s->lib->archive_entry_set_perm(e, FILE_MODE);
	s->lib->archive_entry_set_size(e, (la_int64_t)n);
	s->lib->archive_entry_set_mtime(e, 0, 0);
	int rc = s->lib->archive_write_header(s->a, e);
	s->lib->archive_entry_free(e);
	return rc == ARCHIVE_OK ? 0 : tar_err(s, "write the archive", err);
}

static int put_data(void *arg, const void *p, size_t n, struct loci_error *err)
{
	struct tar_sink *s = arg;
	const char *at = p;
	while (n) {
		la_ssize_t w = s->lib->archive_write_data(s->a, at, n);
		if (w <= 0)
			return tar_err(s, "write the archive", err);
		at += w;
		n -= (size_t)w;
	}
	return 0;
}

static int tar_bytes(struct loci__export_sink *base, const char *path, const void *p, size_t n,
                     struct loci_error *err)
{
	int rc = put_header(tar_of(base), path, n, err);
	return rc < 0 ? rc : put_data(tar_of(base), p, n, err);
}

static int tar_blob(struct loci__export_sink *base, const char *path, const struct loci_digest *d,
                    int fd, uint64_t n, int *ret_way, struct loci_error *err)
{
	*ret_way = LOCI_ADOPTED_COPY;
	int rc = put_header(tar_of(base), path, n, err);
	return rc < 0 ? rc : loci__export_copy(fd, n, d, put_data, base, err);
}

static int tar_finish(struct loci__export_sink *base, const char *path, const void *p, size_t n,
                      struct loci_error *err)
{
	struct tar_sink *s = tar_of(base);
	int rc = tar_bytes(base, path, p, n, err);
	if (rc < 0)
		return rc;
	if (s->lib->archive_write_close(s->a) != ARCHIVE_OK)
		return tar_err(s, "write the archive", err);
	if (!s->temp)
		return 0;
	if (fsync(s->fd) < 0 || rename(s->temp, s->path) < 0)
		return loci__err_sys(err, "write '%s'", s->path);
	free(loci__steal_ptr(&s->temp));
	return 0;
}

static void tar_close(struct loci__export_sink *base)
{
	struct tar_sink *s = tar_of(base);
	if (s->a) {
		s->lib->archive_write_fail(s->a); /* what is not finished gets no end either */
		s->lib->archive_write_free(s->a);
	}
	if (s->temp)
		unlink(s->temp);
	if (s->fd != STDOUT_FILENO)
		loci__close_fd(&s->fd);
	free(s->temp);
	free(s->path);
	free(s);
}
LOCI_DEFINE_CLEANUP(tar_close_ptr, struct loci__export_sink, tar_close)

static const struct loci__export_sink_ops tar_ops = {tar_bytes, tar_blob, tar_finish, tar_close};

static int open_file(struct tar_sink *s, const char *path, struct loci_error *err)
{
	char random[LOCI_RAND_NAME_MAX];
	if (!strcmp(path, "-")) {
		s->fd = STDOUT_FILENO;
		return 0;
	}
	int rc = loci__rand_name(random, err);
	if (rc < 0)
		return rc;
	s->path = strdup(path);
	if (!s->path || asprintf(&s->temp, "%s.%s.tmp", path, random) < 0) {
		s->temp = NULL;
		return loci__err_nomem(err);
	}
	s->fd = open(s->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
	if (s->fd < 0)
		rc = loci__err_sys(err, "make '%s'", path);
	return rc;
}

int loci__export_tar_open(const char *path, struct loci__export_sink **ret, struct loci_error *err)
{
	static const char layout[] = "{\"imageLayoutVersion\":\"" LOCI_LAYOUT_VERSION "\"}";
	struct tar_sink *s = calloc(1, sizeof(*s));
	if (!s)
		return loci__err_nomem(err);
	s->base.ops = &tar_ops;
	s->fd = -1;
	loci__cleanup(tar_close_ptr) struct loci__export_sink *base = &s->base;
	int rc = loci__archive_load(&s->lib, err);
	if (rc == 0)
		rc = open_file(s, path, err);
	if (rc < 0)
		return rc;
	s->a = s->lib->archive_write_new();
	if (!s->a)
		return loci__err_nomem(err);
	/* ustar, with pax headers only where something does not fit (a blob of 8 GiB). */
	if (s->lib->archive_write_set_format_pax_restricted(s->a) != ARCHIVE_OK ||
	    s->lib->archive_write_set_bytes_in_last_block(s->a, 1) != ARCHIVE_OK ||
	    s->lib->archive_write_open_fd(s->a, s->fd) != ARCHIVE_OK)
		return tar_err(s, "begin the archive", err);
	rc = tar_bytes(base, LOCI_LAYOUT_FILE, layout, sizeof(layout) - 1, err);
	if (rc < 0)
		return rc;
	*ret = loci__steal_ptr(&base);
	return 0;
}

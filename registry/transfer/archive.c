/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libarchive gives headers and data in their order; what they mean is decided here. Names are only
 * compared and remembered, never opened: an archive cannot reach a file of this machine. A name
 * that tries to (absolute, "..") ends the import all the same, as its maker meant no good.
 */
#include "registry/transfer/archive.h"

#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "registry/transfer/archive_api.h"
#include "registry/transfer/docker_save.h"
#include "registry/transfer/layout.h"
#include "registry/transfer/members.h"

#include <string.h>

#define READ_CHUNK ((size_t)256 << 10)

struct kept {
	const char *name;
	size_t max;
	char *p;
	size_t n;
};
enum { KEPT_LAYOUT, KEPT_INDEX, KEPT_SAVED, KEPT_N };

struct reading {
	struct loci__import *im;
	const struct loci__archive_api *lib;
	struct archive *a;
	struct kept kept[KEPT_N];
	struct loci__members members;
	unsigned char *chunk;
};

static int archive_err(struct reading *r, const char *name, struct loci_error *err)
{
	const char *why = r->lib->archive_error_string(r->a);
	int sys = r->lib->archive_errno(r->a);
	if (sys == ENOMEM)
		return loci__err_nomem(err);
	return loci__err_set(err, LOCI_E_INVALID, "archive%s%.200s%s: %.200s", name ? ": '" : "",
	                     name ? name : "", name ? "'" : "", why ? why : "cannot be read");
}

/* ---- data of one member ---------------------------------------------------------------------- */

/* 0 at the end. */
static ssize_t next_chunk(struct reading *r, const char *name, struct loci_error *err)
{
	la_ssize_t n;
	do {
		n = r->lib->archive_read_data(r->a, r->chunk, READ_CHUNK);
	} while (n == ARCHIVE_RETRY);
	return n >= 0 ? (ssize_t)n : archive_err(r, name, err);
}

static int keep(struct reading *r, struct kept *k, struct loci_error *err)
{
	struct loci_buf b loci__cleanup_buf = LOCI_BUF_INIT(k->max);
	for (;;) {
		ssize_t n = next_chunk(r, k->name, err);
		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		if (loci__buf_append(&b, r->chunk, (size_t)n) < 0)
			return loci__buf_check(&b, k->name, err);
	}
	loci__buf_append(&b, "", 0);
	free(k->p);
	k->n = b.len;
	k->p = loci__buf_steal(&b);
	return k->p ? 0 : loci__err_nomem(err);
}

/* Into a session; want NULL: whatever digest it has. */
static int upload(struct reading *r, const char *name, const struct loci_digest *want,
                  struct loci__saved_file *ret, struct loci_error *err)
{
	struct loci_upload *up;
	ssize_t n = 1;
	*ret = (struct loci__saved_file){0};
	int rc = loci_upload_begin(r->im->st, /* repo= */ NULL, want ? want->alg : LOCI_SHA256, &up,
	                           err);
	if (rc < 0)
		return rc;
	while (rc == 0 && n > 0) {
		n = next_chunk(r, name, err);
		if (n > 1 && ret->size == 0)
			ret->gzip = r->chunk[0] == 0x1f && r->chunk[1] == 0x8b;
		rc = n > 0 ? loci_upload_write(up, r->chunk, (size_t)n, err) : (int)n;
		ret->size += n > 0 ? (uint64_t)n : 0;
	}
	if (rc < 0) {
		loci_upload_close(up, /* discard= */ true);
		return rc;
	}
	rc = loci_upload_finish(up, want, &ret->digest, err);
	if (rc == 0)
		loci__import_count(r->im, LOCI_ADOPTED_COPY, ret->size);
	return rc;
}

static bool is_present(struct reading *r, const struct loci_digest *d, int64_t size)
{
	int fd;
	uint64_t there;
	if (loci_blob_open(r->im->st, /* repo= */ NULL, d, &fd, &there, /* err= */ NULL) < 0)
		return false;
	close(fd);
	if ((uint64_t)size != there)
		return false;
	/* Keeps it until a repository has it. */
	return loci_blob_stat(r->im->st, /* repo= */ NULL, d, &there, /* err= */ NULL) == 0;
}

/* A blob that is not what its name says is left out; images that need it will fail by name. */
static int take_blob(struct reading *r, const char *name, const struct loci_digest *d, int64_t size,
                     struct loci_error *err)
{
	struct loci__saved_file file;
	if (is_present(r, d, size)) {
		loci__import_count(r->im, LOCI_ADOPTED_PRESENT, 0);
		file = (struct loci__saved_file){*d, (uint64_t)size, false};
		return loci__members_add_file(&r->members, name, &file, err);
	}
	int rc = upload(r, name, d, &file, err);
	if (rc == LOCI_E_DIGEST_MISMATCH) {
		loci__err_prefix(err, rc, "'%.200s'", name);
		return loci__import_failed(r->im, NULL, NULL, rc, err);
	}
	return rc < 0 ? rc : loci__members_add_file(&r->members, name, &file, err);
}

/* ---- members --------------------------------------------------------------------------------- */

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), e = strlen(end);
	return n >= e && !strcmp(name + n - e, end);
}

/* What manifest.json may name: configs and layers. */
static bool may_be_saved(const char *name)
{
	static const char *const ends[] = {".json", ".tar", ".tar.gz", ".tgz"};
	for (size_t i = 0; i < loci__array_len(ends); i++)
		if (ends_with(name, ends[i]))
			return true;
	return !strncmp(name, "sha256:", strlen("sha256:"));
}

static int take_file(struct reading *r, const char *name, int64_t size, struct loci_error *err)
{
	struct loci_digest d;
	struct loci__saved_file file;
	for (size_t i = 0; i < KEPT_N; i++)
		if (!strcmp(name, r->kept[i].name))
			return keep(r, &r->kept[i], err);
	if (loci__layout_path_parse(name, &d))
		return take_blob(r, name, &d, size, err);
	if (!may_be_saved(name))
		return 0;
	int rc = upload(r, name, /* want= */ NULL, &file, err);
	return rc < 0 ? rc : loci__members_add_file(&r->members, name, &file, err);
}

static int take_member(struct reading *r, struct archive_entry *e, struct loci_error *err)
{
	const char *given = r->lib->archive_entry_pathname(e);
	char name[LOCI_MEMBER_NAME_MAX];
	int rc = loci__member_name(given ? given : "", name, err);
	if (rc < 0)
		return rc;
	const char *hard = r->lib->archive_entry_hardlink(e);
	const char *soft = r->lib->archive_entry_filetype(e) == AE_IFLNK
	                           ? r->lib->archive_entry_symlink(e)
	                           : NULL;
	if (hard)
		return loci__members_add_link(&r->members, name, hard, /* from_top= */ true, err);
	if (soft)
		return loci__members_add_link(&r->members, name, soft, /* from_top= */ false, err);
	if (r->lib->archive_entry_filetype(e) == AE_IFDIR)
		return 0;
	if (r->lib->archive_entry_filetype(e) != AE_IFREG)
		return loci__err_set(err, LOCI_E_INVALID,
		                     "archive: '%.200s': neither file, directory nor link", name);
	rc = take_file(r, name, r->lib->archive_entry_size(e), err);
	return rc < 0 ? rc : loci__import_tell(r->im, LOCI_TRANSFER_PROGRESS, NULL, NULL, err);
}

static int read_members(struct reading *r, struct loci_error *err)
{
	struct archive_entry *e;
	for (;;) {
		int got = r->lib->archive_read_next_header(r->a, &e);
		if (got == ARCHIVE_EOF)
			return 0;
		if (got == ARCHIVE_RETRY)
			continue;
		if (got < ARCHIVE_WARN)
			return archive_err(r, NULL, err);
		int rc = take_member(r, e, err);
		if (rc < 0)
			return rc;
	}
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int open_archive(struct reading *r, int fd, struct loci_error *err)
{
	int rc = loci__archive_load(&r->lib, err);
	if (rc < 0)
		return rc;
	r->a = r->lib->archive_read_new();
	r->chunk = malloc(READ_CHUNK);
	if (!r->a || !r->chunk)
		return loci__err_nomem(err);
	/* Nothing else: fewer formats, fewer parsers before a stranger. */
	if (r->lib->archive_read_support_format_tar(r->a) != ARCHIVE_OK ||
	    r->lib->archive_read_support_filter_gzip(r->a) < ARCHIVE_WARN ||
	    r->lib->archive_read_support_filter_zstd(r->a) < ARCHIVE_WARN ||
	    r->lib->archive_read_open_fd(r->a, fd, READ_CHUNK) != ARCHIVE_OK)
		return archive_err(r, NULL, err);
	return 0;
}

static int find_member(void *arg, const char *path, struct loci__saved_file *ret,
                       struct loci_error *err)
{
	return loci__members_find(arg, path, ret, err);
}

static int import_images(struct reading *r, struct loci_error *err)
{
	static const struct loci__source in_the_store = {.dirfd = -1};
	const struct kept *layout = &r->kept[KEPT_LAYOUT], *index = &r->kept[KEPT_INDEX];
	const struct kept *saved = &r->kept[KEPT_SAVED];
	loci__members_sort(&r->members);
	if (layout->p && index->p) {
		int rc = loci__layout_check_version(layout->p, layout->n, err);
		return rc < 0 ? rc
		              : loci__layout_import(r->im, &in_the_store, index->p, index->n, err);
	}
	if (saved->p)
		return loci__saved_import(r->im, saved->p, saved->n, find_member, &r->members, err);
	return loci__err_set(err, LOCI_E_INVALID,
	                     "archive: neither " LOCI_LAYOUT_FILE " with " LOCI_LAYOUT_INDEX
	                     " nor " LOCI_DOCKER_SAVE_FILE " in it");
}

int loci__archive_import(struct loci__import *im, int fd, struct loci_error *err)
{
	struct reading r = {
	        .im = im,
	        .kept = {[KEPT_LAYOUT] = {LOCI_LAYOUT_FILE, LOCI_LAYOUT_FILE_MAX, NULL, 0},
	                 [KEPT_INDEX] = {LOCI_LAYOUT_INDEX, LOCI_LAYOUT_INDEX_MAX, NULL, 0},
	                 [KEPT_SAVED] = {LOCI_DOCKER_SAVE_FILE, LOCI_DOCKER_SAVE_MAX, NULL, 0}},
	};
	if (im->opts.flags & LOCI_IMPORT_DRY_RUN)
		return loci__err_set(err, LOCI_E_USAGE,
		                     "a dry run needs a directory: what is in an archive is known "
		                     "when its blobs have been read");
	loci__members_init(&r.members);
	int rc = open_archive(&r, fd, err);
	if (rc == 0)
		rc = read_members(&r, err);
	if (rc == 0)
		rc = import_images(&r, err);
	loci__members_done(&r.members);
	if (r.a)
		r.lib->archive_read_free(r.a);
	free(r.chunk);
	for (size_t i = 0; i < KEPT_N; i++)
		free(r.kept[i].p);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of others become blobs: a session that begins with the file's bytes, and then the way of
 * every upload, so that hashing, syncs, renames and the index come in the one order there is.
 *
 * A link costs no block and no byte of page cache, but leaves a second name through which the
 * file's owner can still change it: only where the caller says that nobody will. A clone is as
 * cheap and has no such string; a copy works always. (copy_file_range would save one pass through
 * memory, and the hash would take it again.)
 */
#include "core/store/store.h"
#include "core/store/upload.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "core/base/fs.h"

#include <fcntl.h>
#include <stdlib.h>

#define COPY_CHUNK ((size_t)256 << 10)

static int check_file(struct loci_store *st, int fd, struct loci_error *err)
{
	struct stat file;
	if (fstat(fd, &file) < 0)
		return loci__err_sys(err, "stat a file to take in");
	if (!S_ISREG(file.st_mode))
		return loci__err_set(err, LOCI_E_INVALID, "blob: expected a regular file");
	if ((uint64_t)file.st_size > st->opts.max_blob_size)
		return loci__err_set(err, LOCI_E_TOO_LARGE, "blob: more than %llu bytes",
		                     (unsigned long long)st->opts.max_blob_size);
	return 0;
}

/* 1 when its bytes are here and the repository has it now. */
static int use_present(struct loci_store *st, const char *repo, const struct loci_digest *d,
                       struct loci_error *err)
{
	int there = -1;
	if (loci_blob_open(st, /* repo= */ NULL, d, &there, /* ret_size= */ NULL,
	                   /* err= */ NULL) < 0)
		return 0;
	close(there);
	uint64_t size;
	if (loci_blob_stat(st, repo, d, &size, /* err= */ NULL) == 0)
		return 1;
	int rc = repo ? loci_blob_mount(st, /* from_repo= */ NULL, repo, d, err) : LOCI_E_NOT_FOUND;
	return rc == LOCI_E_NOT_FOUND ? 0 : rc < 0 ? rc : 1; /* collected just now: take it in */
}

static int copy_bytes(struct loci_upload *up, int fd, struct loci_error *err)
{
	loci__cleanup_free char *chunk = malloc(COPY_CHUNK);
	if (!chunk)
		return loci__err_nomem(err);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	for (;;) {
		ssize_t n = loci__pread_full(fd, chunk, COPY_CHUNK, loci_upload_offset(up));
		if (n < 0)
			return loci__err_sys(err, "read a file to take in");
		int rc = n ? loci_upload_write(up, chunk, (size_t)n, err) : 0;
		if (rc < 0 || (size_t)n < COPY_CHUNK)
			return rc;
	}
}

static int copy(struct loci_store *st, const char *repo, int fd, const struct loci_digest *want,
                struct loci_error *err)
{
	struct loci_upload *up;
	int rc = loci__upload_begin_import(st, repo, want->alg, fd, /* how= */ 0, &up, err);
	if (rc < 0)
		return rc;
	rc = copy_bytes(up, fd, err);
	if (rc < 0) {
		loci_upload_close(up, /* discard= */ true);
		return rc;
	}
	return loci_upload_finish(up, want, /* ret= */ NULL, err);
}

/* UNSUPPORTED: not in this way. */
static int share(struct loci_store *st, const char *repo, int fd, const struct loci_digest *want,
                 int how, bool trust, struct loci_error *err)
{
	struct loci_upload *up;
	int rc = loci__upload_begin_import(st, repo, want->alg, fd, how, &up, err);
	return rc < 0 ? rc : loci__upload_finish(up, want, trust, /* ret= */ NULL, err);
}

/* Returns the way, enum loci_adopt_way. */
static int take_in(struct loci_store *st, const char *repo, int fd, const struct loci_digest *want,
                   unsigned flags, struct loci_error *err)
{
	bool trust = flags & LOCI_ADOPT_TRUST;
	int rc = LOCI_E_UNSUPPORTED;
	if (flags & LOCI_ADOPT_LINK)
		rc = share(st, repo, fd, want, LOCI_SESSION_LINK, trust, err);
	if (rc != LOCI_E_UNSUPPORTED)
		return rc < 0 ? rc : LOCI_ADOPTED_LINK;
	rc = share(st, repo, fd, want, LOCI_SESSION_CLONE, trust, err);
	if (rc != LOCI_E_UNSUPPORTED)
		return rc < 0 ? rc : LOCI_ADOPTED_CLONE;
	rc = copy(st, repo, fd, want, err);
	return rc < 0 ? rc : LOCI_ADOPTED_COPY;
}

int loci_blob_adopt(struct loci_store *st, const char *repo, int fd, const struct loci_digest *want,
                    unsigned flags, int *ret_way, struct loci_error *err)
{
	int rc = loci__store_check(st, err);
	if (rc == 0 && repo)
		rc = loci__check_repo(repo, err);
	if (rc == 0)
		rc = loci__check_digest(want, err);
	if (rc == 0)
		rc = check_file(st, fd, err);
	if (rc == 0)
		rc = use_present(st, repo, want, err);
	if (rc < 0)
		return rc;
	int way = rc == 1 ? LOCI_ADOPTED_PRESENT : take_in(st, repo, fd, want, flags, err);
	if (way < 0)
		return way;
	if (ret_way)
		*ret_way = way;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs as files: blobs/<alg>/<first two hex digits>/<hex>, sessions as files in uploads/.
 *
 * A session belongs to whoever holds flock on its file: the kernel lets go of it with its holder.
 * Whoever gets the lock looks whether the name still leads to the same file, as the last holder may
 * have published or removed it in between: the file that it has open would then be a blob. Its note
 * is a file beside it, ".<name>", and belongs to the same holder.
 *
 * Order of a publish: data synced, linked, the directory synced. Without syncs (relaxed) only a
 * name that is free is taken so: what stands there already may have been promised. The directory
 * blobs/<alg>/xx may be young itself, made by a peer that has not yet synced its parent: the first
 * publish of this process into it syncs the parent too. (The journal groups the syncs of several
 * threads; grouping them here gained nothing.)
 */
#include "core/store/blobs_dir.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/base/fs.h"
#include "core/base/hex.h"
#include "core/store/byte_lock.h"
#include "core/store/sessions_dir.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#define DIR_MODE        0700
#define QUARANTINE      "quarantine"
#define ASIDE_NAMES     1000 /* of one blob in one second */
#define TAKE_TRIES_MAX  16
#define THIRD_SUFFIX    ".new"
#define WRITE_BACK_STEP (8u << 20)
#define BLOB_PATH_MAX   (2 + 1 + 2 * 64 + 1) /* "ab/abcd…" */

static void blob_path(const struct loci_digest *d, char path[BLOB_PATH_MAX])
{
	loci__hex_format(d->bytes, d->len, path + 3);
	memcpy(path, path + 3, 2);
	path[2] = '/';
}

static int alg_dir(struct dir_blobs *b, const struct loci_digest *d)
{
	return d->alg > 0 && d->alg < LOCI_DIR_ALGS ? b->alg_fd[d->alg] : -1;
}

/* ---- blobs ----------------------------------------------------------------------------------- */

static int blob_err(const struct loci_digest *d, const char *what, struct loci_error *err)
{
	char text[LOCI_DIGEST_STR_MAX];
	int saved = errno;
	loci_digest_format(d, text);
	return loci__err_errno(err, saved, "%s blob %s", what, text);
}

static int dir_open(struct loci_blobs *base, const struct loci_digest *d, int *ret_fd,
                    uint64_t *ret_size, struct loci_error *err)
{
	char path[BLOB_PATH_MAX];
	struct stat st;
	int dirfd = alg_dir(loci__dir_of(base), d);
	blob_path(d, path);
	if (!ret_fd) {
		if (fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return blob_err(d, "find", err);
		*ret_size = (uint64_t)st.st_size;
		return 0;
	}
	loci__cleanup_close int fd = openat(dirfd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return blob_err(d, "open", err);
	*ret_size = (uint64_t)st.st_size;
	*ret_fd = loci__steal_fd(&fd);
	return 0;
}

static int dir_remove(struct loci_blobs *base, const struct loci_digest *d, uint64_t age_s,
                      bool only_look, struct loci_error *err)
{
	char path[BLOB_PATH_MAX];
	struct stat st;
	int dirfd = alg_dir(loci__dir_of(base), d);
	blob_path(d, path);
	if (fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return blob_err(d, "find", err);
	if (!loci__dir_is_older(&st, age_s))
		return loci__err_set(err, LOCI_E_BUSY, "a blob's file is young");
	if (!only_look && unlinkat(dirfd, path, 0) < 0)
		return blob_err(d, "remove", err);
	return 0;
}

static int walk_names(DIR *dir, int alg, loci_blobs_walk_fn fn, void *arg)
{
	int rc = 0;
	for (struct dirent *e; rc >= 0 && (e = readdir(dir));) {
		struct loci_digest d = {.alg = alg, .len = alg == LOCI_SHA256 ? 32 : 64};
		if (loci__hex_parse(e->d_name, strlen(e->d_name), d.bytes, d.len))
			rc = fn(arg, &d);
	}
	return rc < 0 ? rc : 0;
}

static int walk_dir(struct dir_blobs *b, int alg, const char *name, loci_blobs_walk_fn fn,
                    void *arg, struct loci_error *err)
{
	loci__cleanup_close int fd =
	        openat(b->alg_fd[alg], name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	loci__cleanup_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return loci__err_sys(err, "list blobs in '%s'", name);
	loci__steal_fd(&fd);
	return walk_names(dir, alg, fn, arg);
}

/* One of the small directories at a time. The cursor: its number. */
static int dir_walk(struct loci_blobs *base, struct loci_blobs_cursor *cursor,
                    loci_blobs_walk_fn fn, void *arg, struct loci_error *err)
{
	uint16_t at;
	char name[3];
	memcpy(&at, cursor->opaque, sizeof(at));
	unsigned char fan = (unsigned char)(at % LOCI_DIR_FANOUT);
	loci__hex_format(&fan, 1, name);
	int rc = walk_dir(loci__dir_of(base), 1 + at / LOCI_DIR_FANOUT, name, fn, arg, err);
	if (rc < 0)
		return rc;
	at++;
	memcpy(cursor->opaque, &at, sizeof(at));
	return at == (LOCI_DIR_ALGS - 1) * LOCI_DIR_FANOUT;
}

static bool is_same_file(int fd, int dirfd, const char *path)
{
	struct stat held, named;
	return fstat(fd, &held) == 0 && fstatat(dirfd, path, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       held.st_ino == named.st_ino && held.st_dev == named.st_dev;
}

static int sync_both(int alg_fd, const char *path, int aside_fd)
{
	char dir[3] = {path[0], path[1], '\0'};
	loci__cleanup_close int fd = openat(alg_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || loci__sync_dir(aside_fd) < 0 || loci__sync_dir(fd) < 0 ? -1 : 0;
}

/* The time is in the name; the same blob may go bad twice a second. */
static int rename_aside(int alg_fd, const char *path, int aside_fd, char name[LOCI_SET_ASIDE_MAX])
{
	unsigned long long now = loci__clock_epoch();
	for (unsigned n = 0; n < ASIDE_NAMES; n++) {
		snprintf(name, LOCI_SET_ASIDE_MAX, n ? "%s.%llu-%u" : "%s.%llu", path + 3, now, n);
		if (renameat2(alg_fd, path, aside_fd, name, RENAME_NOREPLACE) == 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	return -1;
}

/* A publisher may rename its file here between our look and our rename: then it is given back, and
 * if another one came meanwhile, that one is as good. */
static int dir_set_aside(struct loci_blobs *base, const struct loci_digest *d, int fd,
                         char ret_name[LOCI_SET_ASIDE_MAX], struct loci_error *err)
{
	struct dir_blobs *b = loci__dir_of(base);
	char path[BLOB_PATH_MAX], dir[32], name[LOCI_SET_ASIDE_MAX];
	int alg_fd = alg_dir(b, d);
	loci__cleanup_close int aside_fd = -1;
	blob_path(d, path);
	snprintf(dir, sizeof(dir), "../" QUARANTINE "/%s", loci_digest_alg_name(d->alg));
	if (!is_same_file(fd, alg_fd, path))
		return loci__err_set(err, LOCI_E_NOT_FOUND, "another file is there");
	int rc = loci__mkdirs_open(b->uploads_fd, dir, DIR_MODE, &aside_fd, err);
	if (rc < 0)
		return rc;
	if (rename_aside(alg_fd, path, aside_fd, name) < 0)
		return blob_err(d, "set aside", err);
	if (!is_same_file(fd, aside_fd, name)) {
		(void)renameat2(aside_fd, name, alg_fd, path, RENAME_NOREPLACE);
		return loci__err_set(err, LOCI_E_NOT_FOUND, "another file is there");
	}
	if (sync_both(alg_fd, path, aside_fd) < 0)
		return blob_err(d, "sync the new place of", err);
	snprintf(ret_name, LOCI_SET_ASIDE_MAX, "%s/%s", dir + strlen("../"), name);
	return 0;
}

/* ---- sessions -------------------------------------------------------------------------------- */

static struct dir_session *session_alloc(struct dir_blobs *b, const char *name)
{
	struct dir_session *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->base.blobs = &b->base;
	s->fd = -1;
	s->note_fd = -1;
	s->begun = UINT64_MAX;
	memcpy(s->name, name, strlen(name) + 1); /* ≤ LOCI_SESSION_NAME_MAX by contract */
	return s;
}

static void session_free(struct dir_session *s)
{
	/* Unlock by hand: a fork in another thread may hold a copy of the fd until it execs. */
	if (s->fd >= 0) {
		flock(s->fd, LOCK_UN);
		loci__byte_unlock(s->fd, LOCI_SESSION_HELD);
	}
	loci__close_fd(&s->fd);
	loci__close_fd(&s->note_fd);
	free(s);
}
LOCI_DEFINE_CLEANUP(session_free_ptr, struct dir_session, session_free)

static int session_err(const struct dir_session *s, const char *what, struct loci_error *err)
{
	return loci__err_sys(err, "%s upload session '%s'", what, s->name);
}

/* A second lock, that others can ask for without taking it: flock is only asked by being taken, and
 * whoever wants the session at that moment would be refused. Never waits: all share it. */
static void show_held(const struct dir_session *s)
{
	(void)loci__byte_lock_shared(s->fd, LOCI_SESSION_HELD);
}

static int dir_session_new(struct loci_blobs *base, const char *name, struct loci_session **ret,
                           struct loci_error *err)
{
	struct dir_blobs *b = loci__dir_of(base);
	loci__cleanup(session_free_ptr) struct dir_session *s = session_alloc(b, name);
	if (!s)
		return loci__err_nomem(err);
	s->fd = openat(b->uploads_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	               LOCI_DIR_FILE_MODE);
	if (s->fd < 0)
		return session_err(s, "make", err);
	if (flock(s->fd, LOCK_EX | LOCK_NB) < 0)
		return session_err(s, "lock", err);
	show_held(s);
	*ret = &loci__steal_ptr(&s)->base;
	return 0;
}

/* Whoever may write to the file could change the blob, and the store's owner must be able to read
 * it: so only the owner's own files, and root's that all may read. (An ACL that lets others write
 * shows as the group's bit.) */
static bool is_safe_to_link(struct dir_blobs *b, const struct stat *file)
{
	struct stat own;
	if (fstat(b->uploads_fd, &own) < 0 || file->st_mode & (S_IWGRP | S_IWOTH))
		return false;
	return file->st_uid == own.st_uid ? file->st_mode & S_IRUSR
	                                  : file->st_uid == 0 && file->st_mode & S_IROTH;
}

static int cannot_share(const struct dir_session *s, const char *how, struct loci_error *err)
{
	return loci__err_set(err, LOCI_E_UNSUPPORTED, "upload session '%s': no %s of this file",
	                     s->name, how);
}

static int share_by_link(struct dir_blobs *b, struct dir_session *s, int fd,
                         const struct stat *file, struct loci_error *err)
{
	if (!is_safe_to_link(b, file) || loci__link_fd(fd, b->uploads_fd, s->name) < 0)
		return cannot_share(s, "link", err);
	/* Only to read: the bytes are the file's, too. */
	s->fd = openat(b->uploads_fd, s->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	s->base.sealed = true;
	return s->fd < 0 ? session_err(s, "open", err) : 0;
}

static int share_by_clone(struct dir_blobs *b, struct dir_session *s, int fd,
                          struct loci_error *err)
{
	s->fd = openat(b->uploads_fd, s->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	               LOCI_DIR_FILE_MODE);
	if (s->fd < 0)
		return session_err(s, "make", err);
	if (loci__clone_fd(fd, s->fd) == 0)
		return 0;
	if (errno == ENOSPC || errno == EDQUOT || errno == EIO)
		return session_err(s, "clone a file to", err);
	return cannot_share(s, "clone", err);
}

static int lock_shared(struct dir_session *s, struct loci_error *err)
{
	struct stat st;
	/* Together with whoever links the same file just now; it keeps away those who clean up. */
	if (flock(s->fd, (s->base.sealed ? LOCK_SH : LOCK_EX) | LOCK_NB) < 0)
		return cannot_share(s, "lock", err);
	if (fstat(s->fd, &st) < 0)
		return session_err(s, "stat", err);
	show_held(s);
	s->base.size = (uint64_t)st.st_size;
	return 0;
}

static int dir_session_share(struct loci_blobs *base, const char *name, int fd, int how,
                             struct loci_session **ret, struct loci_error *err)
{
	struct dir_blobs *b = loci__dir_of(base);
	struct stat file;
	loci__cleanup(session_free_ptr) struct dir_session *s = session_alloc(b, name);
	if (!s)
		return loci__err_nomem(err);
	if (fstat(fd, &file) < 0)
		return session_err(s, "stat the file of", err);
	if (!S_ISREG(file.st_mode))
		return cannot_share(s, "share", err);
	int rc = how == LOCI_SESSION_LINK ? share_by_link(b, s, fd, &file, err)
	                                  : share_by_clone(b, s, fd, err);
	if (rc == 0)
		rc = lock_shared(s, err);
	if (rc < 0) {
		if (s->fd >= 0)
			unlinkat(b->uploads_fd, name, 0);
		return rc;
	}
	*ret = &loci__steal_ptr(&s)->base;
	return 0;
}

/* The file that an import linked may be one that its owner does not write to: then nobody does, and
 * the session can be looked at, or removed. */
static int open_session(struct dir_blobs *b, struct dir_session *s, struct loci_error *err)
{
	const int flags = O_NOFOLLOW | O_CLOEXEC;
	s->fd = openat(b->uploads_fd, s->name, O_RDWR | flags);
	if (s->fd < 0 && errno == EACCES) {
		s->fd = openat(b->uploads_fd, s->name, O_RDONLY | flags);
		s->base.sealed = true;
	}
	return s->fd < 0 ? session_err(s, "open", err) : 0;
}

/* 1: the file that is locked is not the name's any more. */
static int try_take(struct dir_blobs *b, struct dir_session *s, struct loci_error *err)
{
	struct stat held, named;
	s->base.sealed = false;
	int rc = open_session(b, s, err);
	if (rc < 0)
		return rc;
	if (flock(s->fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
		               ? loci__err_set(err, LOCI_E_BUSY,
		                               "upload session '%s' is being written", s->name)
		               : session_err(s, "lock", err);
	if (fstat(s->fd, &held) < 0)
		return session_err(s, "stat", err);
	if (fstatat(b->uploads_fd, s->name, &named, AT_SYMLINK_NOFOLLOW) < 0)
		return session_err(s, "find", err);
	if (held.st_ino != named.st_ino || held.st_dev != named.st_dev) {
		loci__close_fd(&s->fd);
		return 1;
	}
	show_held(s);
	s->base.size = (uint64_t)held.st_size;
	s->base.sealed |= held.st_nlink > 1;
	return 0;
}

static int dir_session_take(struct loci_blobs *base, const char *name, struct loci_session **ret,
                            struct loci_error *err)
{
	struct dir_blobs *b = loci__dir_of(base);
	loci__cleanup(session_free_ptr) struct dir_session *s = session_alloc(b, name);
	if (!s)
		return loci__err_nomem(err);
	int rc = 1;
	for (int tries = 0; rc == 1 && tries < TAKE_TRIES_MAX; tries++)
		rc = try_take(b, s, err);
	if (rc < 0)
		return rc;
	if (rc == 1)
		return loci__err_set(err, LOCI_E_BUSY, "upload session '%s' changes hands", name);
	*ret = &loci__steal_ptr(&s)->base;
	return 0;
}

static int dir_session_stat(struct loci_blobs *base, const char *name, uint64_t *ret_size,
                            struct loci_error *err)
{
	struct stat st;
	if (fstatat(loci__dir_of(base)->uploads_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return loci__err_sys(err, "find upload session '%s'", name);
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

/* The disk works while the rest is still coming, and the sync at the end has little left to wait
 * for. It waits only when the device's queue is full; what goes wrong is for the sync to say. */
static void begin_write_back(struct dir_session *s, uint64_t from, uint64_t to)
{
	if (s->begun > from)
		s->begun = from;
	if (to - s->begun < WRITE_BACK_STEP)
		return;
	(void)sync_file_range(s->fd, (off_t)s->begun, (off_t)(to - s->begun),
	                      SYNC_FILE_RANGE_WRITE);
	s->begun = to;
}

static int dir_session_write(struct loci_session *base, uint64_t offset, const void *p, size_t n,
                             struct loci_error *err)
{
	struct dir_session *s = loci__session_of(base);
	if (loci__pwrite_all(s->fd, p, n, offset) < 0)
		return session_err(s, "write", err);
	if (base->is_eager)
		begin_write_back(s, offset, offset + n);
	return 0;
}

static ssize_t dir_session_read(struct loci_session *base, uint64_t offset, void *p, size_t n,
                                struct loci_error *err)
{
	struct dir_session *s = loci__session_of(base);
	ssize_t got = loci__pread_full(s->fd, p, n, offset);
	return got < 0 ? session_err(s, "read", err) : got;
}

static int dir_session_cut(struct loci_session *base, uint64_t size, struct loci_error *err)
{
	struct dir_session *s = loci__session_of(base);
	if (ftruncate(s->fd, (off_t)size) < 0)
		return session_err(s, "shorten", err);
	return 0;
}

/* ---- publishing ------------------------------------------------------------------------------ */

/* The directory of the blob may not be there yet. */
static bool make_blob_dir(int alg_fd, const char *path)
{
	char dir[3] = {path[0], path[1], '\0'};
	return errno == ENOENT && (mkdirat(alg_fd, dir, DIR_MODE) == 0 || errno == EEXIST);
}

static int link_in(struct dir_blobs *b, const char *name, int alg_fd, const char *path)
{
	if (linkat(b->uploads_fd, name, alg_fd, path, 0) == 0)
		return 0;
	return make_blob_dir(alg_fd, path) ? linkat(b->uploads_fd, name, alg_fd, path, 0) : -1;
}

/* The session is gone with it. */
static int rename_in(struct dir_blobs *b, struct dir_session *s, int alg_fd, const char *path,
                     unsigned flags)
{
	int rc = renameat2(b->uploads_fd, s->name, alg_fd, path, flags);
	if (rc < 0 && make_blob_dir(alg_fd, path))
		rc = renameat2(b->uploads_fd, s->name, alg_fd, path, flags);
	if (rc < 0)
		return -1;
	s->published = true;
	loci__dir_note_unlink(b, s->name);
	return 0;
}

static bool is_this_file(const struct dir_session *s, int alg_fd, const char *path)
{
	struct stat own, there;
	return fstat(s->fd, &own) == 0 && fstatat(alg_fd, path, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       own.st_ino == there.st_ino && own.st_dev == there.st_dev;
}

/* By a third name, as a link does not replace. */
static int replace_by_link(struct dir_blobs *b, struct dir_session *s, int alg_fd, const char *path)
{
	char third[LOCI_NOTE_NAME_MAX + sizeof(THIRD_SUFFIX)];
	snprintf(third, sizeof(third), ".%s" THIRD_SUFFIX, s->name);
	unlinkat(b->uploads_fd, third, 0);
	if (linkat(b->uploads_fd, s->name, b->uploads_fd, third, 0) < 0)
		return -1;
	int rc = renameat(b->uploads_fd, third, alg_fd, path);
	int saved = errno;
	unlinkat(b->uploads_fd, third, 0); /* a rename between names of one file leaves both */
	errno = saved;
	return rc;
}

/* The blob gets a name beside the session's own, which goes when the blob is visible: killed in
 * between, the session is still there, whole. Its second name says that nobody may write to it any
 * more (sealed). Where links are not to be had, the session is renamed. */
static int name_blob(struct dir_blobs *b, struct dir_session *s, int alg_fd, const char *path,
                     bool replace)
{
	int rc = link_in(b, s->name, alg_fd, path);
	if (rc < 0 && errno == EEXIST && is_this_file(s, alg_fd, path))
		rc = 0;
	else if (rc < 0 && errno == EEXIST && replace)
		rc = replace_by_link(b, s, alg_fd, path);
	if (rc == 0) {
		s->base.sealed = true;
		return 0;
	}
	if (errno != EPERM && errno != EMLINK && errno != EOPNOTSUPP)
		return -1;
	return rename_in(b, s, alg_fd, path, replace ? 0 : RENAME_NOREPLACE);
}

/* The kernel reports a failed write-back once and takes the pages for clean: a second sync would
 * succeed over bytes that never got to the disk. So the session has to go. */
static int sync_data(struct dir_session *s, struct loci_error *err)
{
	if (fdatasync(s->fd) == 0)
		return 0;
	s->spoilt = true;
	return session_err(s, "sync", err);
}

static int sync_name(struct dir_blobs *b, const struct loci_digest *d, int alg_fd, const char *path)
{
	char dir[3] = {path[0], path[1], '\0'};
	loci__cleanup_close int fd = openat(alg_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || loci__sync_dir(fd) < 0)
		return -1;
	atomic_bool *synced = &b->parent_synced[d->alg][d->bytes[0]];
	if (!atomic_load(synced)) {
		if (loci__sync_dir(alg_fd) < 0)
			return -1;
		atomic_store(synced, true);
	}
	return 0;
}

static int dir_session_publish(struct loci_session *base, const struct loci_digest *d, bool sync,
                               struct loci_error *err)
{
	struct dir_session *s = loci__session_of(base);
	struct dir_blobs *b = loci__dir_of(base->blobs);
	char path[BLOB_PATH_MAX];
	int alg_fd = alg_dir(b, d);
	blob_path(d, path);
	if (!sync && name_blob(b, s, alg_fd, path, /* replace= */ false) == 0)
		return 0;
	int rc = sync_data(s, err);
	if (rc < 0)
		return rc;
	if (name_blob(b, s, alg_fd, path, /* replace= */ true) < 0)
		return session_err(s, "publish", err);
	return sync_name(b, d, alg_fd, path) < 0 ? blob_err(d, "sync the name of", err) : 0;
}

static void dir_session_close(struct loci_session *take_base, bool discard)
{
	struct dir_session *s = loci__session_of(take_base);
	if ((discard || s->spoilt) && !s->published) {
		loci__dir_note_unlink(loci__dir_of(take_base->blobs), s->name);
		unlinkat(loci__dir_of(take_base->blobs)->uploads_fd, s->name, 0);
	}
	session_free(s);
}

/* ---- opening --------------------------------------------------------------------------------- */

static void dir_close(struct loci_blobs *base)
{
	struct dir_blobs *b = loci__dir_of(base);
	loci__close_fd(&b->uploads_fd);
	for (int alg = 0; alg < LOCI_DIR_ALGS; alg++)
		loci__close_fd(&b->alg_fd[alg]);
	free(b);
}

static const struct loci_blobs_ops dir_ops = {
        .close = dir_close,
        .open = dir_open,
        .remove = dir_remove,
        .walk = dir_walk,
        .set_aside = dir_set_aside,
        .session_new = dir_session_new,
        .session_share = dir_session_share,
        .session_take = dir_session_take,
        .session_stat = dir_session_stat,
        .session_write = dir_session_write,
        .session_read = dir_session_read,
        .session_cut = dir_session_cut,
        .session_publish = dir_session_publish,
        .session_close = dir_session_close,
        .note_put = loci__dir_note_put,
        .note_get = loci__dir_note_get,
        .note_drop = loci__dir_note_drop,
        .session_foreach = loci__dir_session_foreach,
        .session_is_held = loci__dir_session_is_held,
        .session_remove = loci__dir_session_remove,
        .session_expire = loci__dir_session_expire,
};

static int open_dirs(struct dir_blobs *b, int dirfd, struct loci_error *err)
{
	loci__cleanup_close int blobs_fd = -1;
	int rc = loci__mkdirs_open(dirfd, "uploads", DIR_MODE, &b->uploads_fd, err);
	if (rc == 0)
		rc = loci__mkdirs_open(dirfd, "blobs", DIR_MODE, &blobs_fd, err);
	for (int alg = 1; rc == 0 && alg < LOCI_DIR_ALGS; alg++)
		rc = loci__mkdirs_open(blobs_fd, loci_digest_alg_name(alg), DIR_MODE,
		                       &b->alg_fd[alg], err);
	return rc;
}

int loci__blobs_dir_open(int dirfd, struct loci_blobs **ret, struct loci_error *err)
{
	struct dir_blobs *b = calloc(1, sizeof(*b));
	if (!b)
		return loci__err_nomem(err);
	b->base.ops = &dir_ops;
	b->uploads_fd = -1;
	for (int alg = 0; alg < LOCI_DIR_ALGS; alg++)
		b->alg_fd[alg] = -1;
	int rc = open_dirs(b, dirfd, err);
	if (rc < 0) {
		dir_close(&b->base);
		return rc;
	}
	*ret = &b->base;
	return 0;
}

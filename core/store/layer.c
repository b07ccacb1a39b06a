/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unpacked layers: layers/<alg>/<hex of the diff ID>/fs, a lowerdir for overlayfs.
 *
 * A layer is unpacked as layers/.tmp-<random>/fs and renamed when it is whole and synced. Two
 * kernel locks (flock), which go with their holder: the one on layers/.lock-<alg>-<hex> lets one at
 * a time unpack a layer, the one on the staging directory itself says that somebody still works in
 * it, so that the next open can remove what the dead left.
 */
#include "core/store/store.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/fs.h"
#include "core/base/hex.h"
#include "core/base/rand.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#define TMP_PREFIX     ".tmp-"
#define LOCK_PREFIX    ".lock-"
#define NAME_SIZE      192 /* longest: ".lock-sha512-" and 128 digits */
#define DIR_MODE       0700
#define FS_MODE        0755 /* the root's own mode comes with the layer */
#define FS_NAME        "fs"
#define TAKE_TRIES_MAX 1000 /* each a peer's whole hold of the lock */

struct loci_layer_staging {
	struct loci_store *st;
	struct loci_digest diff_id;
	int lock_fd;
	int dir_fd; /* layers/.tmp-…, locked */
	int fs_fd;
	char tmp[NAME_SIZE];
	char lock[NAME_SIZE];
};

/* "sha256/<hex>" */
static void final_path(const struct loci_digest *d, char path[NAME_SIZE])
{
	int n = snprintf(path, NAME_SIZE, "%s/", loci_digest_alg_name(d->alg));
	loci__hex_format(d->bytes, d->len, path + n);
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* flags (8), time (8) */
static int find_row(struct loci_store *st, const struct loci_digest *d, uint64_t *ret_flags,
                    struct loci_error *err)
{
	loci__cleanup_read struct loci__txn t = {0};
	struct loci__key k = loci__key_of_digest(d);
	int rc = loci__read_begin(st->sh->index, &t, err);
	if (rc == 0)
		rc = loci__txn_get_u64(&t, LOCI_INDEX_LAYER, &k, ret_flags, err);
	if (rc == LOCI_E_NOT_FOUND)
		return loci__err_set(err, rc, "layer %s is not unpacked", loci__digest_text(d).s);
	return rc;
}

struct layer_op {
	const struct loci_digest *diff_id;
	uint64_t flags;
};

static int commit_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	const struct layer_op *o = arg;
	struct loci__key k = loci__key_of_digest(o->diff_id);
	char b[16];
	loci__put_u64le(b, o->flags);
	loci__put_u64le(b + 8, loci__clock_epoch());
	return loci__txn_put(t, LOCI_INDEX_LAYER, &k, (struct loci_slice){b, sizeof(b)}, err);
}

/* The row and the directory: somebody may have removed the latter by hand. */
static int find_layer(struct loci_store *st, const struct loci_digest *d, int *ret_dirfd,
                      uint64_t *ret_flags, struct loci_error *err)
{
	char path[NAME_SIZE], fs[NAME_SIZE + sizeof(FS_NAME)];
	int rc = find_row(st, d, ret_flags, err);
	if (rc < 0)
		return rc;
	final_path(d, path);
	snprintf(fs, sizeof(fs), "%s/" FS_NAME, path);
	*ret_dirfd = openat(st->sh->layers_fd, fs, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret_dirfd < 0 ? loci__err_sys(err, "open layer '%s'", fs) : 0;
}

int loci_layer_open(struct loci_store *st, const struct loci_digest *diff_id, int *ret_dirfd,
                    unsigned *ret_flags, struct loci_error *err)
{
	uint64_t flags;
	int fd;
	int rc = loci__store_check(st, err);
	if (rc == 0)
		rc = loci__check_digest(diff_id, err);
	if (rc == 0)
		rc = find_layer(st, diff_id, &fd, &flags, err);
	if (rc < 0)
		return rc;
	*ret_dirfd = fd;
	if (ret_flags)
		*ret_flags = (unsigned)flags;
	return 0;
}

/* ---- locks ----------------------------------------------------------------------------------- */

/* Whether the name still leads to the file that is open. */
static bool is_same(int dirfd, const char *name, int fd)
{
	struct stat held, named;
	return fstat(fd, &held) == 0 && fstatat(dirfd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       held.st_ino == named.st_ino && held.st_dev == named.st_dev;
}

static int lock_wait(int fd)
{
	int rc;
	do
		rc = flock(fd, LOCK_EX);
	while (rc < 0 && errno == EINTR);
	return rc;
}

/* The holder removes the lock's file before it lets go: whoever waited holds one without a name and
 * tries again. */
static int take_lock(struct loci_layer_staging *s, struct loci_error *err)
{
	int layers_fd = s->st->sh->layers_fd;
	for (int tries = 0; tries < TAKE_TRIES_MAX; tries++) {
		loci__cleanup_close int fd =
		        openat(layers_fd, s->lock, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd < 0 || lock_wait(fd) < 0)
			return loci__err_sys(err, "lock '%s'", s->lock);
		if (is_same(layers_fd, s->lock, fd)) {
			s->lock_fd = loci__steal_fd(&fd);
			return 0;
		}
	}
	return loci__err_set(err, LOCI_E_BUSY, "layer lock '%s' changes hands", s->lock);
}

static void drop_lock(struct loci_layer_staging *s)
{
	if (s->lock_fd < 0)
		return;
	unlinkat(s->st->sh->layers_fd, s->lock, 0);
	flock(s->lock_fd, LOCK_UN); /* a fork may hold a copy of the fd until it execs */
	loci__close_fd(&s->lock_fd);
}

/* ---- staging --------------------------------------------------------------------------------- */

static void staging_free(struct loci_layer_staging *s)
{
	loci__close_fd(&s->fs_fd);
	if (s->dir_fd >= 0)
		flock(s->dir_fd, LOCK_UN);
	loci__close_fd(&s->dir_fd);
	drop_lock(s);
	free(s);
}

/* 1: whoever cleans up was faster than our lock. */
static int try_dir(struct loci_layer_staging *s, struct loci_error *err)
{
	int layers_fd = s->st->sh->layers_fd;
	char id[LOCI_RAND_NAME_MAX];
	int rc = loci__rand_name(id, err);
	if (rc < 0)
		return rc;
	snprintf(s->tmp, sizeof(s->tmp), TMP_PREFIX "%s", id);
	if (mkdirat(layers_fd, s->tmp, DIR_MODE) < 0)
		return loci__err_sys(err, "make 'layers/%s'", s->tmp);
	loci__cleanup_close int fd = openat(layers_fd, s->tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || !is_same(layers_fd, s->tmp, fd))
		return 1;
	s->dir_fd = loci__steal_fd(&fd);
	return 0;
}

static int make_dir(struct loci_layer_staging *s, struct loci_error *err)
{
	int rc = 1;
	for (int tries = 0; rc == 1 && tries < TAKE_TRIES_MAX; tries++)
		rc = try_dir(s, err);
	if (rc == 1)
		return loci__err_set(err, LOCI_E_BUSY, "no staging directory for a layer");
	if (rc < 0)
		return rc;
	if (mkdirat(s->dir_fd, FS_NAME, FS_MODE) < 0 ||
	    (s->fs_fd = openat(s->dir_fd, FS_NAME, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return loci__err_sys(err, "make 'layers/%s/" FS_NAME "'", s->tmp);
	return 0;
}

static int not_yet_there(struct loci_layer_staging *s, struct loci_error *err)
{
	uint64_t flags;
	loci__cleanup_close int fd = -1;
	int rc = find_layer(s->st, &s->diff_id, &fd, &flags, err);
	if (rc == 0)
		return loci__err_set(err, LOCI_E_EXISTS, "layer %s is unpacked already",
		                     loci__digest_text(&s->diff_id).s);
	return rc == LOCI_E_NOT_FOUND ? 0 : rc;
}

int loci_layer_begin(struct loci_store *st, const struct loci_digest *diff_id,
                     struct loci_layer_staging **ret, struct loci_error *err)
{
	int rc = loci__store_check(st, err);
	if (rc == 0)
		rc = loci__check_digest(diff_id, err);
	if (rc < 0)
		return rc;
	struct loci_layer_staging *s = calloc(1, sizeof(*s));
	if (!s)
		return loci__err_nomem(err);
	*s = (struct loci_layer_staging){
	        .st = st, .diff_id = *diff_id, .lock_fd = -1, .dir_fd = -1, .fs_fd = -1};
	int n = snprintf(s->lock, sizeof(s->lock), LOCK_PREFIX "%s-",
	                 loci_digest_alg_name(diff_id->alg));
	loci__hex_format(diff_id->bytes, diff_id->len, s->lock + n);
	rc = take_lock(s, err);
	if (rc == 0)
		rc = not_yet_there(s, err);
	if (rc == 0)
		rc = make_dir(s, err);
	if (rc < 0) {
		loci_layer_abort(s);
		return rc;
	}
	*ret = s;
	return 0;
}

int loci_layer_staging_fd(const struct loci_layer_staging *s)
{
	return s->fs_fd;
}

void loci_layer_abort(struct loci_layer_staging *s)
{
	if (!s)
		return;
	if (loci__store_check(s->st, /* err= */ NULL) < 0) {
		free(s); /* a forked child's copy: the directory and the locks are the parent's */
		return;
	}
	/* What cannot be removed now is found by the next open. */
	if (s->dir_fd >= 0)
		(void)loci__rm_tree(s->st->sh->layers_fd, s->tmp, /* err= */ NULL);
	staging_free(s);
}

/* ---- commit ---------------------------------------------------------------------------------- */

/* A directory without a row is what a crash left between rename and transaction: unfinished or not,
 * ours is whole. */
static int make_way(struct loci_layer_staging *s, const char *path, struct loci_error *err)
{
	int layers_fd = s->st->sh->layers_fd;
	char id[LOCI_RAND_NAME_MAX], aside[NAME_SIZE];
	int rc = loci__rand_name(id, err);
	if (rc < 0)
		return rc;
	snprintf(aside, sizeof(aside), TMP_PREFIX "%s", id);
	if (renameat(layers_fd, path, layers_fd, aside) < 0)
		return errno == ENOENT ? 0 : loci__err_sys(err, "move 'layers/%s' away", path);
	/* A peer that opens the store may be removing it, too; what stays is found by the next. */
	(void)loci__rm_tree(layers_fd, aside, /* err= */ NULL);
	return 0;
}

static int move_in(struct loci_layer_staging *s, struct loci_error *err)
{
	int layers_fd = s->st->sh->layers_fd;
	char path[NAME_SIZE];
	loci__cleanup_close int alg_fd = -1;
	int rc = loci__mkdirs_open(layers_fd, loci_digest_alg_name(s->diff_id.alg), DIR_MODE,
	                           &alg_fd, err);
	if (rc < 0)
		return rc;
	/* A layer is thousands of files: one syncfs instead of an fsync each. Whatever the
	 * durability: nothing would notice later that one of the files stayed empty. */
	if (syncfs(s->dir_fd) < 0)
		return loci__err_sys(err, "sync 'layers/%s'", s->tmp);
	final_path(&s->diff_id, path);
	rc = make_way(s, path, err);
	if (rc < 0)
		return rc;
	if (renameat(layers_fd, s->tmp, layers_fd, path) < 0)
		return loci__err_sys(err, "rename 'layers/%s'", s->tmp);
	if (loci__sync_dir(alg_fd) < 0 || loci__sync_dir(layers_fd) < 0)
		return loci__err_sys(err, "sync the directory of 'layers/%s'", path);
	return 0;
}

int loci_layer_commit(struct loci_layer_staging *take_s, unsigned flags, struct loci_error *err)
{
	struct loci_layer_staging *s = take_s;
	struct layer_op o = {&s->diff_id, flags};
	int rc = loci__store_check(s->st, err);
	if (rc == 0)
		rc = move_in(s, err);
	if (rc == 0)
		rc = loci__store_write(s->st, commit_op, &o, err);
	if (rc < 0) {
		loci_layer_abort(s);
		return rc;
	}
	staging_free(s);
	return 0;
}

/* ---- what the dead left ---------------------------------------------------------------------- */

/* 1 when something unfinished was removed. */
static int clean_one(int layers_fd, const char *name)
{
	bool is_tmp = !strncmp(name, TMP_PREFIX, strlen(TMP_PREFIX));
	if (!is_tmp && strncmp(name, LOCK_PREFIX, strlen(LOCK_PREFIX)) != 0)
		return 0;
	loci__cleanup_close int fd = openat(
	        layers_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | (is_tmp ? O_DIRECTORY : 0));
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || !is_same(layers_fd, name, fd))
		return 0;
	if (is_tmp)
		return loci__rm_tree(layers_fd, name, /* err= */ NULL) == 0;
	unlinkat(layers_fd, name, 0);
	return 0;
}

int loci__layers_clean(int layers_fd, struct loci_error *err)
{
	loci__cleanup_close int fd = openat(layers_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	loci__cleanup_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return loci__err_sys(err, "list the layers");
	loci__steal_fd(&fd);
	int removed = 0;
	for (struct dirent *e; (e = readdir(dir));)
		removed += clean_one(layers_fd, e->d_name);
	return removed;
}

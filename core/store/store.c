/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening and closing: the directory's layout, its format, and the list of what this process has
 * open.
 *
 * The file `format` is written last and durably when a store is made, and read first: a newer
 * format is refused before anything is touched. Whoever makes a store holds a lock on its
 * directory meanwhile, so that several starting at once make one.
 */
#include "core/store/store.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "core/base/fs.h"
#include "core/base/logger.h"
#include "core/store/blobs_dir.h"
#include "core/store/format.h"
#include "core/store/freeze.h"
#include "core/store/index_lmdb.h"
#include "core/store/migrate.h"
#include "core/store/remote_fs.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>

#define STORE_MODE   0755
#define PRIVATE_MODE 0700
#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"
#define PID_WAIT_MS  10000 /* docker's grace for a container that is stopped */

#define DEFAULT_BLOB_SIZE      ((uint64_t)1 << 40)
#define DEFAULT_MANIFEST_SIZE  ((uint64_t)4 << 20)
#define DEFAULT_MAP_SIZE       ((uint64_t)1 << 40)
#define DEFAULT_READERS        1024
#define DEFAULT_UPLOADS        10000
#define DEFAULT_UPLOAD_CHECK_S 3600
#define DEFAULT_LEASE_S        (24 * 3600)

static const char *const own_dirs[] = {"blobs", "uploads", "layers", "index", "run"};

/* What is open in this process; see store.h. */
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;
static struct loci__shared *open_list;

/* ---- the directory ----------------------------------------------------------------------------
 */

static bool is_own_name(const char *name)
{
	if (!strcmp(name, ".") || !strcmp(name, "..") || !strcmp(name, "lost+found") ||
	    !strncmp(name, LOCI_FORMAT_FILE, strlen(LOCI_FORMAT_FILE)))
		return true;
	for (size_t i = 0; i < loci__array_len(own_dirs); i++)
		if (!strcmp(name, own_dirs[i]))
			return true;
	return false;
}

/* Somebody's home is no place for a store; a half-made store is. */
static int check_empty(int dirfd, const char *dir, struct loci_error *err)
{
	loci__cleanup_close int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	loci__cleanup_dir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return loci__err_sys(err, "list '%s'", dir);
	loci__steal_fd(&fd);
	for (struct dirent *e; (e = readdir(d));)
		if (!is_own_name(e->d_name))
			return loci__err_set(err, LOCI_E_INVALID,
			                     "'%s' is no store and not empty ('%s')", dir,
			                     e->d_name);
	return 0;
}

static int make_layout(int dirfd, const char *dir, struct loci_error *err)
{
	for (size_t i = 0; i < loci__array_len(own_dirs); i++)
		if (mkdirat(dirfd, own_dirs[i], PRIVATE_MODE) < 0 && errno != EEXIST)
			return loci__err_sys(err, "make '%s/%s'", dir, own_dirs[i]);
	loci__cleanup_close int blobs_fd =
	        openat(dirfd, "blobs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (blobs_fd < 0)
		return loci__err_sys(err, "open '%s/blobs'", dir);
	for (int alg = LOCI_SHA256; alg <= LOCI_SHA512; alg++)
		if (mkdirat(blobs_fd, loci_digest_alg_name(alg), PRIVATE_MODE) < 0 &&
		    errno != EEXIST)
			return loci__err_sys(err, "make a directory in '%s/blobs'", dir);
	if (loci__sync_dir(blobs_fd) < 0 || loci__sync_dir(dirfd) < 0)
		return loci__err_sys(err, "sync '%s'", dir);
	return loci__format_write(dirfd, LOCI_FORMAT_NOW, err);
}

static int make_store(int dirfd, const char *dir, struct loci_error *err)
{
	if (flock(dirfd, LOCK_EX) < 0)
		return loci__err_sys(err, "lock '%s'", dir);
	unsigned format;
	int rc = loci__format_read(dirfd, dir, &format, err); /* a peer may have been faster */
	if (rc == LOCI_E_NOT_FOUND) {
		rc = check_empty(dirfd, dir, err);
		if (rc == 0)
			rc = make_layout(dirfd, dir, err);
	}
	flock(dirfd, LOCK_UN);
	return rc;
}

/* With the parents that are missing; all of their names have to last as the store does. */
static int make_dir(const char *dir, int *ret_fd, struct loci_error *err)
{
	loci__cleanup_close int fd = -1;
	int rc = loci__mkdirs_open(AT_FDCWD, dir, STORE_MODE, &fd, err);
	if (rc < 0)
		return rc;
	loci__cleanup_close int at = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (const char *slash = dir; at >= 0; slash++) {
		if (loci__sync_dir(at) < 0)
			return loci__err_sys(err, "sync a directory above '%s'", dir);
		slash = strchr(slash, '/');
		if (!slash)
			break;
		int above = openat(at, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		loci__close_fd(&at);
		at = above;
	}
	*ret_fd = loci__steal_fd(&fd);
	return 0;
}

static int open_dir(const char *dir, unsigned flags, const struct loci__sys *sys, int *ret_fd,
                    struct loci_error *err)
{
	loci__cleanup_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = 0;
	if (fd < 0 && errno == ENOENT && !(flags & LOCI_STORE_NO_CREATE))
		rc = make_dir(dir, &fd, err);
	else if (fd < 0)
		rc = loci__err_sys(err, "open store '%s'", dir);
	if (rc < 0)
		return rc;
	const char *remote = sys->remote_fs(fd);
	if (remote && !(flags & LOCI_STORE_FORCE_REMOTE))
		return loci__err_set(err, LOCI_E_UNSUPPORTED,
		                     "store '%s' is on %s, whose locks and memory maps do not "
		                     "reach other machines; put it on a local file system",
		                     dir, remote);
	unsigned format;
	rc = loci__format_read(fd, dir, &format, err);
	if (rc == LOCI_E_NOT_FOUND && !(flags & LOCI_STORE_NO_CREATE))
		rc = make_store(fd, dir, err);
	if (rc < 0)
		return rc;
	*ret_fd = loci__steal_fd(&fd);
	return 0;
}

/* ---- what handles share ---------------------------------------------------------------------- */

static void shared_free(struct loci__shared *sh)
{
	loci__writer_free(sh->writer);
	loci__lease_cache_free(sh->leases);
	loci__pull_cache_free(sh->pulls);
	loci__quotas_free(sh->quotas);
	loci__session_count_free(sh->session_count);
	loci__guard_free(sh->guard);
	if (sh->blobs)
		sh->blobs->ops->close(sh->blobs);
	if (sh->index)
		sh->index->ops->close(sh->index);
	if (sh->alive)
		munmap(sh->alive, 1);
	loci__close_fd(&sh->layers_fd);
	loci__close_fd(&sh->dirfd);
	free(sh);
}
LOCI_DEFINE_CLEANUP(shared_free_ptr, struct loci__shared, shared_free)

/* The one page that tells a forked child that it is one, for the price of a load. */
static int mark_alive(struct loci__shared *sh, struct loci_error *err)
{
	void *p = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return loci__err_nomem(err);
	sh->alive = p;
	if (madvise(p, 1, MADV_WIPEONFORK) < 0)
		return loci__err_sys(err, "mark a page for forks");
	*sh->alive = 1;
	return 0;
}

static int open_index(struct loci__shared *sh, const char *dir, const struct loci_store_opts *opts,
                      const struct loci__sys *sys, struct loci_error *err)
{
	/* The engine wants a path, and again after a damage: one that a chdir does not move. */
	loci__cleanup_free char *real = realpath(dir, NULL);
	char path[PATH_MAX];
	if (!real)
		return loci__err_sys(err, "resolve '%s'", dir);
	if (snprintf(path, sizeof(path), "%s/index", real) >= (int)sizeof(path))
		return loci__err_set(err, LOCI_E_TOO_LARGE, "store '%s': its path is too long",
		                     dir);
	struct loci_index_opts io = {
	        .map_size = opts->map_size,
	        .max_readers = opts->max_readers,
	        .pid_wait_ms = sys->pid_wait_ms,
	};
	return sys->index_open(path, &io, &sh->index, err);
}

/* With its writer, in the present format. */
static int start_index(struct loci__shared *sh, const char *dir, const struct loci_store_opts *opts,
                       const struct loci__sys *sys, struct loci_error *err)
{
	unsigned format;
	const struct loci__guard guard = {loci__check_frozen, &sh->dirfd};
	int rc = loci__format_lock(sh->dirfd, dir, &format, err);
	if (rc == 0)
		rc = open_index(sh, dir, opts, sys, err);
	if (rc == 0)
		rc = loci__writer_new(sh->index, guard, &sh->writer, err);
	if (rc == 0 && format < LOCI_FORMAT_NOW)
		rc = loci__migrate(sh, dir, format, sys->pid_wait_ms, opts->log, err);
	loci__format_unlock(sh->dirfd);
	return rc;
}

/* Without /proc there is none: then every session is read again when it is taken up. */
static void get_boot_id(struct loci__shared *sh, const struct loci__sys *sys)
{
	loci__cleanup_free char *text = NULL;
	size_t n;
	const char *id = sys->boot_id;
	if (!id && loci__read_file(AT_FDCWD, BOOT_ID_FILE, LOCI_BOOT_ID_MAX, &text, &n,
	                           /* err= */ NULL) == 0)
		id = text;
	if (id)
		snprintf(sh->boot, sizeof(sh->boot), "%.*s", (int)strcspn(id, "\n"), id);
}

static int shared_start(struct loci__shared *sh, const char *dir,
                        const struct loci_store_opts *opts, const struct loci__sys *sys,
                        struct loci_error *err)
{
	int rc = mark_alive(sh, err);
	if (rc == 0)
		rc = loci__mkdirs_open(sh->dirfd, "layers", PRIVATE_MODE, &sh->layers_fd, err);
	if (rc == 0)
		rc = sys->blobs_open(sh->dirfd, &sh->blobs, err);
	if (rc == 0)
		rc = start_index(sh, dir, opts, sys, err);
	if (rc == 0)
		rc = loci__guard_new(sh->dirfd, &sh->guard, err);
	if (rc < 0)
		return rc;
	get_boot_id(sh, sys);
	sh->leases = loci__lease_cache_new();
	sh->pulls = loci__pull_cache_new();
	sh->quotas = loci__quotas_new();
	if (sh->quotas)
		loci__writer_set_quotas(sh->writer, sh->quotas);
	sh->session_count = loci__session_count_new(sh->blobs);
	return sh->leases && sh->pulls && sh->quotas && sh->session_count ? 0
	                                                                  : loci__err_nomem(err);
}

/* What dead processes left behind; never a reason not to open. */
static void clean_up(struct loci__shared *sh, const struct loci_store_opts *opts)
{
	const struct loci_log *log = opts->log;
	struct loci_error err;
	loci__sessions_expire(sh, opts);
	int n = loci__layers_clean(sh->layers_fd, &err);
	if (n < 0)
		loci__log_error(log, LOCI_LOG_WARN, "store", "clean layers", &err);
	else if (n > 0)
		loci__log(log, LOCI_LOG_INFO, "store", "removed %d unfinished layers", n);
}

static struct loci__shared *find_open(const struct stat *st)
{
	for (struct loci__shared *sh = open_list; sh; sh = sh->next)
		if (*sh->alive && sh->dev == st->st_dev && sh->ino == st->st_ino)
			return sh;
	return NULL;
}

/* With open_lock held. */
static int shared_get(int *take_dirfd, const char *dir, const struct loci_store_opts *opts,
                      const struct loci__sys *sys, struct loci__shared **ret,
                      struct loci_error *err)
{
	struct stat st;
	if (fstat(*take_dirfd, &st) < 0)
		return loci__err_sys(err, "stat '%s'", dir);
	struct loci__shared *open_one = find_open(&st);
	if (open_one) {
		open_one->refs++;
		*ret = open_one;
		return 0;
	}
	loci__cleanup(shared_free_ptr) struct loci__shared *sh = calloc(1, sizeof(*sh));
	if (!sh)
		return loci__err_nomem(err);
	*sh = (struct loci__shared){.dev = st.st_dev, .ino = st.st_ino, .refs = 1};
	sh->dirfd = loci__steal_fd(take_dirfd);
	sh->layers_fd = -1;
	int rc = shared_start(sh, dir, opts, sys, err);
	if (rc < 0)
		return rc;
	clean_up(sh, opts);
	sh->next = open_list;
	open_list = sh;
	*ret = loci__steal_ptr(&sh);
	return 0;
}

static void shared_put(struct loci__shared *sh)
{
	pthread_mutex_lock(&open_lock);
	if (--sh->refs == 0) {
		struct loci__shared **at = &open_list;
		while (*at != sh)
			at = &(*at)->next;
		*at = sh->next;
		/* Under the lock: an open of the same directory has to wait until it is closed. */
		shared_free(sh);
	}
	pthread_mutex_unlock(&open_lock);
}

/* ---- handles --------------------------------------------------------------------------------- */

static void fill_opts(struct loci_store_opts *o, const struct loci_store_opts *given)
{
	*o = (struct loci_store_opts){0};
	if (given)
		memcpy(o, given, given->struct_size < sizeof(*o) ? given->struct_size : sizeof(*o));
	o->struct_size = sizeof(*o);
	if (!o->max_blob_size)
		o->max_blob_size = DEFAULT_BLOB_SIZE;
	if (!o->max_manifest_size)
		o->max_manifest_size = DEFAULT_MANIFEST_SIZE;
	if (!o->map_size)
		o->map_size = DEFAULT_MAP_SIZE;
	if (!o->max_readers)
		o->max_readers = DEFAULT_READERS;
	if (!o->lease_s)
		o->lease_s = DEFAULT_LEASE_S;
	if (!o->max_uploads)
		o->max_uploads = DEFAULT_UPLOADS;
	if (!o->upload_check_s)
		o->upload_check_s = DEFAULT_UPLOAD_CHECK_S;
}

static struct loci__sys fill_sys(const struct loci__sys *given)
{
	struct loci__sys sys = given ? *given : (struct loci__sys){0};
	if (!sys.index_open)
		sys.index_open = loci__index_lmdb_open;
	if (!sys.blobs_open)
		sys.blobs_open = loci__blobs_dir_open;
	if (!sys.remote_fs)
		sys.remote_fs = loci__remote_fs_of;
	if (!sys.pid_wait_ms)
		sys.pid_wait_ms = PID_WAIT_MS;
	return sys;
}

int loci__store_open_with(const char *dir, const struct loci_store_opts *opts,
                          const struct loci__sys *given_sys, struct loci_store **ret,
                          struct loci_error *err)
{
	struct loci__sys sys = fill_sys(given_sys);
	loci__cleanup_close int dirfd = -1;
	loci__cleanup_free struct loci_store *st = calloc(1, sizeof(*st) + strlen(dir) + 1);
	if (!st)
		return loci__err_nomem(err);
	fill_opts(&st->opts, opts);
	memcpy(st->dir, dir, strlen(dir) + 1);
	int rc = open_dir(dir, st->opts.flags, &sys, &dirfd, err);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&open_lock);
	rc = shared_get(&dirfd, dir, &st->opts, &sys, &st->sh, err);
	pthread_mutex_unlock(&open_lock);
	if (rc < 0)
		return rc;
	*ret = loci__steal_ptr(&st);
	return 0;
}

int loci_store_open(const char *dir, const struct loci_store_opts *opts, struct loci_store **ret,
                    struct loci_error *err)
{
	return loci__store_open_with(dir, opts, /* sys= */ NULL, ret, err);
}

void loci_store_close(struct loci_store *st)
{
	if (!st)
		return;
	/* In a forked child nothing of it may be touched: closing would free the parent's slots in
	 * the reader table. */
	if (*st->sh->alive)
		shared_put(st->sh);
	free(st);
}

const char *loci_store_dir(const struct loci_store *st)
{
	return st->dir;
}

int loci_store_subdir(struct loci_store *st, const char *name, int *ret_dirfd,
                      struct loci_error *err)
{
	int rc = loci__store_check(st, err);
	if (rc < 0)
		return rc;
	if (!*name || name[0] == '.' || strchr(name, '/') || strlen(name) > NAME_MAX)
		return loci__err_set(err, LOCI_E_INVALID,
		                     "'%s': expected a name without '/' and leading dot", name);
	loci__cleanup_close int run_fd = -1;
	rc = loci__mkdirs_open(st->sh->dirfd, "run", PRIVATE_MODE, &run_fd, err);
	return rc < 0 ? rc : loci__mkdirs_open(run_fd, name, PRIVATE_MODE, ret_dirfd, err);
}

/* ---- what every file of the store needs ------------------------------------------------------ */

int loci__store_check(const struct loci_store *st, struct loci_error *err)
{
	if (*st->sh->alive)
		return 0;
	return loci__err_set(err, LOCI_E_USAGE,
	                     "store '%s' was opened before a fork: open it in the child", st->dir);
}

int loci__store_write(struct loci_store *st, loci__op_fn fn, void *arg, struct loci_error *err)
{
	return loci__writer_run(st->sh->writer, loci__store_is_durable(st), fn, arg, err);
}

int loci__check_repo(const char *repo, struct loci_error *err)
{
	if (repo && loci_repo_is_valid(repo, strlen(repo)))
		return 0;
	return loci__err_set(err, LOCI_E_INVALID, "'%s' is no repository name",
	                     repo ? repo : "(none)");
}

int loci__check_tag(const char *tag, struct loci_error *err)
{
	if (tag && loci_tag_is_valid(tag, strlen(tag)))
		return 0;
	return loci__err_set(err, LOCI_E_INVALID, "'%s' is no tag", tag ? tag : "(none)");
}

int loci__check_digest(const struct loci_digest *d, struct loci_error *err)
{
	if (d &&
	    ((d->alg == LOCI_SHA256 && d->len == 32) || (d->alg == LOCI_SHA512 && d->len == 64)))
		return 0;
	return loci__err_set(err, LOCI_E_INVALID, "no digest of a known algorithm");
}

struct loci__digest_text loci__digest_text(const struct loci_digest *d)
{
	struct loci__digest_text text;
	loci_digest_format(d, text.s);
	return text;
}

int loci__err_not_found(struct loci__txn *t, const char *repo, const char *what, const char *name,
                        struct loci_error *err)
{
	if (!repo)
		return loci__err_set(err, LOCI_E_NOT_FOUND, "%s %s is not in the store", what,
		                     name);
	struct loci__key k = {0};
	loci__key_text(&k, repo);
	int rc = loci__txn_has(t, LOCI_INDEX_REPO, &k, err);
	if (rc == 0)
		return loci__err_set(err, LOCI_E_NOT_FOUND, "%s %s is not in repository '%s'", what,
		                     name, repo);
	if (rc == LOCI_E_NOT_FOUND)
		return loci__err_set(err, LOCI_E_NOT_FOUND, "%s %s: repository '%s' is not known",
		                     what, name, repo);
	return rc;
}

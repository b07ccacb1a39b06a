/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index on LMDB: the only file that includes lmdb.h.
 *
 * What it adds to the engine:
 * - Read transactions are kept in a pool and renewed (12 ns) instead of begun, with MDB_NOTLS, as
 *   they belong to requests and not to threads.
 * - The map is reserved big and grows when it is full or when another process grew it. That needs
 *   a moment without transactions in this process: `gate` is held shared by each of them and alone
 *   by whoever maps anew.
 * - Opening, closing and writing are guarded by kernel locks of our own (byte_lock.h). LMDB's
 *   mutexes name their owner by thread id, which two PID namespaces hand out twice; behind our lock
 *   nobody ever waits in them, so that a dying waiter cannot be taken for the owner.
 * - A process marks itself as a live reader by a lock at the offset of its process id. When
 *   another process has the same id in another PID namespace, the claim is tried for a while, as
 *   the other one may be draining in a rolling restart, and then answered with BUSY.
 * - A reader slot that a dead process left under our own id is not cleared by LMDB's check, which
 *   skips the caller's id. Once the claim is ours no other living process has that id, and closing
 *   the environment frees all of its slots: so it is opened once more.
 */
#include "core/store/index_lmdb.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/base/fs.h"
#include "core/store/byte_lock.h"
#include "core/store/index_make.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define MAP_SIZE_MIN    ((uint64_t)1 << 20)
#define MAP_SIZE_MAX    ((uint64_t)1 << 46) /* half of x86-64's user space */
#define POOL_MAX        32                  /* idle snapshots kept, each a reader slot */
#define CLAIM_POLL_MS   20
#define GUARD_OPEN      0 /* bytes of the guard file */
#define GUARD_WRITE     1
#define GUARD_NAME      "guard"
#define LOCK_NAME       "lock.mdb"
#define READER_SIZE     64 /* bytes of a slot in LOCK_NAME */
#define LOCK_HEAD_MAX   1024
#define FULL_BELOW      ((uint64_t)64 << 10) /* bytes: a disk with less is full */
#define INDEX_MODE      0600
#define RENEW_TRIES_MAX 16

static const char *const table_names[LOCI_INDEX_TABLES] = {
#define NAME(sym, name) [LOCI_INDEX_##sym] = name,
        LOCI_INDEX_TABLE_MAP(NAME)
#undef NAME
};

struct lmdb_txn {
	struct loci_index_txn base;
	MDB_txn *txn;
	struct lmdb_txn *next; /* in the pool */
};

struct lmdb_index {
	struct loci_index base;
	MDB_env *env; /* NULL after a repair that failed */
	MDB_dbi dbi[LOCI_INDEX_TABLES];
	pthread_rwlock_t gate;
	pthread_mutex_t pool_lock;
	struct lmdb_txn *pool;
	unsigned pooled;
	unsigned generation; /* of env, counted up by each repair; written under gate */
	bool must_grow;      /* the writer's; so are the next two */
	bool durable;        /* of the transaction under way */
	bool wrote;
	struct lmdb_txn writer;
	int guard_fd;
	int lock_fd; /* of LOCK_NAME, as long as env is open; see reserve_slots */
	struct loci_index_opts opts;
	char path[]; /* absolute */
};

static int open_env(struct lmdb_index *ix, unsigned pid_wait_ms, struct loci_error *err);
static void close_env(struct lmdb_index *ix);

static struct lmdb_index *lmdb_of(struct loci_index *ix)
{
	return (struct lmdb_index *)ix;
}

static int engine_err(struct loci_error *err, int rc, const char *what)
{
	if (rc > 0)
		return loci__err_errno(err, rc, "index: %s", what);
	int code = LOCI_E_INTERNAL;
	switch (rc) {
	case MDB_MAP_FULL: return LOCI_INDEX_AGAIN;
	case MDB_READERS_FULL: code = LOCI_E_BUSY; break;
	case MDB_TXN_FULL: code = LOCI_E_TOO_LARGE; break;
	case MDB_BAD_VALSIZE: code = LOCI_E_INVALID; break;
	case MDB_VERSION_MISMATCH: code = LOCI_E_UNSUPPORTED; break;
	default: break;
	}
	return loci__err_set(err, code, "index: %s: %s", what, mdb_strerror(rc));
}

/* ---- mapping anew ---------------------------------------------------------------------------- */

/* A failed remap leaves LMDB without any map, so ask the kernel for the space first. */
static bool space_is_free(uint64_t n)
{
	void *p = mmap(NULL, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return false;
	munmap(p, n);
	return true;
}

/* n == 0: as big as another process made it. */
static int map_anew(struct lmdb_index *ix, uint64_t n, struct loci_error *err)
{
	int rc = 0;
	pthread_rwlock_wrlock(&ix->gate);
	if (!ix->env)
		rc = LOCI_E_INTERNAL;
	else if ((rc = mdb_env_set_mapsize(ix->env, n)) != 0)
		rc = engine_err(err, rc, "map it anew");
	if (rc < 0) /* no map left: nobody may touch this environment again */
		close_env(ix);
	pthread_rwlock_unlock(&ix->gate);
	return rc;
}

static int grow(struct lmdb_index *ix, struct loci_error *err)
{
	MDB_envinfo info = {0};
	pthread_rwlock_rdlock(&ix->gate);
	if (ix->env)
		mdb_env_info(ix->env, &info);
	pthread_rwlock_unlock(&ix->gate);
	if (!info.me_mapsize)
		return 0; /* the write that follows repairs it first */
	uint64_t want = (uint64_t)info.me_mapsize * 2;
	if (want > MAP_SIZE_MAX || !space_is_free(want))
		return loci__err_set(err, LOCI_E_NO_SPACE,
		                     "index: its %zu bytes of address space are full and no more "
		                     "can be had (see ulimit -v)",
		                     info.me_mapsize);
	int rc = map_anew(ix, want, err);
	if (rc == 0)
		ix->must_grow = false;
	return rc;
}

/* After a failure that LMDB calls fatal for the environment (the meta page could not be written):
 * open it afresh. seen: the generation that failed. */
static int repair(struct lmdb_index *ix, unsigned seen, struct loci_error *err)
{
	int rc = 0;
	pthread_rwlock_wrlock(&ix->gate);
	if (ix->generation == seen || !ix->env) {
		close_env(ix);
		rc = open_env(ix, /* pid_wait_ms= */ 0, err);
		ix->generation++;
	}
	pthread_rwlock_unlock(&ix->gate);
	return rc;
}

/* What to do when a transaction could not begin. Called without the gate. 0: try again. */
static int recover(struct lmdb_index *ix, int rc, unsigned generation, struct loci_error *err)
{
	int dead = 0;
	switch (rc) {
	case MDB_MAP_RESIZED: return map_anew(ix, 0, err);
	case MDB_PANIC: return repair(ix, generation, err);
	case MDB_READERS_FULL:
		pthread_rwlock_rdlock(&ix->gate);
		if (ix->env)
			mdb_reader_check(ix->env, &dead);
		pthread_rwlock_unlock(&ix->gate);
		if (dead > 0)
			return 0;
		return loci__err_set(err, LOCI_E_BUSY,
		                     "index: all %u reader slots are taken (see max_readers)",
		                     ix->opts.max_readers);
	default: return engine_err(err, rc, "begin a transaction");
	}
}

/* ---- reading --------------------------------------------------------------------------------- */

static struct lmdb_txn *pool_take(struct lmdb_index *ix)
{
	pthread_mutex_lock(&ix->pool_lock);
	struct lmdb_txn *t = ix->pool;
	if (t) {
		ix->pool = t->next;
		ix->pooled--;
	}
	pthread_mutex_unlock(&ix->pool_lock);
	return t;
}

static bool pool_give(struct lmdb_index *ix, struct lmdb_txn *t)
{
	pthread_mutex_lock(&ix->pool_lock);
	bool room = ix->pooled < POOL_MAX;
	if (room) {
		t->next = ix->pool;
		ix->pool = t;
		ix->pooled++;
	}
	pthread_mutex_unlock(&ix->pool_lock);
	return room;
}

static void txn_free(struct lmdb_txn *t)
{
	if (t->txn)
		mdb_txn_abort(t->txn);
	free(t);
}

/* With the gate held. An engine's code, 0 for success. */
static int snapshot(struct lmdb_index *ix, struct lmdb_txn **ret)
{
	if (!ix->env)
		return MDB_PANIC;
	struct lmdb_txn *t = pool_take(ix);
	int rc;
	if (t) {
		rc = mdb_txn_renew(t->txn);
		if (rc == 0) {
			*ret = t;
			return 0;
		}
		txn_free(t);
		if (rc != MDB_BAD_RSLOT)
			return rc;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		return ENOMEM;
	t->base.index = &ix->base;
	rc = mdb_txn_begin(ix->env, /* parent= */ NULL, MDB_RDONLY, &t->txn);
	if (rc != 0) {
		free(t);
		return rc;
	}
	*ret = t;
	return 0;
}

static int lmdb_read_begin(struct loci_index *base, struct loci_index_txn **ret,
                           struct loci_error *err)
{
	struct lmdb_index *ix = lmdb_of(base);
	for (int tries = 0;; tries++) {
		struct lmdb_txn *t;
		pthread_rwlock_rdlock(&ix->gate);
		int rc = snapshot(ix, &t);
		if (rc == 0) {
			*ret = &t->base;
			return 0; /* the gate stays held until read_end */
		}
		unsigned generation = ix->generation;
		pthread_rwlock_unlock(&ix->gate);
		if (tries == RENEW_TRIES_MAX)
			return engine_err(err, rc, "begin a snapshot");
		rc = recover(ix, rc, generation, err);
		if (rc < 0)
			return rc;
	}
}

static void lmdb_read_end(struct loci_index_txn *base)
{
	struct lmdb_txn *t = (struct lmdb_txn *)base;
	struct lmdb_index *ix = lmdb_of(base->index);
	mdb_txn_reset(t->txn);
	if (!pool_give(ix, t))
		txn_free(t);
	pthread_rwlock_unlock(&ix->gate);
}

/* ---- writing --------------------------------------------------------------------------------- */

/* With the gate and the writers' lock held. An engine's code. */
static int begin_write(struct lmdb_index *ix, bool durable)
{
	if (!ix->env)
		return MDB_PANIC;
	/* The environment's flags are the writing thread's alone. Without the sync of the meta page
	 * a power cut may undo the last commits, in order, and damages nothing. */
	mdb_env_set_flags(ix->env, MDB_NOMETASYNC, !durable);
	ix->durable = durable;
	ix->wrote = false;
	return mdb_txn_begin(ix->env, /* parent= */ NULL, 0, &ix->writer.txn);
}

static int try_write(struct lmdb_index *ix, bool durable, bool *ret_again, struct loci_error *err)
{
	*ret_again = false;
	if (loci__byte_lock(ix->guard_fd, GUARD_WRITE) < 0)
		return loci__err_sys(err, "index: lock '%s'", ix->path);
	pthread_rwlock_rdlock(&ix->gate);
	int rc = begin_write(ix, durable);
	if (rc == 0)
		return 0;
	unsigned generation = ix->generation;
	pthread_rwlock_unlock(&ix->gate);
	loci__byte_unlock(ix->guard_fd, GUARD_WRITE);
	*ret_again = true;
	return recover(ix, rc, generation, err);
}

static int lmdb_write_begin(struct loci_index *base, bool durable, struct loci_index_txn **ret,
                            struct loci_error *err)
{
	struct lmdb_index *ix = lmdb_of(base);
	if (ix->must_grow) {
		int rc = grow(ix, err);
		if (rc < 0)
			return rc;
	}
	for (int tries = 0; tries < RENEW_TRIES_MAX; tries++) {
		bool again;
		int rc = try_write(ix, durable, &again, err);
		if (rc < 0)
			return rc;
		if (!again) {
			*ret = &ix->writer.base;
			return 0;
		}
	}
	return loci__err_set(err, LOCI_E_INTERNAL, "index: a write could not begin");
}

static void write_over(struct lmdb_index *ix)
{
	ix->writer.txn = NULL;
	pthread_rwlock_unlock(&ix->gate);
	loci__byte_unlock(ix->guard_fd, GUARD_WRITE);
}

static int write_err(struct lmdb_index *ix, int rc, const char *what, struct loci_error *err)
{
	if (rc == MDB_MAP_FULL)
		ix->must_grow = true;
	return engine_err(err, rc, what);
}

/* LMDB calls a write that was cut short EIO, though what stopped it was a disk that it filled. */
static bool is_disk_full(struct lmdb_index *ix)
{
	int fd;
	struct statvfs fs;
	return mdb_env_get_fd(ix->env, &fd) == 0 && fstatvfs(fd, &fs) == 0 &&
	       (uint64_t)fs.f_bavail * fs.f_frsize < FULL_BELOW;
}

static int lmdb_commit(struct loci_index_txn *base, struct loci_error *err)
{
	struct lmdb_index *ix = lmdb_of(base->index);
	int rc = mdb_txn_commit(ix->writer.txn);
	/* LMDB syncs nothing then; but what was found there may be a relaxed writer's. */
	if (rc == 0 && ix->durable && !ix->wrote)
		rc = mdb_env_sync(ix->env, /* force= */ 1);
	if (rc == EIO && is_disk_full(ix))
		rc = ENOSPC;
	write_over(ix);
	return rc == 0 ? 0 : write_err(ix, rc, "commit", err);
}

static void lmdb_abort(struct loci_index_txn *base)
{
	struct lmdb_index *ix = lmdb_of(base->index);
	mdb_txn_abort(ix->writer.txn);
	write_over(ix);
}

/* ---- rows ------------------------------------------------------------------------------------ */

static MDB_val val_of(struct loci_slice s)
{
	return (MDB_val){s.n, (void *)s.p};
}

static struct loci_slice slice_of(MDB_val v)
{
	return (struct loci_slice){v.mv_data, v.mv_size};
}

static int lmdb_get(struct loci_index_txn *base, int table, struct loci_slice key,
                    struct loci_slice *ret_val, struct loci_error *err)
{
	struct lmdb_index *ix = lmdb_of(base->index);
	MDB_val k = val_of(key), v;
	int rc = mdb_get(((struct lmdb_txn *)base)->txn, ix->dbi[table], &k, &v);
	if (rc == MDB_NOTFOUND)
		return LOCI_E_NOT_FOUND;
	if (rc != 0)
		return engine_err(err, rc, "read a row");
	*ret_val = slice_of(v);
	return 0;
}

static int lmdb_put(struct loci_index_txn *base, int table, struct loci_slice key,
                    struct loci_slice val, struct loci_error *err)
{
	struct lmdb_index *ix = lmdb_of(base->index);
	MDB_val k = val_of(key), v = val_of(val);
	ix->wrote = true;
	int rc = mdb_put(ix->writer.txn, ix->dbi[table], &k, &v, 0);
	return rc == 0 ? 0 : write_err(ix, rc, "write a row", err);
}

static int lmdb_del(struct loci_index_txn *base, int table, struct loci_slice key,
                    struct loci_error *err)
{
	struct lmdb_index *ix = lmdb_of(base->index);
	MDB_val k = val_of(key);
	ix->wrote = true;
	int rc = mdb_del(ix->writer.txn, ix->dbi[table], &k, NULL);
	if (rc == MDB_NOTFOUND)
		return LOCI_E_NOT_FOUND;
	return rc == 0 ? 0 : write_err(ix, rc, "remove a row", err);
}

static int lmdb_scan(struct loci_index_txn *base, int table, struct loci_slice from,
                     loci_index_scan_fn fn, void *arg, struct loci_error *err)
{
	struct lmdb_index *ix = lmdb_of(base->index);
	MDB_cursor *cursor;
	int rc = mdb_cursor_open(((struct lmdb_txn *)base)->txn, ix->dbi[table], &cursor);
	if (rc != 0)
		return engine_err(err, rc, "open a cursor");
	MDB_val k = val_of(from), v;
	rc = mdb_cursor_get(cursor, &k, &v, from.n ? MDB_SET_RANGE : MDB_FIRST);
	while (rc == 0 && fn(arg, slice_of(k), slice_of(v)) == 0)
		rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
	mdb_cursor_close(cursor);
	return rc == 0 || rc == MDB_NOTFOUND ? 0 : engine_err(err, rc, "walk rows");
}

/* ---- opening --------------------------------------------------------------------------------- */

/* One line of LMDB's reader list: "pid thread txnid|-". */
struct slot_count {
	unsigned busy;
	unsigned own;
};

static int count_slot(const char *line, void *arg)
{
	struct slot_count *count = arg;
	struct loci_cursor c = loci__cursor(line, strlen(line));
	uint64_t pid;
	struct loci_slice word;
	loci__skip_blanks(&c);
	if (!loci__take_u64(&c, &pid))
		return 0; /* the heading */
	if (pid == (uint64_t)getpid())
		count->own++;
	loci__skip_blanks(&c);
	loci__take_run(&c, loci__is_hex, &word);
	loci__skip_blanks(&c);
	if (!loci__take_char(&c, '-'))
		count->busy++;
	return 0;
}

static struct slot_count count_slots(struct lmdb_index *ix)
{
	struct slot_count count = {0};
	mdb_reader_list(ix->env, count_slot, &count);
	return count;
}

/* Whether a smaller map may be granted where this one was not. */
static bool is_about_size(int rc)
{
	return rc == ENOMEM || rc == EINVAL || rc == EOVERFLOW || rc == EFBIG;
}

/* Gives every byte of the reader table its block: LMDB maps a file with holes, and a slot that is
 * first used on a full disk would be a SIGBUS. An errno. */
static int reserve(int fd, int flags, off_t n)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return errno;
	if (n < st.st_size)
		n = st.st_size;
	if (st.st_blocks * 512 >= n || fallocate(fd, flags, 0, n) == 0)
		return 0;
	return errno == ENOSPC || errno == EDQUOT ? errno : 0; /* else: not on this file system */
}

/* Before LMDB opens the file, which makes it as big as max_readers asks. The fd stays open as long
 * as the environment, as closing it would drop the locks that LMDB holds on the file. */
static int reserve_slots(struct lmdb_index *ix)
{
	char path[PATH_MAX];
	if (snprintf(path, sizeof(path), "%s/" LOCK_NAME, ix->path) >= (int)sizeof(path))
		return ENAMETOOLONG;
	ix->lock_fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, INDEX_MODE);
	if (ix->lock_fd < 0)
		return errno;
	return reserve(ix->lock_fd, FALLOC_FL_KEEP_SIZE,
	               (off_t)ix->opts.max_readers * READER_SIZE + LOCK_HEAD_MAX);
}

static int env_new(struct lmdb_index *ix, uint64_t map_size)
{
	int rc = mdb_env_create(&ix->env);
	if (rc != 0)
		return rc;
	if ((rc = mdb_env_set_mapsize(ix->env, map_size)) == 0 &&
	    (rc = mdb_env_set_maxdbs(ix->env, LOCI_INDEX_TABLES)) == 0 &&
	    (rc = mdb_env_set_maxreaders(ix->env, ix->opts.max_readers)) == 0 &&
	    (rc = reserve_slots(ix)) == 0 &&
	    (rc = mdb_env_open(ix->env, ix->path, MDB_NOTLS | MDB_NORDAHEAD, INDEX_MODE)) == 0)
		rc = reserve(ix->lock_fd, 0, 0);
	if (rc != 0) {
		mdb_env_close(ix->env);
		loci__close_fd(&ix->lock_fd);
		ix->env = NULL;
	}
	return rc;
}

static int env_open_guarded(struct lmdb_index *ix, struct loci_error *err)
{
	uint64_t size = ix->opts.map_size;
	int rc;
	while ((rc = env_new(ix, size)) != 0 && is_about_size(rc) && size / 4 >= MAP_SIZE_MIN)
		size /= 4;
	if (rc != 0)
		return rc > 0 ? loci__err_errno(err, rc, "open the index '%s'", ix->path)
		              : loci__err_set(err,
		                              rc == MDB_VERSION_MISMATCH ? LOCI_E_UNSUPPORTED
		                                                         : LOCI_E_INTERNAL,
		                              "open the index '%s': %s", ix->path,
		                              mdb_strerror(rc));
	return 0;
}

/* LMDB opens its data file twice without O_CLOEXEC and shows only one of the two: find both by what
 * they are. A container's process that inherits one could write the index. */
static int close_on_exec(struct lmdb_index *ix, struct loci_error *err)
{
	int data_fd;
	struct stat data, st;
	loci__cleanup_dir DIR *dir = opendir("/proc/self/fd");
	if (!dir || mdb_env_get_fd(ix->env, &data_fd) != 0 || fstat(data_fd, &data) < 0)
		return loci__err_sys(err, "open the index '%s': list '/proc/self/fd'", ix->path);
	for (struct dirent *e; (e = readdir(dir));) {
		uint64_t fd;
		if (!loci__parse_u64(e->d_name, strlen(e->d_name), &fd) ||
		    fstat((int)fd, &st) < 0 || st.st_ino != data.st_ino || st.st_dev != data.st_dev)
			continue;
		if (fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0)
			return loci__err_sys(err, "open the index '%s'", ix->path);
	}
	return 0;
}

/* LMDB may fail when one process opens while another one closes: one at a time. */
static int env_open(struct lmdb_index *ix, struct loci_error *err)
{
	if (loci__byte_lock(ix->guard_fd, GUARD_OPEN) < 0)
		return loci__err_sys(err, "lock the index '%s'", ix->path);
	int rc = loci__index_make(ix->path, err);
	if (rc == 0)
		rc = env_open_guarded(ix, err);
	if (rc == 0)
		rc = close_on_exec(ix, err);
	loci__byte_unlock(ix->guard_fd, GUARD_OPEN);
	return rc;
}

static void close_env(struct lmdb_index *ix)
{
	if (!ix->env)
		return;
	struct lmdb_txn *t;
	while ((t = pool_take(ix)))
		txn_free(t);
	/* Without the lock closing is still right, only not exclusive. */
	bool locked = loci__byte_lock(ix->guard_fd, GUARD_OPEN) == 0;
	mdb_env_close(ix->env);
	loci__close_fd(&ix->lock_fd);
	ix->env = NULL;
	if (locked)
		loci__byte_unlock(ix->guard_fd, GUARD_OPEN);
}

/* The first snapshot claims the process id; see the top. */
static int claim_pid(struct lmdb_index *ix, unsigned wait_ms, MDB_txn **ret, struct loci_error *err)
{
	uint64_t start = loci__clock_ms();
	for (;;) {
		int rc = mdb_txn_begin(ix->env, /* parent= */ NULL, MDB_RDONLY, ret);
		if (rc == MDB_READERS_FULL) {
			int dead = 0;
			if (mdb_reader_check(ix->env, &dead) == 0 && dead > 0)
				continue;
			return loci__err_set(err, LOCI_E_BUSY,
			                     "open the index '%s': all reader slots are taken",
			                     ix->path);
		}
		if (rc == MDB_MAP_RESIZED) { /* no transaction yet: no gate needed */
			rc = mdb_env_set_mapsize(ix->env, 0);
			if (rc == 0)
				continue;
		}
		if (rc != EAGAIN && rc != EACCES)
			return rc == 0 ? 0 : engine_err(err, rc, "begin the first snapshot");
		if (loci__clock_ms() - start >= wait_ms)
			break;
		struct timespec pause = {.tv_nsec = CLAIM_POLL_MS * 1000000L};
		nanosleep(&pause, NULL);
	}
	return loci__err_set(
	        err, LOCI_E_BUSY,
	        "open the index '%s': a process of another PID namespace has process "
	        "id %ld, like this one, and the store open; stop it, or start one of "
	        "the two so that their ids differ (as a child of its container's init, "
	        "or in the host's PID namespace)",
	        ix->path, (long)getpid());
}

static int open_tables(struct lmdb_index *ix, MDB_txn *txn, unsigned flags)
{
	for (int i = 0; i < LOCI_INDEX_TABLES; i++) {
		int rc = mdb_dbi_open(txn, table_names[i], flags, &ix->dbi[i]);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* So that the index's file keeps its name: LMDB syncs only the file. */
static int sync_path(const struct lmdb_index *ix)
{
	loci__cleanup_close int fd = open(ix->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || loci__sync_dir(fd) < 0 ? errno : 0;
}

static int make_tables(struct lmdb_index *ix, struct loci_error *err)
{
	if (loci__byte_lock(ix->guard_fd, GUARD_WRITE) < 0)
		return loci__err_sys(err, "lock the index '%s'", ix->path);
	MDB_txn *txn;
	int rc = mdb_txn_begin(ix->env, /* parent= */ NULL, 0, &txn);
	if (rc == 0) {
		rc = open_tables(ix, txn, MDB_CREATE);
		if (rc == 0)
			rc = mdb_txn_commit(txn);
		else
			mdb_txn_abort(txn);
	}
	if (rc == 0)
		rc = sync_path(ix);
	loci__byte_unlock(ix->guard_fd, GUARD_WRITE);
	return rc == 0 ? 0 : engine_err(err, rc, "make its tables");
}

/* Claims the id and finds the tables; *ret_left: whether a dead process left slots under our id. */
static int start_env(struct lmdb_index *ix, unsigned pid_wait_ms, bool *ret_left,
                     struct loci_error *err)
{
	MDB_txn *txn;
	int rc = claim_pid(ix, pid_wait_ms, &txn, err);
	if (rc < 0)
		return rc;
	int found = open_tables(ix, txn, 0);
	if (found == 0)
		found = mdb_txn_commit(txn); /* the handles stay */
	else
		mdb_txn_abort(txn);
	if (found == MDB_NOTFOUND)
		rc = make_tables(ix, err);
	else if (found != 0)
		rc = engine_err(err, found, "open its tables");
	*ret_left = count_slots(ix).own > 0;
	return rc;
}

static int open_env(struct lmdb_index *ix, unsigned pid_wait_ms, struct loci_error *err)
{
	bool left = false;
	int rc = env_open(ix, err);
	if (rc == 0)
		rc = start_env(ix, pid_wait_ms, &left, err);
	if (rc == 0 && left) {
		close_env(ix);
		rc = env_open(ix, err);
		if (rc == 0)
			rc = start_env(ix, pid_wait_ms, &left, err);
	}
	int dead;
	if (rc == 0)
		mdb_reader_check(ix->env, &dead);
	else
		close_env(ix);
	return rc;
}

static void lmdb_upkeep(struct loci_index *base)
{
	struct lmdb_index *ix = lmdb_of(base);
	int dead;
	pthread_rwlock_rdlock(&ix->gate);
	if (ix->env)
		mdb_reader_check(ix->env, &dead);
	pthread_rwlock_unlock(&ix->gate);
}

/* LMDB keeps a shared lock on the first byte of its lock file as long as it is open, whatever its
 * version. A process does not see its own. */
static int lmdb_is_alone(struct loci_index *base, struct loci_error *err)
{
	struct lmdb_index *ix = lmdb_of(base);
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
	pthread_rwlock_rdlock(&ix->gate);
	int rc = fcntl(ix->lock_fd, F_GETLK, &lock);
	pthread_rwlock_unlock(&ix->gate);
	if (rc < 0)
		return loci__err_sys(err, "index: look at the locks of '%s'", ix->path);
	return lock.l_type == F_UNLCK;
}

static void lmdb_close(struct loci_index *base)
{
	struct lmdb_index *ix = lmdb_of(base);
	close_env(ix);
	pthread_rwlock_destroy(&ix->gate);
	pthread_mutex_destroy(&ix->pool_lock);
	loci__close_fd(&ix->guard_fd);
	free(ix);
}

static const struct loci_index_ops lmdb_ops = {
        .close = lmdb_close,
        .read_begin = lmdb_read_begin,
        .read_end = lmdb_read_end,
        .write_begin = lmdb_write_begin,
        .commit = lmdb_commit,
        .abort = lmdb_abort,
        .get = lmdb_get,
        .put = lmdb_put,
        .del = lmdb_del,
        .scan = lmdb_scan,
        .upkeep = lmdb_upkeep,
        .is_alone = lmdb_is_alone,
};

static int open_guard(const char *path, int *ret, struct loci_error *err)
{
	loci__cleanup_close int dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return loci__err_sys(err, "open the index '%s'", path);
	*ret = openat(dirfd, GUARD_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, INDEX_MODE);
	return *ret < 0 ? loci__err_sys(err, "open '%s/" GUARD_NAME "'", path) : 0;
}

int loci__index_lmdb_open(const char *path, const struct loci_index_opts *opts,
                          struct loci_index **ret, struct loci_error *err)
{
	struct lmdb_index *ix = calloc(1, sizeof(*ix) + strlen(path) + 1);
	if (!ix)
		return loci__err_nomem(err);
	ix->base.ops = &lmdb_ops;
	ix->writer.base.index = &ix->base;
	ix->opts = *opts;
	if (ix->opts.map_size < MAP_SIZE_MIN)
		ix->opts.map_size = MAP_SIZE_MIN;
	if (ix->opts.map_size > MAP_SIZE_MAX)
		ix->opts.map_size = MAP_SIZE_MAX;
	memcpy(ix->path, path, strlen(path) + 1);
	pthread_rwlockattr_t attr;
	pthread_rwlockattr_init(&attr);
	/* A stream of readers must not keep the map from growing; no thread takes the gate twice.
	 */
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&ix->gate, &attr);
	pthread_rwlockattr_destroy(&attr);
	pthread_mutex_init(&ix->pool_lock, NULL);
	ix->guard_fd = -1;
	ix->lock_fd = -1;
	int rc = open_guard(path, &ix->guard_fd, err);
	if (rc == 0)
		rc = open_env(ix, opts->pid_wait_ms, err);
	if (rc < 0) {
		lmdb_close(&ix->base);
		return rc;
	}
	*ret = &ix->base;
	return 0;
}

void loci__index_lmdb_info(struct loci_index *base, struct loci_index_lmdb_info *ret)
{
	struct lmdb_index *ix = lmdb_of(base);
	pthread_rwlock_rdlock(&ix->gate);
	MDB_envinfo info;
	MDB_stat stat;
	mdb_env_info(ix->env, &info);
	mdb_env_stat(ix->env, &stat);
	struct slot_count count = count_slots(ix);
	*ret = (struct loci_index_lmdb_info){
	        .map_size = info.me_mapsize,
	        .used = ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize,
	        .slots_busy = count.busy,
	        .slots_own = count.own,
	};
	pthread_rwlock_unlock(&ix->gate);
}

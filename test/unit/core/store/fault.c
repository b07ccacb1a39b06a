/* SPDX-License-Identifier: Apache-2.0 */
#include "fault.h"

#include "core/base/err.h"
#include "core/store/blobs_dir.h"
#include "core/store/index_lmdb.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

static enum fault_kind plan_kind;
static atomic_uint plan_left;
static atomic_bool plan_done;

void fault_plan(enum fault_kind kind, unsigned at)
{
	plan_kind = kind;
	atomic_store(&plan_left, kind == FAULT_NONE ? 0 : at);
	atomic_store(&plan_done, false);
}

bool fault_happened(void)
{
	return atomic_load(&plan_done);
}

static bool is_due(void)
{
	unsigned left = atomic_load(&plan_left);
	if (left == 0)
		return false;
	atomic_store(&plan_left, left - 1); /* one thread works at a time in these tests */
	if (left != 1)
		return false;
	atomic_store(&plan_done, true);
	return true;
}

/* 0: go on. */
static int fail_here(bool may_run_again, const char *what, struct loci_error *err)
{
	if (plan_kind == FAULT_AGAIN && !may_run_again)
		return 0;
	if (!is_due())
		return 0;
	if (plan_kind == FAULT_AGAIN)
		return LOCI_INDEX_AGAIN;
	return loci__err_errno(err, plan_kind == FAULT_EIO ? EIO : ENOSPC, "injected: %s", what);
}

/* ---- index ----------------------------------------------------------------------------------- */

struct fault_index {
	struct loci_index base;
	struct loci_index *real;
};
struct fault_txn {
	struct loci_index_txn base;
	struct loci_index_txn *real;
};

static struct loci_index *real_index(struct loci_index *ix)
{
	return ((struct fault_index *)ix)->real;
}

static struct loci_index_txn *real_txn(struct loci_index_txn *t)
{
	return ((struct fault_txn *)t)->real;
}

static const struct loci_index_ops *txn_ops(struct loci_index_txn *t)
{
	return real_txn(t)->index->ops;
}

static int wrap(struct loci_index *ix, struct loci_index_txn *real, struct loci_index_txn **ret)
{
	struct fault_txn *t = calloc(1, sizeof(*t));
	if (!t)
		abort();
	t->base.index = ix;
	t->real = real;
	*ret = &t->base;
	return 0;
}

static void f_close(struct loci_index *ix)
{
	real_index(ix)->ops->close(real_index(ix));
	free(ix);
}

static int f_read_begin(struct loci_index *ix, struct loci_index_txn **ret, struct loci_error *err)
{
	struct loci_index_txn *real;
	int rc = fail_here(false, "begin a snapshot", err);
	if (rc == 0)
		rc = real_index(ix)->ops->read_begin(real_index(ix), &real, err);
	return rc < 0 ? rc : wrap(ix, real, ret);
}

static void f_read_end(struct loci_index_txn *t)
{
	txn_ops(t)->read_end(real_txn(t));
	free(t);
}

static int f_write_begin(struct loci_index *ix, bool durable, struct loci_index_txn **ret,
                         struct loci_error *err)
{
	struct loci_index_txn *real;
	int rc = fail_here(false, "begin a transaction", err);
	if (rc == 0)
		rc = real_index(ix)->ops->write_begin(real_index(ix), durable, &real, err);
	return rc < 0 ? rc : wrap(ix, real, ret);
}

static int f_commit(struct loci_index_txn *t, struct loci_error *err)
{
	int rc = fail_here(true, "commit", err);
	if (rc < 0)
		txn_ops(t)->abort(real_txn(t));
	else
		rc = txn_ops(t)->commit(real_txn(t), err);
	free(t);
	return rc;
}

static void f_abort(struct loci_index_txn *t)
{
	txn_ops(t)->abort(real_txn(t));
	free(t);
}

static int f_get(struct loci_index_txn *t, int table, struct loci_slice key,
                 struct loci_slice *ret_val, struct loci_error *err)
{
	int rc = fail_here(false, "get", err);
	return rc < 0 ? rc : txn_ops(t)->get(real_txn(t), table, key, ret_val, err);
}

static int f_put(struct loci_index_txn *t, int table, struct loci_slice key, struct loci_slice val,
                 struct loci_error *err)
{
	int rc = fail_here(true, "put", err);
	return rc < 0 ? rc : txn_ops(t)->put(real_txn(t), table, key, val, err);
}

static int f_del(struct loci_index_txn *t, int table, struct loci_slice key, struct loci_error *err)
{
	int rc = fail_here(true, "del", err);
	return rc < 0 ? rc : txn_ops(t)->del(real_txn(t), table, key, err);
}

static int f_scan(struct loci_index_txn *t, int table, struct loci_slice from,
                  loci_index_scan_fn fn, void *arg, struct loci_error *err)
{
	int rc = fail_here(false, "scan", err);
	return rc < 0 ? rc : txn_ops(t)->scan(real_txn(t), table, from, fn, arg, err);
}

static void f_upkeep(struct loci_index *ix)
{
	real_index(ix)->ops->upkeep(real_index(ix));
}

static int f_is_alone(struct loci_index *ix, struct loci_error *err)
{
	int rc = fail_here(false, "look for other processes", err);
	return rc < 0 ? rc : real_index(ix)->ops->is_alone(real_index(ix), err);
}

static const struct loci_index_ops index_ops = {
        .close = f_close,
        .read_begin = f_read_begin,
        .read_end = f_read_end,
        .write_begin = f_write_begin,
        .commit = f_commit,
        .abort = f_abort,
        .get = f_get,
        .put = f_put,
        .del = f_del,
        .scan = f_scan,
        .upkeep = f_upkeep,
        .is_alone = f_is_alone,
};

static int index_open(const char *path, const struct loci_index_opts *opts, struct loci_index **ret,
                      struct loci_error *err)
{
	struct loci_index *real;
	int rc = fail_here(false, "open the index", err);
	if (rc == 0)
		rc = loci__index_lmdb_open(path, opts, &real, err);
	if (rc < 0)
		return rc;
	struct fault_index *ix = calloc(1, sizeof(*ix));
	if (!ix)
		abort();
	*ix = (struct fault_index){{&index_ops}, real};
	*ret = &ix->base;
	return 0;
}

/* ---- blobs ----------------------------------------------------------------------------------- */

struct fault_blobs {
	struct loci_blobs base;
	struct loci_blobs *real;
};
struct fault_session {
	struct loci_session base;
	struct loci_session *real;
};

static struct loci_blobs *real_blobs(struct loci_blobs *b)
{
	return ((struct fault_blobs *)b)->real;
}

static struct loci_session *real_session(struct loci_session *s)
{
	return ((struct fault_session *)s)->real;
}

static const struct loci_blobs_ops *session_ops(struct loci_session *s)
{
	return real_session(s)->blobs->ops;
}

static int wrap_session(struct loci_blobs *b, struct loci_session *real, struct loci_session **ret)
{
	struct fault_session *s = calloc(1, sizeof(*s));
	if (!s)
		abort();
	s->base = *real;
	s->base.blobs = b;
	s->real = real;
	*ret = &s->base;
	return 0;
}

static void b_close(struct loci_blobs *b)
{
	real_blobs(b)->ops->close(real_blobs(b));
	free(b);
}

static int b_open(struct loci_blobs *b, const struct loci_digest *d, int *ret_fd,
                  uint64_t *ret_size, struct loci_error *err)
{
	int rc = fail_here(false, "open a blob", err);
	return rc < 0 ? rc : real_blobs(b)->ops->open(real_blobs(b), d, ret_fd, ret_size, err);
}

static int b_blob_remove(struct loci_blobs *b, const struct loci_digest *d, uint64_t age_s,
                         bool only_look, struct loci_error *err)
{
	int rc = fail_here(false, "remove a blob", err);
	return rc < 0 ? rc : real_blobs(b)->ops->remove(real_blobs(b), d, age_s, only_look, err);
}

static int b_walk(struct loci_blobs *b, struct loci_blobs_cursor *cursor, loci_blobs_walk_fn fn,
                  void *arg, struct loci_error *err)
{
	/* It is called once for each of hundreds of directories, all alike. */
	static unsigned calls;
	int rc = calls++ % 128 == 0 ? fail_here(false, "walk the blobs", err) : 0;
	return rc < 0 ? rc : real_blobs(b)->ops->walk(real_blobs(b), cursor, fn, arg, err);
}

static int b_set_aside(struct loci_blobs *b, const struct loci_digest *d, int fd,
                       char ret_name[LOCI_SET_ASIDE_MAX], struct loci_error *err)
{
	int rc = fail_here(true, "set a blob aside", err);
	return rc < 0 ? rc : real_blobs(b)->ops->set_aside(real_blobs(b), d, fd, ret_name, err);
}

static int b_new(struct loci_blobs *b, const char *name, struct loci_session **ret,
                 struct loci_error *err)
{
	struct loci_session *real;
	int rc = fail_here(false, "make a session", err);
	if (rc == 0)
		rc = real_blobs(b)->ops->session_new(real_blobs(b), name, &real, err);
	return rc < 0 ? rc : wrap_session(b, real, ret);
}

static int b_share(struct loci_blobs *b, const char *name, int fd, int how,
                   struct loci_session **ret, struct loci_error *err)
{
	struct loci_session *real;
	int rc = fail_here(true, "share a file", err);
	if (rc == 0)
		rc = real_blobs(b)->ops->session_share(real_blobs(b), name, fd, how, &real, err);
	return rc < 0 ? rc : wrap_session(b, real, ret);
}

static int b_take(struct loci_blobs *b, const char *name, struct loci_session **ret,
                  struct loci_error *err)
{
	struct loci_session *real;
	int rc = fail_here(false, "take a session", err);
	if (rc == 0)
		rc = real_blobs(b)->ops->session_take(real_blobs(b), name, &real, err);
	return rc < 0 ? rc : wrap_session(b, real, ret);
}

static int b_stat(struct loci_blobs *b, const char *name, uint64_t *ret_size,
                  struct loci_error *err)
{
	int rc = fail_here(false, "stat a session", err);
	return rc < 0 ? rc : real_blobs(b)->ops->session_stat(real_blobs(b), name, ret_size, err);
}

static int b_write(struct loci_session *s, uint64_t offset, const void *p, size_t n,
                   struct loci_error *err)
{
	int rc = fail_here(false, "write", err);
	if (rc < 0 && plan_kind == FAULT_SHORT &&
	    session_ops(s)->session_write(real_session(s), offset, p, n / 2, NULL) < 0)
		abort();
	return rc < 0 ? rc : session_ops(s)->session_write(real_session(s), offset, p, n, err);
}

static ssize_t b_read(struct loci_session *s, uint64_t offset, void *p, size_t n,
                      struct loci_error *err)
{
	int rc = fail_here(false, "read", err);
	return rc < 0 ? rc : session_ops(s)->session_read(real_session(s), offset, p, n, err);
}

static int b_cut(struct loci_session *s, uint64_t size, struct loci_error *err)
{
	int rc = fail_here(false, "cut", err);
	return rc < 0 ? rc : session_ops(s)->session_cut(real_session(s), size, err);
}

static int b_publish(struct loci_session *s, const struct loci_digest *d, bool sync,
                     struct loci_error *err)
{
	int rc = fail_here(false, "publish", err);
	return rc < 0 ? rc : session_ops(s)->session_publish(real_session(s), d, sync, err);
}

static void b_session_close(struct loci_session *s, bool discard)
{
	session_ops(s)->session_close(real_session(s), discard);
	free(s);
}

static int b_note_put(struct loci_session *s, const void *p, size_t n, struct loci_error *err)
{
	int rc = fail_here(false, "note", err);
	if (rc < 0 && plan_kind == FAULT_SHORT)
		(void)session_ops(s)->note_put(real_session(s), p, n / 2, NULL);
	return rc < 0 ? rc : session_ops(s)->note_put(real_session(s), p, n, err);
}

static int b_note_get(struct loci_blobs *b, const char *name, void *p, size_t max, size_t *ret_n,
                      struct loci_error *err)
{
	int rc = fail_here(false, "read a note", err);
	return rc < 0 ? rc : real_blobs(b)->ops->note_get(real_blobs(b), name, p, max, ret_n, err);
}

static void b_note_drop(struct loci_session *s)
{
	session_ops(s)->note_drop(real_session(s));
}

static int b_foreach(struct loci_blobs *b, loci_session_fn fn, void *arg, struct loci_error *err)
{
	int rc = fail_here(false, "list the sessions", err);
	return rc < 0 ? rc : real_blobs(b)->ops->session_foreach(real_blobs(b), fn, arg, err);
}

static bool b_is_held(struct loci_blobs *b, const char *name)
{
	return real_blobs(b)->ops->session_is_held(real_blobs(b), name);
}

static int b_remove(struct loci_blobs *b, const char *name, uint64_t age_s, struct loci_error *err)
{
	int rc = fail_here(false, "remove a session", err);
	return rc < 0 ? rc : real_blobs(b)->ops->session_remove(real_blobs(b), name, age_s, err);
}

static int b_expire(struct loci_blobs *b, uint64_t age_s, uint64_t every_s, struct loci_error *err)
{
	int rc = fail_here(false, "expire", err);
	return rc < 0 ? rc : real_blobs(b)->ops->session_expire(real_blobs(b), age_s, every_s, err);
}

static const struct loci_blobs_ops blobs_ops = {
        .close = b_close,
        .open = b_open,
        .remove = b_blob_remove,
        .walk = b_walk,
        .set_aside = b_set_aside,
        .session_new = b_new,
        .session_share = b_share,
        .session_take = b_take,
        .session_stat = b_stat,
        .session_write = b_write,
        .session_read = b_read,
        .session_cut = b_cut,
        .session_publish = b_publish,
        .session_close = b_session_close,
        .note_put = b_note_put,
        .note_get = b_note_get,
        .note_drop = b_note_drop,
        .session_foreach = b_foreach,
        .session_is_held = b_is_held,
        .session_remove = b_remove,
        .session_expire = b_expire,
};

static int blobs_open(int dirfd, struct loci_blobs **ret, struct loci_error *err)
{
	struct loci_blobs *real;
	int rc = fail_here(false, "open the blobs", err);
	if (rc == 0)
		rc = loci__blobs_dir_open(dirfd, &real, err);
	if (rc < 0)
		return rc;
	struct fault_blobs *b = calloc(1, sizeof(*b));
	if (!b)
		abort();
	*b = (struct fault_blobs){{&blobs_ops}, real};
	*ret = &b->base;
	return 0;
}

const struct loci__sys fault_sys = {.index_open = index_open, .blobs_open = blobs_open};

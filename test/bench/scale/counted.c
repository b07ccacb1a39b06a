/* SPDX-License-Identifier: Apache-2.0 */
#include "counted.h"

#include "core/store/blobs_dir.h"
#include "core/store/index_lmdb.h"
#include "core/store/store.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static atomic_uint counts[COUNTED];
static const struct loci_index_ops *real_index;
static const struct loci_blobs_ops *real_blobs;

static void count(enum counted what)
{
	atomic_fetch_add(&counts[what], 1);
}

void counted_take(unsigned ret[COUNTED])
{
	for (int i = 0; i < COUNTED; i++)
		ret[i] = atomic_exchange(&counts[i], 0);
}

/* ---- index: the engine's own objects, with other functions ----------------------------------- */

static int read_begin(struct loci_index *ix, struct loci_index_txn **ret, struct loci_error *err)
{
	count(COUNTED_SNAPSHOT);
	return real_index->read_begin(ix, ret, err);
}

static int write_begin(struct loci_index *ix, bool durable, struct loci_index_txn **ret,
                       struct loci_error *err)
{
	count(COUNTED_WRITE);
	return real_index->write_begin(ix, durable, ret, err);
}

static int get(struct loci_index_txn *t, int table, struct loci_slice key,
               struct loci_slice *ret_val, struct loci_error *err)
{
	count(COUNTED_GET);
	return real_index->get(t, table, key, ret_val, err);
}

static int put(struct loci_index_txn *t, int table, struct loci_slice key, struct loci_slice val,
               struct loci_error *err)
{
	count(COUNTED_PUT);
	return real_index->put(t, table, key, val, err);
}

static int del(struct loci_index_txn *t, int table, struct loci_slice key, struct loci_error *err)
{
	count(COUNTED_PUT);
	return real_index->del(t, table, key, err);
}

static int scan(struct loci_index_txn *t, int table, struct loci_slice from, loci_index_scan_fn fn,
                void *arg, struct loci_error *err)
{
	count(COUNTED_SCAN);
	return real_index->scan(t, table, from, fn, arg, err);
}

static int index_open(const char *path, const struct loci_index_opts *opts, struct loci_index **ret,
                      struct loci_error *err)
{
	static struct loci_index_ops ops;
	int rc = loci__index_lmdb_open(path, opts, ret, err);
	if (rc < 0)
		return rc;
	real_index = (*ret)->ops;
	ops = *real_index;
	ops.read_begin = read_begin;
	ops.write_begin = write_begin;
	ops.get = get;
	ops.put = put;
	ops.del = del;
	ops.scan = scan;
	(*ret)->ops = &ops;
	return 0;
}

/* ---- blobs ----------------------------------------------------------------------------------- */

static int blob_open(struct loci_blobs *b, const struct loci_digest *d, int *ret_fd,
                     uint64_t *ret_size, struct loci_error *err)
{
	count(COUNTED_BLOBS);
	return real_blobs->open(b, d, ret_fd, ret_size, err);
}

static int session_new(struct loci_blobs *b, const char *name, struct loci_session **ret,
                       struct loci_error *err)
{
	count(COUNTED_BLOBS);
	return real_blobs->session_new(b, name, ret, err);
}

static int session_take(struct loci_blobs *b, const char *name, struct loci_session **ret,
                        struct loci_error *err)
{
	count(COUNTED_BLOBS);
	return real_blobs->session_take(b, name, ret, err);
}

static int session_write(struct loci_session *s, uint64_t offset, const void *p, size_t n,
                         struct loci_error *err)
{
	count(COUNTED_BLOBS);
	return real_blobs->session_write(s, offset, p, n, err);
}

static int session_publish(struct loci_session *s, const struct loci_digest *d, bool sync,
                           struct loci_error *err)
{
	count(COUNTED_BLOBS);
	return real_blobs->session_publish(s, d, sync, err);
}

static void session_close(struct loci_session *take_s, bool discard)
{
	count(COUNTED_BLOBS);
	real_blobs->session_close(take_s, discard);
}

static int note_put(struct loci_session *s, const void *p, size_t n, struct loci_error *err)
{
	count(COUNTED_BLOBS);
	return real_blobs->note_put(s, p, n, err);
}

static int note_get(struct loci_blobs *b, const char *name, void *p, size_t max, size_t *ret_n,
                    struct loci_error *err)
{
	count(COUNTED_BLOBS);
	return real_blobs->note_get(b, name, p, max, ret_n, err);
}

static int blobs_open(int dirfd, struct loci_blobs **ret, struct loci_error *err)
{
	static struct loci_blobs_ops ops;
	int rc = loci__blobs_dir_open(dirfd, ret, err);
	if (rc < 0)
		return rc;
	real_blobs = (*ret)->ops;
	ops = *real_blobs;
	ops.open = blob_open;
	ops.session_new = session_new;
	ops.session_take = session_take;
	ops.session_write = session_write;
	ops.session_publish = session_publish;
	ops.session_close = session_close;
	ops.note_put = note_put;
	ops.note_get = note_get;
	(*ret)->ops = &ops;
	return 0;
}

struct loci_store *counted_open(const char *dir)
{
	const struct loci__sys sys = {.index_open = index_open, .blobs_open = blobs_open};
	struct loci_store *st;
	struct loci_error err;
	if (loci__store_open_with(dir, /* opts= */ NULL, &sys, &st, &err) < 0) {
		fprintf(stderr, "bench_scale: %s\n", err.msg);
		exit(1);
	}
	return st;
}

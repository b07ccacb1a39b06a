/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the store share. A handle (struct loci_store) is one caller's view with its
 * options; what it points at (struct loci__shared) exists once per directory and process, as an
 * LMDB environment that is open twice loses its locks when one of them closes.
 */
#ifndef LOCI_STORE_STORE_H
#define LOCI_STORE_STORE_H

#include "core/store/guard.h"
#include "core/store/lease.h"
#include "core/store/pulled.h"
#include "core/store/quota.h"
#include "core/store/session_count.h"
#include "core/store/session_note.h"
#include "core/store/txn.h"
#include "core/store/writer.h"
#include "loci/store.h"
#include "loci/sys/blobs.h"
#include "loci/sys/index.h"

struct loci__shared {
	struct loci__shared *next;
	dev_t dev;
	ino_t ino;
	unsigned refs;
	int dirfd;
	int layers_fd;
	struct loci_index *index;
	struct loci_blobs *blobs;
	struct loci__writer *writer;
	struct loci__lease_cache *leases;
	struct loci__guard *guard;
	struct loci__pull_cache *pulls;
	struct loci__quotas *quotas;
	struct loci__session_count *session_count;
	char boot[LOCI_BOOT_ID_MAX]; /* of this kernel; "": not known */
	unsigned char *alive;        /* a page that reads 0 in a forked child */
};

struct loci_store {
	struct loci__shared *sh;
	struct loci_store_opts opts; /* defaults filled in */
	char dir[];
};

/* The seam's implementations; tests pass others. NULL and 0: the ones that ship. */
struct loci__sys {
	loci_index_open_fn index_open;
	loci_blobs_open_fn blobs_open;
	const char *(*remote_fs)(int dirfd); /* name of the network file system below, or NULL */
	unsigned pid_wait_ms;
	const char *boot_id; /* as if the machine had been started again */
};
int loci__store_open_with(const char *dir, const struct loci_store_opts *opts,
                          const struct loci__sys *sys, struct loci_store **ret,
                          struct loci_error *err);

/* USAGE in a child that was forked after the open. First line of every public function. */
int loci__store_check(const struct loci_store *st, struct loci_error *err);
static inline bool loci__store_is_durable(const struct loci_store *st)
{
	return st->opts.durability == LOCI_DURABILITY_FULL;
}
/* Runs fn in a write transaction and waits for it. */
int loci__store_write(struct loci_store *st, loci__op_fn fn, void *arg, struct loci_error *err);

/* INVALID with what was expected. repo NULL is right where the API says so: check before. */
int loci__check_repo(const char *repo, struct loci_error *err);
int loci__check_tag(const char *tag, struct loci_error *err);
int loci__check_digest(const struct loci_digest *d, struct loci_error *err);

/* ---- shared between blob.c, upload.c, manifest*.c ---------------------------------------------
 */

enum {
	/* The file may be short or missing (after a power cut, or set aside by a scrub): look
	 * before promising it. */
	LOCI_BLOB_UNSYNCED = 1 << 0
};
struct loci__blob_row {
	uint64_t size;
	uint64_t time; /* of the first commit, seconds since the epoch */
	uint64_t flags;
};
int loci__blob_row_get(struct loci__txn *t, const struct loci_digest *d, struct loci__blob_row *ret,
                       struct loci_error *err);
int loci__blob_row_put(struct loci__txn *t, const struct loci_digest *d,
                       const struct loci__blob_row *row, struct loci_error *err);
/* NOT_FOUND unless the file behind the row is there in its length; ret_fd as in loci_blobs_ops. */
int loci__blob_file(struct loci_store *st, const struct loci_digest *d,
                    const struct loci__blob_row *row, int *ret_fd, struct loci_error *err);
/* Membership of the blob (repo may be NULL: none) and a fresh lease. */
int loci__blob_link(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                    uint64_t lease_until, struct loci_error *err);
/* Takes the blob out of the repository. NOT_FOUND leaves err alone. */
int loci__blob_unlink(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                      struct loci_error *err);

/* HOLDER rows: digest, kind, repository. What garbage collection asks "does anybody hold it?". */
enum loci__holder { LOCI_HOLDER_LINK = 'l', LOCI_HOLDER_MEMBER = 'm' };
struct loci__key loci__key_of_holder(const struct loci_digest *d, enum loci__holder kind,
                                     const char *repo);

/* A digest's text on the stack, for messages. */
struct loci__digest_text {
	char s[LOCI_DIGEST_STR_MAX];
};
struct loci__digest_text loci__digest_text(const struct loci_digest *d);
/* "repository 'x'" is what is missing, or something in it. */
int loci__err_not_found(struct loci__txn *t, const char *repo, const char *what, const char *name,
                        struct loci_error *err);

/* upload_list.c: removes upload sessions that are too old, when it is time to look. */
void loci__sessions_expire(struct loci__shared *sh, const struct loci_store_opts *opts);
/* layer.c: the staging directories and locks of dead processes. */
int loci__layers_clean(int layers_fd, struct loci_error *err);

#endif

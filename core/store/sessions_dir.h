/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs and sessions as files: what blobs_dir.c and sessions_dir.c share of them. */
#ifndef LOCI_STORE_SESSIONS_DIR_H
#define LOCI_STORE_SESSIONS_DIR_H

#include "core/base/clock.h"
#include "loci/sys/blobs.h"

#include <stdatomic.h>
#include <sys/stat.h>

#define LOCI_DIR_FILE_MODE 0600
#define LOCI_DIR_FANOUT    256
#define LOCI_DIR_ALGS      3 /* index 0 stays empty */
#define LOCI_SESSION_HELD  0 /* the byte that is locked while a session is held */
#define LOCI_NOTE_NAME_MAX (1 + LOCI_SESSION_NAME_MAX)

struct dir_blobs {
	struct loci_blobs base;
	int uploads_fd;
	int alg_fd[LOCI_DIR_ALGS];
	atomic_bool parent_synced[LOCI_DIR_ALGS][LOCI_DIR_FANOUT];
};

struct dir_session {
	struct loci_session base;
	int fd;
	int note_fd;    /* -1: not opened yet */
	uint64_t begun; /* first of the bytes written here that the disk was not told to take */
	bool published; /* by a rename: the session is gone */
	bool spoilt;    /* a sync failed: what the disk has of it is not known */
	char name[LOCI_SESSION_NAME_MAX];
};

static inline struct dir_blobs *loci__dir_of(struct loci_blobs *b)
{
	return (struct dir_blobs *)b;
}

static inline struct dir_session *loci__session_of(struct loci_session *s)
{
	return (struct dir_session *)s;
}

static inline bool loci__dir_is_older(const struct stat *st, uint64_t age_s)
{
	return (uint64_t)st->st_mtime + age_s <= loci__clock_epoch();
}

/* sessions_dir.c: operations of struct loci_blobs_ops. */
int loci__dir_note_put(struct loci_session *base, const void *p, size_t n, struct loci_error *err);
int loci__dir_note_get(struct loci_blobs *base, const char *session, void *p, size_t max,
                       size_t *ret_n, struct loci_error *err);
void loci__dir_note_drop(struct loci_session *base);
int loci__dir_session_foreach(struct loci_blobs *base, loci_session_fn fn, void *arg,
                              struct loci_error *err);
bool loci__dir_session_is_held(struct loci_blobs *base, const char *name);
int loci__dir_session_remove(struct loci_blobs *base, const char *name, uint64_t age_s,
                             struct loci_error *err);
int loci__dir_session_expire(struct loci_blobs *base, uint64_t age_s, uint64_t every_s,
                             struct loci_error *err);
/* The note of a session by name. */
void loci__dir_note_unlink(struct dir_blobs *b, const char *session);

#endif

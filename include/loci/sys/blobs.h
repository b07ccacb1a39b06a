/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam under the blobs: immutable objects by digest, and the upload sessions they grow in. The
 * store's logic above it hashes, verifies and makes visible; an implementation only keeps bytes.
 * A directory is the implementation that ships. An implementation embeds struct loci_blobs and
 * struct loci_session as the first member of its own.
 */
#ifndef LOCI_SYS_BLOBS_H
#define LOCI_SYS_BLOBS_H

#include "loci/api.h"
#include "loci/digest.h"
#include "loci/error.h"

LOCI_BEGIN_DECLS

/** Enough for the longest key of an object store */
#define LOCI_BLOBS_CURSOR_SIZE 1024

struct loci_blobs {
	const struct loci_blobs_ops *ops;
};
/** A session that is held: nobody else, in no process, holds it too. */
struct loci_session {
	struct loci_blobs *blobs;
	uint64_t size; /* bytes it had when it was taken */
	bool sealed;   /* its bytes already stand under a digest: only publish may follow */
	bool is_eager; /* it will be synced: the disk may begin while it is written */
};

/** How a session can have a file's bytes without copying them. */
enum loci_session_share {
	LOCI_SESSION_LINK = 1, /* a second name of the file: the session is sealed */
	LOCI_SESSION_CLONE     /* a file of its own that shares the blocks until one is changed */
};
/** A session that may be somebody's; times in seconds since the epoch. */
struct loci_session_info {
	const char *name;
	uint64_t size;
	uint64_t written; /* when it last was */
};
/** Return non-zero to stop. Other operations may be called inside. */
typedef int (*loci_session_fn)(void *arg, const struct loci_session_info *info);
/** A place in the walk over all blobs; all zero is the start. What it holds is the implementation's
 *  own. */
struct loci_blobs_cursor {
	char opaque[LOCI_BLOBS_CURSOR_SIZE];
};
/** A negative enum loci_code ends the walk with it. */
typedef int (*loci_blobs_walk_fn)(void *arg, const struct loci_digest *d);

/** NUL included: UUID, algorithm, hash of the repository */
#define LOCI_SESSION_NAME_MAX 80

/** NUL included: where a file that was set aside is kept, from the store's directory. */
#define LOCI_SET_ASIDE_MAX 192

struct loci_blobs_ops {
	void (*close)(struct loci_blobs *b);

	/** A read-only fd, the caller's, or only the size (ret_fd NULL). Expected: NOT_FOUND. */
	int (*open)(struct loci_blobs *b, const struct loci_digest *d, int *ret_fd,
	            uint64_t *ret_size, struct loci_error *err);

	/** Forgets the blob, unless it was written less than age_s seconds ago (BUSY); only_look:
	 *  only says what it would do. An fd that is open goes on reading it. No sync: after a
	 *  power cut it may be there again. Expected: NOT_FOUND, BUSY. */
	int (*remove)(struct loci_blobs *b, const struct loci_digest *d, uint64_t age_s,
	              bool only_look, struct loci_error *err);
	/** Names blobs from *cursor on, in an order of its own, some thousand at a time; 0 when
	 *  there may be more, 1 at the end. One that comes or goes meanwhile may or may not be
	 *  named. */
	int (*walk)(struct loci_blobs *b, struct loci_blobs_cursor *cursor, loci_blobs_walk_fn fn,
	            void *arg, struct loci_error *err);
	/** Keeps the digest's bytes somewhere else from now on (where: ret_name), if they are still
	 *  those that fd, from open, has. On disk when it returns. NOT_FOUND: others are there. */
	int (*set_aside)(struct loci_blobs *b, const struct loci_digest *d, int fd,
	                 char ret_name[LOCI_SET_ASIDE_MAX], struct loci_error *err);

	/** A new session. No sync: a power cut may lose it. Expected: NO_SPACE. */
	int (*session_new)(struct loci_blobs *b, const char *name, struct loci_session **ret,
	                   struct loci_error *err);
	/** A new session that has the bytes of an open regular file. how: enum
	 *  loci_session_share. UNSUPPORTED when it cannot be had in this way: another file system,
	 *  one without clones, a file that others may change or that is not for us to link. */
	int (*session_share)(struct loci_blobs *b, const char *name, int fd, int how,
	                     struct loci_session **ret, struct loci_error *err);
	/** Expected: NOT_FOUND, BUSY. */
	int (*session_take)(struct loci_blobs *b, const char *name, struct loci_session **ret,
	                    struct loci_error *err);
	/** The size without taking it. Expected: NOT_FOUND. */
	int (*session_stat)(struct loci_blobs *b, const char *name, uint64_t *ret_size,
	                    struct loci_error *err);
	int (*session_write)(struct loci_session *s, uint64_t offset, const void *p, size_t n,
	                     struct loci_error *err);
	/** Up to n bytes, 0 at the end; negative is an enum loci_code. */
	ssize_t (*session_read)(struct loci_session *s, uint64_t offset, void *p, size_t n,
	                        struct loci_error *err);
	/** Forgets what lies behind size. */
	int (*session_cut)(struct loci_session *s, uint64_t size, struct loci_error *err);
	/** The session's bytes become the blob, replacing one that is there; with sync they are on
	 *  disk, name and all, when it returns. Without, what replaces another is synced all the
	 *  same. The session stays until it is discarded, sealed from now on, as the blob is not
	 *  visible yet (where a back end can do that: else it is gone). On failure it is as it was,
	 *  or gone after its close when the disk may not have its bytes. */
	int (*session_publish)(struct loci_session *s, const struct loci_digest *d, bool sync,
	                       struct loci_error *err);
	/** Lets go; discard: and forgets it. */
	void (*session_close)(struct loci_session *take_s, bool discard);
	/** A few hundred bytes kept beside the session, replaced as a whole; they go with it. No
	 *  sync: a power cut may lose or tear them. note_get needs no session and copies at most
	 *  max bytes. Expected: NOT_FOUND. */
	int (*note_put)(struct loci_session *s, const void *p, size_t n, struct loci_error *err);
	int (*note_get)(struct loci_blobs *b, const char *name, void *p, size_t max, size_t *ret_n,
	                struct loci_error *err);
	void (*note_drop)(struct loci_session *s);
	/** All sessions, in no order. CALLBACK when fn stopped it. */
	int (*session_foreach)(struct loci_blobs *b, loci_session_fn fn, void *arg,
	                       struct loci_error *err);
	bool (*session_is_held)(struct loci_blobs *b, const char *name);
	/** Forgets one that nobody wrote to for age_s seconds. Expected: NOT_FOUND, BUSY. */
	int (*session_remove)(struct loci_blobs *b, const char *name, uint64_t age_s,
	                      struct loci_error *err);
	/** Forgets the sessions that nobody holds and nobody wrote to for age_s seconds (0: as
	 *  last said, here or by another process, or else 7 days). Called often, it looks once in
	 *  every_s seconds. Returns how many, or a negative enum loci_code. */
	int (*session_expire)(struct loci_blobs *b, uint64_t age_s, uint64_t every_s,
	                      struct loci_error *err);
};

/** dirfd: the store's directory, borrowed for the call. */
typedef int (*loci_blobs_open_fn)(int dirfd, struct loci_blobs **ret, struct loci_error *err);

LOCI_END_DECLS
#endif

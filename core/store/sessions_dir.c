/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Upload sessions as files, beside their holders: the notes, looking at all of them, and giving up
 * those that nobody wrote to any more. Taking, writing and publishing one is blobs_dir.c.
 */
#include "core/store/sessions_dir.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/base/fs.h"
#include "core/store/byte_lock.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define TURN_NAME     "../run/.uploads-looked-at" /* from uploads/ */
#define TURN_MAX      32                          /* bytes of its content: an age */
#define DEFAULT_AGE_S (7 * 24 * 3600)

/* ---- notes: ".<session's name>", beside it ------------------------------------------------------
 */

static void note_name(const char *session, char name[LOCI_NOTE_NAME_MAX])
{
	name[0] = '.';
	memcpy(name + 1, session, strlen(session) + 1); /* ≤ LOCI_SESSION_NAME_MAX by contract */
}

int loci__dir_note_put(struct loci_session *base, const void *p, size_t n, struct loci_error *err)
{
	struct dir_session *s = loci__session_of(base);
	char name[LOCI_NOTE_NAME_MAX];
	if (s->published)
		return 0;
	note_name(s->name, name);
	if (s->note_fd < 0)
		s->note_fd =
		        openat(loci__dir_of(base->blobs)->uploads_fd, name,
		               O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, LOCI_DIR_FILE_MODE);
	if (s->note_fd < 0 || loci__pwrite_all(s->note_fd, p, n, 0) < 0)
		return loci__err_sys(err, "make a note of upload session '%s'", s->name);
	return 0;
}

int loci__dir_note_get(struct loci_blobs *base, const char *session, void *p, size_t max,
                       size_t *ret_n, struct loci_error *err)
{
	char name[LOCI_NOTE_NAME_MAX];
	note_name(session, name);
	loci__cleanup_close int fd =
	        openat(loci__dir_of(base)->uploads_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : loci__pread_full(fd, p, max, 0);
	if (n < 0)
		return loci__err_sys(err, "read the note of upload session '%s'", session);
	*ret_n = (size_t)n;
	return 0;
}

void loci__dir_note_unlink(struct dir_blobs *b, const char *session)
{
	char name[LOCI_NOTE_NAME_MAX];
	note_name(session, name);
	unlinkat(b->uploads_fd, name, 0);
}

void loci__dir_note_drop(struct loci_session *base)
{
	struct dir_session *s = loci__session_of(base);
	loci__close_fd(&s->note_fd);
	loci__dir_note_unlink(loci__dir_of(base->blobs), s->name);
}

/* ---- upkeep ---------------------------------------------------------------------------------- */

static int too_young(const char *name, struct loci_error *err)
{
	return loci__err_set(err, LOCI_E_BUSY, "upload session '%s' was written to", name);
}

int loci__dir_session_remove(struct loci_blobs *base, const char *name, uint64_t age_s,
                             struct loci_error *err)
{
	struct dir_blobs *b = loci__dir_of(base);
	struct stat st;
	if (fstatat(b->uploads_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return loci__err_sys(err, "find upload session '%s'", name);
	if (!S_ISREG(st.st_mode) || !loci__dir_is_older(&st, age_s))
		return too_young(name, err);
	struct loci_session *s;
	int rc = base->ops->session_take(base, name, &s, err);
	if (rc < 0)
		return rc;
	/* Looked at again under the lock: somebody may have written to it just before. */
	bool may_go = fstat(loci__session_of(s)->fd, &st) == 0 && loci__dir_is_older(&st, age_s);
	base->ops->session_close(s, /* discard= */ may_go);
	return may_go ? 0 : too_young(name, err);
}

/* A note without a session: that became a blob by a rename, and its holder died before this went.
 */
static void expire_note(struct dir_blobs *b, const char *name, uint64_t age_s)
{
	struct stat st;
	if (fstatat(b->uploads_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	    loci__dir_is_older(&st, age_s) &&
	    fstatat(b->uploads_fd, name + 1, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		unlinkat(b->uploads_fd, name, 0);
}

/* The age that somebody who knew one left in the file of turns. */
static uint64_t last_age(int turn_fd)
{
	char text[TURN_MAX];
	uint64_t age_s;
	ssize_t n = turn_fd < 0 ? 0 : loci__pread_full(turn_fd, text, sizeof(text), 0);
	return n > 0 && loci__parse_u64(text, (size_t)n, &age_s) && age_s ? age_s : DEFAULT_AGE_S;
}

static void leave_age(int turn_fd, uint64_t age_s)
{
	char text[TURN_MAX];
	int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)age_s);
	if (ftruncate(turn_fd, 0) == 0)
		(void)loci__pwrite_all(turn_fd, text, (size_t)n, 0);
}

/* Looking at every session is not for every open: one process has the turn now and then. The age
 * stands in the same file: the puller and the runtime have no configuration that says it, and shall
 * not give up what the registry keeps for longer. 0: not now. */
static uint64_t take_turn(struct dir_blobs *b, uint64_t age_s, uint64_t every_s)
{
	struct stat st;
	if (fstatat(b->uploads_fd, TURN_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    !loci__dir_is_older(&st, every_s) &&
	    (uint64_t)st.st_mtime <= loci__clock_epoch()) /* else the clock went back */
		return 0;
	loci__cleanup_close int fd =
	        openat(b->uploads_fd, TURN_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
	               LOCI_DIR_FILE_MODE);
	if (!age_s)
		age_s = last_age(fd);
	else if (fd >= 0)
		leave_age(fd, age_s);
	if (fd >= 0)
		(void)futimens(fd, /* now= */ NULL);
	return age_s;
}

/* Every name in uploads/, notes too, until fn says other than 0. */
static int each_name(struct dir_blobs *b,
                     int (*fn)(struct dir_blobs *b, const char *name, void *arg), void *arg,
                     struct loci_error *err)
{
	loci__cleanup_close int fd = openat(b->uploads_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	loci__cleanup_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return loci__err_sys(err, "list the upload sessions");
	loci__steal_fd(&fd);
	int rc = 0;
	for (struct dirent *e; rc == 0 && (e = readdir(dir));)
		rc = fn(b, e->d_name, arg);
	return rc;
}

static bool is_session_name(const char *name)
{
	return name[0] != '.' && strlen(name) < LOCI_SESSION_NAME_MAX;
}

struct expiry {
	uint64_t age_s;
	int removed;
};

static int expire_one(struct dir_blobs *b, const char *name, void *arg)
{
	struct expiry *x = arg;
	if (name[0] == '.')
		expire_note(b, name, x->age_s);
	else if (is_session_name(name) &&
	         loci__dir_session_remove(&b->base, name, x->age_s, /* err= */ NULL) == 0)
		x->removed++;
	return 0;
}

int loci__dir_session_expire(struct loci_blobs *base, uint64_t age_s, uint64_t every_s,
                             struct loci_error *err)
{
	struct expiry x = {.age_s = take_turn(loci__dir_of(base), age_s, every_s)};
	int rc = x.age_s ? each_name(loci__dir_of(base), expire_one, &x, err) : 0;
	return rc < 0 ? rc : x.removed;
}

/* ---- listing --------------------------------------------------------------------------------- */

struct listing {
	loci_session_fn fn;
	void *arg;
};

static int list_one(struct dir_blobs *b, const char *name, void *arg)
{
	const struct listing *l = arg;
	struct stat st;
	if (!is_session_name(name) || fstatat(b->uploads_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode))
		return 0;
	const struct loci_session_info info = {
	        .name = name, .size = (uint64_t)st.st_size, .written = (uint64_t)st.st_mtime};
	return l->fn(l->arg, &info) ? LOCI_E_CALLBACK : 0;
}

int loci__dir_session_foreach(struct loci_blobs *base, loci_session_fn fn, void *arg,
                              struct loci_error *err)
{
	struct listing l = {fn, arg};
	int rc = each_name(loci__dir_of(base), list_one, &l, err);
	return rc == LOCI_E_CALLBACK ? loci__err_set(err, rc, "stopped by the callback") : rc;
}

bool loci__dir_session_is_held(struct loci_blobs *base, const char *name)
{
	loci__cleanup_close int fd =
	        openat(loci__dir_of(base)->uploads_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 && loci__byte_is_locked(fd, LOCI_SESSION_HELD);
}

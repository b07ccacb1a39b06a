/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Upload sessions: the way of every blob into the store.
 *
 * A session has no row in the index, as that would cost a sync per request: it is its file, whose
 * name carries what must be known of it, and is held by a kernel lock. Its id is a UUID; another
 * repository's id leads to a name that is not there.
 *
 * Commit, in this order: hash complete and right, data synced, linked into blobs/, directory
 * synced, one transaction with the blob's row and the repository's link, and then the session goes.
 * A crash before the transaction leaves a file without a row, which nobody sees, and the session,
 * which can be committed again; the next one who sends that blob replaces the file.
 */
#include "core/store/upload.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/base/hex.h"
#include "core/base/rand.h"
#include "core/store/event.h"
#include "core/store/quota.h"

#include <string.h>

#define REPO_HASH_LEN 8 /* bytes of the hash of the repository's name in a session's name */

static const char *repo_of(const struct loci_upload *up)
{
	return up->repo[0] ? up->repo : NULL;
}

/* What was imported is the operator's will. */
static bool is_limited(const struct loci_upload *up)
{
	return up->repo[0] && !up->is_import;
}

/* In all sessions; 0: no limit. */
static uint64_t max_bytes_of(const struct loci_upload *up)
{
	return is_limited(up) ? up->st->opts.max_upload_bytes : 0;
}

/* ---- names ----------------------------------------------------------------------------------- */

bool loci__is_upload_id(const char *id)
{
	if (strlen(id) != LOCI_UUID_MAX - 1)
		return false;
	for (int i = 0; id[i]; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		if (dash ? id[i] != '-' : !loci__is_lower_hex((unsigned char)id[i]))
			return false;
	}
	return true;
}

int loci__upload_name(const char *id, int alg, const char *repo, char name[LOCI_SESSION_NAME_MAX],
                      struct loci_error *err)
{
	struct loci_digest d;
	char hex[2 * REPO_HASH_LEN + 1];
	const char *text = repo ? repo : "";
	int rc = loci_digest_bytes(LOCI_SHA256, text, strlen(text), &d, err);
	if (rc < 0)
		return rc;
	loci__hex_format(d.bytes, REPO_HASH_LEN, hex);
	snprintf(name, LOCI_SESSION_NAME_MAX, "%s.%s.%s", id, loci_digest_alg_name(alg), hex);
	return 0;
}

int loci__check_upload_id(const char *id, struct loci_error *err)
{
	if (loci__is_upload_id(id))
		return 0;
	return loci__err_set(err, LOCI_E_INVALID,
	                     "upload session id: expected a UUID in lower case");
}

static int check_repo_arg(struct loci_store *st, const char *repo, struct loci_error *err)
{
	int rc = loci__store_check(st, err);
	return rc == 0 && repo ? loci__check_repo(repo, err) : rc;
}

static int check_id(struct loci_store *st, const char *repo, const char *id, struct loci_error *err)
{
	int rc = check_repo_arg(st, repo, err);
	return rc < 0 ? rc : loci__check_upload_id(id, err);
}

static int no_session(const char *id, struct loci_error *err)
{
	return loci__err_set(err, LOCI_E_NOT_FOUND, "upload session '%s' is not known", id);
}

/* ---- begin, resume, close -------------------------------------------------------------------- */

static void upload_free(struct loci_upload *up)
{
	loci_hasher_free(up->h);
	free(up);
}
LOCI_DEFINE_CLEANUP(upload_free_ptr, struct loci_upload, upload_free)

static struct loci_upload *upload_alloc(struct loci_store *st, const char *repo, int alg)
{
	struct loci_upload *up = calloc(1, sizeof(*up));
	if (!up)
		return NULL;
	up->st = st;
	up->alg = alg;
	up->noted = UINT64_MAX;
	if (repo)
		memcpy(up->repo, repo, strlen(repo) + 1); /* checked: fits */
	return up;
}

static int make_session(struct loci_upload *up, int fd, int how, struct loci_error *err)
{
	struct loci__shared *sh = up->st->sh;
	const struct loci_blobs_ops *ops = sh->blobs->ops;
	int rc = loci__session_count_begin(sh->session_count,
	                                   is_limited(up) ? up->st->opts.max_uploads : 0,
	                                   max_bytes_of(up), err);
	if (rc < 0)
		return rc;
	rc = how ? ops->session_share(sh->blobs, up->name, fd, how, &up->s, err)
	         : ops->session_new(sh->blobs, up->name, &up->s, err);
	if (rc < 0) {
		loci__session_count_end(sh->session_count, 0);
		return rc;
	}
	up->s->is_eager = loci__store_is_durable(up->st);
	loci__session_count_grow(sh->session_count, up->s->size);
	return 0;
}

/* how: enum loci_session_share of the file fd, or 0 for an empty session. */
static int begin(struct loci_store *st, const char *repo, int alg, bool is_import, int fd, int how,
                 struct loci_upload **ret, struct loci_error *err)
{
	loci__cleanup(upload_free_ptr) struct loci_upload *up = upload_alloc(st, repo, alg);
	if (!up)
		return loci__err_nomem(err);
	up->is_import = is_import;
	up->started = loci__clock_epoch();
	int rc = loci__rand_uuid(up->id, err);
	if (rc == 0)
		rc = loci__upload_name(up->id, alg, repo, up->name, err);
	if (rc == 0)
		rc = make_session(up, fd, how, err);
	if (rc < 0)
		return rc;
	up->offset = up->s->size;
	*ret = loci__steal_ptr(&up);
	return 0;
}

int loci__upload_begin_import(struct loci_store *st, const char *repo, int alg, int fd, int how,
                              struct loci_upload **ret, struct loci_error *err)
{
	return begin(st, repo, alg, /* is_import= */ true, fd, how, ret, err);
}

int loci_upload_begin(struct loci_store *st, const char *repo, int alg, struct loci_upload **ret,
                      struct loci_error *err)
{
	int rc = check_repo_arg(st, repo, err);
	if (rc < 0)
		return rc;
	if (!alg)
		alg = LOCI_SHA256;
	if (!loci_digest_alg_name(alg))
		return loci__err_set(err, LOCI_E_UNSUPPORTED, "digest algorithm %d", alg);
	loci__sessions_expire(st->sh, &st->opts); /* what was given up, in a server that stays */
	return begin(st, repo, alg, /* is_import= */ false, /* fd= */ -1, /* how= */ 0, ret, err);
}

static int take(struct loci_upload *up, struct loci_error *err)
{
	struct loci_blobs *b = up->st->sh->blobs;
	int rc = LOCI_E_NOT_FOUND;
	for (int alg = LOCI_SHA256; alg <= LOCI_SHA512 && rc == LOCI_E_NOT_FOUND; alg++) {
		up->alg = alg;
		rc = loci__upload_name(up->id, alg, repo_of(up), up->name, err);
		if (rc == 0)
			rc = b->ops->session_take(b, up->name, &up->s, err);
	}
	if (rc == LOCI_E_NOT_FOUND)
		return no_session(up->id, err);
	if (rc < 0)
		return rc;
	up->s->is_eager = loci__store_is_durable(up->st);
	up->offset = up->s->size;
	return loci__upload_hash_resume(up, err);
}

int loci_upload_resume(struct loci_store *st, const char *repo, const char *id,
                       struct loci_upload **ret, struct loci_error *err)
{
	int rc = check_id(st, repo, id, err);
	if (rc < 0)
		return rc;
	struct loci_upload *up = upload_alloc(st, repo, 0);
	if (!up)
		return loci__err_nomem(err);
	memcpy(up->id, id, strlen(id) + 1);
	rc = take(up, err);
	if (rc < 0) {
		/* Nothing was touched: the note that is there stays. */
		if (up->s)
			up->s->blobs->ops->session_close(up->s, /* discard= */ false);
		upload_free(up);
		return rc;
	}
	*ret = up;
	return 0;
}

int loci_upload_stat(struct loci_store *st, const char *repo, const char *id, uint64_t *ret_offset,
                     struct loci_error *err)
{
	char name[LOCI_SESSION_NAME_MAX];
	struct loci__session_note note;
	uint64_t size;
	int rc = check_id(st, repo, id, err);
	if (rc < 0)
		return rc;
	rc = LOCI_E_NOT_FOUND;
	for (int alg = LOCI_SHA256; alg <= LOCI_SHA512 && rc == LOCI_E_NOT_FOUND; alg++) {
		rc = loci__upload_name(id, alg, repo, name, err);
		if (rc == 0)
			rc = st->sh->blobs->ops->session_stat(st->sh->blobs, name, &size, err);
	}
	if (rc < 0)
		return rc == LOCI_E_NOT_FOUND ? no_session(id, err) : rc;
	bool noted = loci__upload_note_get(st->sh, name, &note);
	*ret_offset = noted ? loci__upload_known_bytes(st->sh, &note, size) : size;
	return 0;
}

const char *loci_upload_id(const struct loci_upload *up)
{
	return up->id;
}

uint64_t loci_upload_offset(const struct loci_upload *up)
{
	return up->offset;
}

void loci_upload_close(struct loci_upload *up, bool discard)
{
	if (!up)
		return;
	if (loci__store_check(up->st, /* err= */ NULL) < 0) {
		/* A forked child's copy: the file and its lock are the parent's. */
		upload_free(up);
		return;
	}
	/* Before the lock goes: whoever takes the session next shall find it. */
	if (!discard && up->s)
		loci__upload_hash_keep(up);
	if (up->s)
		up->s->blobs->ops->session_close(up->s, discard);
	if (discard && up->s)
		loci__session_count_end(up->st->sh->session_count, up->offset);
	upload_free(up);
}

/* ---- writing --------------------------------------------------------------------------------- */

int loci_upload_write(struct loci_upload *up, const void *p, size_t n, struct loci_error *err)
{
	uint64_t max = up->st->opts.max_blob_size;
	int rc = loci__store_check(up->st, err);
	if (rc < 0)
		return rc;
	if (n > max || up->offset > max - n)
		return loci__err_set(err, LOCI_E_TOO_LARGE, "blob: more than %llu bytes",
		                     (unsigned long long)max);
	if (up->s->sealed)
		return loci__err_set(err, LOCI_E_INVALID,
		                     "upload session '%s' is complete: only a commit may follow",
		                     up->id);
	if (n == 0)
		return 0;
	rc = loci__session_count_room(up->st->sh->session_count, n, max_bytes_of(up), err);
	if (rc == 0)
		rc = loci__upload_hash_catch_up(up, err);
	if (rc < 0)
		return rc;
	rc = up->s->blobs->ops->session_write(up->s, up->offset, p, n, err);
	if (rc < 0) {
		/* What was written of it is cut off, or overwritten by the next try. */
		up->has_tail =
		        up->s->blobs->ops->session_cut(up->s, up->offset, /* err= */ NULL) < 0;
		return rc;
	}
	rc = loci__upload_hash_add(up, p, n, err);
	up->has_tail |= rc < 0;
	if (rc < 0)
		return rc;
	up->offset += n;
	loci__session_count_grow(up->st->sh->session_count, n);
	return 0;
}

/* ---- commit ---------------------------------------------------------------------------------- */

struct commit_op {
	const char *repo;
	const struct loci_digest *digest;
	struct loci__blob_row row;
	bool published;      /* else: only link what is there */
	uint64_t seen_flags; /* of what is there, when its file was looked at */
	uint64_t lease_until;
};

static int commit_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	const struct commit_op *o = arg;
	struct loci__blob_row row;
	int rc = loci__blob_row_get(t, o->digest, &row, err);
	if (rc == LOCI_E_NOT_FOUND && !o->published)
		return rc;
	if (rc < 0 && rc != LOCI_E_NOT_FOUND)
		return rc;
	/* A scrub has found it bad since: it puts the file aside. */
	if (!o->published && row.flags != o->seen_flags)
		return LOCI_E_NOT_FOUND;
	int allowed = loci__quota_check_blob(t, o->repo, o->digest, o->row.size, err);
	if (allowed < 0)
		return allowed;
	if (o->published) {
		/* The first time stays; flags and size are those of the file that is there now. */
		struct loci__blob_row fresh = o->row;
		if (rc == 0)
			fresh.time = row.time;
		rc = loci__blob_row_put(t, o->digest, &fresh, err);
		if (rc < 0)
			return rc;
	}
	rc = loci__blob_link(t, o->repo, o->digest, o->lease_until, err);
	const struct loci_event e = {
	        .type = LOCI_EVENT_BLOB_PUSH,
	        .repo = o->repo,
	        .digest = *o->digest,
	        .size = o->row.size,
	};
	return rc < 0 || !o->repo ? rc : loci__event_add(t, &e, err);
}

/* Whether the blob stands already, as durable as this store's promises. */
static bool is_there(struct loci_store *st, const struct loci_digest *d, uint64_t size,
                     uint64_t *ret_flags)
{
	loci__cleanup_read struct loci__txn t = {0};
	struct loci__blob_row row;
	if (loci__read_begin(st->sh->index, &t, /* err= */ NULL) < 0 ||
	    loci__blob_row_get(&t, d, &row, /* err= */ NULL) < 0)
		return false;
	loci__read_end(&t);
	if (row.flags & LOCI_BLOB_UNSYNCED && loci__store_is_durable(st))
		return false;
	*ret_flags = row.flags;
	return row.size == size &&
	       loci__blob_file(st, d, &row, /* ret_fd= */ NULL, /* err= */ NULL) == 0;
}

static int publish(struct loci_upload *up, const struct loci_digest *d, struct loci_error *err)
{
	const struct loci_blobs_ops *ops = up->s->blobs->ops;
	int rc = up->has_tail ? ops->session_cut(up->s, up->offset, err) : 0;
	return rc < 0 ? rc : ops->session_publish(up->s, d, loci__store_is_durable(up->st), err);
}

static int make_visible(struct loci_upload *up, const struct loci_digest *d, struct loci_error *err)
{
	struct loci_store *st = up->st;
	struct commit_op o = {
	        .repo = repo_of(up),
	        .digest = d,
	        .row = {.size = up->offset,
	                .time = loci__clock_epoch(),
	                .flags = loci__store_is_durable(st) ? 0 : LOCI_BLOB_UNSYNCED},
	        .lease_until = loci__lease_until(st),
	};
	if (is_there(st, d, up->offset, &o.seen_flags)) {
		int rc = loci__store_write(st, commit_op, &o, err);
		if (rc != LOCI_E_NOT_FOUND)
			return rc;
	}
	int rc = loci__quota_check_early(st, o.repo, d, up->offset, err);
	if (rc < 0)
		return rc;
	/* From the link to the row the file is an orphan to whoever looks: the guard keeps
	 * garbage collection away. */
	rc = loci__guard_enter(st->sh->guard, d, err);
	if (rc < 0)
		return rc;
	rc = publish(up, d, err);
	o.published = true;
	if (rc == 0)
		rc = loci__store_write(st, commit_op, &o, err);
	loci__guard_leave(st->sh->guard, d);
	return rc;
}

static int mismatch(const struct loci_digest *want, const struct loci_digest *got,
                    struct loci_error *err)
{
	return loci__err_set(err, LOCI_E_DIGEST_MISMATCH, "blob: expected %s, got %s",
	                     loci__digest_text(want).s, loci__digest_text(got).s);
}

int loci_upload_commit(struct loci_upload *take_up, const struct loci_digest *want,
                       struct loci_error *err)
{
	struct loci_upload *up = take_up;
	struct loci_digest got;
	int rc = loci__store_check(up->st, err);
	if (rc == 0)
		rc = loci__check_digest(want, err);
	if (rc == 0)
		rc = loci__upload_hash_finish(up, want, &got, err);
	if (rc == 0 && !loci_digest_equal(want, &got))
		rc = mismatch(want, &got, err);
	if (rc == 0)
		rc = make_visible(up, &got, err);
	loci_upload_close(up, /* discard= */ rc == 0 || rc == LOCI_E_DIGEST_MISMATCH);
	return rc;
}

int loci__upload_finish(struct loci_upload *take_up, const struct loci_digest *want, bool trust,
                        struct loci_digest *ret, struct loci_error *err)
{
	struct loci_upload *up = take_up;
	struct loci_digest got;
	int rc = loci__store_check(up->st, err);
	if (rc == 0 && want)
		rc = loci__check_digest(want, err);
	if (rc == 0 && trust)
		got = *want;
	else if (rc == 0)
		rc = loci__upload_hash_finish(up, want, &got, err);
	if (rc == 0 && want && !loci_digest_equal(want, &got))
		rc = mismatch(want, &got, err);
	if (rc == 0)
		rc = make_visible(up, &got, err);
	loci_upload_close(up, /* discard= */ true);
	if (rc == 0 && ret)
		*ret = got;
	return rc;
}

int loci_upload_finish(struct loci_upload *take_up, const struct loci_digest *want,
                       struct loci_digest *ret, struct loci_error *err)
{
	return loci__upload_finish(take_up, want, /* trust= */ false, ret, err);
}

int loci_blob_put(struct loci_store *st, const char *repo, const void *p, size_t n,
                  const struct loci_digest *want, struct loci_digest *ret, struct loci_error *err)
{
	struct loci_digest d;
	struct loci_upload *up;
	if (n > st->opts.max_blob_size)
		return loci__err_set(err, LOCI_E_TOO_LARGE, "blob: more than %llu bytes",
		                     (unsigned long long)st->opts.max_blob_size);
	int rc = want ? loci__check_digest(want, err) : 0;
	int alg = want ? want->alg : LOCI_SHA256;
	if (rc == 0)
		rc = loci_digest_bytes(alg, p, n, &d, err);
	if (rc == 0 && want && !loci_digest_equal(want, &d))
		rc = mismatch(want, &d, err);
	if (rc == 0)
		rc = loci_upload_begin(st, repo, alg, &up, err);
	if (rc < 0)
		return rc;
	rc = loci_upload_write(up, p, n, err);
	if (rc < 0) {
		loci_upload_close(up, /* discard= */ true);
		return rc;
	}
	return loci__upload_finish(up, &d, /* trust= */ true, ret, err);
}

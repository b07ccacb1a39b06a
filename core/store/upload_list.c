/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Upload sessions as an operator sees them: what is open, whose it is, and what may go. Beside
 * their holders: a session is looked at without being taken.
 */
#include "core/store/upload.h"

#include "core/base/err.h"
#include "core/base/logger.h"
#include "core/base/rand.h"

#include <stdio.h>
#include <string.h>

#define UUID_LEN (LOCI_UUID_MAX - 1)

/* "<uuid>.<alg>.<repository's hash>"; false: nothing of ours. */
static bool split_name(const char *name, char id[LOCI_UPLOAD_ID_MAX], int *ret_alg)
{
	snprintf(id, LOCI_UPLOAD_ID_MAX, "%.*s", UUID_LEN, name);
	if (!loci__is_upload_id(id) || name[UUID_LEN] != '.')
		return false;
	const char *alg = name + UUID_LEN + 1;
	*ret_alg = loci_digest_alg_parse(alg, strcspn(alg, "."));
	return *ret_alg != 0;
}

/* A repository is only believed when the session's name has its hash. */
static void find_repo(const char *name, const struct loci__session_note *note,
                      struct loci_upload_info *info)
{
	char expected[LOCI_SESSION_NAME_MAX];
	if (loci__upload_name(info->id, info->alg, note->repo[0] ? note->repo : NULL, expected,
	                      /* err= */ NULL) < 0 ||
	    strcmp(expected, name) != 0)
		return;
	memcpy(info->repo, note->repo, sizeof(info->repo));
	info->repo_is_known = true;
}

struct listing {
	struct loci__shared *sh;
	loci_upload_fn fn;
	void *arg;
};

static int list_one(void *arg, const struct loci_session_info *session)
{
	struct listing *l = arg;
	struct loci__session_note note = {0};
	struct loci_upload_info info = {.bytes = session->size, .written_at = session->written};
	if (!split_name(session->name, info.id, &info.alg))
		return 0;
	if (loci__upload_note_get(l->sh, session->name, &note))
		info.bytes = loci__upload_known_bytes(l->sh, &note, session->size);
	info.began_at = note.started;
	find_repo(session->name, &note, &info);
	info.is_held = l->sh->blobs->ops->session_is_held(l->sh->blobs, session->name);
	return l->fn(l->arg, &info);
}

int loci_upload_foreach(struct loci_store *st, loci_upload_fn fn, void *arg, struct loci_error *err)
{
	struct listing l = {st->sh, fn, arg};
	int rc = loci__store_check(st, err);
	return rc < 0 ? rc : st->sh->blobs->ops->session_foreach(st->sh->blobs, list_one, &l, err);
}

struct search {
	const char *id;
	char name[LOCI_SESSION_NAME_MAX]; /* "": not seen */
};

static int compare(void *arg, const struct loci_session_info *session)
{
	struct search *s = arg;
	char id[LOCI_UPLOAD_ID_MAX];
	int alg;
	if (!split_name(session->name, id, &alg) || strcmp(id, s->id) != 0)
		return 0;
	snprintf(s->name, sizeof(s->name), "%s", session->name);
	return 1;
}

int loci_upload_remove(struct loci_store *st, const char *id, uint64_t unwritten_s,
                       struct loci_error *err)
{
	struct loci_blobs *b = st->sh->blobs;
	struct search s = {.id = id};
	int rc = loci__store_check(st, err);
	if (rc == 0)
		rc = loci__check_upload_id(id, err);
	if (rc == 0)
		rc = b->ops->session_foreach(b, compare, &s, err);
	if (rc < 0 && !s.name[0])
		return rc;
	if (!s.name[0])
		return loci__err_set(err, LOCI_E_NOT_FOUND, "upload session '%s' is not known", id);
	return b->ops->session_remove(b, s.name, unwritten_s, err);
}

/* ---- upkeep ---------------------------------------------------------------------------------- */

void loci__sessions_expire(struct loci__shared *sh, const struct loci_store_opts *opts)
{
	struct loci_error err;
	int n = sh->blobs->ops->session_expire(sh->blobs, opts->upload_expiry_s,
	                                       opts->upload_check_s, &err);
	if (n < 0)
		loci__log_error(opts->log, LOCI_LOG_WARN, "store", "clean uploads", &err);
	else if (n > 0)
		loci__log(opts->log, LOCI_LOG_INFO, "store", "removed %d old upload sessions", n);
}

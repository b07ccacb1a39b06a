/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The running hash of an upload session. It outlives its holder in a note beside the bytes, so that
 * the next request, be it after a restart, reads back only what came behind the note.
 *
 * A note is trusted as far as it can be. Bytes are only ever appended behind what was hashed, and
 * are with the kernel before the note says so: as long as the same kernel runs, the note holds,
 * however the process died. After a power cut the disk may have the note and not the bytes. Then
 * the hash is the proof: the bytes are read once and give the same state, or they were lost, and
 * the client begins again; what lies behind the note is cut off, as nothing proves it. Anything
 * else that is odd (damaged, of another version, of another algorithm, longer than the bytes) is no
 * note, and everything is hashed from the file. And a digest that is refused by way of a note is
 * looked at without it first: a wrong note costs time, never a good upload.
 */
#include "core/store/upload.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "core/base/logger.h"

#include <string.h>

#define REHASH_CHUNK ((size_t)256 << 10)
#define NO_NOTE      UINT64_MAX

LOCI_DEFINE_CLEANUP(hasher_free_ptr, struct loci_hasher, loci_hasher_free)

static void forget_hash(struct loci_upload *up)
{
	loci_hasher_free(loci__steal_ptr(&up->h));
	up->hashed = 0;
	up->from_note = false;
}

/* ---- hashing --------------------------------------------------------------------------------- */

/* The session's bytes from where h is up to `to`. */
static int hash_file(struct loci_upload *up, struct loci_hasher *h, uint64_t to,
                     struct loci_error *err)
{
	loci__cleanup_free char *chunk = malloc(REHASH_CHUNK);
	if (!chunk)
		return loci__err_nomem(err);
	for (uint64_t at = loci__hasher_length(h); at < to;) {
		size_t want = to - at < REHASH_CHUNK ? (size_t)(to - at) : REHASH_CHUNK;
		ssize_t n = up->s->blobs->ops->session_read(up->s, at, chunk, want, err);
		if (n < 0)
			return (int)n;
		if (n == 0)
			return loci__err_set(err, LOCI_E_INTERNAL,
			                     "upload session '%s' became shorter", up->id);
		int rc = loci_hasher_update(h, chunk, (size_t)n, err);
		if (rc < 0)
			return rc;
		at += (uint64_t)n;
	}
	return 0;
}

int loci__upload_hash_catch_up(struct loci_upload *up, struct loci_error *err)
{
	int rc = up->h ? 0 : loci_hasher_new(up->alg, &up->h, err);
	if (rc < 0 || up->hashed == up->offset)
		return rc;
	rc = hash_file(up, up->h, up->offset, err);
	up->hashed = loci__hasher_length(up->h);
	return rc;
}

int loci__upload_hash_add(struct loci_upload *up, const void *p, size_t n, struct loci_error *err)
{
	int rc = loci_hasher_update(up->h, p, n, err);
	if (rc < 0)
		return rc;
	up->hashed += n;
	if (up->hashed - (up->noted == NO_NOTE ? 0 : up->noted) >= LOCI_CHECKPOINT_BYTES)
		loci__upload_hash_keep(up);
	return 0;
}

static int digest_now(struct loci_upload *up, struct loci_digest *ret, struct loci_error *err)
{
	int rc = loci__upload_hash_catch_up(up, err);
	return rc < 0 ? rc : loci_hasher_finish(up->h, ret, err);
}

int loci__upload_hash_finish(struct loci_upload *up, const struct loci_digest *want,
                             struct loci_digest *ret, struct loci_error *err)
{
	if (want && want->alg != up->alg) {
		forget_hash(up);
		up->alg = want->alg;
	}
	int rc = digest_now(up, ret, err);
	if (rc < 0 || !up->from_note || !want || loci_digest_equal(want, ret))
		return rc;
	forget_hash(up);
	rc = digest_now(up, ret, err);
	if (rc == 0 && loci_digest_equal(want, ret))
		loci__log(up->st->opts.log, LOCI_LOG_WARN, "store",
		          "upload session %s: its note was wrong, its bytes are right", up->id);
	return rc;
}

/* ---- notes ----------------------------------------------------------------------------------- */

void loci__upload_hash_keep(struct loci_upload *up)
{
	unsigned char bytes[LOCI_SESSION_NOTE_MAX];
	struct loci__session_note note = {.started = up->started};
	if (up->noted == up->hashed)
		return;
	memcpy(note.boot, up->st->sh->boot, sizeof(note.boot));
	memcpy(note.repo, up->repo, sizeof(note.repo));
	if (up->h)
		note.state_n = loci__hasher_export(up->h, note.state);
	size_t n = loci__session_note_format(&note, bytes);
	if (up->s->blobs->ops->note_put(up->s, bytes, n, /* err= */ NULL) == 0)
		up->noted = up->hashed;
}

bool loci__upload_note_get(struct loci__shared *sh, const char *name,
                           struct loci__session_note *ret)
{
	unsigned char bytes[LOCI_SESSION_NOTE_MAX];
	size_t n;
	return sh->blobs->ops->note_get(sh->blobs, name, bytes, sizeof(bytes), &n,
	                                /* err= */ NULL) == 0 &&
	       loci__session_note_parse(bytes, n, ret, /* err= */ NULL) == 0;
}

static bool is_of_this_boot(const struct loci__shared *sh, const struct loci__session_note *note)
{
	return sh->boot[0] && strcmp(sh->boot, note->boot) == 0;
}

/* NULL: of no use. One that has seen nothing is one, too. */
static struct loci_hasher *hasher_of(const struct loci__session_note *note, int alg)
{
	loci__cleanup(hasher_free_ptr) struct loci_hasher *h = NULL;
	int rc = note->state_n
	                 ? loci__hasher_import(note->state, note->state_n, &h, /* err= */ NULL)
	                 : loci_hasher_new(alg, &h, /* err= */ NULL);
	return rc == 0 && loci__hasher_alg(h) == alg ? loci__steal_ptr(&h) : NULL;
}

uint64_t loci__upload_known_bytes(const struct loci__shared *sh,
                                  const struct loci__session_note *note, uint64_t size)
{
	loci__cleanup(hasher_free_ptr) struct loci_hasher *h = NULL;
	if (is_of_this_boot(sh, note))
		return size;
	if (note->state_n == 0)
		return 0;
	if (loci__hasher_import(note->state, note->state_n, &h, /* err= */ NULL) < 0)
		return size;
	uint64_t seen = loci__hasher_length(h);
	return seen < size ? seen : size;
}

static bool is_same_state(const struct loci_hasher *a, const struct loci_hasher *b)
{
	unsigned char a_bytes[LOCI_HASH_STATE_MAX], b_bytes[LOCI_HASH_STATE_MAX];
	size_t a_n = loci__hasher_export(a, a_bytes), b_n = loci__hasher_export(b, b_bytes);
	return a_n == b_n && memcmp(a_bytes, b_bytes, a_n) == 0;
}

/* The offset goes back to bytes that are known to be there. The note goes before the bytes: killed
 * in between, there is no note that speaks of others. */
static int go_back(struct loci_upload *up, uint64_t to, struct loci_error *err)
{
	loci__log(up->st->opts.log, LOCI_LOG_INFO, "store",
	          "upload session %s: %llu of %llu bytes are left after a power cut", up->id,
	          (unsigned long long)to, (unsigned long long)up->offset);
	if (to == 0)
		up->s->blobs->ops->note_drop(up->s);
	int rc = up->s->blobs->ops->session_cut(up->s, to, err);
	if (rc == 0)
		up->offset = to;
	return rc;
}

/* The machine was started again since the note. */
static int prove(struct loci_upload *up, const struct loci_hasher *claimed, struct loci_error *err)
{
	uint64_t n = loci__hasher_length(claimed);
	loci__cleanup(hasher_free_ptr) struct loci_hasher *h = NULL;
	int rc = loci_hasher_new(up->alg, &h, err);
	if (rc == 0)
		rc = hash_file(up, h, n, err);
	if (rc < 0)
		return rc;
	if (!is_same_state(h, claimed))
		return go_back(up, 0, err);
	if (up->offset > n)
		rc = go_back(up, n, err);
	if (rc < 0)
		return rc;
	up->h = loci__steal_ptr(&h);
	up->hashed = n;
	up->noted = NO_NOTE; /* the one that is there names another boot */
	return 0;
}

int loci__upload_hash_resume(struct loci_upload *up, struct loci_error *err)
{
	struct loci__session_note note;
	up->noted = NO_NOTE;
	if (!loci__upload_note_get(up->st->sh, up->name, &note))
		return 0;
	up->started = note.started;
	loci__cleanup(hasher_free_ptr) struct loci_hasher *h = hasher_of(&note, up->alg);
	if (!h || loci__hasher_length(h) > up->offset)
		return 0;
	if (!is_of_this_boot(up->st->sh, &note))
		/* A sealed one is a blob under another name: synced, and not to be cut. */
		return up->s->sealed ? 0 : prove(up, h, err);
	up->hashed = up->noted = loci__hasher_length(h);
	up->from_note = up->hashed > 0;
	up->h = loci__steal_ptr(&h);
	return 0;
}

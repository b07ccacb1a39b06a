/* SPDX-License-Identifier: Apache-2.0 */
/* An upload session that is held, and its running hash (upload_hash.c). */
#ifndef LOCI_STORE_UPLOAD_H
#define LOCI_STORE_UPLOAD_H

#include "core/store/session_note.h"
#include "core/store/store.h"

/* A stream's hash is kept on disk whenever so much has come: what is read again after a crash. Some
 * hundredths of a second of hashing; a note is written in some microseconds. */
#define LOCI_CHECKPOINT_BYTES ((uint64_t)16 << 20)

struct loci_upload {
	struct loci_store *st;
	struct loci_session *s;
	struct loci_hasher *h; /* or NULL: to be made */
	uint64_t hashed;       /* bytes that h has seen; at most offset */
	uint64_t noted;        /* bytes that the note's hash has seen; UINT64_MAX: no note */
	bool from_note;        /* h began with what a note said */
	bool is_import;        /* no limit holds it up */
	uint64_t offset;
	bool has_tail;    /* what failed left bytes behind .offset */
	uint64_t started; /* seconds since the epoch; 0: not known */
	int alg;
	char id[LOCI_UPLOAD_ID_MAX];
	char name[LOCI_SESSION_NAME_MAX];
	char repo[LOCI_REPO_MAX + 1]; /* "": the whole store */
};

/* upload.c: ids are checked before a name is made of them. */
bool loci__is_upload_id(const char *id);
int loci__check_upload_id(const char *id, struct loci_error *err);
/* "<uuid>.<alg>.<repository's hash>" */
int loci__upload_name(const char *id, int alg, const char *repo, char name[LOCI_SESSION_NAME_MAX],
                      struct loci_error *err);

/* Takes up the hash of whoever held the session before, as far as it can be trusted; up->offset may
 * become smaller after a power cut. */
int loci__upload_hash_resume(struct loci_upload *up, struct loci_error *err);
/* Reads back what the hash has not seen. Before a write, so that it has seen everything then. */
int loci__upload_hash_catch_up(struct loci_upload *up, struct loci_error *err);
/* n bytes that were written behind what the hash has seen. */
int loci__upload_hash_add(struct loci_upload *up, const void *p, size_t n, struct loci_error *err);
/* The digest of all, by the algorithm of want (NULL: its own). Equal to want whenever the bytes
 * are. */
int loci__upload_hash_finish(struct loci_upload *up, const struct loci_digest *want,
                             struct loci_digest *ret, struct loci_error *err);
/* Leaves the hash for whoever resumes the session. Best effort. */
void loci__upload_hash_keep(struct loci_upload *up);
/* The note of a session by name; false: none that could be read. */
bool loci__upload_note_get(struct loci__shared *sh, const char *name,
                           struct loci__session_note *ret);
/* Bytes below which a session of `size` bytes with this note can be relied on without reading. */
uint64_t loci__upload_known_bytes(const struct loci__shared *sh,
                                  const struct loci__session_note *note, uint64_t size);

/* A session for a file that is taken in: it has the bytes of fd already (how: enum
 * loci_session_share), or is to get them (how: 0). The arguments are checked before. Expected:
 * UNSUPPORTED. */
int loci__upload_begin_import(struct loci_store *st, const char *repo, int alg, int fd, int how,
                              struct loci_upload **ret, struct loci_error *err);
/* As loci_upload_finish; trust: the bytes are want's, nobody hashes them again. */
int loci__upload_finish(struct loci_upload *take_up, const struct loci_digest *want, bool trust,
                        struct loci_digest *ret, struct loci_error *err);

#endif

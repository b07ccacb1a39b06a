/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is kept beside the bytes of an upload session: whose it is, and the hash of what has come so
 * far. A help, never needed: without one the bytes are read again, and the repository's name is not
 * known to who lists sessions.
 *
 *     "lociupl" version 1 | length 2 | started 8 | boot | repository | hash state | checksum 8
 *
 * Numbers are little-endian; the three in the middle have a byte of length before them; length
 * counts all of it; the checksum is the start of a SHA-256 of what stands before. It is written in
 * place, so that a power cut may leave half of it, and bytes of a longer one behind it.
 */
#ifndef LOCI_STORE_SESSION_NOTE_H
#define LOCI_STORE_SESSION_NOTE_H

#include "core/base/hash.h"
#include "loci/ref.h"

#define LOCI_BOOT_ID_MAX 37 /* a UUID, NUL included */
#define LOCI_SESSION_NOTE_MAX \
	(8 + 2 + 8 + LOCI_BOOT_ID_MAX + 1 + LOCI_REPO_MAX + 1 + LOCI_HASH_STATE_MAX + 8)

struct loci__session_note {
	uint64_t started;             /* seconds since the epoch */
	char boot[LOCI_BOOT_ID_MAX];  /* of the kernel that took the bytes; "": not known */
	char repo[LOCI_REPO_MAX + 1]; /* "": the whole store */
	unsigned char state[LOCI_HASH_STATE_MAX];
	size_t state_n; /* 0: nothing was hashed */
};

/* Its length. */
size_t loci__session_note_format(const struct loci__session_note *note,
                                 unsigned char buf[LOCI_SESSION_NOTE_MAX]);
/* Bytes behind the note are not looked at. Expected: INVALID, UNSUPPORTED (another version). */
int loci__session_note_parse(const void *p, size_t n, struct loci__session_note *ret,
                             struct loci_error *err);

#endif

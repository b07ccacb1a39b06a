/* SPDX-License-Identifier: Apache-2.0 */
/* Notes of upload sessions and the hash states in them, with and without a right checksum. */
#include "core/store/session_note.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What can be taken up gives itself again. */
static void check_state(const void *p, size_t n)
{
	unsigned char again[LOCI_HASH_STATE_MAX];
	struct loci_hasher *h;
	if (loci__hasher_import(p, n, &h, NULL) < 0)
		return;
	if (loci__hasher_export(h, again) != n || memcmp(again, p, n) != 0)
		abort();
	loci_hasher_free(h);
}

static void check_note(const void *p, size_t n)
{
	unsigned char again[LOCI_SESSION_NOTE_MAX];
	struct loci__session_note note;
	if (loci__session_note_parse(p, n, &note, NULL) < 0)
		return;
	size_t length = loci__session_note_format(&note, again);
	if (length > n || memcmp(again, p, length) != 0)
		abort();
	check_state(note.state, note.state_n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char fixed[LOCI_SESSION_NOTE_MAX];
	struct loci_digest d;
	check_note(data, size);
	check_state(data, size);
	if (size < 18 || size > sizeof(fixed))
		return 0;
	/* The same with length and checksum as they should be: the fields are reached. */
	memcpy(fixed, data, size);
	fixed[8] = (unsigned char)size;
	fixed[9] = (unsigned char)(size >> 8);
	if (loci_digest_bytes(LOCI_SHA256, fixed, size - 8, &d, NULL) < 0)
		abort();
	memcpy(fixed + size - 8, d.bytes, 8);
	check_note(fixed, size);
	return 0;
}

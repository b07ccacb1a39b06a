/* SPDX-License-Identifier: Apache-2.0 */
#include "core/store/session_note.h"

#include "core/base/err.h"

#include <string.h>

#define MAGIC    "lociupl" /* and one byte of version */
#define VERSION  1
#define HEAD     (sizeof(MAGIC) - 1 + 1 + 2)
#define CHECKSUM 8

/* ---- writing --------------------------------------------------------------------------------- */

static unsigned char *put_le(unsigned char *to, uint64_t v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		to[i] = (unsigned char)(v >> (8 * i));
	return to + n;
}

/* n ≤ 255: what the struct has room for. */
static unsigned char *put_bytes(unsigned char *to, const void *p, size_t n)
{
	*to++ = (unsigned char)n;
	memcpy(to, p, n);
	return to + n;
}

static bool checksum(const unsigned char *p, size_t n, unsigned char ret[CHECKSUM])
{
	struct loci_digest d;
	if (loci_digest_bytes(LOCI_SHA256, p, n, &d, /* err= */ NULL) < 0)
		return false;
	memcpy(ret, d.bytes, CHECKSUM);
	return true;
}

size_t loci__session_note_format(const struct loci__session_note *note,
                                 unsigned char buf[LOCI_SESSION_NOTE_MAX])
{
	unsigned char *p = buf + HEAD;
	p = put_le(p, note->started, 8);
	p = put_bytes(p, note->boot, strlen(note->boot));
	p = put_bytes(p, note->repo, strlen(note->repo));
	p = put_bytes(p, note->state, note->state_n);
	size_t n = (size_t)(p - buf);
	memcpy(buf, MAGIC, sizeof(MAGIC) - 1);
	buf[sizeof(MAGIC) - 1] = VERSION;
	put_le(buf + sizeof(MAGIC), n + CHECKSUM, 2);
	if (!checksum(buf, n, p))
		memset(p, 0, CHECKSUM); /* as good as no note */
	return n + CHECKSUM;
}

/* ---- reading --------------------------------------------------------------------------------- */

struct reader {
	const unsigned char *p, *end;
};

static bool take_le(struct reader *r, unsigned n, uint64_t *ret)
{
	if ((size_t)(r->end - r->p) < n)
		return false;
	*ret = 0;
	for (unsigned i = 0; i < n; i++)
		*ret |= (uint64_t)*r->p++ << (8 * i);
	return true;
}

static bool take_bytes(struct reader *r, void *to, size_t max, size_t *ret_n)
{
	uint64_t n;
	if (!take_le(r, 1, &n) || n > max || (size_t)(r->end - r->p) < n)
		return false;
	memcpy(to, r->p, n);
	r->p += n;
	*ret_n = n;
	return true;
}

static bool take_string(struct reader *r, char *to, size_t size)
{
	size_t n;
	if (!take_bytes(r, to, size - 1, &n) || memchr(to, '\0', n))
		return false;
	to[n] = '\0';
	return true;
}

/* The note's bytes without head and checksum. */
static int open_note(const unsigned char *p, size_t n, struct reader *ret, struct loci_error *err)
{
	unsigned char sum[CHECKSUM];
	struct reader r = {p, p + n};
	uint64_t length;
	if (n < HEAD + CHECKSUM || memcmp(p, MAGIC, sizeof(MAGIC) - 1) != 0)
		return loci__err_set(err, LOCI_E_INVALID, "note of an upload session: none");
	if (p[sizeof(MAGIC) - 1] != VERSION)
		return loci__err_set(err, LOCI_E_UNSUPPORTED,
		                     "note of an upload session: version %d", p[sizeof(MAGIC) - 1]);
	r.p += sizeof(MAGIC);
	if (!take_le(&r, 2, &length) || length > n || length < HEAD + CHECKSUM)
		return loci__err_set(err, LOCI_E_INVALID, "note of an upload session: cut short");
	r.end = p + length - CHECKSUM;
	if (!checksum(p, length - CHECKSUM, sum) || memcmp(sum, r.end, CHECKSUM) != 0)
		return loci__err_set(err, LOCI_E_INVALID, "note of an upload session: damaged");
	*ret = r;
	return 0;
}

int loci__session_note_parse(const void *p, size_t n, struct loci__session_note *ret,
                             struct loci_error *err)
{
	struct loci__session_note note = {0};
	struct reader r = {0};
	int rc = open_note(p, n, &r, err);
	if (rc < 0)
		return rc;
	if (!take_le(&r, 8, &note.started) || !take_string(&r, note.boot, sizeof(note.boot)) ||
	    !take_string(&r, note.repo, sizeof(note.repo)) ||
	    !take_bytes(&r, note.state, sizeof(note.state), &note.state_n) || r.p != r.end)
		return loci__err_set(err, LOCI_E_INVALID,
		                     "note of an upload session: its fields do not fit");
	if (note.repo[0] && !loci_repo_is_valid(note.repo, strlen(note.repo)))
		return loci__err_set(err, LOCI_E_INVALID,
		                     "note of an upload session: no repository name");
	*ret = note;
	return 0;
}

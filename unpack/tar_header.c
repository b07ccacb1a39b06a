/* SPDX-License-Identifier: Apache-2.0 */
/* One 512-byte header block: which dialect it is, its checksum, its fields. */
#include "core/base/err.h"
#include "unpack/tar_parts.h"

#include <limits.h>
#include <string.h>

/* Byte ranges of the block (POSIX ustar interchange format). */
enum {
	NAME = 0,
	NAME_N = 100,
	MODE = 100,
	UID = 108,
	GID = 116,
	SMALL_N = 8,
	SIZE = 124,
	MTIME = 136,
	LARGE_N = 12,
	CHKSUM = 148,
	TYPE = 156,
	LINK = 157,
	LINK_N = 100,
	MAGIC = 257,
	DEV_MAJOR = 329,
	DEV_MINOR = 337,
	PREFIX = 345,
	PREFIX_N = 155,
	STAR_PREFIX_N = 131,
	GNU_ATIME = 345,
	GNU_CTIME = 357,
	STAR_TRAILER = 508
};

static bool octal(const unsigned char *p, size_t n, int64_t *ret)
{
	while (n && (*p == ' ' || *p == '\0'))
		p++, n--;
	/* As Go: the text ends at its first NUL, blanks around it do not count. */
	const unsigned char *nul = memchr(p, 0, n);
	if (nul)
		n = (size_t)(nul - p);
	while (n && p[n - 1] == ' ')
		n--;
	uint64_t v = 0;
	if (n && (!loci__parse_octal((const char *)p, n, &v) || v > INT64_MAX))
		return false;
	*ret = (int64_t)v;
	return true;
}

/* Two's complement, big-endian; the bit below the marker is the sign. */
static bool base256(const unsigned char *p, size_t n, int64_t *ret)
{
	unsigned char invert = p[0] & 0x40 ? 0xff : 0;
	uint64_t v = 0;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = p[i] ^ invert;
		if (i == 0)
			c &= 0x7f;
		if (v >> 56)
			return false;
		v = v << 8 | c;
	}
	if (v >> 63)
		return false;
	*ret = invert ? (int64_t)~v : (int64_t)v;
	return true;
}

bool loci__tar_number(const unsigned char *p, size_t n, int64_t *ret)
{
	return p[0] & 0x80 ? base256(p, n, ret) : octal(p, n, ret);
}

/* Some ancient tars summed signed chars. */
static bool checksum_is_right(const unsigned char *b)
{
	int64_t want, with_unsigned = 0, with_signed = 0;
	if (!octal(b + CHKSUM, SMALL_N, &want))
		return false;
	for (size_t i = 0; i < LOCI_TAR_BLOCK; i++) {
		unsigned char c = i >= CHKSUM && i < CHKSUM + SMALL_N ? ' ' : b[i];
		with_unsigned += c;
		with_signed += (signed char)c;
	}
	return want == with_unsigned || want == with_signed;
}

static int format_of(const unsigned char *b)
{
	if (!memcmp(b + MAGIC, "ustar\0", 6))
		return memcmp(b + STAR_TRAILER, "tar\0", 4) ? LOCI_TAR_USTAR : LOCI_TAR_STAR;
	return memcmp(b + MAGIC, "ustar  \0", 8) ? LOCI_TAR_V7 : LOCI_TAR_GNU;
}

static size_t put_text(char *to, const unsigned char *from, size_t max)
{
	size_t n = strnlen((const char *)from, max);
	memcpy(to, from, n);
	to[n] = '\0';
	return n;
}

/* Go before 1.8 could write a prefix under GNU's magic, where GNU has times. As Go has it since:
 * what is no time is a prefix, if it is ASCII. */
static bool has_go_prefix(const unsigned char *b)
{
	int64_t time;
	if ((!b[GNU_ATIME] || loci__tar_number(b + GNU_ATIME, LARGE_N, &time)) &&
	    (!b[GNU_CTIME] || loci__tar_number(b + GNU_CTIME, LARGE_N, &time)))
		return false;
	for (size_t i = 0; i < PREFIX_N && b[PREFIX + i]; i++)
		if (b[PREFIX + i] & 0x80)
			return false;
	return true;
}

static void put_name(struct loci_tar_header *h, const unsigned char *b)
{
	size_t n = 0;
	if (h->format == LOCI_TAR_USTAR || (h->format == LOCI_TAR_GNU && has_go_prefix(b)))
		n = put_text(h->name, b + PREFIX, PREFIX_N);
	else if (h->format == LOCI_TAR_STAR)
		n = put_text(h->name, b + PREFIX, STAR_PREFIX_N);
	if (n)
		h->name[n++] = '/';
	put_text(h->name + n, b + NAME, NAME_N);
}

int loci__tar_header_parse(const unsigned char b[LOCI_TAR_BLOCK], struct loci_tar_header *ret,
                           struct loci_error *err)
{
	if (!checksum_is_right(b))
		return loci__err_set(err, LOCI_E_INVALID, "its checksum is wrong");
	struct loci_tar_header h = {.format = format_of(b), .type = (char)b[TYPE]};
	const struct {
		const char *name;
		size_t at, n;
		int64_t *ret;
		bool newer; /* not in a version 7 header */
	} numbers[] = {
	        {"mode", MODE, SMALL_N, &h.mode, false},
	        {"uid", UID, SMALL_N, &h.uid, false},
	        {"gid", GID, SMALL_N, &h.gid, false},
	        {"size", SIZE, LARGE_N, &h.size, false},
	        {"mtime", MTIME, LARGE_N, &h.mtime, false},
	        {"devmajor", DEV_MAJOR, SMALL_N, &h.dev_major, true},
	        {"devminor", DEV_MINOR, SMALL_N, &h.dev_minor, true},
	};
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (numbers[i].newer && h.format == LOCI_TAR_V7)
			continue;
		if (!loci__tar_number(b + numbers[i].at, numbers[i].n, numbers[i].ret))
			return loci__err_set(err, LOCI_E_INVALID, "its %s is no number",
			                     numbers[i].name);
	}
	if (h.size < 0)
		return loci__err_set(err, LOCI_E_INVALID, "its size is negative");
	put_name(&h, b);
	put_text(h.link, b + LINK, LINK_N);
	*ret = h;
	return 0;
}

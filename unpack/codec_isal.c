/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gzip by ISA-L's igzip: 2.2 to 3 times zlib's speed, its CRC costs nothing measurable. The
 * member's header is read here: ISA-L 2.30 gets the header's own checksum wrong when its input
 * comes in pieces.
 */
#include "core/base/err.h"
#include "unpack/decoder.h"

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <limits.h>
#include <stdlib.h>

/* RFC 1952, 2.3.1 */
enum { FLAG_HCRC = 2, FLAG_EXTRA = 4, FLAG_NAME = 8, FLAG_COMMENT = 16, FLAGS_RESERVED = 0xe0 };

/* The parts of a member in their order; the optional ones are there when their flag is. */
enum part { FIXED, EXTRA_LENGTH, EXTRA, NAME, COMMENT, HCRC, BODY };
static const unsigned char part_flags[] = {
        [EXTRA_LENGTH] = FLAG_EXTRA, [EXTRA] = FLAG_EXTRA, [NAME] = FLAG_NAME,
        [COMMENT] = FLAG_COMMENT,    [HCRC] = FLAG_HCRC,
};

struct isal {
	enum part part;
	unsigned at; /* bytes of the part so far */
	unsigned char flags;
	unsigned extra; /* bytes of the extra field */
	uint32_t crc;   /* of the header so far */
	uint16_t want;  /* what the header's checksum must be */
	struct inflate_state s;
};

static void *isal_open(void)
{
	struct isal *z = calloc(1, sizeof(*z));
	if (z)
		isal_inflate_init(&z->s);
	return z;
}

static int isal_reset(void *state, struct loci_error *err)
{
	(void)err;
	struct isal *z = state;
	z->part = FIXED;
	z->at = 0;
	z->crc = 0;
	isal_inflate_reset(&z->s);
	z->s.crc_flag = ISAL_GZIP_NO_HDR_VER; /* CRC and size behind the data are checked */
	return 0;
}

/* On to the next part that is there. */
static void leave_part(struct isal *z)
{
	z->at = 0;
	do
		z->part++;
	while (z->part != BODY && !(z->flags & part_flags[z->part]));
}

static bool take_fixed(struct isal *z, unsigned char c)
{
	static const unsigned char begin[] = {0x1f, 0x8b, 8 /* deflate */};
	if (z->at < sizeof(begin) && c != begin[z->at])
		return false;
	if (z->at == 3) {
		z->flags = c;
		if (c & FLAGS_RESERVED)
			return false;
	}
	if (++z->at == 10)
		leave_part(z);
	return true;
}

/* One byte of the header; false when it cannot be one. */
static bool take_header(struct isal *z, unsigned char c)
{
	uint16_t crc = (uint16_t)z->crc;
	z->crc = crc32_gzip_refl(z->crc, &c, 1);
	switch (z->part) {
	case FIXED: return take_fixed(z, c);
	case EXTRA_LENGTH:
		z->extra = z->at ? z->extra | (unsigned)c << 8 : c;
		if (++z->at == 2)
			leave_part(z);
		/* An extra field of no bytes has no byte to end at. */
		if (z->part == EXTRA && z->extra == 0)
			leave_part(z);
		return true;
	case EXTRA:
		if (++z->at == z->extra)
			leave_part(z);
		return true;
	case NAME:
	case COMMENT:
		if (!c)
			leave_part(z);
		return true;
	case HCRC:
		if (z->at++ == 0) {
			z->want = crc;
			return c == (crc & 0xff);
		}
		leave_part(z);
		return c == z->want >> 8;
	case BODY: break;
	}
	return false;
}

static const char *reason(int code)
{
	switch (code) {
	case ISAL_INCORRECT_CHECKSUM: return "its checksum or size does not match";
	default: return "damaged data";
	}
}

static int run_body(struct inflate_state *s, struct loci_codec_io *io, struct loci_error *err)
{
	uint32_t in = io->in_n < INT_MAX ? (uint32_t)io->in_n : INT_MAX;
	uint32_t out = io->out_n < INT_MAX ? (uint32_t)io->out_n : INT_MAX;
	s->next_in = (uint8_t *)io->in;
	s->avail_in = in;
	s->next_out = io->out;
	s->avail_out = out;
	int rc = isal_inflate(s);
	/* A trailer in pieces comes back as END_INPUT. */
	if (rc != ISAL_DECOMP_OK && rc != ISAL_END_INPUT)
		return loci__err_set(err, LOCI_E_INVALID, "layer: gzip stream: %s", reason(rc));
	io->in += in - s->avail_in;
	io->in_n -= in - s->avail_in;
	io->out += out - s->avail_out;
	io->out_n -= out - s->avail_out;
	return s->block_state == ISAL_BLOCK_FINISH;
}

static int isal_run(void *state, struct loci_codec_io *io, struct loci_error *err)
{
	struct isal *z = state;
	for (; z->part != BODY && io->in_n; io->in++, io->in_n--)
		if (!take_header(z, *io->in))
			return loci__err_set(
			        err, LOCI_E_INVALID,
			        "layer: gzip stream: no gzip header where one must be");
	return z->part == BODY ? run_body(&z->s, io, err) : 0;
}

const struct loci_codec loci__codec_isal = {
        .name = "gzip",
        .open = isal_open,
        .reset = isal_reset,
        .run = isal_run,
        .close = free,
};

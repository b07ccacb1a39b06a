/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compressed bytes in, the tar stream out. A codec decodes one member (gzip) or frame (zstd); the
 * decoder around it owns the input buffer, the order of members, and the rules about how a stream
 * may begin and end: the magic bytes must be those of the media type, and nothing may be missing,
 * damaged or left over.
 */
#ifndef LOCI_UNPACK_DECODER_H
#define LOCI_UNPACK_DECODER_H

#include "loci/io.h"
#include "loci/manifest.h"

/* What a codec may read and write in one step; it moves the pointers over what it used. */
struct loci_codec_io {
	const unsigned char *in;
	size_t in_n;
	unsigned char *out;
	size_t out_n;
};

struct loci_codec {
	const char *name; /* of the format, for messages */
	void *(*open)(void);
	/* Ready for the next member. */
	int (*reset)(void *state, struct loci_error *err);
	/* 1: the member is whole and verified; 0: wants more input or more room; negative: code. */
	int (*run)(void *state, struct loci_codec_io *io, struct loci_error *err);
	void (*close)(void *state);
};

extern const struct loci_codec loci__codec_zlib; /* gzip by zlib */
#ifdef LOCI_HAVE_ISAL
extern const struct loci_codec loci__codec_isal; /* gzip by ISA-L */
#endif
extern const struct loci_codec loci__codec_zstd;

struct loci_decoder;

/* compression: enum loci_compression. The reader must outlive the decoder. */
int loci__decoder_new(int compression, const struct loci_reader *in, struct loci_decoder **ret,
                      struct loci_error *err);
/* The same with a chosen codec, so that gzip's two can be compared. */
int loci__decoder_new_codec(int compression, const struct loci_codec *codec,
                            const struct loci_reader *in, struct loci_decoder **ret,
                            struct loci_error *err);
/* A loci_read_fn: > 0 bytes, 0 at the verified end, < 0 a code. Expected: INVALID, TOO_LARGE (a
 * zstd window), and what the reader returns. */
ssize_t loci__decoder_read(void *decoder, void *buf, size_t n, struct loci_error *err);
void loci__decoder_free(struct loci_decoder *d); /* NULL is fine */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "unpack/decoder.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"

#include <string.h>

#define INPUT_SIZE (64 * 1024)
/* Enough to tell the formats apart. */
#define MAGIC_SIZE 4

struct loci_decoder {
	const struct loci_codec *codec; /* NULL: plain */
	void *state;
	const struct loci_reader *in;
	int compression;
	bool started; /* the magic was looked at */
	bool eof;     /* of the input */
	bool between; /* no member is open */
	int failed;   /* a broken stream stays broken */
	size_t at, n; /* the unread part of buf */
	unsigned char buf[INPUT_SIZE];
};

static const char *const format_names[] = {
        [LOCI_COMPRESSION_NONE] = "an uncompressed tar",
        [LOCI_COMPRESSION_GZIP] = "gzip",
        [LOCI_COMPRESSION_ZSTD] = "zstd",
};

static const struct loci_codec *codec_for(int compression)
{
	switch (compression) {
	case LOCI_COMPRESSION_GZIP:
#ifdef LOCI_HAVE_ISAL
		return &loci__codec_isal;
#else
		return &loci__codec_zlib;
#endif
	case LOCI_COMPRESSION_ZSTD: return &loci__codec_zstd;
	default: return NULL;
	}
}

int loci__decoder_new_codec(int compression, const struct loci_codec *codec,
                            const struct loci_reader *in, struct loci_decoder **ret,
                            struct loci_error *err)
{
	struct loci_decoder *d = calloc(1, sizeof(*d));
	if (!d)
		return loci__err_nomem(err);
	d->compression = compression;
	d->codec = codec;
	d->in = in;
	d->between = true;
	if (codec && !(d->state = codec->open())) {
		free(d);
		return loci__err_nomem(err);
	}
	*ret = d;
	return 0;
}

int loci__decoder_new(int compression, const struct loci_reader *in, struct loci_decoder **ret,
                      struct loci_error *err)
{
	return loci__decoder_new_codec(compression, codec_for(compression), in, ret, err);
}

void loci__decoder_free(struct loci_decoder *d)
{
	if (!d)
		return;
	if (d->codec)
		d->codec->close(d->state);
	free(d);
}

/* Reads on until `want` bytes are there or the input ends. */
static int fill(struct loci_decoder *d, size_t want, struct loci_error *err)
{
	if (d->at == d->n)
		d->at = d->n = 0;
	while (!d->eof && d->n - d->at < want) {
		ssize_t got = d->in->read(d->in->arg, d->buf + d->n, sizeof(d->buf) - d->n, err);
		if (got < 0)
			return (int)got;
		d->n += (size_t)got;
		d->eof = got == 0;
	}
	return 0;
}

/* A zstd skippable frame (zstd:chunked writes them) begins 50..5f 2a 4d 18. */
static int sniff(const unsigned char *p, size_t n)
{
	static const unsigned char zstd[] = {0x28, 0xb5, 0x2f, 0xfd};
	static const unsigned char skippable[] = {0x2a, 0x4d, 0x18};
	if (n >= 2 && p[0] == 0x1f && p[1] == 0x8b)
		return LOCI_COMPRESSION_GZIP;
	if (n >= 4 &&
	    (!memcmp(p, zstd, 4) || ((p[0] & 0xf0) == 0x50 && !memcmp(p + 1, skippable, 3))))
		return LOCI_COMPRESSION_ZSTD;
	return LOCI_COMPRESSION_NONE;
}

/* A stream that is not what its media type says is refused rather than guessed: two tools that
 * guess differently would unpack two different trees from one digest. */
static int start(struct loci_decoder *d, struct loci_error *err)
{
	int rc = fill(d, MAGIC_SIZE, err);
	if (rc < 0)
		return rc;
	if (d->n == 0)
		return loci__err_set(err, LOCI_E_INVALID, "layer: the blob is empty, expected %s",
		                     format_names[d->compression]);
	int found = sniff(d->buf, d->n);
	if (found != d->compression)
		return loci__err_set(err, LOCI_E_INVALID,
		                     "layer: the media type says %s, the bytes are %s",
		                     format_names[d->compression],
		                     found ? format_names[found] : "something else");
	d->started = true;
	return 0;
}

static ssize_t read_plain(struct loci_decoder *d, void *buf, size_t n, struct loci_error *err)
{
	size_t have = d->n - d->at;
	if (!have)
		return d->eof ? 0 : d->in->read(d->in->arg, buf, n, err);
	if (have > n)
		have = n;
	memcpy(buf, d->buf + d->at, have);
	d->at += have;
	return (ssize_t)have;
}

/* One step of the codec. 1: go on, 0: the end of the stream. */
static int step(struct loci_decoder *d, unsigned char *out, size_t *room, struct loci_error *err)
{
	int rc = fill(d, 1, err);
	if (rc < 0)
		return rc;
	if (d->between) {
		if (d->at == d->n)
			return 0;
		rc = d->codec->reset(d->state, err);
		if (rc < 0)
			return rc;
		d->between = false;
	}
	struct loci_codec_io io = {d->buf + d->at, d->n - d->at, out, *room};
	rc = d->codec->run(d->state, &io, err);
	if (rc < 0)
		return rc;
	bool moved = io.in_n != d->n - d->at || io.out_n != *room;
	d->at = d->n - io.in_n;
	*room = io.out_n;
	d->between = rc == 1;
	if (rc == 1 || moved)
		return 1;
	if (d->eof && d->at == d->n)
		return loci__err_set(err, LOCI_E_INVALID, "layer: the %s stream is cut short",
		                     d->codec->name);
	return loci__err_set(err, LOCI_E_INVALID, "layer: the %s stream makes no progress",
	                     d->codec->name);
}

static ssize_t read_codec(struct loci_decoder *d, void *buf, size_t n, struct loci_error *err)
{
	size_t room = n;
	/* Whatever is there is handed on before an error shows: it comes again next time. */
	while (room == n) {
		int rc = step(d, buf, &room, err);
		if (rc < 0)
			return d->failed = rc;
		if (rc == 0)
			break;
	}
	return (ssize_t)(n - room);
}

ssize_t loci__decoder_read(void *decoder, void *buf, size_t n, struct loci_error *err)
{
	struct loci_decoder *d = decoder;
	if (d->failed)
		return loci__err_set(err, d->failed, "layer: the stream is broken");
	if (n == 0)
		return 0;
	if (!d->started) {
		int rc = start(d, err);
		if (rc < 0)
			return d->failed = rc;
	}
	return d->codec ? read_codec(d, buf, n, err) : read_plain(d, buf, n, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* gzip by zlib, where ISA-L does not exist; the tests hold both to the same verdicts. */
#include "core/base/err.h"
#include "unpack/decoder.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

/* Largest window, gzip wrapping only. */
#define WINDOW_BITS (15 + 16)

static void *zlib_open(void)
{
	z_stream *z = calloc(1, sizeof(*z));
	if (z && inflateInit2(z, WINDOW_BITS) != Z_OK) {
		free(z);
		return NULL;
	}
	return z;
}

static int zlib_reset(void *state, struct loci_error *err)
{
	if (inflateReset(state) != Z_OK)
		return loci__err_set(err, LOCI_E_INTERNAL, "layer: reset the gzip decoder");
	return 0;
}

static int zlib_run(void *state, struct loci_codec_io *io, struct loci_error *err)
{
	z_stream *z = state;
	uInt in = io->in_n < INT_MAX ? (uInt)io->in_n : INT_MAX;
	uInt out = io->out_n < INT_MAX ? (uInt)io->out_n : INT_MAX;
	z->next_in = (Bytef *)io->in;
	z->avail_in = in;
	z->next_out = io->out;
	z->avail_out = out;
	int rc = inflate(z, Z_NO_FLUSH);
	if (rc == Z_MEM_ERROR)
		return loci__err_nomem(err);
	if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
		return loci__err_set(err, LOCI_E_INVALID, "layer: gzip stream: %s",
		                     z->msg ? z->msg : "damaged data");
	io->in += in - z->avail_in;
	io->in_n -= in - z->avail_in;
	io->out += out - z->avail_out;
	io->out_n -= out - z->avail_out;
	return rc == Z_STREAM_END;
}

static void zlib_close(void *state)
{
	inflateEnd(state);
	free(state);
}

const struct loci_codec loci__codec_zlib = {
        .name = "gzip",
        .open = zlib_open,
        .reset = zlib_reset,
        .run = zlib_run,
        .close = zlib_close,
};

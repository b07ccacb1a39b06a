/* SPDX-License-Identifier: Apache-2.0 */
/* zstd. Skippable frames are eaten by the library like any other frame. */
#include "core/base/err.h"
#include "unpack/decoder.h"

#include <zstd.h>
#include <zstd_errors.h>

/* 128 MiB of memory at most; what `zstd --ultra` makes without --long=28 and more. */
#define WINDOW_LOG_MAX 27

static void *zstd_open(void)
{
	ZSTD_DCtx *z = ZSTD_createDCtx();
	if (z && ZSTD_isError(ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, WINDOW_LOG_MAX))) {
		ZSTD_freeDCtx(z);
		return NULL;
	}
	return z;
}

static int zstd_reset(void *state, struct loci_error *err)
{
	if (ZSTD_isError(ZSTD_DCtx_reset(state, ZSTD_reset_session_only)))
		return loci__err_set(err, LOCI_E_INTERNAL, "layer: reset the zstd decoder");
	return 0;
}

static int zstd_error(size_t rc, struct loci_error *err)
{
	switch (ZSTD_getErrorCode(rc)) {
	case ZSTD_error_memory_allocation: return loci__err_nomem(err);
	case ZSTD_error_frameParameter_windowTooLarge:
		return loci__err_set(err, LOCI_E_TOO_LARGE,
		                     "layer: zstd stream: its window is larger than %u MiB",
		                     1u << (WINDOW_LOG_MAX - 20));
	default:
		return loci__err_set(err, LOCI_E_INVALID, "layer: zstd stream: %s",
		                     ZSTD_getErrorName(rc));
	}
}

static int zstd_run(void *state, struct loci_codec_io *io, struct loci_error *err)
{
	ZSTD_inBuffer in = {io->in, io->in_n, 0};
	ZSTD_outBuffer out = {io->out, io->out_n, 0};
	size_t rc = ZSTD_decompressStream(state, &out, &in);
	if (ZSTD_isError(rc))
		return zstd_error(rc, err);
	io->in += in.pos;
	io->in_n -= in.pos;
	io->out += out.pos;
	io->out_n -= out.pos;
	return rc == 0;
}

static void zstd_close(void *state)
{
	ZSTD_freeDCtx(state);
}

const struct loci_codec loci__codec_zstd = {
        .name = "zstd",
        .open = zstd_open,
        .reset = zstd_reset,
        .run = zstd_run,
        .close = zstd_close,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* The decoders over arbitrary bytes: first byte the format, second how the input is cut. Both gzip
 * codecs must give the same bytes and the same verdict. */
#include "unpack/decoder.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_OUT ((size_t)4 << 20)

struct source {
	const uint8_t *p;
	size_t n, step;
};

static ssize_t source_read(void *arg, void *buf, size_t n, struct loci_error *err)
{
	struct source *s = arg;
	(void)err;
	n = n < s->step ? n : s->step;
	n = n < s->n ? n : s->n;
	memcpy(buf, s->p, n);
	s->p += n;
	s->n -= n;
	return (ssize_t)n;
}

/* Bytes that came out, and the last code. */
static int decode(int compression, const struct loci_codec *codec, struct source s,
                  unsigned char *out, size_t *ret_n)
{
	struct loci_reader in = {source_read, &s};
	struct loci_decoder *d;
	int rc = codec ? loci__decoder_new_codec(compression, codec, &in, &d, NULL)
	               : loci__decoder_new(compression, &in, &d, NULL);
	if (rc < 0)
		return rc;
	size_t n = 0;
	ssize_t got = 0;
	while (n < MAX_OUT && (got = loci__decoder_read(d, out + n, MAX_OUT - n, NULL)) > 0)
		n += (size_t)got;
	loci__decoder_free(d);
	*ret_n = n;
	return (int)got;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned char out[MAX_OUT];
	if (size < 2)
		return 0;
	int compression = data[0] % 3;
	struct source s = {data + 2, size - 2, data[1] ? data[1] : 65536};
	size_t n = 0;
	int rc = decode(compression, NULL, s, out, &n);
#ifdef LOCI_HAVE_ISAL
	static unsigned char other[MAX_OUT];
	size_t other_n = 0;
	if (compression != LOCI_COMPRESSION_GZIP)
		return 0;
	int other_rc = decode(compression, &loci__codec_zlib, s, other, &other_n);
	/* A broken stream may break at different bytes; a whole one is whole for both. */
	if ((rc < 0) != (other_rc < 0) && n < MAX_OUT && other_n < MAX_OUT)
		abort();
	if (rc == 0 && (n != other_n || memcmp(out, other, n) != 0))
		abort();
#endif
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inflate only, from a file in memory: each gzip codec in turn, several rounds.
 *     bench_unpack_decode FILE.tar.gz [ROUNDS]
 */
#include "core/base/fs.h"
#include "unpack/decoder.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct source {
	const char *p;
	size_t n;
};

static ssize_t source_read(void *arg, void *buf, size_t n, struct loci_error *err)
{
	struct source *s = arg;
	(void)err;
	n = n < s->n ? n : s->n;
	memcpy(buf, s->p, n);
	s->p += n;
	s->n -= n;
	return (ssize_t)n;
}

static double cpu_seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void measure(const char *name, const struct loci_codec *codec, struct source s)
{
	static unsigned char out[256 * 1024];
	struct loci_reader in = {source_read, &s};
	struct loci_decoder *d;
	struct loci_error err = {0};
	double start = cpu_seconds(), bytes = 0;
	ssize_t n;
	if (loci__decoder_new_codec(LOCI_COMPRESSION_GZIP, codec, &in, &d, &err) < 0)
		exit(1);
	while ((n = loci__decoder_read(d, out, sizeof(out), &err)) > 0)
		bytes += (double)n;
	loci__decoder_free(d);
	if (n < 0) {
		fprintf(stderr, "%s\n", err.msg);
		exit(1);
	}
	double took = cpu_seconds() - start;
	printf("%-6s %8.1f MB in %6.3f s of CPU: %7.1f MB/s\n", name, bytes / 1e6, took,
	       bytes / 1e6 / took);
}

int main(int argc, char **argv)
{
	char *p;
	size_t n;
	struct loci_error err = {0};
	if (argc < 2) {
		fprintf(stderr, "usage: %s FILE.tar.gz [ROUNDS]\n", argv[0]);
		return 2;
	}
	if (loci__read_file(AT_FDCWD, argv[1], (size_t)4 << 30, &p, &n, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	for (int rounds = argc > 2 ? argv[2][0] - '0' : 3; rounds > 0; rounds--) {
		measure("zlib", &loci__codec_zlib, (struct source){p, n});
#ifdef LOCI_HAVE_ISAL
		measure("isal", &loci__codec_isal, (struct source){p, n});
#endif
	}
	free(p);
	return 0;
}

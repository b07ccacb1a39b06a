/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content that no registry has seen: it follows from a seed. A big blob is one block over and over
 * with a tail of each client's own, so that its digest costs one pass for all clients, and sending
 * it costs the client next to nothing (sendfile of pages that are in memory).
 */
#ifndef LOCI_BENCH_CONTENT_H
#define LOCI_BENCH_CONTENT_H

#include <stddef.h>
#include <stdint.h>

#define CONTENT_BLOCK       ((size_t)4 << 20)
#define CONTENT_TAIL        64
#define CONTENT_DIGEST_SIZE (7 + 64 + 1) /* "sha256:", hex, NUL */

struct content {
	uint64_t size; /* of a blob, tail included */
	int fd;        /* the block, a memfd */
	char *block;   /* the same pages */
};

/* n bytes that follow from seed and serial. */
void content_fill(void *p, size_t n, uint64_t seed, uint64_t serial);
void content_digest(const void *p, size_t n, char ret[static CONTENT_DIGEST_SIZE]);
/* Exits when memory is out. size: CONTENT_TAIL at least. */
void content_init(struct content *c, uint64_t size, uint64_t seed);
void content_tail(uint64_t seed, unsigned client, char ret[static CONTENT_TAIL]);
/* Digests of the blobs of n clients. */
void content_digests(const struct content *c, uint64_t seed, unsigned n,
                     char (*ret)[CONTENT_DIGEST_SIZE]);

#endif

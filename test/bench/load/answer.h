/* SPDX-License-Identifier: Apache-2.0 */
/* An HTTP/1.1 answer, read for what a load generator acts on and for nothing else. */
#ifndef LOCI_BENCH_ANSWER_H
#define LOCI_BENCH_ANSWER_H

#include "core/base/cursor.h"

struct answer {
	unsigned status;
	bool has_length, is_chunked, closes;
	uint64_t length;            /* of the body, when has_length */
	struct loci_slice location; /* in the bytes that were read */
};

/* The bytes of the head at p; 0 when it does not end there; -1 when it is none. */
ssize_t answer_parse(const char *p, size_t n, struct answer *ret);

/* A chunked body that is skipped as it comes. All zero is its beginning. */
struct chunked {
	int state;
	uint64_t left;  /* of the chunk */
	uint64_t bytes; /* of the body so far */
};

/* How many of n bytes belong to the body; -1: malformed. */
ssize_t chunked_skip(struct chunked *c, const char *p, size_t n);
bool chunked_is_done(const struct chunked *c);

#endif

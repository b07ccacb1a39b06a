/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chunked transfer coding (RFC 9112 7.1), decoded in place and strictly: CRLF only, no blanks
 * around sizes, extensions and trailers bounded and dropped. A lenient decoder is how requests get
 * smuggled past a proxy that read the same bytes otherwise.
 */
#ifndef LOCI_REGISTRY_HTTP_CHUNKED_H
#define LOCI_REGISTRY_HTTP_CHUNKED_H

#include "loci/api.h"

#define LOCI_CHUNK_EXTENSION_MAX 256  /* bytes of one chunk's extensions */
#define LOCI_CHUNK_TRAILER_MAX   4096 /* bytes of all trailers */

struct loci__chunked { /* starts as zeros */
	int state;
	unsigned digits;    /* of the size so far */
	unsigned overhead;  /* bytes of extensions or trailers so far */
	uint64_t left;      /* of the chunk */
	const char *reason; /* of a failure */
};

/* Takes the next n bytes at p, moves the data in them to the front of p: *ret_data bytes. Returns
 * 0: all n were used, more must come; 1: the body ended after *ret_used bytes; -1: malformed. */
int loci__chunked_decode(struct loci__chunked *d, char *p, size_t n, size_t *ret_data,
                         size_t *ret_used);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request heads (RFC 9112): finding where one ends, and the strict policy about what is in it. The
 * parser underneath is lenient in ways that let two servers disagree about where a request ends
 * (bare LF, folded lines, several lengths), so whatever is doubtful is refused here.
 */
#ifndef LOCI_REGISTRY_HTTP_HEAD_H
#define LOCI_REGISTRY_HTTP_HEAD_H

#include "loci/registry.h"

#define LOCI_HTTP_HEADERS_MAX 100  /* fields of one head */
#define LOCI_HTTP_TARGET_MAX  8192 /* bytes of a target; above: 414 */
#define LOCI_HTTP_METHOD_MAX  32   /* bytes of a method */

struct loci__http_head {
	const char *method;
	const char *target;     /* origin form */
	const char *host;       /* or NULL */
	const char *user_agent; /* or NULL */
	size_t n_headers;
	uint64_t body_length; /* LOCI_BODY_UNKNOWN: chunked */
	int minor;            /* of the version: 0 or 1 */
	bool keep_alive;
	bool expects_continue;
	const char *reason;                                     /* of a refusal */
	struct loci_http_header headers[LOCI_HTTP_HEADERS_MAX]; /* last: not cleared */
};

/* Length of the head at p, its empty line included; 0: incomplete; -1: bytes that no head may have.
 * *scanned (0 at first) remembers how far earlier calls looked. */
ssize_t loci__http_head_scan(const char *p, size_t n, size_t *scanned);

/* Parses a head of the length that scan found, in place: strings of ret point into p and are
 * NUL-terminated there; names become lower case. Returns 0, or the status to refuse it with. */
int loci__http_head_parse(char *p, size_t n, struct loci__http_head *ret);

#endif

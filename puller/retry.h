/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which failures are worth another try, and when. Two tables: what libcurl says and what an HTTP
 * status says, each row with the error code it becomes.
 */
#ifndef LOCI_PULLER_RETRY_H
#define LOCI_PULLER_RETRY_H

#include "loci/api.h"
#include "loci/error.h"

enum loci_retry_class {
	LOCI_RETRY_NEVER = 0,
	LOCI_RETRY_IF_KNOWN, /* once, until the peer has answered anything: a wrong name or a dead
	                        host should be told quickly */
	LOCI_RETRY_ALWAYS
};
struct loci_outcome {
	int code;  /* enum loci_code; 0: a response that is no failure */
	int retry; /* enum loci_retry_class */
};
struct loci_outcome loci__outcome_of_transport(int curl_code);
struct loci_outcome loci__outcome_of_status(int status);

/* The waits of one transfer. */
struct loci_retry {
	unsigned max;     /* tries after the first one */
	unsigned base_ms; /* the first wait; doubles */
	unsigned done;    /* tries after the first one so far */
	bool peer_has_answered;
};
#define LOCI_RETRY_WAIT_MAX_MS  (30 * 1000)  /* of our own back-off */
#define LOCI_RETRY_AFTER_MAX_MS (120 * 1000) /* of a Retry-After: longer means give up */

/* Milliseconds to wait before the next try, or -1 to give up. retry_after_ms: what the peer asked
 * for, -1 for nothing. jitter: any number; a quarter of the wait is spread by it. */
int64_t loci__retry_next(struct loci_retry *r, int retry_class, int64_t retry_after_ms,
                         uint32_t jitter);
/* The transfer got on since the last failure: count anew. */
void loci__retry_progressed(struct loci_retry *r);

/* Retry-After (RFC 9110, 10.2.3): seconds or a date; milliseconds from now, -1 for none or
 * malformed. now: seconds since the epoch. */
int64_t loci__retry_after_parse(const char *text, uint64_t now);

#endif

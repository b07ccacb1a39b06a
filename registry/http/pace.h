/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least rate of a client. Only time in which the server waits for it counts, in windows of
 * .grace_ms: whoever moved less than .rate × window in one is too slow. Time that the disk takes is
 * not the client's, and a client that is fast for a while is not cut for one slow moment.
 */
#ifndef LOCI_REGISTRY_HTTP_PACE_H
#define LOCI_REGISTRY_HTTP_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct loci__pace_rule {
	uint64_t rate; /* bytes a second */
	uint64_t grace_ms;
};

struct loci__pace {         /* starts as zeros */
	uint64_t since_ms;  /* the wait that goes on; 0: none does */
	uint64_t waited_ms; /* of this window, in waits that ended */
	uint64_t from;      /* position at the window's start */
};

/* The server begins, or goes on, to wait for the client; now never is 0. */
void loci__pace_wait(struct loci__pace *p, uint64_t now_ms);
/* The client moved. */
void loci__pace_go(struct loci__pace *p, uint64_t now_ms);
/* So much of the wait that goes on, if one does, was not the client's. */
void loci__pace_skip(struct loci__pace *p, uint64_t ms);
/* A whole window has been waited: time for loci__pace_close. */
bool loci__pace_is_due(const struct loci__pace *p, const struct loci__pace_rule *rule,
                       uint64_t now_ms);
/* Ends the window at a position (bytes moved since the beginning of all windows) and starts the
 * next; whether it was too slow. */
bool loci__pace_close(struct loci__pace *p, const struct loci__pace_rule *rule, uint64_t now_ms,
                      uint64_t position);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a URL points: what decides whether credentials may go along. Two URLs are of one origin
 * when scheme, host and port are the same (RFC 6454).
 */
#ifndef LOCI_PULLER_ORIGIN_H
#define LOCI_PULLER_ORIGIN_H

#include "loci/api.h"
#include "loci/error.h"

#define LOCI_URL_MAX  (8 * 1024) /* bytes */
#define LOCI_HOST_MAX 256        /* bytes of a host and its port, NUL included */

struct loci_origin {
	bool is_https;
	uint16_t port;
	char host[LOCI_HOST_MAX]; /* lower case, an IPv6 address in brackets */
};

/* http and https only. Expected: INVALID. */
int loci__origin_of(const char *url, struct loci_origin *ret, struct loci_error *err);
bool loci__origin_equal(const struct loci_origin *a, const struct loci_origin *b);

/* The URL that a Location leads to (RFC 9110, 10.2.2), malloc'ed: relative ones are resolved, user
 * information and the fragment are dropped. Expected: PROTOCOL (no URL, another scheme, https left
 * for http). */
int loci__redirect_target(const char *from, const char *location, char **ret,
                          struct loci_error *err);

/* Whether a token realm may be used for a registry: never http for an https registry; a registry
 * that got http only because it is on the loopback may only name a realm there too. Expected:
 * PROTOCOL. */
int loci__realm_check(const char *realm, const struct loci_origin *registry, bool plain_http_wanted,
                      struct loci_error *err);

#endif

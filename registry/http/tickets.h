/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Session tickets: what a client shows to go on with a session of before. The keys that encrypt
 * them are replaced after a while, since whoever learns one reads what was said in TLS 1.2
 * sessions that it covers; OpenSSL's own live as long as its SSL_CTX. Never stored.
 */
#ifndef LOCI_REGISTRY_HTTP_TICKETS_H
#define LOCI_REGISTRY_HTTP_TICKETS_H

#include <openssl/ssl.h>
#include <stdint.h>

#define LOCI_TICKETS_LIFE_S 7200 /* of a ticket, and of a key for new ones */

struct loci__tickets;

/* now_ms: a clock that nobody sets. NULL when memory is out. */
struct loci__tickets *loci__tickets_new(uint64_t (*now_ms)(void));
/* After the last connection. NULL is fine. */
void loci__tickets_free(struct loci__tickets *t);
/* Connections of ctx have tickets by these keys. */
void loci__tickets_serve(struct loci__tickets *t, SSL_CTX *ctx);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of a connection that stand in files of their own, and the ways between them. */
#ifndef LOCI_REGISTRY_HTTP_STEPS_H
#define LOCI_REGISTRY_HTTP_STEPS_H

#include "registry/http/conn.h"

enum loci__step loci__step_body(struct loci__conn *c);
enum loci__step loci__step_send(struct loci__conn *c);

/* The exchange has its response: send it. */
enum loci__step loci__step_respond(struct loci__conn *c);
/* The response is out: what becomes of the connection. */
enum loci__step loci__step_next(struct loci__conn *c);
/* The driver gives up on the request: an error response, then the end. reason: static text. */
void loci__step_refuse(struct loci__conn *c, int status, const char *reason);

/* Whether the client takes less than the least rate; then .end says so. */
bool loci__conn_takes_too_slowly(struct loci__conn *c);

#endif

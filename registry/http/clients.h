/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many connections each client has, for the limit on them; shared by all loops. A client is an
 * IPv4 address, or the /64 of an IPv6 address: whoever has one address of that has them all. Only
 * made when there is a limit. It has no more entries than there are connections.
 */
#ifndef LOCI_REGISTRY_HTTP_CLIENTS_H
#define LOCI_REGISTRY_HTTP_CLIENTS_H

#include "loci/error.h"

#include <sys/socket.h>

struct loci__clients;
struct loci__client;

int loci__clients_new(unsigned max_each, struct loci__clients **ret, struct loci_error *err);
/* All clients have left. NULL is fine. */
void loci__clients_free(struct loci__clients *c);
/* One connection more: false when the client has as many as it may, or memory is out. *ret: to
 * leave with; NULL where nothing is counted (c NULL, Unix sockets). */
bool loci__clients_enter(struct loci__clients *c, const struct sockaddr *from,
                         struct loci__client **ret);
/* NULL client is fine. */
void loci__clients_leave(struct loci__clients *c, struct loci__client *client);

#endif

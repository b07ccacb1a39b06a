/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of clients, and networks of them, as text and as bytes. */
#ifndef LOCI_REGISTRY_ADDRESS_H
#define LOCI_REGISTRY_ADDRESS_H

#include "loci/error.h"

struct loci__address {
	unsigned char b[16]; /* IPv4 as ::ffff:a.b.c.d; a UNIX socket as all ones */
};

/* "192.0.2.1", "2001:db8::1" or "unix"; false for anything else. */
bool loci__address_parse(struct loci_slice text, struct loci__address *ret);
/* Who counts as one client: an IPv4 address, or the /64 of an IPv6 one, as its owner has all of it.
 */
uint64_t loci__address_client(const struct loci__address *a);

struct loci__network {
	struct loci__address base;
	unsigned bits; /* of 128 that count */
};

/* "10.0.0.0/8", "2001:db8::/32", an address, or "unix". INVALID with what was expected. */
int loci__network_parse(const char *text, struct loci__network *ret, struct loci_error *err);
bool loci__network_has(const struct loci__network *net, const struct loci__address *a);

#define LOCI_NETWORKS_MAX 256
struct loci__networks {
	struct loci__network *v;
	size_t n;
};
/* Expected errors: INVALID, TOO_LARGE. */
int loci__networks_init(struct loci__networks *nets, const char *const *texts, size_t n,
                        struct loci_error *err);
void loci__networks_done(struct loci__networks *nets);
bool loci__networks_have(const struct loci__networks *nets, const struct loci__address *a);

#endif

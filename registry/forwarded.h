/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a request is from, when proxies stand between: X-Forwarded-For, believed as far as those who
 * wrote it are trusted. A proxy appends the address it was called from, so the list is read from
 * its end: behind a trusted peer the last address counts, behind that, if it is trusted too, the
 * one before. What a client wrote in front of it is never reached.
 */
#ifndef LOCI_REGISTRY_FORWARDED_H
#define LOCI_REGISTRY_FORWARDED_H

#include "registry/address.h"

/* Takes the last element off a header's value: an address, "ADDRESS:PORT" or "[IPV6]:PORT". False
 * when the rest is empty. *ret_known is false for what is no address ("unknown", a forgery). */
bool loci__forwarded_take_last(struct loci_slice *rest, struct loci__address *ret, bool *ret_known);

/* peer: the connection's. values: the header's lines in order. The result is the nearest address
 * that is not trusted, or the farthest trusted one when the list ends or holds no address. */
struct loci__address loci__forwarded_client(const struct loci__address *peer,
                                            const char *const *values, size_t n,
                                            const struct loci__networks *trusted);

#endif

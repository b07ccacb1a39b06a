/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets from the text of an address. TCP addresses get one socket per loop with
 * SO_REUSEPORT, so that the kernel spreads connections evenly; a Unix socket is one, shared.
 */
#ifndef LOCI_REGISTRY_HTTP_LISTEN_H
#define LOCI_REGISTRY_HTTP_LISTEN_H

#include "loci/error.h"

#define LOCI_HTTP_LISTEN_MAX 64   /* addresses of one server */
#define LOCI_HTTP_BACKLOG    1024 /* connections that wait on one socket */

/* One address as given: a name such as "localhost" or no host at all may be two of the kernel's. */
struct loci__listener {
	char *text;      /* as bound: "127.0.0.1:5000" */
	char *unix_path; /* to unlink at the end, or NULL */
	int *fds;        /* fds[family * n_loops + loop]; -1: none */
	size_t n_fds;
	unsigned n_loops;
};

int loci__listener_open(const char *address, unsigned n_loops, struct loci__listener *ret,
                        struct loci_error *err);
/* Fds that a loop took over are -1 by then. All zeros is fine. */
void loci__listener_close(struct loci__listener *l);

#endif

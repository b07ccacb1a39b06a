/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one door to libh2o. Only its loop is used: sockets as readiness sources, time-out lists,
 * thread queues; and its request-line parser. None of its HTTP or TLS code is reachable from the
 * network.
 */
#ifndef LOCI_REGISTRY_HTTP_H2O_API_H
#define LOCI_REGISTRY_HTTP_H2O_API_H

#include <h2o.h>

/* The libuv flavour has no h2o_socket_notify_write and another layout of every struct. */
#if !defined(H2O_USE_LIBUV) || H2O_USE_LIBUV
#error "build with -DH2O_USE_LIBUV=0 against libh2o-evloop"
#endif
#if H2O_VERSION_MAJOR != 2 || H2O_VERSION_MINOR != 2
#error "libh2o 2.2 expected: its event loop is used below its documented API"
#endif

/* Exported by libh2o, but its header is not installed. */
struct phr_header {
	const char *name; /* NULL: a folded line */
	size_t name_len;
	const char *value;
	size_t value_len;
};
/* Bytes consumed, -1 malformed, -2 incomplete. */
int phr_parse_request(const char *buf, size_t len, const char **method, size_t *method_len,
                      const char **path, size_t *path_len, int *minor_version,
                      struct phr_header *headers, size_t *num_headers, size_t last_len);

#endif

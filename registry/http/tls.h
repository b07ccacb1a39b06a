/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What TLS connections begin with: certificate, key and rules, as OpenSSL's SSL_CTX. It can be
 * replaced while connections go on: each holds the one that it began with, by reference.
 */
#ifndef LOCI_REGISTRY_HTTP_TLS_H
#define LOCI_REGISTRY_HTTP_TLS_H

#include "loci/registry_http.h"

#include <openssl/ssl.h>

struct loci__tls;

/* From the tls_ fields of o, whose files are read here. Expected: USAGE (a key without a
 * certificate, a cipher suite that is none), INVALID and what opening a file gives (the file and
 * the reason are named). */
int loci__tls_new(const struct loci_http_server_opts *o, struct loci__tls **ret,
                  struct loci_error *err);
/* The same for connections to come; on failure nothing changes. From any thread. */
int loci__tls_replace(struct loci__tls *t, const struct loci_http_server_opts *o,
                      struct loci_error *err);
/* After the last connection. NULL is fine. */
void loci__tls_free(struct loci__tls *t);
/* Of a connection: the caller's, NULL when memory is out. From any thread. */
SSL *loci__tls_begin(struct loci__tls *t);
/* When the certificate expires, in seconds since 1970. */
int64_t loci__tls_not_after(const struct loci__tls *t);

#endif

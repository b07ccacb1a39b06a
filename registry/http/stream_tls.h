/* SPDX-License-Identifier: Apache-2.0 */
/* For stream.c: the TLS side of a stream. */
#ifndef LOCI_REGISTRY_HTTP_STREAM_TLS_H
#define LOCI_REGISTRY_HTTP_STREAM_TLS_H

#include "registry/http/stream.h"

bool loci__tls_stream_init(struct loci__http_stream *s, struct loci__tls *tls,
                           struct loci__stream_room room);
void loci__tls_stream_done(struct loci__http_stream *s, bool orderly);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Several ranges of one file in one body: multipart/byteranges (RFC 9110 section 14.6). */
#ifndef LOCI_REGISTRY_MULTIPART_H
#define LOCI_REGISTRY_MULTIPART_H

#include "registry/range.h"
#include "registry/response.h"

/* Sets Content-Type and the parts of a response whose file_fd is set. content_type: of each part.
 * size: bytes of the file. */
void loci__multipart_set(struct loci__rs *rs, const struct loci__ranges *ranges,
                         const char *content_type, uint64_t size);

#endif

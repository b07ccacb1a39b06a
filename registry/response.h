/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Responses: one allocation holds the struct, its headers and their text, so that a small answer
 * costs one malloc. Bodies that already exist (a manifest from the store, a built JSON text) are
 * taken over, not copied. Filling cannot fail half-way: what does not fit or cannot be allocated
 * turns the whole response into a 500.
 */
#ifndef LOCI_REGISTRY_RESPONSE_H
#define LOCI_REGISTRY_RESPONSE_H

#include "loci/registry.h"

#include "core/base/buf.h"

#define LOCI_RESPONSE_HEADERS_MAX 16
#define LOCI_RESPONSE_TEXT_MAX    1536 /* bytes of formatted header values */

struct loci__metrics;

/* Whom a failure is counted for (limit.h); reg is NULL when nobody counts. */
struct loci__charge {
	const struct loci_registry *reg;
	uint64_t client;
	bool is_head;
};

struct loci__rs {
	struct loci_http_response http; /* first: what the public functions are given */
	struct loci_http_header headers[LOCI_RESPONSE_HEADERS_MAX];
	char text[LOCI_RESPONSE_TEXT_MAX];
	size_t text_used;
	char *heap_body;
	char *heap_header;
	struct loci_http_part *heap_parts;
	struct loci_manifest_bytes *manifest;
	/* The sink that http.sink was set to; kept here so that either may be freed first. */
	struct loci_http_sink *sink;
	struct loci__metrics *counted_in; /* or NULL: not in flight */
	struct loci__charge charge;
};

struct loci__rs *loci__rs_new(void);
/* From now on until it is freed it is in flight. metrics may be NULL. */
void loci__rs_count(struct loci__rs *rs, struct loci__metrics *metrics, unsigned end_point);
/* Drops what it holds, the sink excepted, and starts again with the status. */
void loci__rs_reset(struct loci__rs *rs, int status);
/* A value without control characters that lives as long as the response: a literal, or text of the
 * response that was looked through. */
void loci__rs_header_ref(struct loci__rs *rs, const char *name, const char *value);
/* A value with control characters is left out: it came from outside and must not split the head. */
void loci__rs_header(struct loci__rs *rs, const char *name, const char *fmt, ...) LOCI_PRINTF(3, 4);
/* Takes a text too long for the inline store; at most one per response. */
void loci__rs_header_take(struct loci__rs *rs, const char *name, struct loci_buf *take_value);
void loci__rs_digest(struct loci__rs *rs, const char *name, const struct loci_digest *d);
/* A note for the person behind the client (spec.md "Warnings"); text: a literal without quotes. All
 * of them fit into the inline store, which is far below the 4096 bytes that the spec allows. */
void loci__rs_warn(struct loci__rs *rs, const char *text);
/* "…" around the digest, as validators are written. */
void loci__rs_etag(struct loci__rs *rs, const struct loci_digest *d);
/* What is sent has this digest: Docker-Content-Digest and ETag. */
void loci__rs_content(struct loci__rs *rs, const struct loci_digest *d);
/* A literal. */
void loci__rs_body_ref(struct loci__rs *rs, const char *content_type, const char *body);
/* The buffer's text; a buffer that failed makes it a 500. */
void loci__rs_body_take(struct loci__rs *rs, const char *content_type, struct loci_buf *take_body);
/* Pieces of the file that is set already, and the text that they point into; one that is NULL makes
 * it a 500. */
void loci__rs_parts_take(struct loci__rs *rs, struct loci_http_part *take_parts, size_t n,
                         char *take_text);
void loci__rs_manifest_take(struct loci__rs *rs, struct loci_manifest_bytes *take_manifest);
void loci__rs_sink_take(struct loci__rs *rs, struct loci_http_sink *take_sink);

/* The spec's error JSON; detail may be NULL. Status and code say what, message says it to a
 * person. */
void loci__rs_error(struct loci__rs *rs, int status, const char *spec_code, const char *message,
                    const char *detail);

#endif

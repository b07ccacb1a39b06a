/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text between the ranges is made at once, in one buffer, and the parts point into it. The
 * boundary is random: what a stranger pushed must not be able to hold it, or a client that asked
 * for two ranges could be shown three.
 */
#include "registry/multipart.h"

#include "core/base/buf.h"
#include "core/base/rand.h"

#include <inttypes.h>
#include <stdlib.h>

#define TEXT_MAX ((LOCI_RANGES_MAX + 1) * 384)

struct text {
	struct loci_buf buf;
	char boundary[LOCI_RAND_NAME_MAX];
	size_t ends[LOCI_RANGES_MAX + 1]; /* of each part's text; the last one is the closing */
};

static void make_text(struct text *t, const struct loci__ranges *ranges, const char *content_type,
                      uint64_t size)
{
	for (size_t i = 0; i < ranges->n; i++) {
		const struct loci__range *range = &ranges->r[i];
		loci__buf_printf(&t->buf,
		                 "%s--%s\r\ncontent-type: %s\r\ncontent-range: bytes %" PRIu64
		                 "-%" PRIu64 "/%" PRIu64 "\r\n\r\n",
		                 i ? "\r\n" : "", t->boundary, content_type, range->first,
		                 range->last, size);
		t->ends[i] = t->buf.len;
	}
	loci__buf_printf(&t->buf, "\r\n--%s--\r\n", t->boundary);
	t->ends[ranges->n] = t->buf.len;
}

void loci__multipart_set(struct loci__rs *rs, const struct loci__ranges *ranges,
                         const char *content_type, uint64_t size)
{
	struct text t = {.buf = LOCI_BUF_INIT(TEXT_MAX)};
	struct loci_http_part *parts = NULL;
	if (loci__rand_name(t.boundary, /* err= */ NULL) == 0) {
		make_text(&t, ranges, content_type, size);
		parts = calloc(ranges->n + 1, sizeof(*parts));
	}
	char *text = parts ? loci__buf_steal(&t.buf) : NULL;
	for (size_t i = 0, start = 0; text && i <= ranges->n; start = t.ends[i++]) {
		parts[i].text = text + start;
		parts[i].text_len = t.ends[i] - start;
		if (i == ranges->n)
			break;
		parts[i].file_off = ranges->r[i].first;
		parts[i].file_len = ranges->r[i].last - ranges->r[i].first + 1;
	}
	loci__buf_done(&t.buf);
	loci__rs_header(rs, "content-type", "multipart/byteranges; boundary=%s", t.boundary);
	loci__rs_parts_take(rs, parts, ranges->n + 1, text);
}

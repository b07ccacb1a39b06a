/* SPDX-License-Identifier: Apache-2.0 */
/* Each connection pushes one big blob: POST, a PATCH of all of it, PUT with its digest. */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>

enum { POST, PATCH, PUT, END };
static const unsigned expected[] = {202, 202, 201};

static void prepare(struct load *l)
{
	char(*digests)[CONTENT_DIGEST_SIZE] = calloc(l->o.connections, sizeof(*digests));
	if (!digests)
		load_die("out of memory");
	content_init(&l->content, l->o.size, l->o.seed);
	content_digests(&l->content, l->o.seed, l->o.connections, digests);
	l->verb_data = digests;
}

static void begin(struct load *l, struct connection *c)
{
	static const char type[] = "application/octet-stream";
	char(*digests)[CONTENT_DIGEST_SIZE] = l->verb_data;
	char query[CONTENT_DIGEST_SIZE + 8];
	if (c->step == POST) {
		snprintf(c->target, sizeof(c->target), "/v2/%s/blobs/uploads/", l->o.repository);
		c->begun_ns = l->now_ns;
		connection_send(l, c, request_head(l, c, "POST", c->target, "", type, 0),
		                (struct loci_slice){0});
	} else if (c->step == PATCH) {
		connection_send_content(
		        l, c, request_head(l, c, "PATCH", c->target, "", type, l->content.size));
	} else {
		snprintf(query, sizeof(query), "digest=%s", digests[c->index]);
		connection_send(l, c, request_head(l, c, "PUT", c->target, query, type, 0),
		                (struct loci_slice){0});
	}
}

static bool go_on(struct load *l, struct connection *c, bool is_first)
{
	if (!is_first) {
		connection_expect(c, expected[c->step]);
		if (c->step != PUT)
			connection_follow(c);
		c->step++;
	}
	if (c->step == END) {
		latency_add(&l->latency, l->now_ns - c->begun_ns);
		l->n_units++;
		return false;
	}
	begin(l, c);
	return true;
}

static void print(const struct load *l)
{
	const char(*digests)[CONTENT_DIGEST_SIZE] = l->verb_data;
	printf(", \"digests\": [");
	for (unsigned i = 0; i < l->o.connections; i++)
		printf("%s\"%s\"", i ? ", " : "", digests[i]);
	printf("]");
}

const struct verb load_upload = {
        .name = "upload",
        .unit = "blob",
        .prepare = prepare,
        .go_on = go_on,
        .print = print,
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/request.h"

#include "core/base/cursor.h"
#include "registry/problem.h"

#include <string.h>

const char *loci__rq_header(const struct loci__rq *rq, const char *name, size_t n)
{
	for (size_t i = 0; i < rq->http->n_headers; i++)
		if (strcmp(rq->http->headers[i].name, name) == 0 && n-- == 0)
			return rq->http->headers[i].value;
	return NULL;
}

bool loci__rq_param(const struct loci__rq *rq, const char *key, const char **ret,
                    struct loci__rs *rs)
{
	struct loci_error err;
	if (loci__target_param(rq->target, key, ret, &err) == 0)
		return true;
	loci__problem(rq, rs, LOCI_ABOUT_TARGET, &err, key);
	return false;
}

bool loci__rq_parse_digest(const struct loci__rq *rq, const char *text, struct loci_digest *ret,
                           struct loci__rs *rs)
{
	struct loci_error err;
	if (loci_digest_parse(text, strlen(text), ret, &err) == 0)
		return true;
	loci__problem(rq, rs, LOCI_ABOUT_DIGEST, &err, text);
	return false;
}

bool loci__rq_digest(const struct loci__rq *rq, struct loci_digest *ret, struct loci__rs *rs)
{
	return loci__rq_parse_digest(rq, rq->reference, ret, rs);
}

static bool is_bare_tag_char(unsigned char c)
{
	return c > 0x20 && c != 0x7f && c != '"' && c != ',';
}

/* An entity-tag, weak or not; old docker clients send the digest without its quotes. */
static bool take_entity_tag(struct loci_cursor *c, bool *ret_weak, struct loci_slice *ret)
{
	*ret_weak = loci__take_text(c, "W/");
	if (loci__take_char(c, '"'))
		return loci__take_until(c, '"', ret);
	return loci__take_run(c, is_bare_tag_char, ret);
}

static bool list_names(const char *list, const char *digest)
{
	struct loci_cursor c = loci__cursor(list, strlen(list));
	struct loci_slice tag;
	bool weak;
	do {
		loci__skip_blanks(&c);
		if (!take_entity_tag(&c, &weak, &tag))
			return false;
		if (loci__slice_is(tag, digest) || loci__slice_is(tag, "*"))
			return true;
		loci__skip_blanks(&c);
	} while (loci__take_char(&c, ','));
	return false;
}

bool loci__rq_none_match(const struct loci__rq *rq, const struct loci_digest *d)
{
	char digest[LOCI_DIGEST_STR_MAX];
	const char *value = loci__rq_header(rq, "if-none-match", 0);
	if (!value)
		return false;
	loci_digest_format(d, digest);
	for (size_t i = 0; value; value = loci__rq_header(rq, "if-none-match", ++i))
		if (list_names(value, digest))
			return true;
	return false;
}

bool loci__rq_if_range(const struct loci__rq *rq, const struct loci_digest *d)
{
	char digest[LOCI_DIGEST_STR_MAX];
	const char *value = loci__rq_header(rq, "if-range", 0);
	if (!value)
		return true;
	struct loci_cursor c = loci__cursor(value, strlen(value));
	struct loci_slice tag;
	bool weak;
	loci_digest_format(d, digest);
	return take_entity_tag(&c, &weak, &tag) && !weak && loci__slice_is(tag, digest);
}

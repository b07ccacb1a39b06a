/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/condition.h"

#include "core/base/cleanup.h"
#include "core/base/cursor.h"
#include "core/base/err.h"
#include "registry/problem.h"

#include <string.h>

#define LIST_MAX 16384 /* bytes of one header's lists together */

/* ---- entity-tags ----------------------------------------------------------------------------- */

struct entity_tag {
	bool weak;
	bool star;
	struct loci_slice text;
};

static bool is_bare_tag_char(unsigned char c)
{
	return c > 0x20 && c != 0x7f && c != '"' && c != ',';
}

/* An entity-tag, weak or not; old docker clients send the digest without its quotes. */
static bool take_entity_tag(struct loci_cursor *c, struct entity_tag *ret)
{
	*ret = (struct entity_tag){.weak = loci__take_text(c, "W/")};
	if (loci__take_char(c, '"'))
		return loci__take_until(c, '"', &ret->text);
	ret->star = loci__take_char(c, '*');
	return ret->star || loci__take_run(c, is_bare_tag_char, &ret->text);
}

/* Whether the list names what is there now (NULL: nothing, which not even a star stands for).
 * strong: a weak tag names nothing. What is malformed ends the list. */
static bool list_names(const char *list, const char *digest, bool strong)
{
	struct loci_cursor c = loci__cursor(list, strlen(list));
	struct entity_tag tag;
	if (!digest)
		return false;
	do {
		loci__skip_blanks(&c);
		if (!take_entity_tag(&c, &tag))
			return false;
		if (tag.star || (loci__slice_is(tag.text, digest) && !(strong && tag.weak)))
			return true;
		loci__skip_blanks(&c);
	} while (loci__take_char(&c, ','));
	return false;
}

/* ---- of a request ---------------------------------------------------------------------------- */

/* A header that stands several times is one list. */
static bool header_names(const struct loci__rq *rq, const char *name, const struct loci_digest *d,
                         bool strong)
{
	char digest[LOCI_DIGEST_STR_MAX];
	const char *value = loci__rq_header(rq, name, 0);
	if (!value)
		return false;
	loci_digest_format(d, digest);
	for (size_t i = 0; value; value = loci__rq_header(rq, name, ++i))
		if (list_names(value, digest, strong))
			return true;
	return false;
}

bool loci__rq_match(const struct loci__rq *rq, const struct loci_digest *d)
{
	return !loci__rq_header(rq, "if-match", 0) || header_names(rq, "if-match", d, true);
}

void loci__rq_refuse_match(const struct loci__rq *rq, struct loci__rs *rs,
                           const struct loci_digest *d)
{
	struct loci_error err;
	loci__err_set(&err, LOCI_E_CONDITION, "if-match: names something else than what is here");
	loci__problem(rq, rs, LOCI_ABOUT_ANYTHING, &err, rq->reference);
	loci__rs_etag(rs, d);
}

bool loci__rq_none_match(const struct loci__rq *rq, const struct loci_digest *d)
{
	return header_names(rq, "if-none-match", d, false);
}

bool loci__rq_if_range(const struct loci__rq *rq, const struct loci_digest *d)
{
	char digest[LOCI_DIGEST_STR_MAX];
	struct entity_tag tag;
	const char *value = loci__rq_header(rq, "if-range", 0);
	if (!value)
		return true;
	struct loci_cursor c = loci__cursor(value, strlen(value));
	loci_digest_format(d, digest);
	return take_entity_tag(&c, &tag) && !tag.weak && loci__slice_is(tag.text, digest);
}

/* ---- of a write ------------------------------------------------------------------------------ */

static int copy_list(const struct loci__rq *rq, const char *name, char **ret,
                     struct loci_error *err)
{
	struct loci_buf list loci__cleanup_buf = LOCI_BUF_INIT(LIST_MAX);
	const char *value = loci__rq_header(rq, name, 0);
	if (!value)
		return 0;
	loci__buf_puts(&list, value);
	for (size_t i = 1; (value = loci__rq_header(rq, name, i)) != NULL; i++) {
		loci__buf_putc(&list, ',');
		loci__buf_puts(&list, value);
	}
	int r = loci__buf_check(&list, name, err);
	if (r == 0 && !(*ret = loci__buf_steal(&list)))
		r = loci__err_nomem(err);
	return r;
}

int loci__condition_init(struct loci__condition *c, const struct loci__rq *rq,
                         struct loci_error *err)
{
	*c = (struct loci__condition){0};
	int r = copy_list(rq, "if-match", &c->match, err);
	if (r == 0)
		r = copy_list(rq, "if-none-match", &c->none_match, err);
	if (r < 0)
		loci__condition_done(c);
	return r;
}

void loci__condition_done(struct loci__condition *c)
{
	free(loci__steal_ptr(&c->match));
	free(loci__steal_ptr(&c->none_match));
}

bool loci__condition_holds(void *condition, const struct loci_digest *current)
{
	const struct loci__condition *c = condition;
	char text[LOCI_DIGEST_STR_MAX];
	if (current)
		loci_digest_format(current, text);
	const char *digest = current ? text : NULL;
	return (!c->match || list_names(c->match, digest, true)) &&
	       !(c->none_match && list_names(c->none_match, digest, false));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests: spec.md "Pulling manifests", "Pushing Manifests", "Deleting Manifests" and tags. */
#include "registry/handlers.h"

#include "core/base/cursor.h"
#include "core/base/err.h"
#include "loci/event.h"
#include "loci/inventory.h"
#include "registry/condition.h"
#include "registry/manifest_sink.h"
#include "registry/problem.h"

#include <inttypes.h>
#include <string.h>

/* What <reference> is. Anything with a colon is meant as a digest: a tag cannot hold one. */
static bool is_digest(const struct loci__rq *rq)
{
	return strchr(rq->reference, ':') != NULL;
}

static bool check_tag(const struct loci__rq *rq, const char *tag, int code, struct loci__rs *rs)
{
	struct loci_error err;
	if (loci_tag_is_valid(tag, strlen(tag)))
		return true;
	loci__err_set(&err, code, "tag: expected [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}");
	loci__problem(rq, rs, LOCI_ABOUT_TAG, &err, tag);
	return false;
}

/* A reference to something that should be there; a malformed tag is just not there. */
static bool parse_reference(const struct loci__rq *rq, struct loci_digest *ret_digest,
                            const char **ret_tag, struct loci__rs *rs)
{
	*ret_tag = NULL;
	if (is_digest(rq))
		return loci__rq_digest(rq, ret_digest, rs);
	*ret_tag = rq->reference;
	return check_tag(rq, rq->reference, LOCI_E_NOT_FOUND, rs);
}

static void fail(const struct loci__rq *rq, struct loci__rs *rs, int about,
                 const struct loci_error *err)
{
	if (err->code == LOCI_E_NOT_FOUND && !loci_repo_exists(rq->reg->store, rq->name))
		loci__problem(rq, rs, LOCI_ABOUT_NAME, err, rq->name);
	else
		loci__problem(rq, rs, about, err, rq->reference);
}

void loci__handle_manifest_get(struct loci__rq *rq, struct loci__rs *rs)
{
	struct loci_digest d;
	struct loci_manifest_bytes *m;
	const char *tag;
	struct loci_error err;
	if (!parse_reference(rq, &d, &tag, rs))
		return;
	if (loci_manifest_get(rq->reg->store, rq->name, tag, tag ? NULL : &d, &m, &err) < 0) {
		fail(rq, rs, LOCI_ABOUT_MANIFEST, &err);
		return;
	}
	if (!loci__rq_match(rq, &m->digest)) {
		loci__rq_refuse_match(rq, rs, &m->digest);
		loci_manifest_bytes_free(m);
		return;
	}
	if (rq->policy->track_pulls && !rq->head)
		loci_manifest_pulled(rq->reg->store, rq->name, &m->digest);
	loci__rs_content(rs, &m->digest);
	if (loci__rq_none_match(rq, &m->digest)) {
		rs->http.status = 304;
		loci_manifest_bytes_free(m);
		return;
	}
	if (!rq->head)
		loci_event_pulled(rq->reg->store, rq->name, m, tag);
	loci__rs_header_ref(rs, "x-content-type-options", "nosniff");
	loci__rs_manifest_take(rs, m);
}

/* ---- DELETE ------------------------------------------------------------------------------- */

static const char *rule_for(const struct loci__rq *rq, const char *tag)
{
	return loci__tag_rules_find(&rq->policy->immutable, rq->name, tag);
}

static bool keeps(void *arg, const char *tag)
{
	return rule_for(arg, tag);
}

static int delete_manifest(struct loci__rq *rq, const struct loci_digest *d, struct loci_error *err)
{
	struct loci_tag_keeper keeper = {.keeps = keeps, .arg = rq};
	if (!rq->policy->immutable.n)
		return loci_manifest_delete(rq->reg->store, rq->name, d, err);
	int r = loci_manifest_delete_unless(rq->reg->store, rq->name, d, &keeper, err);
	return r == LOCI_E_DENIED ? loci__tag_rule_explain(rule_for(rq, keeper.kept), err) : r;
}

/* A rule fits a tag or does not, whatever it points at: only whether it is there has to be asked.
 */
static int refuse_delete(const struct loci__rq *rq, const char *tag, const char *rule,
                         struct loci_error *err)
{
	struct loci_manifest_bytes *m;
	int r = loci_manifest_get(rq->reg->store, rq->name, tag, /* digest= */ NULL, &m, err);
	if (r < 0)
		return r;
	loci_manifest_bytes_free(m);
	loci__err_set(err, LOCI_E_DENIED, "tag '%s' is immutable", tag);
	return loci__tag_rule_explain(rule, err);
}

/* Under If-Match a tag goes only if it still stands for what was looked at here. */
static int delete_tag(const struct loci__rq *rq, const char *tag, struct loci_error *err)
{
	struct loci_removal removal = {.tag = tag};
	const char *rule = rule_for(rq, tag);
	struct loci_manifest_bytes *m;
	if (rule)
		return refuse_delete(rq, tag, rule, err);
	if (!loci__rq_header(rq, "if-match", 0))
		return loci_tag_delete(rq->reg->store, rq->name, tag, err);
	int r = loci_manifest_get(rq->reg->store, rq->name, tag, /* digest= */ NULL, &m, err);
	if (r < 0)
		return r;
	removal.digest = m->digest;
	bool match = loci__rq_match(rq, &m->digest);
	loci_manifest_bytes_free(m);
	if (match)
		r = loci_remove_if(rq->reg->store, rq->name, &removal, 1, err);
	if (r == 0 && !removal.removed)
		r = loci__err_set(err, LOCI_E_CONDITION,
		                  "if-match: names something else than what is here");
	return r;
}

void loci__handle_manifest_delete(struct loci__rq *rq, struct loci__rs *rs)
{
	struct loci_digest d;
	const char *tag;
	struct loci_error err;
	if (!parse_reference(rq, &d, &tag, rs))
		return;
	if (!tag && !loci__rq_match(rq, &d)) {
		loci__rq_refuse_match(rq, rs, &d);
		return;
	}
	int r = tag ? delete_tag(rq, tag, &err) : delete_manifest(rq, &d, &err);
	if (r < 0)
		fail(rq, rs, tag ? LOCI_ABOUT_TAG : LOCI_ABOUT_MANIFEST, &err);
	else
		rs->http.status = 202;
}

/* ---- PUT ---------------------------------------------------------------------------------- */

static bool is_type_char(unsigned char c)
{
	return loci__is_token_char(c) || c == '/';
}

/* Content-Type without its parameters, which the spec wants ignored; "" when there is none.
 * application/ only: a browser must never take a pushed manifest for a page of this host. */
static bool take_media_type(const struct loci__rq *rq, char *buf, size_t size, struct loci__rs *rs)
{
	const char *value = loci__rq_header(rq, "content-type", 0);
	struct loci_slice type;
	struct loci_error err;
	buf[0] = '\0';
	if (!value)
		return true;
	struct loci_cursor c = loci__cursor(value, strlen(value));
	loci__skip_blanks(&c);
	if (loci__take_run(&c, is_type_char, &type) && loci__slice_copy(type, buf, size)) {
		loci__skip_blanks(&c);
		c = loci__cursor(buf, type.n);
		if (loci__take_text_nocase(&c, "application/") && !loci__cursor_at_end(&c) &&
		    !memchr(c.p, '/', loci__cursor_left(&c)))
			return true;
	}
	loci__err_set(&err, LOCI_E_INVALID, "content-type: expected application/<subtype>");
	loci__problem(rq, rs, LOCI_ABOUT_PUT, &err, rq->reference);
	return false;
}

static bool check_length(const struct loci__rq *rq, struct loci__rs *rs)
{
	struct loci_error err;
	uint64_t n = rq->http->body_length;
	if (n == LOCI_BODY_UNKNOWN || n <= rq->reg->max_manifest_size)
		return true;
	loci__err_set(&err, LOCI_E_TOO_LARGE, "manifest: %" PRIu64 " bytes, at most %" PRIu64, n,
	              rq->reg->max_manifest_size);
	loci__problem(rq, rs, LOCI_ABOUT_PUT, &err, rq->reference);
	return false;
}

/* end-7b: ?tag=1&tag=2 beside a digest. */
static bool take_tags(const struct loci__rq *rq, struct loci__manifest_sink_opts *o,
                      struct loci__rs *rs)
{
	struct loci_error err;
	for (size_t i = 0; i < rq->target->n_params; i++) {
		const struct loci__param *param = &rq->target->params[i];
		if (!loci__slice_is(param->key, "tag"))
			continue;
		if (!check_tag(rq, param->value, LOCI_E_INVALID, rs))
			return false;
		if (o->n_tags == LOCI_PUT_TAGS_MAX) {
			loci__err_set(&err, LOCI_E_TOO_LARGE, "query: more than %d tags",
			              LOCI_PUT_TAGS_MAX);
			loci__problem(rq, rs, LOCI_ABOUT_TAG, &err, param->value);
			return false;
		}
		o->tags[o->n_tags++] = param->value;
	}
	o->tell_tags = o->n_tags > 0;
	return true;
}

void loci__handle_manifest_put(struct loci__rq *rq, struct loci__rs *rs)
{
	struct loci__manifest_sink_opts o = {0};
	if (is_digest(rq)) {
		if (!loci__rq_digest(rq, &o.digest, rs) || !take_tags(rq, &o, rs))
			return;
	} else {
		if (!check_tag(rq, rq->reference, LOCI_E_INVALID, rs))
			return;
		o.tags[o.n_tags++] = rq->reference;
	}
	if (!take_media_type(rq, o.media_type, sizeof(o.media_type), rs) || !check_length(rq, rs))
		return;
	struct loci_http_sink *sink = loci__manifest_sink_new(rq, &o, rs);
	if (!sink)
		return;
	if (rq->http->body_length == 0)
		loci_http_sink_finish(sink, &rs->http);
	else
		loci__rs_sink_take(rs, sink);
}

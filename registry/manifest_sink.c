/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/manifest_sink.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "registry/condition.h"
#include "registry/problem.h"

#include <string.h>

LOCI_DEFINE_CLEANUP(free_manifest, struct loci_manifest, loci_manifest_free)

struct manifest_sink {
	struct loci_http_sink base;
	const struct loci_registry *reg;
	unsigned put_flags; /* as the policy of the request said */
	struct loci_buf body;
	struct loci__condition condition;
	char repo[LOCI_REPO_MAX + 1];
	char reference[LOCI_DIGEST_STR_MAX]; /* a valid tag or digest by now */
	struct loci__manifest_sink_opts o;   /* its tags point into text */
	bool fixed[LOCI_PUT_TAGS_MAX];
	const char *rules[LOCI_PUT_TAGS_MAX]; /* that make them fixed, in text too */
	char text[];
};

static void sink_free(struct manifest_sink *s)
{
	loci__buf_done(&s->body);
	loci__condition_done(&s->condition);
	free(s);
}

static int fail(struct manifest_sink *s, struct loci__rs *rs, const struct loci_error *err)
{
	loci__problem_late(s->reg, rs, LOCI_ABOUT_PUT, err, s->reference);
	return err->code;
}

static int manifest_write(struct loci_http_sink *sink, const void *p, size_t n, struct loci__rs *rs)
{
	struct manifest_sink *s = (struct manifest_sink *)sink;
	struct loci_error err;
	loci__buf_append(&s->body, p, n);
	if (loci__buf_check(&s->body, "manifest", &err) < 0)
		return fail(s, rs, &err);
	return 0;
}

/* Without a Content-Type the document's own mediaType counts. */
static int find_media_type(struct manifest_sink *s, struct loci_error *err)
{
	struct loci_manifest *m loci__cleanup(free_manifest) = NULL;
	if (s->o.media_type[0])
		return 0;
	int r = loci_manifest_parse(s->body.p, s->body.len, /* media_type= */ NULL, &m, err);
	if (r < 0)
		return r;
	if (!m->media_type || strlen(m->media_type) > LOCI_MEDIA_TYPE_MAX)
		return loci__err_set(err, LOCI_E_INVALID,
		                     "manifest: neither Content-Type nor mediaType names its type");
	memcpy(s->o.media_type, m->media_type, strlen(m->media_type) + 1);
	return 0;
}

static int put(struct manifest_sink *s, struct loci_manifest_put_result *res,
               struct loci_error *err)
{
	if (s->body.len == 0)
		return loci__err_set(err, LOCI_E_INVALID, "manifest: empty body");
	int r = find_media_type(s, err);
	if (r < 0)
		return r;
	bool conditional = loci__condition_is_set(&s->condition);
	const struct loci_manifest_put args = {
	        .struct_size = sizeof(args),
	        .media_type = s->o.media_type,
	        .bytes = s->body.p,
	        .n = s->body.len,
	        .want = s->o.digest.alg ? &s->o.digest : NULL,
	        .tags = s->o.tags,
	        .n_tags = s->o.n_tags,
	        .fixed = s->fixed,
	        .flags = s->put_flags,
	        .condition = conditional ? loci__condition_holds : NULL,
	        .condition_arg = &s->condition,
	};
	return loci_manifest_put(s->reg->store, s->repo, &args, res, err);
}

static void tell_tags(const struct manifest_sink *s, struct loci__rs *rs)
{
	struct loci_buf list loci__cleanup_buf =
	        LOCI_BUF_INIT(LOCI_PUT_TAGS_MAX * (LOCI_TAG_MAX + 2));
	for (size_t i = 0; i < s->o.n_tags; i++) {
		if (i > 0)
			loci__buf_puts(&list, ", ");
		loci__buf_puts(&list, s->o.tags[i]);
	}
	loci__rs_header_take(rs, "oci-tag", &list);
}

static void refuse(struct manifest_sink *s, struct loci__rs *rs, struct loci_error *err,
                   const struct loci_manifest_put_result *res)
{
	char missing[LOCI_DIGEST_STR_MAX];
	for (size_t i = 0; i < s->o.n_tags; i++)
		if (res->fixed_tag == s->o.tags[i])
			loci__tag_rule_explain(s->rules[i], err);
	if (err->code == LOCI_E_NOT_FOUND && res->missing.alg) {
		loci_digest_format(&res->missing, missing);
		loci__problem_late(s->reg, rs, LOCI_ABOUT_PUT, err, missing);
		return;
	}
	fail(s, rs, err);
}

static void manifest_finish(struct loci_http_sink *sink, struct loci__rs *rs)
{
	struct manifest_sink *s = (struct manifest_sink *)sink;
	struct loci_manifest_put_result res = {0};
	struct loci_error err;
	if (put(s, &res, &err) < 0) {
		refuse(s, rs, &err, &res);
		sink_free(s);
		return;
	}
	char digest[LOCI_DIGEST_STR_MAX];
	loci_digest_format(&res.digest, digest);
	loci__rs_reset(rs, 201);
	loci__rs_header(rs, "location", "/v2/%s/manifests/%s", s->repo, digest);
	loci__rs_content(rs, &res.digest);
	if (res.subject.alg)
		loci__rs_digest(rs, "oci-subject", &res.subject);
	if (s->o.tell_tags)
		tell_tags(s, rs);
	if (res.has_foreign)
		loci__rs_warn(rs, "non-distributable layers are deprecated since image-spec 1.1");
	sink_free(s);
}

static void manifest_abort(struct loci_http_sink *sink)
{
	sink_free((struct manifest_sink *)sink);
}

static const struct loci__sink_kind manifest_kind = {manifest_write, manifest_finish,
                                                     manifest_abort};

static unsigned put_flags(const struct loci__policy *p)
{
	return (p->allow_sparse ? LOCI_MANIFEST_PUT_SPARSE : 0u) |
	       (p->allow_sparse_index ? LOCI_MANIFEST_PUT_SPARSE_INDEX : 0u) |
	       (p->deny_foreign ? LOCI_MANIFEST_PUT_NO_FOREIGN : 0u);
}

/* The rule that makes a tag of the request immutable, or NULL. */
static const char *rule_of(const struct loci__rq *rq, const char *tag)
{
	return loci__tag_rules_find(&rq->policy->immutable, rq->name, tag);
}

static size_t text_size(const struct loci__rq *rq, const struct loci__manifest_sink_opts *o)
{
	size_t n = 0;
	for (size_t i = 0; i < o->n_tags; i++) {
		const char *rule = rule_of(rq, o->tags[i]);
		n += strlen(o->tags[i]) + 1 + (rule ? strlen(rule) + 1 : 0);
	}
	return n;
}

static const char *copy_text(const char *text, char **to)
{
	size_t n = strlen(text) + 1;
	char *copy = memcpy(*to, text, n);
	*to += n;
	return copy;
}

/* The policy is the request's: it may be gone when the body is complete. */
static void copy_tags(struct manifest_sink *s, const struct loci__rq *rq)
{
	char *to = s->text;
	for (size_t i = 0; i < s->o.n_tags; i++) {
		const char *rule = rule_of(rq, s->o.tags[i]);
		s->o.tags[i] = copy_text(s->o.tags[i], &to);
		s->fixed[i] = rule;
		s->rules[i] = rule ? copy_text(rule, &to) : NULL;
	}
}

struct loci_http_sink *loci__manifest_sink_new(const struct loci__rq *rq,
                                               const struct loci__manifest_sink_opts *o,
                                               struct loci__rs *rs)
{
	struct loci_error err;
	struct manifest_sink *s = calloc(1, sizeof(*s) + text_size(rq, o));
	if (!s)
		loci__err_nomem(&err);
	if (!s || loci__condition_init(&s->condition, rq, &err) < 0) {
		free(s);
		loci__problem(rq, rs, LOCI_ABOUT_PUT, &err, rq->reference);
		return NULL;
	}
	s->base.kind = &manifest_kind;
	s->reg = rq->reg;
	s->put_flags = put_flags(rq->policy);
	s->o = *o;
	memcpy(s->repo, rq->name, sizeof(s->repo));
	snprintf(s->reference, sizeof(s->reference), "%s", rq->reference);
	copy_tags(s, rq);
	loci__buf_init(&s->body, rq->reg->max_manifest_size);
	return &s->base;
}

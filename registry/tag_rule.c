/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/tag_rule.h"

#include "loci/registry.h"

#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/base/glob.h"

#include <stdlib.h>
#include <string.h>

int loci__tag_rule_parse(const char *text, struct loci__tag_rule *ret, struct loci_error *err)
{
	struct loci_cursor c = loci__cursor(text, strlen(text));
	struct loci__tag_rule rule = {.text = text};
	bool well = loci__take_until(&c, ':', &rule.repo);
	rule.tags = loci__slice(c.p, loci__cursor_left(&c));
	if (!well || memchr(rule.tags.p, ':', rule.tags.n) || memchr(rule.tags.p, '/', rule.tags.n))
		return loci__err_set(err, LOCI_E_INVALID,
		                     "'%.64s': expected REPOSITORIES:TAGS, two patterns", text);
	int r = loci__glob_check(rule.repo, err);
	if (r == 0)
		r = loci__glob_check(rule.tags, err);
	if (r < 0)
		return loci__err_prefix(err, r, "'%.64s'", text);
	*ret = rule;
	return 0;
}

int loci_tag_rule_check(const char *text, struct loci_error *err)
{
	struct loci__tag_rule rule;
	return loci__tag_rule_parse(text, &rule, err);
}

static int fill(struct loci__tag_rules *rules, const char *const *texts, char *room,
                struct loci_error *err)
{
	for (size_t i = 0; i < rules->n; i++) {
		size_t n = strlen(texts[i]) + 1;
		int r = loci__tag_rule_parse(memcpy(room, texts[i], n), &rules->v[i], err);
		if (r < 0)
			return r;
		room += n;
	}
	return 0;
}

int loci__tag_rules_init(struct loci__tag_rules *rules, const char *const *texts, size_t n,
                         struct loci_error *err)
{
	size_t bytes = 0;
	*rules = (struct loci__tag_rules){0};
	if (n > LOCI_TAG_RULES_MAX)
		return loci__err_set(err, LOCI_E_TOO_LARGE, "more than %d rules of tags",
		                     LOCI_TAG_RULES_MAX);
	if (n == 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		bytes += strlen(texts[i]) + 1;
	rules->v = malloc(n * sizeof(*rules->v) + bytes);
	if (!rules->v)
		return loci__err_nomem(err);
	rules->n = n;
	int r = fill(rules, texts, (char *)(rules->v + n), err);
	if (r < 0)
		loci__tag_rules_done(rules);
	return r;
}

void loci__tag_rules_done(struct loci__tag_rules *rules)
{
	free(rules->v);
	*rules = (struct loci__tag_rules){0};
}

const char *loci__tag_rules_find(const struct loci__tag_rules *rules, const char *repo,
                                 const char *tag)
{
	const struct loci_slice r = {repo, strlen(repo)}, t = {tag, strlen(tag)};
	for (size_t i = 0; i < rules->n; i++)
		if (loci__glob_match(rules->v[i].repo, r) && loci__glob_match(rules->v[i].tags, t))
			return rules->v[i].text;
	return NULL;
}

int loci__tag_rule_explain(const char *rule, struct loci_error *err)
{
	const struct loci_error cause = *err;
	return loci__err_set(err, cause.code, "%s (rule '%s')", cause.msg, rule ? rule : "");
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules that name tags: "REPOSITORIES:TAGS", each a glob (core/base/glob.h), as in "prod-*:v*".
 * A tag that a rule fits is immutable: once it is there, clients neither move nor delete it.
 */
#ifndef LOCI_REGISTRY_TAG_RULE_H
#define LOCI_REGISTRY_TAG_RULE_H

#include "loci/error.h"

#define LOCI_TAG_RULES_MAX 1024

struct loci__tag_rule {
	const char *text;             /* as it was given */
	struct loci_slice repo, tags; /* in text */
};

struct loci__tag_rules {
	struct loci__tag_rule *v; /* one allocation with its texts */
	size_t n;
};

/* text is borrowed. INVALID with what was expected. */
int loci__tag_rule_parse(const char *text, struct loci__tag_rule *ret, struct loci_error *err);
/* Copies the texts. Expected errors: INVALID, TOO_LARGE. */
int loci__tag_rules_init(struct loci__tag_rules *rules, const char *const *texts, size_t n,
                         struct loci_error *err);
void loci__tag_rules_done(struct loci__tag_rules *rules);
/* The text of the first rule that fits, or NULL; it lives as long as the rules. */
const char *loci__tag_rules_find(const struct loci__tag_rules *rules, const char *repo,
                                 const char *tag);
/* Adds to the error of something refused which rule it was. Returns its code. */
int loci__tag_rule_explain(const char *rule, struct loci_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Rules as they are after parsing, and the judgement of one tag or manifest; nothing here touches
 * the store. */
#ifndef LOCI_REGISTRY_RETENTION_H
#define LOCI_REGISTRY_RETENTION_H

#include "loci/inventory.h"
#include "loci/retention.h"

/* ---- retention_rule.c ------------------------------------------------------------------------ */

enum loci__retention_word {
	LOCI_KEEP_ALL = 1 << 0,
	LOCI_KEEP_UNTAGGED = 1 << 1,
	LOCI_KEEP_LAST = 1 << 2,
	LOCI_KEEP_PUSHED = 1 << 3,
	LOCI_KEEP_PULLED = 1 << 4,
	LOCI_KEEP_TAGS = 1 << 5,
	/* With one of these, tags are judged. */
	LOCI_KEEP_ABOUT_TAGS = LOCI_KEEP_LAST | LOCI_KEEP_PUSHED | LOCI_KEEP_PULLED | LOCI_KEEP_TAGS
};

struct loci__retention_rule {
	char *text; /* the slices below are parts of it */
	struct loci_slice repos;
	unsigned words; /* enum loci__retention_word */
	uint64_t untagged_s;
	uint64_t pushed_s;
	uint64_t pulled_s;
	uint64_t last;
	size_t n_tags;
	struct loci_slice tags[LOCI_RETENTION_TAGS_MAX];
};

struct loci_retention {
	size_t n;
	struct loci__retention_rule rules[];
};

/* text is copied. */
int loci__retention_rule_parse(struct loci__retention_rule *ret, const char *text,
                               struct loci_error *err);
void loci__retention_rule_done(struct loci__retention_rule *rule);
/* The repository's, or NULL. */
const struct loci__retention_rule *loci__retention_rule_of(const struct loci_retention *r,
                                                           const char *repo);

/* ---- retention_judge.c ----------------------------------------------------------------------- */

#define LOCI_RETENTION_WHY_MAX 256

/* What a judgement depends on beside rule and candidate. */
struct loci__retention_now {
	uint64_t now;
	uint64_t pulls_since; /* see loci_pulls_since */
};

/* Whether the rule keeps the name, whatever its age. */
bool loci__retention_keeps_name(const struct loci__retention_rule *rule, const char *tag);
/* "sha256-<hex>" with something behind it or not is a name that clients give to what belongs to
 * another manifest (signatures; referrers, where the API is missing). */
bool loci__retention_names_subject(const char *tag, struct loci_digest *ret);
/* False: it goes, and why says it. is_last: among the newest of the rule. */
bool loci__retention_keeps_tag(const struct loci__retention_rule *rule,
                               const struct loci__retention_now *now,
                               const struct loci_tag_info *tag, bool is_last,
                               char why[LOCI_RETENTION_WHY_MAX]);
/* For one that nothing holds. */
bool loci__retention_keeps_loose(const struct loci__retention_rule *rule,
                                 const struct loci__retention_now *now,
                                 const struct loci_manifest_info *info,
                                 char why[LOCI_RETENTION_WHY_MAX]);

/* ---- retention_newest.c ---------------------------------------------------------------------- */

/* The n newest of any number of tags, by time and then by name. */
struct loci__newest;
int loci__newest_new(size_t n, struct loci__newest **ret, struct loci_error *err);
void loci__newest_free(struct loci__newest *w);
void loci__newest_offer(struct loci__newest *w, const struct loci_tag_info *tag);
/* Once all have been offered: whether it is one of them. */
bool loci__newest_has(const struct loci__newest *w, const struct loci_tag_info *tag);

#endif

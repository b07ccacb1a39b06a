/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a rule says of one tag or one manifest. In doubt it is kept: a clock that stands before a
 * time, pulls that have not been watched for as long as the rule asks.
 */
#include "registry/retention.h"

#include "core/base/cursor.h"
#include "core/base/glob.h"
#include "core/base/hex.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- names ----------------------------------------------------------------------------------- */

bool loci__retention_keeps_name(const struct loci__retention_rule *rule, const char *tag)
{
	struct loci_slice name = {tag, strlen(tag)};
	for (size_t i = 0; i < rule->n_tags; i++)
		if (loci__glob_match(rule->tags[i], name))
			return true;
	return false;
}

bool loci__retention_names_subject(const char *tag, struct loci_digest *ret)
{
	static const char prefix[] = "sha256-";
	enum { PREFIX = sizeof(prefix) - 1, HEX = 64 };
	char text[LOCI_DIGEST_STR_MAX];
	size_t n = strlen(tag);
	if (n < PREFIX + HEX || strncmp(tag, prefix, PREFIX) != 0 ||
	    (tag[PREFIX + HEX] != '\0' && tag[PREFIX + HEX] != '.'))
		return false;
	snprintf(text, sizeof(text), "sha256:%.*s", HEX, tag + PREFIX);
	return loci_digest_parse(text, strlen(text), ret, /* err= */ NULL) == 0;
}

/* ---- times ----------------------------------------------------------------------------------- */

static bool is_within(const struct loci__retention_now *now, uint64_t time, uint64_t span)
{
	return time && time + span > now->now;
}

/* Pulls are noted to the hour. */
static bool was_pulled_within(const struct loci__retention_now *now, uint64_t pulled, uint64_t span)
{
	return is_within(now, pulled, span + LOCI_PULLED_SLACK_S);
}

/* Nobody can say "not pulled for 30 days" who has watched for 10. */
static bool is_watched_for(const struct loci__retention_now *now, uint64_t span)
{
	return now->pulls_since && now->pulls_since + span <= now->now;
}

#define AGE_MAX 32

/* "41d", "3h" */
static const char *age_of(const struct loci__retention_now *now, uint64_t time, char buf[AGE_MAX])
{
	uint64_t s = time < now->now ? now->now - time : 0;
	if (s >= 2 * 86400)
		snprintf(buf, AGE_MAX, "%" PRIu64 "d", s / 86400);
	else if (s >= 2 * 3600)
		snprintf(buf, AGE_MAX, "%" PRIu64 "h", s / 3600);
	else
		snprintf(buf, AGE_MAX, "%" PRIu64 "s", s);
	return buf;
}

static const char *pulled_text(const struct loci__retention_now *now, uint64_t pulled,
                               char buf[AGE_MAX + 16])
{
	char age[AGE_MAX];
	if (!pulled)
		return "never pulled";
	snprintf(buf, AGE_MAX + 16, "pulled %s ago", age_of(now, pulled, age));
	return buf;
}

/* ---- judgements ------------------------------------------------------------------------------ */

static bool keeps_by_pull(const struct loci__retention_rule *rule,
                          const struct loci__retention_now *now, uint64_t pulled)
{
	return rule->words & LOCI_KEEP_PULLED && (was_pulled_within(now, pulled, rule->pulled_s) ||
	                                          !is_watched_for(now, rule->pulled_s));
}

static void explain_tag(const struct loci__retention_rule *rule,
                        const struct loci__retention_now *now, const struct loci_tag_info *tag,
                        char why[LOCI_RETENTION_WHY_MAX])
{
	char age[AGE_MAX], last[64] = "", pulled[AGE_MAX + 16];
	if (rule->words & LOCI_KEEP_LAST)
		snprintf(last, sizeof(last), ", not among the newest %" PRIu64, rule->last);
	snprintf(why, LOCI_RETENTION_WHY_MAX, "set %s ago%s%s%s%s",
	         age_of(now, tag->pushed_at, age), last, rule->words & LOCI_KEEP_PULLED ? ", " : "",
	         rule->words & LOCI_KEEP_PULLED ? pulled_text(now, tag->pulled_at, pulled) : "",
	         rule->words & LOCI_KEEP_TAGS ? ", no name that is kept" : "");
}

bool loci__retention_keeps_tag(const struct loci__retention_rule *rule,
                               const struct loci__retention_now *now,
                               const struct loci_tag_info *tag, bool is_last,
                               char why[LOCI_RETENTION_WHY_MAX])
{
	if (!(rule->words & LOCI_KEEP_ABOUT_TAGS) || is_last ||
	    loci__retention_keeps_name(rule, tag->tag))
		return true;
	if (rule->words & LOCI_KEEP_PUSHED && is_within(now, tag->pushed_at, rule->pushed_s))
		return true;
	/* Nobody can have pulled what has just come. */
	if (rule->words & LOCI_KEEP_PULLED && is_within(now, tag->pushed_at, rule->pulled_s))
		return true;
	if (keeps_by_pull(rule, now, tag->pulled_at))
		return true;
	explain_tag(rule, now, tag, why);
	return false;
}

bool loci__retention_keeps_loose(const struct loci__retention_rule *rule,
                                 const struct loci__retention_now *now,
                                 const struct loci_manifest_info *info,
                                 char why[LOCI_RETENTION_WHY_MAX])
{
	bool lost_tag = info->untagged_at > info->pushed_at;
	uint64_t since = lost_tag ? info->untagged_at : info->pushed_at;
	char age[AGE_MAX], pulled[AGE_MAX + 16];
	if (!(rule->words & LOCI_KEEP_UNTAGGED) || is_within(now, since, rule->untagged_s) ||
	    keeps_by_pull(rule, now, info->pulled_at))
		return true;
	snprintf(why, LOCI_RETENTION_WHY_MAX, "untagged, %s %s ago%s%s",
	         lost_tag ? "lost its last tag" : "pushed", age_of(now, since, age),
	         rule->words & LOCI_KEEP_PULLED ? ", " : "",
	         rule->words & LOCI_KEEP_PULLED ? pulled_text(now, info->pulled_at, pulled) : "");
	return false;
}

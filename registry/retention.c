/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Applying the rules: repository by repository, first the tags, then what nothing holds. What is to
 * go is collected in batches; a batch is one transaction, which looks at each of it again.
 *
 * A manifest that an index lists or whose subject is there is held. When the index goes, what it
 * alone held is loose: so untagged manifests are walked again as long as a walk removed something
 * and left something that was only held back.
 */
#include "registry/retention.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/err.h"

#include <stdlib.h>
#include <string.h>

#define WALKS_MAX 16 /* of one repository's manifests in a run: indexes nest no deeper */

struct pending {
	size_t n;
	struct loci_removal removals[LOCI_REMOVALS_MAX];
	char tags[LOCI_REMOVALS_MAX][LOCI_TAG_MAX + 1];
	char why[LOCI_REMOVALS_MAX][LOCI_RETENTION_WHY_MAX];
};

struct run {
	const struct loci_retention *rules;
	struct loci_store *st;
	struct loci_retention_opts o; /* defaults filled in */
	struct loci_retention_stats stats;
	struct loci__retention_now now;
	int rc; /* of a callback that stopped a walk, which has its own error to tell */
	struct loci_error failure;
	/* The repository under way. */
	const char *repo;
	const struct loci__retention_rule *rule;
	struct loci__newest *newest;
	uint64_t held_back; /* would go, were it not held */
	uint64_t gone;      /* in this walk */
	struct pending pending;
};

static bool is_dry(const struct run *r)
{
	return r->o.flags & LOCI_RETENTION_DRY_RUN;
}

/* ---- removing -------------------------------------------------------------------------------- */

static void report(struct run *r, size_t i)
{
	const struct loci_removal *removal = &r->pending.removals[i];
	const struct loci_retention_item item = {
	        .repo = r->repo,
	        .tag = removal->tag,
	        .digest = &removal->digest,
	        .rule = r->rule->text,
	        .why = r->pending.why[i],
	};
	if (removal->tag)
		r->stats.tags_removed++;
	else
		r->stats.manifests_removed++;
	r->gone++;
	if (r->o.report)
		r->o.report(r->o.report_arg, &item);
}

static int flush(struct run *r)
{
	struct pending *p = &r->pending;
	int rc = 0;
	if (r->o.is_canceled && r->o.is_canceled(r->o.cancel_arg))
		rc = loci__err_set(&r->failure, LOCI_E_CANCELED, "retention was stopped");
	else if (p->n && !is_dry(r))
		rc = loci_remove_if(r->st, r->repo, p->removals, p->n, &r->failure);
	for (size_t i = 0; rc == 0 && i < p->n; i++)
		if (is_dry(r) || p->removals[i].removed)
			report(r, i);
	p->n = 0;
	return rc;
}

/* The next of the batch; what is in it so far goes when it is full. NULL: r->rc. */
static struct loci_removal *next_removal(struct run *r, const char *why)
{
	struct pending *p = &r->pending;
	if (p->n == LOCI_REMOVALS_MAX) {
		r->rc = flush(r);
		if (r->rc < 0)
			return NULL;
	}
	memcpy(p->why[p->n], why, LOCI_RETENTION_WHY_MAX);
	return &p->removals[p->n++];
}

/* So that a pull after the judgement saves it. 0 is "whenever" there. */
static uint64_t pulled_until(const struct run *r, uint64_t pulled)
{
	return !(r->rule->words & LOCI_KEEP_PULLED) ? 0 : pulled ? pulled : 1;
}

/* ---- tags ------------------------------------------------------------------------------------ */

static bool is_here(const struct run *r, const struct loci_digest *d)
{
	struct loci_manifest_bytes *m;
	if (loci_manifest_get(r->st, r->repo, /* tag= */ NULL, d, &m, /* err= */ NULL) < 0)
		return false;
	loci_manifest_bytes_free(m);
	return true;
}

/* Kept by its name: neither judged nor counted. */
static bool is_out_of_it(const struct run *r, const char *tag)
{
	struct loci_digest subject;
	return loci__retention_keeps_name(r->rule, tag) ||
	       (loci__retention_names_subject(tag, &subject) && is_here(r, &subject));
}

static int offer_tag(void *arg, const struct loci_tag_info *tag)
{
	struct run *r = arg;
	if (!is_out_of_it(r, tag->tag))
		loci__newest_offer(r->newest, tag);
	return 0;
}

static int judge_tag(void *arg, const struct loci_tag_info *tag)
{
	struct run *r = arg;
	char why[LOCI_RETENTION_WHY_MAX] = "";
	r->stats.tags++;
	if (is_out_of_it(r, tag->tag))
		return 0;
	bool is_last = r->newest && loci__newest_has(r->newest, tag);
	if (loci__retention_keeps_tag(r->rule, &r->now, tag, is_last, why))
		return 0;
	struct loci_removal *removal = next_removal(r, why);
	if (!removal)
		return 1;
	char *name = r->pending.tags[removal - r->pending.removals];
	memcpy(name, tag->tag, sizeof(tag->tag));
	*removal = (struct loci_removal){
	        .tag = name,
	        .digest = tag->digest,
	        .pushed_until = tag->pushed_at,
	        .pulled_until = pulled_until(r, tag->pulled_at),
	};
	return 0;
}

/* A walk's own failure, or that of the callback which stopped it. */
static int walked(struct run *r, int rc, const struct loci_error *err)
{
	if (rc == LOCI_E_CALLBACK)
		return r->rc;
	if (rc < 0)
		r->failure = *err;
	return rc;
}

static int walk_tags(struct run *r, loci_tag_info_fn fn)
{
	struct loci_error err = {0};
	return walked(r, loci_tag_info_foreach(r->st, r->repo, /* after= */ NULL, fn, r, &err),
	              &err);
}

static int judge_tags(struct run *r)
{
	int rc = 0;
	if (r->rule->words & LOCI_KEEP_LAST) {
		rc = loci__newest_new(r->rule->last, &r->newest, &r->failure);
		if (rc == 0)
			rc = walk_tags(r, offer_tag);
	}
	if (rc == 0)
		rc = walk_tags(r, judge_tag);
	loci__newest_free(r->newest);
	r->newest = NULL;
	return rc < 0 ? rc : flush(r);
}

/* ---- what nothing holds ---------------------------------------------------------------------- */

static int judge_manifest(void *arg, const struct loci_manifest_info *info)
{
	struct run *r = arg;
	char why[LOCI_RETENTION_WHY_MAX] = "";
	r->stats.manifests++;
	if (info->n_tags || loci__retention_keeps_loose(r->rule, &r->now, info, why))
		return 0;
	if (info->has_parent || info->has_subject) {
		r->held_back++;
		return 0;
	}
	struct loci_removal *removal = next_removal(r, why);
	if (!removal)
		return 1;
	*removal = (struct loci_removal){
	        .digest = info->digest,
	        .flags = LOCI_REMOVE_IF_LOOSE,
	        .pushed_until =
	                info->untagged_at > info->pushed_at ? info->untagged_at : info->pushed_at,
	        .pulled_until = pulled_until(r, info->pulled_at),
	};
	return 0;
}

static int judge_manifests(struct run *r)
{
	for (int walks = 0; walks < WALKS_MAX; walks++) {
		struct loci_error err = {0};
		r->held_back = r->gone = 0;
		int rc = loci_manifest_info_foreach(r->st, r->repo, /* after= */ NULL,
		                                    judge_manifest, r, &err);
		rc = walked(r, rc, &err);
		if (rc == 0)
			rc = flush(r);
		if (rc < 0 || is_dry(r) || !r->gone || !r->held_back)
			return rc;
	}
	return 0;
}

static void look_at_clock(struct run *r)
{
	r->now.now = r->o.now ? r->o.now : loci__clock_epoch();
}

/* ---- the run --------------------------------------------------------------------------------- */

static int judge_repository(void *arg, const char *repo, const struct loci_usage *usage)
{
	struct run *r = arg;
	(void)usage;
	r->repo = repo;
	r->rule = loci__retention_rule_of(r->rules, repo);
	if (!r->rule)
		return 0;
	r->stats.repositories++;
	r->rc = 0;
	look_at_clock(r);
	if (r->rule->words & LOCI_KEEP_ABOUT_TAGS)
		r->rc = judge_tags(r);
	look_at_clock(r); /* what has just lost its last tag did so before now */
	if (r->rc == 0 && r->rule->words & LOCI_KEEP_UNTAGGED)
		r->rc = judge_manifests(r);
	return r->rc < 0;
}

static void take_opts(struct run *r, const struct loci_retention_opts *given)
{
	if (given)
		memcpy(&r->o, given,
		       given->struct_size < sizeof(r->o) ? given->struct_size : sizeof(r->o));
}

static void give_stats(const struct run *r, struct loci_retention_stats *stats)
{
	size_t size = stats->struct_size;
	memcpy(stats, &r->stats, size < sizeof(r->stats) ? size : sizeof(r->stats));
	stats->struct_size = size;
}

int loci_retention_run(const struct loci_retention *rules, struct loci_store *st,
                       const struct loci_retention_opts *opts, struct loci_retention_stats *stats,
                       struct loci_error *err)
{
	uint64_t start = loci__clock_ms();
	loci__cleanup_free struct run *r = calloc(1, sizeof(*r));
	if (!r)
		return loci__err_nomem(err);
	r->rules = rules;
	r->st = st;
	take_opts(r, opts);
	int rc = loci_pulls_since(st, &r->now.pulls_since, err);
	if (rc == 0) {
		rc = loci_usage_foreach(st, /* path= */ NULL, /* after= */ NULL, judge_repository,
		                        r, err);
		if (rc == LOCI_E_CALLBACK && err)
			*err = r->failure;
		rc = rc == LOCI_E_CALLBACK ? r->rc : rc;
	}
	r->stats.duration_ms = loci__clock_ms() - start;
	if (stats)
		give_stats(r, stats);
	return rc;
}

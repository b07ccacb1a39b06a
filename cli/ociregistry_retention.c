/* SPDX-License-Identifier: Apache-2.0 */
/* ociregistry retention: applies the rules now, or says what they would remove, beside a running
 * server. */
#include "cli/ociregistry.h"
#include "cli/signals.h"
#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "loci/retention.h"

#include <inttypes.h>
#include <signal.h>

#define S struct loci_ociregistry_settings

LOCI_DEFINE_CLEANUP(close_store, struct loci_store, loci_store_close)
LOCI_DEFINE_CLEANUP(free_rules, struct loci_retention, loci_retention_free)

const struct loci_option loci__ociregistry_retention_options[] = {
        {LOCI_OPT_BOOL(S, retention.dry_run), .flag = "dry-run", .section = "Retention options",
         .help = "Remove nothing, print what would be removed and why"},
        {0},
};

bool loci__ociregistry_wants_pulls(const S *s)
{
	struct loci_retention *r loci__cleanup(free_rules) = NULL;
	return loci_retention_parse(s->retention_rules.v, s->retention_rules.n, &r, NULL) == 0 &&
	       loci_retention_wants_pulls(r);
}

/* The first failure to print ends it. */
struct printing {
	int rc;
	struct loci_error err;
};

static void print_item(void *arg, const struct loci_retention_item *item)
{
	struct printing *p = arg;
	char digest[LOCI_DIGEST_STR_MAX];
	loci_digest_format(item->digest, digest);
	if (p->rc == 0)
		p->rc = loci__printf(&p->err, "%s%s%s%s%s: %s\n", item->repo, item->tag ? ":" : "@",
		                     item->tag ? item->tag : digest, item->tag ? " " : "",
		                     item->tag ? digest : "", item->why);
}

static bool is_canceled(void *arg)
{
	const struct printing *p = arg;
	return p->rc < 0 || loci__signals_noted();
}

static int print_summary(bool dry_run, const struct loci_retention_stats *stats,
                         struct loci_error *err)
{
	return loci__printf(err,
	                    "%s%" PRIu64 " of %" PRIu64 " tags, %" PRIu64 " of %" PRIu64
	                    " manifests %s in %" PRIu64 " repositories with a rule\n",
	                    dry_run ? "dry run: " : "", stats->tags_removed, stats->tags,
	                    stats->manifests_removed, stats->manifests,
	                    dry_run ? "would be removed" : "removed", stats->repositories);
}

int loci__ociregistry_apply_retention(const struct loci_invocation *inv, struct loci_store *store,
                                      bool dry_run, struct loci_error *err)
{
	const S *s = inv->settings;
	struct loci_retention *rules loci__cleanup(free_rules) = NULL;
	struct printing p = {0};
	struct loci_retention_stats stats = {.struct_size = sizeof(stats)};
	const struct loci_retention_opts o = {
	        .struct_size = sizeof(o),
	        .flags = dry_run ? LOCI_RETENTION_DRY_RUN : 0,
	        .report = inv->quiet ? NULL : print_item,
	        .report_arg = &p,
	        .is_canceled = is_canceled,
	        .cancel_arg = &p,
	};
	int rc = loci_retention_parse(s->retention_rules.v, s->retention_rules.n, &rules, err);
	if (rc == 0)
		rc = loci_retention_run(rules, store, &o, &stats, err);
	if (p.rc < 0) {
		*err = p.err;
		return p.rc;
	}
	return rc < 0 || inv->quiet ? rc : print_summary(dry_run, &stats, err);
}

int loci__ociregistry_retention(const struct loci_invocation *inv, struct loci_error *err)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, 0};
	const S *s = inv->settings;
	struct loci_store *store loci__cleanup(close_store) = NULL;
	if (s->retention_rules.n == 0)
		return loci__err_set(err, LOCI_E_USAGE,
		                     "retention: no rules; give some with --retention or under "
		                     "retention.rules in the configuration file");
	int rc = loci__signals_note(signals, err);
	if (rc == 0)
		rc = loci__ociregistry_open_existing_store(inv, &store, err);
	return rc < 0 ? rc
	              : loci__ociregistry_apply_retention(inv, store, s->retention.dry_run, err);
}

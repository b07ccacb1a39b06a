/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ociregistry gc: one collection, beside a running server. What goes is printed as it goes, then a
 * summary.
 */
#include "cli/ociregistry.h"
#include "cli/signals.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "loci/gc.h"
#include "loci/retention.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#define S         struct loci_ociregistry_settings
#define TEXT_MAX  ((size_t)64 << 10)
#define BUSY_POLL 200 /* ms */

LOCI_DEFINE_CLEANUP(close_store, struct loci_store, loci_store_close)
LOCI_DEFINE_CLEANUP(free_rules, struct loci_retention, loci_retention_free)

const struct loci_option loci__ociregistry_gc_options[] = {
        {LOCI_OPT_BOOL(S, gc.dry_run), .flag = "dry-run", .value = "false",
         .section = "Collection options", .help = "Change nothing, print what would be removed"},
        {LOCI_OPT_DURATION(S, gc.older_than_ms), .flag = "older-than", .value = "0",
         .max = 3650ull * 24 * 3600 * 1000,
         .help = "Take what nobody refers to when it is older than this, instead of when its "
                 "lease is over; a push that takes longer may have to begin again. 0 takes all "
                 "but the last seconds"},
        {LOCI_OPT_DURATION(S, gc.wait_ms), .flag = "wait", .value = "0", .max = 24ull * 3600 * 1000,
         .help = "Wait so long for a process that collects already; 0 fails at once"},
        {LOCI_OPT_ENUM(S, gc.format), .flag = "format", .value = "table",
         .words = loci__ociregistry_formats, .metavar = "FORMAT", .help = "Print in this form"},
        {0},
};

const struct loci_exit_row loci__ociregistry_gc_exits[] = {
        {.status = 2,
         .code = LOCI_E_USAGE,
         .meaning = "Wrong command line, environment or configuration file"},
        {.status = 3, .code = LOCI_E_BUSY, .meaning = "Another process collects"},
        {.status = 4, .code = LOCI_E_READ_ONLY, .meaning = "The store is marked read-only"},
        {.status = 130, .code = LOCI_E_CANCELED, .meaning = "Interrupted; what is done is done"},
        {.status = 1, .code = 0, .meaning = "Any other failure"},
};

/* ---- printing -------------------------------------------------------------------------------- */

struct printer {
	const S *s;
	bool quiet;
	uint64_t n;
	int rc; /* of the first that could not be printed */
	struct loci_error err;
};

static bool is_json(const struct printer *p)
{
	return p->s->gc.format == LOCI_OCIREGISTRY_JSON;
}

static void print(struct printer *p, const struct loci_buf *b)
{
	if (p->rc == 0)
		p->rc = loci__buf_check(b, "line", &p->err);
	if (p->rc == 0)
		p->rc = loci__print(b->p, b->len, &p->err);
}

static void put_json_object(struct loci_buf *b, const struct loci_gc_object *o, const char *digest)
{
	loci__buf_printf(b, "{\"kind\":\"%s\",\"repository\":", loci_gc_kind_name(o->kind));
	if (o->repo)
		loci__buf_json_string(b, o->repo);
	else
		loci__buf_puts(b, "null");
	loci__buf_printf(b, ",\"digest\":\"%s\",\"bytes\":%" PRIu64 ",\"why\":", digest, o->bytes);
	loci__buf_json_string(b, o->why);
	loci__buf_putc(b, '}');
}

static void on_object(void *arg, const struct loci_gc_object *o)
{
	struct printer *p = arg;
	struct loci_buf b loci__cleanup_buf = LOCI_BUF_INIT(TEXT_MAX);
	char digest[LOCI_DIGEST_STR_MAX];
	loci_digest_format(o->digest, digest);
	if (is_json(p)) {
		loci__buf_puts(&b, p->n ? ",\n  " : "\n  ");
		put_json_object(&b, o, digest);
	} else if (!p->quiet) {
		loci__buf_printf(&b, "%-8s  %12" PRIu64 "  %s%s%s  (%s)\n",
		                 loci_gc_kind_name(o->kind), o->bytes, o->repo ? o->repo : "",
		                 o->repo ? "@" : "", digest, o->why);
	}
	p->n++;
	if (b.len || b.failed)
		print(p, &b);
}

static void put_json_counts(struct loci_buf *b, const struct loci_gc_stats *stats)
{
	for (int kind = 0; kind < LOCI_GC_KINDS; kind++) {
		const struct loci_gc_count *c = &stats->of[kind];
		loci__buf_printf(b,
		                 "%s\"%s\":{\"examined\":%" PRIu64 ",\"removed\":%" PRIu64
		                 ",\"bytes\":%" PRIu64 "}",
		                 kind ? "," : "", loci_gc_kind_name(kind), c->examined, c->removed,
		                 c->bytes);
	}
}

static void put_json_summary(struct loci_buf *b, const struct printer *p,
                             const struct loci_gc_stats *stats)
{
	loci__buf_puts(b, p->n ? "\n],\n\"summary\":{" : "],\n\"summary\":{");
	put_json_counts(b, stats);
	loci__buf_printf(b,
	                 ",\"milliseconds\":%" PRIu64 ",\"working\":%" PRIu64 ",\"steps\":%" PRIu64
	                 ",\"longest-step-microseconds\":%" PRIu64 "}}\n",
	                 stats->duration_ms, stats->work_ms, stats->steps, stats->longest_step_us);
}

static void put_summary(struct loci_buf *b, const struct printer *p,
                        const struct loci_gc_stats *stats)
{
	uint64_t bytes = 0;
	loci__buf_puts(b, p->s->gc.dry_run ? "would remove" : "removed");
	for (int kind = 0; kind < LOCI_GC_KINDS; kind++) {
		const struct loci_gc_count *c = &stats->of[kind];
		bytes += c->bytes;
		loci__buf_printf(b, "%s %" PRIu64 " %s%s", kind ? "," : "", c->removed,
		                 loci_gc_kind_name(kind), c->removed == 1 ? "" : "s");
	}
	loci__buf_printf(b, "; %" PRIu64 " bytes, in %" PRIu64 " ms\n", bytes, stats->duration_ms);
}

static void print_summary(struct printer *p, const struct loci_gc_stats *stats)
{
	struct loci_buf b loci__cleanup_buf = LOCI_BUF_INIT(TEXT_MAX);
	if (is_json(p))
		put_json_summary(&b, p, stats);
	else if (!p->quiet)
		put_summary(&b, p, stats);
	if (b.len || b.failed)
		print(p, &b);
}

static bool is_interrupted(void *arg)
{
	const struct printer *p = arg;
	return loci__signals_noted() || p->rc < 0;
}

/* ---- retention ------------------------------------------------------------------------------- */

static void put_json_item(struct loci_buf *b, const struct loci_retention_item *i,
                          const char *digest)
{
	loci__buf_printf(b, "{\"kind\":\"%s\",\"repository\":", i->tag ? "tag" : "untagged");
	loci__buf_json_string(b, i->repo);
	if (i->tag) {
		loci__buf_puts(b, ",\"tag\":");
		loci__buf_json_string(b, i->tag);
	}
	loci__buf_printf(b, ",\"digest\":\"%s\",\"bytes\":0,\"why\":", digest);
	loci__buf_json_string(b, i->why);
	loci__buf_putc(b, '}');
}

static void on_item(void *arg, const struct loci_retention_item *i)
{
	struct printer *p = arg;
	struct loci_buf b loci__cleanup_buf = LOCI_BUF_INIT(TEXT_MAX);
	char digest[LOCI_DIGEST_STR_MAX];
	loci_digest_format(i->digest, digest);
	if (is_json(p)) {
		loci__buf_puts(&b, p->n ? ",\n  " : "\n  ");
		put_json_item(&b, i, digest);
	} else if (!p->quiet) {
		loci__buf_printf(&b, "%-8s  %12d  %s%s%s  (%s)\n", i->tag ? "tag" : "untagged", 0,
		                 i->repo, i->tag ? ":" : "@", i->tag ? i->tag : digest, i->why);
	}
	p->n++;
	if (b.len || b.failed)
		print(p, &b);
}

/* As a server does before each collection: what it lets go is collected once its lease is over. */
static int retain(const S *s, struct loci_store *store, struct printer *p, struct loci_error *err)
{
	struct loci_retention *rules loci__cleanup(free_rules) = NULL;
	const struct loci_retention_opts o = {
	        .struct_size = sizeof(o),
	        .flags = s->gc.dry_run ? LOCI_RETENTION_DRY_RUN : 0,
	        .report = on_item,
	        .report_arg = p,
	        .is_canceled = is_interrupted,
	        .cancel_arg = p,
	};
	if (s->retention_rules.n == 0)
		return 0;
	int rc = loci_retention_parse(s->retention_rules.v, s->retention_rules.n, &rules, err);
	return rc < 0 ? rc : loci_retention_run(rules, store, &o, /* stats= */ NULL, err);
}

/* ---- the command ----------------------------------------------------------------------------- */

static struct loci_gc_opts opts_of(const struct loci_invocation *inv, struct printer *p)
{
	const S *s = inv->settings;
	struct loci_gc_opts o = {
	        .struct_size = sizeof(o),
	        .lease_s = s->gc.older_than_ms / 1000,
	        .grace_s = s->gc_grace_ms / 1000,
	        .share = s->gc_share,
	        .report = on_object,
	        .report_arg = p,
	        .is_canceled = is_interrupted,
	        .cancel_arg = p,
	};
	if (s->gc.dry_run)
		o.flags |= LOCI_GC_DRY_RUN;
	if (!o.lease_s &&
	    loci__options_source(inv->options, &s->gc.older_than_ms) != LOCI_SOURCE_DEFAULT)
		o.flags |= LOCI_GC_NO_LEASE;
	return o;
}

/* Whoever collects is waited for, when that was asked. */
static int run(const struct loci_invocation *inv, struct loci_store *store, struct printer *p,
               struct loci_gc_stats *stats, struct loci_error *err)
{
	static const struct timespec poll = {.tv_nsec = BUSY_POLL * 1000000};
	const S *s = inv->settings;
	const struct loci_gc_opts o = opts_of(inv, p);
	uint64_t began = loci__clock_ms();
	int rc;
	while ((rc = loci_gc_run(store, &o, stats, err)) == LOCI_E_BUSY &&
	       loci__clock_ms() - began < s->gc.wait_ms && !loci__signals_noted())
		nanosleep(&poll, NULL);
	return rc;
}

int loci__ociregistry_gc(const struct loci_invocation *inv, struct loci_error *err)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, 0};
	const S *s = inv->settings;
	struct loci_store *store loci__cleanup(close_store) = NULL;
	struct printer p = {.s = s, .quiet = inv->quiet};
	struct loci_gc_stats stats = {.struct_size = sizeof(stats)};
	int rc = loci__ociregistry_open_existing_store(inv, &store, err);
	if (rc == 0)
		rc = loci__signals_note(signals, err);
	if (rc == 0 && is_json(&p))
		rc = loci__printf(err, "{\"dry-run\":%s,\n\"objects\":[",
		                  s->gc.dry_run ? "true" : "false");
	if (rc < 0)
		return rc;
	rc = retain(s, store, &p, err);
	if (rc == 0)
		rc = run(inv, store, &p, &stats, err);
	/* What was done until a failure is told, too. */
	if (rc != LOCI_E_BUSY || is_json(&p))
		print_summary(&p, &stats);
	if (p.rc < 0) {
		*err = p.err;
		return p.rc;
	}
	return rc;
}

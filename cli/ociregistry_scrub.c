/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ociregistry scrub: is every byte still what its digest says? What is bad goes to standard output,
 * with what needs it; the exit status is 1 then, so that a timer's mail says so.
 */
#include "cli/ociregistry.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/status_line.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "loci/scrub.h"

#include <signal.h>

#define S          struct loci_ociregistry_settings
#define RECORD_MAX ((size_t)1 << 20)

LOCI_DEFINE_CLEANUP(close_store, struct loci_store, loci_store_close)

static const struct loci_option_word formats[] = {
        {"text", LOCI_OCIREGISTRY_TABLE}, {"json", LOCI_OCIREGISTRY_JSON}, {0}};

const struct loci_option loci__ociregistry_scrub_options[] = {
        {LOCI_OPT_SIZE(S, scrub.rate), .flag = "rate", .value = "50MiB", .metavar = "SIZE",
         .section = "Scrub options", .help = "Read so much a second at most; 0 for no limit"},
        {LOCI_OPT_STRING(S, scrub.repo), .flag = "repo", .metavar = "NAME",
         .help = "Only what this repository has"},
        {LOCI_OPT_BOOL(S, scrub.fix), .flag = "fix",
         .help = "Put aside what is wrong, so that it counts as absent and can be pushed again"},
        {LOCI_OPT_BOOL(S, scrub.fix_unreadable), .flag = "fix-unreadable",
         .help = "Also what the disk does not give: when it will not come back"},
        {LOCI_OPT_BOOL(S, scrub.restart), .flag = "restart",
         .help = "Begin at the start, not where an earlier run was stopped"},
        {LOCI_OPT_ENUM(S, scrub.format), .flag = "format", .value = "text", .words = formats,
         .help = "Print a line each, or a JSON object each"},
        {0},
};

const struct loci_exit_row loci__ociregistry_scrub_exits[] = {
        {2, LOCI_E_USAGE, "Wrong usage"},
        {3, LOCI_E_BUSY, "Another scrub is at work"},
        {130, LOCI_E_CANCELED, "Interrupted; the next run goes on from there"},
        {1, 0, "Something is wrong in the store, or the scrub failed"},
};

struct scrub_run {
	const struct loci_invocation *inv;
	bool json;
	bool has_references; /* of the bad thing under way */
	struct loci_status_line line;
	struct loci_buf record; /* JSON of it */
	int rc;                 /* of printing */
	struct loci_error err;
};

static const char *digest_text(const struct loci_digest *d, char buf[LOCI_DIGEST_STR_MAX])
{
	loci_digest_format(d, buf);
	return buf;
}

/* ---- text ------------------------------------------------------------------------------------ */

static void text_bad(struct scrub_run *r, const struct loci_scrub_event *ev)
{
	char digest[LOCI_DIGEST_STR_MAX];
	loci__buf_printf(&r->record, "%s %s: %s", ev->is_manifest ? "manifest" : "blob",
	                 digest_text(ev->digest, digest), loci_scrub_verdict_name(ev->verdict));
	if (ev->err)
		loci__buf_printf(&r->record, " (%s)", ev->err->msg);
	if (ev->kept_as)
		loci__buf_printf(&r->record, ", kept as %s", ev->kept_as);
	loci__buf_puts(&r->record, ev->is_fixed ? ", can be pushed again\n" : "\n");
}

static void text_reference(struct scrub_run *r, const struct loci_scrub_event *ev)
{
	char digest[LOCI_DIGEST_STR_MAX] = "";
	if (ev->manifest)
		digest_text(ev->manifest, digest);
	loci__buf_printf(&r->record, "  needed by %s%s%s%s%s\n", ev->repo, ev->tag ? ":" : "",
	                 ev->tag ? ev->tag : "", ev->manifest ? "@" : "", digest);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void member(struct loci_buf *b, const char *before, const char *key, const char *value)
{
	loci__buf_printf(b, "%s\"%s\":", before, key);
	if (value)
		loci__buf_json_string(b, value);
	else
		loci__buf_puts(b, "null");
}

static void json_bad(struct scrub_run *r, const struct loci_scrub_event *ev)
{
	struct loci_buf *b = &r->record;
	char digest[LOCI_DIGEST_STR_MAX];
	member(b, "{", "digest", digest_text(ev->digest, digest));
	member(b, ",", "kind", ev->is_manifest ? "manifest" : "blob");
	member(b, ",", "verdict", loci_scrub_verdict_name(ev->verdict));
	loci__buf_printf(b, ",\"fixed\":%s", ev->is_fixed ? "true" : "false");
	member(b, ",", "kept_as", ev->kept_as);
	member(b, ",", "error", ev->err ? ev->err->msg : NULL);
	loci__buf_puts(b, ",\"needed_by\":[");
}

static void json_reference(struct scrub_run *r, const struct loci_scrub_event *ev)
{
	struct loci_buf *b = &r->record;
	char digest[LOCI_DIGEST_STR_MAX];
	member(b, r->has_references ? ",{" : "{", "repository", ev->repo);
	member(b, ",", "manifest", ev->manifest ? digest_text(ev->manifest, digest) : NULL);
	member(b, ",", "tag", ev->tag);
	loci__buf_putc(b, '}');
}

/* ---- events ---------------------------------------------------------------------------------- */

static void print_record(struct scrub_run *r)
{
	loci__status_line_erase(&r->line);
	int rc = loci__buf_check(&r->record, "report", &r->err);
	if (rc == 0)
		rc = loci__print(r->record.p, r->record.len, &r->err);
	if (rc < 0 && r->rc == 0)
		r->rc = rc;
	loci__buf_reset(&r->record);
}

static void draw(struct scrub_run *r, const struct loci_scrub_result *c)
{
	char bytes[LOCI_BYTES_TEXT_MAX];
	loci__status_line_draw(&r->line, "%llu blobs, %llu manifests, %s, %llu bad",
	                       (unsigned long long)c->blobs, (unsigned long long)c->manifests,
	                       loci__bytes_text(c->bytes, bytes), (unsigned long long)c->bad);
}

static int on_event(void *arg, const struct loci_scrub_event *ev)
{
	struct scrub_run *r = arg;
	switch (ev->kind) {
	case LOCI_SCRUB_BAD:
		r->has_references = false;
		(r->json ? json_bad : text_bad)(r, ev);
		break;
	case LOCI_SCRUB_REFERENCE:
		(r->json ? json_reference : text_reference)(r, ev);
		r->has_references = true;
		break;
	case LOCI_SCRUB_BAD_END:
		if (r->json)
			loci__buf_puts(&r->record, "]}\n");
		print_record(r);
		break;
	default: draw(r, ev->so_far);
	}
	return r->rc < 0 || loci__signals_noted();
}

static int print_summary(struct scrub_run *r, const struct loci_scrub_result *c, uint64_t ms,
                         struct loci_error *err)
{
	char bytes[LOCI_BYTES_TEXT_MAX];
	unsigned long long blobs = c->blobs, manifests = c->manifests, bad = c->bad,
	                   fixed = c->fixed;
	if (r->json)
		return loci__printf(
		        err,
		        "{\"blobs\":%llu,\"manifests\":%llu,\"bytes\":%llu,\"bad\":%llu,"
		        "\"fixed\":%llu,\"went_on\":%s,\"ended\":%s,\"seconds\":%.1f}\n",
		        blobs, manifests, (unsigned long long)c->bytes, bad, fixed,
		        c->went_on ? "true" : "false", c->ended ? "true" : "false",
		        (double)ms / 1000);
	if (r->inv->quiet)
		return 0;
	return loci__printf(err,
	                    "%s%llu blobs, %llu manifests, %s read in %.1f s; %llu bad, %llu put "
	                    "aside%s\n",
	                    c->went_on ? "went on where it was stopped: " : "", blobs, manifests,
	                    loci__bytes_text(c->bytes, bytes), (double)ms / 1000, bad, fixed,
	                    c->ended ? "" : "; stopped, the next run goes on from here");
}

static int scrub(struct scrub_run *r, struct loci_store *store, struct loci_scrub_result *result,
                 struct loci_error *err)
{
	const S *s = r->inv->settings;
	const struct loci_scrub_opts o = {
	        .struct_size = sizeof(o),
	        .log = r->inv->log,
	        .repo = s->scrub.repo,
	        .rate = s->scrub.rate,
	        .flags =
	                (s->scrub.fix ? LOCI_SCRUB_FIX : 0) |
	                (s->scrub.fix_unreadable ? LOCI_SCRUB_FIX | LOCI_SCRUB_FIX_UNREADABLE : 0) |
	                (s->scrub.restart ? LOCI_SCRUB_RESTART : 0),
	        .event = on_event,
	        .event_arg = r,
	};
	uint64_t began = loci__clock_ms();
	int rc = loci_scrub(store, &o, result, err);
	loci__status_line_erase(&r->line);
	if (r->rc < 0) {
		*err = r->err;
		return r->rc;
	}
	if (rc == 0 || rc == LOCI_E_CANCELED) {
		struct loci_error print_err;
		int printed = print_summary(r, result, loci__clock_ms() - began, &print_err);
		if (rc == 0 && printed < 0) {
			*err = print_err;
			rc = printed;
		}
	}
	return rc;
}

int loci__ociregistry_scrub(const struct loci_invocation *inv, struct loci_error *err)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, 0};
	const S *s = inv->settings;
	struct loci_store *store loci__cleanup(close_store) = NULL;
	struct loci_scrub_result result = {0};
	struct scrub_run r = {.inv = inv,
	                      .json = s->scrub.format == LOCI_OCIREGISTRY_JSON,
	                      .record = LOCI_BUF_INIT(RECORD_MAX)};
	int rc = loci__signals_note(signals, err);
	if (rc == 0)
		rc = loci__ociregistry_open_existing_store(inv, &store, err);
	if (rc < 0)
		return rc;
	loci__status_line_init(&r.line, inv->quiet);
	rc = scrub(&r, store, &result, err);
	loci__buf_done(&r.record);
	return rc < 0 ? rc : result.bad > 0;
}

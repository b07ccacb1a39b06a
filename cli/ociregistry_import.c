/* SPDX-License-Identifier: Apache-2.0 */
/* ociregistry import: images of other registries and tools into the store, beside a running server.
 */
#include "cli/ociregistry.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/status_line.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "loci/transfer.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#define S struct loci_ociregistry_settings

LOCI_DEFINE_CLEANUP(close_store, struct loci_store, loci_store_close)

const struct loci_option loci__ociregistry_import_options[] = {
        {LOCI_OPT_STRING(S, import.repo), .flag = "repo", .metavar = "NAME",
         .section = "Import options",
         .help = "Put this before each repository's name; the name itself for images without one"},
        {LOCI_OPT_BOOL(S, import.link), .flag = "link",
         .help = "Make hard links also to files of layouts: nobody changes them any more"},
        {LOCI_OPT_BOOL(S, import.copy), .flag = "copy",
         .help = "Make no hard links, not even to the blobs of a registry"},
        {LOCI_OPT_BOOL(S, import.trust), .flag = "trust-digests",
         .help = "Do not read what is linked to verify it"},
        {LOCI_OPT_BOOL(S, import.keep_tags), .flag = "keep-tags",
         .help = "Leave a tag that is there where it points"},
        {LOCI_OPT_NUMBER(S, import.jobs), .flag = "jobs", .value = "8", .min = 1, .max = 64,
         .help = "Take in so many images of a registry at a time"},
        {LOCI_OPT_BOOL(S, import.dry_run), .flag = "dry-run", .help = "Only look and count"},
        {0},
};

struct import_run {
	const struct loci_invocation *inv;
	struct loci_status_line line;
};

static unsigned flags_of(const S *s)
{
	return (s->import.link ? LOCI_IMPORT_LINK : 0) | (s->import.copy ? LOCI_IMPORT_COPY : 0) |
	       (s->import.trust ? LOCI_IMPORT_TRUST : 0) |
	       (s->import.keep_tags ? LOCI_IMPORT_KEEP_TAGS : 0) |
	       (s->import.dry_run ? LOCI_IMPORT_DRY_RUN : 0) |
	       (s->allow_sparse ? LOCI_IMPORT_SPARSE : 0);
}

/* "team/app:1.0: why", as an error that a person or a log reader gets. */
static void print_failure(struct import_run *r, const struct loci_transfer_event *ev)
{
	struct loci_error err = *ev->err;
	char digest[LOCI_DIGEST_STR_MAX] = "";
	if (ev->digest)
		loci_digest_format(ev->digest, digest);
	if (ev->repo)
		loci__err_prefix(&err, err.code, "%s%s%s", ev->repo,
		                 ev->tag   ? ":"
		                 : *digest ? "@"
		                           : "",
		                 ev->tag ? ev->tag : digest);
	loci__status_line_erase(&r->line);
	loci__invocation_print_error(r->inv, &err);
}

static int on_event(void *arg, const struct loci_transfer_event *ev)
{
	struct import_run *r = arg;
	const struct loci_transfer_counts *c = ev->counts;
	char bytes[LOCI_BYTES_TEXT_MAX];
	if (ev->err)
		print_failure(r, ev);
	loci__status_line_draw(
	        &r->line, "%llu tags, %llu manifests, %llu blobs, %s  %s",
	        (unsigned long long)c->tags,
	        (unsigned long long)(c->manifests + c->manifests_present),
	        (unsigned long long)(c->blobs + c->blobs_present),
	        loci__bytes_text(c->bytes_linked + c->bytes_cloned + c->bytes_copied, bytes),
	        ev->repo ? ev->repo : "");
	return loci__signals_noted();
}

static int print_summary(const S *s, const struct loci_transfer_counts *c, uint64_t ms,
                         struct loci_error *err)
{
	char linked[LOCI_BYTES_TEXT_MAX], cloned[LOCI_BYTES_TEXT_MAX], copied[LOCI_BYTES_TEXT_MAX];
	char repositories[48] = "";
	/* Only the directories of registry:2 have a list of them. */
	if (c->repositories)
		snprintf(repositories, sizeof(repositories), "%llu repositories, ",
		         (unsigned long long)c->repositories);
	int rc = loci__printf(
	        err,
	        "%s%s%llu tags; manifests: %llu new, %llu there already; blobs: %llu new, %llu "
	        "there already; linked %s, cloned %s, copied %s; %llu.%llu s\n",
	        s->import.dry_run ? "dry run: " : "", repositories, (unsigned long long)c->tags,
	        (unsigned long long)c->manifests, (unsigned long long)c->manifests_present,
	        (unsigned long long)c->blobs, (unsigned long long)c->blobs_present,
	        loci__bytes_text(c->bytes_linked, linked),
	        loci__bytes_text(c->bytes_cloned, cloned),
	        loci__bytes_text(c->bytes_copied, copied), (unsigned long long)(ms / 1000),
	        (unsigned long long)(ms % 1000 / 100));
	if (rc == 0 && (c->failed || c->schema1))
		rc = loci__printf(err, "left out: %llu that are broken, %llu of docker schema 1\n",
		                  (unsigned long long)c->failed, (unsigned long long)c->schema1);
	return rc;
}

static void add_counts(struct loci_transfer_counts *sum, const struct loci_transfer_counts *c)
{
	sum->repositories += c->repositories;
	sum->tags += c->tags;
	sum->manifests += c->manifests;
	sum->manifests_present += c->manifests_present;
	sum->blobs += c->blobs;
	sum->blobs_present += c->blobs_present;
	sum->bytes_linked += c->bytes_linked;
	sum->bytes_cloned += c->bytes_cloned;
	sum->bytes_copied += c->bytes_copied;
	sum->schema1 += c->schema1;
	sum->failed += c->failed;
}

/* Each source for itself; the first failure gives the status. */
static int import_all(struct import_run *r, struct loci_store *store,
                      struct loci_transfer_counts *sum, struct loci_error *err)
{
	const S *s = r->inv->settings;
	const struct loci_import_opts o = {
	        .struct_size = sizeof(o),
	        .log = r->inv->log,
	        .repo = s->import.repo,
	        .flags = flags_of(s),
	        .event = on_event,
	        .event_arg = r,
	        .max_manifest_size = (size_t)s->max_manifest_size,
	        .jobs = s->import.jobs,
	};
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < r->inv->n_args; i++) {
		struct loci_transfer_counts counts;
		rc = loci_import(store, r->inv->args[i], &o, &counts, err);
		add_counts(sum, &counts);
	}
	loci__status_line_erase(&r->line);
	return rc;
}

int loci__ociregistry_import(const struct loci_invocation *inv, struct loci_error *err)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, 0};
	const S *s = inv->settings;
	struct loci_store *store loci__cleanup(close_store) = NULL;
	struct loci_transfer_counts sum = {0};
	struct import_run r = {.inv = inv};
	uint64_t began = loci__clock_ms();
	if (s->import.link && s->import.copy)
		return loci__err_set(err, LOCI_E_USAGE, "--link and --copy contradict each other");
	int rc = loci__ociregistry_check_user(s, err);
	if (rc == 0)
		rc = loci__signals_note(signals, err);
	if (rc == 0)
		rc = loci__ociregistry_open_store(inv, &store, err);
	if (rc < 0)
		return rc;
	loci__status_line_init(&r.line, inv->quiet);
	rc = import_all(&r, store, &sum, err);
	if (!inv->quiet && (rc == 0 || sum.manifests || sum.blobs)) {
		struct loci_error print_err;
		int printed =
		        print_summary(s, &sum, loci__clock_ms() - began, rc < 0 ? &print_err : err);
		rc = rc < 0 ? rc : printed;
	}
	return rc < 0 ? rc : sum.failed || sum.schema1 ? 1 : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* ociregistry export: images of the store as an OCI layout, beside a running server. */
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

#define S struct loci_ociregistry_settings

LOCI_DEFINE_CLEANUP(close_store, struct loci_store, loci_store_close)

const struct loci_option loci__ociregistry_export_options[] = {
        {LOCI_OPT_PATH(S, export_to.output), .flag = "output", .letter = 'o',
         .metavar = "DIR|FILE.tar", .section = "Export options",
         .help = "Write a layout to this directory, a tar to FILE.tar, or to standard output (-)"},
        {LOCI_OPT_BOOL(S, export_to.referrers), .flag = "referrers",
         .help = "Also what refers to the images: signatures, SBOMs"},
        {LOCI_OPT_BOOL(S, export_to.link), .flag = "link",
         .help = "Make hard links to the store's files: nobody changes them there"},
        {0},
};

static int on_event(void *arg, const struct loci_transfer_event *ev)
{
	struct loci_status_line *line = arg;
	const struct loci_transfer_counts *c = ev->counts;
	char bytes[LOCI_BYTES_TEXT_MAX];
	loci__status_line_draw(
	        line, "%llu manifests, %llu blobs, %s", (unsigned long long)c->manifests,
	        (unsigned long long)(c->blobs + c->blobs_present),
	        loci__bytes_text(c->bytes_linked + c->bytes_cloned + c->bytes_copied, bytes));
	return loci__signals_noted();
}

/* On standard error, as standard output may be the archive. */
static void print_summary(const struct loci_invocation *inv, const struct loci_transfer_counts *c,
                          uint64_t ms)
{
	char linked[LOCI_BYTES_TEXT_MAX], cloned[LOCI_BYTES_TEXT_MAX], copied[LOCI_BYTES_TEXT_MAX];
	if (inv->quiet)
		return;
	fprintf(stderr,
	        "%llu tags, %llu manifests; blobs: %llu new, %llu there already; linked %s, cloned "
	        "%s, copied %s; %llu.%llu s\n",
	        (unsigned long long)c->tags, (unsigned long long)c->manifests,
	        (unsigned long long)c->blobs, (unsigned long long)c->blobs_present,
	        loci__bytes_text(c->bytes_linked, linked),
	        loci__bytes_text(c->bytes_cloned, cloned),
	        loci__bytes_text(c->bytes_copied, copied), (unsigned long long)(ms / 1000),
	        (unsigned long long)(ms % 1000 / 100));
}

static int check_output(const S *s, struct loci_error *err)
{
	if (!s->export_to.output)
		return loci__err_set(err, LOCI_E_USAGE, "--output is missing: DIR, FILE.tar or -");
	if (!strcmp(s->export_to.output, "-") && isatty(STDOUT_FILENO))
		return loci__err_set(err, LOCI_E_USAGE,
		                     "an archive is nothing for a terminal: redirect it");
	return 0;
}

int loci__ociregistry_export(const struct loci_invocation *inv, struct loci_error *err)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, 0};
	const S *s = inv->settings;
	struct loci_store *store loci__cleanup(close_store) = NULL;
	struct loci_transfer_counts counts;
	struct loci_status_line line;
	uint64_t began = loci__clock_ms();
	int rc = check_output(s, err);
	if (rc == 0)
		rc = loci__signals_note(signals, err);
	if (rc == 0)
		rc = loci__ociregistry_open_existing_store(inv, &store, err);
	if (rc < 0)
		return rc;
	loci__signals_ignore_pipe();
	loci__status_line_init(&line, inv->quiet);
	const struct loci_export_opts o = {
	        .struct_size = sizeof(o),
	        .log = inv->log,
	        .flags = (s->export_to.referrers ? LOCI_EXPORT_REFERRERS : 0) |
	                 (s->export_to.link ? LOCI_EXPORT_LINK : 0) |
	                 (s->allow_sparse ? LOCI_EXPORT_SPARSE : 0),
	        .event = on_event,
	        .event_arg = &line,
	};
	rc = loci_export(store, (const char *const *)inv->args, inv->n_args, s->export_to.output,
	                 &o, &counts, err);
	loci__status_line_erase(&line);
	if (rc == 0)
		print_summary(inv, &counts, loci__clock_ms() - began);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* ociregistry upload: the upload sessions of the store, beside a running server. */
#include "cli/ociregistry.h"
#include "cli/utc_text.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/err.h"

#include <inttypes.h>
#include <string.h>

#define S        struct loci_ociregistry_settings
#define TEXT_MAX ((size_t)64 << 20)
#define IDS_MAX  ((size_t)64 << 20) /* bytes */

LOCI_DEFINE_CLEANUP(close_store, struct loci_store, loci_store_close)

const struct loci_option loci__ociregistry_upload_options[] = {
        {LOCI_OPT_ENUM(S, upload.format), .flag = "format", .value = "table",
         .words = loci__ociregistry_formats, .metavar = "FORMAT", .section = "Upload options",
         .help = "Print the list in this form"},
        {LOCI_OPT_DURATION(S, upload.older_than_ms), .flag = "older-than", .value = "0",
         .help = "Only uploads that nobody wrote to for so long"},
        {0},
};

/* ---- ls -------------------------------------------------------------------------------------- */

struct listing {
	struct loci_buf *text;
	bool json;
	uint64_t written_until; /* seconds since the epoch */
	unsigned n;
};

static void put_json_string(struct loci_buf *b, const char *key, const char *value)
{
	loci__buf_printf(b, ",\"%s\":", key);
	if (value)
		loci__buf_json_string(b, value);
	else
		loci__buf_puts(b, "null");
}

static void put_json(struct listing *l, const struct loci_upload_info *u)
{
	char began[LOCI_UTC_TEXT_MAX], written[LOCI_UTC_TEXT_MAX];
	loci__buf_printf(l->text, "%s\n  {\"id\":\"%s\"", l->n ? "," : "", u->id);
	put_json_string(l->text, "repository", u->repo_is_known && u->repo[0] ? u->repo : NULL);
	put_json_string(l->text, "algorithm", loci_digest_alg_name(u->alg));
	loci__buf_printf(l->text, ",\"bytes\":%" PRIu64, u->bytes);
	put_json_string(l->text, "began", loci__utc_text(u->began_at, began));
	put_json_string(l->text, "written", loci__utc_text(u->written_at, written));
	loci__buf_printf(l->text, ",\"held\":%s}", u->is_held ? "true" : "false");
}

static void put_row(struct listing *l, const struct loci_upload_info *u)
{
	char began[LOCI_UTC_TEXT_MAX], written[LOCI_UTC_TEXT_MAX];
	const char *began_text = loci__utc_text(u->began_at, began);
	const char *written_text = loci__utc_text(u->written_at, written);
	loci__buf_printf(l->text, "%s  %14" PRIu64 "  %-20s  %-20s  %-4s  %s\n", u->id, u->bytes,
	                 began_text ? began_text : "-", written_text ? written_text : "-",
	                 u->is_held ? "yes" : "no",
	                 !u->repo_is_known ? "-"
	                 : u->repo[0]      ? u->repo
	                                   : "(a fetch of ocipull)");
}

static int list_one(void *arg, const struct loci_upload_info *u)
{
	struct listing *l = arg;
	if (u->written_at > l->written_until)
		return 0;
	(l->json ? put_json : put_row)(l, u);
	l->n++;
	return l->text->failed;
}

static uint64_t written_until(const S *s)
{
	return s->upload.older_than_ms ? loci__clock_epoch() - s->upload.older_than_ms / 1000
	                               : UINT64_MAX;
}

static int list(const struct loci_invocation *inv, struct loci_store *store, struct loci_error *err)
{
	const S *s = inv->settings;
	struct loci_buf text loci__cleanup_buf = LOCI_BUF_INIT(TEXT_MAX);
	struct listing l = {.text = &text,
	                    .json = s->upload.format == LOCI_OCIREGISTRY_JSON,
	                    .written_until = written_until(s)};
	if (l.json)
		loci__buf_putc(&text, '[');
	else
		loci__buf_printf(&text, "%-36s  %14s  %-20s  %-20s  %-4s  %s\n", "ID", "BYTES",
		                 "BEGAN", "WRITTEN", "HELD", "REPOSITORY");
	int rc = loci_upload_foreach(store, list_one, &l, err);
	if (l.json)
		loci__buf_puts(&text, l.n ? "\n]\n" : "]\n");
	if (text.failed)
		rc = loci__buf_check(&text, "list of uploads", err);
	return rc < 0 ? rc : loci__print(text.p, text.len, err);
}

/* ---- rm -------------------------------------------------------------------------------------- */

/* One that ended, or that somebody began to write to, since it was listed, needs no removal. */
static int remove_listed(struct loci_store *store, const char *id, uint64_t older_than_s,
                         unsigned *n, struct loci_error *err)
{
	int rc = loci_upload_remove(store, id, older_than_s, err);
	if (rc == LOCI_E_NOT_FOUND || rc == LOCI_E_BUSY)
		return 0;
	*n += rc == 0;
	return rc;
}

struct collection {
	struct loci_buf ids; /* each with its NUL */
	uint64_t written_until;
};

static int collect(void *arg, const struct loci_upload_info *u)
{
	struct collection *c = arg;
	return u->written_at > c->written_until
	               ? 0
	               : loci__buf_append(&c->ids, u->id, strlen(u->id) + 1);
}

static int remove_old(const struct loci_invocation *inv, struct loci_store *store,
                      struct loci_error *err)
{
	const S *s = inv->settings;
	struct collection c = {.ids = LOCI_BUF_INIT(IDS_MAX), .written_until = written_until(s)};
	unsigned n = 0;
	int rc = loci_upload_foreach(store, collect, &c, err);
	if (c.ids.failed)
		rc = loci__buf_check(&c.ids, "list of uploads", err);
	for (size_t at = 0; rc == 0 && at < c.ids.len; at += strlen(c.ids.p + at) + 1)
		rc = remove_listed(store, c.ids.p + at, s->upload.older_than_ms / 1000, &n, err);
	loci__buf_done(&c.ids);
	if (rc == 0 && !inv->quiet)
		rc = loci__printf(err, "%u uploads were given up\n", n);
	return rc;
}

static int remove_one(const struct loci_invocation *inv, struct loci_store *store, const char *id,
                      struct loci_error *err)
{
	const S *s = inv->settings;
	return loci_upload_remove(store, id, s->upload.older_than_ms / 1000, err);
}

static int remove_named(const struct loci_invocation *inv, struct loci_store *store,
                        struct loci_error *err)
{
	return loci__ociregistry_each_argument(inv, store, remove_one, err);
}

/* ---- the command ----------------------------------------------------------------------------- */

static int check_args(const struct loci_invocation *inv, bool *ret_ls, struct loci_error *err)
{
	const S *s = inv->settings;
	*ret_ls = strcmp(inv->args[0], "ls") == 0;
	if (!*ret_ls && strcmp(inv->args[0], "rm") != 0)
		return loci__err_set(err, LOCI_E_USAGE, "upload %s: expected 'ls' or 'rm'",
		                     inv->args[0]);
	if (*ret_ls && inv->n_args > 1)
		return loci__err_set(err, LOCI_E_USAGE, "upload ls: '%s' is too much",
		                     inv->args[1]);
	if (!*ret_ls && inv->n_args == 1 && !s->upload.older_than_ms)
		return loci__err_set(err, LOCI_E_USAGE, "upload rm: expected ids, or --older-than");
	return 0;
}

int loci__ociregistry_upload(const struct loci_invocation *inv, struct loci_error *err)
{
	struct loci_store *store loci__cleanup(close_store) = NULL;
	bool ls;
	int rc = check_args(inv, &ls, err);
	if (rc == 0)
		rc = loci__ociregistry_open_existing_store(inv, &store, err);
	if (rc < 0)
		return rc;
	if (ls)
		return list(inv, store, err);
	return inv->n_args > 1 ? remove_named(inv, store, err) : remove_old(inv, store, err);
}

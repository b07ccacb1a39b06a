/* SPDX-License-Identifier: Apache-2.0 */
/* ociregistry repo: what the repositories hold, and taking them away, beside a running server. */
#include "cli/ociregistry.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/utc_text.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "loci/inventory.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>

#define S struct loci_ociregistry_settings

LOCI_DEFINE_CLEANUP(close_store, struct loci_store, loci_store_close)

const struct loci_option loci__ociregistry_repo_options[] = {
        {LOCI_OPT_ENUM(S, repo.format), .flag = "format", .value = "table",
         .words = loci__ociregistry_formats, .metavar = "FORMAT", .section = "Repository options",
         .help = "With ls and stats: print in this form"},
        {LOCI_OPT_BOOL(S, repo.dry_run), .flag = "dry-run",
         .help = "With rm: only print what would be removed"},
        {0},
};

static bool is_json(const struct loci_invocation *inv)
{
	const S *s = inv->settings;
	return s->repo.format == LOCI_OCIREGISTRY_JSON;
}

/* A walk whose callback prints or asks the store: what failed there is the walk's failure. */
struct walk {
	const struct loci_invocation *inv;
	struct loci_store *store;
	struct loci_buf text;
	uint64_t n;
	uint64_t newest; /* push; seconds since the epoch */
	int rc;
	struct loci_error err;
};

static int walked(struct walk *w, int rc, struct loci_error *err)
{
	if (rc != LOCI_E_CALLBACK)
		return rc;
	*err = w->err;
	return w->rc;
}

/* ---- ls -------------------------------------------------------------------------------------- */

#define PRINT_AT  ((size_t)32 << 10)
#define PRINT_MAX ((size_t)64 << 10)

static int print_text(struct walk *w)
{
	int rc = loci__buf_check(&w->text, "list of repositories", &w->err);
	if (rc == 0)
		rc = loci__print(w->text.p, w->text.len, &w->err);
	loci__buf_reset(&w->text);
	return rc;
}

static int put_row(void *arg, const char *repo, const struct loci_usage *u)
{
	struct walk *w = arg;
	if (is_json(w->inv)) /* a repository's name needs no escapes */
		loci__buf_printf(&w->text,
		                 "%s\n  {\"name\":\"%s\",\"bytes\":%" PRIu64 ",\"blobs\":%" PRIu64
		                 ",\"manifests\":%" PRIu64 ",\"tags\":%" PRIu64 "}",
		                 w->n ? "," : "", repo, u->bytes, u->blobs, u->manifests, u->tags);
	else
		loci__buf_printf(&w->text,
		                 "%15" PRIu64 "  %9" PRIu64 "  %9" PRIu64 "  %9" PRIu64 "  %s\n",
		                 u->bytes, u->blobs, u->manifests, u->tags, repo);
	w->n++;
	w->rc = w->text.failed || w->text.len >= PRINT_AT ? print_text(w) : 0;
	return w->rc < 0;
}

static int list(const struct loci_invocation *inv, struct loci_store *store, struct loci_error *err)
{
	struct walk w = {.inv = inv, .store = store, .text = LOCI_BUF_INIT(PRINT_MAX)};
	const char *path = inv->n_args > 1 ? inv->args[1] : NULL;
	if (is_json(inv))
		loci__buf_putc(&w.text, '[');
	else
		loci__buf_printf(&w.text, "%15s  %9s  %9s  %9s  %s\n", "BYTES", "BLOBS",
		                 "MANIFESTS", "TAGS", "REPOSITORY");
	int rc = loci_usage_foreach(store, path, /* after= */ NULL, put_row, &w, err);
	rc = walked(&w, rc, err);
	if (rc == 0 && is_json(inv))
		loci__buf_puts(&w.text, w.n ? "\n]\n" : "]\n");
	if (rc == 0 && (rc = print_text(&w)) < 0)
		*err = w.err;
	loci__buf_done(&w.text);
	return rc;
}

/* ---- stats ----------------------------------------------------------------------------------- */

static int look_at_manifest(void *arg, const struct loci_manifest_info *info)
{
	struct walk *w = arg;
	if (info->pushed_at > w->newest)
		w->newest = info->pushed_at;
	return loci__signals_noted() != 0;
}

static int look_at_repository(void *arg, const char *repo, const struct loci_usage *u)
{
	struct walk *w = arg;
	(void)u;
	w->n++;
	w->rc = loci_manifest_info_foreach(w->store, repo, /* after= */ NULL, look_at_manifest, w,
	                                   &w->err);
	if (w->rc == LOCI_E_CALLBACK)
		w->rc = loci__err_set(&w->err, LOCI_E_CANCELED, "interrupted");
	return w->rc < 0;
}

static int print_stats(const struct loci_invocation *inv, const struct loci_usage *u,
                       const struct walk *w, struct loci_error *err)
{
	char newest[LOCI_UTC_TEXT_MAX], bytes[LOCI_BYTES_TEXT_MAX];
	const char *at = loci__utc_text(w->newest, newest);
	if (is_json(inv))
		return loci__printf(err,
		                    "{\"repositories\":%" PRIu64 ",\"bytes\":%" PRIu64
		                    ",\"blobs\":%" PRIu64 ",\"manifests\":%" PRIu64
		                    ",\"tags\":%" PRIu64 ",\"newest_push\":%s%s%s}\n",
		                    w->n, u->bytes, u->blobs, u->manifests, u->tags, at ? "\"" : "",
		                    at ? at : "null", at ? "\"" : "");
	return loci__printf(err,
	                    "repositories  %" PRIu64 "\nbytes         %" PRIu64
	                    " (%s)\nblobs         %" PRIu64 "\nmanifests     %" PRIu64
	                    "\ntags          %" PRIu64 "\nnewest push   %s\n",
	                    w->n, u->bytes, loci__bytes_text(u->bytes, bytes), u->blobs,
	                    u->manifests, u->tags, at ? at : "-");
}

static int tell_stats(const struct loci_invocation *inv, struct loci_store *store,
                      struct loci_error *err)
{
	struct walk w = {.inv = inv, .store = store};
	struct loci_usage u = {0};
	const char *path = inv->n_args > 1 ? inv->args[1] : NULL;
	int rc = loci_usage_get(store, path, &u, err);
	if (rc == 0) {
		rc = loci_usage_foreach(store, path, /* after= */ NULL, look_at_repository, &w,
		                        err);
		rc = walked(&w, rc, err);
	}
	if (rc == 0 && path && w.n == 0)
		rc = loci__err_set(err, LOCI_E_NOT_FOUND, "no repository at '%s' or below it",
		                   path);
	return rc < 0 ? rc : print_stats(inv, &u, &w, err);
}

/* ---- rm -------------------------------------------------------------------------------------- */

/* "NAME", "NAME:TAG" or "NAME@DIGEST". */
struct target {
	char repo[LOCI_REPO_MAX + 1];
	const char *tag; /* or NULL; a part of the argument */
	struct loci_digest digest;
};

static int parse_target(const char *text, struct target *ret, struct loci_error *err)
{
	size_t n = strcspn(text, ":@");
	*ret = (struct target){0};
	if (n > LOCI_REPO_MAX || !loci_repo_is_valid(text, n))
		return loci__err_set(err, LOCI_E_INVALID,
		                     "'%.300s': expected NAME, NAME:TAG or NAME@DIGEST", text);
	memcpy(ret->repo, text, n);
	if (text[n] == ':')
		ret->tag = text + n + 1;
	return text[n] == '@'
	               ? loci_digest_parse(text + n + 1, strlen(text + n + 1), &ret->digest, err)
	               : 0;
}

struct own {
	const char *repo;
	struct loci_usage usage;
	bool found;
};

static int take_own(void *arg, const char *repo, const struct loci_usage *u)
{
	struct own *own = arg;
	own->found = strcmp(repo, own->repo) == 0;
	if (own->found)
		own->usage = *u;
	return 1; /* it is the first of its path, if it is there */
}

/* The repository's alone, without what is below its name. */
static int own_usage(struct loci_store *store, const struct target *t, struct loci_usage *ret,
                     struct loci_error *err)
{
	struct own own = {.repo = t->repo};
	int rc = loci_usage_foreach(store, t->repo, /* after= */ NULL, take_own, &own, err);
	if (rc < 0 && rc != LOCI_E_CALLBACK)
		return rc;
	if (!own.found)
		return loci__err_set(err, LOCI_E_NOT_FOUND, "repository '%s' is not known",
		                     t->repo);
	*ret = own.usage;
	return 0;
}

static void add_usage(struct loci_usage *sum, const struct loci_usage *u)
{
	sum->bytes += u->bytes;
	sum->blobs += u->blobs;
	sum->manifests += u->manifests;
	sum->tags += u->tags;
}

static int remove_steps(struct loci_store *store, const char *repo, struct loci_usage *ret_sum,
                        struct loci_error *err)
{
	int more = 1;
	while (more > 0) {
		struct loci_usage step;
		if (loci__signals_noted())
			return loci__err_set(err, LOCI_E_CANCELED,
			                     "interrupted; a part of '%s' is left", repo);
		more = loci_repo_remove_step(store, repo, &step, err);
		if (more >= 0)
			add_usage(ret_sum, &step);
	}
	return more;
}

static int tell_removed(const struct loci_invocation *inv, const char *repo,
                        const struct loci_usage *u, struct loci_error *err)
{
	const S *s = inv->settings;
	char bytes[LOCI_BYTES_TEXT_MAX];
	return loci__printf(
	        err, "%s: %s %" PRIu64 " manifests, %" PRIu64 " tags and %" PRIu64 " blobs, %s\n",
	        repo, s->repo.dry_run ? "would lose" : "lost", u->manifests, u->tags, u->blobs,
	        loci__bytes_text(u->bytes, bytes));
}

static int remove_repository(const struct loci_invocation *inv, struct loci_store *store,
                             const struct target *t, struct loci_error *err)
{
	const S *s = inv->settings;
	struct loci_usage u = {0};
	int rc = own_usage(store, t, &u, err);
	if (rc == 0 && !s->repo.dry_run) {
		u = (struct loci_usage){0};
		rc = remove_steps(store, t->repo, &u, err);
	}
	return rc < 0 || inv->quiet ? rc : tell_removed(inv, t->repo, &u, err);
}

/* A tag, or a manifest with its tags. */
static int remove_named(const struct loci_invocation *inv, struct loci_store *store,
                        const struct target *t, const char *text, struct loci_error *err)
{
	const S *s = inv->settings;
	struct loci_manifest_bytes *m;
	int rc = loci_manifest_get(store, t->repo, t->tag, t->tag ? NULL : &t->digest, &m, err);
	if (rc < 0)
		return rc;
	loci_manifest_bytes_free(m);
	if (!s->repo.dry_run)
		rc = t->tag ? loci_tag_delete(store, t->repo, t->tag, err)
		            : loci_manifest_delete(store, t->repo, &t->digest, err);
	return rc < 0 || inv->quiet
	               ? rc
	               : loci__printf(err, "%s: %s\n", text,
	                              s->repo.dry_run ? "would be removed" : "removed");
}

static int remove_one(const struct loci_invocation *inv, struct loci_store *store, const char *text,
                      struct loci_error *err)
{
	struct target t;
	int rc = parse_target(text, &t, err);
	if (rc < 0)
		return rc;
	return t.tag || t.digest.alg ? remove_named(inv, store, &t, text, err)
	                             : remove_repository(inv, store, &t, err);
}

static int remove_all(const struct loci_invocation *inv, struct loci_store *store,
                      struct loci_error *err)
{
	return loci__ociregistry_each_argument(inv, store, remove_one, err);
}

/* ---- the command ----------------------------------------------------------------------------- */

static const struct verb {
	const char *name;
	size_t min_args, max_args; /* with the verb */
	int (*run)(const struct loci_invocation *inv, struct loci_store *store,
	           struct loci_error *err);
} verbs[] = {
        {"ls", 1, 2, list},
        {"stats", 1, 2, tell_stats},
        {"rm", 2, SIZE_MAX, remove_all},
};

static const struct verb *find_verb(const struct loci_invocation *inv)
{
	for (size_t i = 0; i < loci__array_len(verbs); i++)
		if (strcmp(verbs[i].name, inv->args[0]) == 0)
			return inv->n_args >= verbs[i].min_args && inv->n_args <= verbs[i].max_args
			               ? &verbs[i]
			               : NULL;
	return NULL;
}

int loci__ociregistry_repo(const struct loci_invocation *inv, struct loci_error *err)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, 0};
	struct loci_store *store loci__cleanup(close_store) = NULL;
	const struct verb *verb = find_verb(inv);
	if (!verb)
		return loci__err_set(err, LOCI_E_USAGE,
		                     "repo: expected ls [PATH], stats [PATH] or rm "
		                     "NAME[:TAG|@DIGEST]…");
	int rc = loci__signals_note(signals, err);
	if (rc == 0)
		rc = loci__ociregistry_open_existing_store(inv, &store, err);
	return rc < 0 ? rc : verb->run(inv, store, err);
}

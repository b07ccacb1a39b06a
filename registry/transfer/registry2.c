/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The storage directory of docker's registry ("distribution", registry:2 and 3):
 *
 *     docker/registry/v2/blobs/sha256/ab/abcd…/data
 *     docker/registry/v2/repositories/<name>/_manifests/tags/<tag>/current/link
 *                                           /_manifests/revisions/sha256/<hex>/link
 *                                           /_layers, _uploads
 *
 * A link file holds a digest. A revision without its link was deleted. Which blobs a repository has
 * (_layers) follows from its manifests; blobs that no manifest needs stay behind. That registry may
 * be running: it renames blobs and links into place whole, and changes none afterwards.
 */
#include "registry/transfer/import.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "core/base/hex.h"
#include "registry/transfer/beneath.h"
#include "registry/transfer/digest_set.h"
#include "registry/transfer/pool.h"

#include <string.h>

#define LINK_MAX  ((size_t)256) /* bytes of a link file */
#define PATH_LEN  320
#define DEPTH_MAX 128 /* components of a name of 255 bytes */

/* One walks, and finds tags and manifests; several take them in, each with an import of its own. */
struct walk {
	struct loci__import *im;
	struct loci__source src;
	int repos_fd;
	struct loci__pool *pool;
	struct loci__import *workers[LOCI_POOL_MAX];
};

static void blob_path(const struct loci_digest *d, char path[LOCI_SOURCE_PATH_MAX])
{
	char hex[2 * sizeof(d->bytes) + 1];
	loci__hex_format(d->bytes, d->len, hex);
	snprintf(path, LOCI_SOURCE_PATH_MAX, "%s/%.2s/%s/data", loci_digest_alg_name(d->alg), hex,
	         hex);
}

int loci__registry2_parse_link(const char *p, size_t n, struct loci_digest *ret,
                               struct loci_error *err)
{
	if (n && p[n - 1] == '\n')
		n--;
	return loci_digest_parse(p, n, ret, err);
}

static int read_link(int dirfd, const char *path, struct loci_digest *ret, struct loci_error *err)
{
	loci__cleanup_free char *text = NULL;
	size_t n;
	int rc = loci__beneath_read(dirfd, path, LINK_MAX, &text, &n, err);
	if (rc < 0)
		return rc;
	rc = loci__registry2_parse_link(text, n, ret, err);
	return rc < 0 ? loci__err_prefix(err, rc, "'%s'", path) : 0;
}

/* ---- one repository -------------------------------------------------------------------------- */

/* NOT_FOUND: deleted, or never there. */
static int check_revision(int repo_fd, const struct loci_digest *d, struct loci_error *err)
{
	char hex[2 * sizeof(d->bytes) + 1], path[PATH_LEN];
	struct loci_digest own;
	loci__hex_format(d->bytes, d->len, hex);
	snprintf(path, sizeof(path), "_manifests/revisions/%s/%s/link",
	         loci_digest_alg_name(d->alg), hex);
	int rc = read_link(repo_fd, path, &own, err);
	if (rc == 0 && !loci_digest_equal(&own, d))
		rc = loci__err_set(err, LOCI_E_INVALID, "'%s' holds another digest", path);
	return rc;
}

static int resolve_tag(int repo_fd, const char *tag, struct loci_digest *ret,
                       struct loci_error *err)
{
	char path[PATH_LEN], text[LOCI_DIGEST_STR_MAX];
	if (!loci_tag_is_valid(tag, strlen(tag)))
		return loci__err_set(err, LOCI_E_INVALID, "'%.200s' is no tag", tag);
	snprintf(path, sizeof(path), "_manifests/tags/%s/current/link", tag);
	int rc = read_link(repo_fd, path, ret, err);
	if (rc == 0)
		rc = check_revision(repo_fd, ret, err);
	if (rc == LOCI_E_NOT_FOUND && ret->alg) {
		loci_digest_format(ret, text);
		loci__err_set(err, rc, "the tag points to %s, which was deleted", text);
	}
	return rc;
}

/* On a thread of the pool. */
static int take_item(void *arg, unsigned worker, const struct loci__pool_item *item,
                     struct loci_error *err)
{
	struct walk *w = arg;
	struct loci__import *im = w->workers[worker];
	int rc = loci__import_set_repo(im, item->repo, err);
	const char *tag = item->tag[0] ? item->tag : NULL;
	if (rc == 0)
		rc = loci__import_take(im, &w->src, &item->digest, /* media_type= */ NULL, tag,
		                       err);
	return rc < 0 ? loci__import_failed(im, tag, &item->digest, rc, err) : 0;
}

static int give(struct walk *w, const char *repo, const char *tag, const struct loci_digest *d,
                struct loci_error *err)
{
	struct loci__pool_item item = {.digest = *d};
	snprintf(item.repo, sizeof(item.repo), "%s", repo);
	snprintf(item.tag, sizeof(item.tag), "%s", tag);
	return loci__pool_put(w->pool, &item, err);
}

/* tagged: gets the digests that tags lead to. */
static int give_tags(struct walk *w, int repo_fd, const char *name, struct loci__digest_set *tagged,
                     struct loci_error *err)
{
	struct loci__names tags loci__cleanup_names = {0};
	int rc = loci__names_read(repo_fd, "_manifests/tags", &tags, err);
	for (size_t i = 0; rc == 0 && i < tags.n; i++) {
		struct loci_digest d = {0};
		rc = resolve_tag(repo_fd, tags.v[i], &d, err);
		if (rc < 0) {
			rc = loci__import_failed(w->im, tags.v[i], d.alg ? &d : NULL, rc, err);
			continue;
		}
		rc = loci__digest_set_add(tagged, &d, err);
		if (rc >= 0)
			rc = give(w, name, tags.v[i], &d, err);
	}
	return rc;
}

static int give_revision(struct walk *w, int repo_fd, const char *name, const char *alg,
                         const char *hex, struct loci__digest_set *tagged, struct loci_error *err)
{
	char text[PATH_LEN];
	struct loci_digest d = {0};
	int n = snprintf(text, sizeof(text), "%s:%s", alg, hex);
	int rc = loci_digest_parse(text, (size_t)n, &d, err);
	if (rc == 0)
		rc = check_revision(repo_fd, &d, err);
	if (rc == LOCI_E_NOT_FOUND)
		return 0;
	if (rc < 0)
		return loci__import_failed(w->im, NULL, d.alg ? &d : NULL, rc, err);
	rc = loci__digest_set_add(tagged, &d, err);
	return rc > 0 ? give(w, name, /* tag= */ "", &d, err) : rc;
}

/* The manifests that no tag leads to: untagged ones, artifacts that refer to an image. */
static int give_revisions(struct walk *w, int repo_fd, const char *name,
                          struct loci__digest_set *tagged, struct loci_error *err)
{
	struct loci__names algs loci__cleanup_names = {0};
	int rc = loci__names_read(repo_fd, "_manifests/revisions", &algs, err);
	for (size_t a = 0; rc == 0 && a < algs.n; a++) {
		struct loci__names hexes loci__cleanup_names = {0};
		char path[PATH_LEN];
		snprintf(path, sizeof(path), "_manifests/revisions/%s", algs.v[a]);
		rc = loci__names_read(repo_fd, path, &hexes, err);
		for (size_t i = 0; rc == 0 && i < hexes.n; i++)
			rc = give_revision(w, repo_fd, name, algs.v[a], hexes.v[i], tagged, err);
	}
	return rc;
}

/* What cannot be listed or has no good name is left out as a whole. */
static int take_repository(struct walk *w, int repo_fd, const char *name, struct loci_error *err)
{
	struct loci__digest_set given = {0};
	int rc = loci__import_set_repo(w->im, name, err);
	if (rc < 0)
		w->im->repo[0] = '\0';
	if (rc == 0)
		rc = give_tags(w, repo_fd, name, &given, err);
	if (rc == 0)
		rc = give_revisions(w, repo_fd, name, &given, err);
	if (given.n)
		loci__import_add(w->im, &w->im->shared->counts->repositories, 1);
	loci__digest_set_done(&given);
	return rc < 0 ? loci__import_failed(w->im, NULL, NULL, rc, err) : 0;
}

/* ---- all repositories ------------------------------------------------------------------------ */

static int visit(struct walk *w, int dirfd, const char *name, unsigned depth,
                 struct loci_error *err);

/* Below a repository there may be others; what begins with "_" is its own. */
static int visit_below(struct walk *w, int dirfd, const char *name, const char *part,
                       unsigned depth, struct loci_error *err)
{
	char longer[LOCI_REPO_MAX + 2];
	loci__cleanup_close int fd = -1;
	int n = snprintf(longer, sizeof(longer), "%s%s%s", name, *name ? "/" : "", part);
	int rc = 0;
	if (n > LOCI_REPO_MAX || depth == DEPTH_MAX)
		rc = loci__err_set(err, LOCI_E_INVALID, "'%s…': more than %d bytes of a name",
		                   longer, LOCI_REPO_MAX);
	if (rc == 0)
		rc = loci__beneath_dir(dirfd, part, &fd, err);
	if (rc < 0) {
		w->im->repo[0] = '\0';
		return loci__import_failed(w->im, NULL, NULL, rc, err);
	}
	return visit(w, fd, longer, depth + 1, err);
}

static int visit(struct walk *w, int dirfd, const char *name, unsigned depth,
                 struct loci_error *err)
{
	struct loci__names parts loci__cleanup_names = {0};
	int rc = loci__names_read(dirfd, ".", &parts, err);
	for (size_t i = 0; rc == 0 && i < parts.n; i++) {
		if (!strcmp(parts.v[i], "_manifests"))
			rc = take_repository(w, dirfd, name, err);
		else if (parts.v[i][0] != '_')
			rc = visit_below(w, dirfd, name, parts.v[i], depth, err);
	}
	return rc;
}

int loci__registry2_find(int dirfd, int *ret_fd, struct loci_error *err)
{
	static const char *const places[] = {"docker/registry/v2", "registry/v2", "v2", "."};
	for (size_t i = 0; i < loci__array_len(places); i++) {
		loci__cleanup_close int fd = -1, repos_fd = -1;
		int rc = loci__beneath_dir(dirfd, places[i], &fd, err);
		if (rc == 0)
			rc = loci__beneath_dir(fd, "repositories", &repos_fd, err);
		if (rc == 0)
			*ret_fd = loci__steal_fd(&fd);
		if (rc != LOCI_E_NOT_FOUND)
			return rc;
	}
	return LOCI_E_NOT_FOUND;
}

static int make_workers(struct walk *w, unsigned n, struct loci_error *err)
{
	for (unsigned i = 0; i < n; i++) {
		w->workers[i] = loci__import_clone(w->im);
		if (!w->workers[i])
			return loci__err_nomem(err);
	}
	return loci__pool_new(n, take_item, w, &w->pool, err);
}

static int walk_all(struct walk *w, struct loci_error *err)
{
	unsigned n = w->im->opts.jobs < LOCI_POOL_MAX ? w->im->opts.jobs : LOCI_POOL_MAX;
	int rc = make_workers(w, n, err);
	if (rc == 0) {
		rc = visit(w, w->repos_fd, "", 0, err);
		int done = loci__pool_finish(w->pool, /* abandon= */ rc < 0, rc < 0 ? NULL : err);
		rc = rc < 0 ? rc : done;
	}
	for (unsigned i = 0; i < n; i++)
		loci__import_free(w->workers[i]);
	return rc;
}

int loci__registry2_import(struct loci__import *im, int v2_fd, struct loci_error *err)
{
	struct walk w = {.im = im, .src = {.dirfd = -1, .path = blob_path, .link = true}};
	loci__cleanup_close int blobs_fd = -1, repos_fd = -1;
	int rc = loci__beneath_dir(v2_fd, "repositories", &repos_fd, err);
	if (rc == 0)
		rc = loci__beneath_dir(v2_fd, "blobs", &blobs_fd, err);
	if (rc < 0)
		return rc;
	w.src.dirfd = blobs_fd;
	w.repos_fd = repos_fd;
	return walk_all(&w, err);
}

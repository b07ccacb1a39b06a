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

#include <string.h>

#define LINK_MAX  ((size_t)256) /* bytes of a link file */
#define PATH_LEN  320
#define DEPTH_MAX 128 /* components of a name of 255 bytes */

struct walk {
	struct loci__import *im;
	struct loci__source src;
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

static int take_tag(struct walk *w, int repo_fd, const char *tag, struct loci_error *err)
{
	char path[PATH_LEN], text[LOCI_DIGEST_STR_MAX];
	struct loci_digest d = {0};
	int rc = 0;
	if (!loci_tag_is_valid(tag, strlen(tag)))
		rc = loci__err_set(err, LOCI_E_INVALID, "'%.200s' is no tag", tag);
	if (rc == 0) {
		snprintf(path, sizeof(path), "_manifests/tags/%s/current/link", tag);
		rc = read_link(repo_fd, path, &d, err);
	}
	if (rc == 0) {
		rc = check_revision(repo_fd, &d, err);
		loci_digest_format(&d, text);
		if (rc == LOCI_E_NOT_FOUND)
			loci__err_set(err, rc, "the tag points to %s, which was deleted", text);
	}
	if (rc == 0)
		rc = loci__import_take(w->im, &w->src, &d, /* media_type= */ NULL, tag, err);
	return rc < 0 ? loci__import_failed(w->im, tag, d.alg ? &d : NULL, rc, err) : 0;
}

static int take_tags(struct walk *w, int repo_fd, struct loci_error *err)
{
	struct loci__names tags loci__cleanup_names = {0};
	int rc = loci__names_read(repo_fd, "_manifests/tags", &tags, err);
	for (size_t i = 0; rc == 0 && i < tags.n; i++)
		rc = take_tag(w, repo_fd, tags.v[i], err);
	return rc;
}

static int take_revision(struct walk *w, int repo_fd, const char *alg, const char *hex,
                         struct loci_error *err)
{
	char text[PATH_LEN];
	struct loci_digest d = {0};
	int n = snprintf(text, sizeof(text), "%s:%s", alg, hex);
	int rc = loci_digest_parse(text, (size_t)n, &d, err);
	if (rc == 0)
		rc = check_revision(repo_fd, &d, err);
	if (rc == LOCI_E_NOT_FOUND)
		return 0;
	if (rc == 0)
		rc = loci__import_take(w->im, &w->src, &d, /* media_type= */ NULL, /* tag= */ NULL,
		                       err);
	return rc < 0 ? loci__import_failed(w->im, NULL, d.alg ? &d : NULL, rc, err) : 0;
}

/* The manifests that no tag leads to: untagged ones, artifacts that refer to an image. */
static int take_revisions(struct walk *w, int repo_fd, struct loci_error *err)
{
	struct loci__names algs loci__cleanup_names = {0};
	int rc = loci__names_read(repo_fd, "_manifests/revisions", &algs, err);
	for (size_t a = 0; rc == 0 && a < algs.n; a++) {
		struct loci__names hexes loci__cleanup_names = {0};
		char path[PATH_LEN];
		snprintf(path, sizeof(path), "_manifests/revisions/%s", algs.v[a]);
		rc = loci__names_read(repo_fd, path, &hexes, err);
		for (size_t i = 0; rc == 0 && i < hexes.n; i++)
			rc = take_revision(w, repo_fd, algs.v[a], hexes.v[i], err);
	}
	return rc;
}

/* What cannot be listed or has no good name is left out as a whole. */
static int take_repository(struct walk *w, int repo_fd, const char *name, struct loci_error *err)
{
	int rc = loci__import_set_repo(w->im, name, err);
	if (rc < 0) {
		w->im->repo[0] = '\0';
		return loci__import_failed(w->im, NULL, NULL, rc, err);
	}
	uint64_t before = w->im->counts->manifests + w->im->counts->manifests_present;
	rc = take_tags(w, repo_fd, err);
	if (rc == 0)
		rc = take_revisions(w, repo_fd, err);
	if (w->im->counts->manifests + w->im->counts->manifests_present != before)
		w->im->counts->repositories++;
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
	return visit(&w, repos_fd, "", 0, err);
}

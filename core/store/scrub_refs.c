/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who needs a blob or manifest that is bad: the repositories that hold it, in each the manifests
 * above it, up to indexes of indexes, and their tags. Gathered in one snapshot, told afterwards.
 */
#include "core/store/scrub.h"

#include "core/base/arena.h"
#include "core/base/err.h"

#include <stdlib.h>
#include <string.h>

#define REFS_MAX  1000 /* told of one bad thing */
#define ARENA_MAX ((size_t)1 << 20)
#define DEPTH_MAX 8
#define CHILD_MAX 256 /* holders or parents looked at, of one digest */

struct ref {
	const char *repo;
	const struct loci_digest *manifest;
	const char *tag;
};

struct gathering {
	struct loci__txn *t;
	struct loci__arena arena;
	struct ref refs[REFS_MAX];
	size_t n;
	struct loci_error *err;
};

static bool add(struct gathering *g, const char *repo, const struct loci_digest *manifest,
                const char *tag)
{
	if (g->n == REFS_MAX)
		return false;
	g->refs[g->n++] = (struct ref){repo, manifest, tag};
	return true;
}

/* ---- scans behind a prefix ------------------------------------------------------------------- */

/* What follows a prefix in the keys of a table. */
struct tails {
	struct loci__key prefix;
	struct loci__arena *arena;
	struct loci_slice v[CHILD_MAX];
	size_t n;
};

static int take_tail(void *arg, struct loci_slice key, struct loci_slice val)
{
	struct tails *s = arg;
	(void)val;
	if (key.n < s->prefix.n || memcmp(key.p, s->prefix.b, s->prefix.n) != 0)
		return 1;
	size_t n = key.n - s->prefix.n;
	char *copy = loci__arena_alloc(s->arena, n + 1); /* zeroed: names end */
	if (!copy)
		return 1;
	memcpy(copy, key.p + s->prefix.n, n);
	s->v[s->n++] = (struct loci_slice){copy, n};
	return s->n == CHILD_MAX;
}

static int scan_tails(struct gathering *g, int table, const struct loci__key *prefix,
                      struct tails *ret)
{
	ret->prefix = *prefix;
	ret->arena = &g->arena;
	ret->n = 0;
	return loci__txn_scan(g->t, table, &ret->prefix, take_tail, ret, g->err);
}

/* ---- upwards --------------------------------------------------------------------------------- */

static int add_tags(struct gathering *g, const char *repo, const struct loci_digest *manifest)
{
	struct tails tags;
	struct loci__key prefix = loci__key_of_repo_digest(repo, manifest);
	int rc = scan_tails(g, LOCI_INDEX_TAG_OF, &prefix, &tags);
	for (size_t i = 0; rc == 0 && i < tags.n; i++)
		add(g, repo, manifest, tags.v[i].p);
	if (rc == 0 && tags.n == 0)
		add(g, repo, manifest, /* tag= */ NULL);
	return rc;
}

static int add_parents(struct gathering *g, const char *repo, const struct loci_digest *child,
                       unsigned depth);

static int add_parent(struct gathering *g, const char *repo, struct loci_slice tail, unsigned depth)
{
	struct loci_digest *parent = loci__arena_alloc(&g->arena, sizeof(*parent));
	if (!parent || !loci__take_digest(&tail, parent))
		return 0;
	struct loci__key member = loci__key_of_repo_digest(repo, parent);
	int rc = loci__txn_has(g->t, LOCI_INDEX_MEMBER, &member, g->err);
	if (rc < 0)
		return rc == LOCI_E_NOT_FOUND ? 0 : rc;
	rc = add_tags(g, repo, parent);
	return rc < 0 ? rc : add_parents(g, repo, parent, depth + 1);
}

static int add_parents(struct gathering *g, const char *repo, const struct loci_digest *child,
                       unsigned depth)
{
	struct tails parents;
	struct loci__key prefix = loci__key_of_digest(child);
	if (depth == DEPTH_MAX)
		return 0;
	int rc = scan_tails(g, LOCI_INDEX_PARENT, &prefix, &parents);
	for (size_t i = 0; rc == 0 && i < parents.n && g->n < REFS_MAX; i++)
		rc = add_parent(g, repo, parents.v[i], depth);
	return rc;
}

static int add_repo(struct gathering *g, const char *repo, const struct loci_digest *d,
                    bool is_manifest)
{
	size_t before = g->n;
	int rc = is_manifest ? add_tags(g, repo, d) : 0;
	if (rc == 0)
		rc = add_parents(g, repo, d, 0);
	if (rc == 0 && g->n == before)
		add(g, repo, /* manifest= */ NULL, /* tag= */ NULL);
	return rc;
}

static int gather(struct gathering *g, const struct loci_digest *d, bool is_manifest)
{
	struct tails holders;
	char kind = is_manifest ? LOCI_HOLDER_MEMBER : LOCI_HOLDER_LINK;
	struct loci__key prefix = loci__key_of_digest(d);
	loci__key_bytes(&prefix, &kind, 1);
	int rc = scan_tails(g, LOCI_INDEX_HOLDER, &prefix, &holders);
	for (size_t i = 0; rc == 0 && i < holders.n && g->n < REFS_MAX; i++)
		rc = add_repo(g, holders.v[i].p, d, is_manifest);
	return rc;
}

int loci__scrub_references(struct loci__scrub *s, const struct loci_digest *d, bool is_manifest,
                           struct loci_error *err)
{
	struct gathering *g = calloc(1, sizeof(*g));
	loci__cleanup_read struct loci__txn t = {0};
	if (!g)
		return loci__err_nomem(err);
	g->t = &t;
	g->err = err;
	g->arena.max = ARENA_MAX;
	int rc = loci__read_begin(s->st->sh->index, &t, err);
	if (rc == 0)
		rc = gather(g, d, is_manifest);
	loci__read_end(&t);
	for (size_t i = 0; rc == 0 && i < g->n; i++) {
		const struct loci_scrub_event ev = {
		        .kind = LOCI_SCRUB_REFERENCE,
		        .digest = d,
		        .is_manifest = is_manifest,
		        .repo = g->refs[i].repo,
		        .manifest = g->refs[i].manifest,
		        .tag = g->refs[i].tag,
		};
		rc = loci__scrub_tell(s, &ev, err);
	}
	loci__arena_done(&g->arena);
	free(g);
	return rc;
}

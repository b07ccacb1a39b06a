/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quotas. The list is replaced as a whole while transactions run: each batch of the writer holds a
 * reference to the one that it began with, so that its operations are judged alike. What an earlier
 * operation of the batch has added is in the rows already, as they change in the same transaction:
 * many clients at once cannot go beyond a quota together.
 */
#include "core/store/quota.h"

#include "core/base/err.h"
#include "core/store/store.h"
#include "core/store/usage.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- the list -------------------------------------------------------------------------------- */

struct quota {
	struct loci_slice path; /* without a slash at its end */
	uint64_t bytes;
	char text[LOCI_REPO_MAX + 1];
};
struct loci__quota_list {
	unsigned refs; /* under the lock */
	size_t n;
	struct quota v[];
};
struct loci__quotas {
	pthread_mutex_t lock;
	struct loci__quota_list *list; /* NULL: none */
};

struct loci__quotas *loci__quotas_new(void)
{
	struct loci__quotas *q = calloc(1, sizeof(*q));
	if (q)
		pthread_mutex_init(&q->lock, NULL);
	return q;
}

const struct loci__quota_list *loci__quotas_get(struct loci__quotas *q)
{
	pthread_mutex_lock(&q->lock);
	struct loci__quota_list *list = q->list;
	if (list)
		list->refs++;
	pthread_mutex_unlock(&q->lock);
	return list;
}

static void unref(struct loci__quota_list *list)
{
	if (list && --list->refs == 0)
		free(list);
}

void loci__quotas_put(struct loci__quotas *q, const struct loci__quota_list *list)
{
	if (!list)
		return;
	pthread_mutex_lock(&q->lock);
	unref((struct loci__quota_list *)list);
	pthread_mutex_unlock(&q->lock);
}

static void replace(struct loci__quotas *q, struct loci__quota_list *take_list)
{
	pthread_mutex_lock(&q->lock);
	unref(q->list);
	q->list = take_list;
	pthread_mutex_unlock(&q->lock);
}

void loci__quotas_free(struct loci__quotas *q)
{
	if (!q)
		return;
	replace(q, NULL);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

/* Of one path, the last one given counts. */
static struct quota *place_of(struct loci__quota_list *list, struct loci_slice path)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->v[i].path.n == path.n && !memcmp(list->v[i].text, path.p, path.n))
			return &list->v[i];
	return &list->v[list->n++];
}

static int add(struct loci__quota_list *list, const struct loci_quota *given,
               struct loci_error *err)
{
	struct loci_slice path;
	int rc = loci__usage_path(given->path, &path, err);
	if (rc < 0)
		return rc;
	struct quota *q = place_of(list, path);
	memcpy(q->text, path.p, path.n); /* a repository's name, or a part of one: fits */
	q->path = (struct loci_slice){q->text, path.n};
	q->bytes = given->bytes;
	return 0;
}

int loci_store_set_quotas(struct loci_store *st, const struct loci_quota *quotas, size_t n,
                          struct loci_error *err)
{
	struct loci__quota_list *list = NULL;
	int rc = loci__store_check(st, err);
	if (rc == 0 && n > LOCI_QUOTAS_MAX)
		rc = loci__err_set(err, LOCI_E_TOO_LARGE, "%zu quotas: at most %d", n,
		                   LOCI_QUOTAS_MAX);
	if (rc == 0 && n) {
		list = calloc(1, sizeof(*list) + n * sizeof(list->v[0]));
		rc = list ? 0 : loci__err_nomem(err);
	}
	if (list)
		list->refs = 1;
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = add(list, &quotas[i], err);
	if (rc < 0)
		free(list);
	else
		replace(st->sh->quotas, list);
	return rc;
}

/* ---- judging --------------------------------------------------------------------------------- */

static bool covers(const struct quota *q, const char *repo)
{
	return q->path.n == 0 || (!strncmp(repo, q->path.p, q->path.n) &&
	                          (repo[q->path.n] == '\0' || repo[q->path.n] == '/'));
}

static int used_of(struct loci__txn *t, const struct quota *q, uint64_t *ret,
                   struct loci_error *err)
{
	struct loci__usage_row row;
	int rc = loci__usage_row_get(t, q->path, &row, err);
	*ret = row.all.bytes;
	return rc;
}

static int check_one(struct loci__txn *t, const struct quota *q, uint64_t bytes,
                     struct loci_error *err)
{
	uint64_t used;
	int rc = used_of(t, q, &used, err);
	if (rc < 0 || (used <= q->bytes && bytes <= q->bytes - used))
		return rc;
	return loci__err_set(err, LOCI_E_DENIED,
	                     "quota of %s%s%s: %" PRIu64 " bytes allowed, %" PRIu64
	                     " used, %" PRIu64 " more needed",
	                     q->path.n ? "'" : "all repositories", q->text, q->path.n ? "'" : "",
	                     q->bytes, used, bytes);
}

static int check_all(struct loci__txn *t, const struct loci__quota_list *list, const char *repo,
                     uint64_t bytes, struct loci_error *err)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < list->n; i++)
		if (covers(&list->v[i], repo))
			rc = check_one(t, &list->v[i], bytes, err);
	return rc;
}

static int check_new(struct loci__txn *t, int table, const char *repo, const struct loci_digest *d,
                     uint64_t bytes, struct loci_error *err)
{
	if (!t->quotas || !repo)
		return 0;
	struct loci__key k = loci__key_of_repo_digest(repo, d);
	int rc = loci__txn_has(t, table, &k, err);
	return rc == LOCI_E_NOT_FOUND ? check_all(t, t->quotas, repo, bytes, err) : rc;
}

int loci__quota_check_blob(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                           uint64_t bytes, struct loci_error *err)
{
	return check_new(t, LOCI_INDEX_LINK, repo, d, bytes, err);
}

int loci__quota_check_manifest(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                               uint64_t bytes, struct loci_error *err)
{
	return check_new(t, LOCI_INDEX_MEMBER, repo, d, bytes, err);
}

/* ---- beforehand ------------------------------------------------------------------------------ */

int loci__quota_check_early(struct loci_store *st, const char *repo, const struct loci_digest *d,
                            uint64_t bytes, struct loci_error *err)
{
	const struct loci__quota_list *list = loci__quotas_get(st->sh->quotas);
	if (!list)
		return 0;
	struct loci__txn t = {.quotas = list};
	int rc = loci__read_begin(st->sh->index, &t, err);
	if (rc == 0)
		rc = loci__quota_check_blob(&t, repo, d, bytes, err);
	loci__read_end(&t);
	loci__quotas_put(st->sh->quotas, list);
	return rc;
}

static int check_in_snapshot(struct loci_store *st, const struct loci__quota_list *list,
                             const char *repo, uint64_t bytes, struct loci_error *err)
{
	loci__cleanup_read struct loci__txn t = {0};
	int rc = loci__read_begin(st->sh->index, &t, err);
	return rc < 0 ? rc : check_all(&t, list, repo, bytes, err);
}

int loci_quota_check(struct loci_store *st, const char *repo, uint64_t bytes,
                     struct loci_error *err)
{
	int rc = loci__store_check(st, err);
	if (rc == 0)
		rc = loci__check_repo(repo, err);
	if (rc < 0)
		return rc;
	const struct loci__quota_list *list = loci__quotas_get(st->sh->quotas);
	rc = list ? check_in_snapshot(st, list, repo, bytes, err) : 0;
	loci__quotas_put(st->sh->quotas, list);
	return rc;
}

static int room_in_snapshot(struct loci_store *st, const struct loci__quota_list *list,
                            const char *repo, uint64_t *ret, struct loci_error *err)
{
	loci__cleanup_read struct loci__txn t = {0};
	uint64_t used, room = UINT64_MAX;
	int rc = loci__read_begin(st->sh->index, &t, err);
	for (size_t i = 0; rc == 0 && i < list->n; i++) {
		const struct quota *q = &list->v[i];
		if (!covers(q, repo))
			continue;
		rc = used_of(&t, q, &used, err);
		uint64_t left = used < q->bytes ? q->bytes - used : 0;
		room = left < room ? left : room;
	}
	if (rc == 0)
		*ret = room;
	return rc;
}

int loci_quota_room(struct loci_store *st, const char *repo, uint64_t *ret, struct loci_error *err)
{
	int rc = loci__store_check(st, err);
	if (rc == 0)
		rc = loci__check_repo(repo, err);
	if (rc < 0)
		return rc;
	const struct loci__quota_list *list = loci__quotas_get(st->sh->quotas);
	if (list)
		rc = room_in_snapshot(st, list, repo, ret, err);
	else
		*ret = UINT64_MAX;
	loci__quotas_put(st->sh->quotas, list);
	return rc;
}

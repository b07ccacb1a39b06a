/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When manifests were pulled. A pull must not wait for a commit, and a manifest that is pulled a
 * thousand times a second must not be written as often: a note is posted to the writer, at most
 * once an hour for each. A table in memory answers most of the pulls between; where its slots
 * collide the row itself is asked.
 */
#include "core/store/pulled.h"

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/logger.h"
#include "core/store/store.h"
#include "loci/inventory.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define NOTE_EVERY_S LOCI_PULLED_SLACK_S
#define CACHE_SLOTS  4096 /* direct-mapped */

/* ---- rows ------------------------------------------------------------------------------------ */

int loci__pulled_row_get(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                         struct loci__pulled_row *ret, struct loci_error *err)
{
	struct loci__key k = loci__key_of_repo_digest(repo, d);
	struct loci_slice v;
	int rc = loci__txn_get(t, LOCI_INDEX_PULLED, &k, &v, err);
	*ret = (struct loci__pulled_row){0};
	if (rc == LOCI_E_NOT_FOUND)
		return 0;
	if (rc == 0 &&
	    (!loci__take_u64le(&v, &ret->pulled) || !loci__take_u64le(&v, &ret->untagged)))
		rc = loci__err_set(err, LOCI_E_INTERNAL, "index: a row of pulls is damaged");
	return rc;
}

static int put_row(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                   const struct loci__pulled_row *row, struct loci_error *err)
{
	struct loci__key k = loci__key_of_repo_digest(repo, d);
	char b[16];
	loci__put_u64le(b, row->pulled);
	loci__put_u64le(b + 8, row->untagged);
	return loci__txn_put(t, LOCI_INDEX_PULLED, &k, (struct loci_slice){b, sizeof(b)}, err);
}

int loci__pulled_row_del(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                         struct loci_error *err)
{
	struct loci__key k = loci__key_of_repo_digest(repo, d);
	int rc = loci__txn_del(t, LOCI_INDEX_PULLED, &k, err);
	return rc == LOCI_E_NOT_FOUND ? 0 : rc;
}

/* Only for a member: rows go with the membership. 0 or NOT_FOUND. */
static int get_of_member(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                         struct loci__pulled_row *ret, struct loci_error *err)
{
	struct loci__key member = loci__key_of_repo_digest(repo, d);
	int rc = loci__txn_has(t, LOCI_INDEX_MEMBER, &member, err);
	return rc < 0 ? rc : loci__pulled_row_get(t, repo, d, ret, err);
}

int loci__pulled_note_untagged(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                               struct loci_error *err)
{
	struct loci__pulled_row row;
	int rc = get_of_member(t, repo, d, &row, err);
	if (rc < 0)
		return rc == LOCI_E_NOT_FOUND ? 0 : rc;
	row.untagged = loci__clock_epoch();
	return put_row(t, repo, d, &row, err);
}

/* ---- since when ------------------------------------------------------------------------------ */

/* Below every repository's keys. */
static const struct loci__key since_key = {.n = 1, .b = {0}};

static int track_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	bool on = *(const bool *)arg;
	int rc = loci__txn_has(t, LOCI_INDEX_PULLED, &since_key, err);
	if (rc == LOCI_E_NOT_FOUND)
		return on ? loci__txn_put_u64(t, LOCI_INDEX_PULLED, &since_key, loci__clock_epoch(),
		                              err)
		          : 0;
	return rc < 0 || on ? rc : loci__txn_del(t, LOCI_INDEX_PULLED, &since_key, err);
}

int loci_pulls_since(struct loci_store *st, uint64_t *ret, struct loci_error *err)
{
	loci__cleanup_read struct loci__txn t = {0};
	int rc = loci__store_check(st, err);
	if (rc == 0)
		rc = loci__read_begin(st->sh->index, &t, err);
	if (rc < 0)
		return rc;
	rc = loci__txn_get_u64(&t, LOCI_INDEX_PULLED, &since_key, ret, err);
	if (rc == LOCI_E_NOT_FOUND) {
		*ret = 0;
		rc = 0;
	}
	return rc;
}

int loci_pulls_track(struct loci_store *st, bool on, struct loci_error *err)
{
	uint64_t since;
	int rc = loci_pulls_since(st, &since, err);
	if (rc < 0 || on == (since != 0))
		return rc;
	return loci__store_write(st, track_op, &on, err);
}

/* ---- notes ----------------------------------------------------------------------------------- */

struct slot {
	uint64_t hash;
	uint64_t noted_at; /* seconds since the epoch */
};
struct loci__pull_cache {
	pthread_mutex_t lock;
	struct slot slots[CACHE_SLOTS];
};

struct loci__pull_cache *loci__pull_cache_new(void)
{
	struct loci__pull_cache *c = calloc(1, sizeof(*c));
	if (c)
		pthread_mutex_init(&c->lock, NULL);
	return c;
}

void loci__pull_cache_free(struct loci__pull_cache *c)
{
	if (!c)
		return;
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* FNV-1a of the key: whoever makes two collide has one of two pulls noted within the hour. */
static uint64_t hash_of(const struct loci__key *k)
{
	uint64_t h = 0xcbf29ce484222325u;
	for (size_t i = 0; i < k->n; i++)
		h = (h ^ (unsigned char)k->b[i]) * 0x100000001b3u;
	return h;
}

/* False: noted within the hour. */
static bool cache_claim(struct loci__pull_cache *c, uint64_t hash, uint64_t now)
{
	struct slot *s = &c->slots[hash % CACHE_SLOTS];
	pthread_mutex_lock(&c->lock);
	bool young = s->hash == hash && now - s->noted_at < NOTE_EVERY_S;
	if (!young)
		*s = (struct slot){hash, now};
	pthread_mutex_unlock(&c->lock);
	return !young;
}

static void cache_drop(struct loci__pull_cache *c, uint64_t hash)
{
	struct slot *s = &c->slots[hash % CACHE_SLOTS];
	pthread_mutex_lock(&c->lock);
	if (s->hash == hash)
		*s = (struct slot){0};
	pthread_mutex_unlock(&c->lock);
}

struct note {
	struct loci_digest digest;
	uint64_t now;
	char repo[];
};

static int note_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	const struct note *n = arg;
	struct loci__pulled_row row;
	int rc = get_of_member(t, n->repo, &n->digest, &row, err);
	if (rc < 0 || row.pulled + NOTE_EVERY_S > n->now)
		return rc == LOCI_E_NOT_FOUND ? 0 : rc;
	row.pulled = n->now;
	return put_row(t, n->repo, &n->digest, &row, err);
}

/* Another process, or a slot that was lost, may have noted it. */
static bool is_noted(struct loci_store *st, const char *repo, const struct loci_digest *d,
                     uint64_t now)
{
	loci__cleanup_read struct loci__txn t = {0};
	struct loci__pulled_row row;
	return loci__read_begin(st->sh->index, &t, /* err= */ NULL) == 0 &&
	       loci__pulled_row_get(&t, repo, d, &row, /* err= */ NULL) == 0 &&
	       row.pulled + NOTE_EVERY_S > now;
}

static int post_note(struct loci_store *st, const char *repo, const struct loci_digest *d,
                     uint64_t now, struct loci_error *err)
{
	size_t n = strlen(repo) + 1;
	struct note *note = malloc(sizeof(*note) + n);
	if (!note)
		return loci__err_nomem(err);
	note->digest = *d;
	note->now = now;
	memcpy(note->repo, repo, n);
	int rc = loci__writer_post(st->sh->writer, note_op, note, err);
	if (rc < 0)
		free(note);
	return rc;
}

void loci_manifest_pulled(struct loci_store *st, const char *repo, const struct loci_digest *d)
{
	struct loci_error err;
	if (loci__store_check(st, &err) < 0 || loci__check_repo(repo, &err) < 0 ||
	    loci__check_digest(d, &err) < 0)
		return;
	uint64_t now = loci__clock_epoch();
	struct loci__key k = loci__key_of_repo_digest(repo, d);
	uint64_t hash = hash_of(&k);
	if (!cache_claim(st->sh->pulls, hash, now) || is_noted(st, repo, d, now))
		return;
	if (post_note(st, repo, d, now, &err) < 0) {
		cache_drop(st->sh->pulls, hash);
		loci__log_error(st->opts.log, LOCI_LOG_WARN, "store", "note a pull", &err);
	}
}

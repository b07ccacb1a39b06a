/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scrub: a walk over the rows of blobs, then of manifests, in batches that keep no snapshot
 * open while something is read.
 *
 * A bad blob is put aside in two steps. Its row is marked as one whose file has to be looked at
 * before it is promised (as after a power cut): from then on a push does not rely on it and
 * replaces the file. Then the file, if it is still the one that was read, is renamed into
 * quarantine/, and the blob counts as absent: HEAD says 404, and the next push of it heals all
 * repositories, whose links stay. Killed in between, the next scrub finds the same again. A push
 * that comes in between has put its own file there, which is not the one that was read.
 *
 * A bad manifest's bytes are written beside and its row goes, with the same effect.
 */
#include "core/store/scrub.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/fs.h"
#include "core/base/logger.h"
#include "core/store/manifest_row.h"
#include "core/store/usage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH         64
#define MARK_EVERY_MS 10000
#define GUARD_TRIES   200
#define GUARD_NAP_NS  20000000
#define QUARANTINE    "quarantine"
#define KEPT_MAX      (sizeof(QUARANTINE) + LOCI_SET_ASIDE_MAX + 16)

const char *loci_scrub_verdict_name(int verdict)
{
	static const char *const names[LOCI_SCRUB_VERDICTS] = {"good", "damaged", "cut", "missing",
	                                                       "unreadable"};
	return verdict >= 0 && verdict < LOCI_SCRUB_VERDICTS ? names[verdict] : "unknown";
}

int loci__scrub_tell(struct loci__scrub *s, const struct loci_scrub_event *given,
                     struct loci_error *err)
{
	struct loci_scrub_event ev = *given;
	ev.so_far = s->result;
	if (!s->opts.event || s->opts.event(s->opts.event_arg, &ev) == 0)
		return 0;
	return loci__err_set(err, LOCI_E_CANCELED, "canceled");
}

/* ---- what is bad ----------------------------------------------------------------------------- */

struct found {
	struct loci_digest digest;
	bool is_manifest;
	int verdict;
	int fd; /* of the file that was read, or -1 */
	bool is_fixed;
	char kept_as[KEPT_MAX]; /* or "" */
	struct loci_error why;  /* .code 0: nothing was said */
};

static bool may_fix(const struct loci__scrub *s, const struct found *f)
{
	if (f->verdict == LOCI_SCRUB_UNREADABLE)
		return s->opts.flags & LOCI_SCRUB_FIX_UNREADABLE;
	return s->opts.flags & LOCI_SCRUB_FIX;
}

/* Only while it is there; the time and size stay, which accounting goes by. */
static int distrust_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	const struct loci_digest *d = arg;
	struct loci__blob_row row;
	int rc = loci__blob_row_get(t, d, &row, err);
	if (rc < 0)
		return rc;
	row.flags |= LOCI_BLOB_UNSYNCED;
	return loci__blob_row_put(t, d, &row, err);
}

/* Away from whoever publishes in that shard just now, for some seconds at most. */
static int move_aside(struct loci__scrub *s, struct found *f, struct loci_error *err)
{
	struct loci_blobs *b = s->st->sh->blobs;
	char name[LOCI_SET_ASIDE_MAX];
	int rc = LOCI_E_BUSY;
	for (int tries = 0; rc == LOCI_E_BUSY && tries < GUARD_TRIES; tries++) {
		rc = loci__guard_take(s->st->sh->guard, &f->digest, err);
		if (rc == LOCI_E_BUSY)
			nanosleep(&(struct timespec){.tv_nsec = GUARD_NAP_NS}, NULL);
	}
	if (rc < 0)
		return rc == LOCI_E_BUSY
		               ? loci__err_set(err, rc, "blobs of this kind are being pushed")
		               : rc;
	rc = b->ops->set_aside(b, &f->digest, f->fd, name, err);
	loci__guard_drop(s->st->sh->guard, &f->digest);
	if (rc == 0)
		snprintf(f->kept_as, sizeof(f->kept_as), "%s", name);
	return rc;
}

static int put_blob_aside(struct loci__scrub *s, struct found *f, struct loci_error *err)
{
	int rc = loci__store_write(s->st, distrust_op, &f->digest, err);
	if (rc == LOCI_E_NOT_FOUND) /* collected meanwhile */
		return 0;
	if (rc == 0 && f->fd >= 0)
		rc = move_aside(s, f, err);
	f->is_fixed = rc == 0 || rc == LOCI_E_NOT_FOUND; /* else somebody has replaced it */
	return rc == LOCI_E_NOT_FOUND ? 0 : rc;
}

static bool is_right(const struct loci_digest *d, struct loci_slice bytes)
{
	struct loci_digest got;
	return loci_digest_bytes(d->alg, bytes.p, bytes.n, &got, /* err= */ NULL) == 0 &&
	       loci_digest_equal(d, &got);
}

static int drop_manifest_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	const struct loci_digest *d = arg;
	struct loci__manifest_row row;
	struct loci__key k = loci__key_of_digest(d);
	int rc = loci__manifest_row_get(t, d, &row, err);
	if (rc == LOCI_E_NOT_FOUND || (rc == 0 && is_right(d, row.bytes)))
		return 0;
	rc = rc == 0 ? loci__usage_change_members(t, d, -(int64_t)row.bytes.n, err) : 0;
	if (rc < 0)
		return rc;
	/* A row that cannot even be read goes just as well. */
	return loci__txn_del(t, LOCI_INDEX_MANIFEST, &k, err);
}

static int keep_manifest(struct loci__scrub *s, struct found *f, const char *bytes, size_t n,
                         struct loci_error *err)
{
	loci__cleanup_close int fd = -1;
	char hex[2 * sizeof(f->digest.bytes) + 1], name[KEPT_MAX];
	const char *alg = loci_digest_alg_name(f->digest.alg);
	snprintf(name, sizeof(name), QUARANTINE "/%s", alg);
	int rc = loci__mkdirs_open(s->st->sh->dirfd, name, 0700, &fd, err);
	if (rc < 0)
		return rc;
	char text[LOCI_DIGEST_STR_MAX];
	loci_digest_format(&f->digest, text);
	snprintf(hex, sizeof(hex), "%s", strchr(text, ':') + 1);
	snprintf(name, sizeof(name), "%s.%llu.manifest", hex,
	         (unsigned long long)loci__clock_epoch());
	rc = loci__write_file_atomic(fd, name, bytes, n, 0600, /* sync= */ true, err);
	if (rc == 0)
		snprintf(f->kept_as, sizeof(f->kept_as), QUARANTINE "/%s/%s", alg, name);
	return rc;
}

/* Rows first told, then asked: a failure to put aside is told with it, and ends nothing. */
static int tell_bad(struct loci__scrub *s, struct found *f, struct loci_error *err)
{
	struct loci_scrub_event ev = {
	        .kind = LOCI_SCRUB_BAD,
	        .digest = &f->digest,
	        .is_manifest = f->is_manifest,
	        .is_fixed = f->is_fixed,
	        .verdict = f->verdict,
	        .kept_as = f->kept_as[0] ? f->kept_as : NULL,
	        .err = f->why.code ? &f->why : NULL,
	};
	s->result->bad++;
	s->result->by_verdict[f->verdict]++;
	s->result->fixed += f->is_fixed;
	int rc = loci__scrub_tell(s, &ev, err);
	if (rc == 0)
		rc = loci__scrub_references(s, &f->digest, f->is_manifest, err);
	ev.kind = LOCI_SCRUB_BAD_END;
	return rc == 0 ? loci__scrub_tell(s, &ev, err) : rc;
}

/* ---- one blob -------------------------------------------------------------------------------- */

/* NOT_FOUND: the row went, which is nobody's fault. */
static int read_row(struct loci__scrub *s, const struct loci_digest *d, struct loci__blob_row *ret,
                    struct loci_error *err)
{
	loci__cleanup_read struct loci__txn t = {0};
	int rc = loci__read_begin(s->st->sh->index, &t, err);
	return rc < 0 ? rc : loci__blob_row_get(&t, d, ret, err);
}

static int judge_blob(struct loci__scrub *s, const struct loci__blob_row *row, struct found *f,
                      struct loci_error *err)
{
	struct loci_blobs *b = s->st->sh->blobs;
	uint64_t size;
	int rc = b->ops->open(b, &f->digest, &f->fd, &size, &f->why);
	if (rc == LOCI_E_NOT_FOUND) {
		f->why.code = 0;
		return LOCI_SCRUB_MISSING;
	}
	if (rc < 0)
		return LOCI_SCRUB_UNREADABLE;
	if (size != row->size)
		return LOCI_SCRUB_CUT;
	return loci__scrub_file(s, f->fd, &f->digest, &f->why, err);
}

/* Somebody may have removed or pushed it while it was read: then it is looked at as it is now. */
static bool has_changed(struct loci__scrub *s, const struct found *f,
                        const struct loci__blob_row *row)
{
	struct loci_blobs *b = s->st->sh->blobs;
	struct loci__blob_row now;
	struct stat read_one, there;
	loci__cleanup_close int fd = -1;
	uint64_t size;
	if (read_row(s, &f->digest, &now, /* err= */ NULL) < 0 || now.time != row->time ||
	    now.size != row->size || now.flags != row->flags)
		return true;
	bool is_there = b->ops->open(b, &f->digest, &fd, &size, /* err= */ NULL) == 0;
	if (f->fd < 0 || !is_there)
		return is_there != (f->fd >= 0);
	return fstat(f->fd, &read_one) < 0 || fstat(fd, &there) < 0 ||
	       read_one.st_ino != there.st_ino || read_one.st_dev != there.st_dev;
}

static int scrub_blob(struct loci__scrub *s, const struct loci_digest *d, struct loci_error *err)
{
	struct loci__blob_row row;
	struct found f = {.digest = *d, .fd = -1};
	for (int tries = 0; tries < 2; tries++) {
		int rc = read_row(s, d, &row, err);
		if (rc < 0)
			return rc == LOCI_E_NOT_FOUND ? 0 : rc;
		loci__close_fd(&f.fd);
		f.why.code = 0;
		f.verdict = judge_blob(s, &row, &f, err);
		if (f.verdict <= LOCI_SCRUB_GOOD || !has_changed(s, &f, &row))
			break;
	}
	int rc = f.verdict < 0 ? f.verdict : 0;
	if (f.verdict > LOCI_SCRUB_GOOD) {
		if (may_fix(s, &f) && put_blob_aside(s, &f, &f.why) < 0)
			rc = f.why.code == LOCI_E_READ_ONLY ? f.why.code : 0;
		if (rc < 0 && err)
			*err = f.why;
		if (rc == 0)
			rc = tell_bad(s, &f, err);
	}
	loci__close_fd(&f.fd);
	s->result->blobs += rc == 0;
	return rc;
}

/* ---- one manifest ---------------------------------------------------------------------------- */

static int fix_manifest(struct loci__scrub *s, struct found *f, const struct loci_manifest_bytes *m,
                        struct loci_error *err)
{
	int rc = m ? keep_manifest(s, f, m->bytes, m->n, err) : 0;
	if (rc == 0)
		rc = loci__store_write(s->st, drop_manifest_op, &f->digest, err);
	f->is_fixed = rc == 0;
	return rc;
}

static int scrub_manifest(struct loci__scrub *s, const struct loci_digest *d,
                          struct loci_error *err)
{
	struct loci_manifest_bytes *m = NULL;
	struct found f = {.digest = *d, .fd = -1, .is_manifest = true};
	int rc = loci_manifest_get(s->st, /* repo= */ NULL, /* tag= */ NULL, d, &m, &f.why);
	if (rc == LOCI_E_NOT_FOUND)
		return 0;
	if (rc < 0 && rc != LOCI_E_INTERNAL) {
		if (err)
			*err = f.why;
		return rc;
	}
	f.verdict = m && is_right(d, (struct loci_slice){m->bytes, m->n}) ? LOCI_SCRUB_GOOD
	                                                                  : LOCI_SCRUB_DAMAGED;
	rc = loci__scrub_pace(s, m ? m->n : 0, err);
	if (rc == 0 && f.verdict) {
		if (may_fix(s, &f) && fix_manifest(s, &f, m, &f.why) == LOCI_E_READ_ONLY) {
			rc = f.why.code;
			if (err)
				*err = f.why;
		} else {
			rc = tell_bad(s, &f, err);
		}
	}
	loci_manifest_bytes_free(m);
	s->result->manifests += rc == 0;
	return rc;
}

/* ---- the walk -------------------------------------------------------------------------------- */

/* Digests behind a prefix ("": a whole table; a repository's). */
struct batch {
	struct loci__key prefix;
	const struct loci__key *after; /* or NULL */
	struct loci_digest v[BATCH];
	size_t n;
};

static int take_digest(void *arg, struct loci_slice key, struct loci_slice val)
{
	struct batch *b = arg;
	(void)val;
	if (key.n < b->prefix.n || memcmp(key.p, b->prefix.b, b->prefix.n) != 0)
		return 1;
	if (b->after && key.n == b->after->n && !memcmp(key.p, b->after->b, key.n))
		return 0;
	struct loci_slice rest = {key.p + b->prefix.n, key.n - b->prefix.n};
	if (loci__take_digest(&rest, &b->v[b->n]))
		b->n++;
	return b->n == BATCH;
}

static int read_batch(struct loci__scrub *s, int table, const struct loci__key *from,
                      struct batch *b, struct loci_error *err)
{
	loci__cleanup_read struct loci__txn t = {0};
	int rc = loci__read_begin(s->st->sh->index, &t, err);
	b->n = 0;
	return rc < 0 ? rc : loci__txn_scan(&t, table, from, take_digest, b, err);
}

typedef int (*scrub_fn)(struct loci__scrub *s, const struct loci_digest *d, struct loci_error *err);

struct walk {
	struct loci__scrub *s;
	int table;
	scrub_fn fn;
	int marks;               /* where to note how far it is, or -1 */
	struct loci_digest last; /* done; .alg 0: none yet */
	uint64_t marked_ms;
};

static void note(struct walk *w, bool now)
{
	const struct loci__scrub_mark mark = {w->table, w->last};
	if (w->marks < 0 || !w->last.alg ||
	    (!now && loci__clock_ms() - w->marked_ms < MARK_EVERY_MS))
		return;
	loci__scrub_mark_set(w->marks, &mark);
	w->marked_ms = loci__clock_ms();
}

static int give_batch(struct walk *w, const struct batch *b, struct loci_error *err)
{
	for (size_t i = 0; i < b->n; i++) {
		int rc = w->fn(w->s, &b->v[i], err);
		if (rc < 0)
			return rc;
		w->last = b->v[i];
		note(w, /* now= */ false);
	}
	return 0;
}

static int walk(struct walk *w, struct loci_error *err)
{
	struct batch b = {0};
	int rc;
	if (w->s->opts.repo)
		loci__key_name(&b.prefix, w->s->opts.repo);
	do {
		struct loci__key from = b.prefix;
		if (w->last.alg)
			loci__key_digest(&from, &w->last);
		else if (!from.n)
			loci__key_bytes(&from, "", 1); /* before every digest; a key has a byte */
		b.after = w->last.alg ? &from : NULL;
		rc = read_batch(w->s, w->table, &from, &b, err);
		if (rc == 0)
			rc = give_batch(w, &b, err);
	} while (rc == 0 && b.n == BATCH);
	note(w, /* now= */ true);
	return rc;
}

/* Blobs, then manifests; of a repository by what it links and what its members are. */
static int walk_all(struct loci__scrub *s, int marks, struct loci_error *err)
{
	const struct {
		int whole, repo;
		scrub_fn fn;
	} phases[] = {{LOCI_INDEX_BLOB, LOCI_INDEX_LINK, scrub_blob},
	              {LOCI_INDEX_MANIFEST, LOCI_INDEX_MEMBER, scrub_manifest}};
	struct loci__scrub_mark mark = {0};
	bool restart = s->opts.flags & LOCI_SCRUB_RESTART;
	s->result->went_on = marks >= 0 && !restart && loci__scrub_mark_get(marks, &mark) == 0;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < loci__array_len(phases); i++) {
		struct walk w = {
		        .s = s, .fn = phases[i].fn, .marks = marks, .marked_ms = loci__clock_ms()};
		w.table = s->opts.repo ? phases[i].repo : phases[i].whole;
		if (i == 0 && mark.table == LOCI_INDEX_MANIFEST)
			continue; /* they are done */
		if (mark.table == w.table)
			w.last = mark.digest;
		rc = walk(&w, err);
	}
	if (rc == 0 && marks >= 0)
		loci__scrub_mark_clear(marks);
	s->result->ended = rc == 0;
	return rc;
}

int loci_scrub(struct loci_store *st, const struct loci_scrub_opts *opts,
               struct loci_scrub_result *result, struct loci_error *err)
{
	struct loci__scrub s = {.st = st, .result = result};
	loci__cleanup_close int lock = -1;
	loci__cleanup_free void *chunk = NULL;
	*result = (struct loci_scrub_result){0};
	if (opts)
		memcpy(&s.opts, opts,
		       opts->struct_size < sizeof(s.opts) ? opts->struct_size : sizeof(s.opts));
	int rc = loci__store_check(st, err);
	if (rc == 0 && s.opts.repo)
		rc = loci__check_repo(s.opts.repo, err);
	if (rc == 0)
		rc = loci__scrub_mark_open(st, &lock, err);
	if (rc < 0)
		return rc;
	chunk = aligned_alloc(LOCI_SCRUB_ALIGN, LOCI_SCRUB_CHUNK);
	if (!chunk)
		return loci__err_nomem(err);
	s.chunk = chunk;
	s.began_ms = loci__clock_ms();
	return walk_all(&s, s.opts.repo ? -1 : lock, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking a manifest in: parsed and hashed on the caller's thread, then one transaction that looks
 * whether everything it refers to is in the repository, and writes the bytes, the membership, the
 * tags, the referrer's row and the links to its children.
 */
#include "core/store/event.h"
#include "core/store/link_row.h"
#include "core/store/manifest_row.h"
#include "core/store/pulled.h"
#include "core/store/quota.h"
#include "core/store/store.h"
#include "core/store/usage.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/err.h"

#include <string.h>

LOCI_DEFINE_CLEANUP(manifest_free_ptr, struct loci_manifest, loci_manifest_free)

struct put_op {
	const char *repo;
	const struct loci_manifest_put *put;
	const struct loci_manifest *m;
	struct loci_digest digest;
	const char *media_type;
	uint64_t lease_until;
	bool told_new;              /* under this media type for the first time here */
	struct loci_digest missing; /* out */
	const char *fixed_tag;      /* out */
};

/* ---- what it refers to ----------------------------------------------------------------------- */

typedef int (*ref_fn)(struct loci__txn *t, struct put_op *o, const struct loci_descriptor *d,
                      bool is_manifest, struct loci_error *err);

static int foreach_ref(struct loci__txn *t, struct put_op *o, ref_fn fn, struct loci_error *err)
{
	const struct loci_manifest *m = o->m;
	int rc = m->config ? fn(t, o, m->config, false, err) : 0;
	for (size_t i = 0; rc == 0 && i < m->n_layers; i++)
		rc = fn(t, o, &m->layers[i], false, err);
	for (size_t i = 0; rc == 0 && i < m->n_entries; i++)
		rc = fn(t, o, &m->entries[i], true, err);
	return rc;
}

/* An entry of another type may be a blob: BuildKit's caches are indexes of layers. */
static bool is_manifest_type(const char *media_type)
{
	int kind = loci_media_kind(media_type);
	return kind == LOCI_MEDIA_IMAGE_MANIFEST || kind == LOCI_MEDIA_IMAGE_INDEX;
}

static bool may_be_elsewhere(const struct put_op *o, const struct loci_descriptor *layer)
{
	return !(o->put->flags & LOCI_MANIFEST_PUT_NO_FOREIGN) &&
	       loci_media_is_foreign(layer->media_type);
}

static int require(struct loci__txn *t, struct put_op *o, const struct loci_descriptor *d,
                   bool is_manifest, struct loci_error *err)
{
	if (is_manifest ? o->put->flags & LOCI_MANIFEST_PUT_SPARSE_INDEX : may_be_elsewhere(o, d))
		return 0;
	struct loci__key k;
	int table;
	if (o->repo) {
		k = loci__key_of_repo_digest(o->repo, &d->digest);
		table = is_manifest ? LOCI_INDEX_MEMBER : LOCI_INDEX_LINK;
	} else {
		k = loci__key_of_digest(&d->digest);
		table = is_manifest ? LOCI_INDEX_MANIFEST : LOCI_INDEX_BLOB;
	}
	int rc = loci__txn_has(t, table, &k, err);
	if (rc == LOCI_E_NOT_FOUND && is_manifest && !is_manifest_type(d->media_type))
		rc = loci__txn_has(t, o->repo ? LOCI_INDEX_LINK : LOCI_INDEX_BLOB, &k, err);
	if (rc == LOCI_E_NOT_FOUND) {
		o->missing = d->digest;
		return loci__err_set(
		        err, rc, "manifest %s refers to %s %s, which is not in %s%s%s",
		        loci__digest_text(&o->digest).s, is_manifest ? "manifest" : "blob",
		        loci__digest_text(&d->digest).s, o->repo ? "repository '" : "the store",
		        o->repo ? o->repo : "", o->repo ? "'" : "");
	}
	return rc;
}

/* What garbage collection has condemned is still there: somebody refers to it again in time. */
static int revive(struct loci__txn *t, struct put_op *o, const struct loci_digest *d,
                  struct loci_error *err)
{
	struct loci__link_row link;
	int rc = o->repo ? loci__link_row_get(t, o->repo, d, &link, err) : LOCI_E_NOT_FOUND;
	if (rc == 0 && link.condemned)
		rc = loci__link_row_put(t, o->repo, d, err);
	if (rc == LOCI_E_NOT_FOUND)
		rc = 0;
	return rc < 0 ? rc : loci__lease_revive(t, d, o->lease_until, err);
}

static int write_parent(struct loci__txn *t, struct put_op *o, const struct loci_descriptor *d,
                        bool is_manifest, struct loci_error *err)
{
	(void)is_manifest;
	int rc = revive(t, o, &d->digest, err);
	if (rc < 0)
		return rc;
	struct loci__key k = loci__key_of_digest(&d->digest);
	loci__key_digest(&k, &o->digest);
	return loci__txn_put(t, LOCI_INDEX_PARENT, &k, (struct loci_slice){"", 0}, err);
}

/* ---- rows ------------------------------------------------------------------------------------ */

static bool is_its_type(const struct put_op *o, struct loci_slice type)
{
	return type.n == strlen(o->media_type) && !memcmp(type.p, o->media_type, type.n);
}

/* The same bytes may come again under another media type. Each repository keeps its own; for the
 * whole store the puller's last one holds. A subject that was ever seen stays: it is how the
 * referrers' rows are found again. */
static int write_bytes(struct loci__txn *t, struct put_op *o, struct loci_error *err)
{
	struct loci__manifest_row row;
	int rc = loci__manifest_row_get(t, &o->digest, &row, err);
	if (rc < 0 && rc != LOCI_E_NOT_FOUND)
		return rc;
	bool is_new = rc == LOCI_E_NOT_FOUND;
	bool retype = is_new || (!o->repo && !is_its_type(o, row.media_type));
	if (!retype && (row.subject.alg || !o->m->subject))
		return 0;
	char type[LOCI_MEDIA_TYPE_MAX];
	if (retype)
		row.media_type = (struct loci_slice){o->media_type, strlen(o->media_type)};
	memcpy(type, row.media_type.p, row.media_type.n); /* the put may move the row */
	row.media_type.p = type;
	row.time = is_new ? loci__clock_epoch() : row.time;
	if (is_new || !row.subject.alg)
		row.subject = o->m->subject ? o->m->subject->digest : (struct loci_digest){0};
	row.bytes = (struct loci_slice){o->put->bytes, o->put->n};
	o->told_new = true;
	/* Those who have it already lost its bytes to a scrub. */
	rc = is_new ? loci__usage_change_members(t, &o->digest, (int64_t)o->put->n, err) : 0;
	return rc < 0 ? rc : loci__manifest_row_put(t, &o->digest, &row, err);
}

static int count_member(struct loci__txn *t, const char *repo, size_t bytes, struct loci_error *err)
{
	struct loci__usage_change c = {.bytes = (int64_t)bytes, .manifests = 1};
	struct loci__key k = {0};
	uint64_t n = 0;
	loci__key_text(&k, repo);
	int rc = loci__usage_change(t, repo, &c, err);
	if (rc == 0)
		rc = loci__txn_get_u64(t, LOCI_INDEX_REPO, &k, &n, err);
	if (rc < 0 && rc != LOCI_E_NOT_FOUND)
		return rc;
	return loci__txn_put_u64(t, LOCI_INDEX_REPO, &k, n + 1, err);
}

static int write_member(struct loci__txn *t, struct put_op *o, struct loci_error *err)
{
	struct loci__key holder = loci__key_of_holder(&o->digest, LOCI_HOLDER_MEMBER, o->repo);
	struct loci__member_row row;
	int rc = loci__member_row_get(t, o->repo, &o->digest, &row, err);
	if (rc < 0 && rc != LOCI_E_NOT_FOUND)
		return rc;
	bool is_new = rc == LOCI_E_NOT_FOUND;
	o->told_new |= is_new || !is_its_type(o, row.media_type);
	row.time = loci__clock_epoch(); /* its age counts from the last push */
	row.media_type = (struct loci_slice){o->media_type, strlen(o->media_type)};
	rc = loci__member_row_put(t, o->repo, &o->digest, &row, err);
	if (rc == 0 && is_new)
		rc = loci__txn_put(t, LOCI_INDEX_HOLDER, &holder, (struct loci_slice){"", 0}, err);
	if (rc == 0 && is_new)
		rc = count_member(t, o->repo, o->put->n, err);
	if (rc < 0 || !o->m->subject)
		return rc;
	struct loci__key referrer = loci__key_of_repo_digest(o->repo, &o->m->subject->digest);
	loci__key_digest(&referrer, &o->digest);
	return loci__txn_put(t, LOCI_INDEX_REFERRER, &referrer, (struct loci_slice){"", 0}, err);
}

static struct loci__key tag_of_key(const char *repo, const struct loci_digest *d, const char *tag)
{
	struct loci__key k = loci__key_of_repo_digest(repo, d);
	loci__key_text(&k, tag);
	return k;
}

/* digest, time it was set */
static int put_tag_row(struct loci__txn *t, const struct loci__key *k, const struct loci_digest *d,
                       struct loci_error *err)
{
	char b[LOCI_DIGEST_KEY_MAX + 8];
	size_t n = loci__put_digest(b, d);
	loci__put_u64le(b + n, loci__clock_epoch());
	return loci__txn_put(t, LOCI_INDEX_TAG, k, (struct loci_slice){b, n + 8}, err);
}

static int write_tag(struct loci__txn *t, struct put_op *o, const char *tag, struct loci_error *err)
{
	struct loci__key k = loci__key_of_repo_text(o->repo, tag);
	struct loci_slice val;
	struct loci_digest old = {0};
	int rc = loci__txn_get(t, LOCI_INDEX_TAG, &k, &val, err);
	if (rc == 0 && loci__take_digest(&val, &old) && !loci_digest_equal(&old, &o->digest)) {
		struct loci__key old_key = tag_of_key(o->repo, &old, tag);
		rc = loci__txn_del(t, LOCI_INDEX_TAG_OF, &old_key, err);
		if (rc == 0)
			rc = loci__pulled_note_untagged(t, o->repo, &old, err);
	}
	if (rc < 0 && rc != LOCI_E_NOT_FOUND)
		return rc;
	struct loci__key tag_of = tag_of_key(o->repo, &o->digest, tag);
	struct loci__usage_change c = {.tags = rc == LOCI_E_NOT_FOUND && !old.alg ? 1 : 0};
	rc = put_tag_row(t, &k, &o->digest, err);
	if (rc == 0)
		rc = loci__txn_put(t, LOCI_INDEX_TAG_OF, &tag_of, (struct loci_slice){"", 0}, err);
	return rc < 0 || !c.tags ? rc : loci__usage_change(t, o->repo, &c, err);
}

/* ---- what stands in its way ------------------------------------------------------------------ */

/* What the tag points at now; NOT_FOUND leaves err alone. */
static int tag_target(struct loci__txn *t, const struct put_op *o, const char *tag,
                      struct loci_digest *ret, struct loci_error *err)
{
	struct loci__key k = loci__key_of_repo_text(o->repo, tag);
	struct loci_slice val;
	int rc = loci__txn_get(t, LOCI_INDEX_TAG, &k, &val, err);
	if (rc == 0 && !loci__take_digest(&val, ret))
		rc = loci__err_set(err, LOCI_E_INTERNAL, "index: the row of tag '%s' is damaged",
		                   tag);
	return rc;
}

/* What stands now under the name that it is put under. */
static int find_current(struct loci__txn *t, const struct put_op *o, struct loci_digest *ret,
                        struct loci_error *err)
{
	if (!o->put->want && o->put->n_tags)
		return tag_target(t, o, o->put->tags[0], ret, err);
	struct loci__key k = o->repo ? loci__key_of_repo_digest(o->repo, &o->digest)
	                             : loci__key_of_digest(&o->digest);
	*ret = o->digest;
	return loci__txn_has(t, o->repo ? LOCI_INDEX_MEMBER : LOCI_INDEX_MANIFEST, &k, err);
}

static int check_condition(struct loci__txn *t, const struct put_op *o, struct loci_error *err)
{
	struct loci_digest current;
	if (!o->put->condition)
		return 0;
	int rc = find_current(t, o, &current, err);
	if (rc < 0 && rc != LOCI_E_NOT_FOUND)
		return rc;
	if (o->put->condition(o->put->condition_arg, rc == 0 ? &current : NULL))
		return 0;
	return loci__err_set(err, LOCI_E_CONDITION, "manifest: precondition does not hold, %s%s",
	                     rc == 0 ? "now it is " : "now there is none",
	                     rc == 0 ? loci__digest_text(&current).s : "");
}

static int check_fixed(struct loci__txn *t, struct put_op *o, struct loci_error *err)
{
	struct loci_digest current;
	for (size_t i = 0; o->put->fixed && i < o->put->n_tags; i++) {
		if (!o->put->fixed[i])
			continue;
		int rc = tag_target(t, o, o->put->tags[i], &current, err);
		if (rc == LOCI_E_NOT_FOUND || (rc == 0 && loci_digest_equal(&current, &o->digest)))
			continue;
		if (rc < 0)
			return rc;
		o->fixed_tag = o->put->tags[i];
		return loci__err_set(err, LOCI_E_DENIED, "tag '%s' is immutable and stands for %s",
		                     o->put->tags[i], loci__digest_text(&current).s);
	}
	return 0;
}

/* All that may refuse it comes before the first row is written: an operation that fails then costs
 * those that share its transaction nothing. */
static int check_op(struct loci__txn *t, struct put_op *o, struct loci_error *err)
{
	int rc = check_condition(t, o, err);
	if (rc == 0)
		rc = check_fixed(t, o, err);
	if (rc == 0 && !(o->put->flags & LOCI_MANIFEST_PUT_SPARSE))
		rc = foreach_ref(t, o, require, err);
	if (rc == 0)
		rc = loci__quota_check_manifest(t, o->repo, &o->digest, o->put->n, err);
	return rc;
}

/* One that was condemned may have taken what it refers to along: all of it is told anew. */
static int revive_itself(struct loci__txn *t, struct put_op *o, struct loci_error *err)
{
	struct loci__lease lease;
	int rc = loci__lease_get(t, &o->digest, &lease, err);
	if (rc < 0 || !lease.condemned)
		return rc;
	o->told_new = true;
	return loci__lease_put(t, &o->digest, o->lease_until, err);
}

static int tell(struct loci__txn *t, const struct put_op *o, struct loci_error *err)
{
	const struct loci_event e = {
	        .type = LOCI_EVENT_MANIFEST_PUSH,
	        .repo = o->repo,
	        .digest = o->digest,
	        .size = o->put->n,
	        .media_type = o->media_type,
	        .tags = o->put->tags,
	        .n_tags = o->put->n_tags,
	};
	return loci__event_add(t, &e, err);
}

static int put_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	struct put_op *o = arg;
	o->told_new = false; /* the transaction may be run again */
	o->fixed_tag = NULL;
	int rc = check_op(t, o, err);
	if (rc == 0)
		rc = write_bytes(t, o, err);
	if (rc == 0)
		rc = revive_itself(t, o, err);
	if (rc == 0)
		rc = o->repo ? write_member(t, o, err)
		             : loci__lease_put(t, &o->digest, o->lease_until, err);
	if (rc == 0 && o->told_new)
		rc = foreach_ref(t, o, write_parent, err);
	for (size_t i = 0; rc == 0 && i < o->put->n_tags; i++)
		rc = write_tag(t, o, o->put->tags[i], err);
	return rc == 0 && o->repo ? tell(t, o, err) : rc;
}

/* ---- arguments ------------------------------------------------------------------------------- */

static int check_put(struct loci_store *st, const char *repo, const struct loci_manifest_put *put,
                     struct loci_error *err)
{
	int rc = loci__store_check(st, err);
	if (rc == 0 && repo)
		rc = loci__check_repo(repo, err);
	if (rc == 0 && put->want)
		rc = loci__check_digest(put->want, err);
	for (size_t i = 0; rc == 0 && i < put->n_tags; i++)
		rc = loci__check_tag(put->tags[i], err);
	if (rc < 0)
		return rc;
	if (!repo && put->n_tags)
		return loci__err_set(err, LOCI_E_INVALID, "manifest: tags need a repository");
	if (put->n > st->opts.max_manifest_size)
		return loci__err_set(err, LOCI_E_TOO_LARGE, "manifest: %zu bytes, at most %llu",
		                     put->n, (unsigned long long)st->opts.max_manifest_size);
	if (put->media_type && strlen(put->media_type) > LOCI_MEDIA_TYPE_MAX)
		return loci__err_set(err, LOCI_E_INVALID,
		                     "manifest: media type of more than %d bytes",
		                     LOCI_MEDIA_TYPE_MAX);
	return 0;
}

static int check_digest_of(const struct loci_manifest_put *put, struct loci_digest *ret,
                           struct loci_error *err)
{
	int alg = put->want ? put->want->alg : LOCI_SHA256;
	int rc = loci_digest_bytes(alg, put->bytes, put->n, ret, err);
	if (rc == 0 && put->want && !loci_digest_equal(put->want, ret))
		return loci__err_set(err, LOCI_E_DIGEST_MISMATCH, "manifest: expected %s, got %s",
		                     loci__digest_text(put->want).s, loci__digest_text(ret).s);
	return rc;
}

static struct loci_manifest_put whole_put(const struct loci_manifest_put *given)
{
	struct loci_manifest_put put = {0};
	memcpy(&put, given, given->struct_size < sizeof(put) ? given->struct_size : sizeof(put));
	return put;
}

static bool has_foreign(const struct loci_manifest *m)
{
	for (size_t i = 0; i < m->n_layers; i++)
		if (loci_media_is_foreign(m->layers[i].media_type))
			return true;
	return false;
}

int loci_manifest_put(struct loci_store *st, const char *repo,
                      const struct loci_manifest_put *given, struct loci_manifest_put_result *res,
                      struct loci_error *err)
{
	struct loci_manifest_put put = whole_put(given);
	struct put_op o = {.repo = repo, .put = &put, .lease_until = loci__lease_until(st)};
	loci__cleanup(manifest_free_ptr) struct loci_manifest *m = NULL;
	if (res)
		*res = (struct loci_manifest_put_result){0};
	int rc = check_put(st, repo, &put, err);
	if (rc == 0)
		rc = check_digest_of(&put, &o.digest, err);
	if (rc == 0)
		rc = loci_manifest_parse(put.bytes, put.n, put.media_type, &m, err);
	if (rc < 0)
		return rc;
	o.m = m;
	o.media_type = put.media_type ? put.media_type : m->media_type ? m->media_type : "";
	if (strlen(o.media_type) > LOCI_MEDIA_TYPE_MAX)
		return loci__err_set(err, LOCI_E_INVALID,
		                     "manifest: media type of more than %d bytes",
		                     LOCI_MEDIA_TYPE_MAX);
	rc = loci__store_write(st, put_op, &o, err);
	if (res) {
		res->missing = o.missing;
		res->fixed_tag = o.fixed_tag;
		if (rc == 0) {
			res->digest = o.digest;
			res->subject = m->subject ? m->subject->digest : (struct loci_digest){0};
			res->has_foreign = has_foreign(m);
		}
	}
	return rc;
}

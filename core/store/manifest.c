/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and removing manifests and tags. loci_manifest_get is the hottest path of a registry: one
 * snapshot renewed, two look-ups, one allocation with a copy. (Handing out the map's own memory
 * would keep the snapshot open across a client's socket, and with it every page freed since.)
 */
#include "core/store/event.h"
#include "core/store/manifest_row.h"
#include "core/store/pulled.h"
#include "core/store/store.h"
#include "core/store/usage.h"

#include "core/base/cursor.h"
#include "core/base/err.h"

#include <stdlib.h>
#include <string.h>

/* ---- get ------------------------------------------------------------------------------------- */

static int copy_out(const struct loci_digest *d, const struct loci__manifest_row *row,
                    struct loci_manifest_bytes **ret, struct loci_error *err)
{
	struct loci_manifest_bytes *m =
	        malloc(sizeof(*m) + row->media_type.n + 1 + row->bytes.n + 1);
	if (!m)
		return loci__err_nomem(err);
	char *type = (char *)(m + 1);
	char *bytes = type + row->media_type.n + 1;
	memcpy(type, row->media_type.p, row->media_type.n);
	type[row->media_type.n] = '\0';
	memcpy(bytes, row->bytes.p, row->bytes.n);
	bytes[row->bytes.n] = '\0';
	*m = (struct loci_manifest_bytes){*d, type, bytes, row->bytes.n};
	*ret = m;
	return 0;
}

static int resolve_tag(struct loci__txn *t, const char *repo, const char *tag,
                       struct loci_digest *ret, struct loci_error *err)
{
	struct loci__key k = loci__key_of_repo_text(repo, tag);
	struct loci_slice val;
	int rc = loci__txn_get(t, LOCI_INDEX_TAG, &k, &val, err);
	if (rc == LOCI_E_NOT_FOUND)
		return loci__err_not_found(t, repo, "tag", tag, err);
	if (rc == 0 && !loci__take_digest(&val, ret))
		rc = loci__err_set(err, LOCI_E_INTERNAL, "index: the row of tag '%s' is damaged",
		                   tag);
	return rc;
}

/* NOT_FOUND for a manifest that garbage collection has condemned: of no repository any more. */
static int check_mark(struct loci__txn *t, const struct loci_digest *d, struct loci_error *err)
{
	struct loci__lease lease;
	int rc = loci__lease_get(t, d, &lease, err);
	return rc == 0 && lease.condemned ? LOCI_E_NOT_FOUND : rc;
}

static int get_in(struct loci__txn *t, const char *repo, const char *tag,
                  const struct loci_digest *digest, struct loci_manifest_bytes **ret,
                  struct loci_error *err)
{
	struct loci_digest d;
	struct loci__manifest_row row;
	struct loci__member_row member;
	int rc = 0;
	if (tag)
		rc = resolve_tag(t, repo, tag, &d, err);
	else
		d = *digest;
	if (rc < 0)
		return rc;
	rc = repo ? loci__member_row_get(t, repo, &d, &member, err) : check_mark(t, &d, err);
	if (rc == 0)
		rc = loci__manifest_row_get(t, &d, &row, err);
	if (rc == LOCI_E_NOT_FOUND)
		return loci__err_not_found(t, repo, "manifest", loci__digest_text(&d).s, err);
	if (rc < 0)
		return rc;
	if (repo && member.media_type.n)
		row.media_type = member.media_type;
	return copy_out(&d, &row, ret, err);
}

int loci_manifest_get(struct loci_store *st, const char *repo, const char *tag,
                      const struct loci_digest *digest, struct loci_manifest_bytes **ret,
                      struct loci_error *err)
{
	loci__cleanup_read struct loci__txn t = {0};
	int rc = loci__store_check(st, err);
	if (rc == 0 && (repo || tag))
		rc = loci__check_repo(repo, err);
	if (rc == 0)
		rc = tag ? loci__check_tag(tag, err) : loci__check_digest(digest, err);
	if (rc == 0)
		rc = loci__read_begin(st->sh->index, &t, err);
	return rc < 0 ? rc : get_in(&t, repo, tag, digest, ret, err);
}

void loci_manifest_bytes_free(struct loci_manifest_bytes *m)
{
	free(m);
}

/* ---- delete ---------------------------------------------------------------------------------- */

struct del_op {
	const char *repo;
	const char *tag;
	const struct loci_digest *digest;
	struct loci_tag_keeper *keeper; /* or NULL */
};

/* The first tag behind a (repository, digest) prefix. */
struct first_tag {
	const struct loci__key *prefix;
	char tag[LOCI_TAG_MAX + 1];
	bool found;
};

static int take_first_tag(void *arg, struct loci_slice key, struct loci_slice val)
{
	struct first_tag *f = arg;
	(void)val;
	if (key.n <= f->prefix->n || memcmp(key.p, f->prefix->b, f->prefix->n) != 0)
		return 1;
	struct loci_slice tag = {key.p + f->prefix->n, key.n - f->prefix->n};
	if (tag.n > LOCI_TAG_MAX)
		return 1;
	memcpy(f->tag, tag.p, tag.n);
	f->tag[tag.n] = '\0';
	f->found = true;
	return 1;
}

static int del_row(struct loci__txn *t, int table, struct loci__key k, struct loci_error *err)
{
	int rc = loci__txn_del(t, table, &k, err);
	return rc == LOCI_E_NOT_FOUND ? 0 : rc;
}

static int del_tag_rows(struct loci__txn *t, const char *repo, const char *tag,
                        const struct loci_digest *d, struct loci_error *err)
{
	struct loci__key tag_of = loci__key_of_repo_digest(repo, d);
	loci__key_text(&tag_of, tag);
	struct loci__key k = loci__key_of_repo_text(repo, tag);
	int rc = del_row(t, LOCI_INDEX_TAG_OF, tag_of, err);
	if (rc == 0)
		rc = loci__txn_del(t, LOCI_INDEX_TAG, &k, err);
	if (rc == LOCI_E_NOT_FOUND)
		return 0;
	struct loci__usage_change c = {.tags = -1};
	return rc < 0 ? rc : loci__usage_change(t, repo, &c, err);
}

int loci__tag_remove(struct loci__txn *t, const char *repo, const char *tag,
                     const struct loci_digest *d, struct loci_error *err)
{
	int rc = del_tag_rows(t, repo, tag, d, err);
	if (rc == 0)
		rc = loci__pulled_note_untagged(t, repo, d, err);
	if (rc < 0)
		return rc;
	const struct loci_event e = {
	        .type = LOCI_EVENT_TAG_DELETE,
	        .repo = repo,
	        .digest = *d,
	        .tags = &tag,
	        .n_tags = 1,
	};
	return loci__event_add(t, &e, err);
}

static int del_tags_of(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                       struct loci_error *err)
{
	struct loci__key prefix = loci__key_of_repo_digest(repo, d);
	for (;;) {
		struct first_tag f = {.prefix = &prefix};
		int rc = loci__txn_scan(t, LOCI_INDEX_TAG_OF, &prefix, take_first_tag, &f, err);
		if (rc < 0 || !f.found)
			return rc;
		rc = del_tag_rows(t, repo, f.tag, d, err);
		if (rc < 0)
			return rc;
	}
}

static int uncount_member(struct loci__txn *t, const char *repo, size_t bytes,
                          struct loci_error *err)
{
	struct loci__usage_change c = {.bytes = -(int64_t)bytes, .manifests = -1};
	struct loci__key k = {0};
	uint64_t n = 0;
	loci__key_text(&k, repo);
	int rc = loci__usage_change(t, repo, &c, err);
	if (rc == 0)
		rc = loci__txn_get_u64(t, LOCI_INDEX_REPO, &k, &n, err);
	if (rc < 0)
		return rc == LOCI_E_NOT_FOUND ? 0 : rc;
	return n > 1 ? loci__txn_put_u64(t, LOCI_INDEX_REPO, &k, n - 1, err)
	             : loci__txn_del(t, LOCI_INDEX_REPO, &k, err);
}

/* What is told of a manifest that goes, copied out: rows move with the first write. */
struct removed {
	size_t bytes;
	char media_type[LOCI_MEDIA_TYPE_MAX + 1];
};

static int read_removed(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                        struct loci__manifest_row *ret_row, struct removed *ret,
                        struct loci_error *err)
{
	struct loci__member_row member;
	int rc = loci__member_row_get(t, repo, d, &member, err);
	if (rc < 0)
		return rc;
	rc = loci__manifest_row_get(t, d, ret_row, err);
	if (rc == LOCI_E_NOT_FOUND) /* a scrub put it aside: the membership and the tags go */
		*ret_row = (struct loci__manifest_row){.media_type = {"", 0}};
	else if (rc < 0)
		return rc;
	ret->bytes = ret_row->bytes.n;
	if (!loci__slice_copy(member.media_type.n ? member.media_type : ret_row->media_type,
	                      ret->media_type, sizeof(ret->media_type)))
		ret->media_type[0] = '\0';
	return 0;
}

static int tell_removed(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                        const struct removed *r, struct loci_error *err)
{
	const struct loci_event e = {
	        .type = LOCI_EVENT_MANIFEST_DELETE,
	        .repo = repo,
	        .digest = *d,
	        .size = r->bytes,
	        .media_type = r->media_type,
	};
	return loci__event_add(t, &e, err);
}

int loci__member_remove(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                        struct loci_error *err)
{
	struct loci__manifest_row row;
	struct removed removed;
	struct loci__key member = loci__key_of_repo_digest(repo, d);
	int rc = read_removed(t, repo, d, &row, &removed, err);
	if (rc == 0 && row.subject.alg) {
		struct loci__key referrer = loci__key_of_repo_digest(repo, &row.subject);
		loci__key_digest(&referrer, d);
		rc = del_row(t, LOCI_INDEX_REFERRER, referrer, err);
	}
	if (rc == 0)
		rc = del_tags_of(t, repo, d, err);
	if (rc == 0)
		rc = del_row(t, LOCI_INDEX_HOLDER, loci__key_of_holder(d, LOCI_HOLDER_MEMBER, repo),
		             err);
	if (rc == 0)
		rc = loci__pulled_row_del(t, repo, d, err);
	if (rc == 0)
		rc = del_row(t, LOCI_INDEX_MEMBER, member, err);
	if (rc == 0)
		rc = uncount_member(t, repo, removed.bytes, err);
	return rc == 0 ? tell_removed(t, repo, d, &removed, err) : rc;
}

/* ---- tags that keep their manifest ----------------------------------------------------------- */

struct kept_tag {
	const struct loci__key *prefix;
	struct loci_tag_keeper *keeper;
	bool found;
};

static int ask_keeper(void *arg, struct loci_slice key, struct loci_slice val)
{
	struct kept_tag *k = arg;
	(void)val;
	if (key.n <= k->prefix->n || memcmp(key.p, k->prefix->b, k->prefix->n) != 0)
		return 1;
	const struct loci_slice tag = {key.p + k->prefix->n, key.n - k->prefix->n};
	k->found = loci__slice_copy(tag, k->keeper->kept, sizeof(k->keeper->kept)) &&
	           k->keeper->keeps(k->keeper->arg, k->keeper->kept);
	return k->found;
}

static int check_kept(struct loci__txn *t, const struct del_op *o, struct loci_error *err)
{
	struct loci__key prefix = loci__key_of_repo_digest(o->repo, o->digest);
	struct kept_tag k = {.prefix = &prefix, .keeper = o->keeper};
	if (!o->keeper)
		return 0;
	int rc = loci__txn_scan(t, LOCI_INDEX_TAG_OF, &prefix, ask_keeper, &k, err);
	if (rc < 0 || !k.found)
		return rc;
	return loci__err_set(err, LOCI_E_DENIED, "tag '%s' is immutable and stands for it",
	                     o->keeper->kept);
}

static int manifest_del_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	const struct del_op *o = arg;
	int rc = check_kept(t, o, err);
	if (rc < 0)
		return rc;
	rc = loci__member_remove(t, o->repo, o->digest, err);
	if (rc == LOCI_E_NOT_FOUND)
		return loci__err_not_found(t, o->repo, "manifest", loci__digest_text(o->digest).s,
		                           err);
	return rc;
}

int loci_manifest_delete(struct loci_store *st, const char *repo, const struct loci_digest *d,
                         struct loci_error *err)
{
	return loci_manifest_delete_unless(st, repo, d, /* keeper= */ NULL, err);
}

int loci_manifest_delete_unless(struct loci_store *st, const char *repo,
                                const struct loci_digest *d, struct loci_tag_keeper *keeper,
                                struct loci_error *err)
{
	struct del_op o = {.repo = repo, .digest = d, .keeper = keeper};
	int rc = loci__store_check(st, err);
	if (rc == 0)
		rc = loci__check_repo(repo, err);
	if (rc == 0)
		rc = loci__check_digest(d, err);
	return rc < 0 ? rc : loci__store_write(st, manifest_del_op, &o, err);
}

static int tag_del_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	const struct del_op *o = arg;
	struct loci_digest d;
	int rc = resolve_tag(t, o->repo, o->tag, &d, err);
	return rc < 0 ? rc : loci__tag_remove(t, o->repo, o->tag, &d, err);
}

int loci_tag_delete(struct loci_store *st, const char *repo, const char *tag,
                    struct loci_error *err)
{
	struct del_op o = {.repo = repo, .tag = tag};
	int rc = loci__store_check(st, err);
	if (rc == 0)
		rc = loci__check_repo(repo, err);
	if (rc == 0)
		rc = loci__check_tag(tag, err);
	return rc < 0 ? rc : loci__store_write(st, tag_del_op, &o, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Visible blobs: a row says that the blob is there, a link row that a repository has it. The row is
 * written after the file is on disk, so that a reader trusts the index; only a blob that was
 * written without syncs (durability=relaxed) is looked at before it is promised, because a power
 * cut may have shortened its file, and one found short counts as absent until it is sent again.
 */
#include "core/store/event.h"
#include "core/store/store.h"

#include "core/base/err.h"
#include "core/store/link_row.h"
#include "core/store/quota.h"
#include "core/store/usage.h"

#include <string.h>
#include <unistd.h>

/* ---- rows ------------------------------------------------------------------------------------ */

int loci__blob_row_get(struct loci__txn *t, const struct loci_digest *d, struct loci__blob_row *ret,
                       struct loci_error *err)
{
	struct loci__key k = loci__key_of_digest(d);
	struct loci_slice val;
	int rc = loci__txn_get(t, LOCI_INDEX_BLOB, &k, &val, err);
	if (rc < 0)
		return rc;
	if (!loci__take_u64le(&val, &ret->size) || !loci__take_u64le(&val, &ret->time) ||
	    !loci__take_u64le(&val, &ret->flags))
		return loci__err_set(err, LOCI_E_INTERNAL, "index: the row of blob %s is damaged",
		                     loci__digest_text(d).s);
	return 0;
}

int loci__blob_row_put(struct loci__txn *t, const struct loci_digest *d,
                       const struct loci__blob_row *row, struct loci_error *err)
{
	struct loci__key k = loci__key_of_digest(d);
	char b[24];
	loci__put_u64le(b, row->size);
	loci__put_u64le(b + 8, row->time);
	loci__put_u64le(b + 16, row->flags);
	return loci__txn_put(t, LOCI_INDEX_BLOB, &k, (struct loci_slice){b, sizeof(b)}, err);
}

struct loci__key loci__key_of_holder(const struct loci_digest *d, enum loci__holder kind,
                                     const char *repo)
{
	struct loci__key k = loci__key_of_digest(d);
	char c = (char)kind;
	loci__key_bytes(&k, &c, 1);
	loci__key_text(&k, repo);
	return k;
}

/* sign: 1 it comes, -1 it goes. A blob that is linked has a row. */
static int count_link(struct loci__txn *t, const char *repo, const struct loci_digest *d, int sign,
                      struct loci_error *err)
{
	struct loci__blob_row row = {0};
	int rc = loci__blob_row_get(t, d, &row, err);
	if (rc < 0 && rc != LOCI_E_NOT_FOUND)
		return rc;
	struct loci__usage_change c = {.bytes = sign * (int64_t)row.size, .blobs = sign};
	return loci__usage_change(t, repo, &c, err);
}

static int write_link(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                      struct loci_error *err)
{
	struct loci__key link = loci__key_of_repo_digest(repo, d);
	struct loci__key holder = loci__key_of_holder(d, LOCI_HOLDER_LINK, repo);
	int rc = loci__txn_has(t, LOCI_INDEX_LINK, &link, err);
	if (rc == LOCI_E_NOT_FOUND)
		rc = count_link(t, repo, d, 1, err);
	if (rc == 0)
		rc = loci__link_row_put(t, repo, d, err);
	return rc < 0 ? rc
	              : loci__txn_put(t, LOCI_INDEX_HOLDER, &holder, (struct loci_slice){"", 0},
	                              err);
}

int loci__blob_link(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                    uint64_t lease_until, struct loci_error *err)
{
	int rc = repo ? write_link(t, repo, d, err) : 0;
	return rc < 0 ? rc : loci__lease_put(t, d, lease_until, err);
}

int loci__blob_file(struct loci_store *st, const struct loci_digest *d,
                    const struct loci__blob_row *row, int *ret_fd, struct loci_error *err)
{
	struct loci_blobs *b = st->sh->blobs;
	uint64_t size;
	int fd = -1;
	int rc = b->ops->open(b, d, ret_fd ? &fd : NULL, &size, err);
	if (rc == LOCI_E_NOT_FOUND || (rc == 0 && size != row->size)) {
		if (fd >= 0)
			close(fd);
		return loci__err_set(err, LOCI_E_NOT_FOUND, "blob %s: its file is damaged or gone",
		                     loci__digest_text(d).s);
	}
	if (rc == 0 && ret_fd)
		*ret_fd = fd;
	return rc;
}

/* ---- reading --------------------------------------------------------------------------------- */

static int check_args(struct loci_store *st, const char *repo, const struct loci_digest *d,
                      struct loci_error *err)
{
	int rc = loci__store_check(st, err);
	if (rc == 0 && repo)
		rc = loci__check_repo(repo, err);
	return rc == 0 ? loci__check_digest(d, err) : rc;
}

/* What garbage collection has condemned is not found: in a repository its link says so, in the
 * whole store the mark in the lease's place. */
static int find(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                struct loci__blob_row *ret, struct loci__lease *ret_lease, struct loci_error *err)
{
	int rc = repo ? loci__link_find(t, repo, d, err) : 0;
	if (rc == 0)
		rc = loci__blob_row_get(t, d, ret, err);
	if (rc == 0)
		rc = loci__lease_get(t, d, ret_lease, err);
	if (rc == 0 && !repo && ret_lease->condemned)
		rc = LOCI_E_NOT_FOUND;
	if (rc == LOCI_E_NOT_FOUND)
		return loci__err_set(err, rc, "blob %s is not in %s%s%s", loci__digest_text(d).s,
		                     repo ? "repository '" : "the store", repo ? repo : "",
		                     repo ? "'" : "");
	return rc;
}

static int look_up(struct loci_store *st, const char *repo, const struct loci_digest *d,
                   struct loci__blob_row *ret, struct loci__lease *ret_lease,
                   struct loci_error *err)
{
	loci__cleanup_read struct loci__txn t = {0};
	int rc = check_args(st, repo, d, err);
	if (rc == 0)
		rc = loci__read_begin(st->sh->index, &t, err);
	return rc == 0 ? find(&t, repo, d, ret, ret_lease, err) : rc;
}

int loci_blob_stat(struct loci_store *st, const char *repo, const struct loci_digest *d,
                   uint64_t *ret_size, struct loci_error *err)
{
	struct loci__blob_row row;
	struct loci__lease lease;
	int rc = look_up(st, repo, d, &row, &lease, err);
	if (rc == 0 && row.flags & LOCI_BLOB_UNSYNCED)
		rc = loci__blob_file(st, d, &row, /* ret_fd= */ NULL, err);
	if (rc == 0)
		rc = loci__lease_renew(st, d, lease.until, err);
	if (rc == 0)
		*ret_size = row.size;
	return rc;
}

int loci_blob_open(struct loci_store *st, const char *repo, const struct loci_digest *d,
                   int *ret_fd, uint64_t *ret_size, struct loci_error *err)
{
	struct loci__blob_row row;
	struct loci__lease lease;
	int rc = look_up(st, repo, d, &row, &lease, err);
	if (rc == 0)
		rc = loci__blob_file(st, d, &row, ret_fd, err);
	if (rc == 0 && ret_size)
		*ret_size = row.size;
	return rc;
}

/* ---- linking --------------------------------------------------------------------------------- */

struct blob_op {
	const char *from;
	const char *repo;
	const struct loci_digest *digest;
	uint64_t lease_until;
};

static int mount_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	const struct blob_op *o = arg;
	struct loci__blob_row row;
	struct loci__lease lease;
	int rc = find(t, o->from, o->digest, &row, &lease, err);
	if (rc == 0)
		rc = loci__quota_check_blob(t, o->repo, o->digest, row.size, err);
	if (rc == 0)
		rc = loci__blob_link(t, o->repo, o->digest, o->lease_until, err);
	if (rc < 0)
		return rc;
	const struct loci_event e = {
	        .type = LOCI_EVENT_BLOB_MOUNT,
	        .repo = o->repo,
	        .digest = *o->digest,
	        .size = row.size,
	        .from_repo = o->from,
	};
	return loci__event_add(t, &e, err);
}

int loci_blob_mount(struct loci_store *st, const char *from_repo, const char *to_repo,
                    const struct loci_digest *d, struct loci_error *err)
{
	struct loci__blob_row row;
	struct loci__lease lease;
	int rc = loci__check_repo(to_repo, err);
	/* Most mounts that fail do so here, without a turn in the writer's queue. */
	if (rc == 0)
		rc = look_up(st, from_repo, d, &row, &lease, err);
	if (rc == 0 && row.flags & LOCI_BLOB_UNSYNCED)
		rc = loci__blob_file(st, d, &row, /* ret_fd= */ NULL, err);
	if (rc < 0)
		return rc;
	struct blob_op o = {from_repo, to_repo, d, loci__lease_until(st)};
	return loci__store_write(st, mount_op, &o, err);
}

int loci__blob_unlink(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                      struct loci_error *err)
{
	struct loci__key k = loci__key_of_repo_digest(repo, d);
	int rc = loci__txn_del(t, LOCI_INDEX_LINK, &k, err);
	if (rc < 0)
		return rc;
	struct loci__key holder = loci__key_of_holder(d, LOCI_HOLDER_LINK, repo);
	rc = loci__txn_del(t, LOCI_INDEX_HOLDER, &holder, err);
	if (rc == 0 || rc == LOCI_E_NOT_FOUND)
		rc = count_link(t, repo, d, -1, err);
	const struct loci_event e = {.type = LOCI_EVENT_BLOB_DELETE, .repo = repo, .digest = *d};
	return rc < 0 ? rc : loci__event_add(t, &e, err);
}

static int unlink_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	const struct blob_op *o = arg;
	int rc = loci__blob_unlink(t, o->repo, o->digest, err);
	if (rc == LOCI_E_NOT_FOUND)
		return loci__err_set(err, rc, "blob %s is not in repository '%s'",
		                     loci__digest_text(o->digest).s, o->repo);
	return rc;
}

/* Of no repository: only its lease ends, so that nothing keeps it but those who hold it. */
static int unlease_op(struct loci__txn *t, void *arg, struct loci_error *err)
{
	const struct blob_op *o = arg;
	struct loci__blob_row row;
	struct loci__lease lease;
	int rc = find(t, /* repo= */ NULL, o->digest, &row, &lease, err);
	if (rc < 0)
		return rc;
	struct loci__key k = loci__key_of_digest(o->digest);
	rc = loci__txn_del(t, LOCI_INDEX_LEASE, &k, err);
	return rc == LOCI_E_NOT_FOUND ? 0 : rc;
}

int loci_blob_delete(struct loci_store *st, const char *repo, const struct loci_digest *d,
                     struct loci_error *err)
{
	int rc = check_args(st, repo, d, err);
	if (rc < 0)
		return rc;
	struct blob_op o = {.repo = repo, .digest = d};
	return loci__store_write(st, repo ? unlink_op : unlease_op, &o, err);
}

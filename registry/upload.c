/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blob uploads (spec.md "Pushing blobs" to "Mounting a blob from another repository"): the
 * requests. A session is held from here to the end of the body by upload_sink.c.
 */
#include "registry/upload.h"

#include "core/base/err.h"
#include "loci/quota.h"
#include "registry/handlers.h"
#include "registry/problem.h"

#include <inttypes.h>
#include <string.h>

static void fail(const struct loci__rq *rq, struct loci__rs *rs, const struct loci_error *err)
{
	loci__problem(rq, rs, LOCI_ABOUT_UPLOAD, err, rq->reference[0] ? rq->reference : rq->name);
}

/* Of a new session. BUSY: the store has as many, or as much in them, as it may. */
static void fail_begin(const struct loci__rq *rq, struct loci__rs *rs, const struct loci_error *err)
{
	int about = err->code == LOCI_E_BUSY ? LOCI_ABOUT_ROOM : LOCI_ABOUT_UPLOAD;
	loci__problem(rq, rs, about, err, rq->name);
}

/* Of taking up a session: what is no id of ours is as good as unknown. */
static void fail_session(const struct loci__rq *rq, struct loci__rs *rs, struct loci_error *err)
{
	if (err->code == LOCI_E_INVALID)
		err->code = LOCI_E_NOT_FOUND;
	fail(rq, rs, err);
}

/* Beyond a quota nothing may come but what the repository has. */
static bool check_quota(const struct loci__rq *rq, uint64_t bytes, const struct loci_digest *d,
                        struct loci__rs *rs)
{
	struct loci_error err;
	uint64_t size;
	if (loci_quota_check(rq->reg->store, rq->name, bytes, &err) == 0 ||
	    (d->alg && loci_blob_stat(rq->reg->store, rq->name, d, &size, NULL) == 0))
		return true;
	fail(rq, rs, &err);
	return false;
}

/* Refuses a body that cannot fit before it is sent. d: what it becomes; alg 0: nobody knows. */
static bool check_size(const struct loci__rq *rq, uint64_t offset, const struct loci_digest *d,
                       struct loci__rs *rs)
{
	struct loci_error err;
	uint64_t max = rq->reg->max_upload_size;
	uint64_t n = rq->http->body_length;
	if (n == LOCI_BODY_UNKNOWN)
		return true;
	if (offset <= max && n <= max - offset)
		return check_quota(rq, offset + n, d, rs);
	loci__err_set(&err, LOCI_E_TOO_LARGE, "upload: blob is larger than %" PRIu64 " bytes", max);
	fail(rq, rs, &err);
	return false;
}

/* The rest is the sink's: at once when there is no body. */
static void receive(const struct loci__rq *rq, struct loci_upload *take_up,
                    const struct loci__upload_sink_opts *o, struct loci__rs *rs)
{
	struct loci_http_sink *sink = loci__upload_sink_new(rq, take_up, o, rs);
	if (!sink)
		return;
	if (rq->http->body_length == 0)
		loci_http_sink_finish(sink, &rs->http);
	else
		loci__rs_sink_take(rs, sink);
}

/* ---- POST: a new session, a whole blob, a mount ------------------------------------------- */

/* end-4b. The session's id is never told, so that only a whole blob can come of it. */
static void post_whole(const struct loci__rq *rq, const char *digest, struct loci__rs *rs)
{
	struct loci__upload_sink_opts o = {.expected = rq->http->body_length,
	                                   .discard_on_abort = true};
	struct loci_upload *up;
	struct loci_error err;
	if (!loci__rq_parse_digest(rq, digest, &o.digest, rs) || !check_size(rq, 0, &o.digest, rs))
		return;
	if (loci_upload_begin(rq->reg->store, rq->name, o.digest.alg, &up, &err) < 0)
		fail_begin(rq, rs, &err);
	else
		receive(rq, up, &o, rs);
}

/* end-4a, end-4c */
static void post_session(const struct loci__rq *rq, int alg, struct loci__rs *rs)
{
	struct loci_upload *up;
	struct loci_error err;
	if (loci_upload_begin(rq->reg->store, rq->name, alg, &up, &err) < 0) {
		fail_begin(rq, rs, &err);
		return;
	}
	rs->http.status = 202;
	loci__upload_describe(rs, rq->name, loci_upload_id(up), 0);
	loci_upload_close(up, /* discard= */ false);
}

/* Repositories that are asked whether the client may read them; beyond that, it sends the blob. */
#define MOUNT_SOURCES_MAX 256

static bool may_read(const struct loci__rq *rq, const char *repo)
{
	return !rq->reg->may_read || rq->reg->may_read(rq->reg->may_read_arg, rq->http, repo);
}

struct source {
	const struct loci__rq *rq;
	unsigned n_asked;
	char name[LOCI_REPO_MAX + 1];
};

static int pick_source(void *arg, const char *repo)
{
	struct source *source = arg;
	if (source->n_asked++ == MOUNT_SOURCES_MAX)
		return 1;
	if (!may_read(source->rq, repo))
		return 0;
	memcpy(source->name, repo, strlen(repo) + 1);
	return 1;
}

/* A blob of any repository, as far as its client may know of it. One of no repository is nobody's
 * to mount: it was pulled for this machine, or deleted. */
static int mount_from_anywhere(const struct loci__rq *rq, const struct loci_digest *d,
                               struct loci_error *err)
{
	struct source source = {.rq = rq};
	int r = loci_blob_repo_foreach(rq->reg->store, d, /* after= */ NULL, pick_source, &source,
	                               err);
	if (r < 0 && r != LOCI_E_CALLBACK)
		return r;
	if (!source.name[0])
		return loci__err_set(err, LOCI_E_NOT_FOUND, "mount: no repository to take it from");
	return loci_blob_mount(rq->reg->store, source.name, rq->name, d, err);
}

/* end-11. True: answered, be it by an error. False: cannot be mounted, a session is the answer. */
static bool post_mount(const struct loci__rq *rq, const char *digest, const char *from,
                       struct loci__rs *rs)
{
	struct loci_digest d;
	struct loci_error err;
	if (!loci__rq_parse_digest(rq, digest, &d, rs))
		return true;
	/* No word on why: one that may not be read looks like one that is not there. */
	if (from && (!loci_repo_is_valid(from, strlen(from)) || !may_read(rq, from)))
		return false;
	int r = from ? loci_blob_mount(rq->reg->store, from, rq->name, &d, &err)
	             : mount_from_anywhere(rq, &d, &err);
	if (r == LOCI_E_NOT_FOUND)
		return false;
	if (r < 0) {
		loci__problem(rq, rs, LOCI_ABOUT_BLOB, &err, digest);
		return true;
	}
	rs->http.status = 201;
	loci__rs_header(rs, "location", "/v2/%s/blobs/%s", rq->name, digest);
	loci__rs_digest(rs, "docker-content-digest", &d);
	return true;
}

static bool pick_algorithm(const struct loci__rq *rq, const char *name, int *ret,
                           struct loci__rs *rs)
{
	struct loci_error err;
	*ret = name ? loci_digest_alg_parse(name, strlen(name)) : LOCI_SHA256;
	if (*ret)
		return true;
	loci__err_set(&err, LOCI_E_UNSUPPORTED,
	              "digest-algorithm: not built in, expected sha256 or sha512");
	loci__problem(rq, rs, LOCI_ABOUT_DIGEST, &err, name);
	return false;
}

void loci__handle_upload_post(struct loci__rq *rq, struct loci__rs *rs)
{
	const char *mount, *from, *digest, *algorithm;
	int alg;
	if (!loci__rq_param(rq, "mount", &mount, rs) || !loci__rq_param(rq, "from", &from, rs) ||
	    !loci__rq_param(rq, "digest", &digest, rs) ||
	    !loci__rq_param(rq, "digest-algorithm", &algorithm, rs) ||
	    !pick_algorithm(rq, algorithm, &alg, rs))
		return;
	if (mount && post_mount(rq, mount, from, rs))
		return;
	if (digest)
		post_whole(rq, digest, rs);
	else
		post_session(rq, alg, rs);
}

/* ---- PATCH and PUT: bytes into a session -------------------------------------------------- */

static void refuse_offset(const struct loci__rq *rq, uint64_t offset, uint64_t first,
                          struct loci__rs *rs)
{
	struct loci_error err;
	loci__err_set(&err, LOCI_E_RANGE, "upload: chunk begins at %" PRIu64 ", expected %" PRIu64,
	              first, offset);
	fail(rq, rs, &err);
	loci__upload_describe(rs, rq->name, rq->reference, offset);
}

/* Content-Range against what is there and what the body brings; sets how much must come. */
static bool check_chunk(const struct loci__rq *rq, uint64_t offset, uint64_t *ret_expected,
                        struct loci__rs *rs)
{
	const char *value = loci__rq_header(rq, "content-range", 0);
	struct loci__range range;
	struct loci_error err;
	*ret_expected = rq->http->body_length;
	/* No bytes, no order to break: clients close a session with an empty PUT that names its
	 * end ("100-100") or the whole. */
	if (!value || *ret_expected == 0)
		return true;
	if (!loci__content_range_parse(value, &range)) {
		loci__err_set(&err, LOCI_E_INVALID,
		              "content-range: expected <first>-<last>, both inclusive");
		fail(rq, rs, &err);
		return false;
	}
	if (range.first != offset) {
		refuse_offset(rq, offset, range.first, rs);
		return false;
	}
	uint64_t length = range.last - range.first + 1;
	if (*ret_expected != LOCI_BODY_UNKNOWN && *ret_expected != length) {
		loci__err_set(&err, LOCI_E_SIZE_MISMATCH,
		              "content-range: %" PRIu64 " bytes, but the body has %" PRIu64, length,
		              *ret_expected);
		fail(rq, rs, &err);
		return false;
	}
	*ret_expected = length;
	return true;
}

static void resume(const struct loci__rq *rq, struct loci__upload_sink_opts *o, struct loci__rs *rs)
{
	struct loci_upload *up;
	struct loci_error err;
	if (loci_upload_resume(rq->reg->store, rq->name, rq->reference, &up, &err) < 0) {
		fail_session(rq, rs, &err);
		return;
	}
	uint64_t offset = loci_upload_offset(up);
	if (check_chunk(rq, offset, &o->expected, rs) && check_size(rq, offset, &o->digest, rs))
		receive(rq, up, o, rs);
	else
		loci_upload_close(up, /* discard= */ false);
}

void loci__handle_upload_patch(struct loci__rq *rq, struct loci__rs *rs)
{
	struct loci__upload_sink_opts o = {0};
	resume(rq, &o, rs);
}

void loci__handle_upload_put(struct loci__rq *rq, struct loci__rs *rs)
{
	struct loci__upload_sink_opts o = {0};
	const char *digest;
	if (!loci__rq_param(rq, "digest", &digest, rs) ||
	    !loci__rq_parse_digest(rq, digest ? digest : "", &o.digest, rs))
		return;
	resume(rq, &o, rs);
}

/* ---- GET and DELETE ----------------------------------------------------------------------- */

void loci__handle_upload_get(struct loci__rq *rq, struct loci__rs *rs)
{
	uint64_t offset;
	struct loci_error err;
	if (loci_upload_stat(rq->reg->store, rq->name, rq->reference, &offset, &err) < 0) {
		fail_session(rq, rs, &err);
		return;
	}
	rs->http.status = 204;
	loci__upload_describe(rs, rq->name, rq->reference, offset);
}

void loci__handle_upload_delete(struct loci__rq *rq, struct loci__rs *rs)
{
	struct loci_upload *up;
	struct loci_error err;
	if (loci_upload_resume(rq->reg->store, rq->name, rq->reference, &up, &err) < 0) {
		fail_session(rq, rs, &err);
		return;
	}
	loci_upload_close(up, /* discard= */ true);
	rs->http.status = 204;
}

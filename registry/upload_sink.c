/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/upload.h"

#include "core/base/err.h"
#include "loci/quota.h"
#include "registry/problem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct upload_sink {
	struct loci_http_sink base;
	const struct loci_registry *reg;
	struct loci_upload *up;
	struct loci__upload_sink_opts o;
	uint64_t received;
	uint64_t room; /* bytes that the blob may have by the quotas, as last looked at */
	char repo[LOCI_REPO_MAX + 1];
	char id[LOCI_UPLOAD_ID_MAX];
};

void loci__upload_describe(struct loci__rs *rs, const char *repo, const char *id, uint64_t offset)
{
	/* Relative: right behind any proxy, and what every client resolves. */
	loci__rs_header(rs, "location", "/v2/%s/blobs/uploads/%s", repo, id);
	/* Inclusive, so that nothing cannot be said; "0-0" is what clients take for it. */
	loci__rs_header(rs, "range", "0-%" PRIu64, offset ? offset - 1 : 0);
	loci__rs_header(rs, "docker-upload-uuid", "%s", id);
}

static void sink_free(struct upload_sink *s, bool discard)
{
	loci_upload_close(s->up, discard);
	free(s);
}

static int fail(struct upload_sink *s, struct loci__rs *rs, const struct loci_error *err)
{
	/* The session is held: BUSY can only be the limit of what all of them hold. */
	int about = err->code == LOCI_E_BUSY ? LOCI_ABOUT_ROOM : LOCI_ABOUT_UPLOAD;
	loci__problem_late(s->reg, rs, about, err, s->id);
	return err->code;
}

/* Whether the blob may grow to so many bytes; what does not fit is forgotten, so that it does not
 * lie there beyond the quota. */
static int check_room(struct upload_sink *s, uint64_t bytes, struct loci_error *err)
{
	uint64_t size;
	if (bytes <= s->room)
		return 0;
	int rc = loci_quota_check(s->reg->store, s->repo, bytes, err);
	if (rc < 0 && s->o.digest.alg &&
	    loci_blob_stat(s->reg->store, s->repo, &s->o.digest, &size, NULL) == 0) {
		s->room = UINT64_MAX; /* it is there: nothing comes of it */
		return 0;
	}
	if (rc == 0)
		rc = loci_quota_room(s->reg->store, s->repo, &s->room, err);
	s->o.discard_on_abort |= rc == LOCI_E_DENIED;
	return rc;
}

static int upload_write(struct loci_http_sink *sink, const void *p, size_t n, struct loci__rs *rs)
{
	struct upload_sink *s = (struct upload_sink *)sink;
	struct loci_error err;
	uint64_t offset = loci_upload_offset(s->up);
	if (n > s->o.expected - s->received) {
		loci__err_set(&err, LOCI_E_SIZE_MISMATCH,
		              "upload: body is longer than the %" PRIu64 " bytes announced",
		              s->o.expected);
		return fail(s, rs, &err);
	}
	if (offset > s->reg->max_upload_size || n > s->reg->max_upload_size - offset) {
		loci__err_set(&err, LOCI_E_TOO_LARGE,
		              "upload: blob is larger than %" PRIu64 " bytes",
		              s->reg->max_upload_size);
		return fail(s, rs, &err);
	}
	if (check_room(s, offset + n, &err) < 0 || loci_upload_write(s->up, p, n, &err) < 0)
		return fail(s, rs, &err);
	s->received += n;
	return 0;
}

/* A commit that failed leaves its session to be resumed; one that nobody knows would stay for
 * ever. */
static void forget_session(const struct upload_sink *s)
{
	struct loci_upload *up;
	if (loci_upload_resume(s->reg->store, s->repo, s->id, &up, /* err= */ NULL) == 0)
		loci_upload_close(up, /* discard= */ true);
}

static void commit(struct upload_sink *s, struct loci__rs *rs)
{
	char digest[LOCI_DIGEST_STR_MAX];
	struct loci_error err;
	loci_digest_format(&s->o.digest, digest);
	int r = loci_upload_commit(s->up, &s->o.digest, &err);
	s->up = NULL; /* gone in every case */
	if (r < 0) {
		if (s->o.discard_on_abort || r == LOCI_E_DENIED)
			forget_session(s);
		loci__problem_late(s->reg, rs, LOCI_ABOUT_UPLOAD, &err, digest);
		return;
	}
	loci__rs_reset(rs, 201);
	loci__rs_header(rs, "location", "/v2/%s/blobs/%s", s->repo, digest);
	loci__rs_header(rs, "docker-content-digest", "%s", digest);
}

static void upload_finish(struct loci_http_sink *sink, struct loci__rs *rs)
{
	struct upload_sink *s = (struct upload_sink *)sink;
	struct loci_error err;
	if (s->o.expected != UINT64_MAX && s->received != s->o.expected) {
		loci__err_set(&err, LOCI_E_SIZE_MISMATCH,
		              "upload: body has %" PRIu64 " of the %" PRIu64 " bytes announced",
		              s->received, s->o.expected);
		fail(s, rs, &err);
	} else if (s->o.digest.alg) {
		commit(s, rs);
	} else {
		loci__rs_reset(rs, 202);
		loci__upload_describe(rs, s->repo, s->id, loci_upload_offset(s->up));
	}
	sink_free(s, s->o.discard_on_abort);
}

static void upload_abort(struct loci_http_sink *sink)
{
	struct upload_sink *s = (struct upload_sink *)sink;
	sink_free(s, s->o.discard_on_abort);
}

static const struct loci__sink_kind upload_kind = {upload_write, upload_finish, upload_abort};

struct loci_http_sink *loci__upload_sink_new(const struct loci__rq *rq, struct loci_upload *take_up,
                                             const struct loci__upload_sink_opts *o,
                                             struct loci__rs *rs)
{
	struct upload_sink *s = calloc(1, sizeof(*s));
	if (!s) {
		struct loci_error err;
		loci__err_nomem(&err);
		loci__problem(rq, rs, LOCI_ABOUT_UPLOAD, &err, loci_upload_id(take_up));
		loci_upload_close(take_up, o->discard_on_abort);
		return NULL;
	}
	s->base.kind = &upload_kind;
	s->reg = rq->reg;
	s->up = take_up;
	s->o = *o;
	memcpy(s->repo, rq->name, sizeof(s->repo));
	if (loci_quota_room(rq->reg->store, rq->name, &s->room, /* err= */ NULL) < 0)
		s->room = 0; /* then it is looked at with the first bytes */
	snprintf(s->id, sizeof(s->id), "%s", loci_upload_id(take_up));
	return &s->base;
}

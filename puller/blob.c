/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body goes from libcurl's callback straight into the upload session, which hashes and writes
 * it: no copy, no queue. A slow disk then slows the connection down, which is the back-pressure
 * that is wanted.
 */
#include "puller/blob.h"

#include "core/base/cleanup.h"
#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/base/logger.h"
#include "puller/note.h"

#include <string.h>

struct fetch {
	const struct loci_blob_fetch *f;
	struct loci_upload *up;
	uint64_t skip; /* bytes of a 200 that the session already has */
	bool resumed;  /* the session holds bytes of an earlier response */
	bool started_over;
	uint64_t at_break; /* offset when the transfer last broke */
	char digest[LOCI_DIGEST_STR_MAX];
};

int loci__blob_is_present(struct loci_store *st, const struct loci_descriptor *desc,
                          struct loci_error *err)
{
	char digest[LOCI_DIGEST_STR_MAX];
	uint64_t size;
	int rc = loci_blob_stat(st, /* repo= */ NULL, &desc->digest, &size, err);
	if (rc == LOCI_E_NOT_FOUND)
		return 0;
	if (rc < 0)
		return rc;
	if (size == desc->size)
		return 1;
	loci_digest_format(&desc->digest, digest);
	return loci__err_set(err, LOCI_E_SIZE_MISMATCH,
	                     "blob %s: descriptor says %llu bytes, the blob has %llu", digest,
	                     (unsigned long long)desc->size, (unsigned long long)size);
}

/* ---- the session ---- */

static void show_progress(struct fetch *x)
{
	atomic_store_explicit(x->f->done, loci_upload_offset(x->up), memory_order_relaxed);
}

static int session_begin(struct fetch *x, struct loci_error *err)
{
	const struct loci_descriptor *desc = x->f->desc;
	int rc = loci_upload_begin(x->f->store, /* repo= */ NULL, desc->digest.alg, &x->up, err);
	if (rc < 0)
		return rc;
	x->resumed = false;
	show_progress(x);
	rc = loci__note_write(x->f->notes_fd, &desc->digest, loci_upload_id(x->up), err);
	return rc < 0 ? loci__err_prefix(err, rc, "note the upload session") : 0;
}

/* The session that an earlier process left, or a new one. */
static int session_open(struct fetch *x, struct loci_error *err)
{
	const struct loci_descriptor *desc = x->f->desc;
	char id[LOCI_UPLOAD_ID_MAX];
	struct loci_error why;
	if (!loci__note_read(x->f->notes_fd, &desc->digest, id) ||
	    loci_upload_resume(x->f->store, /* repo= */ NULL, id, &x->up, &why) < 0) {
		x->up = NULL;
		return session_begin(x, err);
	}
	if (loci_upload_offset(x->up) > desc->size) {
		loci_upload_close(loci__steal_ptr(&x->up), /* discard= */ true);
		return session_begin(x, err);
	}
	x->resumed = loci_upload_offset(x->up) > 0;
	show_progress(x);
	return 0;
}

static void session_forget(struct fetch *x)
{
	loci_upload_close(loci__steal_ptr(&x->up), /* discard= */ true);
	loci__note_remove(x->f->notes_fd, &x->f->desc->digest);
}

/* ---- the body ---- */

/* "bytes FIRST-LAST/TOTAL" of a 206 (RFC 9110, 14.4) must be what was asked for. */
static bool range_is(const struct loci_buf *field, uint64_t first, uint64_t total)
{
	uint64_t got_first, got_last, got_total = total;
	if (!field->len || field->failed)
		return false;
	struct loci_cursor c = loci__cursor(field->p, field->len);
	return loci__take_text_nocase(&c, "bytes ") && loci__take_u64(&c, &got_first) &&
	       loci__take_char(&c, '-') && loci__take_u64(&c, &got_last) &&
	       loci__take_char(&c, '/') &&
	       (loci__take_char(&c, '*') || loci__take_u64(&c, &got_total)) &&
	       loci__cursor_at_end(&c) && got_first == first && got_last == total - 1 &&
	       got_total == total;
}

static int too_long(const struct fetch *x, struct loci_error *err)
{
	return loci__err_set(err, LOCI_E_SIZE_MISMATCH,
	                     "blob %s: longer than the %llu bytes of its descriptor", x->digest,
	                     (unsigned long long)x->f->desc->size);
}

/* Before the first byte of a response: where it starts and how long it wants to be. */
static int check_head(struct fetch *x, const struct loci_http_response *resp,
                      struct loci_error *err)
{
	uint64_t size = x->f->desc->size, offset = loci_upload_offset(x->up);
	if (resp->status == 206) {
		x->skip = 0;
		if (!range_is(&resp->content_range, offset, size))
			return loci__err_set(err, LOCI_E_PROTOCOL,
			                     "blob %s: asked for bytes %llu-, got '%.100s'",
			                     x->digest, (unsigned long long)offset,
			                     resp->content_range.len ? resp->content_range.p : "");
		return 0;
	}
	/* The range was ignored: the beginning comes once more. */
	x->skip = offset;
	if (resp->content_length >= 0 && (uint64_t)resp->content_length != size)
		return loci__err_set(err, LOCI_E_SIZE_MISMATCH,
		                     "blob %s: descriptor says %llu bytes, the registry %lld",
		                     x->digest, (unsigned long long)size,
		                     (long long)resp->content_length);
	return 0;
}

struct body {
	struct fetch *x;
	bool has_begun;
};

static int on_body(void *arg, const struct loci_http_response *resp, const void *p, size_t n,
                   struct loci_error *err)
{
	struct body *b = arg;
	struct fetch *x = b->x;
	if (!b->has_begun) {
		int rc = check_head(x, resp, err);
		if (rc < 0)
			return rc;
		b->has_begun = true;
	}
	size_t skipped = x->skip < n ? (size_t)x->skip : n;
	x->skip -= skipped;
	n -= skipped;
	if (n > x->f->desc->size - loci_upload_offset(x->up))
		return too_long(x, err);
	if (!n)
		return 0;
	int rc = loci_upload_write(x->up, (const char *)p + skipped, n, err);
	if (rc < 0)
		return loci__err_prefix(err, rc, "blob %s", x->digest);
	show_progress(x);
	return 0;
}

/* One try from where the session stands. */
static int transfer(struct fetch *x, struct loci_http_response *resp, struct loci_error *err)
{
	uint64_t size = x->f->desc->size;
	uint64_t offset = loci_upload_offset(x->up);
	if (offset == size && size)
		return 0;
	struct body body = {.x = x};
	struct loci_remote_request req = {
	        .method = "GET",
	        .kind = "blobs",
	        .what = x->digest,
	        .range_from = offset,
	        .body_max = LOCI_HTTP_ERROR_MAX,
	        .sink = on_body,
	        .sink_arg = &body,
	};
	x->resumed = x->resumed || offset > 0;
	int rc = loci__remote_try(x->f->remote, x->f->http, &req, resp, err);
	if (rc < 0)
		return rc;
	if (loci_upload_offset(x->up) < size)
		return loci__err_set(err, LOCI_E_SIZE_MISMATCH,
		                     "blob %s: expected %llu bytes, the registry sent %llu",
		                     x->digest, (unsigned long long)size,
		                     (unsigned long long)loci_upload_offset(x->up));
	return 0;
}

/* ---- until it is whole ---- */

/* Failures that the bytes of an earlier response may be the reason of. */
static bool is_worth_starting_over(const struct fetch *x, int rc)
{
	return x->resumed && !x->started_over &&
	       (rc == LOCI_E_RANGE || rc == LOCI_E_DIGEST_MISMATCH || rc == LOCI_E_SIZE_MISMATCH ||
	        rc == LOCI_E_PROTOCOL);
}

static int fetch_all(struct fetch *x, struct loci_error *err)
{
	loci__cleanup_response struct loci_http_response resp;
	loci__http_response_init(&resp);
	struct loci_retry retry;
	loci__remote_retry_init(x->f->remote, &retry);
	for (;;) {
		int rc = transfer(x, &resp, err);
		if (rc >= 0)
			return 0;
		uint64_t offset = loci_upload_offset(x->up);
		if (is_worth_starting_over(x, rc))
			return rc;
		if (offset >= x->at_break + LOCI_BLOB_PROGRESS_BYTES)
			loci__retry_progressed(&retry);
		x->at_break = offset;
		rc = loci__remote_again(x->f->remote, x->f->http, &retry, &resp, rc, err);
		if (rc < 0)
			return rc;
	}
}

static int commit(struct fetch *x, struct loci_error *err)
{
	const struct loci_descriptor *desc = x->f->desc;
	int rc = loci_upload_commit(loci__steal_ptr(&x->up), &desc->digest, err);
	if (rc >= 0 || rc == LOCI_E_DIGEST_MISMATCH)
		loci__note_remove(x->f->notes_fd, &desc->digest);
	return rc < 0 ? loci__err_prefix(err, rc, "blob %s", x->digest) : 0;
}

static int foreign_error(const struct fetch *x, struct loci_error *err)
{
	return loci__err_set(err, LOCI_E_NOT_FOUND,
	                     "blob %s: a foreign layer that the registry does not have; its urls "
	                     "are not followed",
	                     x->digest);
}

int loci__blob_fetch(const struct loci_blob_fetch *f, struct loci_error *err)
{
	struct fetch x = {.f = f};
	struct loci_error own;
	if (!err)
		err = &own;
	loci_digest_format(&f->desc->digest, x.digest);
	int rc = session_open(&x, err);
	for (;;) {
		if (rc >= 0)
			rc = fetch_all(&x, err);
		if (rc >= 0)
			rc = commit(&x, err);
		if (!is_worth_starting_over(&x, rc))
			break;
		loci__log(f->remote->log, LOCI_LOG_INFO, "puller", "%s; from the start", err->msg);
		x.started_over = true;
		x.at_break = 0;
		session_forget(&x);
		rc = session_begin(&x, err);
	}
	/* What does not belong together is forgotten; what only broke off is kept. */
	if (x.up && (rc == LOCI_E_SIZE_MISMATCH || rc == LOCI_E_PROTOCOL))
		session_forget(&x);
	loci_upload_close(x.up, /* discard= */ false);
	if (rc == LOCI_E_NOT_FOUND && loci_media_is_foreign(f->desc->media_type))
		return foreign_error(&x, err);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A response on its way out: head and body in one write, then the file in bursts by sendfile. Every
 * response says its length; nothing here is chunked.
 */
#include "registry/http/steps.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/logger.h"
#include "core/base/page_cache.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define REPLY_HEAD_MAX (64 * 1024)
#define FILE_BURST     (2 * 1024 * 1024) /* then other connections have their turn */
#define CLOSELY        (128 * 1024)      /* bytes between two that are looked at */
#define DRAIN_MAX      (64 * 1024) /* an unread body up to this is read for keep-alive's sake */

static const struct {
	int status;
	const char *text;
} reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {507, "Insufficient Storage"},
};

static const char *reason_of(int status)
{
	for (size_t i = 0; i < loci__array_len(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "";
}

/* RFC 9110 8.6: these have no body and say no length. */
static bool has_length(int status)
{
	return status != 204 && status != 304 && status >= 200;
}

/* A header that would break out of its line makes a response of its own; nobody should get one from
 * a name in a URL. */
static bool headers_are_safe(const struct loci_http_response *rs)
{
	for (size_t i = 0; i < rs->n_headers; i++)
		if (strpbrk(rs->headers[i].name, "\r\n: ") || strpbrk(rs->headers[i].value, "\r\n"))
			return false;
	return true;
}

/* What cannot be sent becomes a 500; memory that is out, a 503 without a body. */
static void make_sendable(struct loci__exchange *ex)
{
	if (ex->rs && !headers_are_safe(ex->rs)) {
		loci__log(ex->loop->shared->log, LOCI_LOG_ERROR, "http",
		          "response to %s %s: line break in a header", ex->head.method,
		          ex->head.target);
		loci_http_response_free(ex->rs);
		ex->rs = loci_http_response_error(500, "UNKNOWN", "malformed response header");
	}
	ex->reply.status = ex->rs ? ex->rs->status : 503;
}

/* The connection can go on only when the next request's start is certain and near. */
static bool must_close(struct loci__conn *c, struct loci__exchange *ex)
{
	struct loci__body *b = &ex->body;
	if (!ex->head.keep_alive || ex->refuse_status || !ex->rs ||
	    atomic_load(&c->loop->shared->stopping))
		return true;
	if (loci__body_discard(c, b))
		return false;
	/* A client that waits for "100 Continue" may send its body after all, or may not. */
	return b->is_chunked || b->interim || b->left > DRAIN_MAX;
}

static void put_connection(struct loci_buf *h, const struct loci__exchange *ex)
{
	if (ex->reply.close)
		loci__buf_puts(h, "\r\nconnection: close");
	else if (ex->head.minor == 0)
		loci__buf_puts(h, "\r\nconnection: keep-alive");
}

static void put_head(struct loci__conn *c, struct loci__exchange *ex, uint64_t length)
{
	struct loci_buf *h = &ex->reply.head;
	int status = ex->reply.status;
	loci__buf_puts(h, "HTTP/1.1 ");
	loci__buf_put_u64(h, (uint64_t)status);
	loci__buf_putc(h, ' ');
	loci__buf_puts(h, reason_of(status));
	loci__buf_puts(h, "\r\nserver: loci\r\ndate: ");
	loci__buf_puts(h, loci__loop_date(c->loop));
	for (size_t i = 0; ex->rs && i < ex->rs->n_headers; i++) {
		loci__buf_puts(h, "\r\n");
		loci__buf_puts(h, ex->rs->headers[i].name);
		loci__buf_puts(h, ": ");
		loci__buf_puts(h, ex->rs->headers[i].value);
	}
	if (has_length(status)) {
		loci__buf_puts(h, "\r\ncontent-length: ");
		loci__buf_put_u64(h, length);
	}
	put_connection(h, ex);
	loci__buf_puts(h, "\r\n" LOCI_REQUEST_ID_HEADER ": ");
	loci__buf_puts(h, ex->id);
	loci__buf_puts(h, "\r\n\r\n");
}

/* What is there is what is said, or the next response would be read as this one's. */
static uint64_t body_length(const struct loci_http_response *rs)
{
	uint64_t length = 0;
	if (rs->file_fd < 0)
		return rs->body ? rs->body_len : 0;
	if (!rs->parts)
		return rs->file_len;
	for (size_t i = 0; i < rs->n_parts; i++)
		length += rs->parts[i].text_len + rs->parts[i].file_len;
	return length;
}

/* The next part's text and range stand ready; false when there is none. */
static bool take_part(struct loci__reply *r, const struct loci_http_response *rs)
{
	if (r->next_part == rs->n_parts)
		return false;
	const struct loci_http_part *part = &rs->parts[r->next_part++];
	r->iov[1] = (struct iovec){(char *)part->text, part->text_len};
	r->file_off = part->file_off;
	r->file_left = part->file_len;
	r->burst_end = 0;
	return true;
}

static void start_body(struct loci__reply *r, const struct loci_http_response *rs)
{
	if (rs->file_fd < 0) {
		r->iov[1] = (struct iovec){(char *)rs->body, rs->body ? rs->body_len : 0};
	} else if (rs->parts) {
		take_part(r, rs);
		r->in_parts = true;
	} else {
		r->file_off = rs->file_off;
		r->file_left = rs->file_len;
	}
}

/* The bytes of a small body or file go behind the head, and out in one piece with it: copying them
 * costs less than a second vector or a sendfile. Where this does not work the usual way does. */
static void join(struct loci__reply *r, const struct loci_http_response *rs)
{
	struct loci_buf *h = &r->head;
	size_t room = h->borrowed && !h->failed ? h->cap - h->len - 1 : 0;
	if (r->iov[1].iov_len <= room && !r->in_parts) {
		loci__buf_append(h, r->iov[1].iov_base, r->iov[1].iov_len);
		r->iov[1].iov_len = 0;
	}
	if (!r->file_left || r->file_left > room || r->in_parts)
		return;
	ssize_t n = loci__page_cache_read(rs->file_fd, h->p + h->len, (size_t)r->file_left,
	                                  r->file_off);
	if (n < 0 && errno == EOPNOTSUPP)
		n = pread(rs->file_fd, h->p + h->len, (size_t)r->file_left, (off_t)r->file_off);
	if (n != (ssize_t)r->file_left)
		return;
	h->len += (size_t)n;
	r->file_left = 0;
}

int loci__reply_init(struct loci__conn *c, struct loci__exchange *ex)
{
	struct loci__reply *r = &ex->reply;
	make_sendable(ex);
	const struct loci_http_response *rs = ex->rs;
	bool is_head = ex->head.method && strcmp(ex->head.method, "HEAD") == 0;
	bool bare = is_head || !rs || !has_length(r->status);
	uint64_t length = rs ? rs->content_length : 0;
	r->head = (struct loci_buf)LOCI_BUF_IN(c->loop->small, LOCI_HTTP_SMALL, REPLY_HEAD_MAX);
	r->close = must_close(c, ex);
	if (!bare) {
		start_body(r, rs);
		length = body_length(rs);
	}
	put_head(c, ex, length);
	r->head_left = r->head.len;
	if (!bare)
		join(r, rs);
	r->iov[0] = (struct iovec){r->head.p, r->head.len};
	r->n_iov = r->iov[1].iov_len ? 2 : 1;
	return r->head.failed;
}

/* --- sending --- */

/* Counts off what a write took. */
static void advance(struct loci__reply *r, size_t n)
{
	size_t of_head = n < r->head_left ? n : r->head_left;
	r->head_left -= of_head;
	r->sent += n - of_head;
	for (int i = 0; i < 2; i++) {
		size_t take = n < r->iov[i].iov_len ? n : r->iov[i].iov_len;
		r->iov[i].iov_base = (char *)r->iov[i].iov_base + take;
		r->iov[i].iov_len -= take;
		n -= take;
	}
}

/* What has to wait leaves the loop's memory. */
static int keep_head(struct loci__reply *r)
{
	size_t left = r->iov[0].iov_len;
	if (!left || !r->head.borrowed)
		return 0;
	int rc = loci__buf_own(&r->head);
	r->iov[0].iov_base = r->head.p + r->head.len - left;
	return rc;
}

static enum loci__step blocked(struct loci__conn *c, bool moved)
{
	uint64_t now = loci__clock_ms();
	loci__pace_go(&c->write_pace, now);
	loci__pace_wait(&c->write_pace, now);
	if (loci__conn_takes_too_slowly(c))
		return LOCI_STEP_CLOSE;
	loci__conn_timer(c, LOCI_TIMER_WRITE, moved);
	return LOCI_STEP_WRITE;
}

static enum loci__step send_memory(struct loci__conn *c, struct loci__reply *r)
{
	int first = r->iov[0].iov_len ? 0 : 1;
	ssize_t n = loci__conn_write(c, r->iov + first, r->n_iov - first, r->file_left > 0);
	if (n < 0 && errno != EAGAIN)
		return LOCI_STEP_CLOSE;
	if (n >= 0) {
		r->started = true;
		advance(r, (size_t)n);
	}
	if (!(r->iov[0].iov_len + r->iov[1].iov_len))
		return LOCI_STEP_AGAIN;
	return keep_head(r) < 0 ? LOCI_STEP_CLOSE : blocked(c, n > 0);
}

static enum loci__step unreadable(struct loci__conn *c, const struct loci__exchange *ex,
                                  int sys_errno)
{
	loci__log(c->loop->shared->log, LOCI_LOG_ERROR, "http", "response to %s: send the file: %s",
	          ex->head.target, strerror(sys_errno));
	return LOCI_STEP_CLOSE;
}

/* The client's going away is none of the file's errors. */
static enum loci__step lost(struct loci__conn *c, const struct loci__exchange *ex, int sys_errno)
{
	if (sys_errno == EPIPE || sys_errno == ECONNRESET || sys_errno == ETIMEDOUT)
		return LOCI_STEP_CLOSE;
	return unreadable(c, ex, sys_errno);
}

void loci__reply_warm(struct loci__exchange *ex)
{
	struct loci__reply *r = &ex->reply;
	r->was_looked_at = true;
	if (!atomic_load(&ex->is_cut) &&
	    loci__page_cache_fill(ex->rs->file_fd, r->file_off, r->burst_end - r->file_off) < 0)
		r->disk_errno = errno;
}

/* Asked for each burst, and again when it had to wait for the client; closely where the burst was,
 * or the one before, cold: what is being read ahead may have its first and last byte before the
 * middle. */
static bool must_warm(struct loci__reply *r, int fd)
{
	if (r->file_off >= r->burst_end) {
		r->burst_end =
		        r->file_off + (r->file_left < FILE_BURST ? r->file_left : FILE_BURST);
		r->was_looked_at = false;
	}
	if (r->was_looked_at)
		return false;
	size_t n = (size_t)(r->burst_end - r->file_off);
	r->was_cold = loci__page_cache_lacks(fd, r->file_off, n, r->was_cold ? CLOSELY : n);
	r->was_looked_at = !r->was_cold;
	return r->was_cold;
}

/* The disk is waited for by a reader, while the loop answers others. */
static enum loci__step warm(struct loci__conn *c, struct loci__exchange *ex)
{
	loci__pace_go(&c->write_pace, loci__clock_ms()); /* this time is not the client's */
	loci__count(c->loop->counters, LOCI_COUNT_cold_reads, 1);
	loci__exchange_warm(ex);
	return LOCI_STEP_JOB;
}

static enum loci__step send_file(struct loci__conn *c, struct loci__exchange *ex)
{
	struct loci__reply *r = &ex->reply;
	if (must_warm(r, ex->rs->file_fd))
		return warm(c, ex);
	if (r->disk_errno)
		return unreadable(c, ex, r->disk_errno);
	uint64_t from = r->file_off;
	while (r->file_off < r->burst_end) {
		ssize_t n = loci__conn_send_file(c, ex->rs->file_fd, r->file_off,
		                                 (size_t)(r->burst_end - r->file_off));
		if (n < 0 && errno != EAGAIN)
			return lost(c, ex, errno);
		if (n < 0) {
			r->was_looked_at = false;
			return blocked(c, r->file_off > from);
		}
		if (n == 0) {
			loci__log(c->loop->shared->log, LOCI_LOG_ERROR, "http",
			          "response to %s: the file ends %llu bytes early", ex->head.target,
			          (unsigned long long)r->file_left);
			return LOCI_STEP_CLOSE;
		}
		r->file_off += (uint64_t)n;
		r->file_left -= (uint64_t)n;
		r->sent += (uint64_t)n;
	}
	return r->file_left ? blocked(c, true) : LOCI_STEP_AGAIN;
}

enum loci__step loci__step_send(struct loci__conn *c)
{
	struct loci__reply *r = &c->ex->reply;
	if (c->ex->busy)
		return LOCI_STEP_JOB;
	if (r->iov[0].iov_len + r->iov[1].iov_len)
		return send_memory(c, r);
	if (r->file_left)
		return send_file(c, c->ex);
	if (r->in_parts && take_part(r, c->ex->rs)) {
		r->n_iov = 2;
		return LOCI_STEP_AGAIN;
	}
	return loci__step_next(c);
}

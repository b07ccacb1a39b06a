/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A body on its way into a sink. The socket is read straight into one buffer while a worker hashes
 * and writes the other; when both are full nobody reads, and TCP tells the client to wait. So an
 * upload costs two buffers, whatever its size.
 */
#include "registry/http/steps.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"

#include <errno.h>
#include <string.h>

#define INTERIM "HTTP/1.1 100 Continue\r\n\r\n"

void loci__body_init(struct loci__exchange *ex)
{
	struct loci__body *b = &ex->body;
	b->is_chunked = ex->head.body_length == LOCI_BODY_UNKNOWN;
	b->left = b->is_chunked ? 0 : ex->head.body_length;
	b->ended = !b->is_chunked && !b->left;
	b->cap = b->is_chunked || b->left > LOCI_HTTP_BODY_BUFFER ? LOCI_HTTP_BODY_BUFFER
	                                                          : (size_t)b->left;
	b->interim = ex->head.expects_continue ? INTERIM : NULL;
}

void loci__body_done(struct loci__body *b)
{
	free(b->buf[0]);
	free(b->buf[1]);
}

bool loci__body_discard(struct loci__conn *c, struct loci__body *b)
{
	struct loci__input *in = &c->in;
	size_t data = 0, used = in->len;
	if (b->ended || !in->len)
		return b->ended;
	if (b->is_chunked) {
		int rc = loci__chunked_decode(&b->chunked, in->p + in->off, in->len, &data, &used);
		b->ended = rc == 1;
		b->received += data;
	} else {
		used = b->left < in->len ? (size_t)b->left : in->len;
		b->left -= used;
		b->received += used;
		b->ended = !b->left;
	}
	loci__input_consume(in, used);
	return b->ended;
}

/* --- filling --- */

/* Bytes as they came, from those already read or from the socket. */
static ssize_t fetch_raw(struct loci__conn *c, char *p, size_t n)
{
	if (c->in.len) {
		size_t take = n < c->in.len ? n : c->in.len;
		memcpy(p, c->in.p + c->in.off, take);
		loci__input_consume(&c->in, take);
		return (ssize_t)take;
	}
	if (!c->readable) {
		errno = EAGAIN;
		return -1;
	}
	return loci__conn_read(c, p, n);
}

/* What was read behind the body's end is the start of the next request. */
static bool push_back(struct loci__conn *c, const char *p, size_t n)
{
	if (!n)
		return true;
	/* Copied in front of what is there: consuming only moved the offset. */
	if (c->in.off >= n) {
		c->in.off -= n;
		c->in.len += n;
		memcpy(c->in.p + c->in.off, p, n);
		return true;
	}
	char *room = loci__input_reserve(&c->in, n);
	if (!room)
		return false;
	memcpy(room, p, n); /* in was empty: these bytes came from the socket */
	c->in.len += n;
	return true;
}

enum fetched { FETCHED_SOME, FETCHED_NONE, FETCHED_GONE, FETCHED_BAD, FETCHED_SLOWLY };

static enum fetched take_chunked(struct loci__conn *c, struct loci__body *b, char *p, size_t n)
{
	size_t data, used;
	int rc = loci__chunked_decode(&b->chunked, p, n, &data, &used);
	b->fill_n += data;
	b->received += data;
	if (rc < 0)
		return FETCHED_BAD;
	b->ended = rc == 1;
	return push_back(c, p + used, n - used) ? FETCHED_SOME : FETCHED_GONE;
}

/* n bytes more came. The clock is asked only when they had to be waited for. */
static bool moved_too_slowly(struct loci__conn *c, struct loci__body *b, size_t n)
{
	const struct loci__pace_rule *rule = &c->loop->shared->body_pace;
	b->raw += n;
	b->moved = true;
	if (!b->pace.since_ms)
		return false;
	uint64_t now = loci__clock_ms();
	loci__pace_go(&b->pace, now);
	return loci__pace_is_due(&b->pace, rule, now) &&
	       loci__pace_close(&b->pace, rule, now, b->raw);
}

static enum fetched fetch(struct loci__conn *c, struct loci__body *b)
{
	char **buf = &b->buf[b->filling];
	if (!*buf)
		*buf = malloc(b->cap);
	if (!*buf)
		return FETCHED_GONE;
	size_t want = b->cap - b->fill_n;
	if (!b->is_chunked && b->left < want)
		want = (size_t)b->left;
	char *p = *buf + b->fill_n;
	ssize_t n = fetch_raw(c, p, want);
	if (n <= 0)
		return n < 0 && errno == EAGAIN ? FETCHED_NONE : FETCHED_GONE;
	if (moved_too_slowly(c, b, (size_t)n))
		return FETCHED_SLOWLY;
	if (b->is_chunked)
		return take_chunked(c, b, p, (size_t)n);
	b->fill_n += (size_t)n;
	b->received += (size_t)n;
	b->left -= (size_t)n;
	b->ended = !b->left;
	return FETCHED_SOME;
}

/* --- the step --- */

/* "100 Continue" goes out when somebody wants the body, so that a refusal comes before it. */
static enum loci__step send_interim(struct loci__conn *c, struct loci__body *b)
{
	struct iovec iov = {(char *)b->interim, strlen(b->interim)};
	if (c->in.len) { /* the client did not wait */
		b->interim = NULL;
		return LOCI_STEP_AGAIN;
	}
	ssize_t n = loci__conn_write(c, &iov, 1, false);
	if (n < 0 && errno != EAGAIN)
		return LOCI_STEP_CLOSE;
	if (n > 0)
		b->interim += n;
	if (!*b->interim)
		b->interim = NULL;
	loci__conn_timer(c, LOCI_TIMER_WRITE, false);
	return b->interim ? LOCI_STEP_WRITE : LOCI_STEP_AGAIN;
}

static enum loci__step wait_for_more(struct loci__conn *c, struct loci__body *b)
{
	loci__pace_wait(&b->pace, loci__clock_ms());
	loci__conn_timer(c, LOCI_TIMER_BODY, b->moved);
	b->moved = false;
	return LOCI_STEP_READ;
}

/* The client went in the middle: what it sent before goes to the sink, so that an upload can go on
 * from there. */
static enum loci__step step_gone(struct loci__exchange *ex)
{
	ex->body.gone = true;
	if (ex->busy)
		return LOCI_STEP_JOB;
	if (!ex->body.fill_n)
		return LOCI_STEP_CLOSE;
	loci__exchange_feed(ex);
	return LOCI_STEP_JOB;
}

static enum loci__step refuse(struct loci__conn *c, int status, const char *reason)
{
	loci__step_refuse(c, status, reason);
	return LOCI_STEP_AGAIN;
}

enum loci__step loci__step_body(struct loci__conn *c)
{
	struct loci__exchange *ex = c->ex;
	struct loci__body *b = &ex->body;
	if (!ex->busy && (ex->failed || ex->finished))
		return loci__step_respond(c);
	if (b->gone)
		return step_gone(ex);
	if (b->interim)
		return send_interim(c, b);
	if (!b->ended && b->fill_n < b->cap) {
		switch (fetch(c, b)) {
		case FETCHED_GONE: return step_gone(ex);
		case FETCHED_SLOWLY:
			loci__count(c->loop->counters, LOCI_COUNT_cut_body_rate, 1);
			return refuse(c, 408, "the request body comes too slowly");
		case FETCHED_BAD: return refuse(c, 400, b->chunked.reason);
		case FETCHED_SOME: break;
		case FETCHED_NONE:
			if (ex->busy || !b->fill_n)
				return wait_for_more(c, b);
		}
		/* While there is room and more may be there, more goes into one job. */
		if (!b->ended && b->fill_n < b->cap && (c->in.len || c->readable))
			return LOCI_STEP_AGAIN;
	}
	if (!ex->busy && (b->fill_n || b->ended)) {
		loci__exchange_feed(ex);
		return LOCI_STEP_AGAIN;
	}
	return b->ended || b->fill_n == b->cap ? LOCI_STEP_JOB : wait_for_more(c, b);
}

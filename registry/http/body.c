/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A body on its way into a sink. A short one is read by the loop and written by a worker. A longer
 * one is a carrier's, which reads from the socket itself, hashes and writes, for as long as
 * something is there: the bytes stay in one core's cache, and the loop is free for those who ask.
 * When the socket stays empty, or others should have their turn, the connection goes back to the
 * loop. A socket that nobody reads is full, and TCP tells the client to wait: so an upload costs
 * one buffer, whatever its size. What waits for the disk at the end is a worker's again.
 */
#include "registry/http/steps.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>

#define BODY_BUFFER (256 * 1024)      /* bytes; fits into a core's cache */
#define SHORT_BODY  (64 * 1024)       /* bytes: the loop reads it, in one go */
#define TURN        (8 * 1024 * 1024) /* bytes that a carrier moves, then others have their turn */
#define WAIT_MS     2                 /* of a carrier for its client */
#define WORTH       (32 * 1024)       /* bytes that came since the last wait: another may pay */
#define LATELY_MS   20                /* whoever asked since then may ask again */

#define INTERIM "HTTP/1.1 100 Continue\r\n\r\n"

void loci__body_init(struct loci__exchange *ex)
{
	struct loci__body *b = &ex->body;
	b->is_chunked = ex->head.body_length == LOCI_BODY_UNKNOWN;
	b->left = b->is_chunked ? 0 : ex->head.body_length;
	b->ended = !b->is_chunked && !b->left;
	b->cap = b->is_chunked || b->left > BODY_BUFFER ? BODY_BUFFER : (size_t)b->left;
	b->interim = ex->head.expects_continue ? INTERIM : NULL;
}

void loci__body_done(struct loci__body *b)
{
	free(b->buf);
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

/* --- filling: by whoever has the connection, loop or carrier --- */

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
	ssize_t got = loci__conn_take(c, p, n);
	if (got > 0)
		c->ex->body.uncounted += (size_t)got;
	return got;
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

static enum loci__fetched take_chunked(struct loci__conn *c, struct loci__body *b, char *p,
                                       size_t n)
{
	size_t data, used;
	int rc = loci__chunked_decode(&b->chunked, p, n, &data, &used);
	b->fill_n += data;
	b->received += data;
	if (rc < 0)
		return LOCI_FETCHED_BAD;
	if (!push_back(c, p + used, n - used))
		return LOCI_FETCHED_GONE;
	b->ended = rc == 1;
	return LOCI_FETCHED_SOME;
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

/* Once; up to max bytes. */
static enum loci__fetched fetch(struct loci__conn *c, struct loci__body *b, size_t max)
{
	if (!b->buf && !(b->buf = malloc(b->cap)))
		return LOCI_FETCHED_GONE;
	size_t want = b->cap - b->fill_n < max ? b->cap - b->fill_n : max;
	if (!b->is_chunked && b->left < want)
		want = (size_t)b->left;
	char *p = b->buf + b->fill_n;
	ssize_t n = fetch_raw(c, p, want);
	if (n <= 0)
		return n < 0 && errno == EAGAIN ? LOCI_FETCHED_NONE : LOCI_FETCHED_GONE;
	if (moved_too_slowly(c, b, (size_t)n))
		return LOCI_FETCHED_SLOWLY;
	if (b->is_chunked)
		return take_chunked(c, b, p, (size_t)n);
	b->fill_n += (size_t)n;
	b->received += (size_t)n;
	b->left -= (size_t)n;
	b->ended = !b->left;
	return LOCI_FETCHED_SOME;
}

/* --- into the sink --- */

static void write_out(struct loci__exchange *ex)
{
	struct loci__body *b = &ex->body;
	size_t n = b->fill_n;
	b->fill_n = 0;
	ex->failed = n && loci_http_sink_write(ex->sink, b->buf, n, ex->rs) < 0;
}

void loci__body_put(struct loci__exchange *ex)
{
	write_out(ex);
	if (ex->failed || !ex->body.ended)
		return;
	loci_http_sink_finish(loci__steal_ptr(&ex->sink), ex->rs);
	ex->finished = true;
}

/* The socket is empty: whether something came a little later. Most clients send while their last
 * bytes are being hashed, and to wait here for the next ones costs less than the way back to the
 * loop and here again; one that sends little at a time, or would keep the thread from others, does
 * not get it. */
static bool wait_a_little(struct loci__conn *c, struct loci__body *b)
{
	struct loci__workers *carriers = c->loop->shared->carriers;
	struct pollfd fd = {.fd = c->stream.fd, .events = POLLIN};
	loci__pace_wait(&b->pace, loci__clock_ms());
	if (b->raw < b->worth_at || c->stream.turn || !loci__workers_may_wait(carriers))
		return false;
	b->worth_at = b->raw + WORTH;
	int n = poll(&fd, 1, WAIT_MS);
	loci__workers_waited(carriers);
	return n > 0;
}

/* Fills the buffer as far as the socket gives, to the turn's end; true when more may be there. */
static bool fill(struct loci__conn *c, struct loci__body *b, uint64_t end)
{
	b->fetched = LOCI_FETCHED_SOME;
	while (b->fetched == LOCI_FETCHED_SOME && !b->ended && b->fill_n < b->cap && b->raw < end)
		b->fetched = fetch(c, b, b->cap);
	return b->fetched == LOCI_FETCHED_SOME;
}

/* Most kernels let a loop that wakes up wait for the next tick when the core is taken. Only while
 * somebody asks: beside other programs that want the core it costs a carrier a good deal. */
static void let_loops_run(const struct loci__http_shared *s)
{
	uint64_t asked = atomic_load_explicit(&s->asked_ms, memory_order_relaxed);
	if (loci__clock_ms() - asked <= LATELY_MS)
		sched_yield();
}

void loci__body_carry(struct loci__exchange *ex)
{
	struct loci__conn *c = ex->conn;
	struct loci__body *b = &ex->body;
	uint64_t end = b->raw + TURN;
	bool more = true;
	loci__pace_skip(&b->pace, loci__clock_ms() - b->queued_ms);
	c->readable = true; /* on the way here more may have come */
	while (more && b->raw < end && !atomic_load(&ex->is_cut)) {
		more = fill(c, b, end);
		if (b->fetched == LOCI_FETCHED_BAD)
			return;
		bool is_dry = b->fetched == LOCI_FETCHED_NONE && !b->fill_n;
		write_out(ex);
		if (ex->failed || b->ended || b->fetched > LOCI_FETCHED_NONE)
			return;
		let_loops_run(c->loop->shared);
		/* While that was written, more may have come. */
		c->readable = more = !is_dry || wait_a_little(c, b);
	}
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

/* The timer starts anew when a carrier was there, even if it found nothing of the body, only bytes
 * that TLS keeps to itself: so its end is not the only one. */
static enum loci__step wait_for_more(struct loci__conn *c, struct loci__body *b)
{
	uint64_t now = loci__clock_ms();
	loci__pace_wait(&b->pace, now);
	if (now - b->pace.since_ms >= c->loop->shared->timer_ms[LOCI_TIMER_BODY]) {
		loci__body_is_late(c->ex);
		return LOCI_STEP_AGAIN;
	}
	loci__conn_timer(c, LOCI_TIMER_BODY, b->moved);
	b->moved = false;
	return LOCI_STEP_READ;
}

void loci__body_is_late(struct loci__exchange *ex)
{
	ex->body.fetched = LOCI_FETCHED_LATE;
}

/* Why a body does not go on. What came of it before is in the sink. */
static const struct {
	int status; /* 0: nobody is there to hear of it */
	enum loci__http_counter counter;
	const char *reason;
} failures[] = {
        [LOCI_FETCHED_GONE] = {0, LOCI_COUNTERS_, NULL},
        [LOCI_FETCHED_SLOWLY] = {408, LOCI_COUNT_cut_body_rate,
                                 "the request body comes too slowly"},
        [LOCI_FETCHED_LATE] = {408, LOCI_COUNT_cut_body, "the request body did not arrive in time"},
        [LOCI_FETCHED_BAD] = {400, LOCI_COUNTERS_, NULL}, /* .chunked has the reason */
};

static enum loci__step give_up(struct loci__conn *c, struct loci__body *b)
{
	if (!failures[b->fetched].status)
		return LOCI_STEP_CLOSE;
	if (failures[b->fetched].counter != LOCI_COUNTERS_)
		loci__count(c->loop->counters, failures[b->fetched].counter, 1);
	loci__step_refuse(c, failures[b->fetched].status,
	                  b->fetched == LOCI_FETCHED_BAD ? b->chunked.reason
	                                                 : failures[b->fetched].reason);
	return LOCI_STEP_AGAIN;
}

static enum loci__step carry(struct loci__exchange *ex)
{
	ex->body.queued_ms = loci__clock_ms();
	loci__exchange_carry(ex);
	return LOCI_STEP_JOB;
}

static enum loci__step put(struct loci__exchange *ex)
{
	loci__exchange_put(ex);
	return LOCI_STEP_JOB;
}

/* The sink is given up before the client hears of it, so that it finds its session free. */
static enum loci__step failed(struct loci__conn *c)
{
	if (!c->ex->sink)
		return loci__step_respond(c);
	loci__exchange_abort_sink(c->ex);
	return LOCI_STEP_JOB;
}

/* How many bytes the loop reads itself: all of a short body, and the beginning of one whose length
 * nobody knows. */
static size_t loops_share(const struct loci__body *b)
{
	if (b->is_chunked)
		return b->raw < SHORT_BODY ? SHORT_BODY - (size_t)b->raw : 0;
	return b->received + b->left <= SHORT_BODY ? (size_t)b->left : 0;
}

static void count_in(struct loci__conn *c)
{
	loci__count(c->loop->counters, LOCI_COUNT_bytes_in, c->ex->body.uncounted);
	c->ex->body.uncounted = 0;
}

static enum loci__step read_more(struct loci__conn *c)
{
	struct loci__body *b = &c->ex->body;
	size_t share = loops_share(b);
	if (!share) /* a carrier's, as soon as there is something */
		return c->in.len || c->readable ? carry(c->ex) : wait_for_more(c, b);
	b->fetched = fetch(c, b, share);
	count_in(c);
	return b->fetched == LOCI_FETCHED_NONE ? wait_for_more(c, b) : LOCI_STEP_AGAIN;
}

enum loci__step loci__step_body(struct loci__conn *c)
{
	struct loci__exchange *ex = c->ex;
	struct loci__body *b = &ex->body;
	if (ex->busy)
		return LOCI_STEP_JOB;
	count_in(c);
	if (c->end) /* it was cut while a carrier had it */
		return LOCI_STEP_CLOSE;
	if (ex->failed)
		return failed(c);
	if (ex->finished)
		return loci__step_respond(c);
	if (b->interim)
		return send_interim(c, b);
	if (b->fetched <= LOCI_FETCHED_NONE)
		return b->ended ? put(ex) : read_more(c);
	/* In the middle: an upload can go on from there. */
	return b->fill_n && b->fetched != LOCI_FETCHED_BAD ? put(ex) : give_up(c, b);
}

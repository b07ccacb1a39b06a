/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver is its own, on libh2o's loop only: h2o's HTTP/1 code takes a body whole into memory
 * and a temporary file before a handler hears of it, has no time-out for writing, and is lenient
 * about framing. Since the registry hands over a complete head and a body or a file, h2o's request,
 * filter and generator objects would only be copied from and into, so they are not used either:
 * what is left of it here are sockets as readiness sources (dont_read), time-out lists and thread
 * queues. An embedder who runs an h2o loop hands an accepted fd to loci__conn_accept on it.
 */
#include "registry/http/conn.h"

#include "registry/http/heads.h"
#include "registry/http/steps.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/logger.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define READ_MIN   4096 /* room for a head */
#define STEPS_MAX  32   /* of one pump, then others have their turn */
#define LINGER_MAX (64 * 1024 * 1024)
#define LINGER_RUN (16 * LOCI_HTTP_SCRATCH) /* bytes thrown away in one go */

/* --- input --- */

/* Out of the loop's scratch, into memory of its own. */
static bool input_keep(struct loci__input *in)
{
	if (in->cap || !in->p)
		return true;
	struct loci__input own = {.len = in->len, .cap = in->len > READ_MIN ? in->len : READ_MIN};
	if (in->len && (own.p = malloc(own.cap)))
		memcpy(own.p, in->p + in->off, in->len);
	else
		own.cap = 0;
	bool kept = own.p || !in->len;
	*in = kept ? own : (struct loci__input){0};
	return kept;
}

char *loci__input_reserve(struct loci__input *in, size_t n)
{
	if (!input_keep(in))
		return NULL;
	if (in->off && in->cap - in->off - in->len < n) {
		memmove(in->p, in->p + in->off, in->len);
		in->off = 0;
	}
	if (in->cap - in->off - in->len < n) {
		size_t cap = in->cap ? in->cap : READ_MIN;
		while (cap - in->len < n)
			cap *= 2;
		char *p = realloc(in->p, cap);
		if (!p)
			return NULL;
		in->p = p;
		in->cap = cap;
	}
	return in->p + in->off + in->len;
}

void loci__input_consume(struct loci__input *in, size_t n)
{
	in->off += n;
	in->len -= n;
}

/* An idle connection keeps no buffer. */
static void input_free(struct loci__input *in)
{
	if (in->cap)
		free(in->p);
	*in = (struct loci__input){0};
}

/* A request begins: what a large head needed is not kept for its whole life, and nothing of it
 * stays in the loop's scratch. */
static bool input_settle(struct loci__input *in)
{
	if (!in->len)
		input_free(in);
	if (in->cap <= READ_MIN)
		return input_keep(in);
	memmove(in->p, in->p + in->off, in->len);
	in->off = 0;
	char *p = realloc(in->p, in->len);
	if (p) {
		in->p = p;
		in->cap = in->len;
	}
	return true;
}

ssize_t loci__conn_take(struct loci__conn *c, void *p, size_t n)
{
	ssize_t got = c->stream.ops->read(&c->stream, p, n);
	/* A short read empties the socket: the loop says when there is more. At the end of the
	 * stream it says so too, so nothing is lost. */
	if (got < (ssize_t)n)
		c->readable = c->stream.ops->pending(&c->stream);
	return got;
}

static ssize_t conn_read(struct loci__conn *c, void *p, size_t n)
{
	ssize_t got = loci__conn_take(c, p, n);
	if (got > 0)
		loci__count(c->loop->counters, LOCI_COUNT_bytes_in, (uint64_t)got);
	return got;
}

static ssize_t count_written(struct loci__conn *c, ssize_t n)
{
	if (n > 0) {
		c->written += (uint64_t)n;
		loci__count(c->loop->counters, LOCI_COUNT_bytes_out, (uint64_t)n);
	}
	return n;
}

ssize_t loci__conn_write(struct loci__conn *c, const struct iovec *iov, int n, bool more)
{
	return count_written(c, c->stream.ops->write(&c->stream, iov, n, more));
}

ssize_t loci__conn_send_file(struct loci__conn *c, int file_fd, uint64_t off, size_t n)
{
	return count_written(c, c->stream.ops->send_file(&c->stream, file_fd, off, n));
}

/* --- life --- */

static void format_peer(const struct sockaddr *from, char buf[INET6_ADDRSTRLEN])
{
	buf[0] = '\0';
	if (from->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)from)->sin_addr, buf,
		          INET6_ADDRSTRLEN);
	else if (from->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)from)->sin6_addr, buf,
		          INET6_ADDRSTRLEN);
	else if (from->sa_family == AF_UNIX)
		memcpy(buf, "unix", 5);
}

static struct loci__conn *conn_new(struct loci__http_loop *l, int fd)
{
	struct loci__conn *c = calloc(1, sizeof(*c));
	if (c && !loci__stream_init(&c->stream, fd, l->shared->tls,
	                            (struct loci__stream_room){l->scratch, l->wire})) {
		free(c);
		c = NULL;
	}
	return c;
}

void loci__conn_accept(struct loci__http_loop *l, int take_fd, const struct sockaddr *from)
{
	struct loci__client *client = NULL;
	bool may_come = loci__clients_enter(l->shared->clients, from, &client);
	struct loci__conn *c = may_come ? conn_new(l, take_fd) : NULL;
	loci__count(l->counters, may_come ? LOCI_COUNT_accepted : LOCI_COUNT_turned_away, 1);
	if (!c) {
		loci__clients_leave(l->shared->clients, client);
		close(take_fd);
		return;
	}
	c->loop = l;
	c->client = client;
	c->sock = h2o_evloop_socket_create(l->ev, take_fd, H2O_SOCKET_FLAG_IS_ACCEPTED_CONNECTION);
	c->sock->data = c;
	h2o_socket_dont_read(c->sock, 1);
	c->state = c->stream.tls ? LOCI_CONN_HANDSHAKE : LOCI_CONN_HEAD;
	c->timer.cb = loci__conn_on_timer;
	c->timer_kind = LOCI_TIMER_NONE;
	c->readable = true;
	format_peer(from, c->peer);
	h2o_linklist_insert(&l->conns, &c->link);
	l->n_conns++;
	atomic_fetch_add(&l->shared->connections, 1);
	loci__conn_pump(c);
}

/* What the access log says when the end cuts a request, and what it counts as. */
static const struct {
	const char *words;
	enum loci__http_counter counter; /* LOCI_COUNTERS_: none */
} ends[LOCI_ENDS_] = {
        [LOCI_END_DONE] = {NULL, LOCI_COUNTERS_},
        [LOCI_END_LOST] = {"connection lost", LOCI_COUNT_lost},
        [LOCI_END_HANDSHAKE] = {NULL, LOCI_COUNT_cut_handshake},
        [LOCI_END_IDLE] = {"timed out", LOCI_COUNT_cut_idle},
        [LOCI_END_BODY] = {"timed out", LOCI_COUNT_cut_body},
        [LOCI_END_WRITE] = {"timed out", LOCI_COUNT_cut_write},
        [LOCI_END_WRITE_RATE] = {"the client takes it too slowly", LOCI_COUNT_cut_write_rate},
        [LOCI_END_LINGER] = {NULL, LOCI_COUNTERS_},
        [LOCI_END_ROOM] = {"cut: too many connections", LOCI_COUNT_cut_for_room},
        [LOCI_END_STOP] = {"server stops", LOCI_COUNTERS_},
        [LOCI_END_CUT] = {"cut: the server stops", LOCI_COUNT_cut_by_stop},
};

void loci__conn_close(struct loci__conn *c, enum loci__conn_end why)
{
	struct loci__http_loop *l = c->loop;
	if (c->ex && c->ex->busy)
		atomic_store(&c->ex->is_cut, true);
	/* Its carrier comes back soon. Not by a shutdown(2): the kernel tells the client of no more
	 * room then, which goes on to ask for some and is answered until the connection is
	 * forgotten. */
	if (c->ex && c->ex->carrying) {
		c->end = why;
		return;
	}
	if (ends[why].counter != LOCI_COUNTERS_)
		loci__count(l->counters, ends[why].counter, 1);
	loci__conn_timer(c, LOCI_TIMER_NONE, false);
	h2o_linklist_unlink(&c->link);
	loci__stream_done(&c->stream, !c->ex);
	h2o_socket_close(c->sock);
	input_free(&c->in);
	loci__heads_hold(c, 0);
	if (c->ex) {
		loci__exchange_record(c->ex, ends[why].words);
		loci__exchange_leave(c->ex);
	}
	loci__clients_leave(l->shared->clients, c->client);
	l->n_conns--;
	atomic_fetch_sub(&l->shared->connections, 1);
	free(c);
	loci__loop_one_less(l);
}

/* Whether bytes wait in the socket; the client's end is none. */
static bool has_unread(struct loci__conn *c)
{
	char byte;
	return c->in.len || c->stream.ops->holds(&c->stream) ||
	       c->stream.ops->pending(&c->stream) ||
	       recv(c->stream.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void loci__conn_close_if_idle(struct loci__conn *c)
{
	if (c->state <= LOCI_CONN_HEAD && !has_unread(c))
		loci__conn_close(c, LOCI_END_STOP);
}

/* --- steps --- */

void loci__step_refuse(struct loci__conn *c, int status, const char *reason)
{
	if (c->state == LOCI_CONN_HEAD) { /* nothing of it will be looked at again */
		input_free(&c->in);
		loci__heads_hold(c, 0);
	}
	if (!c->ex)
		c->ex = loci__exchange_new(c, NULL, 0);
	c->state = LOCI_CONN_REFUSE; /* which closes when there is no exchange */
	if (!c->ex)
		return;
	c->ex->refuse_status = status;
	c->ex->refuse_reason = reason;
}

static enum loci__step step_refuse(struct loci__conn *c)
{
	struct loci__exchange *ex = c->ex;
	if (!ex)
		return LOCI_STEP_CLOSE;
	loci__conn_timer(c, LOCI_TIMER_NONE, false);
	if (!ex->busy && ex->sink)
		loci__exchange_abort_sink(ex);
	if (ex->busy)
		return LOCI_STEP_JOB;
	loci_http_response_free(ex->rs);
	ex->rs = loci_http_response_error(ex->refuse_status, "UNSUPPORTED", ex->refuse_reason);
	return loci__step_respond(c);
}

enum loci__step loci__step_respond(struct loci__conn *c)
{
	c->state = LOCI_CONN_SEND;
	/* The first write in the same step: the head stands in the loop's memory. */
	return loci__reply_init(c, c->ex) < 0 ? LOCI_STEP_CLOSE : loci__step_send(c);
}

/* close(2) with bytes unread would reset the connection, and what was sent last with it. */
static enum loci__step linger(struct loci__conn *c)
{
	input_free(&c->in);
	c->stream.ops->end(&c->stream);
	c->readable = true;
	c->discard = 0;
	loci__conn_timer(c, LOCI_TIMER_LINGER, true);
	c->state = LOCI_CONN_LINGER;
	return LOCI_STEP_AGAIN;
}

enum loci__step loci__step_next(struct loci__conn *c)
{
	struct loci__exchange *ex = c->ex;
	bool ended = ex->body.ended && !ex->refuse_status;
	bool close = ex->reply.close;
	uint64_t left = ex->body.left;
	loci__exchange_record(ex, NULL);
	loci__heads_hold(c, 0);
	if (c->write_pace.since_ms)
		loci__pace_go(&c->write_pace, loci__clock_ms());
	c->ex = NULL;
	loci__exchange_leave(ex);
	if (close) {
		if (ended && !has_unread(c))
			return LOCI_STEP_CLOSE;
		return linger(c);
	}
	c->discard = ended ? 0 : left;
	c->state = ended ? LOCI_CONN_HEAD : LOCI_CONN_DRAIN;
	return LOCI_STEP_AGAIN;
}

static enum loci__step step_handle(struct loci__conn *c)
{
	struct loci__exchange *ex = c->ex;
	if (ex->busy)
		return LOCI_STEP_JOB;
	if (!ex->sink)
		return loci__step_respond(c);
	c->state = LOCI_CONN_BODY;
	return LOCI_STEP_AGAIN;
}

static void log_handshake(struct loci__conn *c)
{
	const struct loci_log_field fields[] = {
	        {"peer", c->peer[0] ? c->peer : "-"},
	        {"reason", loci__stream_handshake_reason(&c->stream)},
	};
	if (c->loop->shared->access_log && loci__refusals_have_line(c->loop))
		loci__log_fields(c->loop->shared->log, LOCI_LOG_INFO, "access", "no TLS connection",
		                 fields, loci__array_len(fields));
}

static enum loci__step step_handshake(struct loci__conn *c)
{
	struct loci__http_counters *counters = c->loop->counters;
	loci__conn_timer(c, LOCI_TIMER_HANDSHAKE, false);
	switch (loci__stream_handshake(&c->stream)) {
	case LOCI_HANDSHAKE_WAITS: return LOCI_STEP_READ;
	case LOCI_HANDSHAKE_GONE: return LOCI_STEP_CLOSE;
	case LOCI_HANDSHAKE_PLAIN_HTTP:
		loci__count(counters, LOCI_COUNT_tls_failed, 1);
		loci__step_refuse(c, 400, "this port speaks HTTPS, the request came by plain HTTP");
		return LOCI_STEP_AGAIN;
	case LOCI_HANDSHAKE_FAILED:
		loci__count(counters, LOCI_COUNT_tls_failed, 1);
		log_handshake(c);
		return linger(c);
	case LOCI_HANDSHAKE_DONE: break;
	}
	loci__count(counters, LOCI_COUNT_tls_handshakes, 1);
	loci__count(counters, LOCI_COUNT_tls_resumed, loci__stream_was_resumed(&c->stream));
	c->state = LOCI_CONN_HEAD;
	return LOCI_STEP_AGAIN;
}

/* The first n bytes of the input are a whole head. */
static enum loci__step begin(struct loci__conn *c, size_t n)
{
	struct loci__exchange *ex = loci__exchange_new(c, c->in.p + c->in.off, n);
	loci__input_consume(&c->in, n);
	bool settled = input_settle(&c->in);
	loci__heads_hold(c, n > READ_MIN ? n : 0);
	c->scanned = 0;
	c->ex = ex;
	loci__conn_timer(c, LOCI_TIMER_NONE, false);
	if (!ex || !settled)
		return LOCI_STEP_CLOSE;
	if (ex->refuse_status) {
		c->state = LOCI_CONN_REFUSE;
		return LOCI_STEP_AGAIN;
	}
	c->state = LOCI_CONN_HANDLE;
	loci__exchange_handle(ex);
	return LOCI_STEP_AGAIN;
}

/* RFC 9112 2.2: empty lines before a request line are ignored. */
static void skip_empty_lines(struct loci__conn *c)
{
	struct loci__input *in = &c->in;
	while (c->scanned < 2 && in->len >= 2 && memcmp(in->p + in->off, "\r\n", 2) == 0) {
		loci__input_consume(in, 2);
		c->scanned = 0;
	}
}

static enum loci__step wait_for_head(struct loci__conn *c)
{
	size_t held = c->stream.ops->holds(&c->stream);
	bool begun = c->in.len || held;
	if (!begun && atomic_load(&c->loop->shared->stopping))
		return LOCI_STEP_CLOSE;
	loci__conn_timer(c, begun ? LOCI_TIMER_HEAD : LOCI_TIMER_IDLE, false);
	if (!c->in.len)
		input_free(&c->in);
	loci__heads_hold(c, c->in.cap + held);
	return LOCI_STEP_READ;
}

static enum loci__step read_head(struct loci__conn *c)
{
	struct loci__input *in = &c->in;
	if (!c->readable)
		return wait_for_head(c);
	if (!in->len) {
		input_free(in);
		in->p = c->loop->scratch;
	}
	char *p = in->len ? loci__input_reserve(in, READ_MIN) : in->p;
	if (!p)
		return LOCI_STEP_CLOSE;
	ssize_t n = conn_read(c, p, in->cap ? in->cap - in->off - in->len : READ_MIN);
	if (n > 0)
		in->len += (size_t)n;
	return n > 0 || (n < 0 && errno == EAGAIN) ? LOCI_STEP_AGAIN : LOCI_STEP_CLOSE;
}

/* A large head lives as long as its request. */
static void refuse_for_memory(struct loci__conn *c)
{
	loci__count(c->loop->counters, LOCI_COUNT_cut_head_memory, 1);
	loci__step_refuse(c, 503, "large request heads have no room now");
}

/* Reads at most once, and looks at once at what came: it may stand in the loop's scratch. */
static enum loci__step step_head(struct loci__conn *c)
{
	size_t max = c->loop->shared->max_head;
	skip_empty_lines(c);
	if (!c->in.len) {
		enum loci__step want = read_head(c);
		skip_empty_lines(c);
		if (!c->in.len)
			return want;
	}
	ssize_t n = loci__http_head_scan(c->in.p + c->in.off, c->in.len, &c->scanned);
	if (n < 0)
		loci__step_refuse(c, 400, "malformed request head");
	else if ((size_t)n > max || (!n && c->in.len >= max))
		loci__step_refuse(c, 431, "the request head is too long");
	else if (n > READ_MIN && loci__heads_is_over(c->loop->shared))
		refuse_for_memory(c);
	else if (n)
		return begin(c, (size_t)n);
	else
		return input_keep(&c->in) ? read_head(c) : LOCI_STEP_CLOSE;
	return LOCI_STEP_AGAIN;
}

static enum loci__step step_drain(struct loci__conn *c)
{
	while (c->discard) {
		size_t want =
		        c->discard < LOCI_HTTP_SCRATCH ? (size_t)c->discard : LOCI_HTTP_SCRATCH;
		ssize_t n = c->readable ? conn_read(c, c->loop->scratch, want) : -1;
		if (n < 0 && (!c->readable || errno == EAGAIN)) {
			loci__conn_timer(c, LOCI_TIMER_BODY, false);
			return LOCI_STEP_READ;
		}
		if (n <= 0)
			return LOCI_STEP_CLOSE;
		c->discard -= (uint64_t)n;
	}
	loci__conn_timer(c, LOCI_TIMER_NONE, false);
	c->state = LOCI_CONN_HEAD;
	return LOCI_STEP_AGAIN;
}

static enum loci__step step_linger(struct loci__conn *c)
{
	for (size_t run = 0; run < LINGER_RUN; run += LOCI_HTTP_SCRATCH) {
		if (!c->readable)
			return LOCI_STEP_READ;
		ssize_t n = conn_read(c, c->loop->scratch, LOCI_HTTP_SCRATCH);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			return LOCI_STEP_CLOSE;
		c->discard += n > 0 ? (uint64_t)n : 0;
		if (c->discard > LINGER_MAX)
			return LOCI_STEP_CLOSE;
	}
	return LOCI_STEP_READ;
}

static enum loci__step (*const steps[LOCI_CONN_STATES_])(struct loci__conn *c) = {
        [LOCI_CONN_HANDSHAKE] = step_handshake, [LOCI_CONN_HEAD] = step_head,
        [LOCI_CONN_HANDLE] = step_handle,       [LOCI_CONN_BODY] = loci__step_body,
        [LOCI_CONN_REFUSE] = step_refuse,       [LOCI_CONN_SEND] = loci__step_send,
        [LOCI_CONN_DRAIN] = step_drain,         [LOCI_CONN_LINGER] = step_linger,
};

/* --- the pump --- */

static void on_readable(h2o_socket_t *sock, const char *err)
{
	struct loci__conn *c = sock->data;
	(void)err; /* the next read says what it is */
	c->readable = true;
	loci__conn_pump(c);
}

static void on_writable(h2o_socket_t *sock, const char *err)
{
	struct loci__conn *c = sock->data;
	(void)err;
	if (c->stream.turn == LOCI_TURN_WRITE) /* it was a read that waited for this */
		c->readable = true;
	loci__conn_pump(c);
}

/* Beside a job it stays armed until there is something: most clients wait for the answer, and the
 * two epoll_ctl are saved. Not beside one that reads itself. */
static void wait_for_job(struct loci__conn *c)
{
	if (h2o_socket_is_reading(c->sock) && (c->ex->carrying || c->readable))
		h2o_socket_read_stop(c->sock);
	loci__conn_timer(c, LOCI_TIMER_NONE, false);
}

void loci__conn_pump(struct loci__conn *c)
{
	enum loci__step want = LOCI_STEP_AGAIN;
	for (int i = 0; want == LOCI_STEP_AGAIN && i < STEPS_MAX; i++)
		want = steps[c->state](c);
	if (want == LOCI_STEP_CLOSE) {
		loci__conn_close(c, c->end ? c->end : c->ex ? LOCI_END_LOST : LOCI_END_DONE);
		return;
	}
	if (want == LOCI_STEP_JOB) {
		wait_for_job(c);
		return;
	}
	if (c->stream.turn && (want == LOCI_STEP_READ || want == LOCI_STEP_WRITE))
		want = c->stream.turn == LOCI_TURN_READ ? LOCI_STEP_READ : LOCI_STEP_WRITE;
	if (want == LOCI_STEP_READ && !h2o_socket_is_reading(c->sock))
		h2o_socket_read_start(c->sock, on_readable);
	if (want != LOCI_STEP_READ && h2o_socket_is_reading(c->sock))
		h2o_socket_read_stop(c->sock);
	/* Out of steps: notify_write comes back after the next poll, or when a client that sends
	 * requests without reading responses reads some. */
	if (want == LOCI_STEP_AGAIN)
		loci__conn_timer(c, LOCI_TIMER_WRITE, true);
	if ((want == LOCI_STEP_WRITE || want == LOCI_STEP_AGAIN) && !h2o_socket_is_writing(c->sock))
		h2o_socket_notify_write(c->sock, on_writable);
}

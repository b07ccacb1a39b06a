/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS by OpenSSL on the connection's own fd. Between the two stands a BIO of ours, for three things
 * that OpenSSL's lacks: MSG_NOSIGNAL; several records in one send(2), which costs more than to
 * copy them together; and the knowledge that a short read(2) has emptied the socket, which saves
 * asking once more.
 *
 * Bytes that were written are reported when the last of their record's batch is in the kernel: what
 * a full socket did not take is held, and whoever tries again begins with the same bytes. So
 * nothing but a connection that waits has memory for a download; plain bytes and records stand in
 * memory of the loop.
 */
#include "registry/http/stream_tls.h"

#include "registry/http/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RECORD_MAX SSL3_RT_MAX_PLAIN_LENGTH
#define BATCH_MAX  (4 * RECORD_MAX)

_Static_assert(BATCH_MAX <= LOCI_HTTP_SCRATCH, "a batch is read from its file at once");
_Static_assert(4 * SSL3_RT_MAX_ENCRYPTED_LENGTH <= LOCI_HTTP_WIRE, "and has room as records");

struct loci__tls_stream {
	SSL *ssl;
	struct loci__stream_room room;
	size_t batch_n; /* bytes in .room.wire */
	bool batching;
	char *held; /* the rest of a batch that the kernel did not take, or NULL */
	size_t held_at, held_n;
	size_t owed;   /* bytes that were written by that batch and are not reported */
	uint64_t wire; /* bytes that the kernel took */
	const char *reason;
	int sys_errno;       /* of the socket */
	int over;            /* reading: 0 goes on, -1 the client's end, else an errno */
	bool dry;            /* in this call the socket was seen empty */
	bool failed;         /* nothing more may be asked of OpenSSL */
	bool at_end;         /* of the socket */
	bool said;           /* the client, something */
	unsigned char first; /* byte of it */
};

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* --- between OpenSSL and the socket --- */

static int bio_read(BIO *bio, char *p, int n)
{
	struct loci__http_stream *s = BIO_get_data(bio);
	struct loci__tls_stream *t = s->tls;
	ssize_t got = -1;
	errno = EAGAIN;
	if (!t->dry)
		got = loci__http_plain_stream.read(s, p, (size_t)n);
	BIO_clear_retry_flags(bio);
	if (got < n)
		t->dry = true;
	if (got < 0 && errno == EAGAIN)
		BIO_set_retry_read(bio);
	else if (got < 0)
		t->sys_errno = errno;
	t->at_end |= got == 0;
	if (got > 0 && !t->said) {
		t->said = true;
		t->first = (unsigned char)p[0];
	}
	return (int)got;
}

static ssize_t send_some(struct loci__http_stream *s, const char *p, size_t n, bool more)
{
	const struct iovec iov = {(char *)p, n};
	ssize_t sent = loci__http_plain_stream.write(s, &iov, 1, more);
	if (sent > 0)
		s->tls->wire += (uint64_t)sent;
	else if (sent < 0 && errno != EAGAIN)
		s->tls->sys_errno = errno;
	return sent;
}

/* What is held goes first. False with errno. */
static bool send_held(struct loci__http_stream *s)
{
	struct loci__tls_stream *t = s->tls;
	if (!t->held)
		return true;
	ssize_t sent = send_some(s, t->held + t->held_at, t->held_n, false);
	t->held_at += sent > 0 ? (size_t)sent : 0;
	t->held_n -= sent > 0 ? (size_t)sent : 0;
	if (t->held_n) {
		errno = sent < 0 ? errno : EAGAIN;
		return false;
	}
	free(t->held);
	t->held = NULL;
	return true;
}

/* What OpenSSL says by itself, alerts and the like, goes out at once; data in batches. */
static int bio_write(BIO *bio, const char *p, int n)
{
	struct loci__http_stream *s = BIO_get_data(bio);
	struct loci__tls_stream *t = s->tls;
	ssize_t put = -1;
	BIO_clear_retry_flags(bio);
	if (t->batching && (size_t)n <= LOCI_HTTP_WIRE - t->batch_n) {
		memcpy(t->room.wire + t->batch_n, p, (size_t)n);
		t->batch_n += (size_t)n;
		return n;
	}
	errno = EAGAIN;
	if (!t->batching && send_held(s))
		put = send_some(s, p, (size_t)n, false);
	if (put < 0 && errno == EAGAIN)
		BIO_set_retry_write(bio);
	return (int)put;
}

static long bio_ctrl(BIO *bio, int cmd, long n, void *p)
{
	const struct loci__http_stream *s = BIO_get_data(bio);
	(void)n;
	(void)p;
	return cmd == BIO_CTRL_FLUSH || (cmd == BIO_CTRL_EOF && s->tls->at_end);
}

static BIO_METHOD *method;

/* For the life of the process: BIOs refer to it. */
static void make_method(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "loci stream");
	if (m && BIO_meth_set_read(m, bio_read) && BIO_meth_set_write(m, bio_write) &&
	    BIO_meth_set_ctrl(m, bio_ctrl))
		method = m;
	else
		BIO_meth_free(m);
}

static BIO *bio_new(struct loci__http_stream *s)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, make_method);
	BIO *bio = method ? BIO_new(method) : NULL;
	if (!bio)
		return NULL;
	BIO_set_data(bio, s);
	BIO_set_init(bio, 1);
	return bio;
}

/* --- calls of OpenSSL --- */

/* Before each: errors of others would be taken for this call's. */
static void begin(struct loci__http_stream *s)
{
	s->turn = LOCI_TURN_OWN;
	s->tls->dry = false;
	ERR_clear_error();
}

static int fatal(struct loci__tls_stream *t)
{
	t->failed = true;
	t->reason = ERR_reason_error_string(ERR_peek_error());
	ERR_clear_error();
	/* What a client did wrong is like its going away: no error of ours. */
	return t->sys_errno ? t->sys_errno : ECONNRESET;
}

/* What a call that gave nothing says: 0 the client's end, or -1 with errno. */
static ssize_t outcome(struct loci__http_stream *s, int rc)
{
	int why = SSL_get_error(s->tls->ssl, rc);
	if (why == SSL_ERROR_ZERO_RETURN)
		return 0;
	if (why == SSL_ERROR_WANT_READ)
		s->turn = LOCI_TURN_READ;
	else if (why == SSL_ERROR_WANT_WRITE)
		s->turn = LOCI_TURN_WRITE;
	errno = s->turn ? EAGAIN : fatal(s->tls);
	return -1;
}

/* The turn is said only where it is not what the caller waits for anyway. */
static ssize_t outcome_of(struct loci__http_stream *s, int rc, enum loci__stream_turn own)
{
	ssize_t got = outcome(s, rc);
	if (s->turn == own)
		s->turn = LOCI_TURN_OWN;
	return got;
}

static ssize_t tls_read(struct loci__http_stream *s, void *p, size_t n)
{
	struct loci__tls_stream *t = s->tls;
	size_t done = 0, got;
	int rc = 1;
	begin(s);
	while (!t->over && done < n &&
	       (rc = SSL_read_ex(t->ssl, (char *)p + done, n - done, &got)) > 0)
		done += got;
	if (rc <= 0) {
		ssize_t end = outcome_of(s, rc, LOCI_TURN_READ);
		if (end == 0 || errno != EAGAIN)
			t->over = end == 0 ? -1 : errno;
	}
	if (done || n == 0) { /* .over stays for the next call */
		s->turn = LOCI_TURN_OWN;
		return (ssize_t)done;
	}
	errno = t->over > 0 ? t->over : EAGAIN;
	return t->over < 0 ? 0 : -1;
}

/* Encrypts up to a batch; how many of the bytes it took, or -1 with errno. */
static ssize_t fill_batch(struct loci__http_stream *s, const char *p, size_t n)
{
	struct loci__tls_stream *t = s->tls;
	size_t done = 0, took;
	int rc = 1;
	t->batch_n = 0;
	t->batching = true;
	while (done < least(n, BATCH_MAX) &&
	       (rc = SSL_write_ex(t->ssl, p + done, least(n - done, RECORD_MAX), &took)) > 0)
		done += took;
	t->batching = false;
	if (rc <= 0 && outcome_of(s, rc, LOCI_TURN_WRITE) == 0)
		errno = EPIPE;
	return done ? (ssize_t)done : -1;
}

/* Gives the batch to the kernel, or holds the rest of it: then false with errno. */
static bool send_batch(struct loci__http_stream *s, bool more)
{
	struct loci__tls_stream *t = s->tls;
	ssize_t sent = send_some(s, t->room.wire, t->batch_n, more);
	size_t at = sent > 0 ? (size_t)sent : 0;
	if (at == t->batch_n)
		return true;
	if (sent < 0 && errno != EAGAIN) {
		t->failed = true;
		return false;
	}
	t->held = malloc(t->batch_n - at);
	t->failed = !t->held;
	errno = t->held ? EAGAIN : ENOMEM;
	if (!t->held)
		return false;
	t->held_at = 0;
	t->held_n = t->batch_n - at;
	memcpy(t->held, t->room.wire + at, t->held_n);
	return false;
}

static ssize_t put(struct loci__http_stream *s, const char *p, size_t n, bool more)
{
	size_t done = 0;
	while (done < n) {
		ssize_t took = fill_batch(s, p + done, n - done);
		if (took < 0)
			return done ? (ssize_t)done : -1;
		if (!send_batch(s, more || done + (size_t)took < n)) {
			s->tls->owed = s->tls->held ? (size_t)took : 0;
			return done ? (ssize_t)done : -1;
		}
		done += (size_t)took;
	}
	return (ssize_t)done;
}

static bool may_ask(struct loci__http_stream *s)
{
	errno = ECONNRESET;
	if (s->tls->failed)
		return false;
	begin(s);
	return true;
}

/* Bytes of the batch before, which has gone now, or 0; -1 with errno. */
static ssize_t settle(struct loci__http_stream *s)
{
	if (!may_ask(s) || !send_held(s))
		return -1;
	size_t owed = s->tls->owed;
	s->tls->owed = 0;
	return (ssize_t)owed;
}

/* A head and what fits behind it make one record; the rest of a long body goes from where it is. */
static ssize_t tls_write(struct loci__http_stream *s, const struct iovec *iov, int n, bool more)
{
	char *scratch = s->tls->room.plain;
	ssize_t owed = settle(s);
	if (owed)
		return owed;
	if (n == 1)
		return put(s, iov[0].iov_base, iov[0].iov_len, more);
	size_t together = 0, last = 0;
	for (int i = 0; i < n; i++) {
		last = least(iov[i].iov_len, RECORD_MAX - together);
		memcpy(scratch + together, iov[i].iov_base, last);
		together += last;
		if (last < iov[i].iov_len)
			n = i + 1; /* and behind it there is more */
	}
	size_t left = iov[n - 1].iov_len - last;
	ssize_t sent = put(s, scratch, together, more || left);
	if (sent < (ssize_t)together || !left)
		return sent;
	ssize_t rest = put(s, (const char *)iov[n - 1].iov_base + last, left, more);
	return rest < 0 ? sent : sent + rest;
}

static ssize_t tls_send_file(struct loci__http_stream *s, int file_fd, uint64_t off, size_t n)
{
	ssize_t owed = settle(s);
	if (owed < 0)
		return -1;
	size_t done = (size_t)owed;
	while (done < n) {
		ssize_t got = pread(file_fd, s->tls->room.plain, least(n - done, BATCH_MAX),
		                    (off_t)(off + done));
		if (got <= 0)
			return done ? (ssize_t)done : got;
		ssize_t sent = put(s, s->tls->room.plain, (size_t)got, done + (size_t)got < n);
		if (sent < 0)
			return done ? (ssize_t)done : -1;
		done += (size_t)sent;
	}
	return (ssize_t)done;
}

/* What comes after it is thrown away: no need to decipher it. */
static void tls_end(struct loci__http_stream *s)
{
	if (may_ask(s))
		(void)SSL_shutdown(s->tls->ssl);
	s->ops = &loci__http_plain_stream;
	s->ops->end(s);
}

static uint64_t tls_taken(const struct loci__http_stream *s, uint64_t written)
{
	(void)written;
	return loci__http_plain_stream.taken(s, s->tls->wire);
}

/* A read that came short has left no whole record in OpenSSL: what it holds of one waits for the
 * socket. So only the end waits here, and a read that has to write first. */
static bool tls_pending(const struct loci__http_stream *s)
{
	return s->tls->over || s->turn == LOCI_TURN_WRITE;
}

/* A record that is not whole: OpenSSL keeps its buffer for it. */
static size_t tls_holds(const struct loci__http_stream *s)
{
	return !s->tls->failed && SSL_has_pending(s->tls->ssl) ? LOCI_HTTP_SCRATCH : 0;
}

static const struct loci__http_stream_ops tls_stream = {
        .scheme = "https",
        .read = tls_read,
        .write = tls_write,
        .send_file = tls_send_file,
        .end = tls_end,
        .taken = tls_taken,
        .pending = tls_pending,
        .holds = tls_holds,
};

/* --- the handshake --- */

/* The first byte of a TLS record of a handshake is 22. */
static bool is_plain_http(const struct loci__tls_stream *t)
{
	return t->first >= 'A' && t->first <= 'Z';
}

enum loci__handshake loci__stream_handshake(struct loci__http_stream *s)
{
	struct loci__tls_stream *t = s->tls;
	begin(s);
	int rc = SSL_accept(t->ssl);
	if (rc == 1)
		return LOCI_HANDSHAKE_DONE;
	if (outcome_of(s, rc, LOCI_TURN_READ) < 0 && errno == EAGAIN)
		return LOCI_HANDSHAKE_WAITS;
	s->ops = &loci__http_plain_stream;
	if (t->at_end || t->sys_errno) {
		if (t->at_end || !t->reason)
			t->reason = t->at_end ? "the client hung up" : strerror(t->sys_errno);
		return t->said ? LOCI_HANDSHAKE_FAILED : LOCI_HANDSHAKE_GONE;
	}
	return is_plain_http(t) ? LOCI_HANDSHAKE_PLAIN_HTTP : LOCI_HANDSHAKE_FAILED;
}

const char *loci__stream_handshake_reason(const struct loci__http_stream *s)
{
	return s->tls->reason ? s->tls->reason : "no reason given";
}

bool loci__stream_was_resumed(const struct loci__http_stream *s)
{
	return SSL_session_reused(s->tls->ssl);
}

/* --- life --- */

bool loci__tls_stream_init(struct loci__http_stream *s, struct loci__tls *tls,
                           struct loci__stream_room room)
{
	struct loci__tls_stream *t = calloc(1, sizeof(*t));
	if (!t)
		return false;
	t->room = room;
	t->ssl = loci__tls_begin(tls);
	BIO *bio = t->ssl ? bio_new(s) : NULL;
	if (!bio) {
		SSL_free(t->ssl);
		free(t);
		return false;
	}
	SSL_set_bio(t->ssl, bio, bio);
	SSL_set_accept_state(t->ssl);
	s->tls = t;
	s->ops = &tls_stream;
	return true;
}

void loci__tls_stream_done(struct loci__http_stream *s, bool orderly)
{
	struct loci__tls_stream *t = s->tls;
	if (orderly && s->ops == &tls_stream && SSL_is_init_finished(t->ssl) && may_ask(s))
		(void)SSL_shutdown(t->ssl);
	ERR_clear_error();
	SSL_free(t->ssl);
	free(t->held);
	free(t);
	s->tls = NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets, TLS, and one request and its answer at a time on each. */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define DROP_AT_ONCE ((size_t)4 << 20)
#define SEND_AT_ONCE \
	((size_t)256 << 10) /* many kernels let nobody else run in the middle of a call */

/* ---- open and close */

static void handshake(struct load *l, struct connection *c)
{
	c->ssl = SSL_new(l->ssl);
	if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1)
		load_die("TLS: out of memory");
	if (SSL_connect(c->ssl) != 1)
		load_die("TLS handshake failed");
}

static void open_one(struct load *l, struct connection *c)
{
	const int on = 1;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&l->o.to, sizeof(l->o.to)) < 0)
		load_die("connect to %s: %s", l->o.host, strerror(errno));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (l->o.tls)
		handshake(l, c);
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	c->events = EPOLLIN;
	struct epoll_event e = {.events = c->events, .data.ptr = c};
	if (epoll_ctl(l->ep, EPOLL_CTL_ADD, c->fd, &e) < 0)
		load_die("epoll: %s", strerror(errno));
}

/*
 * It measures: whose certificate that is does not matter. One suite, the one that Go's clients and
 * servers prefer: with the choice of the two sides' libraries, other ciphers would be compared.
 */
static SSL_CTX *new_tls(void)
{
	SSL_CTX *ssl = SSL_CTX_new(TLS_client_method());
	if (!ssl || SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(ssl, "TLS_AES_128_GCM_SHA256") != 1)
		load_die("TLS 1.3 is not there");
	SSL_CTX_set_verify(ssl, SSL_VERIFY_NONE, /* callback= */ NULL);
	SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ssl, 1);
	SSL_CTX_set_default_read_buffer_len(ssl, 1 << 18);
	return ssl;
}

void connections_open(struct load *l)
{
	l->ep = epoll_create1(EPOLL_CLOEXEC);
	l->connections = calloc(l->o.connections, sizeof(*l->connections));
	if (l->ep < 0 || !l->connections)
		load_die("no memory for %u connections", l->o.connections);
	if (l->o.tls)
		l->ssl = new_tls();
	for (unsigned i = 0; i < l->o.connections; i++) {
		l->connections[i].index = i;
		open_one(l, &l->connections[i]);
	}
}

void connections_close(struct load *l)
{
	for (unsigned i = 0; i < l->o.connections; i++) {
		SSL_free(l->connections[i].ssl);
		close(l->connections[i].fd);
	}
	SSL_CTX_free(l->ssl);
	free(l->connections);
	close(l->ep);
}

/* ---- send */

static void watch(struct load *l, struct connection *c, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = c};
	if (c->events == events)
		return;
	if (epoll_ctl(l->ep, EPOLL_CTL_MOD, c->fd, &e) < 0)
		load_die("epoll: %s", strerror(errno));
	c->events = events;
}

/* SSL's answer as a socket's: -1 with errno EAGAIN when it has to wait. */
static ssize_t from_ssl(const struct connection *c, int n)
{
	if (n > 0)
		return n;
	int why = SSL_get_error(c->ssl, n);
	if (why == SSL_ERROR_ZERO_RETURN)
		return 0;
	errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
	return -1;
}

static void took(struct loci_slice *s, size_t n)
{
	s->p += n;
	s->n -= n;
}

static ssize_t send_slices(struct connection *c)
{
	if (c->ssl) {
		struct loci_slice *s = c->head.n ? &c->head : &c->body;
		ssize_t n = from_ssl(c, SSL_write(c->ssl, s->p, (int)s->n));
		if (n > 0)
			took(s, (size_t)n);
		return n;
	}
	struct iovec v[2] = {{(void *)(uintptr_t)c->head.p, c->head.n},
	                     {(void *)(uintptr_t)c->body.p, c->body.n}};
	const struct msghdr m = {.msg_iov = v, .msg_iovlen = 1 + (c->body.n != 0)};
	ssize_t n = sendmsg(c->fd, &m, MSG_NOSIGNAL);
	if (n > 0) {
		size_t of_head = (size_t)n < c->head.n ? (size_t)n : c->head.n;
		took(&c->head, of_head);
		took(&c->body, (size_t)n - of_head);
	}
	return n;
}

/* The block over and over, and the client's own tail at the end. */
static ssize_t send_stream(struct load *l, struct connection *c)
{
	ssize_t n;
	if (c->stream_left <= CONTENT_TAIL) {
		const char *tail = c->tail + CONTENT_TAIL - c->stream_left;
		n = c->ssl ? from_ssl(c, SSL_write(c->ssl, tail, (int)c->stream_left))
		           : send(c->fd, tail, (size_t)c->stream_left, MSG_NOSIGNAL);
	} else {
		uint64_t left = c->stream_left - CONTENT_TAIL;
		off_t at = (off_t)((l->content.size - c->stream_left) % CONTENT_BLOCK);
		size_t k = CONTENT_BLOCK - (size_t)at;
		k = left < k ? (size_t)left : k;
		k = k < SEND_AT_ONCE ? k : SEND_AT_ONCE;
		n = c->ssl ? from_ssl(c, SSL_write(c->ssl, l->content.block + at, (int)k))
		           : sendfile(c->fd, l->content.fd, &at, k);
	}
	if (n > 0)
		c->stream_left -= (uint64_t)n;
	return n;
}

static bool has_to_send(const struct connection *c)
{
	return c->head.n || c->body.n || c->stream_left;
}

static void go_on_sending(struct load *l, struct connection *c)
{
	while (has_to_send(c)) {
		ssize_t n = c->head.n || c->body.n ? send_slices(c) : send_stream(l, c);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0)
			load_die("send: %s", n ? strerror(errno) : "closed");
		l->bytes_out += (uint64_t)n;
	}
	watch(l, c, has_to_send(c) ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void connection_send(struct load *l, struct connection *c, struct loci_slice head,
                     struct loci_slice body)
{
	c->head = head;
	c->body = body;
	c->no_body = head.n > 4 && memcmp(head.p, "HEAD", 4) == 0;
	c->has_head = false;
	c->in_len = 0;
	c->is_busy = true;
	l->n_requests++;
	go_on_sending(l, c);
}

void connection_send_content(struct load *l, struct connection *c, struct loci_slice head)
{
	content_tail(l->o.seed, c->index, c->tail);
	c->stream_left = l->content.size;
	connection_send(l, c, head, (struct loci_slice){0});
}

/* ---- receive */

static void begin_body(struct connection *c)
{
	const struct answer *a = &c->answer;
	c->has_head = true;
	c->chunks = (struct chunked){0};
	c->body_left = a->has_length ? a->length : 0;
	if (c->no_body || a->status == 204 || a->status == 304) {
		c->answer.is_chunked = false;
		c->body_left = 0;
	} else if (!a->has_length && !a->is_chunked) {
		load_die("an answer (%u) without a length", a->status);
	}
	if (a->closes)
		load_die("the server closes after %u", a->status);
}

/* Of n bytes in c->in, what is body; true when the answer is whole then. */
static bool skip_body(struct connection *c, const char *p, size_t n)
{
	if (c->answer.is_chunked) {
		ssize_t k = chunked_skip(&c->chunks, p, n);
		if (k < 0)
			load_die("a malformed chunk");
		n -= (size_t)k;
	} else {
		size_t k = c->body_left < n ? (size_t)c->body_left : n;
		c->body_left -= k;
		n -= k;
	}
	bool is_whole = c->answer.is_chunked ? chunked_is_done(&c->chunks) : !c->body_left;
	if (is_whole && n)
		load_die("%zu bytes behind the answer", n);
	return is_whole;
}

/* n more bytes are in c->in. */
static bool take_in(struct connection *c, size_t n)
{
	if (c->has_head)
		return skip_body(c, c->in, n);
	c->in_len += n;
	ssize_t head = answer_parse(c->in, c->in_len, &c->answer);
	if (head < 0)
		load_die("this is no answer: %.*s", (int)c->in_len, c->in);
	if (!head && c->in_len == sizeof(c->in))
		load_die("a head of more than %d bytes", CONNECTION_IN);
	if (!head)
		return false;
	begin_body(c);
	return skip_body(c, c->in + head, c->in_len - (size_t)head);
}

/* The rest of a body of known length never gets out of the kernel. */
static bool is_dropped(const struct connection *c)
{
	return c->has_head && !c->answer.is_chunked && !c->ssl;
}

static ssize_t receive(struct connection *c)
{
	if (is_dropped(c)) {
		size_t k = c->body_left < DROP_AT_ONCE ? (size_t)c->body_left : DROP_AT_ONCE;
		return recv(c->fd, /* buf= */ NULL, k, MSG_TRUNC);
	}
	char *to = c->has_head ? c->in : c->in + c->in_len;
	size_t room = (size_t)(c->in + sizeof(c->in) - to);
	return c->ssl ? from_ssl(c, SSL_read(c->ssl, to, (int)room)) : recv(c->fd, to, room, 0);
}

/* False when the socket has no more for now. */
static bool receive_once(struct load *l, struct connection *c, bool *ret_is_whole)
{
	bool dropped = is_dropped(c);
	ssize_t n = receive(c);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0)
		load_die("receive: %s", n ? strerror(errno) : "the server closed the connection");
	if (!c->is_busy)
		load_die("an answer that was not asked for");
	l->bytes_in += (uint64_t)n;
	if (dropped)
		c->body_left -= (uint64_t)n;
	*ret_is_whole = dropped ? !c->body_left : take_in(c, (size_t)n);
	/* TLS may hold more than the socket tells of; a socket is asked again by epoll. */
	return c->ssl != NULL;
}

static void on_readable(struct load *l, struct connection *c)
{
	bool is_whole = false;
	while (!is_whole && receive_once(l, c, &is_whole))
		;
	if (!is_whole)
		return;
	if (has_to_send(c))
		load_die("answered %u before the request was sent", c->answer.status);
	c->is_busy = false;
	l->now_ns = load_now_ns();
	if (!l->o.verb->go_on(l, c, /* is_first= */ false))
		l->n_active--;
}

void connection_on_event(struct load *l, struct connection *c, uint32_t events)
{
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		on_readable(l, c);
	if (events & EPOLLOUT && has_to_send(c))
		go_on_sending(l, c);
}

/* ---- what verbs do with answers */

void connection_expect(const struct connection *c, unsigned status)
{
	if (c->answer.status == status)
		return;
	const char *end = memmem(c->in, c->in_len, "\r\n\r\n", 4);
	size_t head = end ? (size_t)(end + 4 - c->in) : c->in_len;
	load_die("expected %u, got %u: %.*s", status, c->answer.status,
	         (int)(c->in_len - head < 500 ? c->in_len - head : 500), c->in + head);
}

void connection_follow(struct connection *c)
{
	struct loci_cursor at = loci__cursor(c->answer.location.p, c->answer.location.n);
	struct loci_slice host;
	if (loci__take_text(&at, "http://") || loci__take_text(&at, "https://")) {
		if (!loci__take_until(&at, '/', &host))
			load_die("a Location without a path");
		at.p--; /* the path keeps its slash */
	}
	if (!loci__cursor_left(&at) || *at.p != '/' ||
	    !loci__slice_copy(loci__slice(at.p, loci__cursor_left(&at)), c->target,
	                      sizeof(c->target)))
		load_die("no Location, or one that is too long");
}

struct loci_slice request_head(const struct load *l, struct connection *c, const char *method,
                               const char *target, const char *query, const char *type,
                               uint64_t length)
{
	const char *joint = !*query ? "" : strchr(target, '?') ? "&" : "?";
	int n = snprintf(c->out, sizeof(c->out), "%s %s%s%s HTTP/1.1\r\nHost: %s\r\n%s", method,
	                 target, joint, query, l->o.host, l->o.headers);
	if (n > 0 && (size_t)n < sizeof(c->out) && strcmp(method, "GET") != 0 &&
	    strcmp(method, "HEAD") != 0)
		n += snprintf(c->out + n, sizeof(c->out) - (size_t)n,
		              "Content-Type: %s\r\nContent-Length: %llu\r\n", type,
		              (unsigned long long)length);
	if (n < 0 || (size_t)n + 2 >= sizeof(c->out))
		load_die("a request head of more than %d bytes", CONNECTION_OUT);
	memcpy(c->out + n, "\r\n", 3);
	return loci__slice(c->out, (size_t)n + 2);
}

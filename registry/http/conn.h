/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection: a state machine whose steps try to go on and say what they wait for. Only the pump
 * runs steps, only from callbacks of the loop, and only the pump, a timer and the loop's own end
 * close a connection: no step ever finds its connection gone.
 */
#ifndef LOCI_REGISTRY_HTTP_CONN_H
#define LOCI_REGISTRY_HTTP_CONN_H

#include "registry/http/exchange.h"
#include "registry/http/loop.h"
#include "registry/http/stream.h"

#include <sys/socket.h>

enum loci__conn_state {
	LOCI_CONN_HANDSHAKE, /* of TLS */
	LOCI_CONN_HEAD,      /* waits for a request head */
	LOCI_CONN_HANDLE,    /* its handler runs on a worker */
	LOCI_CONN_BODY,      /* the body goes into a sink */
	LOCI_CONN_REFUSE,    /* the sink is being given up, an error response follows */
	LOCI_CONN_SEND,      /* the response goes out */
	LOCI_CONN_DRAIN,     /* a short body nobody wanted is thrown away, the next head follows */
	LOCI_CONN_LINGER,    /* the response said close: read on until the client has seen it */
	LOCI_CONN_STATES_,
};

/* What a step wants next. */
enum loci__step {
	LOCI_STEP_AGAIN, /* run the state's step (maybe another state's) */
	LOCI_STEP_READ,  /* when the socket is readable */
	LOCI_STEP_WRITE, /* when it is writable; also the fair way to let others run */
	LOCI_STEP_JOB,   /* when the job is done; no time-out runs meanwhile */
	LOCI_STEP_CLOSE,
};

/* Why a connection ends: a row of the table in conn.c gives the access log's words and the counter.
 */
enum loci__conn_end {
	LOCI_END_DONE, /* as it should */
	LOCI_END_LOST,
	LOCI_END_HANDSHAKE,
	LOCI_END_IDLE,
	LOCI_END_BODY,
	LOCI_END_WRITE,
	LOCI_END_WRITE_RATE,
	LOCI_END_LINGER,
	LOCI_END_ROOM,
	LOCI_END_STOP,
	LOCI_END_CUT,
	LOCI_ENDS_,
};

/* Bytes that were read and not yet used. Most heads come in one piece and are used up at once, so
 * they are read into the loop's scratch; what is left at the end of a step is copied out of it. */
struct loci__input {
	char *p;
	size_t off;
	size_t len; /* behind off */
	size_t cap; /* 0: p is the loop's, or NULL */
};

struct loci__conn {
	h2o_linklist_t link; /* first */
	struct loci__http_loop *loop;
	h2o_socket_t *sock;
	struct loci__http_stream stream;
	enum loci__conn_state state;
	h2o_timeout_entry_t timer;
	enum loci__timer timer_kind;
	uint64_t timer_at; /* when it was started, by the clock that nobody sets */
	uint64_t written;  /* bytes, since the beginning */
	uint64_t taken;    /* of these, by the client, when the write timer last looked */
	uint64_t taken_at; /* ms */
	struct loci__pace write_pace;
	size_t held; /* bytes of heads, as heads.h counts them */
	struct loci__client *client;
	struct loci__input in;
	size_t scanned;            /* of in, by the search for the head's end */
	bool readable;             /* a read may give something */
	enum loci__conn_end end;   /* of a step that closes; DONE: not said */
	uint64_t discard;          /* DRAIN: bytes to go; LINGER: bytes so far */
	struct loci__exchange *ex; /* the request under way, or NULL */
	char peer[INET6_ADDRSTRLEN];
};

/* Takes over the fd; it is closed when memory is out or the client has as many as it may. */
void loci__conn_accept(struct loci__http_loop *l, int take_fd, const struct sockaddr *from);
void loci__conn_pump(struct loci__conn *c);
void loci__conn_close(struct loci__conn *c, enum loci__conn_end why);
/* The server stops: closes a connection that waits for nothing but a further request. */
void loci__conn_close_if_idle(struct loci__conn *c);

void loci__conn_on_timer(h2o_timeout_entry_t *entry);
/* For the steps: one timer, started anew when the kind changes or restart is set. */
void loci__conn_timer(struct loci__conn *c, enum loci__timer kind, bool restart);
/* Up to n bytes from the socket: > 0, 0 the client's end, -1 with errno EAGAIN or worse. Keeps
 * .readable. The loop's numbers do not hear of them, so that a carrier may call it. */
ssize_t loci__conn_take(struct loci__conn *c, void *p, size_t n);
/* Bytes written, or -1 with errno. */
ssize_t loci__conn_write(struct loci__conn *c, const struct iovec *iov, int n, bool more);
ssize_t loci__conn_send_file(struct loci__conn *c, int file_fd, uint64_t off, size_t n);
/* Room for n more bytes behind what is there; NULL when memory is out. */
char *loci__input_reserve(struct loci__input *in, size_t n);
void loci__input_consume(struct loci__input *in, size_t n);

#endif

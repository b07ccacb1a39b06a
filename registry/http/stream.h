/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a connection, non-blocking, plain or by TLS: nothing else in this folder reads or
 * writes a connection's fd, and nothing else knows which of both it is.
 */
#ifndef LOCI_REGISTRY_HTTP_STREAM_H
#define LOCI_REGISTRY_HTTP_STREAM_H

#include "loci/api.h"

#include <sys/uio.h>

struct loci__http_stream;
struct loci__tls;
struct loci__tls_stream;

#define LOCI_HTTP_SCRATCH (64 * 1024)
#define LOCI_HTTP_WIRE    (70 * 1024) /* the same as records of TLS */

/* Memory that calls may overwrite. */
struct loci__stream_room {
	char *plain; /* [LOCI_HTTP_SCRATCH] */
	char *wire;  /* [LOCI_HTTP_WIRE] */
};

enum loci__handshake {
	LOCI_HANDSHAKE_DONE,
	LOCI_HANDSHAKE_WAITS,
	LOCI_HANDSHAKE_FAILED,     /* the client may still be told why: linger */
	LOCI_HANDSHAKE_GONE,       /* the client, without a word */
	LOCI_HANDSHAKE_PLAIN_HTTP, /* it speaks HTTP: from now on the stream is a plain one */
};

/* Each returns bytes moved, or -1 with errno; EAGAIN: wait for the socket. EINTR does not come. */
struct loci__http_stream_ops {
	const char *scheme;
	ssize_t (*read)(struct loci__http_stream *s, void *p, size_t n); /* 0: the peer's end */
	/* more: further bytes follow at once, a short packet need not go out yet */
	ssize_t (*write)(struct loci__http_stream *s, const struct iovec *iov, int n, bool more);
	/* 0: the file is shorter than that */
	ssize_t (*send_file)(struct loci__http_stream *s, int file_fd, uint64_t off, size_t n);
	/* No more will be written; reading goes on, for what is thrown away. */
	void (*end)(struct loci__http_stream *s);
	/* How far the client has acknowledged what was sent: a position that only grows, of the
	 * bytes on the wire. written: those that were given to write and send_file. */
	uint64_t (*taken)(const struct loci__http_stream *s, uint64_t written);
	/* Bytes, or the end, that poll cannot see wait in the stream itself. */
	bool (*pending)(const struct loci__http_stream *s);
	/* Bytes of memory that hold the beginning of something whose rest has not come; 0: nothing.
	 */
	size_t (*holds)(const struct loci__http_stream *s);
};

/* What the last call waits for when it is not what it looks like: TLS has messages of its own. */
enum loci__stream_turn { LOCI_TURN_OWN = 0, LOCI_TURN_READ, LOCI_TURN_WRITE };

struct loci__http_stream {
	const struct loci__http_stream_ops *ops;
	int fd; /* borrowed */
	enum loci__stream_turn turn;
	struct loci__tls_stream *tls; /* NULL: a plain one */
};

/* tls: NULL, or what it shall speak. False when memory is out. */
bool loci__stream_init(struct loci__http_stream *s, int fd, struct loci__tls *tls,
                       struct loci__stream_room room);
/* orderly: the client has got all that it was promised, and is told that this is the end. */
void loci__stream_done(struct loci__http_stream *s, bool orderly);
/* Before anything else, when there is .tls. */
enum loci__handshake loci__stream_handshake(struct loci__http_stream *s);
/* Why it failed; that it went on with a session of before. */
const char *loci__stream_handshake_reason(const struct loci__http_stream *s);
bool loci__stream_was_resumed(const struct loci__http_stream *s);

extern const struct loci__http_stream_ops loci__http_plain_stream;

#endif

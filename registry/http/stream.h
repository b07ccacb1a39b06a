/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a connection, non-blocking. The seam where TLS goes between the socket and the rest:
 * nothing else in this folder reads or writes a connection's fd.
 */
#ifndef LOCI_REGISTRY_HTTP_STREAM_H
#define LOCI_REGISTRY_HTTP_STREAM_H

#include "loci/api.h"

#include <sys/uio.h>

struct loci__http_stream;

/* Each returns bytes moved, or -1 with errno; EAGAIN: wait for the socket. EINTR does not come. */
struct loci__http_stream_ops {
	ssize_t (*read)(struct loci__http_stream *s, void *p, size_t n); /* 0: the peer's end */
	/* more: further bytes follow at once, a short packet need not go out yet */
	ssize_t (*write)(struct loci__http_stream *s, const struct iovec *iov, int n, bool more);
	/* 0: the file is shorter than that */
	ssize_t (*send_file)(struct loci__http_stream *s, int file_fd, uint64_t off, size_t n);
	/* No more will be written; reading goes on. */
	void (*end)(struct loci__http_stream *s);
	/* Bytes written that the client has not acknowledged. */
	uint64_t (*unsent)(const struct loci__http_stream *s);
	/* Bytes that poll cannot see wait in the stream itself. */
	bool (*pending)(const struct loci__http_stream *s);
};

struct loci__http_stream {
	const struct loci__http_stream_ops *ops;
	int fd; /* borrowed */
};

extern const struct loci__http_stream_ops loci__http_plain_stream;

#endif

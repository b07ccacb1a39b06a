/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/http/stream.h"

#include "registry/http/stream_tls.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

static ssize_t plain_read(struct loci__http_stream *s, void *p, size_t n)
{
	ssize_t got;
	do
		got = recv(s->fd, p, n, 0);
	while (got < 0 && errno == EINTR);
	return got;
}

/* Not writev: only these take MSG_MORE, which puts a head and the start of its file into one
 * segment, and MSG_NOSIGNAL. */
static ssize_t plain_write(struct loci__http_stream *s, const struct iovec *iov, int n, bool more)
{
	struct msghdr m = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n};
	int flags = MSG_NOSIGNAL | MSG_DONTWAIT | (more ? MSG_MORE : 0);
	ssize_t sent;
	do
		sent = n == 1 ? send(s->fd, iov->iov_base, iov->iov_len, flags)
		              : sendmsg(s->fd, &m, flags);
	while (sent < 0 && errno == EINTR);
	return sent;
}

static ssize_t plain_send_file(struct loci__http_stream *s, int file_fd, uint64_t off, size_t n)
{
	off_t at = (off_t)off;
	ssize_t sent;
	do
		sent = sendfile(s->fd, file_fd, &at, n);
	while (sent < 0 && errno == EINTR);
	return sent;
}

static void plain_end(struct loci__http_stream *s)
{
	shutdown(s->fd, SHUT_WR);
}

/* The kernel's buffer takes megabytes at once and calls a socket writable again only when a third
 * of them is gone: what moves meanwhile is seen here alone. */
static uint64_t plain_taken(const struct loci__http_stream *s, uint64_t written)
{
	int n;
	return ioctl(s->fd, SIOCOUTQ, &n) == 0 && n > 0 ? written - (uint64_t)n : written;
}

static bool plain_pending(const struct loci__http_stream *s)
{
	(void)s;
	return false;
}

static size_t plain_holds(const struct loci__http_stream *s)
{
	(void)s;
	return 0;
}

const struct loci__http_stream_ops loci__http_plain_stream = {
        .scheme = "http",
        .read = plain_read,
        .write = plain_write,
        .send_file = plain_send_file,
        .end = plain_end,
        .taken = plain_taken,
        .pending = plain_pending,
        .holds = plain_holds,
};

/* --- which of both --- */

bool loci__stream_init(struct loci__http_stream *s, int fd, struct loci__tls *tls,
                       struct loci__stream_room room)
{
	*s = (struct loci__http_stream){.ops = &loci__http_plain_stream, .fd = fd};
	return !tls || loci__tls_stream_init(s, tls, room);
}

void loci__stream_done(struct loci__http_stream *s, bool orderly)
{
	if (s->tls)
		loci__tls_stream_done(s, orderly);
}

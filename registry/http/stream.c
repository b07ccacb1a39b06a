/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/http/stream.h"

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
static uint64_t plain_unsent(const struct loci__http_stream *s)
{
	int n;
	return ioctl(s->fd, SIOCOUTQ, &n) == 0 && n > 0 ? (uint64_t)n : 0;
}

static bool plain_pending(const struct loci__http_stream *s)
{
	(void)s;
	return false;
}

const struct loci__http_stream_ops loci__http_plain_stream = {
        .read = plain_read,
        .write = plain_write,
        .send_file = plain_send_file,
        .end = plain_end,
        .unsent = plain_unsent,
        .pending = plain_pending,
};

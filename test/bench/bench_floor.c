/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the machine itself costs: the least that a server of such requests can do. To be driven by
 * bench_load, as a registry is, and measured beside them.
 *
 *     answers   one thread, one epoll, the same prebuilt answer to every request: a small GET
 *     files     a thread a connection. GET sends the file that was pushed last by sendfile; PATCH
 *               receives, hashes (SHA-256), writes and syncs what comes; POST and PUT say yes
 *
 * usage: bench_floor answers PORT BYTES       body of so many bytes
 *        bench_floor files PORT DIRECTORY
 */
#include "core/base/cleanup.h"
#include "core/base/cursor.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD_MAX   8192
#define EVENTS     64
#define RECEIVE_AT ((size_t)256 << 10)
#define SEND_AT    ((size_t)1 << 30)

static const char *directory;

static void die(const char *what)
{
	fprintf(stderr, "bench_floor: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int listen_at(uint16_t port)
{
	const int on = 1;
	const struct sockaddr_in to = {.sin_family = AF_INET,
	                               .sin_port = htons(port),
	                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 || listen(fd, 1024) < 0)
		die("listen");
	return fd;
}

static int accept_one(int listener)
{
	const int on = 1;
	int fd = accept4(listener, /* addr= */ NULL, /* len= */ NULL, SOCK_CLOEXEC);
	if (fd < 0)
		die("accept");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

/* ---- answers */

static char *make_answer(size_t body, size_t *ret_n)
{
	char *p = calloc(1, body + HEAD_MAX);
	if (!p)
		die("answer");
	int n = snprintf(p, HEAD_MAX,
	                 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	                 "Content-Length: %zu\r\n\r\n",
	                 body);
	memset(p + n, 'x', body);
	*ret_n = (size_t)n + body;
	return p;
}

static void watch(int ep, int fd)
{
	struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) < 0)
		die("epoll");
}

/* A read is a request: nobody here pipelines or splits so few bytes. */
static void serve_answers(int listener, size_t body)
{
	size_t n_answer;
	const char *answer = make_answer(body, &n_answer);
	char buf[HEAD_MAX];
	int ep = epoll_create1(EPOLL_CLOEXEC);
	watch(ep, listener);
	for (;;) {
		struct epoll_event e[EVENTS];
		int n = epoll_wait(ep, e, EVENTS, /* timeout= */ -1);
		for (int i = 0; i < n; i++) {
			int fd = e[i].data.fd;
			if (fd == listener)
				watch(ep, accept_one(listener));
			else if (recv(fd, buf, sizeof(buf), 0) <= 0 ||
			         send(fd, answer, n_answer, MSG_NOSIGNAL) != (ssize_t)n_answer)
				close(fd);
		}
	}
}

/* ---- files */

struct client {
	int fd;
	char buf[RECEIVE_AT];
	size_t n; /* in buf */
};

static bool say(const struct client *c, const char *text)
{
	return send(c->fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

/* The length of the head at the beginning of buf; 0: the client has gone. */
static size_t receive_head(struct client *c)
{
	for (;;) {
		const char *end = memmem(c->buf, c->n, "\r\n\r\n", 4);
		if (end)
			return (size_t)(end + 4 - c->buf);
		ssize_t n = recv(c->fd, c->buf + c->n, HEAD_MAX - c->n, 0);
		if (n <= 0)
			return 0;
		c->n += (size_t)n;
	}
}

static uint64_t body_length(const struct client *c, size_t head)
{
	static const char name[] = "Content-Length: ";
	uint64_t length = 0;
	const char *p = memmem(c->buf, head, name, sizeof(name) - 1);
	if (p) {
		struct loci_cursor at =
		        loci__cursor(p + sizeof(name) - 1, head - (size_t)(p - c->buf));
		loci__take_u64(&at, &length);
	}
	return length;
}

static void keep(int fd, EVP_MD_CTX *hash, const char *p, size_t n)
{
	if (EVP_DigestUpdate(hash, p, n) != 1 || write(fd, p, n) != (ssize_t)n)
		die("write");
}

static bool take_body(struct client *c, size_t head, uint64_t left)
{
	char name[64];
	unsigned char digest[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	snprintf(name, sizeof(name), "%d.new", c->fd);
	int dir = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || !hash || EVP_DigestInit_ex(hash, EVP_sha256(), /* engine= */ NULL) != 1)
		die("open");
	keep(fd, hash, c->buf + head, c->n - head);
	left -= c->n - head;
	c->n = 0;
	while (left) {
		ssize_t n = recv(c->fd, c->buf, sizeof(c->buf), 0);
		if (n <= 0)
			break;
		keep(fd, hash, c->buf, (size_t)n);
		left -= (uint64_t)n;
	}
	EVP_DigestFinal_ex(hash, digest, /* n= */ NULL);
	EVP_MD_CTX_free(hash);
	if (fdatasync(fd) < 0)
		die("fdatasync");
	close(fd);
	bool ok = !left && say(c, "HTTP/1.1 202 Accepted\r\nLocation: /floor\r\n"
	                          "Content-Length: 0\r\n\r\n");
	/* Behind the answer: freeing the one before takes a while. */
	if (renameat(dir, name, dir, "blob") < 0)
		die("rename");
	close(dir);
	return ok;
}

static bool send_blob(struct client *c)
{
	char head[128], path[4096];
	struct stat st;
	snprintf(path, sizeof(path), "%s/blob", directory);
	loci__cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return say(c, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %lld\r\n\r\n",
	         (long long)st.st_size);
	bool ok = say(c, head);
	for (off_t left = st.st_size; ok && left;) {
		ssize_t n = sendfile(c->fd, fd, /* offset= */ NULL, SEND_AT);
		ok = n > 0;
		left -= ok ? n : 0;
	}
	return ok;
}

static bool serve_one(struct client *c)
{
	size_t head = receive_head(c);
	if (!head)
		return false;
	if (c->buf[0] == 'P' && c->buf[1] == 'A')
		return take_body(c, head, body_length(c, head));
	c->n = 0;
	if (c->buf[0] == 'G')
		return send_blob(c);
	return say(c, c->buf[1] == 'U' ? "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
	                               : "HTTP/1.1 202 Accepted\r\nLocation: /floor\r\n"
	                                 "Content-Length: 0\r\n\r\n");
}

static void *serve_client(void *arg)
{
	struct client *c = arg;
	while (serve_one(c))
		;
	close(c->fd);
	free(c);
	return NULL;
}

static void serve_files(int listener)
{
	for (;;) {
		pthread_t thread;
		struct client *c = calloc(1, sizeof(*c));
		if (!c)
			die("client");
		c->fd = accept_one(listener);
		if (pthread_create(&thread, /* attr= */ NULL, serve_client, c) != 0)
			die("thread");
		pthread_detach(thread);
	}
}

int main(int argc, char **argv)
{
	uint64_t port = 0, bytes = 0;
	if (argc == 4 && loci__parse_u64(argv[2], strlen(argv[2]), &port) && port <= UINT16_MAX) {
		directory = argv[3];
		if (strcmp(argv[1], "answers") == 0 &&
		    loci__parse_u64(argv[3], strlen(argv[3]), &bytes) && bytes <= 64 << 10)
			serve_answers(listen_at((uint16_t)port), (size_t)bytes);
		if (strcmp(argv[1], "files") == 0)
			serve_files(listen_at((uint16_t)port));
	}
	fprintf(stderr, "usage: bench_floor answers PORT BYTES | files PORT DIRECTORY\n");
	return 2;
}

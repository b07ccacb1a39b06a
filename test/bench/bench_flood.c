/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that must be refused, at a fixed rate from one thread: what a broken or hostile client
 * sends. Each kind has its own connection every time ("heads": the server itself refuses, and
 * closes) or stays on one ("names": well-formed HTTP that the registry refuses). Bounded in number
 * and in time.
 *
 * usage: bench_flood PORT heads|names RATE COUNT     (RATE a second; 0: as fast as it goes)
 *
 * Prints what came of them; a rate that was not reached says so.
 */
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/cursor.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define OPEN_AT_ONCE 1000 /* connections at a time */
#define KEPT         50   /* connections of "names" */
#define SECONDS_MAX  120
#define ANSWER_BYTES 4096

static const char *const heads[] = {
        "nonsense\r\n\r\n",
        "GET /v2/ HTTP/1.1\r\n\r\n",
        "GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "PUT /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET /v2/ HTTP/1.1\nHost: x\n\n",
        "GET /v2/ HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n",
        "GET v2 HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /v2/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
};
static const char *const names[] = {
        "GET /v2/UPPER/manifests/latest HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /v2/a/blobs/sha256:nothex HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /v2/a/manifests/.bad HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /v2/%2e%2e/x HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /v2/a/tags/list?n=-1 HTTP/1.1\r\nHost: x\r\n\r\n",
        "BREW /v2/ HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /nothing/here HTTP/1.1\r\nHost: x\r\n\r\n",
        "PUT /v2/a/blobs/uploads/x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
};

struct flood {
	int ep;
	struct sockaddr_in to;
	bool keep;
	uint64_t rate, count;
	uint64_t begun, answered, refused, lost;
	unsigned n_open;
	int idle[KEPT]; /* of "names": connections without a request under way */
	unsigned n_idle;
};

static void die(const char *what)
{
	fprintf(stderr, "bench_flood: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* A reset: thousands of closed connections a second would use up all ports for a minute. */
static void drop(struct flood *f, int fd)
{
	const struct linger reset = {.l_onoff = 1};
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
	f->n_open--;
}

static int open_one(struct flood *f)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
	if (fd < 0 || connect(fd, (struct sockaddr *)&f->to, sizeof(f->to)) < 0)
		die("connect");
	if (epoll_ctl(f->ep, EPOLL_CTL_ADD, fd, &e) < 0)
		die("epoll");
	f->n_open++;
	return fd;
}

/* False when as much is under way as may be. */
static bool begin(struct flood *f)
{
	if (f->n_open >= (f->keep ? KEPT : OPEN_AT_ONCE) && !f->n_idle)
		return false;
	int fd = f->n_idle ? f->idle[--f->n_idle] : open_one(f);
	const char *const *kinds = f->keep ? names : heads;
	size_t n_kinds = f->keep ? loci__array_len(names) : loci__array_len(heads);
	const char *rq = kinds[f->begun++ % n_kinds];
	(void)!send(fd, rq, strlen(rq), MSG_NOSIGNAL); /* a failure shows when reading */
	return true;
}

static void on_answer(struct flood *f, int fd)
{
	char buf[ANSWER_BYTES];
	ssize_t n = recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT);
	if (n <= 0) {
		f->lost++;
		drop(f, fd);
		return;
	}
	buf[n] = '\0';
	f->answered++;
	f->refused += n > 9 && (buf[9] == '4' || buf[9] == '5');
	if (f->keep && !strstr(buf, "connection: close"))
		f->idle[f->n_idle++] = fd;
	else
		drop(f, fd);
}

static void collect(struct flood *f, int timeout_ms)
{
	struct epoll_event e[256];
	int n = epoll_wait(f->ep, e, (int)loci__array_len(e), timeout_ms);
	for (int i = 0; i < n; i++)
		on_answer(f, e[i].data.fd);
}

/* How many should have begun by now. */
static uint64_t due(const struct flood *f, uint64_t ms)
{
	uint64_t n = f->rate ? f->rate * ms / 1000 + 1 : f->count;
	return n < f->count ? n : f->count;
}

static uint64_t run(struct flood *f)
{
	uint64_t start = loci__clock_ms(), ms = 0;
	while (f->answered + f->lost < f->count && ms < SECONDS_MAX * 1000) {
		uint64_t target = due(f, ms);
		while (f->begun < target && begin(f))
			;
		collect(f, f->begun < f->count ? 1 : 100);
		ms = loci__clock_ms() - start;
	}
	return ms;
}

int main(int argc, char **argv)
{
	struct flood f = {.ep = epoll_create1(EPOLL_CLOEXEC)};
	uint64_t port = 0;
	if (argc != 5 || !loci__parse_u64(argv[1], strlen(argv[1]), &port) ||
	    !loci__parse_u64(argv[3], strlen(argv[3]), &f.rate) ||
	    !loci__parse_u64(argv[4], strlen(argv[4]), &f.count)) {
		fprintf(stderr, "usage: bench_flood PORT heads|names RATE COUNT\n");
		return 2;
	}
	f.keep = strcmp(argv[2], "names") == 0;
	f.to = (struct sockaddr_in){.sin_family = AF_INET,
	                            .sin_port = htons((uint16_t)port),
	                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	uint64_t ms = run(&f);
	printf("sent=%llu refused=%llu answered=%llu lost=%llu rate=%llu\n",
	       (unsigned long long)f.begun, (unsigned long long)f.refused,
	       (unsigned long long)f.answered, (unsigned long long)f.lost,
	       (unsigned long long)(f.begun * 1000 / (ms ? ms : 1)));
	return 0;
}

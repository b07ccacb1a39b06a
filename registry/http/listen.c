/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/http/listen.h"

#include "core/base/cleanup.h"
#include "core/base/cursor.h"
#include "core/base/err.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define HOST_MAX     254
#define PAIR_TRIES   8 /* for a port that is free in both families */
#define N_FAMILIES   2
#define ADDRESS_TEXT (HOST_MAX + 16)

struct target {
	char host[HOST_MAX]; /* "": any */
	uint16_t port;
};

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_storage room;
};

/* --- the text --- */

static int parse_target(const char *text, struct target *ret, struct loci_error *err)
{
	const char *colon = strrchr(text, ':');
	uint64_t port;
	if (!colon)
		return loci__err_set(err, LOCI_E_INVALID, "listen address '%s': expected HOST:PORT",
		                     text);
	if (!loci__parse_u64(colon + 1, strlen(colon + 1), &port) || port > 65535)
		return loci__err_set(err, LOCI_E_INVALID,
		                     "listen address '%s': expected a port from 0 to 65535", text);
	struct loci_slice host = loci__slice(text, (size_t)(colon - text));
	bool bracketed = host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
	if (bracketed)
		host = loci__slice(host.p + 1, host.n - 2);
	else if (memchr(host.p, ':', host.n))
		return loci__err_set(err, LOCI_E_INVALID,
		                     "listen address '%s': expected [IPV6]:PORT", text);
	if (!loci__slice_copy(host, ret->host, sizeof(ret->host)))
		return loci__err_set(err, LOCI_E_INVALID,
		                     "listen address '%s': the host is too long", text);
	ret->port = (uint16_t)port;
	return 0;
}

/* The address of a family; false: this host has none there. */
static bool resolve(const struct target *t, int family, union address *ret)
{
	char port[8];
	struct addrinfo hints = {.ai_family = family,
	                         .ai_socktype = SOCK_STREAM,
	                         .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	const char *host = t->host[0] ? t->host : NULL;
	/* Both loopbacks, whatever /etc/hosts says of that name. */
	if (host && strcmp(host, "localhost") == 0)
		host = family == AF_INET ? "127.0.0.1" : "::1";
	snprintf(port, sizeof(port), "%u", t->port);
	if (getaddrinfo(host, port, &hints, &found) != 0)
		return false;
	memcpy(ret, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return true;
}

static socklen_t address_size(const union address *a)
{
	return a->any.sa_family == AF_INET ? sizeof(a->v4) : sizeof(a->v6);
}

static void set_port(union address *a, uint16_t port)
{
	if (a->any.sa_family == AF_INET)
		a->v4.sin_port = htons(port);
	else
		a->v6.sin6_port = htons(port);
}

static uint16_t bound_port(int fd)
{
	union address a = {0};
	socklen_t n = sizeof(a);
	getsockname(fd, &a.any, &n);
	return ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
}

static void format_address(const union address *a, uint16_t port, char buf[ADDRESS_TEXT])
{
	char host[INET6_ADDRSTRLEN];
	bool v6 = a->any.sa_family == AF_INET6;
	inet_ntop(a->any.sa_family, v6 ? (void *)&a->v6.sin6_addr : (void *)&a->v4.sin_addr, host,
	          sizeof(host));
	snprintf(buf, ADDRESS_TEXT, v6 ? "[%s]:%u" : "%s:%u", host, port);
}

/* --- the sockets --- */

/* The first socket of an address must not share it with another process, so it is bound without
 * SO_REUSEPORT, which is set before listen so that our own further ones may join it. Returns the fd
 * or -1 with errno. */
static int bind_one(const union address *a, bool first)
{
	int on = 1;
	loci__cleanup_close int fd =
	        socket(a->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* Inherited by what is accepted. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (a->any.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (!first && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0)
		return -1;
	if (bind(fd, &a->any, address_size(a)) < 0)
		return -1;
	if (first && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0)
		return -1;
	if (listen(fd, LOCI_HTTP_BACKLOG) < 0)
		return -1;
	return loci__steal_fd(&fd);
}

/* All loops' sockets of one family. 0 or -1 with errno. */
static int bind_family(struct loci__listener *l, int *fds, union address *a)
{
	for (unsigned i = 0; i < l->n_loops; i++) {
		fds[i] = bind_one(a, i == 0);
		if (fds[i] < 0)
			return -1;
		if (i == 0)
			set_port(a, bound_port(fds[0]));
	}
	return 0;
}

static void close_fds(struct loci__listener *l)
{
	for (size_t i = 0; i < l->n_fds; i++)
		loci__close_fd(&l->fds[i]);
}

static bool family_is_absent(int sys_errno)
{
	return sys_errno == EAFNOSUPPORT || sys_errno == EADDRNOTAVAIL;
}

static int bind_error(const union address *a, uint16_t port, int sys_errno, struct loci_error *err)
{
	char text[ADDRESS_TEXT];
	format_address(a, port, text);
	return loci__err_errno(err, sys_errno, "listen on %s", text);
}

/* Binds every family that the host has. With port 0 the second must get the first one's port:
 * *ret_taken says that somebody else had it. */
static int bind_all(struct loci__listener *l, const struct target *t, char ret_text[ADDRESS_TEXT],
                    bool *ret_taken, struct loci_error *err)
{
	static const int families[N_FAMILIES] = {AF_INET, AF_INET6};
	struct target want = *t;
	unsigned bound = 0;
	int absent = 0;
	for (int i = 0; i < N_FAMILIES; i++) {
		union address a = {0};
		if (!resolve(&want, families[i], &a))
			continue;
		if (bind_family(l, l->fds + (unsigned)i * l->n_loops, &a) == 0) {
			want.port = bound_port(l->fds[(unsigned)i * l->n_loops]);
			if (!bound++)
				format_address(&a, want.port, ret_text);
		} else if (family_is_absent(errno)) {
			absent = errno;
			if (!bound)
				bind_error(&a, want.port, absent, err);
		} else {
			*ret_taken = errno == EADDRINUSE && want.port != t->port;
			return bind_error(&a, want.port, errno, err);
		}
	}
	if (bound)
		return 0;
	if (absent)
		return err ? err->code : LOCI_E_SYS;
	return loci__err_set(err, LOCI_E_INVALID, "listen address: no address for host '%s'",
	                     t->host);
}

static int open_tcp(const char *address, struct loci__listener *l, struct loci_error *err)
{
	struct target t;
	char text[ADDRESS_TEXT];
	bool taken = false;
	int rc = parse_target(address, &t, err);
	if (rc < 0)
		return rc;
	for (int i = 0; i < PAIR_TRIES; i++, close_fds(l)) {
		taken = false;
		rc = bind_all(l, &t, text, &taken, err);
		if (!taken)
			break;
	}
	if (rc < 0)
		return rc;
	l->text = strdup(text);
	return l->text ? 0 : loci__err_nomem(err);
}

/* A socket file that nobody answers on is left over from a process that died. */
static void remove_stale(const struct sockaddr_un *a)
{
	/* Non-blocking: a live server whose backlog is full would hold us here. */
	loci__cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)a, sizeof(*a)) < 0 &&
	    errno == ECONNREFUSED)
		unlink(a->sun_path);
}

static int open_unix(const char *address, struct loci__listener *l, struct loci_error *err)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	const char *path = address + strlen("unix:");
	size_t n = strlen(path);
	if (!n || n >= sizeof(a.sun_path))
		return loci__err_set(err, LOCI_E_INVALID,
		                     "listen address '%s': expected a path below %zu bytes",
		                     address, sizeof(a.sun_path));
	memcpy(a.sun_path, path, n);
	remove_stale(&a);
	loci__cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return loci__err_sys(err, "listen on %s", address);
	l->unix_path = strdup(path);
	l->text = strdup(address);
	if (!l->unix_path || !l->text)
		return loci__err_nomem(err);
	if (listen(fd, LOCI_HTTP_BACKLOG) < 0)
		return loci__err_sys(err, "listen on %s", address);
	for (unsigned i = 0; i < l->n_loops; i++) {
		l->fds[i] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (l->fds[i] < 0)
			return loci__err_sys(err, "listen on %s", address);
	}
	return 0;
}

int loci__listener_open(const char *address, unsigned n_loops, struct loci__listener *ret,
                        struct loci_error *err)
{
	struct loci__listener l = {.n_fds = (size_t)n_loops * N_FAMILIES, .n_loops = n_loops};
	l.fds = malloc(l.n_fds * sizeof(int));
	if (!l.fds)
		return loci__err_nomem(err);
	for (size_t i = 0; i < l.n_fds; i++)
		l.fds[i] = -1;
	bool is_unix = strncmp(address, "unix:", 5) == 0;
	int rc = is_unix ? open_unix(address, &l, err) : open_tcp(address, &l, err);
	if (rc < 0) {
		loci__listener_close(&l);
		return rc;
	}
	*ret = l;
	return 0;
}

void loci__listener_close(struct loci__listener *l)
{
	close_fds(l);
	if (l->unix_path)
		unlink(l->unix_path);
	free(l->unix_path);
	free(l->text);
	free(l->fds);
	*l = (struct loci__listener){0};
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A load generator for registries that costs little itself, as it shares the machine with what it
 * measures: one thread, one epoll, requests that are bytes before the clock starts, answers read
 * for their status and length alone, bodies dropped in the kernel (MSG_TRUNC), no allocation while
 * the clock runs. Every status is checked: an answer that was not expected, and a connection that
 * was closed, end the run with an error.
 */
#ifndef LOCI_BENCH_LOAD_H
#define LOCI_BENCH_LOAD_H

#include "answer.h"
#include "content.h"
#include "latency.h"

#include <netinet/in.h>
#include <openssl/ssl.h>

#define LOAD_PATHS_MAX    1000000
#define LOAD_HEADERS_MAX  8192 /* of a request, all together */
#define CONNECTION_IN     (32 << 10)
#define CONNECTION_OUT    (8 << 10)
#define CONNECTION_TARGET (4 << 10)

struct verb;

struct load_options {
	const struct verb *verb;
	struct sockaddr_in to;
	char host[64]; /* of the Host header */
	bool tls, says_begun;
	const char *method;
	const char **paths; /* taken in turn */
	unsigned n_paths;
	char headers[LOAD_HEADERS_MAX]; /* each with its CRLF */
	unsigned connections;
	uint64_t seconds; /* 0: count decides */
	uint64_t count;   /* requests or images, all connections together; of a download: each */
	uint64_t rate;    /* requests a second, 0: as fast as answers come */
	unsigned expect;
	uint64_t size; /* of a blob or layer; 0: any */
	unsigned layers, repositories;
	const char *repository, *from;
	uint64_t seed;
};

/* One connection with at most one request under way. */
struct connection {
	int fd;
	SSL *ssl;
	unsigned index;
	uint32_t events; /* epoll's */

	/* What is left to send: a head, a body, the big content. */
	struct loci_slice head, body;
	uint64_t stream_left;

	/* What comes back. */
	bool is_busy, has_head, no_body; /* no_body: the answer to a HEAD */
	struct answer answer;
	uint64_t body_left;
	struct chunked chunks;
	size_t in_len;

	uint64_t begun_ns; /* the unit under way */
	/* The verb's place in its work. */
	unsigned step, part;
	uint64_t item;

	char target[CONNECTION_TARGET]; /* where the last Location leads */
	char tail[CONTENT_TAIL];
	char out[CONNECTION_OUT];
	char in[CONNECTION_IN];
};

struct load {
	struct load_options o;
	int ep;
	SSL_CTX *ssl;
	struct connection *connections;
	unsigned n_active; /* connections with work left */
	struct content content;
	uint64_t start_ns, now_ns, end_ns; /* end_ns: when no new request begins; 0: never */
	uint64_t n_requests, n_begun, n_units, bytes_in, bytes_out;
	struct latency latency;
	void *verb_data;
};

struct verb {
	const char *name, *unit;
	/* Before the clock starts. */
	void (*prepare)(struct load *l);
	/*
	 * Called when it starts, and whenever an answer is whole (is_first false): checks it, and
	 * gives the connection its next request. False: this connection has no more work.
	 */
	bool (*go_on)(struct load *l, struct connection *c, bool is_first);
	/* Begins what is due; returns nanoseconds until the next is. NULL: nothing waits for time.
	 */
	uint64_t (*on_time)(struct load *l);
	/* Further members of the result, each with a comma before it. NULL: none. */
	void (*print)(const struct load *l);
};

extern const struct verb load_requests, load_download, load_upload, load_images, load_again;

void load_die(const char *fmt, ...) LOCI_PRINTF(1, 2) __attribute__((noreturn));
uint64_t load_now_ns(void);
void load_parse_options(int argc, char **argv, struct load_options *ret);

/* Connects all, handshakes included; exits when it cannot. */
void connections_open(struct load *l);
void connections_close(struct load *l);
/* Begins a request; what it points to stays until the answer is there. */
void connection_send(struct load *l, struct connection *c, struct loci_slice head,
                     struct loci_slice body);
/* The same with the client's big content as the body. */
void connection_send_content(struct load *l, struct connection *c, struct loci_slice head);
void connection_on_event(struct load *l, struct connection *c, uint32_t events);
/* Exits unless the answer has this status. */
void connection_expect(const struct connection *c, unsigned status);
/* Remembers path and query of the answer's Location in c->target. */
void connection_follow(struct connection *c);

/* A request head in c->out. query: appended to the target, or "". */
struct loci_slice request_head(const struct load *l, struct connection *c, const char *method,
                               const char *target, const char *query, const char *type,
                               uint64_t length);

#endif

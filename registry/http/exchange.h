/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request and its response, from the complete head to the last byte sent. It lives apart from its
 * connection, with a copy of the head, because a job on a worker may outlive the client: then the
 * exchange is an orphan that gives its sink and its file back, on a worker, and vanishes.
 *
 * At most one job is in flight, which keeps the bytes of a body in order without a lock. While
 * .busy, everything below "the worker's" belongs to the worker. While .carrying, so do .body and
 * all of the connection but its socket's place in the loop and its timer, and the connection stays.
 * While a response waits for the disk, so do its file and of .reply what tells of the file.
 */
#ifndef LOCI_REGISTRY_HTTP_EXCHANGE_H
#define LOCI_REGISTRY_HTTP_EXCHANGE_H

#include "core/base/buf.h"
#include "registry/http/chunked.h"
#include "registry/http/head.h"
#include "registry/http/loop.h"
#include "registry/http/request_id.h"

#include <netinet/in.h>
#include <sys/uio.h>

struct loci__conn;

/* How a body goes on. */
enum loci__fetched {
	LOCI_FETCHED_SOME,
	LOCI_FETCHED_NONE, /* now */
	/* and never more: */
	LOCI_FETCHED_GONE, /* the client is */
	LOCI_FETCHED_SLOWLY,
	LOCI_FETCHED_LATE,
	LOCI_FETCHED_BAD, /* framing: nothing of it is kept that is not yet in the sink */
};

/* The way of a body in. */
struct loci__body {
	uint64_t left; /* bytes to come, when not chunked */
	bool is_chunked;
	bool ended; /* every byte has been read from the connection */
	enum loci__fetched fetched;
	struct loci__chunked chunked;
	uint64_t received;
	const char *interim; /* what is left to send of "100 Continue", or NULL */
	uint64_t raw;        /* bytes, with the chunks' framing */
	uint64_t worth_at;   /* .raw from which a carrier may wait for more */
	size_t uncounted;    /* bytes that the loop's numbers do not know yet */
	uint64_t queued_ms;  /* for a carrier */
	bool moved;          /* since the timer was started */
	struct loci__pace pace;
	char *buf;
	size_t cap;
	size_t fill_n;
};

/* The way of a response out. */
struct loci__reply {
	/* With a small body behind it; in the loop's memory until it blocks. */
	struct loci_buf head;
	size_t head_left; /* bytes of the head alone that are not sent */
	struct iovec iov[2];
	int n_iov;
	uint64_t file_off;
	uint64_t file_left;
	uint64_t burst_end; /* offset up to which it goes before others have their turn */
	bool was_looked_at; /* that it is in memory, since the client was waited for */
	bool was_cold;      /* when it was looked at last */
	int disk_errno;     /* of reading it */
	bool in_parts;
	size_t next_part;
	int status;
	uint64_t sent; /* bytes of body */
	bool close;    /* the connection ends with it */
	bool started;
};

struct loci__exchange {
	struct loci__job job;
	h2o_multithread_message_t done;
	struct loci__http_loop *loop;
	struct loci__conn *conn; /* NULL: gone */
	bool busy;
	bool carrying;      /* .busy with the body */
	atomic_bool is_cut; /* nobody wants what a job does any more */
	bool released;      /* the last job has been submitted */
	bool recorded;
	uint64_t started_us;
	const char *id; /* .made_id or in .head_bytes */
	char made_id[LOCI_REQUEST_ID_MADE];
	char peer[INET6_ADDRSTRLEN];
	struct loci_http_request rq;
	struct loci__body body;
	struct loci__reply reply;
	unsigned end_point; /* of rs, which is the worker's when the exchange is cut */
	int refuse_status;  /* with the text, once the driver gave up on the request */
	const char *refuse_reason;

	/* the worker's */
	void (*work)(struct loci__exchange *ex);
	struct loci_http_response *rs;
	struct loci_http_sink *sink;
	bool failed;
	bool finished; /* rs is the sink's response */

	/* What is not cleared by loci__exchange_new stands last. */
	struct loci__http_head head;
	size_t head_room; /* of .head_bytes, with a NUL */
	char head_bytes[];
};

#define LOCI_HTTP_HEAD_USUAL 1024 /* bytes: the loop keeps one exchange of this size at hand */

/* Copies the n bytes of a head and parses the copy. NULL when memory is out; a head that is refused
 * gives an exchange with refuse_status set. */
struct loci__exchange *loci__exchange_new(struct loci__conn *c, const char *head, size_t n);
/* The connection lets go of it. */
void loci__exchange_leave(struct loci__exchange *ex);
/* Calls the registry's handler: here, or on a worker (then .busy). */
void loci__exchange_handle(struct loci__exchange *ex);
/* A carrier takes over the connection and brings its body into the sink, for a while. */
void loci__exchange_carry(struct loci__exchange *ex);
/* Submits what was filled to the sink; at the body's end, finishes it. */
void loci__exchange_put(struct loci__exchange *ex);
/* Has the next bytes of the response's file read from the disk, on a reader. */
void loci__exchange_warm(struct loci__exchange *ex);
/* Gives the sink up, on a worker. */
void loci__exchange_abort_sink(struct loci__exchange *ex);
/* For the loop's receiver. */
void loci__exchange_job_done(struct loci__exchange *ex);
/* Its last byte is out, or it was cut: counts it, and one access-log record. why: NULL, or what cut
 * it short. Once. */
void loci__exchange_record(struct loci__exchange *ex, const char *why);

/* body.c */
void loci__body_init(struct loci__exchange *ex);
/* The works of these two. */
void loci__body_carry(struct loci__exchange *ex);
void loci__body_put(struct loci__exchange *ex);
/* Nothing came for too long: the next step ends it. */
void loci__body_is_late(struct loci__exchange *ex);
void loci__body_done(struct loci__body *b);
/* Throws away what of the body has already been read; true when it ended so. */
bool loci__body_discard(struct loci__conn *c, struct loci__body *b);

/* reply.c: decides whether the connection goes on, and makes the head. 0 or NOMEM. */
int loci__reply_init(struct loci__conn *c, struct loci__exchange *ex);
/* The work of loci__exchange_warm. */
void loci__reply_warm(struct loci__exchange *ex);

#endif

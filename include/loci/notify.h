/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Webhooks: what happens in a store's repositories, POSTed to HTTP end-points, in order for each of
 * them and at least once, through restarts and crashes (event.h is the queue). An end-point that
 * is dead or slow holds up neither pushes nor the others.
 *
 * One process delivers for a store; a second one with this waits, and takes over when the first
 * ends.
 */
#ifndef LOCI_NOTIFY_H
#define LOCI_NOTIFY_H

#include "loci/log.h"
#include "loci/store.h"

LOCI_BEGIN_DECLS

struct loci_notify;
struct loci_registry;

#define LOCI_NOTIFY_ENDPOINTS_MAX 16

struct loci_notify_opts {
	size_t struct_size;
	struct loci_store *store;       /* borrowed until _free */
	struct loci_registry *registry; /* whose /metrics shows the numbers, borrowed; or NULL */
	const struct loci_log *log;     /* borrowed until _free */
	/** "NAME=URL [events=…] [repos=…] [format=…] [batch=…] [tls=…]"; docs/observing.md */
	const char *const *endpoints;
	size_t n_endpoints;
	const char *const *headers; /* "NAME: Field: value", sent with each request to NAME */
	size_t n_headers;
	const char *const *secrets; /* "NAME=KEY": signs bodies, or "NAME=@FILE" */
	size_t n_secrets;
	const char *source;     /* CloudEvents' source; NULL: "//" and the host's name */
	uint64_t queue_max;     /* events that may wait; 0: 100 000 */
	unsigned timeout_ms;    /* to connect, and without progress; 0: 10 s */
	unsigned retry_ms;      /* the first wait after a failure, then doubled; 0: 500 ms */
	unsigned retry_max_ms;  /* the longest one; 0: 60 s */
	unsigned rejects_max;   /* tries of an event that is refused as malformed; 0: 5 */
	unsigned stop_ms;       /* for a request under way when stopping; 0: 5 s */
	const char *user_agent; /* NULL: "loci" and the version */
};

/** Checks everything; nothing runs yet. Expected: INVALID, with the end-point's name; NOT_FOUND (a
 *  secret's file). */
LOCI_API LOCI_CHECK int loci_notify_new(const struct loci_notify_opts *o, struct loci_notify **ret,
                                        struct loci_error *err);
/** Makes the store record what the end-points want, and delivers from now on, on threads of its
 *  own. With no end-points it ends what an earlier configuration made. */
LOCI_API LOCI_CHECK int loci_notify_start(struct loci_notify *n, struct loci_error *err);
/** Ends the threads, within stop_ms; what was not acknowledged is delivered by the next start. */
LOCI_API void loci_notify_stop(struct loci_notify *n);
/** Stops if need be. NULL is fine. */
LOCI_API void loci_notify_free(struct loci_notify *n);

/** Whether the line is an end-point, a header, a secret. Expected: INVALID. */
LOCI_API LOCI_CHECK int loci_notify_check_endpoint(const char *line, struct loci_error *err);
LOCI_API LOCI_CHECK int loci_notify_check_header(const char *line, struct loci_error *err);
LOCI_API LOCI_CHECK int loci_notify_check_secret(const char *line, struct loci_error *err);

LOCI_END_DECLS
#endif

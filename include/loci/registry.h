/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry: distribution-spec over any HTTP server. No socket, no HTTP stack inside.
 *
 * A server calls loci_registry_handle for each request head. The response may want the request's
 * body: then .sink is set and the server feeds it; otherwise the response is complete and an unread
 * body may be thrown away. Handlers are short and synchronous; those that may wait for the disk
 * belong on a worker thread, not on a loop: loci_registry_may_block says so beforehand, a request's
 * .must_not_block in the same call.
 * Thread-safe; one response and its sink belong to one thread at a time, but may move.
 */
#ifndef LOCI_REGISTRY_H
#define LOCI_REGISTRY_H

#include "loci/store.h"

LOCI_BEGIN_DECLS

struct loci_registry;

struct loci_http_header {
	const char *name; /* lower case */
	const char *value;
};

#define LOCI_BODY_UNKNOWN UINT64_MAX

struct loci_http_request {
	size_t struct_size;
	const char *method; /* "GET" */
	const char *target; /* raw path and query (origin form), still percent-encoded */
	const char *scheme; /* "http" or "https" */
	const char *host;   /* the Host header, or NULL */
	const char *peer;   /* textual address of the client, or NULL */
	const struct loci_http_header *headers;
	size_t n_headers;
	uint64_t body_length;   /* bytes; 0: none; LOCI_BODY_UNKNOWN: chunked */
	const char *request_id; /* what logs and events call it, or NULL */
	bool takes_parts;       /* the server sends a response's .parts, too */
	/* 1: nothing is done, and the response is NULL, when its handler may wait for the disk: for
	 * an event loop, that asks again on a thread where waiting is fine. (Behind what was the
	 * struct's end: a field in its padding would be there for older callers, too.) */
	uint64_t must_not_block;
};

/** Wants the request's body. write and finish may block (hash, disk, sync): call them on a worker.
 *  Exactly one of finish and abort ends it and frees it; the response's .sink is NULL from then on.
 *  Response and sink may be freed in either order: set .sink to NULL to keep the sink longer. */
struct loci_http_sink;

/** A piece of a body: bytes from memory, then bytes of the response's file (maybe none). */
struct loci_http_part {
	const char *text;
	size_t text_len;
	uint64_t file_off;
	uint64_t file_len;
};

struct loci_http_response { /* made by the library; fields are only appended */
	int status;
	const struct loci_http_header *headers; /* without content-length and connection */
	size_t n_headers;
	uint64_t content_length; /* of the body that a GET would carry; HEAD carries none of it */
	const char *body;        /* or NULL */
	size_t body_len;
	int file_fd; /* or -1: send file_len bytes from file_off; taken over by setting it to -1 */
	uint64_t file_off;
	uint64_t file_len;
	struct loci_http_sink *sink; /* or NULL; then only this field means anything yet */
	unsigned end_point; /* for loci_registry_observe (metrics.h); 0: none of the registry's */
	/* NULL, or the body is these in their order, out of memory and file_fd; file_off and
	 * file_len then mean nothing. Only for a request that takes_parts: several ranges of one
	 * blob. */
	const struct loci_http_part *parts;
	size_t n_parts;
};

struct loci_registry_opts {
	size_t struct_size;
	struct loci_store *store;   /* [new] borrowed until _free */
	const struct loci_log *log; /* copied */
	uint64_t max_manifest_size; /* [new] bytes; 0: 4 MiB */
	uint64_t max_upload_size;   /* [new] bytes of one blob; 0: the store's limit */
	unsigned list_max; /* [new] most names in one page of tags, catalog, referrers; 0: 1000, at
	                      most 10000 */
	bool delete_disabled;  /* DELETE of tags, manifests and blobs answers 405 */
	bool read_only;        /* everything that writes answers 405; see also loci_store_freeze */
	bool allow_sparse;     /* manifests may refer to what is not there */
	bool metrics_disabled; /* [new] /metrics answers 404 and nothing is counted (metrics.h) */
	bool allow_sparse_index; /* indexes may list manifests that are not there */
	bool deny_foreign; /* foreign (non-distributable) layers must be there as all others */
	/** [new] NULL, or whether the client of the request may read the repository. Asked where a
	 * request reaches into another repository than that of its path: before a blob is mounted
	 * from it. (Who may do what in the path's own is decided before loci_registry_handle.)
	 * From any thread; must not call the registry. */
	bool (*may_read)(void *arg, const struct loci_http_request *rq, const char *repo);
	void *may_read_arg;
	bool track_pulls; /* remembers when manifests are pulled, for retention; see inventory.h */
	/** "REPOSITORIES:TAGS", two patterns with *, ** and ?, each: a tag that one fits is neither
	 *  moved to another digest nor deleted once it is there (403 DENIED). At most 1024. */
	const char *const *immutable_tags;
	size_t n_immutable_tags;
	/** Rates: who is over one is answered 429 with Retry-After. 0: no limit. A client is an
	 * IPv4 address or an IPv6 /64; a burst of 0 is what comes in ten seconds. */
	unsigned requests_per_s, request_burst; /* of a client */
	unsigned errors_per_s, error_burst; /* of a client: answers 4xx, but not 404 to a HEAD */
	unsigned total_per_s, total_burst;  /* of all clients */
	unsigned max_clients;               /* [new] that are told apart at a time; 0: 65536 */
	/** Addresses and networks ("10.0.0.0/8", "fd00::/8", "unix") of proxies whose
	 *  X-Forwarded-For says who the client is. At most 256. */
	const char *const *trusted_proxies;
	size_t n_trusted_proxies;
	uint64_t min_free; /* [new] bytes; with less on the disk /readyz answers 503; 0: any */
};

/** Whether it is an address or a network, as in .trusted_proxies. INVALID with what was expected.
 */
LOCI_API LOCI_CHECK int loci_network_check(const char *network, struct loci_error *err);

/** Whether it is a rule of tags, as in .immutable_tags. INVALID with what was expected. */
LOCI_API LOCI_CHECK int loci_tag_rule_check(const char *rule, struct loci_error *err);

LOCI_API LOCI_CHECK int loci_registry_new(const struct loci_registry_opts *o,
                                          struct loci_registry **ret, struct loci_error *err);
LOCI_API void loci_registry_free(struct loci_registry *r);
/** Takes over what may change while it serves, for requests from now on; those in flight end by
 * what held when they came. From any thread. Fields marked [new] keep the value they had; the level
 * of log counts. On failure nothing has changed. Expected errors: as loci_registry_new; BUSY (many
 *  changes within the time of one request). */
LOCI_API LOCI_CHECK int loci_registry_reconfigure(struct loci_registry *r,
                                                  const struct loci_registry_opts *o,
                                                  struct loci_error *err);

/** From now on /readyz answers 503, everything else as before: call it when the server is about to
 *  stop. From any thread. */
LOCI_API void loci_registry_drain(struct loci_registry *r);

/** Whether the handler of this request may wait for the disk. Cheap; needs no lock. */
LOCI_API bool loci_registry_may_block(const struct loci_registry *r, const char *method,
                                      const char *target);
/** Never fails: a failure is a response. NULL: memory is out, or .must_not_block kept it from being
 *  done: ask again without that where waiting is fine. rq is not needed after it returned. Release
 * with loci_http_response_free. */
LOCI_API struct loci_http_response *loci_registry_handle(struct loci_registry *r,
                                                         const struct loci_http_request *rq);
/** A chunk of the body, in order; rs is the response that the sink came in. On failure rs has
 * become an error response that should be sent at once (its .sink still stands there), and the sink
 * must be aborted. */
LOCI_API LOCI_CHECK int loci_http_sink_write(struct loci_http_sink *sink, const void *p, size_t n,
                                             struct loci_http_response *rs);
/** The body is complete: fills rs. Frees the sink. */
LOCI_API void loci_http_sink_finish(struct loci_http_sink *take_sink,
                                    struct loci_http_response *rs);
/** The body will not complete (client gone, time-out) or the response went out early; an upload
 *  stays resumable. Frees the sink. NULL is fine. */
LOCI_API void loci_http_sink_abort(struct loci_http_sink *sink);
/** Frees the response; aborts a sink and closes a file that are still in it. NULL is fine. Before
 *  the registry is freed. */
LOCI_API void loci_http_response_free(struct loci_http_response *rs);

/** An error response in the spec's JSON ("Error Codes") for a failure that the server itself found:
 *  spec_code as in {"errors":[{"code":…}]}. NULL when memory is out. */
LOCI_API struct loci_http_response *loci_http_response_error(int status, const char *spec_code,
                                                             const char *message);

LOCI_END_DECLS
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP/1.1 server for a registry: listeners, one event loop per core, workers. What
 * `ociregistry` runs; embedders with a server of their own use registry.h alone.
 */
#ifndef LOCI_REGISTRY_HTTP_H
#define LOCI_REGISTRY_HTTP_H

#include "loci/registry.h"

LOCI_BEGIN_DECLS

struct loci_http_server;

enum loci_tls_version { LOCI_TLS_1_2 = 0, LOCI_TLS_1_3 };
enum loci_access_log { LOCI_ACCESS_LOG_OFF = 0, LOCI_ACCESS_LOG_ON };

struct loci_http_server_opts {
	size_t struct_size;
	struct loci_registry *registry; /* borrowed until _free */
	const struct loci_log *log;     /* borrowed until _free */
	/* "127.0.0.1:5000", "[::1]:5000"; "localhost:5000" and ":5000" (any) in both families, as
	 * far as the host has them; "unix:/path". Port 0: any free one. */
	const char *const *listen; /* none: for a server that is attached (registry_h2o.h) */
	size_t n_listen;
	unsigned loops; /* 0: one per core */
	/* most threads that wait for the disk with a response, and so many again for all else that
	 * waits; 0: 8 per core, at least 16 */
	unsigned workers;
	unsigned max_connections; /* 0: from the limit on open files */
	uint64_t idle_ms;         /* between requests; 0: 60 000 */
	uint64_t head_ms;         /* for a whole request head; 0: 10 000 */
	uint64_t body_ms;         /* without a byte of body from the client; 0: 60 000 */
	uint64_t write_ms;        /* without a byte taken by the client; 0: 60 000 */
	uint64_t drain_ms;        /* after _stop, for requests in flight; 0: 30 000 */
	size_t max_head;          /* bytes of a request head; 0: 64 KiB */
	int access_log; /* enum loci_access_log: one log record a request, component "access" */
	/* Least rates in bytes a second, of the time that the server waits for the client: one that
	 * moves less in rate_grace_ms of waiting is cut. 0: 512. */
	uint64_t min_body_rate;
	uint64_t min_write_rate;
	uint64_t rate_grace_ms;   /* 0: 30 000 */
	size_t max_head_memory;   /* bytes that request heads of all connections hold; 0: 32 MiB */
	unsigned max_per_client;  /* connections of one address (IPv6: one /64); 0: any number */
	unsigned refusals_logged; /* most access-log records a second about requests that the
	                             server itself refused, a loop; the rest is counted. 0: 20 */
	/* TLS on every connection, when both are given: PEM files; the certificate first, behind it
	 * those that lead to a root. They are read by _new and _reload_tls alone. */
	const char *tls_certificate;
	const char *tls_key; /* without a passphrase */
	int tls_minimum;     /* enum loci_tls_version */
	/* Cipher suites in the order of preference, by the names in the standards or OpenSSL's; of
	 * a TLS version that has none here: AES-128-GCM, AES-256-GCM, ChaCha20-Poly1305. */
	const char *const *tls_ciphers;
	size_t n_tls_ciphers;
	unsigned carriers; /* most threads that receive, hash and write the bodies of uploads; 0:
	                      one per core */
};

struct loci_http_certificate {
	size_t struct_size;
	int64_t not_before; /* seconds since 1970 */
	int64_t not_after;
};

/** Whether the tls_ fields of o, whose other fields do not matter, can be served with, and what the
 *  certificate says; fills as many fields as ret->struct_size has room for. Expected errors:
 *  INVALID (what is in a file, or a key of another certificate), USAGE, and those of opening a
 *  file; each names the file. */
LOCI_API LOCI_CHECK int loci_http_tls_check(const struct loci_http_server_opts *o,
                                            struct loci_http_certificate *ret,
                                            struct loci_error *err);

/** Binds and listens; nothing is accepted yet. Expected errors: SYS (address in use, named),
 * INVALID (an address), DENIED. */
LOCI_API LOCI_CHECK int loci_http_server_new(const struct loci_http_server_opts *o,
                                             struct loci_http_server **ret, struct loci_error *err);
/** Addresses as bound ("127.0.0.1:5000"), one for each given, in that order; NULL past the end. */
LOCI_API const char *loci_http_server_address(const struct loci_http_server *s, size_t i);
/** Numbers since _new, by now; counters unless they say otherwise. */
struct loci_http_server_stats {
	size_t struct_size;
	uint64_t connections; /* gauge */
	uint64_t in_flight;   /* gauge: requests whose head is whole and whose end is not yet */
	uint64_t head_memory; /* gauge: bytes, as for max_head_memory */
	uint64_t accepted;    /* connections */
	uint64_t turned_away; /* connections closed at once: max_per_client */
	uint64_t held_up;     /* times that new connections had to wait: max_connections, no fds */
	uint64_t requests;
	uint64_t refused; /* of these, by the server itself: malformed, too large, too slow */
	uint64_t ended;   /* of these, answered or cut */
	/* connections that the server ended, by what was exceeded */
	uint64_t cut_idle;        /* idle_ms; no request was lost */
	uint64_t cut_head;        /* head_ms */
	uint64_t cut_head_memory; /* max_head_memory */
	uint64_t cut_body;        /* body_ms */
	uint64_t cut_body_rate;   /* min_body_rate */
	uint64_t cut_write;       /* write_ms */
	uint64_t cut_write_rate;  /* min_write_rate */
	uint64_t cut_for_room;    /* max_connections: idle ones that made room for new ones */
	uint64_t cut_by_stop;     /* drain_ms */
	uint64_t lost;            /* clients that went in the middle of a request */
	uint64_t bytes_in;        /* of everything on the sockets, heads too */
	uint64_t bytes_out;
	uint64_t tls_handshakes; /* that succeeded */
	uint64_t tls_resumed;    /* of these, with a session of before */
	uint64_t tls_failed;
	uint64_t cut_handshake; /* head_ms, which a handshake has, too */
	uint64_t tls_not_after; /* gauge: seconds since 1970; 0 without TLS */
	uint64_t cold_reads;    /* times that a response waited for the disk */
};

/** The registry's /metrics shows these, too: those of the first server on it.
 *  Fills as many fields as ret->struct_size has room for. From any thread, at any time between
 *  _new and _free; takes no lock. */
LOCI_API void loci_http_server_stats(const struct loci_http_server *s,
                                     struct loci_http_server_stats *ret);

/** Certificate, key and the other tls_ fields of o for connections to come; the files are read
 *  again. On failure all stays as it was. Expected errors: those of loci_http_tls_check; USAGE when
 *  the server was made without TLS and o has it, or the other way round. From any thread. */
LOCI_API LOCI_CHECK int loci_http_server_reload_tls(struct loci_http_server *s,
                                                    const struct loci_http_server_opts *o,
                                                    struct loci_error *err);

/** Serves until _stop has drained; runs its loops on threads of its own and blocks the caller.
 *  Its threads block all signals. May be called once. */
LOCI_API LOCI_CHECK int loci_http_server_run(struct loci_http_server *s, struct loci_error *err);
/** From any thread (not from a signal handler): stop accepting, close idle connections, let
 *  requests in flight finish for drain_ms, then cut them. */
LOCI_API void loci_http_server_stop(struct loci_http_server *s);
LOCI_API void loci_http_server_free(struct loci_http_server *s);

LOCI_END_DECLS
#endif

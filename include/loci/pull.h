/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reference to bytes: resolve, authenticate, fetch, verify, record (distribution-spec "Pull",
 * docker token.md). Uses libcurl, which is loaded and initialised on first use; the program
 * should ignore SIGPIPE, which TLS writes to a vanished peer can raise.
 */
#ifndef LOCI_PULL_H
#define LOCI_PULL_H

#include "loci/store.h"

LOCI_BEGIN_DECLS

enum loci_pull_event_kind {
	LOCI_PULL_RESOLVED = 1, /* desc: what the reference points at */
	LOCI_PULL_MANIFEST,     /* desc: the platform's manifest */
	LOCI_PULL_BLOB_START,   /* desc: config or layer */
	LOCI_PULL_BLOB_PROGRESS,
	LOCI_PULL_BLOB_DONE,
	LOCI_PULL_WAITING /* nothing new, desc NULL: a chance to cancel, several times a second */
};
struct loci_pull_event {
	int kind;                           /* enum loci_pull_event_kind */
	const struct loci_descriptor *desc; /* lives for the call */
	uint64_t done;                      /* bytes of desc->size */
	bool was_present;                   /* with BLOB_DONE: nothing was fetched */
};
/** Called on the caller's thread. Non-zero cancels: the pull returns CANCELED. */
typedef int (*loci_pull_event_fn)(void *arg, const struct loci_pull_event *ev);

/** Looks up credentials for a host ("docker.io", "localhost:5000"). Returns 0 with user and secret
 * set, NOT_FOUND for anonymous, or an error. The user "<token>" says that the secret is an identity
 * token (docker's oauth.md). May be called from any thread of the pull, one call at a time. Both
 * buffers are wiped after use. */
typedef int (*loci_cred_fn)(void *arg, const char *host, char *user, size_t user_n, char *secret,
                            size_t secret_n, struct loci_error *err);

enum loci_pull_flag {
	/** Speak HTTP to this registry. (Loopback hosts are tried with it anyway, then with
	 * HTTPS.) Together with INSECURE_TLS: HTTP if it does not answer HTTPS. */
	LOCI_PULL_PLAIN_HTTP = 1 << 0,
	LOCI_PULL_INSECURE_TLS = 1 << 1 /* do not check its certificate */
};
struct loci_pull_opts {
	size_t struct_size;
	const struct loci_log *log;
	const struct loci_platform *platform; /* NULL: this machine */
	loci_cred_fn cred;                    /* NULL: anonymous */
	void *cred_arg;
	loci_pull_event_fn event;
	void *event_arg;
	unsigned max_parallel;       /* blobs at once; 0: 4 */
	unsigned retries;            /* of a failed transfer; 0: 5 */
	unsigned connect_timeout_ms; /* 0: 15 000 */
	unsigned stall_timeout_ms;   /* in which less than 1 KiB comes; 0: 30 000 */
	unsigned flags;              /* enum loci_pull_flag */
	const char *user_agent;      /* NULL: "loci/VERSION" */
	unsigned retry_base_ms;      /* the first wait before a retry, which doubles; 0: 500 */
};

/** Fetches what the store does not have, verifies every digest and size before anything is visible,
 *  then records the image as the last one pulled. What was fetched of a broken transfer is kept and
 *  resumed. Expected errors: NOT_FOUND, UNAUTHORIZED, DENIED, UNSUPPORTED (no manifest for the
 *  platform; the message lists those there are; or no libcurl), UNREACHABLE, TIMEOUT, BUSY (the
 *  registry's rate limit), PROTOCOL, DIGEST_MISMATCH, SIZE_MISMATCH, NO_SPACE, CANCELED. libcurl
 *  looks at the environment for proxies ($https_proxy, $no_proxy), which loopback registries are
 *  spared. */
LOCI_API LOCI_CHECK int loci_pull(const struct loci_ref *ref, struct loci_store *st,
                                  const struct loci_pull_opts *o, struct loci_image *ret,
                                  struct loci_error *err);

/** loci_cred_fn over a docker config.json (auths; credHelpers and credsStore run
 * docker-credential-NAME, found on $PATH, without a shell). arg: struct loci_docker_config, from
 * _open. */
struct loci_docker_config;
/** path NULL is not allowed: the program decides ($DOCKER_CONFIG, ~/.docker, containers'
 * auth.json). Expected: NOT_FOUND, INVALID. */
LOCI_API LOCI_CHECK int loci_docker_config_open(const char *path, struct loci_docker_config **ret,
                                                struct loci_error *err);
LOCI_API int loci_docker_config_cred(void *config, const char *host, char *user, size_t user_n,
                                     char *secret, size_t secret_n, struct loci_error *err);
LOCI_API void loci_docker_config_free(struct loci_docker_config *c);

LOCI_END_DECLS
#endif

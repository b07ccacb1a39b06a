/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A registry on a real store in a temporary directory, and requests to it as a server would make
 * them: the body is fed to the sink in pieces, a file is read like sendfile would.
 */
#ifndef LOCI_TEST_REGISTRY_HARNESS_H
#define LOCI_TEST_REGISTRY_HARNESS_H

#include "loci/registry.h"

struct fixture {
	char dir[64];
	struct loci_store *store;
	struct loci_registry *registry;
	struct loci_log log;
	int n_logged;
};
/* opts: what differs from the defaults (store and log are filled in), or NULL. */
void fixture_open(struct fixture *f, const struct loci_registry_opts *opts);
/* The store closed and opened again, as by a restart. */
void fixture_restart(struct fixture *f, const struct loci_registry_opts *opts);
void fixture_close(struct fixture *f);

#define ASK_HEADERS_MAX 12
struct ask {
	const char *method;
	const char *target;
	struct loci_http_header headers[ASK_HEADERS_MAX]; /* to the one without a name */
	const void *body;
	size_t n;
	bool chunked;  /* the length is not announced */
	size_t vanish; /* the client goes after so many bytes (0: stays) */
	bool no_parts; /* its server sends bodies of one piece only */
};
struct answer {
	struct loci_http_response *rs;
	int status;
	char *body; /* what a client reads, NUL-terminated */
	size_t n;
};
/* An answer is valid until answer_done. */
struct answer ask_with(struct fixture *f, const struct ask *ask);
struct answer ask(struct fixture *f, const char *method, const char *target);
/* vanish: the response was never sent; status is 0. */
void answer_done(struct answer *a);
/* NULL: absent. */
const char *answer_header(const struct answer *a, const char *name);
/* The first error's code; the body must be the spec's JSON. */
const char *answer_code(const struct answer *a);

/* Asks, checks the status, forgets the rest. */
void expect(struct fixture *f, int status, const char *method, const char *target);
void expect_code(struct fixture *f, int status, const char *code, const char *method,
                 const char *target);

/* "sha256:…" of n bytes; a static buffer for each of the last 8 calls. */
const char *sha256_of(const void *p, size_t n);
const char *sha512_of(const void *p, size_t n);
/* printf into one of 16 static buffers. */
const char *text(const char *fmt, ...) LOCI_PRINTF(1, 2);

/* POST ?digest=; returns the digest. */
const char *push_blob(struct fixture *f, const char *repo, const void *p, size_t n);
/* An image manifest of one layer and one config that hold the word; pushed under the tag (NULL: by
 * digest). Returns its digest. */
const char *push_image(struct fixture *f, const char *repo, const char *tag, const char *word);
/* Pushes the JSON; returns its digest. */
const char *push_manifest(struct fixture *f, const char *repo, const char *reference,
                          const char *media_type, const char *json);
/* The path of a new session. */
const char *start_upload(struct fixture *f, const char *repo);

#endif

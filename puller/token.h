/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said to a token server and what it answers (docker token.md, oauth.md), as text only:
 * no network here.
 */
#ifndef LOCI_PULLER_TOKEN_H
#define LOCI_PULLER_TOKEN_H

#include "core/base/buf.h"

#define LOCI_TOKEN_RESPONSE_MAX (1024 * 1024) /* bytes */
#define LOCI_TOKEN_MAX          (64 * 1024)   /* bytes */
#define LOCI_TOKEN_LIFE_MIN_S   60            /* token.md: the default, and the least */
#define LOCI_TOKEN_LIFE_MAX_S   (24 * 3600)

struct loci_token_ask {
	const char *realm;
	const char *service; /* or NULL */
	const char *scope;   /* blank-separated list, or NULL */
};
/* The URL of the GET: realm, service, one scope= a scope. Appends to ret. */
int loci__token_url(const struct loci_token_ask *ask, struct loci_buf *ret, struct loci_error *err);
/* The form of the OAuth POST that turns a refresh token into an access token. */
int loci__token_form(const struct loci_token_ask *ask, const char *refresh_token,
                     struct loci_buf *ret, struct loci_error *err);
/* Checks that the token can stand in a header. Appends to ret_token. Expected: PROTOCOL. */
int loci__token_parse(const void *json, size_t n, struct loci_buf *ret_token, uint64_t *ret_life_s,
                      struct loci_error *err);
/* "repository:NAME:pull" (scope.md) */
int loci__scope_pull(const char *repo, struct loci_buf *ret, struct loci_error *err);

#endif

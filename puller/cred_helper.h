/* SPDX-License-Identifier: Apache-2.0 */
/*
 * docker-credential-NAME programs: "get" as the argument, the server's address on stdin, JSON with
 * Username and Secret on stdout.
 */
#ifndef LOCI_PULLER_CRED_HELPER_H
#define LOCI_PULLER_CRED_HELPER_H

#include "core/base/buf.h"

#define LOCI_CRED_HELPER_OUTPUT_MAX (64 * 1024) /* bytes */
#define LOCI_CRED_HELPER_TIMEOUT_MS (60 * 1000) /* some ask a person */

/* Whether NAME may become part of a program's name: letters, digits, "-_.". */
bool loci__cred_helper_name_is_valid(const char *name);
/* Runs the helper, found on $PATH, without a shell. Expected: NOT_FOUND (no credentials for that
 * server), INVALID (the name, or an answer that is no JSON), TIMEOUT, SYS. */
int loci__cred_helper_get(const char *name, const char *server, char *user, size_t user_n,
                          char *secret, size_t secret_n, struct loci_error *err);
/* The answer's parser: buffers as above. */
int loci__cred_helper_parse(const void *json, size_t n, char *user, size_t user_n, char *secret,
                            size_t secret_n, struct loci_error *err);

#endif

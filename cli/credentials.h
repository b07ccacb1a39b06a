/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where docker's and podman's users keep their credentials: the files, in the order in which they
 * are asked.
 */
#ifndef LOCI_CLI_CREDENTIALS_H
#define LOCI_CLI_CREDENTIALS_H

#include "loci/pull.h"

struct loci_credentials;
/* $REGISTRY_AUTH_FILE (which must exist then), $DOCKER_CONFIG/config.json or
 * ~/.docker/config.json, $XDG_RUNTIME_DIR/containers/auth.json. Files that are not there are left
 * out; one that cannot be read or parsed is an error. */
int loci__credentials_open(struct loci_credentials **ret, struct loci_error *err);
void loci__credentials_free(struct loci_credentials *c);
/* A loci_cred_fn; arg: struct loci_credentials. The first file that knows the host answers. */
int loci__credentials_get(void *arg, const char *host, char *user, size_t user_n, char *secret,
                          size_t secret_n, struct loci_error *err);

#endif

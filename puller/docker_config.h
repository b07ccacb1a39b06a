/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of struct loci_docker_config that tests and the fuzzer need. */
#ifndef LOCI_PULLER_DOCKER_CONFIG_H
#define LOCI_PULLER_DOCKER_CONFIG_H

#include "loci/pull.h"

#define LOCI_DOCKER_CONFIG_MAX (4 * 1024 * 1024) /* bytes */

/* From text; name is for messages. */
int loci__docker_config_parse(const char *name, const void *json, size_t n,
                              struct loci_docker_config **ret, struct loci_error *err);
/* The host that a key of "auths" means ("https://index.docker.io/v1/" → "docker.io"); false for a
 * key that means only a part of a host ("quay.io/team"). */
bool loci__docker_config_key_host(const char *key, char *buf, size_t size);

#endif

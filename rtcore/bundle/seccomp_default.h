/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOCI_BUNDLE_SECCOMP_DEFAULT_H
#define LOCI_BUNDLE_SECCOMP_DEFAULT_H

#include "core/base/json.h"

/* linux.seccomp of config.json: the policy that docker gives its containers, for a process with
 * these capabilities ("CAP_CHOWN" …) on this machine's processor. The result is the caller's. */
int loci__seccomp_default(const char *const *caps, size_t n_caps, json_t **ret,
                          struct loci_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The rootfs as a detached mount, made by the parent: fds of its own mount namespace are of no use
 * for that in the child's. */
#ifndef LOCI_RUNTIME_ROOTFS_H
#define LOCI_RUNTIME_ROOTFS_H

#include "rtcore/runtime/plan.h"

/* root.path below the bundle, or the overlay of the options. */
int loci__rootfs_open(const struct loci__plan *plan, int bundle_fd,
                      const struct loci_create_opts *o, int *ret_fd, struct loci_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOCI_STORE_PARENT_H
#define LOCI_STORE_PARENT_H

#include "core/store/txn.h"

/* Whether a manifest of the repository refers to the blob or manifest d. */
int loci__parent_find(struct loci__txn *t, const char *repo, const struct loci_digest *d, bool *ret,
                      struct loci_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOCI_STORE_INVENTORY_H
#define LOCI_STORE_INVENTORY_H

#include "core/store/txn.h"
#include "loci/inventory.h"

/* In any transaction. NOT_FOUND (which leaves err alone): not in the repository. */
int loci__manifest_info_get(struct loci__txn *t, const char *repo, const struct loci_digest *d,
                            struct loci_manifest_info *ret, struct loci_error *err);
int loci__tag_info_get(struct loci__txn *t, const char *repo, const char *tag,
                       struct loci_tag_info *ret, struct loci_error *err);

#endif

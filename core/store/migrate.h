/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOCI_STORE_MIGRATE_H
#define LOCI_STORE_MIGRATE_H

#include "core/store/store.h"

/* Brings an open store of an older format to the present one, with the format's lock held alone.
 * wait_ms: for processes of the older version that are about to end. BUSY when they do not. */
int loci__migrate(struct loci__shared *sh, const char *dir, unsigned from, unsigned wait_ms,
                  const struct loci_log *log, struct loci_error *err);

#endif

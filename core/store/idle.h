/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running hashes of upload sessions that nobody holds at the moment, so that the next request of a
 * client need not read back what the last one wrote. A bounded table; the oldest goes first, and
 * what is missing is only hashed again.
 */
#ifndef LOCI_STORE_IDLE_H
#define LOCI_STORE_IDLE_H

#include "loci/digest.h"

struct loci__idle;

struct loci__idle *loci__idle_new(void);
void loci__idle_free(struct loci__idle *t);
/* h has seen the first `hashed` bytes of the session. */
void loci__idle_put(struct loci__idle *t, const char *name, uint64_t hashed,
                    struct loci_hasher *take_h);
/* NULL: not there. */
struct loci_hasher *loci__idle_take(struct loci__idle *t, const char *name, uint64_t *ret_hashed);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Referrers that a client listed itself, in an index under the referrers tag schema (spec.md
 * "Referrers Tag Schema"), because it took the registry for one without the referrers API.
 */
#ifndef LOCI_REGISTRY_REFERRERS_TAG_H
#define LOCI_REGISTRY_REFERRERS_TAG_H

#include "loci/store.h"

/* The algorithm cut to 32 characters, a dash, the encoded part cut to 64. */
#define LOCI_REFERRERS_TAG_MAX (32 + 1 + 64 + 1)
void loci__referrers_tag(const struct loci_digest *subject, char buf[LOCI_REFERRERS_TAG_MAX]);

/* The order of the listings: as the store's keys. */
int loci__referrer_compare(const struct loci_digest *a, const struct loci_digest *b);

/* Return non-zero to stop: the walk then returns CALLBACK. m is parsed as what the index calls it.
 */
typedef int (*loci__tagged_fn)(void *arg, const struct loci_manifest_bytes *bytes,
                               const struct loci_manifest *m);
/* The entries of the subject's tag that are referrers and that loci_referrer_foreach does not give,
 * in its order, strictly after `after` (or NULL). No such tag, or no index under it: none. */
int loci__tagged_foreach(struct loci_store *st, const char *repo, const struct loci_digest *subject,
                         const struct loci_digest *after, loci__tagged_fn fn, void *arg,
                         struct loci_error *err);

#endif

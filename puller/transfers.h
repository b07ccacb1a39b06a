/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several blobs at once: worker threads that fetch, and the caller's thread that tells what
 * happens and may cancel. Nothing is queued between them: the caller looks at the jobs several
 * times a second and tells what has changed.
 */
#ifndef LOCI_PULLER_TRANSFERS_H
#define LOCI_PULLER_TRANSFERS_H

#include "loci/pull.h"
#include "puller/remote.h"

#include <stdatomic.h>

#define LOCI_PULL_PARALLEL_MAX 64

struct loci_transfers {
	const struct loci_pull_opts *opts; /* no zeroes left in it */
	const struct loci_http_opts *http_opts;
	struct loci_http_share *share;
	struct loci_remote *remote;
	struct loci_store *store;
	int notes_fd;
};
/* Fetches what the store lacks of descs, each digest once. The first failure ends all. */
int loci__transfers_run(const struct loci_transfers *t, const struct loci_descriptor *const *descs,
                        size_t n, struct loci_error *err);

#endif

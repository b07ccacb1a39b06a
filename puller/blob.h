/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One blob from the registry into an upload session of the store: as long as its descriptor says
 * and not a byte longer, resumed by Range when the transfer breaks, visible when its digest is
 * right.
 */
#ifndef LOCI_PULLER_BLOB_H
#define LOCI_PULLER_BLOB_H

#include "loci/manifest.h"
#include "loci/store.h"
#include "puller/remote.h"

#include <stdatomic.h>

/* A transfer that got on by this much since it last broke has its retries anew. */
#define LOCI_BLOB_PROGRESS_BYTES (1024 * 1024)

struct loci_blob_fetch {
	struct loci_remote *remote;
	struct loci_http *http;
	struct loci_store *store;
	int notes_fd; /* see note.h */
	const struct loci_descriptor *desc;
	_Atomic uint64_t *done; /* bytes of desc->size, for whoever watches */
};
/* Expected: NOT_FOUND, DIGEST_MISMATCH, SIZE_MISMATCH, NO_SPACE, and those of loci__remote_try. */
int loci__blob_fetch(const struct loci_blob_fetch *f, struct loci_error *err);
/* Whether the store has it already, in the size that the descriptor says: 1 or 0. */
int loci__blob_is_present(struct loci_store *st, const struct loci_descriptor *desc,
                          struct loci_error *err);

#endif

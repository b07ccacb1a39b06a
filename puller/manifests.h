/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a reference to the manifest of one platform: what the registry has under the name, and on
 * through indexes. Documents that the store has are taken from there.
 */
#ifndef LOCI_PULLER_MANIFESTS_H
#define LOCI_PULLER_MANIFESTS_H

#include "loci/manifest.h"
#include "loci/store.h"
#include "puller/remote.h"

#define LOCI_MANIFEST_FETCH_MAX                                                \
	(4 * 1024 * 1024)      /* bytes, distribution-spec "Pushing Manifests" \
	                        */
#define LOCI_INDEX_DEPTH_MAX 4 /* indexes in indexes */

/* One document as it came. */
struct loci_document {
	struct loci_digest digest;
	char *media_type;
	char *bytes;
	size_t n;
	struct loci_manifest *parsed;
	bool in_store;
};
void loci__document_done(struct loci_document *d);

/* The way from the name to the platform: indexes (none when the name is an image), the image last.
 */
struct loci_resolution {
	struct loci_document path[LOCI_INDEX_DEPTH_MAX + 1];
	size_t n;
};
void loci__resolution_done(struct loci_resolution *r);

/* What the reference points at. Expected: as loci__remote_try, INVALID, DIGEST_MISMATCH. */
int loci__manifest_top(struct loci_remote *r, struct loci_http *h, struct loci_store *st,
                       struct loci_document *ret, struct loci_error *err);
/* Follows indexes from path[0] to the image. Expected, further: UNSUPPORTED (no such platform, or
 * no image), SIZE_MISMATCH. */
int loci__manifest_walk(struct loci_remote *r, struct loci_http *h, struct loci_store *st,
                        const struct loci_platform *want, struct loci_resolution *res,
                        struct loci_error *err);
/* Puts what is not there yet, the image first. */
int loci__resolution_store(const struct loci_resolution *res, struct loci_store *st,
                           struct loci_error *err);
/* Once the image is recorded, which keeps them: puts those that were there and have been collected
 * as garbage meanwhile. */
int loci__resolution_check(const struct loci_resolution *res, struct loci_store *st,
                           struct loci_error *err);

#endif

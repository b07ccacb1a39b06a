/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images in and out of a store as files: the storage directory of registry:2, OCI image layouts,
 * what `docker save` writes. Works beside a running server on the same store: an image becomes
 * visible by its last step, when everything below it is there.
 *
 * All functions block, and may be called from several threads. Archives need libarchive, which is
 * loaded by the first of them (UNSUPPORTED when it is not installed).
 */
#ifndef LOCI_TRANSFER_H
#define LOCI_TRANSFER_H

#include "loci/log.h"
#include "loci/store.h"

LOCI_BEGIN_DECLS

/** What was done so far. */
struct loci_transfer_counts {
	uint64_t repositories; /* of a registry:2 directory; else 0 */
	uint64_t tags;
	uint64_t manifests;
	uint64_t manifests_present; /* were there; as often as something leads to them */
	uint64_t blobs;
	uint64_t blobs_present;
	uint64_t bytes_linked; /* of blobs: second names of the source's files */
	uint64_t bytes_cloned; /* sharing the source's blocks */
	uint64_t bytes_copied;
	uint64_t schema1; /* docker schema 1 manifests, which are not taken */
	uint64_t failed;  /* images left out because something about them is wrong */
};

enum loci_transfer_event_kind {
	LOCI_TRANSFER_PROGRESS = 0, /* counts went up */
	LOCI_TRANSFER_TAG,          /* repo:tag stands (at digest) */
	LOCI_TRANSFER_FAILED,       /* left out; err says why */
	LOCI_TRANSFER_SCHEMA1       /* left out: docker schema 1; err says so */
};
/** Lives for the call. */
struct loci_transfer_event {
	int kind;
	const char *repo;                 /* or NULL */
	const char *tag;                  /* or NULL */
	const struct loci_digest *digest; /* or NULL */
	const struct loci_error *err;     /* or NULL */
	const struct loci_transfer_counts *counts;
};
/** From any thread of the call, one at a time. Return non-zero to stop: the call then returns
 *  CANCELED. What stands by then stays. */
typedef int (*loci_transfer_fn)(void *arg, const struct loci_transfer_event *ev);

enum loci_import_flag {
	/** Hard links from layouts and unpacked archives, too: nobody will change their files.
	 *  From a registry:2 directory, whose blobs never change, links are the rule. */
	LOCI_IMPORT_LINK = 1 << 0,
	/** No hard links. */
	LOCI_IMPORT_COPY = 1 << 1,
	/** Take the source's word for digests of what is linked or cloned. */
	LOCI_IMPORT_TRUST = 1 << 2,
	/** Look and count only. */
	LOCI_IMPORT_DRY_RUN = 1 << 3,
	/** A tag that is there stays where it points. */
	LOCI_IMPORT_KEEP_TAGS = 1 << 4,
	/** Take manifests that refer to what is not there. */
	LOCI_IMPORT_SPARSE = 1 << 5
};
struct loci_import_opts {
	size_t struct_size;
	const struct loci_log *log;
	/** Of a registry:2 directory and of images with full names: goes before each repository's
	 *  name, with a slash. Of images that carry a tag or nothing: the repository. Or NULL. */
	const char *repo;
	unsigned flags; /* enum loci_import_flag */
	loci_transfer_fn event;
	void *event_arg;
	size_t max_manifest_size; /* bytes; 0: 4 MiB */
	/** Images of a registry:2 directory at a time; 0: 8, at most 64. Each waits for the disk
	 *  most of its time, and the store syncs once for all that wait. */
	unsigned jobs;
};

/** Takes in every image of the source: a registry:2 storage directory (or one above it), an OCI
 *  layout (directory, tar, compressed tar), what `docker save` wrote (tar or unpacked); "-" is an
 *  archive on standard input. What is there already is passed over, so that a second run goes on
 *  where the first one stopped. One image's failure is told by an event and counted; the rest goes
 *  on. counts is filled in every case.
 *  Expected errors: NOT_FOUND, INVALID (nothing that is known), NO_SPACE, CANCELED. */
LOCI_API LOCI_CHECK int loci_import(struct loci_store *st, const char *source,
                                    const struct loci_import_opts *opts,
                                    struct loci_transfer_counts *counts, struct loci_error *err);

enum loci_export_flag {
	/** Manifests that refer to what is exported (signatures, SBOMs), and those that refer to
	 *  them. */
	LOCI_EXPORT_REFERRERS = 1 << 0,
	/** Hard links into a directory: nobody may change its files. */
	LOCI_EXPORT_LINK = 1 << 1,
	/** Leave out what manifests refer to and the store does not have. */
	LOCI_EXPORT_SPARSE = 1 << 2
};
struct loci_export_opts {
	size_t struct_size;
	const struct loci_log *log;
	unsigned flags; /* enum loci_export_flag */
	loci_transfer_fn event;
	void *event_arg;
};

/** Writes images as an OCI layout. names: "repository" (every tag of it), "repository:tag" or
 *  "repository@digest". output: a directory, made, or empty, or begun by an export that did not
 *  end; a tar archive when the name ends in ".tar"; "-" for a tar on standard output. The same
 *  content gives the same bytes. index.json, or the archive's name, comes last: what has it is
 *  whole. counts is filled in every case.
 *  Expected errors: NOT_FOUND, INVALID, EXISTS (a layout is there), NO_SPACE, CANCELED,
 *  DIGEST_MISMATCH (a blob of the store is damaged). */
LOCI_API LOCI_CHECK int loci_export(struct loci_store *st, const char *const *names, size_t n,
                                    const char *output, const struct loci_export_opts *opts,
                                    struct loci_transfer_counts *counts, struct loci_error *err);

LOCI_END_DECLS
#endif

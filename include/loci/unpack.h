/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers into overlay lowerdirs (image-spec layer.md). Everything happens below a directory fd and
 * never leaves it; secure is the only mode.
 */
#ifndef LOCI_UNPACK_H
#define LOCI_UNPACK_H

#include "loci/image_config.h"
#include "loci/io.h"
#include "loci/store.h"

LOCI_BEGIN_DECLS

enum loci_unpack_flag {
	/** Not root: owners stay the caller's, devices are skipped, opaque is user.overlay.opaque.
	 */
	LOCI_UNPACK_ROOTLESS = 1 << 0
};
struct loci_unpack_opts {
	size_t struct_size;
	const struct loci_log *log;
	uint64_t max_bytes;   /* of one layer, uncompressed; 0: 64 GiB */
	uint64_t max_entries; /* of one layer; 0: 5 000 000 */
	uint64_t reserve;     /* bytes to leave free on the file system; 0: 64 MiB */
	unsigned jobs;        /* layers at once; 0: one per core */
	unsigned flags;       /* enum loci_unpack_flag */
	/** Called by loci_unpack_image from worker threads, one call at a time; bytes are those of
	 *  the compressed blob. May be NULL. */
	void (*progress)(void *arg, const struct loci_digest *diff_id, uint64_t done_bytes,
	                 uint64_t total_bytes);
	void *progress_arg;
};
struct loci_unpack_stats {
	uint64_t entries;           /* of the archive */
	uint64_t bytes;             /* of the uncompressed stream */
	uint64_t skipped;           /* entries left out: AUFS metadata, devices when rootless */
	struct loci_digest diff_id; /* sha256 of the uncompressed stream */
	unsigned layer_flags;       /* enum loci_layer_flag */
};

/** Reads one layer (compression by media_type, checked against the magic bytes) into the directory
 *  root_fd (opened O_RDONLY; its mode becomes that of the layer's root entry, 0755 without one),
 *  whiteouts translated for overlayfs. On failure the directory holds rubbish: the caller removes
 *  it. umask must be 0 in this process or thread (unshare CLONE_FS); `in` is called from a thread
 *  of its own. ret may be NULL. Expected errors: INVALID (names the entry), TOO_LARGE, NO_SPACE,
 *  UNSUPPORTED, and what `in` returned. */
LOCI_API LOCI_CHECK int loci_unpack_layer(int root_fd, const char *media_type,
                                          const struct loci_reader *in,
                                          const struct loci_unpack_opts *o,
                                          struct loci_unpack_stats *ret, struct loci_error *err);

/** Every layer of the image that is not unpacked yet, from the store's blobs into the store's
 *  layers, several at once; each diff ID is checked against the image config and nothing becomes
 *  visible before. The caller's umask is neither used nor changed. Expected errors: as above,
 *  DIGEST_MISMATCH (names both), SIZE_MISMATCH, NOT_FOUND (a blob). */
LOCI_API LOCI_CHECK int loci_unpack_image(struct loci_store *st, const struct loci_manifest *m,
                                          const struct loci_image_config *config,
                                          const struct loci_unpack_opts *o, struct loci_error *err);

LOCI_END_DECLS
#endif

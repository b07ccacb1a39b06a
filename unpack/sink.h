/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries of an archive become files below one directory fd, and nothing else does: every step is a
 * *at call with one name on the fd of the parent, symbolic links are never followed by accident,
 * and where an archive's own symlink stands in for a directory it is resolved inside the root.
 * Whiteouts become what overlayfs understands. The last entry of a name wins, as in a sequence of
 * changes; what it replaces is removed, never written through.
 *
 * umask must be 0 in the calling thread, unless masked. Nobody else may write below the root
 * meanwhile.
 */
#ifndef LOCI_UNPACK_SINK_H
#define LOCI_UNPACK_SINK_H

#include "loci/log.h"
#include "unpack/tar.h"

struct loci_sink_opts {
	const struct loci_log *log;
	uint64_t max_bytes; /* of all files, holes included */
	uint64_t reserve;   /* bytes of the file system to leave free */
	bool rootless;
	bool masked; /* the umask may be anything: each mode is set once more */
};

struct loci_sink;
/* root_fd is borrowed: a directory opened O_RDONLY. */
int loci__sink_new(int root_fd, const struct loci_sink_opts *o, struct loci_sink **ret,
                   struct loci_error *err);
void loci__sink_free(struct loci_sink *s); /* NULL is fine */

/* Makes the entry, which must live until the file is ended. 1: a file that waits for its content
 * and loci__sink_end; 0: done. Expected: INVALID, TOO_LARGE, NO_SPACE. */
int loci__sink_entry(struct loci_sink *s, const struct loci_tar_entry *e, struct loci_error *err);
/* Ascending offsets; what is left out is a hole. */
int loci__sink_data(struct loci_sink *s, uint64_t offset, const void *p, size_t n,
                    struct loci_error *err);
int loci__sink_end(struct loci_sink *s, struct loci_error *err);
/* What had to wait until every file was made: times, special bits and default ACLs of directories.
 * ret_layer_flags: enum loci_layer_flag; ret_skipped: entries left out. */
int loci__sink_finish(struct loci_sink *s, unsigned *ret_layer_flags, uint64_t *ret_skipped,
                      struct loci_error *err);

#endif

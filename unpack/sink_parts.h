/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the sink share among themselves. */
#ifndef LOCI_UNPACK_SINK_PARTS_H
#define LOCI_UNPACK_SINK_PARTS_H

#include "core/base/buf.h"
#include "unpack/path.h"
#include "unpack/sink.h"

#include <sys/stat.h>

/* Directories on the way to the current one whose fds stay open; deeper chains close the upper
 * ones and walk again when they come back, so that no archive can use up the fds of a process. */
#define LOCI_SINK_FDS 64
/* Directories that may be opened on the way to entries: so many at all and so many an entry. Real
 * layers need one or two; without a limit a small blob keeps a core busy for hours. */
#define LOCI_SINK_STEPS       ((uint64_t)1000000)
#define LOCI_SINK_STEPS_ENTRY ((uint64_t)128)
/* Bytes that names and ACLs of directories may take until the end. */
#define LOCI_SINK_MAX_LATER ((size_t)256 * 1024 * 1024)
/* Files between two looks at the free space, and bytes likewise. */
#define LOCI_SINK_SPACE_FILES 4096
#define LOCI_SINK_SPACE_BYTES ((uint64_t)8 * 1024 * 1024)

/* What a directory gets at the end. */
struct loci_later {
	size_t text; /* its path in the arena: depth components */
	size_t acl;  /* its default ACL in the arena */
	uint32_t acl_n;
	uint16_t depth;
	uint16_t mode; /* all of it */
	bool linked;   /* its parents include a symlink */
	int32_t mtime_ns;
	int64_t mtime;
};

struct loci_sink {
	int root; /* borrowed */
	struct loci_sink_opts o;
	uid_t uid; /* whom new files belong to */
	gid_t gid;

	/* The chain of directories that leads to the last entry's parent. */
	struct loci_path chain;
	int fds[LOCI_PATH_MAX_DEPTH]; /* O_PATH; -1: closed again */
	bool stale;                   /* it may lead through what has been replaced */
	unsigned linked;              /* depth of the first symlink in it, 0: none */

	struct loci_path name;   /* of the current entry */
	struct loci_path target; /* of a hard link */

	/* The file that is being written. */
	int fd;
	const struct loci_tar_entry *e;
	uint64_t written; /* end of the last piece */

	struct loci_buf later;      /* struct loci_later, in the order of the archive */
	struct loci_buf later_text; /* the arena */
	bool replaced;              /* some of them may be no directories any more */
	bool again;                 /* some of them came twice */
	bool finishing;             /* nothing is made any more, and symlinks are followed only: */
	bool follow;

	uint64_t entries;
	uint64_t steps; /* of walks */
	unsigned layer_flags;
	uint64_t skipped;
	uint64_t bytes; /* of all files so far */
	uint64_t space_bytes;
	unsigned space_files;
};

/* From errno, naming the operation. What only a hostile name can cause becomes INVALID. */
int loci__sink_sys(struct loci_error *err, const char *operation);

/* ---- sink_dir.c ---- */
/* The fd of the directory that the first depth components name; missing ones are made (0755, ours),
 * or NOT_FOUND when finishing. Borrowed until the next call. */
int loci__sink_walk(struct loci_sink *s, const struct loci_path *p, unsigned depth, int *ret_fd,
                    struct loci_error *err);
void loci__sink_forget_chain(struct loci_sink *s);
/* Removes parent/name whatever it is. Walk again before going on. */
int loci__sink_clear(struct loci_sink *s, int parent, const char *name, struct loci_error *err);
/* Makes parent/name a directory, taking the place of what is there. */
int loci__sink_make_dir(struct loci_sink *s, const struct loci_tar_entry *e,
                        struct loci_error *err);
/* Hides what lower layers have in parent/name. */
int loci__sink_set_opaque(struct loci_sink *s, int parent, const char *name,
                          struct loci_error *err);
bool loci__sink_is_whiteout(const struct stat *st);
int loci__sink_finish_dirs(struct loci_sink *s, struct loci_error *err);

/* ---- sink_attr.c ---- */
/* Owner, special bits and times of parent/name, which is no directory and has no fd. */
int loci__sink_attr_at(struct loci_sink *s, int parent, const char *name,
                       const struct loci_tar_entry *e, struct loci_error *err);
/* The same through an fd, and the extended attributes. */
int loci__sink_attr_fd(struct loci_sink *s, int fd, const struct loci_tar_entry *e,
                       struct loci_error *err);
int loci__sink_xattrs(struct loci_sink *s, int fd, const struct loci_tar_entry *e,
                      struct loci_error *err);
/* The default ACL among the entry's attributes, or NULL: it must wait. */
const struct loci_tar_xattr *loci__sink_default_acl(const struct loci_tar_entry *e);
int loci__sink_check_owner(const struct loci_tar_entry *e, struct loci_error *err);
mode_t loci__sink_mode(const struct loci_tar_entry *e);
struct timespec loci__sink_mtime(const struct loci_tar_entry *e);
bool loci__sink_keeps_owner(const struct loci_sink *s, const struct loci_tar_entry *e);

#endif

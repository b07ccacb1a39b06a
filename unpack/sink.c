/* SPDX-License-Identifier: Apache-2.0 */
#include "unpack/sink.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "core/base/fs.h"
#include "core/base/logger.h"
#include "loci/store.h"
#include "unpack/sink_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

/* The free space is looked at now and then: often enough that the reserve holds, by some MiB. */
static int check_space(struct loci_sink *s, struct loci_error *err)
{
	struct statvfs fs;
	s->space_bytes = 0;
	s->space_files = 0;
	if (fstatvfs(s->root, &fs) < 0)
		return loci__sink_sys(err, "look at the free space");
	uint64_t free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (free_bytes < s->o.reserve)
		return loci__err_set(err, LOCI_E_NO_SPACE,
		                     "%llu bytes are left on the file system, %llu are to stay "
		                     "free",
		                     (unsigned long long)free_bytes,
		                     (unsigned long long)s->o.reserve);
	return 0;
}

int loci__sink_new(int root_fd, const struct loci_sink_opts *o, struct loci_sink **ret,
                   struct loci_error *err)
{
	struct loci_sink *s = calloc(1, sizeof(*s));
	if (!s)
		return loci__err_nomem(err);
	s->root = root_fd;
	s->o = *o;
	s->fd = -1;
	s->uid = geteuid();
	s->gid = getegid();
	for (size_t i = 0; i < loci__array_len(s->fds); i++)
		s->fds[i] = -1;
	loci__buf_init(&s->later, LOCI_SINK_MAX_LATER);
	loci__buf_init(&s->later_text, LOCI_SINK_MAX_LATER);
	int rc = check_space(s, err);
	/* Nothing may be inherited from where the store happens to lie, and a layer without an
	 * entry for its root gets what others give it. */
	if (rc == 0 && fchmod(root_fd, 0755) < 0)
		rc = loci__sink_sys(err, "change the mode of the layer's directory");
	if (rc < 0) {
		free(s);
		return rc;
	}
	fremovexattr(root_fd, "system.posix_acl_default");
	fremovexattr(root_fd, "system.posix_acl_access");
	*ret = s;
	return 0;
}

void loci__sink_free(struct loci_sink *s)
{
	if (!s)
		return;
	loci__sink_forget_chain(s);
	loci__close_fd(&s->fd);
	loci__buf_done(&s->later);
	loci__buf_done(&s->later_text);
	free(s);
}

/* ---- making things: each returns 0, or -1 with errno ---- */

static int make_file(struct loci_sink *s, int parent, const char *name,
                     const struct loci_tar_entry *e)
{
	mode_t mode = loci__sink_mode(e) & 0777;
	if (s->o.rootless && e->n_xattrs)
		mode |= 0600;
	s->fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	return s->fd < 0 ? -1 : 0;
}

static int make_symlink(struct loci_sink *s, int parent, const char *name,
                        const struct loci_tar_entry *e)
{
	(void)s;
	return symlinkat(e->link, parent, name);
}

static int make_fifo(struct loci_sink *s, int parent, const char *name,
                     const struct loci_tar_entry *e)
{
	(void)s;
	return mknodat(parent, name, S_IFIFO | (loci__sink_mode(e) & 0777), 0);
}

static int make_device(struct loci_sink *s, int parent, const char *name,
                       const struct loci_tar_entry *e)
{
	(void)s;
	mode_t type = e->type == LOCI_TAR_CHAR ? S_IFCHR : S_IFBLK;
	dev_t dev = makedev((unsigned)e->dev_major, (unsigned)e->dev_minor);
	return mknodat(parent, name, type | (loci__sink_mode(e) & 0777), dev);
}

typedef int (*make_fn)(struct loci_sink *s, int parent, const char *name,
                       const struct loci_tar_entry *e);

/* Makes the entry's name; what stands there is removed first. parent is the chain's top after. */
static int make(struct loci_sink *s, make_fn fn, const char *operation,
                const struct loci_tar_entry *e, int *ret_parent, struct loci_error *err)
{
	const char *name = loci__path_last(&s->name);
	int rc = loci__sink_walk(s, &s->name, s->name.depth - 1, ret_parent, err);
	if (rc < 0)
		return rc;
	if (fn(s, *ret_parent, name, e) == 0)
		return 0;
	if (errno != EEXIST)
		return loci__sink_sys(err, operation);
	rc = loci__sink_clear(s, *ret_parent, name, err);
	if (rc == 0)
		rc = loci__sink_walk(s, &s->name, s->name.depth - 1, ret_parent, err);
	if (rc == 0 && fn(s, *ret_parent, name, e) < 0)
		rc = loci__sink_sys(err, operation);
	return rc;
}

/* ---- hard links ---- */

/* The directory of the target: never made, never reached through a symlink. */
static int open_target_parent(struct loci_sink *s, struct loci_error *err)
{
	char path[4096];
	unsigned depth = s->target.depth - 1;
	int fd = -1;
	if (depth == 0)
		fd = fcntl(s->root, F_DUPFD_CLOEXEC, 0);
	else if (loci__path_join(&s->target, depth, path, sizeof(path)))
		fd = loci__open_beneath(s->root, path, O_PATH | O_DIRECTORY, 0);
	else
		errno = ENAMETOOLONG;
	return fd < 0 ? loci__sink_sys(err, "open the directory of the hard link's target") : fd;
}

static int check_target(int dir, const char *name, struct stat *ret, struct loci_error *err)
{
	if (fstatat(dir, name, ret, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? loci__err_set(err, LOCI_E_INVALID,
		                                       "its target is not in this layer "
		                                       "(or comes later)")
		                       : loci__sink_sys(err, "look at the hard link's target");
	if (S_ISDIR(ret->st_mode))
		return loci__err_set(err, LOCI_E_INVALID, "its target is a directory");
	if (loci__sink_is_whiteout(ret))
		return loci__err_set(err, LOCI_E_INVALID, "its target is deleted by this layer");
	return 0;
}

static int link_into(struct loci_sink *s, int dir, const struct stat *target,
                     struct loci_error *err)
{
	const char *from = loci__path_last(&s->target), *name = loci__path_last(&s->name);
	int parent, rc = 0;
	for (int tries = 0; rc == 0; tries++) {
		struct stat st;
		rc = loci__sink_walk(s, &s->name, s->name.depth - 1, &parent, err);
		if (rc < 0 || linkat(dir, from, parent, name, 0) == 0)
			return rc;
		if (errno != EEXIST || tries)
			return loci__sink_sys(err, "make the hard link");
		if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return loci__sink_sys(err, "look at what it replaces");
		if (st.st_dev == target->st_dev && st.st_ino == target->st_ino)
			return 0; /* it is that link already, or itself */
		rc = loci__sink_clear(s, parent, name, err);
	}
	return rc;
}

static int enter_link(struct loci_sink *s, const struct loci_tar_entry *e, struct loci_error *err)
{
	int rc = loci__path_clean(&s->target, e->link, err);
	if (rc < 0)
		return loci__err_prefix(err, rc, "the hard link's target");
	if (s->target.depth == 0)
		return loci__err_set(err, LOCI_E_INVALID, "its target is a directory");
	loci__cleanup_close int dir = open_target_parent(s, err);
	if (dir < 0)
		return dir;
	struct stat st = {0};
	rc = check_target(dir, loci__path_last(&s->target), &st, err);
	return rc < 0 ? rc : link_into(s, dir, &st, err);
}

/* ---- whiteouts ---- */

#define WHITEOUT      ".wh."
#define WHITEOUT_META ".wh..wh."
#define WHITEOUT_OPQ  ".wh..wh..opq"

static bool begins(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

enum name_kind { NAME_PLAIN, NAME_WHITEOUT, NAME_OPAQUE, NAME_SKIPPED };

/* Which of them the current name is; < 0 when it can be none. */
static int name_kind(const struct loci_sink *s, struct loci_error *err)
{
	for (unsigned i = 0; i < s->name.depth; i++) {
		const char *part = loci__path_part(&s->name, i);
		bool last = i + 1 == s->name.depth;
		if (part[0] != '.' || !begins(part, WHITEOUT))
			continue;
		if (last && !strcmp(part, WHITEOUT_OPQ))
			return NAME_OPAQUE;
		if (begins(part, WHITEOUT_META))
			return NAME_SKIPPED; /* AUFS keeps its own things there */
		const char *of = part + strlen(WHITEOUT);
		if (!*of || !strcmp(of, ".") || !strcmp(of, ".."))
			return loci__err_set(err, LOCI_E_INVALID, "a whiteout of no name");
		if (!last || s->e->type == LOCI_TAR_DIR)
			return loci__err_set(err, LOCI_E_INVALID, "a whiteout that is a directory");
		return NAME_WHITEOUT;
	}
	return NAME_PLAIN;
}

static int enter_whiteout(struct loci_sink *s, struct loci_error *err)
{
	int parent;
	const char *of = loci__path_last(&s->name) + strlen(WHITEOUT);
	int rc = loci__sink_walk(s, &s->name, s->name.depth - 1, &parent, err);
	if (rc < 0)
		return rc;
	if (mknodat(parent, of, S_IFCHR, makedev(0, 0)) == 0)
		return 0;
	if (errno != EEXIST)
		return loci__sink_sys(err, "make the whiteout");
	struct stat st;
	if (fstatat(parent, of, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return loci__sink_sys(err, "look at what the whiteout is about");
	/* It hides lower layers only: what this layer has of that name stays. */
	return S_ISDIR(st.st_mode) ? loci__sink_set_opaque(s, parent, of, err) : 0;
}

static int enter_opaque(struct loci_sink *s, struct loci_error *err)
{
	int dir;
	if (s->name.depth == 1) {
		/* overlayfs does not look for it on a layer's root: whoever mounts must. */
		s->layer_flags |= LOCI_LAYER_CUT;
		return 0;
	}
	int rc = loci__sink_walk(s, &s->name, s->name.depth - 1, &dir, err);
	return rc < 0 ? rc : loci__sink_set_opaque(s, dir, ".", err);
}

/* ---- entries ---- */

static int check_device(const struct loci_tar_entry *e, struct loci_error *err)
{
	if (e->dev_major < 0 || e->dev_major > 0xfff || e->dev_minor < 0 || e->dev_minor > 0xfffff)
		return loci__err_set(err, LOCI_E_INVALID, "its device number is out of range");
	if (e->type == LOCI_TAR_CHAR && e->dev_major == 0 && e->dev_minor == 0)
		return loci__err_set(err, LOCI_E_INVALID,
		                     "a character device 0:0, which overlayfs takes for a "
		                     "whiteout");
	return 0;
}

static const struct {
	int type; /* enum loci_tar_type */
	make_fn make;
	const char *operation;
} makers[] = {
        {LOCI_TAR_FILE, make_file, "create the file"},
        {LOCI_TAR_SYMLINK, make_symlink, "make the symbolic link"},
        {LOCI_TAR_FIFO, make_fifo, "make the fifo"},
        {LOCI_TAR_CHAR, make_device, "make the device"},
        {LOCI_TAR_BLOCKDEV, make_device, "make the device"},
};

static int begin_file(struct loci_sink *s, const struct loci_tar_entry *e, struct loci_error *err)
{
	/* Holes count: whoever reads or copies the file pays for them. */
	if (e->size > s->o.max_bytes - s->bytes)
		return loci__err_set(err, LOCI_E_TOO_LARGE,
		                     "the layer's files have more than %llu bytes",
		                     (unsigned long long)s->o.max_bytes);
	s->bytes += e->size;
	s->written = 0;
	if (++s->space_files >= LOCI_SINK_SPACE_FILES)
		return check_space(s, err);
	return 0;
}

static int enter_node(struct loci_sink *s, const struct loci_tar_entry *e, struct loci_error *err)
{
	int parent, rc;
	bool device = e->type == LOCI_TAR_CHAR || e->type == LOCI_TAR_BLOCKDEV;
	if (device && (rc = check_device(e, err)) < 0)
		return rc;
	if (device && s->o.rootless) {
		s->skipped++;
		return 0;
	}
	if ((rc = begin_file(s, e, err)) < 0)
		return rc;
	for (size_t i = 0; i < loci__array_len(makers); i++) {
		if (makers[i].type != e->type)
			continue;
		rc = make(s, makers[i].make, makers[i].operation, e, &parent, err);
		if (rc < 0 || e->type == LOCI_TAR_FILE)
			return rc < 0 ? rc : 1;
		return loci__sink_attr_at(s, parent, loci__path_last(&s->name), e, err);
	}
	return loci__err_set(err, LOCI_E_UNSUPPORTED, "its type is unknown");
}

static int enter(struct loci_sink *s, const struct loci_tar_entry *e, struct loci_error *err)
{
	int rc = loci__path_clean(&s->name, e->name, err);
	if (rc < 0)
		return rc;
	int kind = name_kind(s, err);
	if (kind < 0)
		return kind;
	if (s->name.depth == 0 && e->type != LOCI_TAR_DIR)
		return loci__err_set(err, LOCI_E_INVALID, "the layer's root must be a directory");
	switch (kind) {
	case NAME_SKIPPED: s->skipped++; return 0;
	case NAME_OPAQUE: return enter_opaque(s, err);
	case NAME_WHITEOUT: return enter_whiteout(s, err);
	default: break;
	}
	rc = loci__sink_check_owner(e, err);
	if (rc < 0)
		return rc;
	if (e->type == LOCI_TAR_DIR)
		return loci__sink_make_dir(s, e, err);
	return e->type == LOCI_TAR_LINK ? enter_link(s, e, err) : enter_node(s, e, err);
}

static int name_it(struct loci_sink *s, int rc, struct loci_error *err)
{
	char quoted[LOCI_QUOTED_MAX];
	return rc < 0 ? loci__err_prefix(err, rc, "entry '%s'",
	                                 loci__name_quote(quoted, s->e->name))
	              : rc;
}

int loci__sink_entry(struct loci_sink *s, const struct loci_tar_entry *e, struct loci_error *err)
{
	s->e = e;
	s->entries++;
	return name_it(s, enter(s, e, err), err);
}

static int write_data(struct loci_sink *s, uint64_t offset, const void *p, size_t n,
                      struct loci_error *err)
{
	if (offset != s->written && lseek(s->fd, (off_t)offset, SEEK_SET) < 0)
		return loci__sink_sys(err, "seek in the file");
	if (loci__write_all(s->fd, p, n) < 0)
		return loci__sink_sys(err, "write the file");
	s->written = offset + n;
	s->space_bytes += n;
	return s->space_bytes >= LOCI_SINK_SPACE_BYTES ? check_space(s, err) : 0;
}

int loci__sink_data(struct loci_sink *s, uint64_t offset, const void *p, size_t n,
                    struct loci_error *err)
{
	return name_it(s, write_data(s, offset, p, n, err), err);
}

int loci__sink_end(struct loci_sink *s, struct loci_error *err)
{
	int rc = 0;
	if (s->written < s->e->size && ftruncate(s->fd, (off_t)s->e->size) < 0)
		rc = loci__sink_sys(err, "lengthen the file");
	if (rc == 0)
		rc = loci__sink_attr_fd(s, s->fd, s->e, err);
	/* Some file systems say only now that there is no room. */
	int fd = loci__steal_fd(&s->fd);
	if (close(fd) < 0 && rc == 0)
		rc = loci__sink_sys(err, "close the file");
	return name_it(s, rc, err);
}

int loci__sink_finish(struct loci_sink *s, unsigned *ret_layer_flags, uint64_t *ret_skipped,
                      struct loci_error *err)
{
	int rc = loci__sink_finish_dirs(s, err);
	if (rc < 0)
		return loci__err_prefix(err, rc, "finish the layer's directories");
	*ret_layer_flags = s->layer_flags;
	*ret_skipped = s->skipped;
	return 0;
}

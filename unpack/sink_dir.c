/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories: the chain of fds that leads to the current one, making them, marking them opaque,
 * and what they get at the end.
 *
 * A setgid bit or a default ACL on a directory would be inherited by what is made in it, and its
 * time changes with every entry: all of that waits until the last file is there.
 */
#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "core/base/fs.h"
#include "unpack/sink_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define STEP (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

int loci__sink_sys(struct loci_error *err, const char *operation)
{
	static const int hostile[] = {ENAMETOOLONG, ENOENT, ENOTDIR, ELOOP, EISDIR, EINVAL, EXDEV};
	int saved = errno;
	int rc = loci__err_sys(err, "%s", operation);
	for (size_t i = 0; i < loci__array_len(hostile); i++)
		if (saved == hostile[i]) {
			rc = LOCI_E_INVALID;
			if (err)
				err->code = rc;
		}
	return rc;
}

bool loci__sink_is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

/* ---- the chain ---- */

static void cut_chain(struct loci_sink *s, unsigned depth)
{
	for (unsigned i = s->chain.depth; i > depth; i--)
		loci__close_fd(&s->fds[i - 1]);
	loci__path_cut(&s->chain, depth);
	if (s->linked > depth)
		s->linked = 0;
}

void loci__sink_forget_chain(struct loci_sink *s)
{
	cut_chain(s, 0);
}

static int chain_top(const struct loci_sink *s)
{
	return s->chain.depth ? s->fds[s->chain.depth - 1] : s->root;
}

int loci__sink_set_opaque(struct loci_sink *s, int parent, const char *name, struct loci_error *err)
{
	const char *xattr = s->o.rootless ? "user.overlay.opaque" : "trusted.overlay.opaque";
	loci__cleanup_close int fd =
	        openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return loci__sink_sys(err, "open a directory to mark it opaque");
	if (fsetxattr(fd, xattr, "y", 1, 0) < 0)
		return loci__sink_sys(err, "mark a directory opaque");
	return 0;
}

int loci__sink_clear(struct loci_sink *s, int parent, const char *name, struct loci_error *err)
{
	s->stale = s->replaced = s->again = true;
	return loci__rm_tree(parent, name, err);
}

/* As mkdirat, whatever the umask. */
static int make_dir_at(const struct loci_sink *s, int parent, const char *name, mode_t mode)
{
	int rc = mkdirat(parent, name, mode);
	return rc == 0 && s->o.masked ? fchmodat(parent, name, mode, 0) : rc;
}

/* A directory where there was none; when it takes the place of a whiteout or of a file, this layer
 * has already said that lower layers' content of that name is gone. */
static int make_in_place(struct loci_sink *s, int parent, const char *name, mode_t mode,
                         struct loci_error *err)
{
	s->stale = s->replaced = s->again = true;
	if (unlinkat(parent, name, 0) < 0 || make_dir_at(s, parent, name, mode) < 0)
		return loci__sink_sys(err, "make a directory in the place of something else");
	return loci__sink_set_opaque(s, parent, name, err);
}

/* A directory of the archive that a later entry replaced. */
static int gone(struct loci_error *err)
{
	return loci__err_set(err, LOCI_E_NOT_FOUND, "its parent was replaced");
}

/* Something that is no directory stands where a parent should be. */
static int step_over(struct loci_sink *s, int parent, const char *part, int *ret_fd,
                     struct loci_error *err)
{
	struct stat st;
	char quoted[LOCI_QUOTED_MAX];
	if (fstatat(parent, part, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return loci__sink_sys(err, "look at its parent");
	if (s->finishing && !(S_ISLNK(st.st_mode) && s->follow))
		return gone(err);
	if (loci__sink_is_whiteout(&st)) {
		int rc = make_in_place(s, parent, part, 0755, err);
		if (rc < 0)
			return rc;
		*ret_fd = openat(parent, part, STEP);
		return *ret_fd < 0 ? loci__sink_sys(err, "open its parent") : 0;
	}
	if (!S_ISLNK(st.st_mode))
		return loci__err_set(err, LOCI_E_INVALID, "its parent '%s' is no directory",
		                     loci__name_quote(quoted, part));
	char path[PATH_MAX];
	struct loci_path *chain = &s->chain;
	loci__path_push(chain, part, strlen(part));
	bool fits = loci__path_join(chain, chain->depth, path, sizeof(path));
	loci__path_cut(chain, chain->depth - 1);
	*ret_fd = fits ? loci__open_in(s->root, path, O_PATH | O_DIRECTORY, 0) : -1;
	if (*ret_fd < 0)
		return s->finishing ? gone(err)
		                    : loci__err_set(err, LOCI_E_INVALID,
		                                    "its parent '%s' is a symbolic link to no "
		                                    "directory of the layer",
		                                    loci__name_quote(quoted, part));
	if (!s->linked)
		s->linked = chain->depth + 1;
	return 0;
}

static int step_down(struct loci_sink *s, const char *part, struct loci_error *err)
{
	int parent = chain_top(s);
	if (++s->steps > LOCI_SINK_STEPS + LOCI_SINK_STEPS_ENTRY * s->entries)
		return loci__err_set(err, LOCI_E_TOO_LARGE,
		                     "the layer takes more than %llu steps through directories",
		                     (unsigned long long)(s->steps - 1));
	int fd = openat(parent, part, STEP);
	if (fd < 0 && errno == ENOENT && s->finishing)
		return gone(err);
	if (fd < 0 && errno == ENOENT) {
		if (make_dir_at(s, parent, part, 0755) < 0)
			return loci__sink_sys(err, "make its parent");
		fd = openat(parent, part, STEP);
	}
	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP)) {
		int rc = step_over(s, parent, part, &fd, err);
		if (rc < 0)
			return rc;
	}
	if (fd < 0)
		return loci__sink_sys(err, "open its parent");
	unsigned at = s->chain.depth;
	loci__path_push(&s->chain, part, strlen(part));
	s->fds[at] = fd;
	if (at >= LOCI_SINK_FDS)
		loci__close_fd(&s->fds[at - LOCI_SINK_FDS]);
	return 0;
}

int loci__sink_walk(struct loci_sink *s, const struct loci_path *p, unsigned depth, int *ret_fd,
                    struct loci_error *err)
{
	cut_chain(s, s->stale ? 0 : loci__path_common(&s->chain, p, depth));
	s->stale = false;
	if (s->chain.depth && chain_top(s) < 0)
		cut_chain(s, 0);
	while (s->chain.depth < depth) {
		int rc = step_down(s, loci__path_part(p, s->chain.depth), err);
		if (rc < 0)
			return rc;
	}
	*ret_fd = chain_top(s);
	return 0;
}

/* ---- entries ---- */

/* The mode to work with until the end. */
static mode_t open_mode(const struct loci_sink *s, const struct loci_tar_entry *e)
{
	mode_t mode = loci__sink_mode(e) & 0777;
	return s->o.rootless ? mode | 0700 : mode;
}

static int remember(struct loci_sink *s, const struct loci_tar_entry *e, struct loci_error *err)
{
	const struct loci_tar_xattr *acl = loci__sink_default_acl(e);
	struct loci_later later = {
	        .text = s->later_text.len,
	        .acl = s->later_text.len + s->name.end,
	        .acl_n = acl ? (uint32_t)acl->n : 0,
	        .depth = (uint16_t)s->name.depth,
	        .mode = (uint16_t)loci__sink_mode(e),
	        .linked = s->linked > 0,
	        .mtime = e->mtime,
	        .mtime_ns = (int32_t)e->mtime_ns,
	};
	loci__buf_append(&s->later_text, s->name.text, s->name.end);
	if (acl)
		loci__buf_append(&s->later_text, acl->value, acl->n);
	loci__buf_append(&s->later, &later, sizeof(later));
	int rc = loci__buf_check(&s->later_text, "directories of the layer", err);
	return rc < 0 ? rc : loci__buf_check(&s->later, "directories of the layer", err);
}

static int attr_now(struct loci_sink *s, int parent, const char *name, bool was_there,
                    const struct loci_tar_entry *e, struct loci_error *err)
{
	bool owner = was_there ? !s->o.rootless : !loci__sink_keeps_owner(s, e);
	if (!owner && !was_there && !e->n_xattrs)
		return 0;
	loci__cleanup_close int fd =
	        openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return loci__sink_sys(err, "open the directory");
	if (owner && fchown(fd, (uid_t)e->uid, (gid_t)e->gid) < 0)
		return loci__sink_sys(err, "change the owner");
	if (was_there && fchmod(fd, open_mode(s, e)) < 0)
		return loci__sink_sys(err, "change the mode");
	return loci__sink_xattrs(s, fd, e, err);
}

int loci__sink_make_dir(struct loci_sink *s, const struct loci_tar_entry *e, struct loci_error *err)
{
	int parent = s->root, rc;
	const char *name = ".";
	bool was_there = s->name.depth == 0;
	if (!was_there) {
		rc = loci__sink_walk(s, &s->name, s->name.depth - 1, &parent, err);
		if (rc < 0)
			return rc;
		name = loci__path_last(&s->name);
		was_there = make_dir_at(s, parent, name, open_mode(s, e)) < 0;
		if (was_there && errno != EEXIST)
			return loci__sink_sys(err, "make the directory");
		struct stat st;
		if (was_there && fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return loci__sink_sys(err, "look at what it replaces");
		if (was_there && !S_ISDIR(st.st_mode)) {
			rc = make_in_place(s, parent, name, open_mode(s, e), err);
			if (rc < 0)
				return rc;
			was_there = false;
		}
		s->again |= was_there;
	}
	rc = attr_now(s, parent, name, was_there, e, err);
	return rc < 0 ? rc : remember(s, e, err);
}

/* ---- the end ---- */

static int finish_special(struct loci_sink *s, int parent, const char *name,
                          const struct loci_later *l, struct loci_error *err)
{
	loci__cleanup_close int fd =
	        openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return loci__sink_sys(err, "open the directory");
	mode_t keep_open = s->o.rootless ? 0700 : 0;
	if (fchmod(fd, l->mode | keep_open) < 0)
		return loci__sink_sys(err, "change the mode");
	if (!l->acl_n) /* but perhaps an earlier entry of the name had one */
		fremovexattr(fd, "system.posix_acl_default");
	if (l->acl_n &&
	    fsetxattr(fd, "system.posix_acl_default", s->later_text.p + l->acl, l->acl_n, 0) < 0 &&
	    errno != EOPNOTSUPP)
		return loci__sink_sys(err, "set the default ACL");
	return 0;
}

/* The directory of a record: its parent's fd and its name. 0 when it is there no more. */
static int find_later(struct loci_sink *s, const struct loci_later *l, int *ret_parent,
                      const char **ret_name, struct loci_error *err)
{
	*ret_parent = s->root;
	*ret_name = ".";
	if (l->depth == 0)
		return 1;
	loci__path_load(&s->name, s->later_text.p + l->text, l->depth);
	*ret_name = loci__path_last(&s->name);
	/* It or a parent may have been replaced, even by a symlink to another directory. */
	struct stat st;
	s->follow = l->linked;
	if (s->linked && !l->linked)
		loci__sink_forget_chain(s);
	int rc = loci__sink_walk(s, &s->name, l->depth - 1, ret_parent, err);
	if (rc < 0)
		return rc == LOCI_E_NOT_FOUND ? 0 : rc;
	return !s->replaced || (fstatat(*ret_parent, *ret_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	                        S_ISDIR(st.st_mode));
}

static int finish_one(struct loci_sink *s, const struct loci_later *l, struct loci_error *err)
{
	int parent;
	const char *name;
	int rc = find_later(s, l, &parent, &name, err);
	if (rc <= 0)
		return rc;
	if (l->mode & 07000 || l->acl_n || s->again || l->depth == 0) {
		rc = finish_special(s, parent, name, l, err);
		if (rc < 0)
			return rc;
	}
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
	                            {.tv_sec = l->mtime, .tv_nsec = l->mtime_ns}};
	if (utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return loci__sink_sys(err, "set the time");
	return 0;
}

/* Directories that their owner may not enter, from the last to the first, so that a parent closes
 * behind its children. Root does not need this: its modes are right from the start. */
static int close_dirs(struct loci_sink *s, const struct loci_later *l, size_t n,
                      struct loci_error *err)
{
	while (n--) {
		int parent;
		const char *name;
		struct stat st;
		if ((l[n].mode & 0700) == 0700)
			continue;
		int rc = find_later(s, &l[n], &parent, &name, err);
		if (rc < 0)
			return rc;
		/* A later entry of the same name may have given it another mode. */
		if (rc == 0 || fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    (st.st_mode & 07777) != (l[n].mode | 0700u))
			continue;
		if (fchmodat(parent, name, l[n].mode, 0) < 0)
			return loci__sink_sys(err, "change the mode");
	}
	return 0;
}

int loci__sink_finish_dirs(struct loci_sink *s, struct loci_error *err)
{
	const struct loci_later *l = (const void *)s->later.p;
	size_t n = s->later.len / sizeof(*l);
	s->finishing = true;
	/* In the archive's order: the last entry of a name wins here too. */
	for (size_t i = 0; i < n; i++) {
		int rc = finish_one(s, &l[i], err);
		if (rc < 0)
			return rc;
	}
	return s->o.rootless ? close_dirs(s, l, n, err) : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The child's work on file systems. Every name of the container is looked up below the root's fd by
 * openat2 and every mount goes from an fd to an fd: a symlink in the rootfs, or one exchanged while
 * we look, can lead only to another place inside it. All of it happens before the pivot, while the
 * host's own paths (sources of binds, /dev/null) still can be opened.
 */
#include "rtcore/runtime/child.h"

#include "core/base/fs.h"
#include "rtcore/runtime/sys.h"

#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#define PATH_SIZE       4096
#define PTY_SLAVE_MAJOR 136

/* --- places in the rootfs ------------------------------------------------------------------- */

/* Opens the directory `path` (clean, absolute) and makes what is missing, one name at a time below
 * the directory held; -1 with errno. */
static int open_dir_making(struct loci__child *c, const char *path, size_t len)
{
	char prefix[PATH_SIZE];
	if (len >= sizeof(prefix)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(prefix, path, len);
	prefix[len] = '\0';
	int fd = loci__open_in(c->root, len ? prefix : "/", O_PATH | O_DIRECTORY, 0);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	size_t up = len;
	while (up > 0 && path[up - 1] != '/')
		up--;
	loci__cleanup_close int parent = open_dir_making(c, path, up > 0 ? up - 1 : 0);
	if (parent < 0)
		return -1;
	/* A dangling symlink of that name: EEXIST here, and ENOENT again below. */
	if (mkdirat(parent, prefix + up, 0755) < 0 && errno != EEXIST)
		return -1;
	return loci__open_in(c->root, prefix, O_PATH | O_DIRECTORY, 0);
}

/* The directory that holds `path`, and the last name. */
static int open_parent(struct loci__child *c, const char *path, const char **ret_name)
{
	size_t up = strlen(path);
	while (up > 0 && path[up - 1] != '/')
		up--;
	*ret_name = path + up;
	return open_dir_making(c, path, up > 0 ? up - 1 : 0);
}

/* Where something is to be mounted: O_PATH, made as a directory or an empty file when missing. */
static int open_target(struct loci__child *c, const char *path, bool directory)
{
	if (directory)
		return open_dir_making(c, path, strlen(path));
	int fd = loci__open_in(c->root, path, O_PATH, 0);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	const char *name;
	loci__cleanup_close int parent = open_parent(c, path, &name);
	if (parent < 0)
		return -1;
	loci__cleanup_close int file =
	        openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (file < 0)
		return -1;
	return openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

/* Mounts that programs trust by their path must be there themselves, not behind a symlink that the
 * image brought along. */
static int open_trusted_target(struct loci__child *c, const char *path)
{
	int fd = loci__open_beneath(c->root, path + 1, O_PATH | O_DIRECTORY, 0);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	fd = open_target(c, path, true);
	loci__close_fd(&fd);
	return loci__open_beneath(c->root, path + 1, O_PATH | O_DIRECTORY, 0);
}

int loci__child_directory(struct loci__child *c, const struct loci__op *op)
{
	loci__cleanup_close int fd = open_dir_making(c, op->path, strlen(op->path));
	return fd < 0 ? loci__child_fail(c, "make the working directory", op->path) : 0;
}

/* --- mounts --------------------------------------------------------------------------------- */

int loci__child_rootfs(struct loci__child *c, const struct loci__op *op)
{
	(void)op;
	loci__cleanup_close int at =
	        open(c->job->attach_path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (at < 0)
		return loci__child_fail(c, "open", c->job->attach_path);
	if (loci__attach_mount(c->job->rootfs_fd, at) < 0)
		return loci__child_fail(c, "attach the rootfs to", c->job->attach_path);
	c->root = c->job->rootfs_fd;
	return 0;
}

/* Attributes of the mount itself, then of all below it. */
static int set_attributes(int fd, const struct loci__mount_options *o)
{
	if ((o->attr_set | o->attr_clr) &&
	    loci__mount_setattr(fd, 0, o->attr_set, o->attr_clr, 0) < 0)
		return -1;
	if ((o->rec_set | o->rec_clr) &&
	    loci__mount_setattr(fd, AT_RECURSIVE, o->rec_set, o->rec_clr, 0) < 0)
		return -1;
	return 0;
}

static int attach(struct loci__child *c, int mount_fd, int target, const struct loci__op_mount *m)
{
	if (target < 0)
		return loci__child_fail(c, "open the mount target", m->target);
	if (loci__attach_mount(mount_fd, target) < 0)
		return loci__child_fail(c, "mount on", m->target);
	if (m->o.propagation &&
	    loci__mount_setattr(mount_fd, m->o.propagation_rec ? AT_RECURSIVE : 0, 0, 0,
	                        m->o.propagation) < 0)
		return loci__child_fail(c, "set the propagation of", m->target);
	return 0;
}

static int bind_mount(struct loci__child *c, const struct loci__op_mount *m)
{
	unsigned rec = m->o.flags & LOCI_MOUNT_REC ? AT_RECURSIVE : 0;
	loci__cleanup_close int fd = loci__open_tree(AT_FDCWD, m->source, OPEN_TREE_CLONE | rec);
	if (fd < 0)
		return loci__child_fail(c, "open the mount source", m->source);
	struct stat st;
	if (fstat(fd, &st) < 0)
		return loci__child_fail(c, "look at", m->source);
	if (set_attributes(fd, &m->o) < 0)
		return loci__child_fail(c, "set the mount options of", m->target);
	loci__cleanup_close int target = open_target(c, m->target, S_ISDIR(st.st_mode));
	return attach(c, fd, target, m);
}

static int remount(struct loci__child *c, const struct loci__op_mount *m)
{
	loci__cleanup_close int fd = loci__open_in(c->root, m->target, O_PATH, 0);
	if (fd < 0)
		return loci__child_fail(c, "open the mount", m->target);
	if (set_attributes(fd, &m->o) < 0)
		return loci__child_fail(c, "remount", m->target);
	return 0;
}

/* The kernel's own words about a failed fsconfig ("e overlay: …"). errno stays. */
static int fail_fs(struct loci__child *c, int fs, const char *what, const char *object)
{
	int saved = errno;
	char text[256] = "";
	ssize_t n = read(fs, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	for (char *s = text; *s; s++)
		if (*s == '\n')
			*s = ' ';
	const char *const pieces[] = {
	        what, " '", object, "'", n > 2 ? " (" : "", n > 2 ? text + 2 : "", n > 2 ? ")" : "",
	        NULL};
	loci__plain_error(&c->err, LOCI_E_SYS, saved, pieces);
	return -1;
}

static int set_data(int fs, const char *option)
{
	char key[256];
	size_t n = strcspn(option, "=");
	if (n >= sizeof(key)) {
		errno = EINVAL;
		return -1;
	}
	memcpy(key, option, n);
	key[n] = '\0';
	if (!option[n])
		return loci__fsconfig(fs, FSCONFIG_SET_FLAG, key, NULL, 0);
	return loci__fsconfig(fs, FSCONFIG_SET_STRING, key, option + n + 1, 0);
}

static int make_fs(struct loci__child *c, const struct loci__op_mount *m)
{
	loci__cleanup_close int fs = loci__fsopen(m->type);
	if (fs < 0)
		return loci__child_fail(c, "open the file system type", m->type);
	if (m->source && *m->source &&
	    loci__fsconfig(fs, FSCONFIG_SET_STRING, "source", m->source, 0) < 0)
		return fail_fs(c, fs, "set the mount source", m->source);
	for (size_t i = 0; i < m->o.data.n; i++)
		if (set_data(fs, m->o.data.v[i]) < 0)
			return fail_fs(c, fs, "set the mount option", m->o.data.v[i]);
	if (loci__fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return fail_fs(c, fs, "make the file system for", m->target);
	int fd = loci__fsmount(fs, m->o.attr_set | m->o.rec_set);
	return fd < 0 ? fail_fs(c, fs, "make the mount for", m->target) : fd;
}

int loci__child_mount(struct loci__child *c, const struct loci__op *op)
{
	const struct loci__op_mount *m = &op->mount;
	if (m->o.flags & LOCI_MOUNT_REMOUNT)
		return remount(c, m);
	if (m->o.flags & LOCI_MOUNT_BIND)
		return bind_mount(c, m);
	loci__cleanup_close int fd = make_fs(c, m);
	if (fd < 0)
		return -1;
	bool trusted = !strcmp(m->type, "proc") || !strcmp(m->type, "sysfs");
	loci__cleanup_close int target =
	        trusted ? open_trusted_target(c, m->target) : open_target(c, m->target, true);
	return attach(c, fd, target, m);
}

/* --- cgroups -------------------------------------------------------------------------------- */

/* A copy of the container's own directory of one hierarchy. */
static int clone_cgroup(struct loci__child *c, const char *hierarchy)
{
	const char *path = c->job->cgroup->path;
	char full[PATH_SIZE];
	const char *const pieces[] = {"/sys/fs/cgroup", *hierarchy ? "/" : "", hierarchy, path,
	                              NULL};
	size_t len = 0;
	for (size_t i = 0; pieces[i]; i++)
		for (const char *s = pieces[i]; *s && len < sizeof(full) - 1; s++)
			full[len++] = *s;
	full[len] = '\0';
	int fd = loci__open_tree(AT_FDCWD, full, OPEN_TREE_CLONE);
	if (fd < 0)
		loci__child_fail(c, "open the cgroup", full);
	return fd;
}

static int attach_cgroup(struct loci__child *c, int top, const char *hierarchy, const char *name,
                         const struct loci__op_mount *m)
{
	loci__cleanup_close int fd = clone_cgroup(c, hierarchy);
	if (fd < 0)
		return -1;
	if (set_attributes(fd, &m->o) < 0)
		return loci__child_fail(c, "set the mount options of", m->target);
	loci__cleanup_close int target = -1;
	if (mkdirat(top, name, 0755) < 0 ||
	    (target = openat(top, name, O_PATH | O_NOFOLLOW | O_CLOEXEC)) < 0)
		return loci__child_fail(c, "make the cgroup directory", name);
	if (loci__attach_mount(fd, target) < 0)
		return loci__child_fail(c, "mount the cgroup", name);
	return 0;
}

/* Version 2: the one directory. Else a tmpfs with the hierarchies that the container has a cgroup
 * in; the others would only show it the host's. */
int loci__child_cgroup_mount(struct loci__child *c, const struct loci__op *op)
{
	const struct loci__cgroup *cg = c->job->cgroup;
	struct loci__op_mount m = op->mount;
	if (cg->layout == LOCI_CGROUPS_V2) {
		loci__cleanup_close int fd = clone_cgroup(c, "");
		if (fd < 0)
			return -1;
		if (set_attributes(fd, &m.o) < 0)
			return loci__child_fail(c, "set the mount options of", m.target);
		loci__cleanup_close int target = open_trusted_target(c, m.target);
		return attach(c, fd, target, &m);
	}
	struct loci__op_mount top = {.type = "tmpfs", .source = "tmpfs", .target = m.target};
	static const char *mode[] = {"mode=755"};
	top.o.data = (struct loci__strings){mode, 1};
	top.o.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	loci__cleanup_close int fd = make_fs(c, &top);
	if (fd < 0)
		return -1;
	loci__cleanup_close int target = open_trusted_target(c, m.target);
	if (attach(c, fd, target, &top) < 0)
		return -1;
	if (cg->layout == LOCI_CGROUPS_HYBRID && attach_cgroup(c, fd, "unified", "unified", &m) < 0)
		return -1;
	for (size_t i = 0; i < cg->n_v1; i++)
		if (attach_cgroup(c, fd, cg->v1[i], cg->v1[i], &m) < 0)
			return -1;
	if (loci__mount_setattr(fd, 0, m.o.attr_set, 0, m.o.propagation) < 0)
		return loci__child_fail(c, "set the mount options of", m.target);
	return 0;
}

/* --- /dev ----------------------------------------------------------------------------------- */

int loci__child_device(struct loci__child *c, const struct loci__op *op)
{
	const struct loci__op_device *d = &op->device;
	const char *name;
	loci__cleanup_close int parent = open_parent(c, d->path, &name);
	if (parent < 0)
		return loci__child_fail(c, "open the directory of the device", d->path);
	dev_t dev = makedev(d->major, d->minor);
	if (mknodat(parent, name, d->mode, dev) < 0) {
		if (errno != EEXIST)
			return loci__child_fail(c, "make the device", d->path);
		struct stat st;
		if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return loci__child_fail(c, "look at", d->path);
		if ((st.st_mode & S_IFMT) != (d->mode & S_IFMT) ||
		    (!S_ISFIFO(d->mode) && st.st_rdev != dev))
			return loci__child_refuse(c, LOCI_E_EXISTS,
			                          "something else than the device is at", d->path);
	}
	if ((d->uid || d->gid) && fchownat(parent, name, d->uid, d->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return loci__child_fail(c, "set the owner of the device", d->path);
	return 0;
}

int loci__child_symlink(struct loci__child *c, const struct loci__op *op)
{
	const char *name;
	loci__cleanup_close int parent = open_parent(c, op->path, &name);
	if (parent < 0)
		return loci__child_fail(c, "open the directory of", op->path);
	if (symlinkat(op->text, parent, name) < 0 && errno != EEXIST)
		return loci__child_fail(c, "make the symlink", op->path);
	return 0; /* an image's own is left alone, as other runtimes do */
}

/* The master comes from the container's own devpts and the slave from the master, never by a path
 * that somebody could exchange. */
int loci__child_console(struct loci__child *c, const struct loci__op *op)
{
	(void)op;
	const struct loci__runtime_config *config = c->job->plan->config;
	loci__cleanup_close int master =
	        loci__open_in(c->root, "/dev/pts/ptmx", O_RDWR | O_NOCTTY, 0);
	if (master < 0)
		return loci__child_fail(c, "open", "/dev/pts/ptmx");
	struct statfs fs;
	if (fstatfs(master, &fs) < 0 || fs.f_type != DEVPTS_SUPER_MAGIC)
		return loci__child_refuse(c, LOCI_E_INVALID, "no devpts is mounted at", "/dev/pts");
	int unlock = 0;
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0 ||
	    (c->tty = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0)
		return loci__child_fail(c, "open the slave of", "/dev/pts/ptmx");
	struct winsize size = {.ws_row = (unsigned short)config->console_height,
	                       .ws_col = (unsigned short)config->console_width};
	if (size.ws_row && size.ws_col && ioctl(master, TIOCSWINSZ, &size) < 0)
		return loci__child_fail(c, "set the size of", "/dev/console");
	struct stat st;
	if (fstat(c->tty, &st) < 0 || !S_ISCHR(st.st_mode) || major(st.st_rdev) != PTY_SLAVE_MAJOR)
		return loci__child_refuse(c, LOCI_E_INVALID, "not a pseudo terminal behind",
		                          "/dev/pts/ptmx");
	if (fchown(c->tty, config->uid, (gid_t)-1) < 0)
		return loci__child_fail(c, "set the owner of", "/dev/console");
	loci__cleanup_close int mount = loci__clone_mount(c->tty, 0);
	loci__cleanup_close int target = open_target(c, "/dev/console", false);
	if (mount < 0 || target < 0 || loci__attach_mount(mount, target) < 0)
		return loci__child_fail(c, "mount the terminal on", "/dev/console");
	return loci__child_send(c, LOCI_CHILD_CONSOLE, master);
}

/* --- masked and read-only paths ------------------------------------------------------------- */

/* A copy of the host's /dev/null, which no container can have changed; nor may it change the mode
 * or owner of that node, so the copy is read-only, which devices can be written through. */
static int clone_null(struct loci__child *c)
{
	loci__cleanup_close int fd = loci__open_tree(AT_FDCWD, "/dev/null", OPEN_TREE_CLONE);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return loci__child_fail(c, "open", "/dev/null");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return loci__child_refuse(c, LOCI_E_INVALID, "not the null device:", "/dev/null");
	if (loci__mount_setattr(fd, 0, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, 0,
	                        0) < 0)
		return loci__child_fail(c, "make read-only a copy of", "/dev/null");
	return loci__steal_fd(&fd);
}

static int make_empty_dir(struct loci__child *c)
{
	if (c->mask_dir >= 0) {
		int fd = loci__clone_mount(c->mask_dir, 0);
		return fd < 0 ? loci__child_fail(c, "copy", "an empty directory") : fd;
	}
	struct loci__op_mount m = {.type = "tmpfs", .source = "tmpfs", .target = "a masked path"};
	m.o.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	return make_fs(c, &m);
}

int loci__child_mask(struct loci__child *c, const struct loci__op *op)
{
	loci__cleanup_close int target = loci__open_in(c->root, op->path, O_PATH, 0);
	if (target < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0; /* nothing to hide */
	struct stat st;
	if (target < 0 || fstat(target, &st) < 0)
		return loci__child_fail(c, "open the masked path", op->path);
	bool dir = S_ISDIR(st.st_mode);
	loci__cleanup_close int cover = dir ? make_empty_dir(c) : clone_null(c);
	if (cover < 0)
		return -1;
	if (loci__attach_mount(cover, target) < 0)
		return loci__child_fail(c, "mask", op->path);
	/* Attached mounts can be copied on every kernel, detached ones only since 6.15. */
	if (dir && c->mask_dir < 0)
		c->mask_dir = loci__steal_fd(&cover);
	return 0;
}

int loci__child_readonly(struct loci__child *c, const struct loci__op *op)
{
	loci__cleanup_close int target = loci__open_in(c->root, op->path, O_PATH, 0);
	if (target < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (target < 0)
		return loci__child_fail(c, "open the read-only path", op->path);
	loci__cleanup_close int copy = loci__clone_mount(target, AT_RECURSIVE);
	if (copy < 0 || loci__mount_setattr(copy, AT_RECURSIVE, MOUNT_ATTR_RDONLY, 0, 0) < 0 ||
	    loci__attach_mount(copy, target) < 0)
		return loci__child_fail(c, "make read-only", op->path);
	return 0;
}

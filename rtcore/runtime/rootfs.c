/* SPDX-License-Identifier: Apache-2.0 */
#include "rtcore/runtime/rootfs.h"

#include "core/base/err.h"
#include "rtcore/runtime/sys.h"

#include <string.h>
#include <sys/stat.h>

#define LOWERS_MAX 500 /* overlayfs's own limit */

/* Everything private: what the container mounts stays with it, whatever the host shares. */
static int make_private(int fd, const char *what, struct loci_error *err)
{
	if (loci__mount_setattr(fd, AT_RECURSIVE, 0, 0, MS_PRIVATE) < 0)
		return loci__err_sys(err, "make private the rootfs '%s'", what);
	return 0;
}

/* rootfsPropagation "slave" and "shared" want the host's later mounts to be seen. */
static bool stays_slave(const struct loci__plan *plan)
{
	const char *p = plan->config->rootfs_propagation;
	return p && (strstr(p, "slave") || strstr(p, "shared"));
}

static int open_tree_rootfs(const struct loci__plan *plan, int bundle_fd, int *ret_fd,
                            struct loci_error *err)
{
	loci__cleanup_close int fd =
	        loci__open_tree(bundle_fd, plan->root_path, OPEN_TREE_CLONE | AT_RECURSIVE);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return loci__err_sys(err, "$.root.path: open '%s'", plan->root_path);
	if (!S_ISDIR(st.st_mode))
		return loci__err_set(err, LOCI_E_INVALID, "$.root.path: '%s' is no directory",
		                     plan->root_path);
	if (stays_slave(plan)) {
		if (loci__mount_setattr(fd, AT_RECURSIVE, 0, 0, MS_SLAVE) < 0)
			return loci__err_sys(err, "make a slave of the rootfs");
	} else {
		int rc = make_private(fd, plan->root_path, err);
		if (rc < 0)
			return rc;
	}
	*ret_fd = loci__steal_fd(&fd);
	return 0;
}

/* The kernel's own words, which say more than the errno. */
static int overlay_error(int fs, const char *what, struct loci_error *err)
{
	int saved = errno;
	char text[256];
	ssize_t n = read(fs, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return loci__err_errno(err, saved, "overlay rootfs: %s%s%s", what, *text ? ": " : "",
	                       *text ? text + (strlen(text) > 2 ? 2 : 0) : "");
}

/* Kernels before 6.8 know lowerdir as one string of paths only, colon-separated. */
static int set_lowers_by_path(int fs, const struct loci_create_opts *o, struct loci_error *err)
{
	loci__cleanup_buf struct loci_buf b = LOCI_BUF_INIT(LOWERS_MAX * 32);
	for (size_t i = 0; i < o->n_overlay_lower_fds; i++)
		loci__buf_printf(&b, "%s/proc/self/fd/%d", i ? ":" : "", o->overlay_lower_fds[i]);
	int rc = loci__buf_check(&b, "overlay lowerdirs", err);
	if (rc < 0)
		return rc;
	if (loci__fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir", b.p, 0) < 0)
		return overlay_error(fs, "set lowerdir", err);
	return 0;
}

static int set_dir(int fs, const char *key, int dir_fd, bool by_path, struct loci_error *err)
{
	char path[32];
	if (!by_path && loci__fsconfig(fs, FSCONFIG_SET_FD, key, NULL, dir_fd) == 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", dir_fd);
	if (loci__fsconfig(fs, FSCONFIG_SET_STRING, key, path, 0) < 0)
		return overlay_error(fs, key, err);
	return 0;
}

static int set_layers(int fs, const struct loci_create_opts *o, struct loci_error *err)
{
	bool by_path = false;
	for (size_t i = 0; !by_path && i < o->n_overlay_lower_fds; i++) {
		if (loci__fsconfig(fs, FSCONFIG_SET_FD, "lowerdir+", NULL,
		                   o->overlay_lower_fds[i]) == 0)
			continue;
		if (i > 0)
			return overlay_error(fs, "add a lowerdir", err);
		by_path = true;
	}
	int rc = by_path ? set_lowers_by_path(fs, o, err) : 0;
	if (rc < 0 || o->overlay_upper_fd < 0)
		return rc;
	rc = set_dir(fs, "upperdir", o->overlay_upper_fd, by_path, err);
	return rc < 0 ? rc : set_dir(fs, "workdir", o->overlay_work_fd, by_path, err);
}

/* Images bring files only: neither redirects nor metadata-only copies that an image's xattrs could
 * forge are followed. */
static int set_policy(int fs, struct loci_error *err)
{
	static const char *const policy[][2] = {{"redirect_dir", "nofollow"}, {"metacopy", "off"}};
	for (size_t i = 0; i < 2; i++)
		if (loci__fsconfig(fs, FSCONFIG_SET_STRING, policy[i][0], policy[i][1], 0) < 0)
			return overlay_error(fs, policy[i][0], err);
	return 0;
}

static int open_overlay(const struct loci_create_opts *o, int *ret_fd, struct loci_error *err)
{
	if (o->n_overlay_lower_fds > LOWERS_MAX)
		return loci__err_set(err, LOCI_E_TOO_LARGE,
		                     "overlay rootfs: %zu lowerdirs, at most %d are possible",
		                     o->n_overlay_lower_fds, LOWERS_MAX);
	/* overlayfs wants two layers: a lone one without an upper is that directory, read-only. */
	if (o->n_overlay_lower_fds == 1 && o->overlay_upper_fd < 0) {
		loci__cleanup_close int fd = loci__clone_mount(o->overlay_lower_fds[0], 0);
		if (fd < 0 || loci__mount_setattr(fd, 0, MOUNT_ATTR_RDONLY, 0, MS_PRIVATE) < 0)
			return loci__err_sys(err, "overlay rootfs: use the lone lowerdir");
		*ret_fd = loci__steal_fd(&fd);
		return 0;
	}
	loci__cleanup_close int fs = loci__fsopen("overlay");
	if (fs < 0)
		return loci__err_sys(err, "overlay rootfs: open the file system type");
	if (loci__fsconfig(fs, FSCONFIG_SET_STRING, "source", "overlay", 0) < 0)
		return overlay_error(fs, "set the source", err);
	int rc = set_policy(fs, err);
	if (rc < 0 || (rc = set_layers(fs, o, err)) < 0)
		return rc;
	if (loci__fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return overlay_error(fs, "make it", err);
	int fd = loci__fsmount(fs, 0);
	if (fd < 0)
		return overlay_error(fs, "mount it", err);
	*ret_fd = fd;
	return 0;
}

int loci__rootfs_open(const struct loci__plan *plan, int bundle_fd,
                      const struct loci_create_opts *o, int *ret_fd, struct loci_error *err)
{
	return plan->root_path ? open_tree_rootfs(plan, bundle_fd, ret_fd, err)
	                       : open_overlay(o, ret_fd, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "rtcore/bundle/merged.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "core/base/fs.h"

#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define PATH_BYTES_MAX 4096
#define SYMLINKS_MAX   40 /* as the kernel */

struct lookup {
	const int *layers;
	size_t n_layers;
	char path[PATH_BYTES_MAX]; /* what is still looked for: relative, no ".", "..", "//" */
};

/* What one layer says about a path. */
enum verdict {
	FOUND,   /* a regular file, open */
	BELOW,   /* not here, the layers below may have it */
	NOWHERE, /* not here, and what is below does not show */
	MOVED,   /* a symlink: the path was rewritten */
	FAILED
};

/* ---- paths as text ----------------------------------------------------------------------------
 */

/* Appends the components of `more` to the first `len` bytes of path; ".." stops at the root. */
static bool append(char *path, size_t len, const char *more)
{
	while (*more) {
		size_t n = strcspn(more, "/");
		if (n == 2 && !memcmp(more, "..", 2)) {
			while (len && path[len - 1] != '/')
				len--;
			if (len)
				len--;
		} else if (n && !(n == 1 && *more == '.')) {
			if (len + 1 + n >= PATH_BYTES_MAX)
				return false;
			if (len)
				path[len++] = '/';
			memcpy(path + len, more, n);
			len += n;
		}
		more += n;
		more += *more == '/';
	}
	path[len] = '\0';
	return true;
}

/* The symlink at the first `at` bytes of the path, `parent` of them its directory, becomes its
 * target; what follows stays. */
static bool substitute(struct lookup *l, size_t parent, size_t at, const char *target)
{
	char whole[PATH_BYTES_MAX];
	size_t len = 0;
	if (*target != '/') {
		memcpy(whole, l->path, parent);
		len = parent;
	}
	whole[len] = '\0';
	if (!append(whole, len, target) || !append(whole, strlen(whole), l->path + at))
		return false;
	memcpy(l->path, whole, sizeof(whole));
	return true;
}

/* ---- one layer --------------------------------------------------------------------------------
 */

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

/* Both names: layers unpacked without root carry the second. */
static bool is_opaque(int layer, const char *path)
{
	char value[2];
	loci__cleanup_close int fd = loci__open_beneath(layer, path, O_RDONLY | O_DIRECTORY, 0);
	return fd >= 0 &&
	       (fgetxattr(fd, "trusted.overlay.opaque", value, sizeof(value)) == 1 ||
	        fgetxattr(fd, "user.overlay.opaque", value, sizeof(value)) == 1) &&
	       *value == 'y';
}

static enum verdict follow(struct lookup *l, int fd, size_t parent, size_t at,
                           struct loci_error *err)
{
	char target[PATH_BYTES_MAX];
	ssize_t n = readlinkat(fd, "", target, sizeof(target) - 1);
	if (n < 0) {
		loci__err_sys(err, "read the link '%s'", l->path);
		return FAILED;
	}
	target[n] = '\0';
	if (!substitute(l, parent, at, target)) {
		loci__err_set(err, LOCI_E_INVALID, "'/%s': path too long", l->path);
		return FAILED;
	}
	return MOVED;
}

static enum verdict open_file(int layer, const char *path, int *ret_fd, struct loci_error *err)
{
	/* Not blocking: it was a regular file a moment ago, but opening must not hang if not. */
	*ret_fd = loci__open_beneath(layer, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (*ret_fd >= 0)
		return FOUND;
	loci__err_sys(err, "open '/%s'", path);
	return FAILED;
}

/* Looks at the first `at` bytes of the path in one layer. BELOW: go on with the next component. */
static enum verdict look_at(struct lookup *l, int layer, size_t parent, size_t at, bool *opaque,
                            int *ret_fd, struct loci_error *err)
{
	char prefix[PATH_BYTES_MAX];
	struct stat st;
	bool last = l->path[at] == '\0';
	memcpy(prefix, l->path, at);
	prefix[at] = '\0';
	/* Its parents are directories of this layer by now: only the last may be a symlink. */
	loci__cleanup_close int fd = loci__open_beneath(layer, prefix, O_PATH | O_NOFOLLOW, 0);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return *opaque ? NOWHERE : BELOW;
	if (fd < 0 || fstat(fd, &st) < 0) {
		loci__err_sys(err, "look at '/%s'", prefix);
		return FAILED;
	}
	if (is_whiteout(&st))
		return NOWHERE;
	if (S_ISLNK(st.st_mode))
		return follow(l, fd, parent, at, err);
	if (last && S_ISREG(st.st_mode))
		return open_file(layer, prefix, ret_fd, err);
	if (last) {
		loci__err_set(err, LOCI_E_INVALID, "'/%s' is no regular file", prefix);
		return FAILED;
	}
	if (!S_ISDIR(st.st_mode))
		return NOWHERE;
	*opaque = *opaque || is_opaque(layer, prefix);
	return FOUND; /* a directory on the way */
}

static enum verdict look_in(struct lookup *l, int layer, int *ret_fd, struct loci_error *err)
{
	bool opaque = false;
	size_t parent = 0;
	for (;;) {
		size_t start = parent + (parent > 0);
		size_t at = start + strcspn(l->path + start, "/");
		bool last = l->path[at] == '\0';
		enum verdict v = look_at(l, layer, parent, at, &opaque, ret_fd, err);
		if (v != FOUND || last)
			return v;
		parent = at;
	}
}

/* ---- all of them ------------------------------------------------------------------------------
 */

/* err is not NULL here: it carries the code of a failed look. */
static int merged_open(struct lookup *l, int *ret_fd, struct loci_error *err)
{
	int links = 0;
	for (size_t i = 0; i < l->n_layers; i++) {
		switch (look_in(l, l->layers[i], ret_fd, err)) {
		case FOUND: return 0;
		case FAILED: return err->code;
		case BELOW: break;
		case NOWHERE: i = l->n_layers - 1; break;
		case MOVED:
			if (++links > SYMLINKS_MAX)
				return loci__err_set(err, LOCI_E_INVALID,
				                     "'/%s': too many symlinks", l->path);
			i = (size_t)-1; /* from the top again */
			break;
		}
	}
	return loci__err_set(err, LOCI_E_NOT_FOUND, "no '/%s' in the image", l->path);
}

static int read_all(int fd, const char *path, size_t max, char **ret, size_t *ret_n,
                    struct loci_error *err)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return loci__err_sys(err, "stat '/%s'", path);
	if (st.st_size < 0 || (uint64_t)st.st_size > max)
		return loci__err_set(err, LOCI_E_TOO_LARGE, "'/%s': more than %zu bytes", path,
		                     max);
	loci__cleanup_free char *p = malloc((size_t)st.st_size + 1);
	if (!p)
		return loci__err_nomem(err);
	ssize_t n = loci__read_full(fd, p, (size_t)st.st_size);
	if (n < 0)
		return loci__err_sys(err, "read '/%s'", path);
	p[n] = '\0';
	*ret = loci__steal_ptr(&p);
	*ret_n = (size_t)n;
	return 0;
}

int loci__merged_read(const int *layers, size_t n_layers, const char *path, size_t max, char **ret,
                      size_t *ret_n, struct loci_error *err)
{
	struct lookup l = {.layers = layers, .n_layers = n_layers};
	loci__cleanup_close int fd = -1;
	struct loci_error local;
	if (!append(l.path, 0, path) || !*l.path)
		return loci__err_set(err, LOCI_E_INVALID, "'%.100s' is no path of a file", path);
	int rc = merged_open(&l, &fd, err ? err : &local);
	return rc < 0 ? rc : read_all(fd, l.path, max, ret, ret_n, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owners, special bits, extended attributes, times; in this order, because chown clears setuid bits
 * and file capabilities, and everything changes the times.
 */
#include "core/base/err.h"
#include "core/base/logger.h"
#include "unpack/sink_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SPECIAL_BITS (S_ISUID | S_ISGID | S_ISVTX)
#define CAPABILITY   "security.capability"
#define DEFAULT_ACL  "system.posix_acl_default"
#define ACCESS_ACL   "system.posix_acl_access"

/* What an image may set. Not in it: overlayfs's own attributes, by which a layer could show files
 * of another directory, and labels, which are the host's business. */
static bool is_allowed(const char *name)
{
	if (!strncmp(name, "user.overlay.", 13))
		return false;
	return !strncmp(name, "user.", 5) || !strcmp(name, CAPABILITY) ||
	       !strcmp(name, ACCESS_ACL) || !strcmp(name, DEFAULT_ACL);
}

mode_t loci__sink_mode(const struct loci_tar_entry *e)
{
	return (mode_t)(e->mode & 07777);
}

struct timespec loci__sink_mtime(const struct loci_tar_entry *e)
{
	return (struct timespec){.tv_sec = e->mtime, .tv_nsec = e->mtime_ns};
}

int loci__sink_check_owner(const struct loci_tar_entry *e, struct loci_error *err)
{
	/* (uid_t)-1 means "leave it" to chown: it would silently be root. */
	if (e->uid < 0 || e->uid >= UINT32_MAX)
		return loci__err_set(err, LOCI_E_INVALID, "its uid %lld is out of range",
		                     (long long)e->uid);
	if (e->gid < 0 || e->gid >= UINT32_MAX)
		return loci__err_set(err, LOCI_E_INVALID, "its gid %lld is out of range",
		                     (long long)e->gid);
	return 0;
}

bool loci__sink_keeps_owner(const struct loci_sink *s, const struct loci_tar_entry *e)
{
	return s->o.rootless || ((uid_t)e->uid == s->uid && (gid_t)e->gid == s->gid);
}

const struct loci_tar_xattr *loci__sink_default_acl(const struct loci_tar_entry *e)
{
	const struct loci_tar_xattr *found = NULL;
	for (size_t i = 0; i < e->n_xattrs; i++)
		if (!strcmp(e->xattrs[i].name, DEFAULT_ACL))
			found = &e->xattrs[i];
	return found;
}

static int set_xattr(struct loci_sink *s, int fd, const struct loci_tar_xattr *x,
                     struct loci_error *err)
{
	if (fsetxattr(fd, x->name, x->value, x->n, 0) == 0)
		return 0;
	char quoted[LOCI_QUOTED_MAX], operation[LOCI_QUOTED_MAX + 32];
	loci__name_quote(quoted, x->name);
	/* A file system without them, or no right to set them: the file is still of use. */
	if (errno == EOPNOTSUPP || (s->o.rootless && errno == EPERM)) {
		loci__log(s->o.log, LOCI_LOG_WARN, "unpack", "extended attribute '%s' left out: %s",
		          quoted, strerrordesc_np(errno));
		return 0;
	}
	snprintf(operation, sizeof(operation), "set extended attribute '%s'", quoted);
	return loci__sink_sys(err, operation);
}

int loci__sink_xattrs(struct loci_sink *s, int fd, const struct loci_tar_entry *e,
                      struct loci_error *err)
{
	const struct loci_tar_xattr *capability = NULL;
	for (size_t i = 0; i < e->n_xattrs; i++) {
		const struct loci_tar_xattr *x = &e->xattrs[i];
		int rc = 0;
		char quoted[LOCI_QUOTED_MAX];
		if (!is_allowed(x->name))
			loci__log(s->o.log, LOCI_LOG_DEBUG, "unpack",
			          "extended attribute '%s' dropped",
			          loci__name_quote(quoted, x->name));
		else if (!strcmp(x->name, CAPABILITY))
			capability = x;
		else if (strcmp(x->name, DEFAULT_ACL) != 0)
			rc = set_xattr(s, fd, x, err);
		if (rc < 0)
			return rc;
	}
	return capability ? set_xattr(s, fd, capability, err) : 0;
}

int loci__sink_attr_fd(struct loci_sink *s, int fd, const struct loci_tar_entry *e,
                       struct loci_error *err)
{
	mode_t mode = loci__sink_mode(e);
	bool keeps = loci__sink_keeps_owner(s, e);
	if (!keeps && fchown(fd, (uid_t)e->uid, (gid_t)e->gid) < 0)
		return loci__sink_sys(err, "change the owner");
	if (s->o.rootless && e->n_xattrs) {
		/* user.* wants the right to write, whoever the owner is: the mode comes after. */
		int rc = loci__sink_xattrs(s, fd, e, err);
		if (rc < 0)
			return rc;
		if (fchmod(fd, mode) < 0)
			return loci__sink_sys(err, "change the mode");
	} else {
		if ((mode & SPECIAL_BITS || s->o.masked) && fchmod(fd, mode) < 0)
			return loci__sink_sys(err, "change the mode");
		int rc = e->n_xattrs ? loci__sink_xattrs(s, fd, e, err) : 0;
		if (rc < 0)
			return rc;
	}
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, loci__sink_mtime(e)};
	if (futimens(fd, times) < 0)
		return loci__sink_sys(err, "set the time");
	return 0;
}

int loci__sink_attr_at(struct loci_sink *s, int parent, const char *name,
                       const struct loci_tar_entry *e, struct loci_error *err)
{
	mode_t mode = loci__sink_mode(e);
	bool keeps = loci__sink_keeps_owner(s, e);
	if (!keeps && fchownat(parent, name, (uid_t)e->uid, (gid_t)e->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return loci__sink_sys(err, "change the owner");
	/* The name was made a moment ago and is no symlink here. */
	if (e->type != LOCI_TAR_SYMLINK && (mode & SPECIAL_BITS || s->o.masked) &&
	    fchmodat(parent, name, mode, 0) < 0)
		return loci__sink_sys(err, "change the mode");
	if (e->n_xattrs)
		loci__log(s->o.log, LOCI_LOG_DEBUG, "unpack",
		          "extended attributes dropped: not of a file or directory");
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, loci__sink_mtime(e)};
	if (utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return loci__sink_sys(err, "set the time");
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "user[:group]" of an image or a command line to numbers (image-spec config.md "User"), by the
 * container's own /etc/passwd and /etc/group. Their lines are the image's: read by hand, since the
 * C library's ways go through NSS and the host's files.
 */
#ifndef LOCI_BUNDLE_USER_H
#define LOCI_BUNDLE_USER_H

#include "loci/api.h"
#include "loci/error.h"

#define LOCI_USER_GROUPS_MAX 1024
#define LOCI_USER_HOME_MAX   4096

struct loci__user {
	uint32_t uid, gid;
	uint32_t groups[LOCI_USER_GROUPS_MAX];
	size_t n_groups;
	char home[LOCI_USER_HOME_MAX]; /* "" when no line of passwd says */
};

/* spec NULL or "": root. passwd and group: the files' text, empty when the image has none.
 * Expected errors: NOT_FOUND (a name that no line has), INVALID. */
int loci__user_resolve(const char *spec, struct loci_slice passwd, struct loci_slice group,
                       struct loci__user *ret, struct loci_error *err);

#endif

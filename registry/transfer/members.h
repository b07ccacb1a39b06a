/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The members of an archive whose bytes went into the store: by name, with links between them. A
 * symlink here is a word in a table, resolved by its text.
 */
#ifndef LOCI_TRANSFER_MEMBERS_H
#define LOCI_TRANSFER_MEMBERS_H

#include "registry/transfer/docker_save.h"

#define LOCI_MEMBER_NAME_MAX 1024
#define LOCI_MEMBERS_MAX     ((size_t)1 << 18)

struct loci__member;
struct loci__members {
	struct loci__arena arena;
	struct loci__member *v;
	size_t n, cap;
};

/* The name without "./" and "//". INVALID with the name: absolute, with "..", empty parts only, too
 * long. */
int loci__member_name(const char *given, char ret[LOCI_MEMBER_NAME_MAX], struct loci_error *err);

void loci__members_init(struct loci__members *m);
void loci__members_done(struct loci__members *m);
int loci__members_add_file(struct loci__members *m, const char *name,
                           const struct loci__saved_file *file, struct loci_error *err);
/* from_top: the target is a member's name (hard link), else it is relative to the link's place. */
int loci__members_add_link(struct loci__members *m, const char *name, const char *target,
                           bool from_top, struct loci_error *err);
/* After the last _add; a later member of the same name wins, as when a tar is unpacked. */
void loci__members_sort(struct loci__members *m);
/* Expected: NOT_FOUND, INVALID (a link that leaves the archive or leads in circles). */
int loci__members_find(const struct loci__members *m, const char *path,
                       struct loci__saved_file *ret, struct loci_error *err);

#endif

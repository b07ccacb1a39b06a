/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names from an archive as lists of components: cleaned by the text alone ("a/./b/../c" is a/c, a
 * leading slash counts for nothing), refused when they lead out. Never a path string again after
 * this: each component is used below its parent's fd.
 */
#ifndef LOCI_UNPACK_PATH_H
#define LOCI_UNPACK_PATH_H

#include "loci/error.h"

#define LOCI_PATH_MAX_DEPTH 1024
#define LOCI_PATH_MAX_NAME  255 /* bytes of a component, as the kernel's NAME_MAX */

struct loci_path {
	unsigned depth; /* components; 0 is the root itself */
	uint32_t end;   /* bytes of text in use */
	uint32_t start[LOCI_PATH_MAX_DEPTH + 1];
	char text[LOCI_PATH_MAX_DEPTH * (LOCI_PATH_MAX_NAME + 1)]; /* each with a NUL behind */
};

static inline const char *loci__path_part(const struct loci_path *p, unsigned i)
{
	return p->text + p->start[i];
}
static inline const char *loci__path_last(const struct loci_path *p)
{
	return loci__path_part(p, p->depth - 1);
}
/* Expected: INVALID (empty, leads out, component too long), TOO_LARGE (too deep). */
int loci__path_clean(struct loci_path *ret, const char *name, struct loci_error *err);
/* Appends one component, which is known to be fine. */
void loci__path_push(struct loci_path *p, const char *part, size_t n);
void loci__path_cut(struct loci_path *p, unsigned depth);
/* How many leading components a and b have in common, at most max. */
unsigned loci__path_common(const struct loci_path *a, const struct loci_path *b, unsigned max);
/* The first depth components with slashes between; false when they do not fit. */
bool loci__path_join(const struct loci_path *p, unsigned depth, char *buf, size_t size);
/* From the text of n components, each with a NUL behind. */
void loci__path_load(struct loci_path *p, const char *text, unsigned n);

#define LOCI_QUOTED_MAX 400
/* A name for a message: control bytes escaped, long ones cut in the middle. Returns buf. */
const char *loci__name_quote(char buf[LOCI_QUOTED_MAX], const char *name);

#endif

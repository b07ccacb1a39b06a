/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Globs over names with slashes (repositories, tags): every rule in the configuration that names
 * some of them uses these, so that one sentence in the manual explains all.
 *
 *     *     any characters within a part (none, too)
 *     ?     one character within a part
 *     **    any characters, slashes too; as a whole part with others behind it it also stands for
 * no part at all, so that behind it "/cache" is every name whose last part is "cache"
 *
 * Everything else stands for itself, and the whole name must fit: the pattern "team" is not for
 * "team/app", nor is "team/" with a star behind it for "team".
 */
#ifndef LOCI_BASE_GLOB_H
#define LOCI_BASE_GLOB_H

#include "loci/error.h"

#define LOCI_GLOB_MAX 255 /* bytes of a pattern */

/* Whether it is one: not empty, not longer than LOCI_GLOB_MAX, only wildcards and characters that
 * stand in names (so "[a-z]" and "{a,b}" are refused instead of never fitting). INVALID. */
int loci__glob_check(struct loci_slice pattern, struct loci_error *err);

/* For a checked pattern (another fits nothing); the time is bounded by pattern.n * text.n. */
bool loci__glob_match(struct loci_slice pattern, struct loci_slice text);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The WWW-Authenticate field by its grammar (RFC 9110, 11.6.1): a list of challenges, each a scheme
 * with a token68 or with parameters. Searching the text for "realm=" would take a realm out of
 * another scheme's quoted string.
 */
#ifndef LOCI_PULLER_CHALLENGE_H
#define LOCI_PULLER_CHALLENGE_H

#include "loci/api.h"
#include "loci/error.h"

#define LOCI_CHALLENGE_TEXT_MAX   (16 * 1024) /* bytes of the field, all its lines together */
#define LOCI_CHALLENGE_MAX        8           /* challenges in one response */
#define LOCI_CHALLENGE_PARAMS_MAX 16          /* parameters of one challenge */

struct loci_challenge_param {
	const char *name;
	const char *value; /* unquoted */
};
struct loci_challenge {
	const char *scheme;
	const char *token68; /* or NULL */
	struct loci_challenge_param params[LOCI_CHALLENGE_PARAMS_MAX];
	size_t n_params;
};
struct loci_challenges {
	struct loci_challenge list[LOCI_CHALLENGE_MAX];
	size_t n;
	char *text; /* what the strings point into */
};

/* text: the field's value; several field lines joined with ", ". Expected: INVALID (with the byte),
 * TOO_LARGE. */
int loci__challenges_parse(const char *text, size_t n, struct loci_challenges *ret,
                           struct loci_error *err);
void loci__challenges_done(struct loci_challenges *c);

/* The first challenge of that scheme (any case), or NULL. */
const struct loci_challenge *loci__challenges_find(const struct loci_challenges *c,
                                                   const char *scheme);
/* A parameter's value by name (any case), or NULL. */
const char *loci__challenge_param(const struct loci_challenge *c, const char *name);

#endif

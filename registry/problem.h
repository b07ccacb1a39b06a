/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a failure to the answer that the spec asks for (spec.md "Error Codes"): one table maps
 * (what it was about, enum loci_code) to (status, spec code). A server's own failure (5xx) is
 * logged in full and told to the client in general words only: its text may hold paths.
 */
#ifndef LOCI_REGISTRY_PROBLEM_H
#define LOCI_REGISTRY_PROBLEM_H

#include "registry/request.h"

enum loci__about {
	LOCI_ABOUT_ANYTHING = 0,
	LOCI_ABOUT_TARGET,
	LOCI_ABOUT_NAME, /* a repository */
	LOCI_ABOUT_BLOB,
	LOCI_ABOUT_UPLOAD,   /* a session and what is sent to it */
	LOCI_ABOUT_ROOM,     /* for one more session, or more bytes; BUSY: a limit of the store */
	LOCI_ABOUT_MANIFEST, /* one that is asked for */
	LOCI_ABOUT_PUT,      /* one that is pushed; NOT_FOUND: what it refers to */
	LOCI_ABOUT_TAG,
	LOCI_ABOUT_DIGEST /* as a text */
};

struct loci__problem_row {
	int about;
	int code;
	int status;
	const char *spec_code;
};
/* The row that counts: never NULL. */
const struct loci__problem_row *loci__problem_find(int about, int code);

/* Fills rs. detail: the digest, name or the like; may be NULL. */
void loci__problem(const struct loci__rq *rq, struct loci__rs *rs, int about,
                   const struct loci_error *err, const char *detail);
/* The same after the request is gone. */
void loci__problem_late(const struct loci_registry *reg, struct loci__rs *rs, int about,
                        const struct loci_error *err, const char *detail);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The route table: one row for each method of each end-point of the spec. Everything that must know
 * which requests exist reads it: the dispatcher, Allow, loci_registry_may_block, the tests, the
 * docs.
 */
#ifndef LOCI_REGISTRY_ROUTE_H
#define LOCI_REGISTRY_ROUTE_H

#include "registry/request.h"

enum loci__route_flag {
	LOCI_ROUTE_BLOCKS = 1 << 0,  /* may wait for the disk or take long */
	LOCI_ROUTE_WRITES = 1 << 1,  /* refused when the registry is read-only */
	LOCI_ROUTE_DELETES = 1 << 2, /* refused when deletion is disabled */
	LOCI_ROUTE_UNLIMITED =
	        1 << 3 /* however often it is asked: for those who watch the server */
};

struct loci__route {
	const char *method;
	const char *pattern; /* "<name>" stands for a repository, "<reference>" for one part */
	const char *end;     /* the spec's id of the end-point, "" for our own */
	void (*handler)(struct loci__rq *rq, struct loci__rs *rs);
	unsigned flags; /* enum loci__route_flag */
};

/* Rows of one pattern stand together. Ended by a row without a method. */
extern const struct loci__route loci__routes[];

struct loci__match {
	const struct loci__route *rows; /* the first row of the pattern */
	struct loci_slice name;         /* of the path; empty when the pattern has none */
	struct loci_slice reference;
};

/* Finds the pattern that the decoded path fits; false when there is none. */
bool loci__route_match(struct loci_slice path, struct loci__match *ret);
/* The pattern's row for the method, or NULL. */
const struct loci__route *loci__route_method(const struct loci__route *rows, const char *method);
/* refused: flags of the rows that may not be used now. */
bool loci__route_is_allowed(const struct loci__route *row, unsigned refused);
/* "GET, HEAD": the methods of the pattern that may be used. */
#define LOCI_ALLOW_MAX 64
void loci__route_allow(const struct loci__route *rows, unsigned refused, char buf[LOCI_ALLOW_MAX]);

#endif

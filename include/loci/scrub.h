/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scrubbing: every blob and every manifest is read again and held to its digest, at a rate that
 * leaves the disk to others. What is wrong can be put aside: it then counts as absent, so that the
 * next push of the same content heals every repository that has it. Nothing is deleted.
 */
#ifndef LOCI_SCRUB_H
#define LOCI_SCRUB_H

#include "loci/store.h"

LOCI_BEGIN_DECLS

enum loci_scrub_verdict {
	LOCI_SCRUB_GOOD = 0,
	LOCI_SCRUB_DAMAGED,    /* other bytes than the digest's */
	LOCI_SCRUB_CUT,        /* another size than it was taken in with */
	LOCI_SCRUB_MISSING,    /* no file; so also what was put aside and not pushed since */
	LOCI_SCRUB_UNREADABLE, /* the disk said no, twice */
	LOCI_SCRUB_VERDICTS
};
/** "damaged", "cut", … Never NULL. */
LOCI_API const char *loci_scrub_verdict_name(int verdict);

struct loci_scrub_result {
	uint64_t blobs;
	uint64_t manifests;
	uint64_t bytes; /* read */
	uint64_t bad;   /* of both, of any verdict but GOOD */
	uint64_t fixed; /* put aside, or marked as absent */
	bool went_on;   /* began where an earlier one was stopped */
	bool ended;     /* there is nothing behind the last one */
	uint64_t by_verdict[LOCI_SCRUB_VERDICTS];
};

enum loci_scrub_event_kind {
	LOCI_SCRUB_PROGRESS = 0, /* now and then, several times a second */
	LOCI_SCRUB_BAD,          /* digest, is_manifest, verdict; kept_as when it was put aside */
	LOCI_SCRUB_REFERENCE, /* digest is needed by repo, or there by manifest (tag: that has it)
	                       */
	LOCI_SCRUB_BAD_END    /* of one bad thing, behind its references */
};
/** Lives for the call. */
struct loci_scrub_event {
	int kind;
	const struct loci_digest *digest;
	bool is_manifest;
	bool is_fixed;
	int verdict;
	const char *kept_as;                /* a file of the store, from its directory; or NULL */
	const struct loci_error *err;       /* what the disk or the store said, or NULL */
	const char *repo;                   /* of a reference */
	const struct loci_digest *manifest; /* or NULL */
	const char *tag;                    /* or NULL */
	const struct loci_scrub_result *so_far;
};
/** Return non-zero to stop: the call returns CANCELED, and the next one goes on from there. */
typedef int (*loci_scrub_fn)(void *arg, const struct loci_scrub_event *ev);

enum loci_scrub_flag {
	/** Put aside what is proven wrong, so that it can be pushed again. */
	LOCI_SCRUB_FIX = 1 << 0,
	/** Also what cannot be read. (A disk that is away for a moment has not lost its bytes.) */
	LOCI_SCRUB_FIX_UNREADABLE = 1 << 1,
	/** From the start, though an earlier one was stopped. */
	LOCI_SCRUB_RESTART = 1 << 2
};
struct loci_scrub_opts {
	size_t struct_size;
	const struct loci_log *log;
	const char *repo; /* only what this repository has; NULL: everything, with a bookmark */
	uint64_t rate;    /* bytes a second; 0: as fast as it goes */
	unsigned flags;   /* enum loci_scrub_flag */
	loci_scrub_fn event;
	void *event_arg;
};

/** Blocks until all is read. Works beside servers on the same store, which it keeps no lock from;
 *  one scrub at a time. Bad things are no error: see result->bad. result is filled in every case.
 *  Expected errors: BUSY (another one is at work), CANCELED, READ_ONLY (with FIX). */
LOCI_API LOCI_CHECK int loci_scrub(struct loci_store *st, const struct loci_scrub_opts *opts,
                                   struct loci_scrub_result *result, struct loci_error *err);

LOCI_END_DECLS
#endif

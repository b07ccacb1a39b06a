/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the store is doing, in numbers. Those of the writer are this process's, the rest is
 * everybody's who has the store open.
 */
#ifndef LOCI_STATS_H
#define LOCI_STATS_H

#include "loci/histogram.h"
#include "loci/store.h"

LOCI_BEGIN_DECLS

struct loci_store_stats {
	size_t struct_size;            /* set by the caller */
	uint64_t disk_bytes;           /* of the file system that holds the store */
	uint64_t disk_free_bytes;      /* of it, what this process may still take */
	uint64_t index_bytes;          /* of the index's file; it grows and is reused */
	uint64_t queue;                /* operations that wait for the writer */
	struct loci_histogram batches; /* operations in one transaction */
	struct loci_histogram commits; /* a transaction, its sync included; unit: seconds */
};

/** A few system calls; no lock that a writer holds. */
LOCI_API LOCI_CHECK int loci_store_stats(struct loci_store *st, struct loci_store_stats *ret,
                                         struct loci_error *err);

/** Waits its turn in the writer's queue and runs a transaction that changes nothing: whether a push
 *  could be taken in at all. Expected: READ_ONLY (see loci_store_freeze), BUSY (the writer has been
 *  at one transaction for ten seconds: then nobody waits), SYS. */
LOCI_API LOCI_CHECK int loci_store_probe(struct loci_store *st, struct loci_error *err);

LOCI_END_DECLS
#endif

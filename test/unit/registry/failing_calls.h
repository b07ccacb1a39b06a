/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls by which a store is written, with a failure in between: the n-th of them on a
 * file below a directory fails. They stand before the C library's, for the store and for LMDB.
 */
#ifndef LOCI_TEST_FAILING_CALLS_H
#define LOCI_TEST_FAILING_CALLS_H

#include <stdbool.h>

enum failing_kind {
	FAILING_EIO,
	FAILING_ENOSPC,
	FAILING_SHORT /* half of a write is written; other calls pass */
};

/* Counts from now on; at: 1 is the next call. below: a part of the paths that count; NULL: the plan
 * is off. */
void failing_calls_plan(const char *below, enum failing_kind kind, unsigned at);
/* The call that failed, as "fdatasync"; NULL: none has yet. */
const char *failing_calls_happened(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's seams with a failure in between: the n-th call of an operation that can fail does.
 * One plan at a time, for the whole process.
 */
#ifndef LOCI_TEST_STORE_FAULT_H
#define LOCI_TEST_STORE_FAULT_H

#include "core/store/store.h"

enum fault_kind {
	FAULT_NONE,
	FAULT_EIO,
	FAULT_ENOSPC,
	FAULT_SHORT, /* a write leaves half of its bytes, then no space; elsewhere as ENOSPC */
	FAULT_AGAIN  /* a writing call of the index asks for another run; others pass */
};

/* Counts from now on; at: 1 is the next call, 0 never. */
void fault_plan(enum fault_kind kind, unsigned at);
/* Whether the planned failure has happened. */
bool fault_happened(void);

extern const struct loci__sys fault_sys;

#endif

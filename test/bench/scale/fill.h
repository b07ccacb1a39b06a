/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images into an index as pushes would have left them: the same rows, written table by table in the
 * order of keys, some ten thousand in a transaction. That touches each page once a step and not
 * once a row, and as each step brings half of what is there and keys are spread, pages become as
 * full as random inserts leave them.
 */
#ifndef LOCI_BENCH_SCALE_FILL_H
#define LOCI_BENCH_SCALE_FILL_H

#include "loci/store.h"

/* From `from`, which are there, to `to` images. Exits on failure. */
void scale_fill(struct loci_store *st, uint64_t from, uint64_t to);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* How often each operation of the store calls its two seams. */
#ifndef LOCI_BENCH_SCALE_CALLS_H
#define LOCI_BENCH_SCALE_CALLS_H

/* A new store in the directory; prints a table, exits on failure. */
void scale_calls(const char *dir);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the specs and their numbers in the kernel. */
#ifndef LOCI_RUNTIME_NAME_TABLE_H
#define LOCI_RUNTIME_NAME_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loci__name_number {
	const char *name;
	int64_t number;
};

/* NULL when the table has no such name. */
const struct loci__name_number *loci__name_find(const struct loci__name_number *table, size_t n,
                                                const char *name);

enum loci__abi { LOCI_ABI_X86_64, LOCI_ABI_I386, LOCI_ABI_X32, LOCI_N_ABIS };
/* The number of a syscall, or -1 when that ABI has none of the name. */
int64_t loci__syscall_number(enum loci__abi abi, const char *name);

/* "CAP_CHOWN" to 0; -1 when unknown. */
int loci__cap_number(const char *name);
const char *loci__cap_name(int number); /* NULL: none */
/* "RLIMIT_NOFILE" to RLIMIT_NOFILE; -1 when unknown. */
int loci__rlimit_number(const char *name);
/* "network" to CLONE_NEWNET; 0 when unknown. */
uint64_t loci__namespace_flag(const char *name);
const char *loci__namespace_name(uint64_t flag);

#endif

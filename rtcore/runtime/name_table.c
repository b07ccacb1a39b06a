/* SPDX-License-Identifier: Apache-2.0 */
#include "rtcore/runtime/name_table.h"

#include "core/base/cleanup.h"

#include "syscall_table.inc"

#include <linux/sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

const struct loci__name_number *loci__name_find(const struct loci__name_number *table, size_t n,
                                                const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(table[i].name, name))
			return &table[i];
	return NULL;
}

static const struct {
	const struct loci__name_number *rows;
	size_t n;
} abis[LOCI_N_ABIS] = {
        [LOCI_ABI_X86_64] = {syscalls_64, loci__array_len(syscalls_64)},
        [LOCI_ABI_I386] = {syscalls_32, loci__array_len(syscalls_32)},
        [LOCI_ABI_X32] = {syscalls_x32, loci__array_len(syscalls_x32)},
};

static int compare_name(const void *key, const void *row)
{
	return strcmp(key, ((const struct loci__name_number *)row)->name);
}

int64_t loci__syscall_number(enum loci__abi abi, const char *name)
{
	const struct loci__name_number *row =
	        bsearch(name, abis[abi].rows, abis[abi].n, sizeof(*row), compare_name);
	return row ? row->number : -1;
}

static const struct loci__name_number caps[] = {
#include "cap_table.inc"
};

int loci__cap_number(const char *name)
{
	const struct loci__name_number *row = loci__name_find(caps, loci__array_len(caps), name);
	return row ? (int)row->number : -1;
}

const char *loci__cap_name(int number)
{
	for (size_t i = 0; i < loci__array_len(caps); i++)
		if (caps[i].number == number)
			return caps[i].name;
	return NULL;
}

#define RLIMIT_ROW(name)    \
	{                   \
#name, name \
	}
static const struct loci__name_number rlimits[] = {
        RLIMIT_ROW(RLIMIT_AS),      RLIMIT_ROW(RLIMIT_CORE),     RLIMIT_ROW(RLIMIT_CPU),
        RLIMIT_ROW(RLIMIT_DATA),    RLIMIT_ROW(RLIMIT_FSIZE),    RLIMIT_ROW(RLIMIT_LOCKS),
        RLIMIT_ROW(RLIMIT_MEMLOCK), RLIMIT_ROW(RLIMIT_MSGQUEUE), RLIMIT_ROW(RLIMIT_NICE),
        RLIMIT_ROW(RLIMIT_NOFILE),  RLIMIT_ROW(RLIMIT_NPROC),    RLIMIT_ROW(RLIMIT_RSS),
        RLIMIT_ROW(RLIMIT_RTPRIO),  RLIMIT_ROW(RLIMIT_RTTIME),   RLIMIT_ROW(RLIMIT_SIGPENDING),
        RLIMIT_ROW(RLIMIT_STACK),
};

int loci__rlimit_number(const char *name)
{
	const struct loci__name_number *row =
	        loci__name_find(rlimits, loci__array_len(rlimits), name);
	return row ? (int)row->number : -1;
}

static const struct loci__name_number namespaces[] = {
        {"mount", CLONE_NEWNS},      {"pid", CLONE_NEWPID},   {"network", CLONE_NEWNET},
        {"uts", CLONE_NEWUTS},       {"ipc", CLONE_NEWIPC},   {"user", CLONE_NEWUSER},
        {"cgroup", CLONE_NEWCGROUP}, {"time", CLONE_NEWTIME},
};

uint64_t loci__namespace_flag(const char *name)
{
	const struct loci__name_number *row =
	        loci__name_find(namespaces, loci__array_len(namespaces), name);
	return row ? (uint64_t)row->number : 0;
}

const char *loci__namespace_name(uint64_t flag)
{
	for (size_t i = 0; i < loci__array_len(namespaces); i++)
		if ((uint64_t)namespaces[i].number == flag)
			return namespaces[i].name;
	return "?";
}

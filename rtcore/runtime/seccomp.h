/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.seccomp to classic BPF. Per architecture the syscall numbers are cut into runs of equal
 * action and a balanced tree of comparisons finds the run; rules on arguments sit in the leaves.
 * Such a filter takes a dozen steps where a list takes hundreds, and loads five times faster,
 * because the kernel runs it once for every number when it is installed.
 */
#ifndef LOCI_RUNTIME_SECCOMP_H
#define LOCI_RUNTIME_SECCOMP_H

#include "core/spec/runtime_config.h"

#include <linux/filter.h>

struct loci__seccomp_filter {
	struct sock_filter *insns; /* NULL: no filter */
	size_t n;
	unsigned flags; /* SECCOMP_FILTER_FLAG_* */
};

enum loci__seccomp_option {
	/** Numbers above every one that the profile names fail with ENOSYS instead of the default
	 *  action: a libc that probes for a newer call than the profile's author knew falls back.
	 */
	LOCI_SECCOMP_ENOSYS_BEYOND = 1 << 0
};
/* The program lives in the arena. `path` names the section in messages. Names of syscalls that an
 * architecture does not have are skipped, as the profiles in use expect. Expected errors: INVALID,
 * UNSUPPORTED, TOO_LARGE (above the kernel's 4096 instructions). */
int loci__seccomp_compile(const struct loci__cfg_seccomp *config, unsigned options,
                          struct loci__arena *arena, struct loci__seccomp_filter *ret,
                          struct loci_error *err);

#endif

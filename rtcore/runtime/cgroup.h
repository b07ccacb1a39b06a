/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's cgroups on the three layouts: version 2, version 1, and hybrid (controllers on
 * version 1, one more hierarchy of version 2 that tracks processes). As few directories as the
 * limits need: on the unified hierarchy always, on version 1 only where a controller has something
 * to hold. The child enters by CLONE_INTO_CGROUP and by writing 0 to `tasks`: both avoid the RCU
 * grace period that a pid written to cgroup.procs costs.
 */
#ifndef LOCI_RUNTIME_CGROUP_H
#define LOCI_RUNTIME_CGROUP_H

#include "rtcore/runtime/cgroup_limits.h"
#include "rtcore/runtime/plan.h"

#define LOCI_CGROUP_MAX_V1 16 /* hierarchies of version 1 that one container joins */
#define LOCI_CGROUP_NAME   32

enum loci__cgroup_layout { LOCI_CGROUPS_V2 = 1, LOCI_CGROUPS_HYBRID, LOCI_CGROUPS_V1 };

struct loci__cgroup {
	enum loci__cgroup_layout layout;
	const char *path; /* below each hierarchy, with its slash; borrowed */
	int unified_fd;   /* the container's directory, or -1 */
	char v1[LOCI_CGROUP_MAX_V1][LOCI_CGROUP_NAME];
	int v1_tasks[LOCI_CGROUP_MAX_V1]; /* open for writing */
	size_t n_v1;
	unsigned levels; /* directories made, counted from the leaf, in the hierarchy with most */
};

#define LOCI_CGROUP_INIT         \
	{                        \
		.unified_fd = -1 \
	}

int loci__cgroup_detect(enum loci__cgroup_layout *ret, struct loci_error *err);
/* Decides what make will make; nothing is written yet, so that the state can say it first.
 * Expected errors: UNSUPPORTED (a limit whose controller is not there). */
int loci__cgroup_prepare(const struct loci__plan *plan, struct loci__arena *arena,
                         struct loci__cgroup *cg, struct loci__limits *ret_limits,
                         struct loci_error *err);
int loci__cgroup_make(const struct loci__plan *plan, const struct loci__limits *limits,
                      struct loci__cgroup *cg, struct loci_error *err);
void loci__cgroup_close(struct loci__cgroup *cg); /* the fds */

/* Sends signo to every process, those of nested cgroups too; SIGKILL by cgroup.kill if possible. */
int loci__cgroup_kill(const struct loci__cgroup *cg, int signo, struct loci_error *err);
/* Removes the directories, nested ones first, and those parents that `levels` says we made. Waits
 * for the last processes to leave, some seconds at most. What is not there is fine. */
int loci__cgroup_remove(const struct loci__cgroup *cg, struct loci_error *err);

#endif

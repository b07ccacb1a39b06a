/* SPDX-License-Identifier: Apache-2.0 */
/* linux.resources as writes to files of cgroup controllers, for both versions of the interface. */
#ifndef LOCI_RUNTIME_CGROUP_LIMITS_H
#define LOCI_RUNTIME_CGROUP_LIMITS_H

#include "core/spec/runtime_config.h"

struct loci__limit {
	const char *controller; /* "memory"; NULL: a file that belongs to none ("cgroup.…") */
	const char *file;       /* NULL: the controller's setting has no form in this version */
	const char *value;
	const char *origin; /* "memory.swappiness", as the config spells it */
};
struct loci__limits {
	struct loci__limit *v;
	size_t n;
};

/* version 1 or 2. Which controller is where is not known here: the writer takes, for each
 * controller, the rows of the version it finds it in. Expected errors: INVALID, NOMEM. */
int loci__limits_make(const struct loci__cfg_resources *r, int version, struct loci__arena *arena,
                      struct loci__limits *ret, struct loci_error *err);
/* The name of a version 2 controller in version 1, and the other way round: "io" is "blkio". */
const char *loci__limits_v1_name(const char *v2_controller);

#endif

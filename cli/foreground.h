/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container in the foreground: created, started, given the signals and the terminal of the
 * caller, waited for, deleted.
 */
#ifndef LOCI_CLI_FOREGROUND_H
#define LOCI_CLI_FOREGROUND_H

#include "loci/runtime.h"

struct loci_foreground {
	const char *id;
	struct loci_create_opts create; /* LOCI_CREATE_FOREGROUND is set for it */
	bool terminal;                  /* the container has one, which the caller's drives */
	bool interactive;               /* with a terminal: what is typed goes to it */
};

/* Exit statuses that docker and shells give meaning to. */
enum { LOCI_EXIT_OWN_FAILURE = 125, LOCI_EXIT_NOT_EXECUTABLE = 126, LOCI_EXIT_NOT_FOUND = 127 };

/* *ret_status: the container's (0 … 255, 128 + signal). With *ret_exec_failed the program could
 * not be executed: err says why, the code is a failure. The container is gone in every case. */
int loci__foreground_run(struct loci_runtime *rt, const struct loci_foreground *fg, int *ret_status,
                         bool *ret_exec_failed, struct loci_error *err);

#endif

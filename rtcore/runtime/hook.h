/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks of config.md: programs that get the container's state on their standard input. Works in the
 * container's child too: no malloc, no stdio. */
#ifndef LOCI_RUNTIME_HOOK_H
#define LOCI_RUNTIME_HOOK_H

#include "core/spec/runtime_config.h"

/* The state as JSON, cut open where status and pid stand. */
struct loci__hook_state {
	const char *before_status; /* …"status":" */
	const char *before_pid;    /* ","pid": */
	const char *after_pid;     /* ,…} */
};

/* Runs the hooks in order up to the first that fails. The error names the hook; sys_errno without
 * its text. kind: "createRuntime". */
int loci__hooks_run(const struct loci__cfg_hooks *hooks, const char *kind,
                    const struct loci__hook_state *state, const char *status, pid_t pid,
                    struct loci_error *err);

/* Text pieces put together without stdio; cut to the message's size. */
void loci__plain_error(struct loci_error *err, int code, int sys_errno, const char *const *pieces);

#endif

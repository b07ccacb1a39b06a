/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals in two ways. Servers block them before the first thread is made and take them with
 * loci__signals_wait on one thread, so that no code ever runs in a handler. Short programs note
 * them and look at loci__signals_noted between steps; the second one of a kind ends the process.
 */
#ifndef LOCI_CLI_SIGNALS_H
#define LOCI_CLI_SIGNALS_H

#include "loci/error.h"

/* signos ends with 0. */
int loci__signals_block(const int *signos, struct loci_error *err);
/* The next of them. EINTR is retried. */
int loci__signals_wait(const int *signos, int *ret_signo, struct loci_error *err);
/* A handler that only remembers; system calls are interrupted (no SA_RESTART). */
int loci__signals_note(const int *signos, struct loci_error *err);
/* The first one noted, or 0. */
int loci__signals_noted(void);
/* A vanished peer is an EPIPE, not a death. Not for programs that exec somebody else's. */
void loci__signals_ignore_pipe(void);

#endif

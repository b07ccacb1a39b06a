/* SPDX-License-Identifier: Apache-2.0 */
/* The caller's terminal: raw while a container has it, and as it was afterwards. */
#ifndef LOCI_CLI_TERMINAL_H
#define LOCI_CLI_TERMINAL_H

#include "loci/error.h"

#include <termios.h>

struct loci_terminal {
	int fd; /* -1: nothing to restore */
	struct termios saved;
};

/* Nothing happens when fd is no terminal. */
int loci__terminal_raw(struct loci_terminal *t, int fd, struct loci_error *err);
void loci__terminal_restore(struct loci_terminal *t);
#define loci__cleanup_terminal __attribute__((cleanup(loci__terminal_restore)))
/* The window's size of one terminal to another; failures do not matter. */
void loci__terminal_copy_size(int from, int to);

#endif

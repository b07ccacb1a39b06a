/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOCI_RUNTIME_CONSOLE_H
#define LOCI_RUNTIME_CONSOLE_H

#include "loci/error.h"

/* Sends the pty master to who listens at the path, as runc does: one message with a name. */
int loci__console_send(const char *path, int master_fd, struct loci_error *err);
/* An AF_UNIX address for `name` below a directory fd; a path may be longer than an address. */
struct sockaddr_un;
void loci__socket_address(int dir_fd, const char *name, struct sockaddr_un *ret);

#endif

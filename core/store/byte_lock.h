/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks on single bytes of a file, owned by the open file (OFD): they exclude other processes and
 * other opens of this one, go when their holder dies however it dies, and know nothing of process
 * ids, so that they hold between PID namespaces too. Between threads that use one fd they exclude
 * nobody.
 */
#ifndef LOCI_STORE_BYTE_LOCK_H
#define LOCI_STORE_BYTE_LOCK_H

#include <stdbool.h>

/* Waits. 0 or -1 with errno. */
int loci__byte_lock(int fd, unsigned byte);
int loci__byte_lock_shared(int fd, unsigned byte);
/* Does not wait: -1 with EAGAIN when somebody has it. */
int loci__byte_try_lock(int fd, unsigned byte);
/* Whether another open of the file has it, however: without taking it. */
bool loci__byte_is_locked(int fd, unsigned byte);
void loci__byte_unlock(int fd, unsigned byte);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOCI_BASE_THREAD_H
#define LOCI_BASE_THREAD_H

#include "loci/error.h"

#include <pthread.h>

/* A thread with all signals blocked: they are the program's business, not a library's. */
int loci__thread_start(pthread_t *ret, void *(*fn)(void *), void *arg, struct loci_error *err);

/* How the calling thread is scheduled beside others that want the same cores. Nothing changes where
 * the process was given a policy of its own, or where the kernel does not grant it. */
void loci__thread_be_prompt(void); /* runs for short, and soon after it wakes up */
void loci__thread_give_way(void);  /* runs for long, when those who just woke up let it */

#endif

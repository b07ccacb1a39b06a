/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOCI_BASE_THREAD_H
#define LOCI_BASE_THREAD_H

#include "loci/error.h"

#include <pthread.h>

/* A thread with all signals blocked: they are the program's business, not a library's. */
int loci__thread_start(pthread_t *ret, void *(*fn)(void *), void *arg, struct loci_error *err);

#endif

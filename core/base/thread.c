/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/thread.h"

#include "core/base/err.h"

#include <signal.h>

int loci__thread_start(pthread_t *ret, void *(*fn)(void *), void *arg, struct loci_error *err)
{
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = pthread_create(ret, /* attr= */ NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc ? loci__err_errno(err, rc, "start a thread") : 0;
}

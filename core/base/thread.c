/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/thread.h"

#include "core/base/err.h"

#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PROMPT_SLICE_NS 300000 /* the usual one is 3 ms */
#define NICER           5      /* a third of the weight */

int loci__thread_start(pthread_t *ret, void *(*fn)(void *), void *arg, struct loci_error *err)
{
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = pthread_create(ret, /* attr= */ NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc ? loci__err_errno(err, rc, "start a thread") : 0;
}

/* sched_setattr(2), which libc does not have. */
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

/* Since Linux 6.12 .runtime is the slice of an ordinary thread; before, it means nothing there. */
void loci__thread_be_prompt(void)
{
	const struct attributes a = {.size = sizeof(a),
	                             .policy = SCHED_OTHER,
	                             .nice = getpriority(PRIO_PROCESS, 0),
	                             .runtime = PROMPT_SLICE_NS};
	(void)syscall(SYS_sched_setattr, /* this thread */ 0, &a, 0);
}

void loci__thread_give_way(void)
{
	const struct sched_param none = {0};
	(void)sched_setscheduler(/* this thread */ 0, SCHED_BATCH, &none);
	(void)setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + NICER);
}

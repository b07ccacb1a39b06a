/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/thread.h"

#include "core/base/err.h"

#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PROMPT_SLICE_NS 300000 /* the usual one is 3 ms */

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

/* Since Linux 6.12 .runtime is the slice of an ordinary thread, 0 the usual one; before, it means
 * nothing there. Threads inherit it, as they do the policy: each says all of what it wants. */
static void schedule(int policy, uint64_t slice_ns)
{
	const struct attributes a = {.size = sizeof(a),
	                             .policy = (uint32_t)policy,
	                             .nice = getpriority(PRIO_PROCESS, 0),
	                             .runtime = slice_ns};
	(void)syscall(SYS_sched_setattr, /* this thread */ 0, &a, 0);
}

/* Whoever gave the process another policy knows why; the main thread still has it. */
static bool is_ordinary(void)
{
	return sched_getscheduler(getpid()) == SCHED_OTHER;
}

void loci__thread_be_prompt(void)
{
	if (is_ordinary())
		schedule(SCHED_OTHER, PROMPT_SLICE_NS);
}

void loci__thread_give_way(void)
{
	if (is_ordinary())
		schedule(SCHED_BATCH, 0);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/signals.h"

#include "core/base/err.h"

#include <errno.h>
#include <signal.h>

static volatile sig_atomic_t noted;

static void to_set(const int *signos, sigset_t *set)
{
	sigemptyset(set);
	for (; *signos; signos++)
		sigaddset(set, *signos);
}

int loci__signals_block(const int *signos, struct loci_error *err)
{
	sigset_t set;
	to_set(signos, &set);
	int r = pthread_sigmask(SIG_BLOCK, &set, NULL);
	return r ? loci__err_errno(err, r, "block signals") : 0;
}

int loci__signals_wait(const int *signos, int *ret_signo, struct loci_error *err)
{
	sigset_t set;
	int signo;
	to_set(signos, &set);
	do
		signo = sigwaitinfo(&set, NULL);
	while (signo < 0 && errno == EINTR);
	if (signo < 0)
		return loci__err_sys(err, "wait for signals");
	*ret_signo = signo;
	return 0;
}

static void on_signal(int signo)
{
	noted = signo;
}

int loci__signals_note(const int *signos, struct loci_error *err)
{
	/* One-shot: somebody who insists gets the default action, a quick end. */
	struct sigaction act = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	sigemptyset(&act.sa_mask);
	for (; *signos; signos++)
		if (sigaction(*signos, &act, NULL) < 0)
			return loci__err_sys(err, "catch signal %d", *signos);
	return 0;
}

int loci__signals_noted(void)
{
	return noted;
}

void loci__signals_ignore_pipe(void)
{
	signal(SIGPIPE, SIG_IGN);
}

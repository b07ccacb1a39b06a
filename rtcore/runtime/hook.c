/* SPDX-License-Identifier: Apache-2.0 */
#include "rtcore/runtime/hook.h"

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/fs.h"
#include "rtcore/runtime/sys.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

void loci__plain_error(struct loci_error *err, int code, int sys_errno, const char *const *pieces)
{
	size_t len = 0;
	for (; *pieces; pieces++)
		for (const char *s = *pieces; *s && len < sizeof(err->msg) - 1; s++)
			err->msg[len++] = *s;
	err->msg[len] = '\0';
	err->code = code;
	err->sys_errno = sys_errno;
}

/* Decimal digits at the end of buf. */
static const char *format_number(uint64_t v, char buf[24])
{
	char *p = buf + 23;
	*p = '\0';
	do
		*--p = (char)('0' + v % 10);
	while ((v /= 10) > 0);
	return p;
}

static int hook_error(struct loci_error *err, const char *kind, const struct loci__cfg_hook *h,
                      int sys_errno, const char *what, const char *more)
{
	struct loci_error local;
	const char *const pieces[] = {kind, " hook '", h->path, "': ", what, more, NULL};
	loci__plain_error(err ? err : &local, sys_errno ? LOCI_E_SYS : LOCI_E_STATE, sys_errno,
	                  pieces);
	return sys_errno ? LOCI_E_SYS : LOCI_E_STATE;
}

static _Noreturn void exec_hook(const struct loci__cfg_hook *h, int in)
{
	static const char *const no_env[] = {NULL};
	const char *const only_path[] = {h->path, NULL};
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (dup2(in, 0) == 0) {
		syscall(SYS_close_range, 3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */);
		execve(h->path, (char *const *)(uintptr_t)(h->args.n ? h->args.v : only_path),
		       (char *const *)(uintptr_t)(h->env.v ? h->env.v : no_env));
	}
	_exit(127);
}

/* A hook need not read its state: a closed pipe is no failure. */
static void send_state(int fd, const struct loci__hook_state *state, const char *status, pid_t pid)
{
	char digits[24];
	const char *const pieces[] = {state->before_status, status, state->before_pid,
	                              format_number((uint64_t)pid, digits), state->after_pid};
	struct sigaction ignore = {.sa_handler = SIG_IGN}, saved;
	sigaction(SIGPIPE, &ignore, &saved);
	for (size_t i = 0; i < 5; i++)
		if (loci__write_all(fd, pieces[i], strlen(pieces[i])) < 0)
			break;
	sigaction(SIGPIPE, &saved, NULL);
}

static int wait_hook(int pidfd, uint64_t timeout_s, siginfo_t *info)
{
	bool ends = timeout_s > 0 && timeout_s < UINT32_MAX;
	uint64_t deadline = ends ? loci__clock_ms() + timeout_s * 1000 : UINT64_MAX;
	for (;;) {
		uint64_t now = loci__clock_ms();
		uint64_t left = now < deadline ? deadline - now : 0;
		struct pollfd p = {.fd = pidfd, .events = POLLIN};
		int n = poll(&p, 1, deadline == UINT64_MAX ? -1 : left > 60000 ? 60000 : (int)left);
		if (n > 0)
			break;
		if (n == 0 && loci__clock_ms() >= deadline) {
			loci__pidfd_send_signal(pidfd, SIGKILL);
			(void)waitid((idtype_t)P_PIDFD, (id_t)pidfd, info, WEXITED);
			return 1;
		}
	}
	return waitid((idtype_t)P_PIDFD, (id_t)pidfd, info, WEXITED);
}

static int run_hook(const struct loci__cfg_hook *h, const char *kind,
                    const struct loci__hook_state *state, const char *status, pid_t pid,
                    struct loci_error *err)
{
	loci__cleanup_close int in = -1, out = -1, pidfd = -1;
	int pipe_fds[2];
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return hook_error(err, kind, h, errno, "make a pipe", "");
	in = pipe_fds[0];
	out = pipe_fds[1];
	/* Not clone3, which usual seccomp profiles answer with ENOSYS: start hooks run below one.
	 */
	long child = syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, &pidfd, 0, 0);
	if (child < 0)
		return hook_error(err, kind, h, errno, "clone", "");
	if (child == 0)
		exec_hook(h, in);
	loci__close_fd(&in);
	send_state(out, state, status, pid);
	loci__close_fd(&out);
	siginfo_t info = {0};
	int rc = wait_hook(pidfd, h->timeout, &info);
	if (rc < 0)
		return hook_error(err, kind, h, errno, "wait", "");
	if (rc > 0)
		return hook_error(err, kind, h, 0, "did not end within its timeout", "");
	char digits[24];
	if (info.si_code != CLD_EXITED)
		return hook_error(err, kind, h, 0, "ended by signal ",
		                  format_number((uint64_t)info.si_status, digits));
	if (info.si_status != 0)
		return hook_error(err, kind, h, 0, "ended with status ",
		                  format_number((uint64_t)info.si_status, digits));
	return 0;
}

int loci__hooks_run(const struct loci__cfg_hooks *hooks, const char *kind,
                    const struct loci__hook_state *state, const char *status, pid_t pid,
                    struct loci_error *err)
{
	int rc = 0;
	for (size_t i = 0; rc >= 0 && i < hooks->n; i++)
		rc = run_hook(&hooks->v[i], kind, state, status, pid, err);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One loop over four fds: a pidfd says when the container's first process is over, a signalfd what
 * to pass on, the pty's master and the caller's input what to copy. Signals are blocked from before
 * the container exists, so that none ends this process with the container left behind; the runtime
 * gives the container an empty mask.
 */
#include "cli/foreground.h"

#include "cli/terminal.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/fs.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>

/* How long a container goes on whose terminal went away; docker gives as much to one that is told
 * to stop. A shell ends at once, but not before a program that it waits for. */
#define HANGUP_GRACE_MS 10000

/* Passed on to the container. */
static const int forwarded[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM,
                                SIGUSR1, SIGUSR2, SIGALRM, SIGCONT};

struct session {
	struct loci_runtime *rt;
	const struct loci_foreground *fg;
	int signal_fd, pid_fd, master_fd;
	bool input_open;
	bool at_terminal; /* the caller's input is one, now raw */
	uint64_t kill_at; /* by loci__clock_ms; 0: not at all */
	char typed[4096]; /* read, not yet taken by the container */
	size_t typed_at, typed_n;
};

enum { PID, SIGNALS, MASTER, INPUT, N_FDS };

static void session_set(sigset_t *set)
{
	sigemptyset(set);
	for (size_t i = 0; i < loci__array_len(forwarded); i++)
		sigaddset(set, forwarded[i]);
	sigaddset(set, SIGWINCH);
	/* A reader of our output that goes away must not end us before the container is gone. */
	sigaddset(set, SIGPIPE);
}

static void take_signal(struct session *s)
{
	struct signalfd_siginfo info;
	if (read(s->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	int signo = (int)info.ssi_signo;
	if (signo == SIGPIPE)
		return;
	if (signo != SIGWINCH)
		/* It may be over by now. */
		(void)!loci_runtime_kill(s->rt, s->fg->id, signo, 0, NULL);
	else if (s->master_fd >= 0)
		loci__terminal_copy_size(STDIN_FILENO, s->master_fd);
}

/* From the container to the caller. The master ends with EIO when the last slave is closed. */
static void copy_output(struct session *s)
{
	char buf[16384];
	ssize_t n = read(s->master_fd, buf, sizeof(buf));
	if (n > 0 && loci__write_all(STDOUT_FILENO, buf, (size_t)n) == 0)
		return;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	loci__close_fd(&s->master_fd);
}

static void read_input(struct session *s)
{
	ssize_t n = read(STDIN_FILENO, s->typed, sizeof(s->typed));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	s->input_open = n > 0;
	s->typed_at = 0;
	s->typed_n = n > 0 ? (size_t)n : 0;
	/* A raw terminal ends only by going away; the container's goes with it, or a shell in there
	 * would wait for ever for somebody who cannot come back. */
	if (!s->input_open && s->at_terminal) {
		loci__close_fd(&s->master_fd);
		s->kill_at = loci__clock_ms() + HANGUP_GRACE_MS;
	}
}

static void write_input(struct session *s)
{
	ssize_t n = write(s->master_fd, s->typed + s->typed_at, s->typed_n - s->typed_at);
	if (n > 0)
		s->typed_at += (size_t)n;
	else if (errno != EAGAIN && errno != EINTR)
		s->typed_at = s->typed_n;
}

static int ms_to_kill(const struct session *s)
{
	uint64_t now = loci__clock_ms();
	if (!s->kill_at)
		return -1;
	return s->kill_at > now ? (int)(s->kill_at - now) : 0;
}

/* Input is read only when the container took what was typed before. */
static int wait_for_events(struct session *s, struct pollfd fds[N_FDS], struct loci_error *err)
{
	bool pending = s->typed_at < s->typed_n;
	short master = (short)(POLLIN | (pending ? POLLOUT : 0));
	fds[PID] = (struct pollfd){s->pid_fd, POLLIN, 0};
	fds[SIGNALS] = (struct pollfd){s->signal_fd, POLLIN, 0};
	fds[MASTER] = (struct pollfd){s->master_fd, master, 0};
	fds[INPUT] = (struct pollfd){
	        s->master_fd >= 0 && s->input_open && !pending ? STDIN_FILENO : -1, POLLIN, 0};
	while (poll(fds, N_FDS, ms_to_kill(s)) < 0)
		if (errno != EINTR)
			return loci__err_sys(err, "wait for the container");
	return 0;
}

static void kill_late(struct session *s)
{
	if (!s->kill_at || loci__clock_ms() < s->kill_at)
		return;
	s->kill_at = 0;
	(void)!loci_runtime_kill(s->rt, s->fg->id, SIGKILL, 0, NULL);
}

/* What it wrote before it ended is still in the pty. */
static void drain(struct session *s)
{
	struct pollfd fd = {s->master_fd, POLLIN, 0};
	while (s->master_fd >= 0 && poll(&fd, 1, 0) > 0 && (fd.revents & (POLLIN | POLLHUP)))
		copy_output(s);
}

static int loop(struct session *s, struct loci_error *err)
{
	struct pollfd fds[N_FDS];
	for (;;) {
		int rc = wait_for_events(s, fds, err);
		if (rc < 0)
			return rc;
		if (fds[SIGNALS].revents)
			take_signal(s);
		if (fds[MASTER].revents & POLLOUT)
			write_input(s);
		if (fds[MASTER].revents & (POLLIN | POLLHUP | POLLERR))
			copy_output(s);
		if (fds[INPUT].revents)
			read_input(s);
		if (fds[PID].revents)
			break;
		kill_late(s);
	}
	drain(s);
	return 0;
}

static int open_terminal(struct session *s, struct loci_terminal *t, struct loci_error *err)
{
	if (s->master_fd < 0)
		return 0;
	int flags = fcntl(s->master_fd, F_GETFL);
	if (flags < 0 || fcntl(s->master_fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return loci__err_sys(err, "prepare the container's terminal");
	loci__terminal_copy_size(STDIN_FILENO, s->master_fd);
	s->input_open = s->fg->interactive;
	if (!s->input_open)
		return 0;
	int rc = loci__terminal_raw(t, STDIN_FILENO, err);
	s->at_terminal = t->fd >= 0;
	return rc;
}

static int attend(struct session *s, pid_t pid, int *ret_status, bool *ret_exec_failed,
                  struct loci_error *err)
{
	loci__cleanup_terminal struct loci_terminal terminal = {.fd = -1};
	loci__cleanup_close int pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pid_fd < 0)
		return loci__err_sys(err, "watch the container");
	s->pid_fd = pid_fd;
	int rc = open_terminal(s, &terminal, err);
	if (rc < 0)
		return rc;
	rc = loci_runtime_start(s->rt, s->fg->id, err);
	if (rc < 0) {
		*ret_exec_failed = err && err->sys_errno;
		return rc;
	}
	if ((rc = loop(s, err)) < 0)
		return rc;
	return loci_runtime_wait(s->rt, s->fg->id, ret_status, err);
}

static int create_and_attend(struct session *s, int *ret_status, bool *ret_exec_failed,
                             struct loci_error *err)
{
	struct loci_create_opts opts = s->fg->create;
	pid_t pid;
	opts.flags |= LOCI_CREATE_FOREGROUND;
	if (s->fg->terminal && !opts.console_socket)
		opts.ret_master_fd = &s->master_fd;
	int rc = loci_runtime_create(s->rt, s->fg->id, &opts, &pid, err);
	if (rc < 0)
		return rc;
	rc = attend(s, pid, ret_status, ret_exec_failed, err);
	struct loci_error later;
	int rc_delete = loci_runtime_delete(s->rt, s->fg->id, LOCI_DELETE_FORCE, &later);
	if (rc >= 0 && rc_delete < 0 && rc_delete != LOCI_E_NOT_FOUND) {
		*err = later;
		return rc_delete;
	}
	return rc;
}

int loci__foreground_run(struct loci_runtime *rt, const struct loci_foreground *fg, int *ret_status,
                         bool *ret_exec_failed, struct loci_error *err)
{
	struct session s = {.rt = rt, .fg = fg, .pid_fd = -1, .master_fd = -1};
	sigset_t set;
	session_set(&set);
	*ret_exec_failed = false;
	sigprocmask(SIG_BLOCK, &set, NULL); /* for good: the process ends soon */
	loci__cleanup_close int signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signal_fd < 0)
		return loci__err_sys(err, "receive signals");
	s.signal_fd = signal_fd;
	int rc = create_and_attend(&s, ret_status, ret_exec_failed, err);
	loci__close_fd(&s.master_fd);
	return rc;
}

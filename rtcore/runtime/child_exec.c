/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last steps of the container's first process, in the one order that works: names and places
 * while we are still root, then ids, then capabilities, the filter as late as its rules allow,
 * exec.
 */
#include "rtcore/runtime/child.h"

#include "core/base/err.h"
#include "rtcore/runtime/sys.h"

#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

/* In the order of loci__cap_set_names. */
enum { BOUNDING, EFFECTIVE, INHERITABLE, PERMITTED, AMBIENT };

static int drop_bounding(struct loci__child *c)
{
	for (unsigned cap = 0; cap <= c->job->last_cap; cap++)
		if (!(c->job->caps[BOUNDING] >> cap & 1) && prctl(PR_CAPBSET_DROP, cap) < 0)
			return loci__child_fail(c, "drop a bounding", "capability");
	return 0;
}

static int set_ids(struct loci__child *c)
{
	const struct loci__runtime_config *config = c->job->plan->config;
	/* Raw calls: the C library's would tell other threads, of which there are none. */
	if (syscall(SYS_setgroups, config->n_additional_gids, config->additional_gids) < 0)
		return loci__child_fail(c, "set the", "additional groups");
	if (syscall(SYS_setresgid, config->gid, config->gid, config->gid) < 0)
		return loci__child_fail(c, "set the", "group id");
	if (syscall(SYS_setresuid, config->uid, config->uid, config->uid) < 0)
		return loci__child_fail(c, "set the", "user id");
	return 0;
}

static int set_capabilities(struct loci__child *c)
{
	const uint64_t *sets = c->job->caps;
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	for (int i = 0; i < 2; i++) {
		data[i].effective = (uint32_t)(sets[EFFECTIVE] >> (32 * i));
		data[i].permitted = (uint32_t)(sets[PERMITTED] >> (32 * i));
		data[i].inheritable = (uint32_t)(sets[INHERITABLE] >> (32 * i));
	}
	if (syscall(SYS_capset, &header, data) < 0)
		return loci__child_fail(c, "set the", "capabilities");
	/* The caller may have had some that are inheritable here, too. */
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return loci__child_fail(c, "clear the ambient", "capabilities");
	for (unsigned cap = 0; sets[AMBIENT] && cap <= c->job->last_cap; cap++)
		if ((sets[AMBIENT] >> cap & 1) &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return loci__child_fail(c, "raise an ambient", "capability");
	return 0;
}

/* All that we may have, while we still have it: setresuid to another user clears it. */
static int raise_effective(struct loci__child *c)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	if (syscall(SYS_capget, &header, data) < 0)
		return loci__child_fail(c, "get the", "capabilities");
	for (int i = 0; i < 2; i++)
		data[i].effective = data[i].permitted;
	if (syscall(SYS_capset, &header, data) < 0)
		return loci__child_fail(c, "set the", "capabilities");
	return 0;
}

static int load_filter(struct loci__child *c)
{
	const struct loci__seccomp_filter *f = &c->job->plan->seccomp;
	if (!f->insns)
		return 0;
	struct sock_fprog prog = {(unsigned short)f->n, f->insns};
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, f->flags, &prog) < 0)
		return loci__child_fail(c, "load the", "seccomp filter");
	return 0;
}

/* Pipes that we pass on belong to the caller; /dev/stdout must open for another user too. */
static void own_stdio(struct loci__child *c)
{
	uid_t uid = c->job->plan->config->uid;
	for (int fd = 0; uid && fd < 3; fd++) {
		struct stat st;
		if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) && fchown(fd, uid, (gid_t)-1) < 0)
			continue; /* not ours to give away: it stays as it was */
	}
}

/* Whether a directory outside of the root, or none at all, is where we stand: then the kernel's
 * answer is no absolute path. */
static int check_cwd(struct loci__child *c, const char *cwd)
{
	char buf[4096];
	long n = syscall(SYS_getcwd, buf, sizeof(buf));
	if (n < 0)
		return loci__child_fail(c, "find the working directory", cwd);
	if (n == 0 || buf[0] != '/')
		return loci__child_refuse(c, LOCI_E_DENIED,
		                          "the working directory is outside of the rootfs:", cwd);
	return 0;
}

/* As root first: it may lie in a directory that the user cannot search; as the user if root may not
 * (a network file system). */
static int enter_cwd(struct loci__child *c, bool again)
{
	const char *cwd = c->job->plan->config->cwd;
	if (chdir(cwd) == 0)
		return check_cwd(c, cwd);
	if (!again && (errno == EACCES || errno == EPERM))
		return 1;
	return loci__child_fail(c, "enter the working directory", cwd);
}

static void reset_signals(void)
{
	static const int ignored_by_callers[] = {SIGPIPE, SIGINT,  SIGQUIT, SIGHUP, SIGTERM,
	                                         SIGCHLD, SIGTTIN, SIGTTOU, SIGTSTP};
	sigset_t none;
	for (size_t i = 0; i < loci__array_len(ignored_by_callers); i++)
		signal(ignored_by_callers[i], SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int pass_fds(struct loci__child *c)
{
	unsigned n = c->job->preserve_fds;
	for (unsigned i = 0; i < n; i++)
		if (fcntl(3 + (int)i, F_SETFD, 0) < 0)
			return loci__child_fail(c, "pass on a file", "descriptor");
	if (syscall(SYS_close_range, 3 + n, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return loci__child_fail(c, "close the other file", "descriptors");
	return 0;
}

static const char *find_path(const char *const *env)
{
	for (; *env; env++)
		if (!strncmp(*env, "PATH=", 5))
			return *env + 5;
	return "/bin:/usr/bin"; /* execvp(3) without one */
}

/* execvp(3) by the container's PATH. What is found but not allowed is remembered, as there. */
static int exec_args(struct loci__child *c)
{
	const struct loci__runtime_config *config = c->job->plan->config;
	char *const *argv = (char *const *)(uintptr_t)config->args.v;
	char *const *env = (char *const *)(uintptr_t)c->job->plan->env;
	const char *file = argv[0];
	if (!*file) {
		errno = ENOENT;
		return loci__child_fail(c, "run", file);
	}
	if (strchr(file, '/')) {
		execve(file, argv, env);
		return loci__child_fail(c, "run", file);
	}
	int result = ENOENT;
	size_t file_len = strlen(file);
	for (const char *p = find_path(c->job->plan->env);; p++) {
		char path[LOCI_PLAN_ARGV0_PATH_MAX];
		size_t n = strcspn(p, ":");
		if (n + file_len + 2 <= sizeof(path)) {
			memcpy(path, p, n);
			path[n] = '/';
			memcpy(path + n + (n > 0), file, file_len + 1);
			execve(path, argv, env);
			if (errno != ENOENT && errno != ENOTDIR)
				result = errno;
		}
		p += n;
		if (!*p)
			break;
	}
	errno = result;
	return loci__child_fail(c, "run", file);
}

static int run_start_hooks(struct loci__child *c)
{
	return loci__hooks_run(&c->job->plan->config->start_container, "startContainer",
	                       c->job->hook_state, "created", getpid(), &c->err) < 0
	               ? -1
	               : 0;
}

static int become_user(struct loci__child *c)
{
	own_stdio(c);
	int late = enter_cwd(c, false);
	if (late < 0 || drop_bounding(c) < 0)
		return -1;
	if (prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS) < 0)
		return loci__child_fail(c, "keep the", "capabilities");
	if (set_ids(c) < 0 || raise_effective(c) < 0)
		return -1;
	if (late && enter_cwd(c, true) < 0)
		return -1;
	if (prctl(PR_SET_SECUREBITS, 0) < 0)
		return loci__child_fail(c, "reset the", "secure bits");
	/* A change of ids forgets it. */
	if (c->job->foreground)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return 0;
}

int loci__child_exec(struct loci__child *c)
{
	const struct loci__runtime_config *config = c->job->plan->config;
	if (become_user(c) < 0)
		return -1;
	umask(config->umask.set ? (mode_t)config->umask.v : c->umask);
	reset_signals();
	if (pass_fds(c) < 0)
		return -1;
	if (!config->no_new_privileges) {
		/* Without no_new_privs the kernel wants CAP_SYS_ADMIN for a filter: it comes before
		 * the capabilities go, and must allow capset, prctl and execve. */
		if (load_filter(c) < 0 || set_capabilities(c) < 0 || run_start_hooks(c) < 0)
			return -1;
		return exec_args(c);
	}
	if (set_capabilities(c) < 0)
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return loci__child_fail(c, "set", "no_new_privs");
	/* The hooks' programs are the image's: they may no more than its main one. */
	if (load_filter(c) < 0 || run_start_hooks(c) < 0)
		return -1;
	return exec_args(c);
}

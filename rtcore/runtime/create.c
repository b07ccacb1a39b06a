/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Creating a container: the parent's side. It prepares what the child needs (rootfs, namespaces to
 * join, cgroups), writes down in the state what it is about to make before it makes it, clones, and
 * answers the child until that is ready. Whatever fails, all is undone; if this process is killed,
 * the child dies with it and the state names what is left for delete.
 */
#include "core/base/err.h"
#include "core/base/fs.h"
#include "core/base/logger.h"
#include "rtcore/runtime/child.h"
#include "rtcore/runtime/console.h"
#include "rtcore/runtime/name_table.h"
#include "rtcore/runtime/rootfs.h"
#include "rtcore/runtime/state.h"
#include "rtcore/runtime/sys.h"

#include <linux/capability.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#define COMPONENT "runtime"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

struct creation {
	struct loci_runtime *rt;
	const char *id;
	const struct loci_create_opts *o;
	struct loci_error *err;

	char *bundle; /* absolute */
	int bundle_fd;
	struct loci__runtime_config config;
	bool has_config;
	struct loci__plan plan;
	bool has_plan;

	int dir_fd; /* locked */
	char *attach_path;
	int rootfs_fd;
	int *ns_fds;   /* n_namespaces; borrowed from the plan's arena */
	int pid_ns_fd; /* to join, or -1 */
	struct loci__cgroup cg;
	struct loci__limits limits;
	uint64_t caps[5];
	unsigned last_cap;
	int start_fd;
	int sync[2]; /* ours, the child's */
	struct loci__hook_state hook_state;
	char *hook_block;
	bool ran_hooks;
	pid_t pid;
	int pidfd;
	int master_fd;
};

/* --- the bundle ----------------------------------------------------------------------------- */

static int read_bundle(struct creation *c)
{
	if (!c->o->bundle)
		return loci__err_set(c->err, LOCI_E_USAGE, "no bundle is given");
	c->bundle = realpath(c->o->bundle, NULL);
	if (!c->bundle)
		return loci__err_sys(c->err, "bundle '%s'", c->o->bundle);
	c->bundle_fd = open(c->bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->bundle_fd < 0)
		return loci__err_sys(c->err, "bundle '%s'", c->bundle);
	loci__cleanup_free char *text = NULL;
	size_t n;
	int rc = loci__read_file(c->bundle_fd, "config.json", LOCI_RUNTIME_CONFIG_MAX_BYTES, &text,
	                         &n, c->err);
	if (rc >= 0)
		rc = loci__runtime_config_parse(text, n, &c->config, c->err);
	if (rc < 0)
		return loci__err_prefix(c->err, rc, "bundle '%s'", c->bundle);
	c->has_config = true;
	return 0;
}

static void log_warnings(struct creation *c, const struct loci_buf *warnings)
{
	for (const char *p = warnings->p; p && *p;) {
		size_t n = strcspn(p, "\n");
		loci__log(c->rt->log, LOCI_LOG_WARN, COMPONENT, "%.*s", (int)n, p);
		p += n;
		p += *p == '\n';
	}
}

static int make_plan(struct creation *c)
{
	loci__cleanup_buf struct loci_buf warnings = LOCI_BUF_INIT(1 << 16);
	int rc = loci__plan_make(&c->config, c->id, c->o, c->rt->cgroup_manager, &warnings,
	                         &c->plan, c->err);
	log_warnings(c, &warnings);
	c->has_plan = rc >= 0;
	return rc;
}

static int check_console(struct creation *c)
{
	bool wants = c->config.terminal;
	if (wants && !c->o->console_socket && !c->o->ret_master_fd)
		return loci__err_set(c->err, LOCI_E_USAGE,
		                     "$.process.terminal: a console socket is needed");
	if (!wants && c->o->console_socket)
		return loci__err_set(c->err, LOCI_E_USAGE,
		                     "console socket: $.process.terminal is not set");
	return 0;
}

/* An fd that is not open now could become one of ours, and one that is closed on exec was opened by
 * this program: neither was passed to us to be passed on. */
static int check_preserved(struct creation *c)
{
	for (unsigned i = 0; i < c->o->preserve_fds; i++) {
		int flags = fcntl(3 + (int)i, F_GETFD);
		if (flags < 0 || (flags & FD_CLOEXEC))
			return loci__err_set(c->err, LOCI_E_INVALID,
			                     "preserved fd %u: is not open, or closed on exec",
			                     3 + i);
	}
	if (c->o->listen_fds > c->o->preserve_fds)
		return loci__err_set(c->err, LOCI_E_USAGE,
		                     "%u listening fds, but only %u are preserved",
		                     c->o->listen_fds, c->o->preserve_fds);
	return 0;
}

/* --- what the child needs ------------------------------------------------------------------- */

static int make_state_dir(struct creation *c)
{
	if (mkdirat(c->rt->root_fd, c->id, 0700) < 0)
		return errno == EEXIST
		               ? loci__err_set(c->err, LOCI_E_EXISTS,
		                               "container '%s': exists already", c->id)
		               : loci__err_sys(c->err, "container '%s': make its state directory",
		                               c->id);
	int rc = loci__state_lock(c->rt, c->id, &c->dir_fd, c->err);
	if (rc < 0) {
		unlinkat(c->rt->root_fd, c->id, AT_REMOVEDIR);
		return rc;
	}
	size_t n = strlen(c->rt->root) + strlen(c->id) + 2;
	c->attach_path = malloc(n);
	if (!c->attach_path)
		return loci__err_nomem(c->err);
	snprintf(c->attach_path, n, "%s/%s", c->rt->root, c->id);
	return 0;
}

/* sysctls of a "namespace of its own" that is joined and happens to be ours would be the host's. */
static int check_not_ours(struct creation *c, const struct loci__plan_namespace *ns, int fd)
{
	static const struct {
		uint64_t flag;
		const char *path;
	} own[] = {{CLONE_NEWNET, "/proc/self/ns/net"},
	           {CLONE_NEWIPC, "/proc/self/ns/ipc"},
	           {CLONE_NEWUTS, "/proc/self/ns/uts"}};
	struct stat theirs, ours;
	for (size_t i = 0; i < loci__array_len(own); i++) {
		if (own[i].flag != ns->flag)
			continue;
		if (fstat(fd, &theirs) < 0 || stat(own[i].path, &ours) < 0)
			return loci__err_sys(c->err, "look at the namespace '%s'", ns->path);
		if (theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev &&
		    (c->config.sysctl.n > 0 ||
		     (ns->flag == CLONE_NEWUTS && (c->config.hostname || c->config.domainname))))
			return loci__err_set(c->err, LOCI_E_INVALID,
			                     "namespace '%s': is the host's, whose settings a "
			                     "container must not change",
			                     ns->path);
	}
	return 0;
}

static int open_namespace(struct creation *c, size_t i)
{
	const struct loci__plan_namespace *ns = &c->plan.namespaces[i];
	c->ns_fds[i] = -1;
	if (!ns->path)
		return 0;
	loci__cleanup_close int fd = open(ns->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return loci__err_sys(c->err, "open the namespace '%s'", ns->path);
	int type = ioctl(fd, NS_GET_NSTYPE);
	if (type < 0 || (uint64_t)(unsigned)type != ns->flag)
		return loci__err_set(c->err, LOCI_E_INVALID,
		                     "$.linux.namespaces[%zu].path: '%s' is no %s namespace", i,
		                     ns->path, loci__namespace_name(ns->flag));
	int rc = check_not_ours(c, ns, fd);
	if (rc < 0)
		return rc;
	if (ns->flag == CLONE_NEWPID)
		c->pid_ns_fd = loci__steal_fd(&fd);
	else
		c->ns_fds[i] = loci__steal_fd(&fd);
	return 0;
}

static int open_namespaces(struct creation *c)
{
	size_t n = c->plan.n_namespaces;
	c->ns_fds = loci__arena_array(&c->plan.arena, n + 1, sizeof(*c->ns_fds));
	if (!c->ns_fds)
		return loci__err_nomem(c->err);
	for (size_t i = 0; i < n; i++)
		c->ns_fds[i] = -1;
	int rc = 0;
	for (size_t i = 0; rc >= 0 && i < n; i++)
		rc = open_namespace(c, i);
	return rc;
}

/* What we do not have ourselves cannot be given: the spec wants a warning, no failure. */
static void cut_capabilities(struct creation *c, uint64_t have)
{
	enum { EFFECTIVE = 1, INHERITABLE, PERMITTED, AMBIENT };
	uint64_t *caps = c->caps;
	for (size_t set = 0; set < 5; set++) {
		for (int n = 0; n < 64; n++)
			if (c->plan.caps[set] & ~have & (UINT64_C(1) << n))
				loci__log(c->rt->log, LOCI_LOG_WARN, COMPONENT,
				          "$.process.capabilities.%s: %s cannot be granted here",
				          loci__cap_set_names[set], loci__cap_name(n));
		caps[set] = c->plan.caps[set] & have;
	}
	caps[EFFECTIVE] &= caps[PERMITTED];
	uint64_t ambient = caps[AMBIENT];
	caps[AMBIENT] &= caps[PERMITTED] & caps[INHERITABLE];
	if (ambient != caps[AMBIENT])
		loci__log(c->rt->log, LOCI_LOG_WARN, COMPONENT,
		          "$.process.capabilities.ambient: only what is permitted and inheritable "
		          "can be ambient");
}

static int find_capabilities(struct creation *c)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	if (syscall(SYS_capget, &header, data) < 0)
		return loci__err_sys(c->err, "get the capabilities");
	c->last_cap = CAP_LAST_CAP;
	while (c->last_cap < 63 && prctl(PR_CAPBSET_READ, c->last_cap + 1) >= 0)
		c->last_cap++;
	while (c->last_cap > 0 && prctl(PR_CAPBSET_READ, c->last_cap) < 0)
		c->last_cap--;
	cut_capabilities(c, data[0].permitted | (uint64_t)data[1].permitted << 32);
	return 0;
}

static int listen_for_start(struct creation *c)
{
	struct sockaddr_un addr;
	loci__socket_address(c->dir_fd, LOCI_START_SOCKET, &addr);
	c->start_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (c->start_fd < 0 || bind(c->start_fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(c->start_fd, 4) < 0)
		return loci__err_sys(c->err, "container '%s': make its start socket", c->id);
	return 0;
}

static int write_state(struct creation *c)
{
	return loci__state_write(c->dir_fd, c->id, c->bundle, &c->config,
	                         c->plan.cgroup_path ? &c->cg : NULL, c->pid, c->err);
}

static int make_cgroups(struct creation *c)
{
	if (!c->plan.cgroup_path)
		return write_state(c);
	int rc = loci__cgroup_prepare(&c->plan, &c->plan.arena, &c->cg, &c->limits, c->err);
	if (rc >= 0)
		rc = write_state(c); /* before they exist: a killed creator leaves their names */
	if (rc >= 0)
		rc = loci__cgroup_make(&c->plan, &c->limits, &c->cg, c->err);
	return rc;
}

static int prepare(struct creation *c)
{
	int rc = loci__rootfs_open(&c->plan, c->bundle_fd, c->o, &c->rootfs_fd, c->err);
	if (rc < 0 || (rc = open_namespaces(c)) < 0 || (rc = find_capabilities(c)) < 0 ||
	    (rc = make_cgroups(c)) < 0 || (rc = listen_for_start(c)) < 0)
		return rc;
	rc = loci__state_for_hooks(&c->config, c->id, c->bundle, &c->hook_state, &c->hook_block,
	                           c->err);
	if (rc >= 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, c->sync) < 0)
		return loci__err_sys(c->err, "make a socket pair");
	return rc;
}

/* --- clone ---------------------------------------------------------------------------------- */

static pid_t clone_child(struct creation *c)
{
	struct clone_args args = {.flags = (c->plan.new_namespaces & ~(uint64_t)CLONE_NEWCGROUP) |
	                                   CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
	                          .pidfd = (uintptr_t)&c->pidfd,
	                          .exit_signal = SIGCHLD};
	if (c->cg.unified_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)c->cg.unified_fd;
	}
	struct loci__child_job job = {.plan = &c->plan,
	                              .bundle = c->bundle,
	                              .attach_path = c->attach_path,
	                              .rootfs_fd = c->rootfs_fd,
	                              .ns_fds = c->ns_fds,
	                              .cgroup = c->plan.cgroup_path ? &c->cg : NULL,
	                              .sync_fd = c->sync[1],
	                              .start_fd = c->start_fd,
	                              .lock_fd = c->dir_fd,
	                              .preserve_fds = c->o->preserve_fds,
	                              .last_cap = c->last_cap,
	                              .foreground = c->o->flags & LOCI_CREATE_FOREGROUND,
	                              .hook_state = &c->hook_state};
	memcpy(job.caps, c->caps, sizeof(job.caps));
	pid_t pid = loci__clone3(&args);
	if (pid == 0) {
		close(c->sync[0]); /* or the end of the parent would not be seen */
		loci__child_main(&job);
	}
	return pid;
}

/* A pid namespace is joined by the one who clones, for the child. */
static int start_child(struct creation *c)
{
	loci__cleanup_close int own = -1;
	if (c->pid_ns_fd >= 0) {
		own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
		if (own < 0 || setns(c->pid_ns_fd, CLONE_NEWPID) < 0)
			return loci__err_sys(c->err, "join the pid namespace");
	}
	c->pid = clone_child(c);
	int saved = errno;
	if (own >= 0 && setns(own, CLONE_NEWPID) < 0 && c->pid >= 0)
		return loci__err_sys(c->err, "go back to the own pid namespace");
	if (c->pid < 0) {
		c->pid = 0;
		return loci__err_errno(c->err, saved, "clone the container's process");
	}
	loci__close_fd(&c->sync[1]);
	c->ran_hooks = c->config.create_container.n > 0; /* by the child, from now on */
	return 0;
}

/* --- the conversation ----------------------------------------------------------------------- */

static int receive(struct creation *c, struct loci__child_msg *msg, int *ret_fd)
{
	struct iovec iov = {msg, sizeof(*msg)};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr h = {.msg_iov = &iov,
	                   .msg_iovlen = 1,
	                   .msg_control = control.bytes,
	                   .msg_controllen = sizeof(control.bytes)};
	ssize_t n;
	do
		n = recvmsg(c->sync[0], &h, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return loci__err_sys(c->err, "hear from the container's process");
	if (n != sizeof(*msg)) {
		siginfo_t info = {0};
		loci__pidfd_send_signal(c->pidfd, SIGKILL);
		(void)waitid((idtype_t)P_PIDFD, (id_t)c->pidfd, &info, WEXITED | WNOWAIT);
		return loci__err_set(
		        c->err, LOCI_E_STATE, "the container's process ended early (%s %d)",
		        info.si_code == CLD_EXITED ? "status" : "signal", info.si_status);
	}
	struct cmsghdr *cm = CMSG_FIRSTHDR(&h);
	if (cm && cm->cmsg_type == SCM_RIGHTS && cm->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(ret_fd, CMSG_DATA(cm), sizeof(int));
	return 0;
}

/* The child's error with the text of its errno, which it could not look up itself. */
static int adopt_error(struct loci_error *err, const struct loci_error *from)
{
	if (from->sys_errno) {
		int rc = loci__err_errno(err, from->sys_errno, "%s", from->msg);
		return from->code == LOCI_E_SYS ? rc : from->code;
	}
	return loci__err_set(err, from->code, "%s", from->msg);
}

static int run_runtime_hooks(struct creation *c)
{
	c->ran_hooks = true;
	int rc = loci__hooks_run(&c->config.prestart, "prestart", &c->hook_state, "creating",
	                         c->pid, c->err);
	if (rc >= 0)
		rc = loci__hooks_run(&c->config.create_runtime, "createRuntime", &c->hook_state,
		                     "creating", c->pid, c->err);
	if (rc >= 0 && send(c->sync[0], "", 1, MSG_NOSIGNAL) < 0)
		return loci__err_sys(c->err, "answer the container's process");
	return rc;
}

static int take_master(struct creation *c, int fd)
{
	if (fd < 0)
		return loci__err_set(c->err, LOCI_E_PROTOCOL, "the terminal did not arrive");
	if (c->o->console_socket) {
		int rc = loci__console_send(c->o->console_socket, fd, c->err);
		close(fd);
		return rc;
	}
	c->master_fd = fd;
	return 0;
}

static int converse(struct creation *c)
{
	for (;;) {
		struct loci__child_msg msg;
		int fd = -1, rc = receive(c, &msg, &fd);
		if (rc < 0)
			return rc;
		switch (msg.event) {
		case LOCI_CHILD_READY: return 0;
		case LOCI_CHILD_CONSOLE: rc = take_master(c, fd); break;
		case LOCI_CHILD_HOOKS: rc = run_runtime_hooks(c); break;
		default: rc = adopt_error(c->err, &msg.err); break;
		}
		if (rc < 0)
			return rc;
	}
}

/* --- the end -------------------------------------------------------------------------------- */

static int write_pid_file(struct creation *c)
{
	if (!c->o->pid_file)
		return 0;
	char text[16];
	int n = snprintf(text, sizeof(text), "%d", c->pid);
	return loci__write_file_atomic(AT_FDCWD, c->o->pid_file, text, (size_t)n, 0644,
	                               /* sync= */ false, c->err);
}

/* From here on the container may outlive us: its state names it. The end of the connection says
 * that our death is no longer its own. */
static int release_child(struct creation *c)
{
	char none;
	if (send(c->sync[0], "", 1, MSG_NOSIGNAL) < 0)
		return loci__err_sys(c->err, "answer the container's process");
	while (recv(c->sync[0], &none, 1, 0) < 0)
		if (errno != EINTR)
			return loci__err_sys(c->err, "hear from the container's process");
	return 0;
}

static int keep_foreground(struct creation *c)
{
	if (!(c->o->flags & LOCI_CREATE_FOREGROUND))
		return 0;
	struct loci__foreground *f = malloc(sizeof(*f) + strlen(c->id) + 1);
	if (!f)
		return loci__err_nomem(c->err);
	memcpy(f->id, c->id, strlen(c->id) + 1);
	f->pid = c->pid;
	f->pidfd = loci__steal_fd(&c->pidfd);
	f->next = c->rt->children;
	c->rt->children = f;
	return 0;
}

static int finish(struct creation *c)
{
	int rc = write_state(c);
	if (rc < 0 || (rc = release_child(c)) < 0 || (rc = write_pid_file(c)) < 0 ||
	    (rc = keep_foreground(c)) < 0)
		return rc;
	if (c->o->ret_master_fd && c->config.terminal && !c->o->console_socket)
		*c->o->ret_master_fd = loci__steal_fd(&c->master_fd);
	return 0;
}

/* Everything that was begun. Its own failures are only logged: the first error is the news. */
static void undo(struct creation *c)
{
	struct loci_error e;
	if (c->pid > 0 && c->pidfd >= 0) {
		siginfo_t info;
		loci__pidfd_send_signal(c->pidfd, SIGKILL);
		(void)waitid((idtype_t)P_PIDFD, (id_t)c->pidfd, &info, WEXITED);
	}
	if (c->cg.path) {
		loci__cgroup_close(&c->cg);
		/* Hooks may have put more into it than the process; before it, nobody is ours. */
		if (c->pid > 0 && loci__cgroup_kill(&c->cg, SIGKILL, &e) < 0)
			loci__log_error(c->rt->log, LOCI_LOG_WARN, COMPONENT, "undo", &e);
		if (loci__cgroup_remove(&c->cg, &e) < 0)
			loci__log_error(c->rt->log, LOCI_LOG_WARN, COMPONENT, "undo", &e);
	}
	if (c->dir_fd >= 0 && loci__rm_tree(c->rt->root_fd, c->id, &e) < 0)
		loci__log_error(c->rt->log, LOCI_LOG_WARN, COMPONENT, "undo", &e);
	if (c->ran_hooks &&
	    loci__hooks_run(&c->config.poststop, "poststop", &c->hook_state, "stopped", 0, &e) < 0)
		loci__log_error(c->rt->log, LOCI_LOG_WARN, COMPONENT, "undo", &e);
}

static void done(struct creation *c)
{
	for (size_t i = 0; c->ns_fds && i < c->plan.n_namespaces; i++)
		loci__close_fd(&c->ns_fds[i]);
	loci__cgroup_close(&c->cg);
	loci__close_fd(&c->bundle_fd);
	loci__close_fd(&c->rootfs_fd);
	loci__close_fd(&c->pid_ns_fd);
	loci__close_fd(&c->start_fd);
	loci__close_fd(&c->sync[0]);
	loci__close_fd(&c->sync[1]);
	loci__close_fd(&c->pidfd);
	loci__close_fd(&c->master_fd);
	if (c->dir_fd >= 0)
		flock(c->dir_fd, LOCK_UN); /* the child's copy of the fd has it too */
	loci__close_fd(&c->dir_fd);
	free(c->bundle);
	free(c->attach_path);
	free(c->hook_block);
	if (c->has_plan)
		loci__plan_done(&c->plan);
	if (c->has_config)
		loci__runtime_config_done(&c->config);
}

static int create(struct creation *c)
{
	int rc = loci__id_check(c->id, c->err);
	if (rc < 0 || (rc = check_preserved(c)) < 0 || (rc = read_bundle(c)) < 0 ||
	    (rc = make_plan(c)) < 0 || (rc = check_console(c)) < 0)
		return rc;
	if (!c->config.has_process)
		return loci__err_set(c->err, LOCI_E_INVALID, "$.process: is required");
	if ((rc = make_state_dir(c)) < 0 || (rc = prepare(c)) < 0 || (rc = start_child(c)) < 0 ||
	    (rc = converse(c)) < 0)
		return rc;
	return finish(c);
}

static struct creation new_creation(struct loci_runtime *rt, const char *id,
                                    const struct loci_create_opts *o, struct loci_error *err)
{
	return (struct creation){.rt = rt,
	                         .id = id,
	                         .o = o,
	                         .err = err,
	                         .bundle_fd = -1,
	                         .dir_fd = -1,
	                         .rootfs_fd = -1,
	                         .pid_ns_fd = -1,
	                         .cg = LOCI_CGROUP_INIT,
	                         .start_fd = -1,
	                         .sync = {-1, -1},
	                         .pidfd = -1,
	                         .master_fd = -1};
}

int loci_runtime_create(struct loci_runtime *rt, const char *id, const struct loci_create_opts *o,
                        pid_t *ret_pid, struct loci_error *err)
{
	struct loci_error local; /* the steps prefix and hand on: they need one */
	struct creation c = new_creation(rt, id, o, err ? err : &local);
	int rc = create(&c);
	if (rc < 0)
		undo(&c);
	else if (ret_pid)
		*ret_pid = c.pid;
	done(&c);
	return rc;
}

int loci_runtime_plan(struct loci_runtime *rt, const char *id, const struct loci_create_opts *o,
                      char **ret, struct loci_error *err)
{
	struct loci_error local;
	struct creation c = new_creation(rt, id, o, err ? err : &local);
	int rc = loci__id_check(id, c.err);
	if (rc < 0 || (rc = read_bundle(&c)) < 0 || (rc = make_plan(&c)) < 0) {
		done(&c);
		return rc;
	}
	loci__cleanup_buf struct loci_buf out = LOCI_BUF_INIT(16u << 20);
	rc = loci__plan_print(&c.plan, &out, c.err);
	if (rc >= 0)
		*ret = loci__buf_steal(&out);
	done(&c);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "rtcore/runtime/child.h"

#include "core/base/err.h"
#include "core/base/fs.h"
#include "rtcore/runtime/sys.h"

#include <linux/keyctl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* --- reports -------------------------------------------------------------------------------- */

int loci__child_refuse(struct loci__child *c, int code, const char *what, const char *object)
{
	const char *const pieces[] = {what, " '", object, "'", NULL};
	loci__plain_error(&c->err, code, 0, pieces);
	return -1;
}

int loci__child_fail(struct loci__child *c, const char *what, const char *object)
{
	int saved = errno;
	loci__child_refuse(c, loci__err_code_of_errno(saved), what, object);
	c->err.sys_errno = saved;
	return -1;
}

int loci__child_send(struct loci__child *c, int event, int fd)
{
	struct loci__child_msg msg = {.event = event, .err = c->err};
	struct iovec iov = {&msg, sizeof(msg)};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	if (fd >= 0) {
		memset(&control, 0, sizeof(control));
		h.msg_control = control.bytes;
		h.msg_controllen = sizeof(control.bytes);
		struct cmsghdr *cm = CMSG_FIRSTHDR(&h);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cm), &fd, sizeof(fd));
	}
	if (sendmsg(c->job->sync_fd, &h, MSG_NOSIGNAL) < 0)
		return loci__child_fail(c, "report to the", "runtime");
	return 0;
}

/* --- operations without files --------------------------------------------------------------- */

static int do_loopback(struct loci__child *c, const struct loci__op *op)
{
	(void)op;
	/* One ioctl; the kernel adds 127.0.0.1 and ::1 by itself when lo comes up. */
	loci__cleanup_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &req) < 0)
		return loci__child_fail(c, "bring up the interface", "lo");
	return 0;
}

static int do_hostname(struct loci__child *c, const struct loci__op *op)
{
	if (sethostname(op->text, strlen(op->text)) < 0)
		return loci__child_fail(c, "set the host name to", op->text);
	return 0;
}

static int do_domainname(struct loci__child *c, const struct loci__op *op)
{
	if (setdomainname(op->text, strlen(op->text)) < 0)
		return loci__child_fail(c, "set the domain name to", op->text);
	return 0;
}

static int do_propagation(struct loci__child *c, const struct loci__op *op)
{
	loci__cleanup_close int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || loci__mount_setattr(fd, AT_RECURSIVE, 0, 0, op->value) < 0)
		return loci__child_fail(c, "set the propagation of", "/");
	return 0;
}

static int do_root_propagation(struct loci__child *c, const struct loci__op *op)
{
	if (loci__mount_setattr(c->root, 0, 0, 0, op->value) < 0)
		return loci__child_fail(c, "set the propagation of the", "rootfs");
	return 0;
}

static int do_root_attr(struct loci__child *c, const struct loci__op *op)
{
	if (loci__mount_setattr(c->root, 0, op->value, 0, 0) < 0)
		return loci__child_fail(c, "make read-only the", "rootfs");
	return 0;
}

/* pivot_root onto itself: the old root ends up under the new one, is detached, and no directory
 * had to be made for it. */
static int do_pivot(struct loci__child *c, const struct loci__op *op)
{
	if (fchdir(c->root) < 0)
		return loci__child_fail(c, "enter the", "rootfs");
	if (op->value) { /* no pivot: on a root that is the kernel's first (initramfs) */
		loci__cleanup_close int top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (top < 0 || loci__attach_mount(c->root, top) < 0 || chroot(".") < 0)
			return loci__child_fail(c, "move the rootfs to", "/");
	} else {
		if (syscall(SYS_pivot_root, ".", ".") < 0)
			return loci__child_fail(c, "pivot to the", "rootfs");
		if (loci__umount_lazy(".") < 0)
			return loci__child_fail(c, "detach the old", "root");
	}
	return chdir("/") < 0 ? loci__child_fail(c, "enter", "/") : 0;
}

/* A procfs that is only ours: the container's /proc could be anything. */
static int own_proc(struct loci__child *c)
{
	if (c->proc >= 0)
		return 0;
	loci__cleanup_close int fs = loci__fsopen("proc");
	if (fs < 0 || loci__fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ||
	    (c->proc = loci__fsmount(fs, 0)) < 0)
		return loci__child_fail(c, "make a", "procfs");
	return 0;
}

static int write_proc(struct loci__child *c, const char *path, const char *text)
{
	if (own_proc(c) < 0)
		return -1;
	loci__cleanup_close int fd = loci__open_beneath(c->proc, path, O_WRONLY, 0);
	if (fd < 0 || loci__write_all(fd, text, strlen(text)) < 0)
		return loci__child_fail(c, "write to /proc:", path);
	return 0;
}

static int do_sysctl(struct loci__child *c, const struct loci__op *op)
{
	if (own_proc(c) < 0)
		return -1;
	loci__cleanup_close int sys = loci__open_beneath(c->proc, "sys", O_PATH | O_DIRECTORY, 0);
	loci__cleanup_close int fd = sys < 0 ? -1 : loci__open_beneath(sys, op->path, O_WRONLY, 0);
	if (fd < 0 || loci__write_all(fd, op->text, strlen(op->text)) < 0)
		return loci__child_fail(c, "set the sysctl", op->path);
	return 0;
}

static void format_i64(int64_t v, char buf[24])
{
	char digits[24];
	size_t n = 0, len = 0;
	uint64_t u = v < 0 ? -(uint64_t)v : (uint64_t)v;
	do
		digits[n++] = (char)('0' + u % 10);
	while ((u /= 10) > 0);
	if (v < 0)
		buf[len++] = '-';
	while (n > 0)
		buf[len++] = digits[--n];
	buf[len] = '\0';
}

static int do_oom_score(struct loci__child *c, const struct loci__op *op)
{
	char path[64], score[24];
	format_i64(getpid(), path);
	memcpy(path + strlen(path), "/oom_score_adj", sizeof("/oom_score_adj"));
	format_i64(op->number, score);
	if (write_proc(c, path, score) < 0)
		return loci__child_fail(c, "set the oom score to", score);
	return 0;
}

static int do_rlimit(struct loci__child *c, const struct loci__op *op)
{
	struct rlimit r = {op->rlimit.soft, op->rlimit.hard};
	if (setrlimit((__rlimit_resource_t)op->rlimit.resource, &r) < 0)
		return loci__child_fail(c, "set the limit", op->text);
	return 0;
}

static int do_io_priority(struct loci__child *c, const struct loci__op *op)
{
	if (syscall(SYS_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, 0, (int)op->value) < 0)
		return loci__child_fail(c, "set the I/O", "priority");
	return 0;
}

static int do_personality(struct loci__child *c, const struct loci__op *op)
{
	if (syscall(SYS_personality, op->value) < 0)
		return loci__child_fail(c, "set the", "personality");
	return 0;
}

/* The parent runs its hooks between our message and its byte. */
static int do_hooks_runtime(struct loci__child *c, const struct loci__op *op)
{
	(void)op;
	char go;
	if (loci__child_send(c, LOCI_CHILD_HOOKS, -1) < 0)
		return -1;
	if (recv(c->job->sync_fd, &go, 1, 0) != 1)
		return loci__child_refuse(c, LOCI_E_CANCELED, "no word from the", "runtime");
	return 0;
}

static int do_hooks_container(struct loci__child *c, const struct loci__op *op)
{
	(void)op;
	return loci__hooks_run(&c->job->plan->config->create_container, "createContainer",
	                       c->job->hook_state, "creating", getpid(), &c->err) < 0
	               ? -1
	               : 0;
}

static int (*const operations[LOCI_N_OPS])(struct loci__child *, const struct loci__op *) = {
        [LOCI_OP_LOOPBACK] = do_loopback,
        [LOCI_OP_HOSTNAME] = do_hostname,
        [LOCI_OP_DOMAINNAME] = do_domainname,
        [LOCI_OP_PROPAGATION] = do_propagation,
        [LOCI_OP_ROOTFS] = loci__child_rootfs,
        [LOCI_OP_MOUNT] = loci__child_mount,
        [LOCI_OP_CGROUP_MOUNT] = loci__child_cgroup_mount,
        [LOCI_OP_DEVICE] = loci__child_device,
        [LOCI_OP_SYMLINK] = loci__child_symlink,
        [LOCI_OP_CONSOLE] = loci__child_console,
        [LOCI_OP_DIRECTORY] = loci__child_directory,
        [LOCI_OP_SYSCTL] = do_sysctl,
        [LOCI_OP_MASK] = loci__child_mask,
        [LOCI_OP_READONLY] = loci__child_readonly,
        [LOCI_OP_HOOKS_RUNTIME] = do_hooks_runtime,
        [LOCI_OP_HOOKS_CONTAINER] = do_hooks_container,
        [LOCI_OP_ROOT_ATTR] = do_root_attr,
        [LOCI_OP_PIVOT] = do_pivot,
        [LOCI_OP_ROOT_PROPAGATION] = do_root_propagation,
        [LOCI_OP_OOM_SCORE] = do_oom_score,
        [LOCI_OP_RLIMIT] = do_rlimit,
        [LOCI_OP_IO_PRIORITY] = do_io_priority,
        [LOCI_OP_PERSONALITY] = do_personality,
};

/* --- from clone to created ------------------------------------------------------------------ */

static int join_cgroups(struct loci__child *c)
{
	const struct loci__cgroup *cg = c->job->cgroup;
	for (size_t i = 0; cg && i < cg->n_v1; i++)
		if (write(cg->v1_tasks[i], "0", 1) != 1)
			return loci__child_fail(c, "join the cgroup of", cg->v1[i]);
	/* Only now: the namespace's root is where its first process is. */
	if ((c->job->plan->new_namespaces & CLONE_NEWCGROUP) && unshare(CLONE_NEWCGROUP) < 0)
		return loci__child_fail(c, "make a namespace:", "cgroup");
	return 0;
}

static int join_namespaces(struct loci__child *c)
{
	const struct loci__plan *plan = c->job->plan;
	for (size_t i = 0; i < plan->n_namespaces; i++)
		if (c->job->ns_fds[i] >= 0 &&
		    setns(c->job->ns_fds[i], (int)plan->namespaces[i].flag) < 0)
			return loci__child_fail(c, "join the namespace", plan->namespaces[i].path);
	return 0;
}

static int begin(struct loci__child *c)
{
	/* A parent that dies from here on takes us along; one that is dead already is noticed
	 * when we report. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_DUMPABLE, 0);
	close(c->job->lock_fd);
	c->umask = umask(0);
	setsid();
	/* The caller's keys are not the container's. Kernels may be without keyrings. */
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
		return loci__child_fail(c, "make a session", "keyring");
	if (chdir(c->job->bundle) < 0)
		return loci__child_fail(c, "enter the bundle", c->job->bundle);
	return 0;
}

static int use_terminal(struct loci__child *c)
{
	if (c->tty < 0)
		return 0;
	if (ioctl(c->tty, TIOCSCTTY, 0) < 0)
		return loci__child_fail(c, "take the terminal", "/dev/console");
	for (int fd = 0; fd < 3; fd++)
		if (dup2(c->tty, fd) < 0)
			return loci__child_fail(c, "use the terminal", "/dev/console");
	return 0;
}

static int create(struct loci__child *c)
{
	const struct loci__plan *plan = c->job->plan;
	if (begin(c) < 0 || join_cgroups(c) < 0 || join_namespaces(c) < 0)
		return -1;
	for (size_t i = 0; i < plan->n_ops; i++)
		if (operations[plan->ops[i].kind](c, &plan->ops[i]) < 0)
			return -1;
	return use_terminal(c);
}

static int close_between(unsigned first, unsigned last)
{
	return first > last ? 0 : (int)syscall(SYS_close_range, first, last, 0);
}

/* Until start only what start needs stays open: nothing of the host's that another process in a
 * shared pid namespace could reach, and nothing whose end the caller may wait for. */
static int let_go(struct loci__child *c)
{
	unsigned first = 3 + c->job->preserve_fds, start = (unsigned)c->job->start_fd;
	char written;
	if (recv(c->job->sync_fd, &written, 1, 0) != 1)
		return -1; /* the runtime is gone, and nobody would find us */
	if (!c->job->foreground)
		prctl(PR_SET_PDEATHSIG, 0);
	c->root = c->proc = c->tty = c->mask_dir = -1;
	if (start < first)
		return close_between(first, ~0U);
	return close_between(first, start - 1) < 0 ? -1 : close_between(start + 1, ~0U);
}

/* Whoever connects and says one byte starts us; one who hangs up before changed his mind. */
static int wait_for_start(struct loci__child *c)
{
	for (;;) {
		char go;
		c->conn = accept4(c->job->start_fd, NULL, NULL, SOCK_CLOEXEC);
		if (c->conn < 0 && errno != EINTR && errno != ECONNABORTED)
			return -1;
		if (c->conn >= 0 && recv(c->conn, &go, 1, 0) == 1)
			return 0;
		loci__close_fd(&c->conn);
	}
}

_Noreturn void loci__child_main(const struct loci__child_job *job)
{
	struct loci__child c = {
	        .job = job, .root = -1, .proc = -1, .tty = -1, .mask_dir = -1, .conn = -1};
	if (create(&c) < 0) {
		(void)loci__child_send(&c, LOCI_CHILD_FAILED, -1);
		_exit(1);
	}
	if (loci__child_send(&c, LOCI_CHILD_READY, -1) < 0 || let_go(&c) < 0 ||
	    wait_for_start(&c) < 0)
		_exit(1);
	loci__child_exec(&c);
	(void)send(c.conn, &c.err, sizeof(c.err), MSG_NOSIGNAL);
	_exit(127);
}

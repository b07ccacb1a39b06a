/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's first process, from clone to exec. It executes the plan and nothing else: no
 * malloc, no stdio, no callback; its memory is a copy of the parent's at the clone. What goes wrong
 * is sent to the parent as one message.
 */
#ifndef LOCI_RUNTIME_CHILD_H
#define LOCI_RUNTIME_CHILD_H

#include "rtcore/runtime/cgroup.h"
#include "rtcore/runtime/hook.h"
#include "rtcore/runtime/plan.h"

enum loci__child_event {
	LOCI_CHILD_FAILED = 1, /* .err; the child exits */
	LOCI_CHILD_HOOKS,      /* waits for a byte while the parent runs hooks */
	LOCI_CHILD_CONSOLE,    /* carries the pty master */
	LOCI_CHILD_READY       /* created: waits for a byte that says that its state is written,
	                          lets go of the runtime, then waits for start */
};
/* One SOCK_SEQPACKET message. */
struct loci__child_msg {
	int event;
	struct loci_error err; /* without the errno's text, which the parent adds */
};

struct loci__child_job {
	const struct loci__plan *plan;
	const char *bundle;                /* absolute; sources of binds are relative to it */
	const char *attach_path;           /* a directory to attach the rootfs to, hidden by it */
	int rootfs_fd;                     /* detached mount */
	const int *ns_fds;                 /* in the plan's order; -1 for new ones and for pid */
	const struct loci__cgroup *cgroup; /* NULL: none */
	int sync_fd;                       /* to the parent */
	int start_fd;                      /* listening; start connects */
	int lock_fd;      /* the state directory: ours to close, or its lock would live on */
	uint64_t caps[5]; /* cut to what can be granted */
	unsigned preserve_fds;
	unsigned last_cap;
	bool foreground; /* dies with the parent, in the container's program too */
	const struct loci__hook_state *hook_state;
};

/* In the new process; does not return. */
_Noreturn void loci__child_main(const struct loci__child_job *job);

/* --- inside the child's files --------------------------------------------------------------- */

struct loci__child {
	const struct loci__child_job *job;
	int root;     /* the rootfs, attached: everything is looked up below it */
	int proc;     /* a procfs of our own that no mount of the container covers, or -1 */
	int tty;      /* slave of the console, or -1 */
	int mask_dir; /* the first masking tmpfs, or -1 */
	int conn;     /* to who started us, or -1 */
	mode_t umask; /* the caller's */
	struct loci_error err;
};

/* Notes "what 'object'" with errno; returns -1. */
int loci__child_fail(struct loci__child *c, const char *what, const char *object);
/* The same for a failure that is no system call's. */
int loci__child_refuse(struct loci__child *c, int code, const char *what, const char *object);
int loci__child_send(struct loci__child *c, int event, int fd);

/* The operations on file systems. */
int loci__child_rootfs(struct loci__child *c, const struct loci__op *op);
int loci__child_mount(struct loci__child *c, const struct loci__op *op);
int loci__child_cgroup_mount(struct loci__child *c, const struct loci__op *op);
int loci__child_device(struct loci__child *c, const struct loci__op *op);
int loci__child_symlink(struct loci__child *c, const struct loci__op *op);
int loci__child_console(struct loci__child *c, const struct loci__op *op);
int loci__child_directory(struct loci__child *c, const struct loci__op *op);
int loci__child_mask(struct loci__child *c, const struct loci__op *op);
int loci__child_readonly(struct loci__child *c, const struct loci__op *op);
/* After the start: ids, capabilities, seccomp, exec. Returns only to report. */
int loci__child_exec(struct loci__child *c);

#endif

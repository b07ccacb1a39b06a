/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OCI runtime (runtime-spec runtime.md): bundles to containers. Knows no images and no store.
 *
 * create and run clone: call them in a single-threaded process. Everything else may be called from
 * any one thread.
 */
#ifndef LOCI_RUNTIME_H
#define LOCI_RUNTIME_H

#include "loci/error.h"
#include "loci/log.h"

LOCI_BEGIN_DECLS

struct loci_runtime; /* a state root and defaults */

enum loci_cgroup_manager { LOCI_CGROUP_FS = 0, LOCI_CGROUP_DISABLED };
struct loci_runtime_opts {
	size_t struct_size;
	const struct loci_log *log;
	const char *root;   /* state directory, e.g. /run/ocirun; made if missing */
	int cgroup_manager; /* enum loci_cgroup_manager */
};
LOCI_API LOCI_CHECK int loci_runtime_open(const struct loci_runtime_opts *o,
                                          struct loci_runtime **ret, struct loci_error *err);
LOCI_API void loci_runtime_close(struct loci_runtime *rt);

enum loci_container_status {
	LOCI_CONTAINER_CREATING = 1,
	LOCI_CONTAINER_CREATED,
	LOCI_CONTAINER_RUNNING,
	LOCI_CONTAINER_STOPPED
};
LOCI_API const char *loci_container_status_name(int status);

enum loci_create_flag {
	LOCI_CREATE_NO_PIVOT = 1 << 0,
	/** Stay with the container: the caller is its parent and reaps it (run); without it the
	 *  container outlives the caller and is found again by its state (create). */
	LOCI_CREATE_FOREGROUND = 1 << 1
};
struct loci_create_opts {
	size_t struct_size;
	const char *bundle;         /* directory with config.json */
	const char *console_socket; /* AF_UNIX path that gets the pty master, as runc sends it; or
	                               NULL */
	const char *pid_file;       /* or NULL */
	unsigned preserve_fds;      /* fds 3 … 3+n-1 are passed on: open, and not closed on exec,
	                               which tells the caller's from this program's own */
	unsigned flags;             /* enum loci_create_flag */
	/** With process.terminal and no console_socket: gets the pty master, the caller's. */
	int *ret_master_fd;
	/** Overlay rootfs instead of root.path: lowerdir fds, topmost first; upper and work fds. */
	const int *overlay_lower_fds;
	size_t n_overlay_lower_fds;
	int overlay_upper_fd; /* with lowers: -1 for a read-only rootfs */
	int overlay_work_fd;
	/** Of the preserved fds, how many are listening sockets: the container gets LISTEN_FDS and
	 *  LISTEN_PID=1 (sd_listen_fds). */
	unsigned listen_fds;
};

/** Validates the bundle without touching the kernel, and prints the plan as text. *ret is
 * malloc'ed. */
LOCI_API LOCI_CHECK int loci_runtime_plan(struct loci_runtime *rt, const char *id,
                                          const struct loci_create_opts *o, char **ret,
                                          struct loci_error *err);
/** Expected errors: EXISTS, INVALID (names the JSON path), NOT_FOUND, UNSUPPORTED, DENIED, BUSY
 * (its cgroup has processes, which stay). On failure nothing is left behind. */
LOCI_API LOCI_CHECK int loci_runtime_create(struct loci_runtime *rt, const char *id,
                                            const struct loci_create_opts *o, pid_t *ret_pid,
                                            struct loci_error *err);
/** Expected errors: NOT_FOUND, STATE. An exec that fails (no such program) is reported here with
 *  sys_errno. */
LOCI_API LOCI_CHECK int loci_runtime_start(struct loci_runtime *rt, const char *id,
                                           struct loci_error *err);
enum loci_kill_flag { LOCI_KILL_ALL = 1 << 0 };
LOCI_API LOCI_CHECK int loci_runtime_kill(struct loci_runtime *rt, const char *id, int signo,
                                          unsigned flags, struct loci_error *err);
enum loci_delete_flag { LOCI_DELETE_FORCE = 1 << 0 };
LOCI_API LOCI_CHECK int loci_runtime_delete(struct loci_runtime *rt, const char *id, unsigned flags,
                                            struct loci_error *err);
/** *ret_json: the state of runtime.md "State", malloc'ed; either result may be NULL. */
LOCI_API LOCI_CHECK int loci_runtime_state(struct loci_runtime *rt, const char *id, int *ret_status,
                                           char **ret_json, struct loci_error *err);
/** Calls fn with each container's id, in byte order; non-zero stops with CALLBACK. */
LOCI_API LOCI_CHECK int loci_runtime_foreach(struct loci_runtime *rt,
                                             int (*fn)(void *arg, const char *id), void *arg,
                                             struct loci_error *err);
/** Waits for the init of a container made with LOCI_CREATE_FOREGROUND: 0 … 255, or 128 + signal. */
LOCI_API LOCI_CHECK int loci_runtime_wait(struct loci_runtime *rt, const char *id, int *ret_status,
                                          struct loci_error *err);

/** Call first in main of a program that creates containers: makes sure that the running program is
 *  no file that a container could write (through /proc/self/exe) by starting it again from a
 *  read-only mount of itself or a sealed copy. Returns 0 when that is so already; otherwise does
 *  not return, unless it fails. Expected errors: DENIED, SYS. */
LOCI_API LOCI_CHECK int loci_runtime_protect_self(char *const argv[], char *const envp[],
                                                  struct loci_error *err);

LOCI_END_DECLS
#endif

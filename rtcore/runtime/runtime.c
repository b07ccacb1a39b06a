/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs on containers that exist: start, kill, delete, state, list, wait. */
#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/fs.h"
#include "core/base/logger.h"
#include "rtcore/runtime/console.h"
#include "rtcore/runtime/state.h"
#include "rtcore/runtime/sys.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#define COMPONENT     "runtime"
#define DEFAULT_ROOT  "/run/ocirun"
#define KILL_DEADLINE 10000 /* ms that a killed process may take to go */
#define LIST_MAX      100000

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

int loci_runtime_open(const struct loci_runtime_opts *o, struct loci_runtime **ret,
                      struct loci_error *err)
{
	struct loci_runtime *rt = calloc(1, sizeof(*rt));
	if (!rt)
		return loci__err_nomem(err);
	const char *root = o->root ? o->root : DEFAULT_ROOT;
	rt->log = o->log;
	rt->cgroup_manager = o->cgroup_manager;
	rt->root_fd = -1;
	int rc = loci__mkdirs_open(AT_FDCWD, root, 0700, &rt->root_fd, err);
	if (rc >= 0 && !(rt->root = realpath(root, NULL)))
		rc = loci__err_sys(err, "state directory '%s'", root);
	if (rc < 0) {
		loci_runtime_close(rt);
		return rc;
	}
	*ret = rt;
	return 0;
}

void loci_runtime_close(struct loci_runtime *rt)
{
	if (!rt)
		return;
	for (struct loci__foreground *f = rt->children, *next; f; f = next) {
		next = f->next;
		loci__close_fd(&f->pidfd);
		free(f);
	}
	loci__close_fd(&rt->root_fd);
	free(rt->root);
	free(rt);
}

/* --- start ---------------------------------------------------------------------------------- */

/* End of file is the exec's doing (the socket is close-on-exec); anything else is an error. */
static int hear_exec(int fd, const char *id, struct loci_error *err)
{
	struct loci_error theirs;
	ssize_t n;
	do
		n = recv(fd, &theirs, sizeof(theirs), 0);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return 0;
	if (n < 0)
		return loci__err_sys(err, "container '%s': start", id);
	if (n != sizeof(theirs))
		return loci__err_set(err, LOCI_E_PROTOCOL,
		                     "container '%s': start: a message of %zd bytes", id, n);
	theirs.msg[sizeof(theirs.msg) - 1] = '\0';
	if (!theirs.sys_errno)
		return loci__err_set(err, theirs.code, "container '%s': %s", id, theirs.msg);
	return loci__err_errno(err, theirs.sys_errno, "container '%s': %s", id, theirs.msg);
}

static int signal_start(int dir_fd, const char *id, struct loci_error *err)
{
	struct sockaddr_un addr;
	loci__socket_address(dir_fd, LOCI_START_SOCKET, &addr);
	loci__cleanup_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    send(fd, "", 1, MSG_NOSIGNAL) < 0)
		return loci__err_sys(err, "container '%s': reach its process", id);
	int rc = hear_exec(fd, id, err);
	unlinkat(dir_fd, LOCI_START_SOCKET, 0);
	return rc;
}

static int run_hooks(const struct loci__state *s, const struct loci__cfg_hooks *hooks,
                     const char *kind, int status, struct loci_error *err)
{
	if (hooks->n == 0)
		return 0;
	loci__cleanup_free char *block = NULL;
	struct loci__hook_state state;
	struct loci_error local;
	int rc = loci__state_for_hooks(&s->config, s->id, s->bundle, &state, &block, err);
	if (rc < 0)
		return rc;
	return loci__hooks_run(hooks, kind, &state, loci_container_status_name(status),
	                       status == LOCI_CONTAINER_STOPPED ? 0 : s->pid, err ? err : &local);
}

static int wrong_status(const char *id, const char *verb, int status, struct loci_error *err)
{
	return loci__err_set(err, LOCI_E_STATE, "container '%s': cannot %s, it is %s", id, verb,
	                     loci_container_status_name(status));
}

int loci_runtime_start(struct loci_runtime *rt, const char *id, struct loci_error *err)
{
	loci__cleanup_close int dir = -1;
	struct loci__state s;
	int rc = loci__state_lock(rt, id, &dir, err);
	if (rc < 0 || (rc = loci__state_read(dir, id, &s, err)) < 0)
		return rc;
	int status = loci__state_status(dir, &s, true);
	if (status != LOCI_CONTAINER_CREATED)
		rc = wrong_status(id, "start", status, err);
	if (rc >= 0)
		rc = signal_start(dir, id, err);
	if (rc >= 0) {
		rc = run_hooks(&s, &s.config.poststart, "poststart", LOCI_CONTAINER_RUNNING, err);
		loci__cleanup_close int pidfd = rc < 0 ? loci__state_pidfd(&s) : -1;
		if (pidfd >= 0) /* a failed hook stops the container */
			loci__pidfd_send_signal(pidfd, SIGKILL);
	}
	loci__state_done(&s);
	return rc;
}

/* --- kill ----------------------------------------------------------------------------------- */

int loci_runtime_kill(struct loci_runtime *rt, const char *id, int signo, unsigned flags,
                      struct loci_error *err)
{
	loci__cleanup_close int dir = -1;
	struct loci__state s;
	int rc = loci__state_open(rt, id, &dir, err);
	if (rc < 0 || (rc = loci__state_read(dir, id, &s, err)) < 0)
		return rc;
	bool all = (flags & LOCI_KILL_ALL) && s.cgroup.path;
	loci__cleanup_close int pidfd = loci__state_pidfd(&s);
	if (all)
		rc = loci__cgroup_kill(&s.cgroup, signo, err);
	else if (pidfd < 0)
		rc = wrong_status(id, "kill", loci__state_status(dir, &s, false), err);
	else if (loci__pidfd_send_signal(pidfd, signo) < 0)
		rc = errno == ESRCH
		             ? wrong_status(id, "kill", LOCI_CONTAINER_STOPPED, err)
		             : loci__err_sys(err, "container '%s': send signal %d", id, signo);
	loci__state_done(&s);
	return rc;
}

/* --- delete --------------------------------------------------------------------------------- */

static int kill_and_wait(const struct loci__state *s, struct loci_error *err)
{
	loci__cleanup_close int pidfd = loci__state_pidfd(s);
	if (pidfd < 0)
		return 0;
	loci__pidfd_send_signal(pidfd, SIGKILL);
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	uint64_t deadline = loci__clock_ms() + KILL_DEADLINE;
	for (uint64_t now; (now = loci__clock_ms()) < deadline;)
		if (poll(&p, 1, (int)(deadline - now)) > 0)
			return 0;
	return loci__err_set(err, LOCI_E_TIMEOUT, "container '%s': its process does not end",
	                     s->id);
}

static int destroy(struct loci_runtime *rt, const struct loci__state *s, bool force,
                   struct loci_error *err)
{
	int rc = force ? kill_and_wait(s, err) : 0;
	if (rc < 0)
		return rc;
	if (s->cgroup.path) {
		/* Processes that outlived the first one, without a pid namespace of their own. */
		rc = loci__cgroup_kill(&s->cgroup, SIGKILL, err);
		if (rc >= 0)
			rc = loci__cgroup_remove(&s->cgroup, err);
	}
	if (rc >= 0)
		rc = loci__rm_tree(rt->root_fd, s->id, err);
	if (rc < 0)
		return loci__err_prefix(err, rc, "container '%s': delete", s->id);
	struct loci_error hook_err;
	if (run_hooks(s, &s->config.poststop, "poststop", LOCI_CONTAINER_STOPPED, &hook_err) < 0)
		loci__log_error(rt->log, LOCI_LOG_WARN, COMPONENT, "delete", &hook_err);
	return 0;
}

int loci_runtime_delete(struct loci_runtime *rt, const char *id, unsigned flags,
                        struct loci_error *err)
{
	loci__cleanup_close int dir = -1;
	struct loci__state s;
	bool force = flags & LOCI_DELETE_FORCE;
	int rc = loci__state_lock(rt, id, &dir, err);
	if (rc < 0)
		return rc;
	rc = loci__state_read(dir, id, &s, err);
	if (rc == LOCI_E_NOT_FOUND) /* a creator was killed before it made anything */
		return loci__rm_tree(rt->root_fd, id, err);
	if (rc < 0)
		return rc;
	int status = loci__state_status(dir, &s, true);
	if (status != LOCI_CONTAINER_STOPPED && !force)
		rc = wrong_status(id, "delete", status, err);
	else
		rc = destroy(rt, &s, force, err);
	loci__state_done(&s);
	return rc;
}

/* --- state, list, wait ---------------------------------------------------------------------- */

int loci_runtime_state(struct loci_runtime *rt, const char *id, int *ret_status, char **ret_json,
                       struct loci_error *err)
{
	loci__cleanup_close int dir = -1;
	struct loci__state s;
	int rc = loci__state_open(rt, id, &dir, err);
	if (rc < 0 || (rc = loci__state_read(dir, id, &s, err)) < 0)
		return rc;
	int status = loci__state_status(dir, &s, false);
	if (ret_json)
		rc = loci__state_format(&s, status, ret_json, err);
	if (rc >= 0 && ret_status)
		*ret_status = status;
	loci__state_done(&s);
	return rc;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_ids(struct loci_runtime *rt, char ***ret, size_t *ret_n, struct loci_error *err)
{
	loci__cleanup_close int fd = openat(rt->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	loci__cleanup_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return loci__err_sys(err, "list '%s'", rt->root);
	(void)loci__steal_fd(&fd); /* the stream's now */
	struct dirent *e;
	while ((e = readdir(dir))) {
		if (loci__id_check(e->d_name, NULL) < 0 || e->d_type == DT_REG)
			continue;
		if (*ret_n >= LIST_MAX)
			return loci__err_set(err, LOCI_E_TOO_LARGE, "list '%s': more than %d",
			                     rt->root, LIST_MAX);
		if ((*ret_n & (*ret_n - 1)) == 0) {
			char **grown = realloc(*ret, (*ret_n ? 2 * *ret_n : 1) * sizeof(*grown));
			if (!grown)
				return loci__err_nomem(err);
			*ret = grown;
		}
		if (!((*ret)[*ret_n] = strdup(e->d_name)))
			return loci__err_nomem(err);
		(*ret_n)++;
	}
	return 0;
}

int loci_runtime_foreach(struct loci_runtime *rt, int (*fn)(void *arg, const char *id), void *arg,
                         struct loci_error *err)
{
	char **ids = NULL;
	size_t n = 0;
	int rc = list_ids(rt, &ids, &n, err);
	if (rc >= 0 && n > 0)
		qsort(ids, n, sizeof(*ids), compare_names);
	for (size_t i = 0; rc >= 0 && i < n; i++)
		if (fn(arg, ids[i]) != 0)
			rc = loci__err_set(err, LOCI_E_CALLBACK, "list '%s': stopped", rt->root);
	for (size_t i = 0; i < n; i++)
		free(ids[i]);
	free(ids);
	return rc;
}

int loci_runtime_wait(struct loci_runtime *rt, const char *id, int *ret_status,
                      struct loci_error *err)
{
	struct loci__foreground **at = &rt->children;
	while (*at && strcmp((*at)->id, id) != 0)
		at = &(*at)->next;
	struct loci__foreground *f = *at;
	if (!f)
		return loci__err_set(err, LOCI_E_NOT_FOUND,
		                     "container '%s': was not created by this process", id);
	siginfo_t info = {0};
	while (waitid((idtype_t)P_PIDFD, (id_t)f->pidfd, &info, WEXITED) < 0)
		if (errno != EINTR)
			return loci__err_sys(err, "container '%s': wait", id);
	if (ret_status)
		*ret_status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
	*at = f->next;
	loci__close_fd(&f->pidfd);
	free(f);
	return 0;
}

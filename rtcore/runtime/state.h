/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a container is remembered: <root>/<id>/ with state.json (a config.json in small: version,
 * annotations and hooks as given, beside our own members) and the socket `start` that a created
 * container waits on. The directory's fd is locked (flock) by whoever changes the container.
 */
#ifndef LOCI_RUNTIME_STATE_H
#define LOCI_RUNTIME_STATE_H

#include "loci/runtime.h"
#include "rtcore/runtime/cgroup.h"
#include "rtcore/runtime/hook.h"

#define LOCI_STATE_FILE   "state.json"
#define LOCI_START_SOCKET "start"
#define LOCI_ID_MAX       255

struct loci__foreground {
	struct loci__foreground *next;
	pid_t pid;
	int pidfd;
	char id[];
};
struct loci_runtime {
	const struct loci_log *log;
	int cgroup_manager;
	int root_fd;
	char *root; /* absolute */
	struct loci__foreground *children;
};

struct loci__state {
	struct loci__runtime_config config; /* annotations, hooks; strings below live in it too */
	const char *id;
	const char *bundle;
	const char *created;        /* RFC 3339 */
	pid_t pid;                  /* 0: not made (yet) */
	uint64_t start_time;        /* field 22 of /proc/PID/stat */
	struct loci__cgroup cgroup; /* no path: none */
};

int loci__id_check(const char *id, struct loci_error *err);

/* Opens and locks the container's directory; waits for another's lock. NOT_FOUND. */
int loci__state_lock(struct loci_runtime *rt, const char *id, int *ret_fd, struct loci_error *err);
/* Opens it without the lock. */
int loci__state_open(struct loci_runtime *rt, const char *id, int *ret_fd, struct loci_error *err);
int loci__state_read(int dir_fd, const char *id, struct loci__state *ret, struct loci_error *err);
void loci__state_done(struct loci__state *s);
/* Made from a config that is being created; pid 0 while it has none. */
int loci__state_write(int dir_fd, const char *id, const char *bundle,
                      const struct loci__runtime_config *config, const struct loci__cgroup *cg,
                      pid_t pid, struct loci_error *err);

/* enum loci_container_status; looks at the process. locked: dir_fd holds the lock. */
int loci__state_status(int dir_fd, const struct loci__state *s, bool locked);
/* The state of runtime.md, malloc'ed. */
int loci__state_format(const struct loci__state *s, int status, char **ret, struct loci_error *err);
/* The same in pieces for hooks, malloc'ed as one block at *ret_block. */
int loci__state_for_hooks(const struct loci__runtime_config *config, const char *id,
                          const char *bundle, struct loci__hook_state *ret, char **ret_block,
                          struct loci_error *err);

/* False when the process is gone or a zombie. */
bool loci__process_start_time(pid_t pid, uint64_t *ret);
/* A pidfd of the very process, or -1. */
int loci__state_pidfd(const struct loci__state *s);

#endif

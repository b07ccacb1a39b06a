/* SPDX-License-Identifier: Apache-2.0 */
#include "rtcore/runtime/cgroup.h"

#include "core/base/clock.h"
#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/base/fs.h"
#include "rtcore/runtime/device_bpf.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#define MOUNT_POINT      "/sys/fs/cgroup"
#define UNIFIED          "unified"
#define REMOVE_DEADLINE  5000 /* ms */
#define NESTING_MAX      64
#define CONTROL_FILE_MAX 65536

int loci__cgroup_detect(enum loci__cgroup_layout *ret, struct loci_error *err)
{
	struct statfs fs;
	if (statfs(MOUNT_POINT, &fs) < 0)
		return loci__err_sys(err, "look at '%s'", MOUNT_POINT);
	if (fs.f_type == CGROUP2_SUPER_MAGIC)
		*ret = LOCI_CGROUPS_V2;
	else if (statfs(MOUNT_POINT "/" UNIFIED, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
		*ret = LOCI_CGROUPS_HYBRID;
	else
		*ret = LOCI_CGROUPS_V1;
	return 0;
}

static int open_dir(int dirfd, const char *name)
{
	return openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* A hierarchy's root: "" is the unified one. */
static int open_hierarchy(enum loci__cgroup_layout layout, const char *v1)
{
	loci__cleanup_close int top = open_dir(AT_FDCWD, MOUNT_POINT);
	if (top < 0 || (!*v1 && layout == LOCI_CGROUPS_V2))
		return loci__steal_fd(&top);
	return open_dir(top, *v1 ? v1 : UNIFIED);
}

static bool has_v1(enum loci__cgroup_layout layout, const char *v1)
{
	if (layout == LOCI_CGROUPS_V2)
		return false;
	loci__cleanup_close int fd = open_hierarchy(layout, v1);
	struct statfs fs;
	return fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == CGROUP_SUPER_MAGIC;
}

/* Whether a list of words ("cpu memory") holds one. */
static bool has_word(const char *words, const char *word)
{
	size_t n = strlen(word);
	for (const char *p = words; (p = strstr(p, word)); p += n)
		if ((p == words || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\n' || !p[n]))
			return true;
	return false;
}

static int write_file(int dirfd, const char *file, const char *value)
{
	loci__cleanup_close int fd = openat(dirfd, file, O_WRONLY | O_CLOEXEC);
	return fd < 0 ? -1 : loci__write_all(fd, value, strlen(value));
}

/* The container's directory in one hierarchy ("" is the unified one), or -1. */
static int open_leaf(const struct loci__cgroup *cg, const char *hierarchy)
{
	loci__cleanup_close int root = open_hierarchy(cg->layout, hierarchy);
	if (root < 0 || !cg->path)
		return -1;
	return loci__open_beneath(root, cg->path + 1, O_RDONLY | O_DIRECTORY, 0);
}

/* Calls fn for each sub-directory, then closes fd. */
static int foreach_child(int fd, int depth, int (*fn)(int parent, const char *name, int depth))
{
	loci__cleanup_dir DIR *dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -1;
	}
	int rc = 0;
	struct dirent *e;
	while (rc == 0 && (e = readdir(dir)))
		if (e->d_type == DT_DIR && strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			rc = fn(dirfd(dir), e->d_name, depth + 1);
	return rc;
}

/* 1 when somebody is in it or below. */
static int find_process(int parent, const char *name, int depth)
{
	char byte;
	loci__cleanup_close int fd = open_dir(parent, name);
	loci__cleanup_close int procs =
	        fd < 0 ? -1 : openat(fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	ssize_t n = procs < 0 ? -1 : read(procs, &byte, 1);
	if (n < 0)
		return errno == ENOENT || errno == ENODEV ? 0 : -1; /* it is gone */
	if (n > 0 || depth >= NESTING_MAX)
		return 1;
	return foreach_child(loci__steal_fd(&fd), depth, find_process);
}

/* Somebody else's processes in our cgroup would be killed with it. */
static int check_empty(int fd, const char *path, struct loci_error *err)
{
	int rc = find_process(fd, ".", 0);
	if (rc > 0)
		return loci__err_set(err, LOCI_E_BUSY, "cgroup '%s': is not empty", path);
	return rc < 0 ? loci__err_sys(err, "list the processes of the cgroup '%s'", path) : 0;
}

/* --- deciding ------------------------------------------------------------------------------- */

static int add_v1(struct loci__cgroup *cg, const char *name, struct loci_error *err)
{
	for (size_t i = 0; i < cg->n_v1; i++)
		if (!strcmp(cg->v1[i], name))
			return 0;
	if (cg->n_v1 == LOCI_CGROUP_MAX_V1 || strlen(name) >= LOCI_CGROUP_NAME)
		return loci__err_set(err, LOCI_E_TOO_LARGE, "cgroup controller '%s': too many",
		                     name);
	memcpy(cg->v1[cg->n_v1], name, strlen(name) + 1);
	cg->v1_tasks[cg->n_v1++] = -1;
	return 0;
}

struct chooser {
	struct loci__cgroup *cg;
	char *unified; /* its controllers, or NULL */
	struct loci__limits *out;
	struct loci_error *err;
};

static int choose(struct chooser *ch, const struct loci__limit *l, int version)
{
	const char *name = l->controller ? loci__limits_v1_name(l->controller) : NULL;
	bool v1 = name && has_v1(ch->cg->layout, name);
	if (version == 1 && !v1)
		return 0;
	if (version == 2 && v1 && strcmp(l->origin, "unified") != 0)
		return 0; /* its row of version 1 counts */
	bool v2 = !v1 && ch->unified && (!name || has_word(ch->unified, l->controller));
	if (!v1 && !v2)
		return loci__err_set(ch->err, LOCI_E_UNSUPPORTED,
		                     "$.linux.resources.%s: no cgroup controller '%s' here",
		                     l->origin, l->controller ? l->controller : "unified");
	if (!l->file || (v1 && version == 2))
		return loci__err_set(ch->err, LOCI_E_UNSUPPORTED,
		                     "$.linux.resources.%s: not possible with cgroup version %d",
		                     l->origin, v1 ? 1 : 2);
	ch->out->v[ch->out->n++] = *l;
	return v1 ? add_v1(ch->cg, name, ch->err) : 0;
}

static int choose_limits(struct chooser *ch, const struct loci__limits *v1,
                         const struct loci__limits *v2)
{
	int rc = 0;
	for (size_t i = 0; rc >= 0 && i < v1->n; i++)
		if (v1->v[i].controller)
			rc = choose(ch, &v1->v[i], 1);
	for (size_t i = 0; rc >= 0 && i < v2->n; i++)
		rc = choose(ch, &v2->v[i], 2);
	return rc;
}

/* Without a unified hierarchy that of the devices is always needed; it also holds the processes
 * together. */
static int choose_devices(struct loci__cgroup *cg, struct loci_error *err)
{
	if (!has_v1(cg->layout, "devices"))
		return loci__err_set(err, LOCI_E_UNSUPPORTED,
		                     "cgroup controller 'devices': not here; expected it or the "
		                     "unified hierarchy, to keep containers from devices");
	return add_v1(cg, "devices", err);
}

static int check_all_empty(const struct loci__cgroup *cg, struct loci_error *err)
{
	int rc = 0;
	for (size_t i = 0; rc >= 0 && i <= cg->n_v1; i++) {
		if (i == cg->n_v1 && cg->layout == LOCI_CGROUPS_V1)
			break;
		loci__cleanup_close int fd = open_leaf(cg, i < cg->n_v1 ? cg->v1[i] : "");
		if (fd >= 0)
			rc = check_empty(fd, cg->path, err);
		else if (errno != ENOENT)
			rc = loci__err_sys(err, "open the cgroup '%s'", cg->path);
	}
	return rc;
}

int loci__cgroup_prepare(const struct loci__plan *plan, struct loci__arena *arena,
                         struct loci__cgroup *cg, struct loci__limits *ret_limits,
                         struct loci_error *err)
{
	const struct loci__cfg_resources *r = &plan->config->resources;
	struct loci__limits v1, v2, out = {0};
	int rc = loci__cgroup_detect(&cg->layout, err);
	if (rc < 0 || (rc = loci__limits_make(r, 1, arena, &v1, err)) < 0 ||
	    (rc = loci__limits_make(r, 2, arena, &v2, err)) < 0)
		return rc;
	cg->path = plan->cgroup_path;
	out.v = loci__arena_array(arena, v1.n + v2.n + 1, sizeof(*out.v));
	if (!out.v)
		return loci__err_nomem(err);
	loci__cleanup_free char *controllers = NULL;
	loci__cleanup_close int unified =
	        cg->layout == LOCI_CGROUPS_V1 ? -1 : open_hierarchy(cg->layout, "");
	if (unified >= 0 && v2.n > 0) {
		rc = loci__read_file(unified, "cgroup.controllers", CONTROL_FILE_MAX, &controllers,
		                     NULL, err);
		if (rc < 0)
			return rc;
	}
	struct chooser ch = {cg, controllers, &out, err};
	rc = choose_limits(&ch, &v1, &v2);
	if (rc >= 0 && cg->layout == LOCI_CGROUPS_V1)
		rc = choose_devices(cg, err);
	if (rc >= 0)
		rc = check_all_empty(cg, err);
	if (rc < 0)
		cg->path = NULL; /* not ours: nobody is to clean up there */
	*ret_limits = out;
	return rc;
}

/* --- making --------------------------------------------------------------------------------- */

/* The controllers that the limits of version 2 need, switched on for the children of `fd`. */
static int enable_controllers(int fd, const struct loci__limits *limits, struct loci_error *err)
{
	loci__cleanup_free char *on = NULL;
	for (size_t i = 0; i < limits->n; i++) {
		const char *name = limits->v[i].controller;
		if (!name)
			continue;
		if (!on) {
			int rc = loci__read_file(fd, "cgroup.subtree_control", CONTROL_FILE_MAX,
			                         &on, NULL, err);
			if (rc < 0)
				return rc;
		}
		char text[64];
		snprintf(text, sizeof(text), "+%s", name);
		if (!has_word(on, name) && write_file(fd, "cgroup.subtree_control", text) < 0)
			return loci__err_sys(err, "enable the cgroup controller '%s'", name);
	}
	return 0;
}

/* A new cpuset of version 1 is empty and takes no process until it got its parent's values. */
static int inherit_cpuset(int parent, int child, struct loci_error *err)
{
	static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};
	for (size_t i = 0; i < 2; i++) {
		loci__cleanup_free char *have = NULL, *value = NULL;
		int rc = loci__read_file(child, files[i], CONTROL_FILE_MAX, &have, NULL, err);
		if (rc < 0)
			return rc;
		if (have[0] && have[0] != '\n')
			continue;
		rc = loci__read_file(parent, files[i], CONTROL_FILE_MAX, &value, NULL, err);
		if (rc < 0)
			return rc;
		if (write_file(child, files[i], value) < 0)
			return loci__err_sys(err, "set '%s'", files[i]);
	}
	return 0;
}

struct level {
	const char *hierarchy; /* "" is the unified one */
	const struct loci__limits *limits;
};

static int enter_level(const struct level *lv, int parent, const char *name, bool *made, int *ret,
                       struct loci_error *err)
{
	int rc = *lv->hierarchy ? 0 : enable_controllers(parent, lv->limits, err);
	if (rc < 0)
		return rc;
	*made = mkdirat(parent, name, 0755) == 0;
	if (!*made && errno != EEXIST)
		return loci__err_sys(err, "make the cgroup '%s'", name);
	loci__cleanup_close int fd = open_dir(parent, name);
	if (fd < 0)
		return loci__err_sys(err, "open the cgroup '%s'", name);
	if (!strcmp(lv->hierarchy, "cpuset"))
		rc = inherit_cpuset(parent, fd, err);
	*ret = loci__steal_fd(&fd);
	return rc;
}

/* Makes the path, level by level; counts the directories made in a row up to the leaf. */
static int make_path_once(const struct level *lv, struct loci__cgroup *cg, int *ret,
                          struct loci_error *err)
{
	unsigned made_levels = 0;
	loci__cleanup_close int at = open_hierarchy(cg->layout, lv->hierarchy);
	if (at < 0)
		return loci__err_sys(err, "open the cgroup hierarchy '%s'", lv->hierarchy);
	for (const char *p = cg->path + 1; *p;) {
		size_t n = strcspn(p, "/");
		char name[256];
		if (!loci__slice_copy(loci__slice(p, n), name, sizeof(name)))
			return loci__err_set(err, LOCI_E_INVALID,
			                     "cgroup path '%s': a name is too long", cg->path);
		int next = -1;
		bool made;
		int rc = enter_level(lv, at, name, &made, &next, err);
		loci__close_fd(&at);
		at = next;
		if (rc < 0)
			return rc;
		made_levels = made ? made_levels + 1 : 0;
		p += n;
		p += *p == '/';
	}
	if (made_levels > cg->levels)
		cg->levels = made_levels;
	*ret = loci__steal_fd(&at);
	return 0;
}

/* Another container's end may remove a parent between our two steps: then once more. */
static int make_path(const struct level *lv, struct loci__cgroup *cg, int *ret,
                     struct loci_error *err)
{
	int rc = LOCI_E_NOT_FOUND;
	for (int tries = 0; rc == LOCI_E_NOT_FOUND && tries < 16; tries++)
		rc = make_path_once(lv, cg, ret, err);
	return rc;
}

static int set_limits(int fd, const char *v1, const struct loci__limits *limits,
                      const struct loci__cgroup *cg, struct loci_error *err)
{
	for (size_t i = 0; i < limits->n; i++) {
		const struct loci__limit *l = &limits->v[i];
		bool is_v1 = false;
		for (size_t k = 0; l->controller && k < cg->n_v1; k++)
			is_v1 |= !strcmp(cg->v1[k], l->controller);
		if (*v1 ? !is_v1 || strcmp(v1, l->controller) != 0 : is_v1)
			continue;
		if (write_file(fd, l->file, l->value) < 0)
			return loci__err_sys(err, "$.linux.resources.%s: write '%s' to '%s'",
			                     l->origin, l->value, l->file);
	}
	return 0;
}

static int set_v1_devices(int fd, const struct loci__plan *plan, struct loci_error *err)
{
	if (write_file(fd, "devices.deny", "a") < 0)
		return loci__err_sys(err, "write 'a' to 'devices.deny'");
	for (size_t i = 0; i < plan->n_device_rules; i++) {
		const struct loci__cfg_device_rule *r = &plan->device_rules[i];
		char text[80], major[24] = "*", minor[24] = "*";
		if (r->major.set && r->major.v >= 0)
			snprintf(major, sizeof(major), "%lld", (long long)r->major.v);
		if (r->minor.set && r->minor.v >= 0)
			snprintf(minor, sizeof(minor), "%lld", (long long)r->minor.v);
		/* The kernel reads nothing behind an 'a': it would be every access to every device.
		 */
		bool both = r->type[0] == 'a' && !loci__device_rule_is_total(r);
		const char *file = r->allow ? "devices.allow" : "devices.deny";
		for (const char *type = both ? "bc" : r->type; *type; type++) {
			snprintf(text, sizeof(text), "%c %s:%s %s", *type, major, minor, r->access);
			if (write_file(fd, file, text) < 0)
				return loci__err_sys(err, "write '%s' to '%s'", text, file);
		}
	}
	return 0;
}

static int make_v1(const struct loci__plan *plan, const struct loci__limits *limits,
                   struct loci__cgroup *cg, size_t i, struct loci_error *err)
{
	struct level lv = {cg->v1[i], limits};
	loci__cleanup_close int fd = -1;
	int rc = make_path(&lv, cg, &fd, err);
	if (rc < 0 || (rc = check_empty(fd, cg->path, err)) < 0 ||
	    (rc = set_limits(fd, cg->v1[i], limits, cg, err)) < 0)
		return rc;
	if (!strcmp(cg->v1[i], "devices") && (rc = set_v1_devices(fd, plan, err)) < 0)
		return rc;
	cg->v1_tasks[i] = openat(fd, "tasks", O_WRONLY | O_CLOEXEC);
	if (cg->v1_tasks[i] < 0)
		return loci__err_sys(err, "open 'tasks' of the cgroup '%s'", cg->path);
	return 0;
}

static int make_unified(const struct loci__plan *plan, const struct loci__limits *limits,
                        struct loci__cgroup *cg, struct loci_error *err)
{
	loci__cleanup_free struct loci__limit *rows = calloc(limits->n + 1, sizeof(*rows));
	struct loci__limits ours = {rows, 0};
	if (!rows)
		return loci__err_nomem(err);
	for (size_t i = 0; i < limits->n; i++) {
		bool is_v1 = false;
		for (size_t k = 0; limits->v[i].controller && k < cg->n_v1; k++)
			is_v1 |= !strcmp(cg->v1[k], limits->v[i].controller);
		if (!is_v1)
			ours.v[ours.n++] = limits->v[i];
	}
	struct level lv = {"", &ours};
	int rc = make_path(&lv, cg, &cg->unified_fd, err);
	if (rc < 0 || (rc = check_empty(cg->unified_fd, cg->path, err)) < 0 ||
	    (rc = set_limits(cg->unified_fd, "", &ours, cg, err)) < 0)
		return rc;
	return loci__device_bpf_attach(cg->unified_fd, plan->device_rules, plan->n_device_rules,
	                               err);
}

int loci__cgroup_make(const struct loci__plan *plan, const struct loci__limits *limits,
                      struct loci__cgroup *cg, struct loci_error *err)
{
	int rc = 0;
	if (cg->layout != LOCI_CGROUPS_V1)
		rc = make_unified(plan, limits, cg, err);
	for (size_t i = 0; rc >= 0 && i < cg->n_v1; i++)
		rc = make_v1(plan, limits, cg, i, err);
	if (rc == LOCI_E_BUSY)
		cg->path = NULL; /* another was faster: it is his */
	return rc;
}

void loci__cgroup_close(struct loci__cgroup *cg)
{
	loci__close_fd(&cg->unified_fd);
	for (size_t i = 0; i < cg->n_v1; i++)
		loci__close_fd(&cg->v1_tasks[i]);
}

/* --- ending --------------------------------------------------------------------------------- */

/* Nested cgroups first. A name that is gone is fine. */
static int remove_dir(int parent, const char *name, int depth)
{
	if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	int saved = errno;
	if (depth < NESTING_MAX) {
		int fd = open_dir(parent, name);
		if (fd >= 0)
			foreach_child(fd, depth, remove_dir);
	}
	if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	errno = saved;
	return -1;
}

static int remove_leaf(const struct loci__cgroup *cg, const char *hierarchy)
{
	loci__cleanup_close int root = open_hierarchy(cg->layout, hierarchy);
	if (root < 0)
		return errno == ENOENT ? 0 : -1;
	uint64_t deadline = loci__clock_ms() + REMOVE_DEADLINE;
	long wait = 500000; /* ns */
	/* Killed processes leave when they get round to it; the kernel offers no event for it. */
	while (remove_dir(root, cg->path + 1, 0) < 0) {
		if (errno != EBUSY || loci__clock_ms() > deadline)
			return -1;
		nanosleep(&(struct timespec){.tv_nsec = wait}, NULL);
		wait = wait < 50000000 ? wait * 2 : wait;
	}
	char parent[4096];
	if (strlen(cg->path) >= sizeof(parent))
		return 0;
	memcpy(parent, cg->path, strlen(cg->path) + 1);
	for (unsigned i = 1; i < cg->levels; i++) {
		char *slash = strrchr(parent, '/');
		if (!slash || slash == parent)
			break;
		*slash = '\0';
		if (unlinkat(root, parent + 1, AT_REMOVEDIR) < 0)
			break; /* others live there */
	}
	return 0;
}

int loci__cgroup_remove(const struct loci__cgroup *cg, struct loci_error *err)
{
	if (!cg->path)
		return 0;
	if (cg->layout != LOCI_CGROUPS_V1 && remove_leaf(cg, "") < 0)
		return loci__err_sys(err, "remove the cgroup '%s'", cg->path);
	for (size_t i = 0; i < cg->n_v1; i++)
		if (remove_leaf(cg, cg->v1[i]) < 0)
			return loci__err_sys(err, "remove the cgroup '%s%s'", cg->v1[i], cg->path);
	return 0;
}

/* One process; it may be gone by now. */
static void signal_pid(uint64_t pid, int signo)
{
	loci__cleanup_close int fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
	if (fd >= 0)
		(void)syscall(SYS_pidfd_send_signal, fd, signo, NULL, 0);
}

static int signal_dir(int fd, int signo, int depth)
{
	loci__cleanup_free char *text = NULL;
	size_t n;
	if (loci__read_file(fd, "cgroup.procs", 1u << 22, &text, &n, NULL) < 0)
		return -1;
	struct loci_cursor c = loci__cursor(text, n);
	uint64_t pid;
	while (loci__take_u64(&c, &pid)) {
		signal_pid(pid, signo);
		loci__take_char(&c, '\n');
	}
	loci__cleanup_close int again = open_dir(fd, ".");
	loci__cleanup_dir DIR *dir = again < 0 ? NULL : fdopendir(loci__steal_fd(&again));
	struct dirent *e;
	while (dir && depth < NESTING_MAX && (e = readdir(dir))) {
		if (e->d_type != DT_DIR || !strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		loci__cleanup_close int sub = open_dir(fd, e->d_name);
		if (sub >= 0)
			signal_dir(sub, signo, depth + 1);
	}
	return 0;
}

int loci__cgroup_kill(const struct loci__cgroup *cg, int signo, struct loci_error *err)
{
	const char *hierarchy = cg->layout == LOCI_CGROUPS_V1 ? cg->v1[0] : "";
	loci__cleanup_close int fd = open_leaf(cg, hierarchy);
	if (fd < 0)
		return errno == ENOENT ? 0 : loci__err_sys(err, "open the cgroup '%s'", cg->path);
	if (signo == SIGKILL && write_file(fd, "cgroup.kill", "1") == 0)
		return 0;
	if (signal_dir(fd, signo, 0) < 0)
		return loci__err_sys(err, "list the processes of the cgroup '%s'", cg->path);
	return 0;
}

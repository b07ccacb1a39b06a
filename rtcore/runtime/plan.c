/* SPDX-License-Identifier: Apache-2.0 */
#include "rtcore/runtime/plan.h"

#include "core/base/err.h"
#include "rtcore/runtime/cgroup_limits.h"
#include "rtcore/runtime/name_table.h"

#include <linux/mount.h>
#include <linux/sched.h>
#include <string.h>
#include <sys/stat.h>

#define ARENA_MAX   (64u << 20)
#define CGROUP_HOME "/ocirun"

struct planner {
	const struct loci__runtime_config *config;
	const struct loci_create_opts *o;
	struct loci__plan *plan;
	struct loci_buf *warn;
	struct loci_error *err;
	size_t ops_cap;
	bool dev_is_bound; /* /dev is the host's: nothing is made in it */
};

#define invalid(p, ...) loci__err_set((p)->err, LOCI_E_INVALID, __VA_ARGS__)

static void warn(struct planner *p, const char *what, const char *object)
{
	if (p->warn)
		loci__buf_printf(p->warn, "%s '%s'\n", what, object);
}

/* Absolute, without ".", ".." and doubled slashes: config.md reads relative ones from "/". What the
 * names lead to is looked up by the kernel, below the root only. */
static char *clean_path(struct loci__arena *a, const char *path)
{
	char *out = loci__arena_alloc(a, strlen(path) + 2);
	if (!out)
		return NULL;
	size_t len = 0;
	for (const char *p = path; *p;) {
		size_t n = strcspn(p, "/");
		if (n == 2 && p[0] == '.' && p[1] == '.') {
			while (len > 0 && out[--len] != '/')
				;
		} else if (n > 0 && !(n == 1 && p[0] == '.')) {
			out[len++] = '/';
			memcpy(out + len, p, n);
			len += n;
		}
		p += n;
		p += *p == '/';
	}
	if (len == 0)
		out[len++] = '/';
	out[len] = '\0';
	return out;
}

static struct loci__op *add_op(struct planner *p, enum loci__op_kind kind)
{
	struct loci__plan *plan = p->plan;
	if (plan->n_ops == p->ops_cap) { /* counted beforehand: cannot happen */
		loci__err_set(p->err, LOCI_E_INTERNAL, "plan: more operations than counted");
		return NULL;
	}
	struct loci__op *op = &plan->ops[plan->n_ops++];
	op->kind = kind;
	return op;
}

static int add_text(struct planner *p, enum loci__op_kind kind, const char *path, const char *text)
{
	struct loci__op *op = add_op(p, kind);
	if (!op)
		return LOCI_E_INTERNAL;
	op->path = path;
	op->text = text;
	return 0;
}

static int add_value(struct planner *p, enum loci__op_kind kind, uint64_t value)
{
	struct loci__op *op = add_op(p, kind);
	if (!op)
		return LOCI_E_INTERNAL;
	op->value = value;
	return 0;
}

/* --- namespaces ----------------------------------------------------------------------------- */

static int plan_namespace(struct planner *p, size_t i)
{
	const struct loci__cfg_namespace *ns = &p->config->namespaces[i];
	uint64_t flag = loci__namespace_flag(ns->type);
	const char *path = ns->path && *ns->path ? ns->path : NULL;
	if (!flag)
		return loci__err_set(p->err, LOCI_E_INVALID,
		                     "$.linux.namespaces[%zu].type: unknown namespace '%s'", i,
		                     ns->type);
	if (p->plan->all_namespaces & flag)
		return loci__err_set(p->err, LOCI_E_INVALID,
		                     "$.linux.namespaces[%zu]: '%s' a second time", i, ns->type);
	if (flag == CLONE_NEWUSER || flag == CLONE_NEWTIME || (flag == CLONE_NEWNS && path))
		return loci__err_set(p->err, LOCI_E_UNSUPPORTED,
		                     "$.linux.namespaces[%zu]: %s '%s' namespace is not supported",
		                     i, path ? "joining a" : "a", ns->type);
	if (path && path[0] != '/')
		return loci__err_set(p->err, LOCI_E_INVALID,
		                     "$.linux.namespaces[%zu].path: '%s' is not absolute", i, path);
	p->plan->all_namespaces |= flag;
	if (!path)
		p->plan->new_namespaces |= flag;
	p->plan->namespaces[p->plan->n_namespaces++] = (struct loci__plan_namespace){flag, path};
	return 0;
}

static int plan_namespaces(struct planner *p)
{
	const struct loci__runtime_config *c = p->config;
	p->plan->namespaces = loci__arena_array(&p->plan->arena, c->n_namespaces + 1,
	                                        sizeof(*p->plan->namespaces));
	if (!p->plan->namespaces)
		return loci__err_nomem(p->err);
	int rc = 0;
	for (size_t i = 0; rc >= 0 && i < c->n_namespaces; i++)
		rc = plan_namespace(p, i);
	if (rc >= 0 && !(p->plan->new_namespaces & CLONE_NEWNS))
		return loci__err_set(p->err, LOCI_E_UNSUPPORTED,
		                     "$.linux.namespaces: a container without a mount namespace of "
		                     "its own is not supported");
	return rc;
}

/* A name may be set only where it is the container's own: new, or joined on purpose. */
static int plan_names(struct planner *p)
{
	const struct {
		const char *value;
		const char *path;
		enum loci__op_kind kind;
	} names[] = {{p->config->hostname, "$.hostname", LOCI_OP_HOSTNAME},
	             {p->config->domainname, "$.domainname", LOCI_OP_DOMAINNAME}};
	int rc = 0;
	if (p->plan->new_namespaces & CLONE_NEWNET)
		rc = add_value(p, LOCI_OP_LOOPBACK, 0);
	for (size_t i = 0; rc >= 0 && i < 2; i++) {
		if (!names[i].value || !*names[i].value)
			continue;
		if (!(p->plan->all_namespaces & CLONE_NEWUTS))
			return invalid(p, "%s: needs a uts namespace in $.linux.namespaces",
			               names[i].path);
		if (strlen(names[i].value) > 64)
			return invalid(p, "%s: longer than 64 bytes", names[i].path);
		rc = add_text(p, names[i].kind, NULL, names[i].value);
	}
	return rc;
}

/* --- file systems --------------------------------------------------------------------------- */

static int plan_mount(struct planner *p, size_t i)
{
	const struct loci__cfg_mount *m = &p->config->mounts[i];
	char where[32];
	snprintf(where, sizeof(where), "$.mounts[%zu]", i);
	struct loci__op *op = add_op(p, LOCI_OP_MOUNT);
	if (!op)
		return LOCI_E_INTERNAL;
	int rc = loci__mount_options_parse(&m->options, where, &p->plan->arena, &op->mount.o,
	                                   p->err);
	if (rc < 0)
		return rc;
	op->mount.target = clean_path(&p->plan->arena, m->destination);
	if (!op->mount.target)
		return loci__err_nomem(p->err);
	if (!op->mount.target[1])
		return invalid(p, "%s.destination: '/' is the rootfs itself", where);
	unsigned flags = op->mount.o.flags;
	bool bind = flags & LOCI_MOUNT_BIND, remount = flags & LOCI_MOUNT_REMOUNT;
	op->mount.source = m->source;
	op->mount.type = bind || remount ? NULL : m->type;
	if (op->mount.o.data.n > 0 && (bind || remount))
		return loci__err_set(p->err, LOCI_E_UNSUPPORTED,
		                     "%s.options: '%s' cannot be set on a bind or remount", where,
		                     op->mount.o.data.v[0]);
	if (bind && !remount && (!m->source || !*m->source))
		return invalid(p, "%s.source: a bind mount needs one", where);
	if (!bind && !remount && (!m->type || !*m->type))
		return invalid(p, "%s.type: neither a type nor 'bind'", where);
	if (bind && !strcmp(op->mount.target, "/dev"))
		p->dev_is_bound = true;
	if (op->mount.type &&
	    (!strcmp(op->mount.type, "cgroup") || !strcmp(op->mount.type, "cgroup2"))) {
		op->kind = LOCI_OP_CGROUP_MOUNT;
		if (!p->plan->cgroup_path)
			return loci__err_set(p->err, LOCI_E_UNSUPPORTED,
			                     "%s: a cgroup mount while cgroups are disabled",
			                     where);
	}
	return 0;
}

static int plan_mounts(struct planner *p)
{
	int rc = add_value(p, LOCI_OP_PROPAGATION, MS_SLAVE);
	if (rc >= 0)
		rc = add_value(p, LOCI_OP_ROOTFS, 0);
	for (size_t i = 0; rc >= 0 && i < p->config->n_mounts; i++)
		rc = plan_mount(p, i);
	return rc;
}

/* config-linux.md "Default Devices" */
static const struct {
	const char *path;
	unsigned major, minor;
} default_devices[] = {
        {"/dev/null", 1, 3},   {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
        {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0},
};
static const struct {
	const char *path;
	const char *text;
} default_symlinks[] = {
        {"/dev/fd", "/proc/self/fd"},       {"/dev/stdin", "/proc/self/fd/0"},
        {"/dev/stdout", "/proc/self/fd/1"}, {"/dev/stderr", "/proc/self/fd/2"},
        {"/dev/core", "/proc/kcore"},       {"/dev/ptmx", "pts/ptmx"},
};

static int add_device(struct planner *p, const char *path, mode_t mode, unsigned major,
                      unsigned minor, const struct loci__cfg_device *owner)
{
	struct loci__op *op = add_op(p, LOCI_OP_DEVICE);
	if (!op)
		return LOCI_E_INTERNAL;
	op->device = (struct loci__op_device){
	        path, mode, major, minor, owner ? owner->uid : 0, owner ? owner->gid : 0};
	return path ? 0 : loci__err_nomem(p->err);
}

static bool is_configured_device(struct planner *p, const char *path)
{
	for (size_t i = 0; i < p->config->n_devices; i++)
		if (!strcmp(p->config->devices[i].path, path))
			return true;
	return false;
}

static int plan_configured_device(struct planner *p, size_t i)
{
	const struct loci__cfg_device *d = &p->config->devices[i];
	mode_t type = d->type[0] == 'b' ? S_IFBLK : d->type[0] == 'p' ? S_IFIFO : S_IFCHR;
	uint64_t mode = d->mode.set ? d->mode.v : 0666;
	if (mode & ~(uint64_t)(S_IFMT | 07777))
		return loci__err_set(p->err, LOCI_E_INVALID,
		                     "$.linux.devices[%zu].fileMode: %llu is no file mode", i,
		                     (unsigned long long)mode);
	bool fifo = type == S_IFIFO;
	return add_device(p, clean_path(&p->plan->arena, d->path), type | (mode & 07777),
	                  fifo ? 0 : (unsigned)d->major, fifo ? 0 : (unsigned)d->minor, d);
}

static int plan_devices(struct planner *p)
{
	int rc = 0;
	if (p->dev_is_bound)
		return 0;
	for (size_t i = 0; rc >= 0 && i < loci__array_len(default_devices); i++)
		if (!is_configured_device(p, default_devices[i].path))
			rc = add_device(p, default_devices[i].path, S_IFCHR | 0666,
			                default_devices[i].major, default_devices[i].minor, NULL);
	for (size_t i = 0; rc >= 0 && i < p->config->n_devices; i++)
		rc = plan_configured_device(p, i);
	for (size_t i = 0; rc >= 0 && i < loci__array_len(default_symlinks); i++)
		rc = add_text(p, LOCI_OP_SYMLINK, default_symlinks[i].path,
		              default_symlinks[i].text);
	return rc;
}

static int plan_paths(struct planner *p, enum loci__op_kind kind, const char *where,
                      const struct loci__strings *paths)
{
	int rc = 0;
	for (size_t i = 0; rc >= 0 && i < paths->n; i++) {
		if (paths->v[i][0] != '/')
			return loci__err_set(p->err, LOCI_E_INVALID,
			                     "%s[%zu]: '%s' is not absolute", where, i,
			                     paths->v[i]);
		char *path = clean_path(&p->plan->arena, paths->v[i]);
		if (!path)
			return loci__err_nomem(p->err);
		rc = add_text(p, kind, path, NULL);
	}
	return rc;
}

/* --- sysctl --------------------------------------------------------------------------------- */

/* The only ones that belong to a namespace; a trailing dot means all below. */
static const struct {
	const char *name;
	uint64_t ns;
} sysctls[] = {
        {"net/", CLONE_NEWNET},
        {"fs/mqueue/", CLONE_NEWIPC},
        {"kernel/msgmax", CLONE_NEWIPC},
        {"kernel/msgmnb", CLONE_NEWIPC},
        {"kernel/msgmni", CLONE_NEWIPC},
        {"kernel/sem", CLONE_NEWIPC},
        {"kernel/shmall", CLONE_NEWIPC},
        {"kernel/shmmax", CLONE_NEWIPC},
        {"kernel/shmmni", CLONE_NEWIPC},
        {"kernel/shm_rmid_forced", CLONE_NEWIPC},
        {"kernel/domainname", CLONE_NEWUTS},
        {"kernel/hostname", CLONE_NEWUTS},
};

/* As sysctl(8) reads it: the first separator says whether dots or slashes part the names. */
static char *sysctl_path(struct loci__arena *a, const char *key)
{
	char *path = loci__arena_strdup(a, key);
	size_t first = strcspn(key, "./");
	if (path && key[first] == '.')
		for (char *s = path; *s; s++)
			*s = *s == '.' ? '/' : *s == '/' ? '.' : *s;
	return path;
}

static bool has_bad_part(const char *path)
{
	for (const char *s = path;; s += strcspn(s, "/") + 1) {
		size_t n = strcspn(s, "/");
		if (n == 0 || (s[0] == '.' && (n == 1 || (n == 2 && s[1] == '.'))))
			return true;
		if (!s[n])
			return false;
	}
}

static int plan_sysctl(struct planner *p, const struct loci__pair *pair)
{
	char *path = sysctl_path(&p->plan->arena, pair->key);
	if (!path)
		return loci__err_nomem(p->err);
	if (has_bad_part(path))
		return invalid(p, "$.linux.sysctl: '%s' is no name", pair->key);
	for (size_t i = 0; i < loci__array_len(sysctls); i++) {
		size_t n = strlen(sysctls[i].name);
		bool all = sysctls[i].name[n - 1] == '/';
		if (all ? strncmp(path, sysctls[i].name, n) : strcmp(path, sysctls[i].name))
			continue;
		if (!(p->plan->all_namespaces & sysctls[i].ns))
			return loci__err_set(p->err, LOCI_E_INVALID,
			                     "$.linux.sysctl: '%s' needs a %s namespace in "
			                     "$.linux.namespaces",
			                     pair->key, loci__namespace_name(sysctls[i].ns));
		return add_text(p, LOCI_OP_SYSCTL, path, pair->value);
	}
	return invalid(p, "$.linux.sysctl: '%s' belongs to no namespace: it would change the host",
	               pair->key);
}

/* --- root, hooks, end of the set-up --------------------------------------------------------- */

static int plan_root(struct planner *p)
{
	const char *propagation = p->config->rootfs_propagation;
	uint64_t value = 0;
	bool rec;
	if (propagation && *propagation && !(value = loci__propagation_parse(propagation, &rec)))
		return invalid(p,
		               "$.linux.rootfsPropagation: '%s': expected private, slave, shared "
		               "or unbindable",
		               propagation);
	int rc = 0;
	if (p->config->root_readonly)
		rc = add_value(p, LOCI_OP_ROOT_ATTR, MOUNT_ATTR_RDONLY);
	if (rc >= 0)
		rc = add_value(p, LOCI_OP_PIVOT, (p->o->flags & LOCI_CREATE_NO_PIVOT) ? 1 : 0);
	if (rc >= 0 && value)
		rc = add_value(p, LOCI_OP_ROOT_PROPAGATION, value);
	return rc;
}

static int plan_filesystem(struct planner *p)
{
	const struct loci__runtime_config *c = p->config;
	int rc = plan_mounts(p);
	if (rc >= 0)
		rc = plan_devices(p);
	if (rc >= 0 && c->has_process && strcmp(c->cwd, "/") != 0) {
		char *cwd = clean_path(&p->plan->arena, c->cwd);
		rc = cwd ? add_text(p, LOCI_OP_DIRECTORY, cwd, NULL) : loci__err_nomem(p->err);
	}
	if (rc >= 0 && c->terminal)
		rc = add_value(p, LOCI_OP_CONSOLE, 0);
	if (rc >= 0 && c->prestart.n + c->create_runtime.n > 0)
		rc = add_value(p, LOCI_OP_HOOKS_RUNTIME, 0);
	if (rc >= 0 && c->create_container.n > 0)
		rc = add_value(p, LOCI_OP_HOOKS_CONTAINER, 0);
	for (size_t i = 0; rc >= 0 && i < c->sysctl.n; i++)
		rc = plan_sysctl(p, &c->sysctl.v[i]);
	if (rc >= 0)
		rc = plan_paths(p, LOCI_OP_READONLY, "$.linux.readonlyPaths", &c->readonly_paths);
	if (rc >= 0)
		rc = plan_paths(p, LOCI_OP_MASK, "$.linux.maskedPaths", &c->masked_paths);
	return rc >= 0 ? plan_root(p) : rc;
}

/* --- process -------------------------------------------------------------------------------- */

static int plan_rlimit(struct planner *p, size_t i)
{
	const struct loci__cfg_rlimit *r = &p->config->rlimits[i];
	int resource = loci__rlimit_number(r->type);
	if (resource < 0)
		return loci__err_set(p->err, LOCI_E_INVALID,
		                     "$.process.rlimits[%zu].type: unknown limit '%s'", i, r->type);
	for (size_t k = 0; k < i; k++)
		if (!strcmp(p->config->rlimits[k].type, r->type))
			return loci__err_set(p->err, LOCI_E_INVALID,
			                     "$.process.rlimits[%zu]: '%s' a second time", i,
			                     r->type);
	if (r->soft > r->hard)
		return loci__err_set(p->err, LOCI_E_INVALID,
		                     "$.process.rlimits[%zu]: soft is above hard", i);
	struct loci__op *op = add_op(p, LOCI_OP_RLIMIT);
	if (!op)
		return LOCI_E_INTERNAL;
	op->text = r->type;
	op->rlimit.resource = resource;
	op->rlimit.soft = r->soft;
	op->rlimit.hard = r->hard;
	return 0;
}

static int plan_io_priority(struct planner *p)
{
	static const struct loci__name_number classes[] = {
	        {"IOPRIO_CLASS_RT", 1}, {"IOPRIO_CLASS_BE", 2}, {"IOPRIO_CLASS_IDLE", 3}};
	const struct loci__name_number *row =
	        loci__name_find(classes, loci__array_len(classes), p->config->io_class);
	int64_t level = p->config->io_priority;
	if (!row)
		return invalid(p, "$.process.ioPriority.class: unknown class '%s'",
		               p->config->io_class);
	if (level < 0 || level > 7)
		return invalid(p, "%s: expected 0 to 7", "$.process.ioPriority.priority");
	return add_value(p, LOCI_OP_IO_PRIORITY, (uint64_t)(row->number << 13 | level));
}

static int plan_personality(struct planner *p)
{
	static const struct loci__name_number domains[] = {{"LINUX", 0}, {"LINUX32", 8}};
	const struct loci__name_number *row =
	        loci__name_find(domains, loci__array_len(domains), p->config->personality);
	if (!row)
		return invalid(p, "$.linux.personality.domain: '%s': expected LINUX or LINUX32",
		               p->config->personality);
	return add_value(p, LOCI_OP_PERSONALITY, (uint64_t)row->number);
}

static void plan_caps(struct planner *p)
{
	for (size_t set = 0; set < 5; set++) {
		const struct loci__strings *names = &p->config->capabilities[set];
		for (size_t i = 0; i < names->n; i++) {
			int n = loci__cap_number(names->v[i]);
			if (n < 0)
				warn(p, "$.process.capabilities: unknown capability", names->v[i]);
			else
				p->plan->caps[set] |= UINT64_C(1) << n;
		}
	}
}

static int plan_env(struct planner *p)
{
	const struct loci__strings *env = &p->config->env;
	const char **v = loci__arena_array(&p->plan->arena, env->n + 3, sizeof(*v));
	if (!v)
		return loci__err_nomem(p->err);
	size_t n = 0;
	for (size_t i = 0; i < env->n; i++) {
		if (!strchr(env->v[i], '='))
			return loci__err_set(p->err, LOCI_E_INVALID,
			                     "$.process.env[%zu]: '%s' has no '='", i, env->v[i]);
		v[n++] = env->v[i];
	}
	if (p->o->listen_fds > 0) {
		v[n] = loci__arena_printf(&p->plan->arena, "LISTEN_FDS=%u", p->o->listen_fds);
		if (!v[n++])
			return loci__err_nomem(p->err);
		v[n++] = "LISTEN_PID=1";
	}
	p->plan->env = v;
	return 0;
}

static int plan_process(struct planner *p)
{
	const struct loci__runtime_config *c = p->config;
	int rc = plan_env(p);
	plan_caps(p);
	if (rc >= 0 && c->umask.set && c->umask.v > 0777)
		return invalid(p, "%s: expected 0 to 511", "$.process.user.umask");
	if (rc >= 0 && c->oom_score_adj.set) {
		if (c->oom_score_adj.v < -1000 || c->oom_score_adj.v > 1000)
			return invalid(p, "%s: expected -1000 to 1000", "$.process.oomScoreAdj");
		rc = add_value(p, LOCI_OP_OOM_SCORE, (uint64_t)c->oom_score_adj.v);
	}
	for (size_t i = 0; rc >= 0 && i < c->n_rlimits; i++)
		rc = plan_rlimit(p, i);
	if (rc >= 0 && c->io_class)
		rc = plan_io_priority(p);
	if (rc >= 0 && c->personality)
		rc = plan_personality(p);
	if (rc >= 0 && c->has_seccomp)
		rc = loci__seccomp_compile(&c->seccomp, LOCI_SECCOMP_ENOSYS_BEYOND, &p->plan->arena,
		                           &p->plan->seccomp, p->err);
	return rc;
}

/* --- cgroups -------------------------------------------------------------------------------- */

#define ANY                          \
	{                            \
		.v = -1, .set = true \
	}
#define ONLY(n)                       \
	{                             \
		.v = (n), .set = true \
	}
/* Whatever the rules say, a container can make nodes, use its default devices (config-linux.md),
 * its terminals and tunnels; without rules just these. /dev/console is one of the terminals. */
static const struct loci__cfg_device_rule default_rules[] = {
        {true, "c", ANY, ANY, "m"},
        {true, "b", ANY, ANY, "m"},
        {true, "c", ONLY(1), ONLY(3), "rwm"},
        {true, "c", ONLY(1), ONLY(5), "rwm"},
        {true, "c", ONLY(1), ONLY(7), "rwm"},
        {true, "c", ONLY(1), ONLY(8), "rwm"},
        {true, "c", ONLY(1), ONLY(9), "rwm"},
        {true, "c", ONLY(5), ONLY(0), "rwm"},
        {true, "c", ONLY(5), ONLY(2), "rwm"},
        {true, "c", ONLY(136), ANY, "rwm"},
        {true, "c", ONLY(10), ONLY(200), "rwm"},
};

static int plan_device_rules(struct planner *p)
{
	const struct loci__cfg_resources *r = &p->config->resources;
	size_t n = r->n_devices + loci__array_len(default_rules);
	struct loci__cfg_device_rule *v = loci__arena_array(&p->plan->arena, n, sizeof(*v));
	if (!v)
		return loci__err_nomem(p->err);
	if (r->n_devices > 0)
		memcpy(v, r->devices, r->n_devices * sizeof(*v));
	memcpy(v + r->n_devices, default_rules, sizeof(default_rules));
	p->plan->device_rules = v;
	p->plan->n_device_rules = n;
	return 0;
}

/* Without cgroups nothing could hold them: a limit that is not kept must not look as if it were. */
static int refuse_limits(struct planner *p)
{
	const struct loci__cfg_resources *r = &p->config->resources;
	struct loci__limits limits;
	int rc = loci__limits_make(r, /* version= */ 2, &p->plan->arena, &limits, p->err);
	if (rc >= 0 && (limits.n > 0 || r->n_devices > 0))
		rc = invalid(p, "%s: limits are set, but cgroups are disabled",
		             "$.linux.resources");
	return rc;
}

/* "slice:prefix:name" is no path but an order to systemd. */
static bool is_systemd_form(const char *path)
{
	size_t colons = 0;
	for (const char *s = path; *s; s++) {
		if (*s == '/')
			return false;
		colons += *s == ':';
	}
	return colons == 2;
}

static int plan_cgroup(struct planner *p, const char *id, enum loci_cgroup_manager manager)
{
	const char *path = p->config->cgroups_path;
	if (manager == LOCI_CGROUP_DISABLED)
		return refuse_limits(p);
	if (path && is_systemd_form(path))
		return loci__err_set(
		        p->err, LOCI_E_UNSUPPORTED,
		        "$.linux.cgroupsPath: '%s' is the form slice:prefix:name of the "
		        "systemd cgroup driver, which is not supported; expected a path",
		        path);
	char *full = !path || !*path ? loci__arena_printf(&p->plan->arena, CGROUP_HOME "/%s", id)
	             : path[0] == '/'
	                     ? loci__arena_strdup(&p->plan->arena, path)
	                     : loci__arena_printf(&p->plan->arena, CGROUP_HOME "/%s", path);
	if (!full)
		return loci__err_nomem(p->err);
	if (full[0] == '/' && full[1] && has_bad_part(full + 1))
		return invalid(p, "$.linux.cgroupsPath: '%s' is not a clean path", full);
	if (!full[1])
		return invalid(p, "$.linux.cgroupsPath: '%s' is the root of all", full);
	p->plan->cgroup_path = full;
	return plan_device_rules(p);
}

/* --- the whole ------------------------------------------------------------------------------ */

static int plan_all(struct planner *p, const char *id, enum loci_cgroup_manager manager)
{
	const struct loci__runtime_config *c = p->config;
	p->ops_cap = 32 + c->n_mounts + c->n_devices + c->masked_paths.n + c->readonly_paths.n +
	             c->sysctl.n + c->n_rlimits;
	p->plan->ops = loci__arena_array(&p->plan->arena, p->ops_cap, sizeof(*p->plan->ops));
	if (!p->plan->ops)
		return loci__err_nomem(p->err);
	if (p->o->n_overlay_lower_fds == 0)
		p->plan->root_path = c->root_path;
	int rc = plan_namespaces(p);
	if (rc >= 0)
		rc = plan_cgroup(p, id, manager);
	if (rc >= 0)
		rc = plan_names(p);
	if (rc >= 0)
		rc = plan_filesystem(p);
	return rc >= 0 ? plan_process(p) : rc;
}

int loci__plan_make(const struct loci__runtime_config *config, const char *id,
                    const struct loci_create_opts *o, enum loci_cgroup_manager manager,
                    struct loci_buf *warnings, struct loci__plan *ret, struct loci_error *err)
{
	struct loci__plan plan = {.config = config, .arena = LOCI_ARENA_INIT(ARENA_MAX)};
	struct planner p = {.config = config, .o = o, .plan = &plan, .warn = warnings, .err = err};
	int rc = plan_all(&p, id, manager);
	if (rc < 0) {
		loci__plan_done(&plan);
		return rc;
	}
	*ret = plan;
	return 0;
}

void loci__plan_done(struct loci__plan *p)
{
	loci__arena_done(&p->arena);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table per JSON object, one engine for all of them: a row is a member's name, the function
 * that reads it and where it goes. Strings are borrowed from the document, lists live in an arena.
 */
#include "core/spec/runtime_config.h"

#include "core/base/buf.h"
#include "core/base/cursor.h"
#include "core/base/err.h"

#include <stddef.h>
#include <string.h>

#define MAX_DEPTH 32

struct reader {
	struct loci__arena *arena;
	struct loci_error *err;
};
struct row {
	const char *key;
	int (*read)(struct reader *r, const struct loci_json_at *at, void *ret);
	size_t offset;
	bool required;
};

static int read_rows(struct reader *r, const struct loci_json_at *at, const struct row *rows,
                     size_t n, void *object)
{
	int rc = loci__json_object(at, r->err);
	for (size_t i = 0; rc >= 0 && i < n; i++) {
		struct loci_json_at member = loci__json_member(at, rows[i].key);
		if (member.v)
			rc = rows[i].read(r, &member, (char *)object + rows[i].offset);
		else if (rows[i].required)
			rc = loci__json_err(&member, r->err, "is required");
	}
	return rc;
}
/* Defines `name`, a reader of an object by its table. */
#define DEFINE_OBJECT(name, rows)                                                   \
	static int name(struct reader *r, const struct loci_json_at *at, void *ret) \
	{                                                                           \
		return read_rows(r, at, rows, loci__array_len(rows), ret);          \
	}

static int read_string(struct reader *r, const struct loci_json_at *at, void *ret)
{
	return loci__json_string(at, ret, r->err);
}
static int read_bool(struct reader *r, const struct loci_json_at *at, void *ret)
{
	return loci__json_bool_opt(at, ret, r->err);
}
static int read_i64(struct reader *r, const struct loci_json_at *at, void *ret)
{
	return loci__json_i64(at, ret, r->err);
}

/* Numbers above INT64_MAX come as strings of digits: see quote_big_integers. */
static int read_u64(struct reader *r, const struct loci_json_at *at, void *ret)
{
	uint64_t v;
	if (json_is_string(at->v) &&
	    loci__parse_u64(json_string_value(at->v), json_string_length(at->v), &v) &&
	    v > INT64_MAX) {
		*(uint64_t *)ret = v;
		return 0;
	}
	return loci__json_u64(at, ret, r->err);
}

static int read_u32(struct reader *r, const struct loci_json_at *at, void *ret)
{
	uint64_t v;
	int rc = loci__json_u64(at, &v, r->err);
	if (rc < 0)
		return rc;
	if (v > UINT32_MAX)
		return loci__json_err(at, r->err, "%llu is above 4294967295",
		                      (unsigned long long)v);
	*(uint32_t *)ret = (uint32_t)v;
	return 0;
}

/* The kernel takes the highest number as "leave it as it is", which would be root. */
static int read_id(struct reader *r, const struct loci_json_at *at, void *ret)
{
	int rc = read_u32(r, at, ret);
	if (rc >= 0 && *(uint32_t *)ret == UINT32_MAX)
		return loci__json_err(at, r->err, "4294967295 is no id");
	return rc;
}

static int read_opt_i64(struct reader *r, const struct loci_json_at *at, void *ret)
{
	struct loci__opt_i64 *o = ret;
	o->set = true;
	return read_i64(r, at, &o->v);
}
static int read_opt_u64(struct reader *r, const struct loci_json_at *at, void *ret)
{
	struct loci__opt_u64 *o = ret;
	o->set = true;
	return read_u64(r, at, &o->v);
}

/* A property of the spec that we do not honour. Its empty value asks for nothing. */
static int refuse(struct reader *r, const struct loci_json_at *at, void *ret)
{
	(void)ret;
	const json_t *v = at->v;
	bool empty = json_is_false(v) || (json_is_string(v) && json_string_length(v) == 0) ||
	             (json_is_object(v) && json_object_size(v) == 0) ||
	             (json_is_array(v) && json_array_size(v) == 0);
	if (empty)
		return 0;
	char path[160];
	loci__json_path(at, path, sizeof(path));
	return loci__err_set(r->err, LOCI_E_UNSUPPORTED, "%s: not supported", path);
}

static int check_count(struct reader *r, const struct loci_json_at *at, size_t n)
{
	if (n > LOCI_RUNTIME_CONFIG_LIST_MAX)
		return loci__json_err(at, r->err, "%zu members, at most %d are allowed", n,
		                      LOCI_RUNTIME_CONFIG_LIST_MAX);
	return 0;
}

/* An array of elements of one size, each read by `read`. */
static int read_list(struct reader *r, const struct loci_json_at *at, size_t size,
                     int (*read)(struct reader *, const struct loci_json_at *, void *), void *ret_v,
                     size_t *ret_n)
{
	size_t n;
	int rc = loci__json_array(at, &n, r->err);
	if (rc < 0 || (rc = check_count(r, at, n)) < 0)
		return rc;
	char *v = loci__arena_array(r->arena, n + 1, size);
	if (!v)
		return loci__err_nomem(r->err);
	for (size_t i = 0; rc >= 0 && i < n; i++) {
		struct loci_json_at element = loci__json_element(at, i);
		rc = read(r, &element, v + i * size);
	}
	*(void **)ret_v = v;
	*ret_n = n;
	return rc;
}
/* Defines `name`, which reads a list into the members .v and .n of a struct that starts with them.
 */
#define DEFINE_LIST(name, element_type, read)                                                    \
	static int name(struct reader *r, const struct loci_json_at *at, void *ret)              \
	{                                                                                        \
		struct {                                                                         \
			element_type *v;                                                         \
			size_t n;                                                                \
		} *list = ret;                                                                   \
		return read_list(r, at, sizeof(element_type), read, (void *)&list->v, &list->n); \
	}
DEFINE_LIST(read_strings, const char *, read_string)
DEFINE_LIST(read_ids, uint32_t, read_id)

static int read_pairs(struct reader *r, const struct loci_json_at *at, void *ret)
{
	struct loci__pairs *pairs = ret;
	int rc = loci__json_object(at, r->err);
	if (rc < 0 || (rc = check_count(r, at, json_object_size(at->v))) < 0)
		return rc;
	pairs->v = loci__arena_array(r->arena, json_object_size(at->v) + 1, sizeof(*pairs->v));
	if (!pairs->v)
		return loci__err_nomem(r->err);
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)at->v, key, value)
	{
		struct loci_json_at member = {.v = value, .up = at, .key = key};
		struct loci__pair *p = &pairs->v[pairs->n++];
		p->key = key;
		rc = loci__json_string(&member, &p->value, r->err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

#define CFG(member) offsetof(struct loci__runtime_config, member)
#define RES(member) offsetof(struct loci__cfg_resources, member)

/* --- root, mounts, hooks -------------------------------------------------------------------- */

static const struct row root_rows[] = {
        {"path", read_string, CFG(root_path), .required = true},
        {"readonly", read_bool, CFG(root_readonly)},
};
#define MOUNT(member) offsetof(struct loci__cfg_mount, member)
static const struct row mount_rows[] = {
        {"destination", read_string, MOUNT(destination), .required = true},
        {"type", read_string, MOUNT(type)},
        {"source", read_string, MOUNT(source)},
        {"options", read_strings, MOUNT(options)},
        {"uidMappings", refuse},
        {"gidMappings", refuse},
};
DEFINE_OBJECT(read_mount, mount_rows)
DEFINE_LIST(read_mounts, struct loci__cfg_mount, read_mount)

static int read_timeout(struct reader *r, const struct loci_json_at *at, void *ret)
{
	int rc = loci__json_u64(at, ret, r->err);
	if (rc >= 0 && *(uint64_t *)ret == 0)
		return loci__json_err(at, r->err, "must be above 0");
	return rc;
}
#define HOOK(member) offsetof(struct loci__cfg_hook, member)
static const struct row hook_rows[] = {
        {"path", read_string, HOOK(path), .required = true},
        {"args", read_strings, HOOK(args)},
        {"env", read_strings, HOOK(env)},
        {"timeout", read_timeout, HOOK(timeout)},
};
static int read_hook(struct reader *r, const struct loci_json_at *at, void *ret)
{
	int rc = read_rows(r, at, hook_rows, loci__array_len(hook_rows), ret);
	const struct loci__cfg_hook *h = ret;
	if (rc >= 0 && h->path[0] != '/')
		return loci__json_err(at, r->err, "path '%s': expected an absolute path", h->path);
	return rc;
}
DEFINE_LIST(read_hook_list, struct loci__cfg_hook, read_hook)
static const struct row hooks_rows[] = {
        {"prestart", read_hook_list, CFG(prestart)},
        {"createRuntime", read_hook_list, CFG(create_runtime)},
        {"createContainer", read_hook_list, CFG(create_container)},
        {"startContainer", read_hook_list, CFG(start_container)},
        {"poststart", read_hook_list, CFG(poststart)},
        {"poststop", read_hook_list, CFG(poststop)},
};

/* --- process -------------------------------------------------------------------------------- */

static const struct row console_rows[] = {
        {"height", read_u64, CFG(console_height), .required = true},
        {"width", read_u64, CFG(console_width), .required = true},
};
static const struct row user_rows[] = {
        {"uid", read_id, CFG(uid)},
        {"gid", read_id, CFG(gid)},
        {"umask", read_opt_u64, CFG(umask)},
        {"additionalGids", read_ids, CFG(additional_gids)},
};
#define RLIMIT(member) offsetof(struct loci__cfg_rlimit, member)
static const struct row rlimit_rows[] = {
        {"type", read_string, RLIMIT(type), .required = true},
        {"soft", read_u64, RLIMIT(soft), .required = true},
        {"hard", read_u64, RLIMIT(hard), .required = true},
};
DEFINE_OBJECT(read_rlimit, rlimit_rows)
DEFINE_LIST(read_rlimits, struct loci__cfg_rlimit, read_rlimit)

const char *const loci__cap_set_names[5] = {"bounding", "effective", "inheritable", "permitted",
                                            "ambient"};
static int read_capabilities(struct reader *r, const struct loci_json_at *at, void *ret)
{
	struct loci__runtime_config *c = ret;
	c->has_capabilities = true;
	int rc = loci__json_object(at, r->err);
	for (size_t i = 0; rc >= 0 && i < 5; i++) {
		struct loci_json_at set = loci__json_member(at, loci__cap_set_names[i]);
		if (set.v)
			rc = read_strings(r, &set, &c->capabilities[i]);
	}
	return rc;
}
static const struct row io_priority_rows[] = {
        {"class", read_string, CFG(io_class), .required = true},
        {"priority", read_i64, CFG(io_priority)},
};

/* Parts that share the config's struct are read by tables of their own. */
DEFINE_OBJECT(read_root, root_rows)
DEFINE_OBJECT(read_hooks, hooks_rows)
DEFINE_OBJECT(read_console, console_rows)
DEFINE_OBJECT(read_user, user_rows)
DEFINE_OBJECT(read_io_priority, io_priority_rows)

static const struct row process_rows[] = {
        {"terminal", read_bool, CFG(terminal)},
        {"consoleSize", read_console},
        {"cwd", read_string, CFG(cwd), .required = true},
        {"env", read_strings, CFG(env)},
        {"args", read_strings, CFG(args), .required = true},
        {"commandLine", refuse},
        {"user", read_user},
        {"rlimits", read_rlimits, CFG(rlimits)},
        {"capabilities", read_capabilities},
        {"noNewPrivileges", read_bool, CFG(no_new_privileges)},
        {"oomScoreAdj", read_opt_i64, CFG(oom_score_adj)},
        {"apparmorProfile", refuse},
        {"selinuxLabel", refuse},
        {"scheduler", refuse},
        {"ioPriority", read_io_priority},
        /* execCPUAffinity does not apply to a container's init (config.md) */
};
static int read_process(struct reader *r, const struct loci_json_at *at, void *ret)
{
	struct loci__runtime_config *c = ret;
	c->has_process = true;
	int rc = read_rows(r, at, process_rows, loci__array_len(process_rows), ret);
	if (rc < 0)
		return rc;
	if (c->args.n == 0)
		return loci__json_err(at, r->err, "args needs at least one entry");
	if (c->cwd[0] != '/')
		return loci__json_err(at, r->err, "cwd '%s': expected an absolute path", c->cwd);
	return 0;
}

/* --- linux.resources ------------------------------------------------------------------------ */

static const struct row memory_rows[] = {
        {"limit", read_opt_i64, RES(memory_limit)},
        {"reservation", read_opt_i64, RES(memory_reservation)},
        {"swap", read_opt_i64, RES(memory_swap)},
        {"kernel", refuse},
        {"kernelTCP", read_opt_i64, RES(memory_kernel_tcp)},
        {"swappiness", read_opt_u64, RES(memory_swappiness)},
        {"disableOOMKiller", read_bool, RES(disable_oom_killer)},
        /* useHierarchy: every kernel of today works so; checkBeforeUpdate: a new cgroup is empty */
};
static const struct row cpu_rows[] = {
        {"shares", read_opt_u64, RES(cpu_shares)},
        {"quota", read_opt_i64, RES(cpu_quota)},
        {"period", read_opt_u64, RES(cpu_period)},
        {"burst", read_opt_u64, RES(cpu_burst)},
        {"realtimePeriod", read_opt_u64, RES(cpu_rt_period)},
        {"realtimeRuntime", read_opt_i64, RES(cpu_rt_runtime)},
        {"idle", read_opt_i64, RES(cpu_idle)},
        {"cpus", read_string, RES(cpus)},
        {"mems", read_string, RES(mems)},
};
static const struct row pids_rows[] = {{"limit", read_opt_i64, RES(pids_limit)}};

#define IO(member) offsetof(struct loci__cfg_io_device, member)
static const struct row io_weight_rows[] = {
        {"major", read_u64, IO(major), .required = true},
        {"minor", read_u64, IO(minor), .required = true},
        {"weight", read_opt_u64, IO(weight)},
        {"leafWeight", read_opt_u64, IO(leaf_weight)},
};
static const struct row io_throttle_rows[] = {
        {"major", read_u64, IO(major), .required = true},
        {"minor", read_u64, IO(minor), .required = true},
        {"rate", read_u64, IO(rate), .required = true},
};
DEFINE_OBJECT(read_io_weight, io_weight_rows)
DEFINE_LIST(read_io_weights, struct loci__cfg_io_device, read_io_weight)
DEFINE_OBJECT(read_io_throttle, io_throttle_rows)
DEFINE_LIST(read_io_throttles, struct loci__cfg_io_device, read_io_throttle)
static const struct row block_io_rows[] = {
        {"weight", read_opt_u64, RES(io_weight)},
        {"leafWeight", read_opt_u64, RES(io_leaf_weight)},
        {"weightDevice", read_io_weights, RES(io_weights)},
        {"throttleReadBpsDevice", read_io_throttles, RES(io_read_bps)},
        {"throttleWriteBpsDevice", read_io_throttles, RES(io_write_bps)},
        {"throttleReadIOPSDevice", read_io_throttles, RES(io_read_iops)},
        {"throttleWriteIOPSDevice", read_io_throttles, RES(io_write_iops)},
};

#define HUGE(member) offsetof(struct loci__cfg_hugepage, member)
static const struct row hugepage_rows[] = {
        {"pageSize", read_string, HUGE(size), .required = true},
        {"limit", read_u64, HUGE(limit), .required = true},
};
/* "[1-9][0-9]*[KMG]B": it becomes part of a file's name. */
static bool is_page_size(const char *s)
{
	struct loci_cursor c = loci__cursor(s, strlen(s));
	uint64_t n;
	if (s[0] == '0' || !loci__take_u64(&c, &n))
		return false;
	return (loci__take_text(&c, "KB") || loci__take_text(&c, "MB") ||
	        loci__take_text(&c, "GB")) &&
	       loci__cursor_at_end(&c);
}
static int read_hugepage(struct reader *r, const struct loci_json_at *at, void *ret)
{
	int rc = read_rows(r, at, hugepage_rows, loci__array_len(hugepage_rows), ret);
	const struct loci__cfg_hugepage *h = ret;
	if (rc >= 0 && !is_page_size(h->size))
		return loci__json_err(at, r->err, "pageSize '%s': expected a size as '2MB'",
		                      h->size);
	return rc;
}
DEFINE_LIST(read_hugepages, struct loci__cfg_hugepage, read_hugepage)

#define PRIORITY(member) offsetof(struct loci__cfg_priority, member)
static const struct row priority_rows[] = {
        {"name", read_string, PRIORITY(name), .required = true},
        {"priority", read_u64, PRIORITY(priority), .required = true},
};
DEFINE_OBJECT(read_priority, priority_rows)
DEFINE_LIST(read_priorities, struct loci__cfg_priority, read_priority)
static const struct row network_rows[] = {
        {"classID", read_opt_u64, RES(net_class)},
        {"priorities", read_priorities, RES(net_priorities)},
};

#define RDMA(member) offsetof(struct loci__cfg_rdma, member)
static const struct row rdma_rows[] = {
        {"hcaHandles", read_opt_u64, RDMA(handles)},
        {"hcaObjects", read_opt_u64, RDMA(objects)},
};
static int read_rdma(struct reader *r, const struct loci_json_at *at, void *ret)
{
	struct loci__cfg_resources *res = ret;
	int rc = loci__json_object(at, r->err);
	if (rc < 0 || (rc = check_count(r, at, json_object_size(at->v))) < 0)
		return rc;
	res->rdma = loci__arena_array(r->arena, json_object_size(at->v) + 1, sizeof(*res->rdma));
	if (!res->rdma)
		return loci__err_nomem(r->err);
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)at->v, key, value)
	{
		struct loci_json_at member = {.v = value, .up = at, .key = key};
		struct loci__cfg_rdma *d = &res->rdma[res->n_rdma++];
		d->device = key;
		rc = read_rows(r, &member, rdma_rows, loci__array_len(rdma_rows), d);
		if (rc < 0)
			return rc;
	}
	return 0;
}

#define RULE(member) offsetof(struct loci__cfg_device_rule, member)
static const struct row device_rule_rows[] = {
        {"allow", read_bool, RULE(allow), .required = true},
        {"type", read_string, RULE(type)},
        {"major", read_opt_i64, RULE(major)},
        {"minor", read_opt_i64, RULE(minor)},
        {"access", read_string, RULE(access)},
};
static int read_device_rule(struct reader *r, const struct loci_json_at *at, void *ret)
{
	struct loci__cfg_device_rule *d = ret;
	d->type = "a";
	d->access = "rwm";
	int rc = read_rows(r, at, device_rule_rows, loci__array_len(device_rule_rows), ret);
	if (rc < 0)
		return rc;
	if (!*d->type)
		d->type = "a";
	if (!*d->access)
		d->access = "rwm";
	if (!strchr("acb", d->type[0]) || d->type[1])
		return loci__json_err(at, r->err, "type '%s': expected a, b or c", d->type);
	if (strspn(d->access, "rwm") != strlen(d->access))
		return loci__json_err(at, r->err, "access '%s': expected letters of rwm",
		                      d->access);
	if (d->major.v > UINT32_MAX || d->minor.v > UINT32_MAX)
		return loci__json_err(at, r->err, "major and minor: expected at most 4294967295");
	return 0;
}
DEFINE_LIST(read_device_rules, struct loci__cfg_device_rule, read_device_rule)

DEFINE_OBJECT(read_memory, memory_rows)
DEFINE_OBJECT(read_cpu, cpu_rows)
DEFINE_OBJECT(read_pids, pids_rows)
DEFINE_OBJECT(read_block_io, block_io_rows)
DEFINE_OBJECT(read_network, network_rows)
static const struct row resources_rows[] = {
        {"memory", read_memory},
        {"cpu", read_cpu},
        {"pids", read_pids},
        {"blockIO", read_block_io},
        {"hugepageLimits", read_hugepages, RES(hugepages)},
        {"network", read_network},
        {"rdma", read_rdma},
        {"devices", read_device_rules, RES(devices)},
        {"unified", read_pairs, RES(unified)},
};
DEFINE_OBJECT(read_resources, resources_rows)

/* --- linux ---------------------------------------------------------------------------------- */

#define NS(member) offsetof(struct loci__cfg_namespace, member)
static const struct row namespace_rows[] = {
        {"type", read_string, NS(type), .required = true},
        {"path", read_string, NS(path)},
};
DEFINE_OBJECT(read_namespace, namespace_rows)
DEFINE_LIST(read_namespaces, struct loci__cfg_namespace, read_namespace)

#define DEV(member) offsetof(struct loci__cfg_device, member)
static const struct row device_rows[] = {
        {"type", read_string, DEV(type), .required = true},
        {"path", read_string, DEV(path), .required = true},
        {"major", read_i64, DEV(major)},
        {"minor", read_i64, DEV(minor)},
        {"fileMode", read_opt_u64, DEV(mode)},
        {"uid", read_id, DEV(uid)},
        {"gid", read_id, DEV(gid)},
};
static int read_device(struct reader *r, const struct loci_json_at *at, void *ret)
{
	const struct loci__cfg_device *d = ret;
	int rc = read_rows(r, at, device_rows, loci__array_len(device_rows), ret);
	if (rc < 0)
		return rc;
	if (!*d->type || !strchr("cbup", d->type[0]) || d->type[1])
		return loci__json_err(at, r->err, "type '%s': expected c, b, u or p", d->type);
	if (d->path[0] != '/')
		return loci__json_err(at, r->err, "path '%s': expected an absolute path", d->path);
	if (d->major < 0 || d->minor < 0 || d->major > UINT32_MAX || d->minor > UINT32_MAX)
		return loci__json_err(at, r->err, "major and minor: expected 0 to 4294967295");
	return 0;
}
DEFINE_LIST(read_devices, struct loci__cfg_device, read_device)

#define ARG(member) offsetof(struct loci__cfg_syscall_arg, member)
static const struct row syscall_arg_rows[] = {
        {"index", read_u64, ARG(index), .required = true},
        {"value", read_u64, ARG(value), .required = true},
        {"valueTwo", read_u64, ARG(value_two)},
        {"op", read_string, ARG(op), .required = true},
};
DEFINE_OBJECT(read_syscall_arg, syscall_arg_rows)
DEFINE_LIST(read_syscall_args, struct loci__cfg_syscall_arg, read_syscall_arg)
#define SYSCALL(member) offsetof(struct loci__cfg_syscall, member)
static const struct row syscall_rows[] = {
        {"names", read_strings, SYSCALL(names), .required = true},
        {"action", read_string, SYSCALL(action), .required = true},
        {"errnoRet", read_opt_u64, SYSCALL(errno_ret)},
        {"args", read_syscall_args, SYSCALL(args)},
};
DEFINE_OBJECT(read_syscall, syscall_rows)
DEFINE_LIST(read_syscalls, struct loci__cfg_syscall, read_syscall)
static const struct row seccomp_rows[] = {
        {"defaultAction", read_string, CFG(seccomp.default_action), .required = true},
        {"defaultErrnoRet", read_opt_u64, CFG(seccomp.default_errno_ret)},
        {"flags", read_strings, CFG(seccomp.flags)},
        {"listenerPath", refuse},
        {"listenerMetadata", refuse},
        {"architectures", read_strings, CFG(seccomp.architectures)},
        {"syscalls", read_syscalls, CFG(seccomp.syscalls)},
};
static int read_seccomp(struct reader *r, const struct loci_json_at *at, void *ret)
{
	((struct loci__runtime_config *)ret)->has_seccomp = true;
	return read_rows(r, at, seccomp_rows, loci__array_len(seccomp_rows), ret);
}
static const struct row personality_rows[] = {
        {"domain", read_string, CFG(personality), .required = true},
        {"flags", refuse},
};
DEFINE_OBJECT(read_personality, personality_rows)

static const struct row linux_rows[] = {
        {"namespaces", read_namespaces, CFG(namespaces)},
        {"devices", read_devices, CFG(devices)},
        {"cgroupsPath", read_string, CFG(cgroups_path)},
        {"resources", read_resources, CFG(resources)},
        {"rootfsPropagation", read_string, CFG(rootfs_propagation)},
        {"seccomp", read_seccomp},
        {"sysctl", read_pairs, CFG(sysctl)},
        {"maskedPaths", read_strings, CFG(masked_paths)},
        {"readonlyPaths", read_strings, CFG(readonly_paths)},
        {"personality", read_personality},
        {"netDevices", refuse},
        {"uidMappings", refuse},
        {"gidMappings", refuse},
        {"mountLabel", refuse},
        {"intelRdt", refuse},
        {"memoryPolicy", refuse},
        {"timeOffsets", refuse},
};
DEFINE_OBJECT(read_linux, linux_rows)

static const struct row config_rows[] = {
        {"ociVersion", read_string, CFG(oci_version), .required = true},
        {"root", read_root, .required = true},
        {"mounts", read_mounts, CFG(mounts)},
        {"process", read_process},
        {"hostname", read_string, CFG(hostname)},
        {"domainname", read_string, CFG(domainname)},
        {"hooks", read_hooks},
        {"annotations", read_pairs, CFG(annotations)},
        {"linux", read_linux},
        {"solaris", refuse},
        {"windows", refuse},
        {"vm", refuse},
        {"zos", refuse},
        {"freebsd", refuse},
};

/* --- the document --------------------------------------------------------------------------- */

/* jansson's integers end at INT64_MAX, but rlimits and seccomp arguments are uint64 ("unlimited" is
 * 18446744073709551615). Such numbers are put in quotes; read_u64 knows them. */
static int quote_big_integers(const char *text, size_t n, struct loci_buf *out)
{
	bool in_string = false;
	for (size_t i = 0; i < n;) {
		size_t digits = 0;
		while (!in_string && i + digits < n &&
		       loci__is_digit((unsigned char)text[i + digits]))
			digits++;
		if (digits == 0) {
			if (in_string && text[i] == '\\' && i + 1 < n)
				loci__buf_putc(out, text[i++]);
			else if (text[i] == '"')
				in_string = !in_string;
			loci__buf_putc(out, text[i++]);
			continue;
		}
		uint64_t v;
		bool plain = i == 0 || !strchr("-+.eE", text[i - 1]);
		bool big = plain && loci__parse_u64(text + i, digits, &v) && v > INT64_MAX;
		if (i + digits < n && strchr(".eE", text[i + digits]))
			big = false;
		if (big)
			loci__buf_putc(out, '"');
		loci__buf_append(out, text + i, digits);
		if (big)
			loci__buf_putc(out, '"');
		i += digits;
	}
	return out->failed;
}

/* Only texts with a run of 19 digits are worth the copy. */
static bool has_big_integer(const char *text, size_t n)
{
	size_t run = 0;
	for (size_t i = 0; i < n; i++) {
		run = loci__is_digit((unsigned char)text[i]) ? run + 1 : 0;
		if (run >= 19)
			return true;
	}
	return false;
}

static int parse_document(const char *text, size_t n, json_t **ret, struct loci_error *err)
{
	static const struct loci_json_limits limits = {2 * LOCI_RUNTIME_CONFIG_MAX_BYTES,
	                                               MAX_DEPTH};
	if (n > LOCI_RUNTIME_CONFIG_MAX_BYTES)
		return loci__err_set(err, LOCI_E_TOO_LARGE,
		                     "config.json: %zu bytes, at most %u are allowed", n,
		                     LOCI_RUNTIME_CONFIG_MAX_BYTES);
	if (!has_big_integer(text, n))
		return loci__json_parse(text, n, &limits, "config.json", ret, err);
	loci__cleanup_buf struct loci_buf quoted = LOCI_BUF_INIT(2 * LOCI_RUNTIME_CONFIG_MAX_BYTES);
	if (quote_big_integers(text, n, &quoted))
		return loci__buf_check(&quoted, "config.json", err);
	return loci__json_parse(quoted.p, quoted.len, &limits, "config.json", ret, err);
}

/* SemVer of the 1.x line; 1.0.0-rc* and the like count too. */
static int check_version(const char *v, struct loci_error *err)
{
	struct loci_cursor c = loci__cursor(v, strlen(v));
	uint64_t major, minor, patch;
	if (!loci__take_u64(&c, &major) || !loci__take_char(&c, '.') ||
	    !loci__take_u64(&c, &minor) || !loci__take_char(&c, '.') || !loci__take_u64(&c, &patch))
		return loci__err_set(err, LOCI_E_INVALID,
		                     "$.ociVersion: '%s' is no version as '1.2.0'", v);
	if (major != 1)
		return loci__err_set(err, LOCI_E_UNSUPPORTED,
		                     "$.ociVersion: '%s' is not supported, expected 1.x", v);
	return 0;
}

int loci__runtime_config_parse(const char *text, size_t n, struct loci__runtime_config *ret,
                               struct loci_error *err)
{
	struct loci__runtime_config c = {
	        .arena = LOCI_ARENA_INIT(16 * LOCI_RUNTIME_CONFIG_MAX_BYTES)};
	int rc = parse_document(text, n, &c.doc, err);
	if (rc >= 0) {
		struct reader r = {&c.arena, err};
		struct loci_json_at root = loci__json_root(c.doc);
		rc = read_rows(&r, &root, config_rows, loci__array_len(config_rows), &c);
	}
	if (rc >= 0)
		rc = check_version(c.oci_version, err);
	if (rc < 0) {
		loci__runtime_config_done(&c);
		return rc;
	}
	*ret = c;
	return 0;
}

void loci__runtime_config_done(struct loci__runtime_config *c)
{
	json_decref(c->doc);
	c->doc = NULL;
	loci__arena_done(&c->arena);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime-spec's config.json (config.md, config-linux.md) as plain data: types and ranges are
 * checked here, names (mount options, capabilities, syscalls …) where they are used. What this
 * project does not honour is refused by its path; unknown properties are ignored, as the spec asks.
 */
#ifndef LOCI_SPEC_RUNTIME_CONFIG_H
#define LOCI_SPEC_RUNTIME_CONFIG_H

#include "core/base/arena.h"
#include "core/base/json.h"

#define LOCI_RUNTIME_CONFIG_MAX_BYTES (4u << 20)
#define LOCI_RUNTIME_CONFIG_LIST_MAX  4096 /* members of any one array or map */

/* v ends with a NULL. */
struct loci__strings {
	const char **v;
	size_t n;
};
struct loci__pair {
	const char *key;
	const char *value;
};
struct loci__pairs {
	struct loci__pair *v;
	size_t n;
};
struct loci__opt_i64 {
	int64_t v;
	bool set;
};
struct loci__opt_u64 {
	uint64_t v;
	bool set;
};

struct loci__cfg_mount {
	const char *destination;
	const char *type;
	const char *source;
	struct loci__strings options;
};
struct loci__cfg_rlimit {
	const char *type;
	uint64_t soft;
	uint64_t hard;
};
struct loci__cfg_hook {
	const char *path;
	struct loci__strings args;
	struct loci__strings env;
	uint64_t timeout; /* seconds; 0: none */
};
struct loci__cfg_hooks {
	struct loci__cfg_hook *v;
	size_t n;
};
struct loci__cfg_namespace {
	const char *type;
	const char *path;
};
struct loci__cfg_device {
	const char *type;
	const char *path;
	int64_t major;
	int64_t minor;
	struct loci__opt_u64 mode;
	uint32_t uid;
	uint32_t gid;
};
struct loci__cfg_device_rule {
	bool allow;
	const char *type;
	struct loci__opt_i64 major; /* unset or negative: all */
	struct loci__opt_i64 minor;
	const char *access;
};
struct loci__cfg_io_device {
	uint64_t major;
	uint64_t minor;
	uint64_t rate;
	struct loci__opt_u64 weight;
	struct loci__opt_u64 leaf_weight;
};
struct loci__cfg_io_devices {
	struct loci__cfg_io_device *v;
	size_t n;
};
struct loci__cfg_hugepage {
	const char *size;
	uint64_t limit;
};
struct loci__cfg_priority {
	const char *name;
	uint64_t priority;
};
struct loci__cfg_rdma {
	const char *device;
	struct loci__opt_u64 handles;
	struct loci__opt_u64 objects;
};
struct loci__cfg_resources {
	struct loci__opt_i64 memory_limit, memory_reservation, memory_swap, memory_kernel_tcp;
	struct loci__opt_u64 memory_swappiness;
	bool disable_oom_killer;
	struct loci__opt_u64 cpu_shares, cpu_period, cpu_burst, cpu_rt_period;
	struct loci__opt_i64 cpu_quota, cpu_rt_runtime, cpu_idle;
	const char *cpus;
	const char *mems;
	struct loci__opt_i64 pids_limit;
	struct loci__opt_u64 io_weight, io_leaf_weight;
	struct loci__cfg_io_devices io_weights, io_read_bps, io_write_bps, io_read_iops,
	        io_write_iops;
	struct loci__cfg_hugepage *hugepages;
	size_t n_hugepages;
	struct loci__opt_u64 net_class;
	struct loci__cfg_priority *net_priorities;
	size_t n_net_priorities;
	struct loci__cfg_rdma *rdma;
	size_t n_rdma;
	struct loci__cfg_device_rule *devices;
	size_t n_devices;
	struct loci__pairs unified;
};
struct loci__cfg_syscall_arg {
	uint64_t index;
	uint64_t value;
	uint64_t value_two;
	const char *op;
};
struct loci__cfg_syscall {
	struct loci__strings names;
	const char *action;
	struct loci__opt_u64 errno_ret;
	struct loci__cfg_syscall_arg *args;
	size_t n_args;
};
struct loci__cfg_seccomp {
	const char *default_action;
	struct loci__opt_u64 default_errno_ret;
	struct loci__strings architectures;
	struct loci__strings flags;
	struct loci__cfg_syscall *syscalls;
	size_t n_syscalls;
};

struct loci__runtime_config {
	const char *oci_version;
	const char *root_path;
	bool root_readonly;
	struct loci__cfg_mount *mounts;
	size_t n_mounts;
	const char *hostname;
	const char *domainname;
	struct loci__pairs annotations;
	struct loci__cfg_hooks prestart, create_runtime, create_container, start_container,
	        poststart, poststop;

	bool has_process;
	bool terminal;
	uint64_t console_height, console_width;
	const char *cwd;
	struct loci__strings env;
	struct loci__strings args;
	struct loci__cfg_rlimit *rlimits;
	size_t n_rlimits;
	bool has_capabilities;
	/* bounding, effective, inheritable, permitted, ambient: in the order of cap_set_names */
	struct loci__strings capabilities[5];
	bool no_new_privileges;
	struct loci__opt_i64 oom_score_adj;
	const char *io_class; /* ioPriority, or NULL */
	int64_t io_priority;
	uint32_t uid, gid;
	struct loci__opt_u64 umask;
	uint32_t *additional_gids;
	size_t n_additional_gids;

	struct loci__cfg_namespace *namespaces;
	size_t n_namespaces;
	struct loci__cfg_device *devices;
	size_t n_devices;
	const char *cgroups_path;
	struct loci__cfg_resources resources;
	const char *rootfs_propagation;
	bool has_seccomp;
	struct loci__cfg_seccomp seccomp;
	struct loci__pairs sysctl;
	struct loci__strings masked_paths;
	struct loci__strings readonly_paths;
	const char *personality; /* domain, or NULL */

	json_t *doc; /* the strings above live in it; here they end with the config */
	struct loci__arena arena;
};

/* The names that capabilities[] is indexed by, as config.json spells them. */
extern const char *const loci__cap_set_names[5];

/* Expected errors: INVALID and UNSUPPORTED (both name the JSON path), TOO_LARGE. On failure *ret
 * needs no _done. */
int loci__runtime_config_parse(const char *text, size_t n, struct loci__runtime_config *ret,
                               struct loci_error *err);
void loci__runtime_config_done(struct loci__runtime_config *c);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container's creation will do, decided before anything is done: plain operations that the
 * child executes in order, and settings for the parent. Made from the config alone, so it can be
 * printed, compared and tested without root; the kernel is not asked.
 */
#ifndef LOCI_RUNTIME_PLAN_H
#define LOCI_RUNTIME_PLAN_H

#include "core/base/buf.h"
#include "core/spec/runtime_config.h"
#include "loci/runtime.h"
#include "rtcore/runtime/mount_options.h"
#include "rtcore/runtime/seccomp.h"

#include <sys/resource.h>

#define LOCI_PLAN_ARGV0_PATH_MAX 4096

enum loci__op_kind {
	LOCI_OP_LOOPBACK,      /* brings lo up */
	LOCI_OP_HOSTNAME,      /* text */
	LOCI_OP_DOMAINNAME,    /* text */
	LOCI_OP_PROPAGATION,   /* of the tree we came with: value; keeps our mounts to ourselves */
	LOCI_OP_ROOTFS,        /* attaches the rootfs that the parent prepared */
	LOCI_OP_MOUNT,         /* mount */
	LOCI_OP_CGROUP_MOUNT,  /* mount: the container's own cgroups */
	LOCI_OP_DEVICE,        /* device */
	LOCI_OP_SYMLINK,       /* text at path */
	LOCI_OP_CONSOLE,       /* makes the pty, /dev/console, and hands the master over */
	LOCI_OP_DIRECTORY,     /* path, made when missing: the cwd */
	LOCI_OP_SYSCTL,        /* path below /proc/sys = text */
	LOCI_OP_MASK,          /* path */
	LOCI_OP_READONLY,      /* path */
	LOCI_OP_HOOKS_RUNTIME, /* the parent runs prestart and createRuntime meanwhile */
	LOCI_OP_HOOKS_CONTAINER,  /* createContainer, by the child */
	LOCI_OP_ROOT_ATTR,        /* value: MOUNT_ATTR_* of the root mount */
	LOCI_OP_PIVOT,            /* into the rootfs; the old root goes */
	LOCI_OP_ROOT_PROPAGATION, /* value */
	LOCI_OP_OOM_SCORE,        /* number */
	LOCI_OP_RLIMIT,           /* rlimit */
	LOCI_OP_IO_PRIORITY,      /* number: as ioprio_set takes it */
	LOCI_OP_PERSONALITY,      /* number */
	LOCI_N_OPS
};

struct loci__op_mount {
	const char *type; /* NULL for a bind */
	const char *source;
	const char *target; /* absolute, clean: no "..", no "//" */
	struct loci__mount_options o;
};
struct loci__op_device {
	const char *path;
	mode_t mode; /* type and permissions */
	unsigned major, minor;
	uid_t uid;
	gid_t gid;
};
struct loci__op {
	enum loci__op_kind kind;
	const char *path;
	const char *text;
	union {
		uint64_t value;
		int64_t number;
		struct loci__op_mount mount;
		struct loci__op_device device;
		struct {
			int resource;
			uint64_t soft, hard;
		} rlimit;
	};
};

/* A namespace: made new, or joined by path. */
struct loci__plan_namespace {
	uint64_t flag;
	const char *path; /* NULL: new */
};

struct loci__plan {
	const struct loci__runtime_config *config;
	const char *root_path; /* NULL: overlay */
	struct loci__plan_namespace *namespaces;
	size_t n_namespaces;
	uint64_t new_namespaces; /* CLONE_NEW* */
	uint64_t all_namespaces; /* new and joined */
	struct loci__op *ops;
	size_t n_ops;
	char *cgroup_path; /* absolute below the hierarchies; NULL: none */
	struct loci__cfg_device_rule
	        *device_rules; /* the config's, then what every container has; all else is denied */
	size_t n_device_rules;
	/* process */
	uint64_t caps[5]; /* in the order of loci__cap_set_names */
	struct loci__seccomp_filter seccomp;
	const char **env;
	struct loci__arena arena;
};

/* `config` must outlive the plan. warn collects what the spec wants logged, one line each (may be
 * NULL). Expected errors: INVALID, UNSUPPORTED, TOO_LARGE. */
int loci__plan_make(const struct loci__runtime_config *config, const char *id,
                    const struct loci_create_opts *o, enum loci_cgroup_manager manager,
                    struct loci_buf *warn, struct loci__plan *ret, struct loci_error *err);
void loci__plan_done(struct loci__plan *p);
int loci__plan_print(const struct loci__plan *p, struct loci_buf *out, struct loci_error *err);

#endif

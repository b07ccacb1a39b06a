/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables say what docker gives every container; the functions below them put the image and the
 * caller's wishes on top. JSON values are made unchecked and looked at once, at the end: jansson's
 * constructors give NULL without memory, and its setters fail on NULL, which `ok` remembers.
 */
#include "rtcore/bundle/config.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"
#include "rtcore/bundle/seccomp_default.h"

#include <stdio.h>
#include <string.h>

#define OCI_VERSION   "1.0.2"
#define DEFAULT_PATH  "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define CPU_PERIOD    100000 /* microseconds; docker's */
#define CPU_QUOTA_MIN 1000   /* the kernel's */

/* ---- what docker gives everyone ---------------------------------------------------------------
 */

static const char *const default_caps[] = {
        "CAP_AUDIT_WRITE", "CAP_CHOWN",   "CAP_DAC_OVERRIDE",     "CAP_FOWNER",     "CAP_FSETID",
        "CAP_KILL",        "CAP_MKNOD",   "CAP_NET_BIND_SERVICE", "CAP_NET_RAW",    "CAP_SETFCAP",
        "CAP_SETGID",      "CAP_SETPCAP", "CAP_SETUID",           "CAP_SYS_CHROOT",
};

static const char *const masked_paths[] = {
        "/proc/asound",     "/proc/acpi",        "/proc/interrupts",
        "/proc/kcore",      "/proc/keys",        "/proc/latency_stats",
        "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
        "/proc/scsi",       "/sys/firmware",     "/sys/devices/virtual/powercap",
};

static const char *const readonly_paths[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                             "/proc/sysrq-trigger"};

static const char *const namespaces[] = {"pid", "mount", "uts", "ipc", "network", "cgroup"};

/* Of the container's own network namespace: low ports and ping without a capability. */
static const struct {
	const char *name, *value;
} default_sysctls[] = {
        {"net.ipv4.ip_unprivileged_port_start", "0"},
        {"net.ipv4.ping_group_range", "0 2147483647"},
};

static const struct {
	const char *destination, *type, *source;
	const char *options; /* with commas between them */
} default_mounts[] = {
        {"/proc", "proc", "proc", "nosuid,noexec,nodev"},
        {"/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"},
        {"/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"},
        {"/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro"},
        {"/sys/fs/cgroup", "cgroup", "cgroup", "ro,nosuid,noexec,nodev"},
        {"/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev"},
        {"/dev/shm", "tmpfs", "shm", "nosuid,noexec,nodev,mode=1777,size=67108864"},
};

/* Files of the bundle that lie over the image's, as the engine and not the image knows them. */
static const struct {
	const char *destination, *name;
} own_files[] = {{"/etc/hostname", "hostname"}, {"/etc/hosts", "hosts"}};

/* Numbers of the cgroup's device list; -1: all. Nodes themselves the runtime makes. */
static const struct {
	bool allow;
	const char *type;
	int major, minor;
	const char *access;
} device_rules[] = {
        {false, "a", -1, -1, "rwm"}, {true, "c", -1, -1, "m"}, /* mknod alone opens nothing */
        {true, "b", -1, -1, "m"},    {true, "c", 1, 3, "rwm"}, /* null */
        {true, "c", 1, 5, "rwm"},                              /* zero */
        {true, "c", 1, 7, "rwm"},                              /* full */
        {true, "c", 1, 8, "rwm"},                              /* random */
        {true, "c", 1, 9, "rwm"},                              /* urandom */
        {true, "c", 5, 0, "rwm"},                              /* tty */
        {true, "c", 5, 1, "rwm"},                              /* console */
        {true, "c", 5, 2, "rwm"},                              /* ptmx */
        {true, "c", 136, -1, "rwm"},                           /* pts */
};

/* ---- making JSON ------------------------------------------------------------------------------
 */

static json_t *strings_json(const char *const *v, size_t n)
{
	json_t *list = json_array();
	for (size_t i = 0; i < n; i++)
		if (json_array_append_new(list, json_string(v[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static json_t *words_json(const char *words)
{
	json_t *list = json_array();
	while (*words) {
		size_t n = strcspn(words, ",");
		json_array_append_new(list, json_stringn(words, n));
		words += n;
		words += *words == ',';
	}
	return list;
}

/* take_v may be NULL: then it is out of memory. */
static void set(json_t *o, const char *key, json_t *take_v, bool *ok)
{
	if (json_object_set_new(o, key, take_v) < 0)
		*ok = false;
}

static void add(json_t *list, json_t *take_v, bool *ok)
{
	if (json_array_append_new(list, take_v) < 0)
		*ok = false;
}

/* ---- process ----------------------------------------------------------------------------------
 */

/* Bytes of a variable's name; 0: malformed. */
static size_t name_len(const char *variable)
{
	const char *eq = strchr(variable, '=');
	return eq ? (size_t)(eq - variable) : 0;
}

static void set_variable(json_t *env, const char *variable, size_t name, bool replace, bool *ok)
{
	for (size_t i = 0; i < json_array_size(env); i++) {
		const char *have = json_string_value(json_array_get(env, i));
		if (strncmp(have, variable, name + 1) != 0)
			continue;
		if (replace && json_array_set_new(env, i, json_string(variable)) < 0)
			*ok = false;
		return;
	}
	add(env, json_string(variable), ok);
}

static int add_variables(json_t *env, const char *const *v, size_t n, bool strict, bool *ok,
                         struct loci_error *err)
{
	for (size_t i = 0; i < n; i++) {
		size_t name = name_len(v[i]);
		if (name)
			set_variable(env, v[i], name, /* replace= */ true, ok);
		else if (strict)
			return loci__err_set(err, LOCI_E_INVALID,
			                     "variable '%.100s': expected NAME=VALUE", v[i]);
	}
	return 0;
}

static void add_default(json_t *env, const char *name, const char *value, bool *ok)
{
	char text[LOCI_USER_HOME_MAX + 64];
	snprintf(text, sizeof(text), "%s=%s", name, value);
	set_variable(env, text, strlen(name), /* replace= */ false, ok);
}

/* The image's variables, the caller's over them, and defaults for what neither has. */
static int env_json(const struct loci__bundle_facts *f, const struct loci_bundle_opts *o,
                    json_t **ret, bool *ok, struct loci_error *err)
{
	loci__cleanup_json json_t *env = json_array();
	int rc = 0;
	if (f->image)
		rc = add_variables(env, f->image->env, f->image->n_env, /* strict= */ false, ok,
		                   err);
	if (rc >= 0)
		rc = add_variables(env, o->env, o->n_env, /* strict= */ true, ok, err);
	if (rc < 0)
		return rc;
	add_default(env, "PATH", DEFAULT_PATH, ok);
	add_default(env, "HOSTNAME", f->hostname, ok);
	if (o->terminal)
		add_default(env, "TERM", "xterm", ok);
	add_default(env, "HOME", *f->user->home ? f->user->home : "/", ok);
	*ret = loci__steal_ptr(&env);
	return 0;
}

static void add_strings(json_t *list, const char *const *v, size_t n, bool *ok)
{
	for (size_t i = 0; i < n; i++)
		add(list, json_string(v[i]), ok);
}

static int args_json(const struct loci__bundle_facts *f, const struct loci_bundle_opts *o,
                     json_t **ret, bool *ok, struct loci_error *err)
{
	loci__cleanup_json json_t *args = json_array();
	bool own_entrypoint = o->entrypoint_set || o->n_entrypoint;
	if (own_entrypoint)
		add_strings(args, o->entrypoint, o->n_entrypoint, ok);
	else if (f->image)
		add_strings(args, f->image->entrypoint, f->image->n_entrypoint, ok);
	if (o->n_args)
		add_strings(args, o->args, o->n_args, ok);
	else if (!own_entrypoint && f->image)
		add_strings(args, f->image->cmd, f->image->n_cmd, ok);
	if (json_array_size(args) == 0)
		return loci__err_set(err, LOCI_E_INVALID,
		                     "nothing to run: the image names no command, give one");
	*ret = loci__steal_ptr(&args);
	return 0;
}

static json_t *user_json(const struct loci__user *u, bool *ok)
{
	json_t *o = json_pack("{s:I, s:I}", "uid", (json_int_t)u->uid, "gid", (json_int_t)u->gid);
	if (u->n_groups) {
		json_t *groups = json_array();
		for (size_t i = 0; i < u->n_groups; i++)
			add(groups, json_integer(u->groups[i]), ok);
		set(o, "additionalGids", groups, ok);
	}
	return o;
}

/* Users other than root get the bounding set only: what exec of a setuid program may give back. */
static json_t *caps_json(const struct loci__user *u, bool *ok)
{
	static const char *const sets[] = {"bounding", "effective", "permitted"};
	json_t *o = json_object();
	for (size_t i = 0; i < (u->uid == 0 ? loci__array_len(sets) : 1); i++)
		set(o, sets[i], strings_json(default_caps, loci__array_len(default_caps)), ok);
	return o;
}

static int process_json(const struct loci__bundle_facts *f, const struct loci_bundle_opts *o,
                        json_t **ret, bool *ok, struct loci_error *err)
{
	loci__cleanup_json json_t *args = NULL, *env = NULL;
	const char *cwd = o->workdir              ? o->workdir
	                  : !f->image             ? "/"
	                  : f->image->working_dir ? f->image->working_dir
	                                          : "/";
	if (*cwd != '/')
		return loci__err_set(err, LOCI_E_INVALID,
		                     "working directory '%.200s': expected an absolute path", cwd);
	int rc = args_json(f, o, &args, ok, err);
	if (rc < 0 || (rc = env_json(f, o, &env, ok, err)) < 0)
		return rc;
	json_t *p = json_object();
	set(p, "terminal", json_boolean(o->terminal), ok);
	set(p, "user", user_json(f->user, ok), ok);
	set(p, "args", loci__steal_ptr(&args), ok);
	set(p, "env", loci__steal_ptr(&env), ok);
	set(p, "cwd", json_string(cwd), ok);
	set(p, "capabilities", caps_json(f->user, ok), ok);
	set(p, "noNewPrivileges", json_false(), ok);
	*ret = p;
	return 0;
}

/* ---- linux ------------------------------------------------------------------------------------
 */

static json_t *devices_json(bool *ok)
{
	json_t *list = json_array();
	for (size_t i = 0; i < loci__array_len(device_rules); i++) {
		json_t *o = json_pack("{s:b, s:s, s:s}", "allow", device_rules[i].allow, "type",
		                      device_rules[i].type, "access", device_rules[i].access);
		if (device_rules[i].major >= 0)
			set(o, "major", json_integer(device_rules[i].major), ok);
		if (device_rules[i].minor >= 0)
			set(o, "minor", json_integer(device_rules[i].minor), ok);
		add(list, o, ok);
	}
	return list;
}

static json_t *sysctls_json(bool *ok)
{
	json_t *o = json_object();
	for (size_t i = 0; i < loci__array_len(default_sysctls); i++)
		set(o, default_sysctls[i].name, json_string(default_sysctls[i].value), ok);
	return o;
}

static int resources_json(const struct loci_bundle_opts *o, json_t **ret, bool *ok,
                          struct loci_error *err)
{
	if (o->memory > INT64_MAX || o->pids < 0)
		return loci__err_set(err, LOCI_E_INVALID,
		                     "limit of memory or of processes: too big");
	/* Written so that a NaN is refused too. */
	if (!(o->cpus >= 0 && o->cpus <= 1e6))
		return loci__err_set(err, LOCI_E_INVALID, "cpus: expected a number such as 1.5");
	json_t *r = json_object();
	set(r, "devices", devices_json(ok), ok);
	if (o->memory)
		set(r, "memory", json_pack("{s:I}", "limit", (json_int_t)o->memory), ok);
	if (o->cpus > 0) {
		json_int_t quota = (json_int_t)(o->cpus * CPU_PERIOD + 0.5);
		set(r, "cpu",
		    json_pack("{s:I, s:i}", "quota", quota < CPU_QUOTA_MIN ? CPU_QUOTA_MIN : quota,
		              "period", CPU_PERIOD),
		    ok);
	}
	if (o->pids)
		set(r, "pids", json_pack("{s:I}", "limit", (json_int_t)o->pids), ok);
	*ret = r;
	return 0;
}

static int linux_json(const struct loci__bundle_facts *f, const struct loci_bundle_opts *o,
                      json_t **ret, bool *ok, struct loci_error *err)
{
	json_t *resources = NULL, *seccomp = NULL;
	int rc = loci__seccomp_default(default_caps, loci__array_len(default_caps), &seccomp, err);
	if (rc < 0)
		return rc;
	if ((rc = resources_json(o, &resources, ok, err)) < 0) {
		json_decref(seccomp);
		return rc;
	}
	json_t *l = json_object(), *ns = json_array();
	for (size_t i = 0; i < loci__array_len(namespaces); i++)
		add(ns, json_pack("{s:s}", "type", namespaces[i]), ok);
	set(l, "namespaces", ns, ok);
	if (f->image) { /* a config.json that people write from serves many containers */
		set(l, "cgroupsPath", json_sprintf("/loci/%s", f->id), ok);
		set(l, "sysctl", sysctls_json(ok), ok);
	}
	set(l, "resources", resources, ok);
	set(l, "seccomp", seccomp, ok);
	set(l, "maskedPaths", strings_json(masked_paths, loci__array_len(masked_paths)), ok);
	set(l, "readonlyPaths", strings_json(readonly_paths, loci__array_len(readonly_paths)), ok);
	*ret = l;
	return 0;
}

static json_t *mounts_json(const struct loci__bundle_facts *f, bool *ok)
{
	json_t *list = json_array();
	for (size_t i = 0; i < loci__array_len(default_mounts); i++)
		add(list,
		    json_pack("{s:s, s:s, s:s, s:o}", "destination", default_mounts[i].destination,
		              "type", default_mounts[i].type, "source", default_mounts[i].source,
		              "options", words_json(default_mounts[i].options)),
		    ok);
	for (size_t i = 0; f->image && i < loci__array_len(own_files); i++)
		add(list,
		    json_pack("{s:s, s:s, s:o, s:o}", "destination", own_files[i].destination,
		              "type", "bind", "source",
		              json_sprintf("%s/%s", f->path, own_files[i].name), "options",
		              words_json("bind,rprivate")),
		    ok);
	return list;
}

/* ---- annotations: conversion.md "Annotation Fields" -------------------------------------------
 */

static void ports_annotation(const struct loci_image_config *c, json_t *o, bool *ok)
{
	char text[4096];
	size_t at = 0;
	if (!c->n_exposed_ports)
		return;
	for (size_t i = 0; i < c->n_exposed_ports && at < sizeof(text); i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", i ? "," : "",
		                       c->exposed_ports[i]);
	set(o, "org.opencontainers.image.exposedPorts", json_string(text), ok);
}

static json_t *annotations_json(const struct loci_image_config *c, bool *ok)
{
	const struct {
		const char *key, *value;
	} fields[] = {
	        {"org.opencontainers.image.os", c->platform.os},
	        {"org.opencontainers.image.architecture", c->platform.arch},
	        {"org.opencontainers.image.variant", c->platform.variant},
	        {"org.opencontainers.image.os.version", c->platform.os_version},
	        {"org.opencontainers.image.author", c->author},
	        {"org.opencontainers.image.created", c->created},
	        {"org.opencontainers.image.stopSignal", c->stop_signal},
	};
	json_t *o = json_object();
	for (size_t i = 0; i < loci__array_len(fields); i++)
		if (fields[i].value)
			set(o, fields[i].key, json_string(fields[i].value), ok);
	ports_annotation(c, o, ok);
	/* A label of the same name wins; the runtime-spec allows no empty keys. */
	for (size_t i = 0; i < c->n_labels; i++)
		if (*c->labels[i].key)
			set(o, c->labels[i].key, json_string(c->labels[i].value), ok);
	return o;
}

int loci__bundle_config(const struct loci__bundle_facts *f, const struct loci_bundle_opts *o,
                        json_t **ret, struct loci_error *err)
{
	bool ok = true;
	loci__cleanup_json json_t *process = NULL, *linux_ = NULL, *root = json_object();
	int rc = process_json(f, o, &process, &ok, err);
	if (rc < 0 || (rc = linux_json(f, o, &linux_, &ok, err)) < 0)
		return rc;
	set(root, "ociVersion", json_string(OCI_VERSION), &ok);
	set(root, "process", loci__steal_ptr(&process), &ok);
	set(root, "root", json_pack("{s:s, s:b}", "path", "rootfs", "readonly", o->read_only), &ok);
	set(root, "hostname", json_string(f->hostname), &ok);
	set(root, "mounts", mounts_json(f, &ok), &ok);
	if (f->image)
		set(root, "annotations", annotations_json(f->image, &ok), &ok);
	set(root, "linux", loci__steal_ptr(&linux_), &ok);
	if (!ok)
		return loci__err_set(err, LOCI_E_INVALID,
		                     "config.json: a text that is no UTF-8, or no memory");
	*ret = loci__steal_ptr(&root);
	return 0;
}

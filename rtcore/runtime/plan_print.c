/* SPDX-License-Identifier: Apache-2.0 */
/* A plan as text, one line an operation: what --dry-run shows and golden files hold. */
#include "core/base/err.h"
#include "rtcore/runtime/cgroup_limits.h"
#include "rtcore/runtime/name_table.h"
#include "rtcore/runtime/plan.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

static void print_path(struct loci_buf *out, const struct loci__op *op)
{
	loci__buf_printf(out, " %s", op->path);
}
static void print_text(struct loci_buf *out, const struct loci__op *op)
{
	loci__buf_putc(out, ' ');
	loci__buf_json_string(out, op->text);
}
static void print_path_text(struct loci_buf *out, const struct loci__op *op)
{
	print_path(out, op);
	print_text(out, op);
}
static void print_number(struct loci_buf *out, const struct loci__op *op)
{
	loci__buf_printf(out, " %" PRId64, op->number);
}
static void print_nothing(struct loci_buf *out, const struct loci__op *op)
{
	(void)out;
	(void)op;
}
static void print_propagation(struct loci_buf *out, const struct loci__op *op)
{
	loci__buf_printf(out, " %s", loci__propagation_name(op->value));
}
static void print_attr(struct loci_buf *out, const struct loci__op *op)
{
	char names[160];
	loci__mount_attr_format(op->value, names, sizeof(names));
	loci__buf_printf(out, " %s", names);
}
static void print_pivot(struct loci_buf *out, const struct loci__op *op)
{
	loci__buf_puts(out, op->value ? " by chroot" : "");
}
static void print_rlimit(struct loci_buf *out, const struct loci__op *op)
{
	loci__buf_printf(out, " %s %" PRIu64 " %" PRIu64, op->text, op->rlimit.soft,
	                 op->rlimit.hard);
}

static void print_attrs(struct loci_buf *out, const char *what, uint64_t attr)
{
	char names[160];
	loci__mount_attr_format(attr, names, sizeof(names));
	if (*names)
		loci__buf_printf(out, " %s=%s", what, names);
}

static void print_mount(struct loci_buf *out, const struct loci__op *op)
{
	const struct loci__op_mount *m = &op->mount;
	unsigned f = m->o.flags;
	loci__buf_printf(out, " %s %s",
	                 f & LOCI_MOUNT_REMOUNT ? "(remount)"
	                 : f & LOCI_MOUNT_REC   ? "(rbind)"
	                 : f & LOCI_MOUNT_BIND  ? "(bind)"
	                                        : m->type,
	                 m->target);
	if (m->source && *m->source)
		loci__buf_printf(out, " from %s", m->source);
	print_attrs(out, "set", m->o.attr_set);
	print_attrs(out, "clear", m->o.attr_clr & ~UINT64_C(0x70)); /* not the atime field */
	print_attrs(out, "set-all", m->o.rec_set);
	print_attrs(out, "clear-all", m->o.rec_clr & ~UINT64_C(0x70));
	if (m->o.propagation)
		loci__buf_printf(out, " %s%s", m->o.propagation_rec ? "r" : "",
		                 loci__propagation_name(m->o.propagation));
	for (size_t i = 0; i < m->o.data.n; i++)
		loci__buf_printf(out, " %s", m->o.data.v[i]);
}

static void print_device(struct loci_buf *out, const struct loci__op *op)
{
	const struct loci__op_device *d = &op->device;
	loci__buf_printf(out, " %s %c %u:%u %04o %u:%u", d->path,
	                 S_ISBLK(d->mode)    ? 'b'
	                 : S_ISFIFO(d->mode) ? 'p'
	                                     : 'c',
	                 d->major, d->minor, (unsigned)(d->mode & 07777), d->uid, d->gid);
}

static const struct {
	const char *name;
	void (*print)(struct loci_buf *out, const struct loci__op *op);
} kinds[LOCI_N_OPS] = {
        [LOCI_OP_LOOPBACK] = {"loopback", print_nothing},
        [LOCI_OP_HOSTNAME] = {"hostname", print_text},
        [LOCI_OP_DOMAINNAME] = {"domainname", print_text},
        [LOCI_OP_PROPAGATION] = {"propagation", print_propagation},
        [LOCI_OP_ROOTFS] = {"rootfs", print_nothing},
        [LOCI_OP_MOUNT] = {"mount", print_mount},
        [LOCI_OP_CGROUP_MOUNT] = {"mount-cgroups", print_mount},
        [LOCI_OP_DEVICE] = {"device", print_device},
        [LOCI_OP_SYMLINK] = {"symlink", print_path_text},
        [LOCI_OP_CONSOLE] = {"console", print_nothing},
        [LOCI_OP_DIRECTORY] = {"directory", print_path},
        [LOCI_OP_SYSCTL] = {"sysctl", print_path_text},
        [LOCI_OP_MASK] = {"mask", print_path},
        [LOCI_OP_READONLY] = {"read-only", print_path},
        [LOCI_OP_HOOKS_RUNTIME] = {"hooks-runtime", print_nothing},
        [LOCI_OP_HOOKS_CONTAINER] = {"hooks-container", print_nothing},
        [LOCI_OP_ROOT_ATTR] = {"rootfs-attributes", print_attr},
        [LOCI_OP_PIVOT] = {"pivot", print_pivot},
        [LOCI_OP_ROOT_PROPAGATION] = {"rootfs-propagation", print_propagation},
        [LOCI_OP_OOM_SCORE] = {"oom-score", print_number},
        [LOCI_OP_RLIMIT] = {"rlimit", print_rlimit},
        [LOCI_OP_IO_PRIORITY] = {"io-priority", print_number},
        [LOCI_OP_PERSONALITY] = {"personality", print_number},
};

static int print_limits(const struct loci__plan *p, int version, struct loci_buf *out,
                        struct loci_error *err)
{
	struct loci__arena arena = LOCI_ARENA_INIT(1u << 24);
	struct loci__limits limits;
	int rc = loci__limits_make(&p->config->resources, version, &arena, &limits, err);
	for (size_t i = 0; rc >= 0 && i < limits.n; i++) {
		loci__buf_printf(out, "limit v%d %s", version, limits.v[i].origin);
		if (limits.v[i].file) {
			loci__buf_printf(out, " %s ", limits.v[i].file);
			loci__buf_json_string(out, limits.v[i].value);
		} else {
			loci__buf_puts(out, " impossible");
		}
		loci__buf_putc(out, '\n');
	}
	loci__arena_done(&arena);
	return rc;
}

static int print_cgroup(const struct loci__plan *p, struct loci_buf *out, struct loci_error *err)
{
	if (!p->cgroup_path)
		return 0;
	loci__buf_printf(out, "cgroup %s\n", p->cgroup_path);
	for (size_t i = 0; i < p->n_device_rules; i++) {
		const struct loci__cfg_device_rule *r = &p->device_rules[i];
		loci__buf_printf(out, "device-rule %s %s", r->allow ? "allow" : "deny", r->type);
		for (int k = 0; k < 2; k++) {
			const struct loci__opt_i64 *n = k ? &r->minor : &r->major;
			if (n->set && n->v >= 0)
				loci__buf_printf(out, "%c%" PRId64, k ? ':' : ' ', n->v);
			else
				loci__buf_puts(out, k ? ":*" : " *");
		}
		loci__buf_printf(out, " %s\n", r->access);
	}
	int rc = print_limits(p, 1, out, err);
	return rc < 0 ? rc : print_limits(p, 2, out, err);
}

static void print_caps(const struct loci__plan *p, struct loci_buf *out)
{
	for (size_t set = 0; set < 5; set++) {
		loci__buf_printf(out, "capabilities %s", loci__cap_set_names[set]);
		for (int n = 0; n < 64; n++) {
			const char *name = p->caps[set] >> n & 1 ? loci__cap_name(n) : NULL;
			if (name)
				loci__buf_printf(out, " %s", name);
		}
		loci__buf_putc(out, '\n');
	}
}

static void print_process(const struct loci__plan *p, struct loci_buf *out)
{
	const struct loci__runtime_config *c = p->config;
	if (!c->has_process)
		return;
	loci__buf_printf(out, "user %u:%u", c->uid, c->gid);
	for (size_t i = 0; i < c->n_additional_gids; i++)
		loci__buf_printf(out, "%c%u", i ? ',' : ' ', c->additional_gids[i]);
	if (c->umask.set)
		loci__buf_printf(out, " umask %04o", (unsigned)c->umask.v);
	loci__buf_putc(out, '\n');
	print_caps(p, out);
	if (c->no_new_privileges)
		loci__buf_puts(out, "no-new-privileges\n");
	if (p->seccomp.insns)
		loci__buf_printf(out, "seccomp %zu instructions\n", p->seccomp.n);
	loci__buf_printf(out, "cwd %s\n", c->cwd);
	for (size_t i = 0; p->env[i]; i++) {
		loci__buf_puts(out, "env ");
		loci__buf_json_string(out, p->env[i]);
		loci__buf_putc(out, '\n');
	}
	loci__buf_puts(out, "exec");
	for (size_t i = 0; i < c->args.n; i++) {
		loci__buf_putc(out, ' ');
		loci__buf_json_string(out, c->args.v[i]);
	}
	loci__buf_putc(out, '\n');
}

int loci__plan_print(const struct loci__plan *p, struct loci_buf *out, struct loci_error *err)
{
	for (size_t i = 0; i < p->n_namespaces; i++)
		loci__buf_printf(out, "namespace %s %s\n",
		                 loci__namespace_name(p->namespaces[i].flag),
		                 p->namespaces[i].path ? p->namespaces[i].path : "new");
	loci__buf_printf(out, "root %s\n", p->root_path ? p->root_path : "(overlay)");
	int rc = print_cgroup(p, out, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < p->n_ops; i++) {
		loci__buf_puts(out, kinds[p->ops[i].kind].name);
		kinds[p->ops[i].kind].print(out, &p->ops[i]);
		loci__buf_putc(out, '\n');
	}
	print_process(p, out);
	return loci__buf_check(out, "plan", err);
}

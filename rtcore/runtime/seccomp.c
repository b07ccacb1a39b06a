/* SPDX-License-Identifier: Apache-2.0 */
#include "rtcore/runtime/seccomp.h"

#include "core/base/err.h"
#include "rtcore/runtime/name_table.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>

#define X32_BIT     0x40000000u
#define INSNS_MAX   4096 /* BPF_MAXINSNS */
#define RULES_MAX   8192 /* names times architectures */
#define ARGS_MAX    6
#define MAX_ERRNO   4095 /* the kernel cuts larger ones to this */
#define NR_OFFSET   ((uint32_t)offsetof(struct seccomp_data, nr))
#define ARCH_OFFSET ((uint32_t)offsetof(struct seccomp_data, arch))

struct arg {
	unsigned index;
	unsigned op; /* enum cmp */
	uint64_t value;
	uint64_t mask; /* of MASKED_EQ */
};
enum cmp { CMP_NE, CMP_LT, CMP_LE, CMP_EQ, CMP_GE, CMP_GT, CMP_MASKED_EQ };

/* One syscall of one ABI under one entry of the profile. */
struct rule {
	uint32_t nr;
	uint32_t order; /* of the entry: the first that matches wins */
	uint32_t action;
	unsigned n_args;
	struct arg args[ARGS_MAX];
};

struct abi {
	enum loci__abi id;
	uint32_t first; /* number */
	bool wide;      /* arguments have 64 bits */
	struct rule *rules;
	size_t n_rules;
};

/* Numbers from .first up to the next run's: one action, or the rules of one syscall. */
struct run {
	uint32_t first;
	uint32_t action;
	const struct rule *rules; /* with arguments; NULL: the action alone */
	size_t n_rules;
};

struct compiler {
	const struct loci__cfg_seccomp *config;
	struct loci__arena *arena;
	struct loci_error *err;
	uint32_t default_action;
	bool enosys_beyond;
	struct sock_filter *out;
	size_t n;
	bool full;
};

/* --- names ---------------------------------------------------------------------------------- */

static const struct loci__name_number actions[] = {
        {"SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD},
        {"SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD},
        {"SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS},
        {"SCMP_ACT_TRAP", SECCOMP_RET_TRAP},
        {"SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO},
        {"SCMP_ACT_TRACE", SECCOMP_RET_TRACE},
        {"SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW},
        {"SCMP_ACT_LOG", SECCOMP_RET_LOG},
};
static const struct loci__name_number operators[] = {
        {"SCMP_CMP_NE", CMP_NE},
        {"SCMP_CMP_LT", CMP_LT},
        {"SCMP_CMP_LE", CMP_LE},
        {"SCMP_CMP_EQ", CMP_EQ},
        {"SCMP_CMP_GE", CMP_GE},
        {"SCMP_CMP_GT", CMP_GT},
        {"SCMP_CMP_MASKED_EQ", CMP_MASKED_EQ},
};
static const struct loci__name_number flag_names[] = {
        {"SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC},
        {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
        {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
        /* WAIT_KILLABLE_RECV goes with a listener, which we do not have */
};
/* A program of another processor cannot run here, so its rules would never be reached: its name is
 * accepted and makes no code. -1: such a one. */
static const struct loci__name_number architectures[] = {
        {"SCMP_ARCH_X86_64", LOCI_ABI_X86_64},
        {"SCMP_ARCH_X86", LOCI_ABI_I386},
        {"SCMP_ARCH_X32", LOCI_ABI_X32},
        {"SCMP_ARCH_ARM", -1},
        {"SCMP_ARCH_AARCH64", -1},
        {"SCMP_ARCH_LOONGARCH64", -1},
        {"SCMP_ARCH_M68K", -1},
        {"SCMP_ARCH_MIPS", -1},
        {"SCMP_ARCH_MIPS64", -1},
        {"SCMP_ARCH_MIPS64N32", -1},
        {"SCMP_ARCH_MIPSEL", -1},
        {"SCMP_ARCH_MIPSEL64", -1},
        {"SCMP_ARCH_MIPSEL64N32", -1},
        {"SCMP_ARCH_PPC", -1},
        {"SCMP_ARCH_PPC64", -1},
        {"SCMP_ARCH_PPC64LE", -1},
        {"SCMP_ARCH_S390", -1},
        {"SCMP_ARCH_S390X", -1},
        {"SCMP_ARCH_PARISC", -1},
        {"SCMP_ARCH_PARISC64", -1},
        {"SCMP_ARCH_RISCV64", -1},
        {"SCMP_ARCH_SH", -1},
        {"SCMP_ARCH_SHEB", -1},
};

/* i386 has two ways to these: a number of their own (most since 4.3) and a call of a multiplexer
 * whose first argument says which. A rule without arguments must hold for both. */
static const struct {
	const char *name;
	const char *mux;
	uint32_t call;
} muxed[] = {
        {"socket", "socketcall", 1},
        {"bind", "socketcall", 2},
        {"connect", "socketcall", 3},
        {"listen", "socketcall", 4},
        {"accept", "socketcall", 5},
        {"getsockname", "socketcall", 6},
        {"getpeername", "socketcall", 7},
        {"socketpair", "socketcall", 8},
        {"send", "socketcall", 9},
        {"recv", "socketcall", 10},
        {"sendto", "socketcall", 11},
        {"recvfrom", "socketcall", 12},
        {"shutdown", "socketcall", 13},
        {"setsockopt", "socketcall", 14},
        {"getsockopt", "socketcall", 15},
        {"sendmsg", "socketcall", 16},
        {"recvmsg", "socketcall", 17},
        {"accept4", "socketcall", 18},
        {"recvmmsg", "socketcall", 19},
        {"sendmmsg", "socketcall", 20},
        {"semop", "ipc", 1},
        {"semget", "ipc", 2},
        {"semctl", "ipc", 3},
        {"semtimedop", "ipc", 4},
        {"msgsnd", "ipc", 11},
        {"msgrcv", "ipc", 12},
        {"msgget", "ipc", 13},
        {"msgctl", "ipc", 14},
        {"shmat", "ipc", 21},
        {"shmdt", "ipc", 22},
        {"shmget", "ipc", 23},
        {"shmctl", "ipc", 24},
};

/* --- from the config to rules --------------------------------------------------------------- */

static int parse_action(struct compiler *c, const char *where, const char *name,
                        const struct loci__opt_u64 *ret_errno, uint32_t *ret)
{
	if (!strcmp(name, "SCMP_ACT_NOTIFY"))
		return loci__err_set(c->err, LOCI_E_UNSUPPORTED,
		                     "$.linux.seccomp.%s: SCMP_ACT_NOTIFY is not supported", where);
	const struct loci__name_number *row =
	        loci__name_find(actions, loci__array_len(actions), name);
	if (!row)
		return loci__err_set(c->err, LOCI_E_INVALID,
		                     "$.linux.seccomp.%s: unknown action '%s'", where, name);
	uint32_t action = (uint32_t)row->number;
	bool takes_errno = action == SECCOMP_RET_ERRNO || action == SECCOMP_RET_TRACE;
	if (ret_errno->set && !takes_errno)
		return loci__err_set(c->err, LOCI_E_INVALID,
		                     "$.linux.seccomp.%s: %s takes no errno", where, name);
	uint64_t data = ret_errno->set ? ret_errno->v : takes_errno ? EPERM : 0;
	if (data > (action == SECCOMP_RET_TRACE ? UINT16_MAX : MAX_ERRNO))
		return loci__err_set(c->err, LOCI_E_INVALID,
		                     "$.linux.seccomp.%s: errno %llu is out of range", where,
		                     (unsigned long long)data);
	*ret = action | (uint32_t)data;
	return 0;
}

static int parse_args(struct compiler *c, size_t entry, const struct loci__cfg_syscall *s,
                      bool wide, struct rule *rule)
{
	for (size_t i = 0; i < s->n_args; i++) {
		const struct loci__cfg_syscall_arg *a = &s->args[i];
		const struct loci__name_number *op =
		        loci__name_find(operators, loci__array_len(operators), a->op);
		if (!op || a->index >= ARGS_MAX)
			return loci__err_set(c->err, LOCI_E_INVALID,
			                     "$.linux.seccomp.syscalls[%zu].args[%zu]: %s", entry,
			                     i, op ? "index is above 5" : "unknown operator");
		bool masked = op->number == CMP_MASKED_EQ;
		struct arg arg = {.index = (unsigned)a->index,
		                  .op = (unsigned)op->number,
		                  .value = masked ? a->value_two & a->value : a->value,
		                  .mask = masked ? a->value : UINT64_MAX};
		if (!wide) {
			arg.value = (uint32_t)arg.value;
			arg.mask = (uint32_t)arg.mask;
		}
		rule->args[rule->n_args++] = arg;
	}
	return 0;
}

static int add_rule(struct compiler *c, struct abi *abi, const struct rule *rule)
{
	if (abi->n_rules >= RULES_MAX)
		return loci__err_set(c->err, LOCI_E_TOO_LARGE,
		                     "$.linux.seccomp.syscalls: more than %d names", RULES_MAX);
	abi->rules[abi->n_rules++] = *rule;
	return 0;
}

static int add_name(struct compiler *c, struct abi *abi, const struct rule *proto, const char *name)
{
	struct rule rule = *proto;
	int64_t nr = loci__syscall_number(abi->id, name);
	if (nr >= 0) {
		rule.nr = (uint32_t)nr;
		int rc = add_rule(c, abi, &rule);
		if (rc < 0)
			return rc;
	}
	if (abi->id != LOCI_ABI_I386 || rule.n_args > 0)
		return 0;
	for (size_t i = 0; i < loci__array_len(muxed); i++) {
		if (strcmp(muxed[i].name, name) != 0)
			continue;
		rule.nr = (uint32_t)loci__syscall_number(abi->id, muxed[i].mux);
		rule.n_args = 1;
		rule.args[0] = (struct arg){0, CMP_EQ, muxed[i].call, UINT64_MAX};
		return add_rule(c, abi, &rule);
	}
	return 0;
}

/* libseccomp takes several comparisons of one argument in one entry for alternatives, because it
 * allows one per argument in a rule; runc made that the meaning of such an entry. */
static bool has_repeated_index(const struct rule *r)
{
	for (unsigned i = 0; i < r->n_args; i++)
		for (unsigned k = i + 1; k < r->n_args; k++)
			if (r->args[i].index == r->args[k].index)
				return true;
	return false;
}

static int add_entry(struct compiler *c, struct abi *abi, size_t i)
{
	const struct loci__cfg_syscall *s = &c->config->syscalls[i];
	char where[64];
	snprintf(where, sizeof(where), "syscalls[%zu].action", i);
	struct rule proto = {.order = (uint32_t)i};
	int rc = parse_action(c, where, s->action, &s->errno_ret, &proto.action);
	if (rc < 0)
		return rc;
	if (s->names.n == 0)
		return loci__err_set(c->err, LOCI_E_INVALID,
		                     "$.linux.seccomp.syscalls[%zu].names: is empty", i);
	if (s->n_args > ARGS_MAX)
		return loci__err_set(c->err, LOCI_E_INVALID,
		                     "$.linux.seccomp.syscalls[%zu].args: more than 6", i);
	rc = parse_args(c, i, s, abi->wide, &proto);
	if (rc < 0 || proto.action == c->default_action)
		return rc;
	bool split = has_repeated_index(&proto);
	for (size_t n = 0; rc >= 0 && n < s->names.n; n++) {
		for (unsigned k = 0; rc >= 0 && split && k < proto.n_args; k++) {
			struct rule one = proto;
			one.args[0] = proto.args[k];
			one.n_args = 1;
			rc = add_name(c, abi, &one, s->names.v[n]);
		}
		if (!split)
			rc = add_name(c, abi, &proto, s->names.v[n]);
	}
	return rc;
}

/* By number; a rule without arguments before those with, else as listed. */
static int compare_rules(const void *a, const void *b)
{
	const struct rule *x = a, *y = b;
	if (x->nr != y->nr)
		return x->nr < y->nr ? -1 : 1;
	if (!x->n_args != !y->n_args)
		return x->n_args ? 1 : -1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* --- rules to runs -------------------------------------------------------------------------- */

static void add_run(struct run *runs, size_t *n, struct run run)
{
	struct run *last = *n ? &runs[*n - 1] : NULL;
	if (last && last->first == run.first) {
		*last = run;
		last = *n > 1 ? &runs[*n - 2] : NULL;
		if (last && !last->rules && !run.rules && last->action == run.action)
			(*n)--;
		return;
	}
	if (last && !last->rules && !run.rules && last->action == run.action)
		return;
	runs[(*n)++] = run;
}

/* The unconditional rule of a syscall takes the place of all its others, as in libseccomp: what it
 * matches is more than what they do. */
static size_t make_runs(struct compiler *c, const struct abi *abi, struct run *runs)
{
	size_t n = 0;
	add_run(runs, &n, (struct run){.first = abi->first, .action = c->default_action});
	uint32_t beyond = abi->first;
	for (size_t i = 0, end; i < abi->n_rules; i = end) {
		const struct rule *r = &abi->rules[i];
		for (end = i; end < abi->n_rules && abi->rules[end].nr == r->nr; end++)
			;
		struct run run = {.first = r->nr, .action = r->action};
		if (r->n_args > 0) {
			run.action = c->default_action;
			run.rules = r;
			run.n_rules = end - i;
		}
		add_run(runs, &n, run);
		beyond = r->nr + 1;
		add_run(runs, &n, (struct run){.first = beyond, .action = c->default_action});
	}
	if (c->enosys_beyond && abi->n_rules > 0)
		add_run(runs, &n,
		        (struct run){.first = beyond, .action = SECCOMP_RET_ERRNO | ENOSYS});
	return n;
}

/* --- code ----------------------------------------------------------------------------------- */

static size_t emit(struct compiler *c, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	if (c->n >= INSNS_MAX) {
		c->full = true;
		return 0;
	}
	c->out[c->n] = (struct sock_filter){code, jt, jf, k};
	return c->n++;
}
static void emit_ret(struct compiler *c, uint32_t action)
{
	emit(c, BPF_RET | BPF_K, 0, 0, action);
}
static void emit_load(struct compiler *c, uint32_t offset)
{
	emit(c, BPF_LD | BPF_W | BPF_ABS, 0, 0, offset);
}
/* An unconditional jump to be aimed later. */
static size_t emit_jump(struct compiler *c)
{
	return emit(c, BPF_JMP | BPF_JA, 0, 0, 0);
}
static void aim_jump(struct compiler *c, size_t at)
{
	if (!c->full)
		c->out[at].k = (uint32_t)(c->n - at - 1);
}

/* Falls through when the comparison holds; otherwise ends in one of the jumps noted in fails. Low
 * and high halves are compared apart: BPF has 32 bits. */
struct fails {
	size_t at[4 * ARGS_MAX];
	size_t n;
};
static void emit_fail(struct compiler *c, struct fails *f)
{
	f->at[f->n++] = emit_jump(c);
}

static void load_half(struct compiler *c, const struct arg *a, bool high)
{
	/* little endian, as both ABIs that we make code for */
	emit_load(c, (uint32_t)offsetof(struct seccomp_data, args) + 8 * a->index + (high ? 4 : 0));
	uint32_t mask = (uint32_t)(high ? a->mask >> 32 : a->mask);
	if (mask != UINT32_MAX)
		emit(c, BPF_ALU | BPF_AND | BPF_K, 0, 0, mask);
}

static void emit_equal(struct compiler *c, const struct arg *a, bool wide, struct fails *f)
{
	for (int high = wide; high >= 0; high--) {
		load_half(c, a, high);
		emit(c, BPF_JMP | BPF_JEQ | BPF_K, 1, 0,
		     (uint32_t)(high ? a->value >> 32 : a->value));
		emit_fail(c, f);
	}
}

static void emit_not_equal(struct compiler *c, const struct arg *a, bool wide, struct fails *f)
{
	if (wide) {
		load_half(c, a, true); /* a different high half: past the low one and its jump */
		emit(c, BPF_JMP | BPF_JEQ | BPF_K, 0, 3, (uint32_t)(a->value >> 32));
	}
	load_half(c, a, false);
	emit(c, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (uint32_t)a->value);
	emit_fail(c, f);
}

/* value > k (or >= k with or_equal); negated: the opposite. */
static void emit_above(struct compiler *c, const struct arg *a, bool wide, bool or_equal,
                       bool negated, struct fails *f)
{
	uint16_t low = (uint16_t)(BPF_JMP | (or_equal ? BPF_JGE : BPF_JGT) | BPF_K);
	uint32_t high_k = (uint32_t)(a->value >> 32);
	/* Both ends: "above" goes to the instruction after the two below it, "not" to the fail. */
	if (wide) {
		load_half(c, a, true);
		emit(c, BPF_JMP | BPF_JGT | BPF_K, negated ? 3 : 4, 0, high_k);
		emit(c, BPF_JMP | BPF_JEQ | BPF_K, 0, negated ? 3 : 2, high_k);
	}
	load_half(c, a, false);
	emit(c, low, negated ? 0 : 1, negated ? 1 : 0, (uint32_t)a->value);
	emit_fail(c, f);
}

static void emit_arg(struct compiler *c, const struct arg *a, bool wide, struct fails *f)
{
	switch (a->op) {
	case CMP_EQ:
	case CMP_MASKED_EQ: emit_equal(c, a, wide, f); break;
	case CMP_NE: emit_not_equal(c, a, wide, f); break;
	case CMP_GT: emit_above(c, a, wide, false, false, f); break;
	case CMP_GE: emit_above(c, a, wide, true, false, f); break;
	case CMP_LE: emit_above(c, a, wide, false, true, f); break;
	default: emit_above(c, a, wide, true, true, f); break;
	}
}

static void emit_run(struct compiler *c, const struct abi *abi, const struct run *run)
{
	for (size_t i = 0; i < run->n_rules; i++) {
		struct fails f = {.n = 0};
		for (unsigned k = 0; k < run->rules[i].n_args; k++)
			emit_arg(c, &run->rules[i].args[k], abi->wide, &f);
		emit_ret(c, run->rules[i].action);
		for (size_t k = 0; k < f.n; k++)
			aim_jump(c, f.at[k]);
	}
	emit_ret(c, run->action);
}

static void emit_tree(struct compiler *c, const struct abi *abi, const struct run *runs, size_t n)
{
	if (n == 1) {
		emit_run(c, abi, runs);
		return;
	}
	size_t half = n / 2;
	/* The low half comes first. Conditional jumps reach 255 far, so a long one is a detour. */
	size_t test = emit(c, BPF_JMP | BPF_JGE | BPF_K, 0, 1, runs[half].first);
	size_t jump = emit_jump(c);
	emit_tree(c, abi, runs, half);
	size_t low = c->n - jump - 1;
	if (c->full)
		return;
	if (low <= UINT8_MAX) { /* the detour is not needed: close the gap */
		memmove(&c->out[jump], &c->out[jump + 1], low * sizeof(c->out[0]));
		c->n--;
		c->out[test].jt = (uint8_t)low;
		c->out[test].jf = 0;
	} else {
		aim_jump(c, jump);
	}
	emit_tree(c, abi, runs + half, n - half);
}

static int emit_abi(struct compiler *c, const struct abi *abi)
{
	struct run *runs = loci__arena_array(c->arena, 2 * abi->n_rules + 3, sizeof(*runs));
	if (!runs)
		return loci__err_nomem(c->err);
	emit_tree(c, abi, runs, make_runs(c, abi, runs));
	return 0;
}

/* --- the whole ------------------------------------------------------------------------------ */

static int wanted_abis(struct compiler *c, bool wanted[LOCI_N_ABIS])
{
	/* The kernel's own architecture is always part of it, as in libseccomp. */
	wanted[LOCI_ABI_X86_64] = true;
	for (size_t i = 0; i < c->config->architectures.n; i++) {
		const char *name = c->config->architectures.v[i];
		const struct loci__name_number *row =
		        loci__name_find(architectures, loci__array_len(architectures), name);
		if (!row)
			return loci__err_set(c->err, LOCI_E_INVALID,
			                     "$.linux.seccomp.architectures[%zu]: unknown "
			                     "architecture '%s'",
			                     i, name);
		if (row->number >= 0)
			wanted[row->number] = true;
	}
	return 0;
}

static int collect(struct compiler *c, struct abi *abi)
{
	static const struct {
		uint32_t first;
		bool wide;
	} shape[LOCI_N_ABIS] = {
	        [LOCI_ABI_X86_64] = {0, true},
	        [LOCI_ABI_I386] = {0, false},
	        [LOCI_ABI_X32] = {X32_BIT, false},
	};
	abi->first = shape[abi->id].first;
	abi->wide = shape[abi->id].wide;
	size_t most = 1;
	for (size_t i = 0; i < c->config->n_syscalls; i++)
		most += c->config->syscalls[i].names.n * (ARGS_MAX + 1);
	most = most < RULES_MAX ? most : RULES_MAX;
	abi->rules = loci__arena_array(c->arena, most, sizeof(*abi->rules));
	if (!abi->rules)
		return loci__err_nomem(c->err);
	for (size_t i = 0; i < c->config->n_syscalls; i++) {
		int rc = add_entry(c, abi, i);
		if (rc < 0)
			return rc;
	}
	qsort(abi->rules, abi->n_rules, sizeof(*abi->rules), compare_rules);
	return 0;
}

/* arch → ABI: x86_64 and x32 share the token and differ by a bit of the number. */
static int emit_all(struct compiler *c, const struct abi *abis, const bool *wanted)
{
	int rc = 0;
	emit_load(c, ARCH_OFFSET);
	emit(c, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, AUDIT_ARCH_X86_64);
	size_t not_64 = emit_jump(c);
	emit_load(c, NR_OFFSET);
	emit(c, BPF_JMP | BPF_JGE | BPF_K, 0, 1, X32_BIT);
	size_t is_x32 = emit_jump(c);
	rc = emit_abi(c, &abis[LOCI_ABI_X86_64]);
	aim_jump(c, is_x32);
	if (rc >= 0 && wanted[LOCI_ABI_X32]) {
		rc = emit_abi(c, &abis[LOCI_ABI_X32]);
	} else {
		/* -1 is a number that a tracer sets to skip a call: the default action's. */
		emit(c, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, UINT32_MAX);
		emit_ret(c, c->default_action);
		emit_ret(c, SECCOMP_RET_KILL_THREAD);
	}
	aim_jump(c, not_64);
	if (rc >= 0 && wanted[LOCI_ABI_I386]) {
		emit(c, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, AUDIT_ARCH_I386);
		size_t other = emit_jump(c);
		emit_load(c, NR_OFFSET);
		rc = emit_abi(c, &abis[LOCI_ABI_I386]);
		aim_jump(c, other);
	}
	emit_ret(c, SECCOMP_RET_KILL_THREAD);
	return rc;
}

static int parse_flags(struct compiler *c, unsigned *ret)
{
	unsigned flags = 0;
	for (size_t i = 0; i < c->config->flags.n; i++) {
		const char *name = c->config->flags.v[i];
		const struct loci__name_number *row =
		        loci__name_find(flag_names, loci__array_len(flag_names), name);
		if (!row)
			return loci__err_set(c->err, LOCI_E_UNSUPPORTED,
			                     "$.linux.seccomp.flags[%zu]: '%s' is not supported", i,
			                     name);
		flags |= (unsigned)row->number;
	}
	*ret = flags;
	return 0;
}

int loci__seccomp_compile(const struct loci__cfg_seccomp *config, unsigned options,
                          struct loci__arena *arena, struct loci__seccomp_filter *ret,
                          struct loci_error *err)
{
	struct compiler c = {.config = config, .arena = arena, .err = err};
	struct abi abis[LOCI_N_ABIS] = {0};
	bool wanted[LOCI_N_ABIS] = {false};
	unsigned flags = 0;
#if !defined(__x86_64__)
	return loci__err_set(err, LOCI_E_UNSUPPORTED,
	                     "$.linux.seccomp: not supported on this processor");
#endif
	int rc = parse_action(&c, "defaultAction", config->default_action,
	                      &config->default_errno_ret, &c.default_action);
	if (rc < 0 || (rc = parse_flags(&c, &flags)) < 0 || (rc = wanted_abis(&c, wanted)) < 0)
		return rc;
	uint32_t bare = c.default_action & SECCOMP_RET_ACTION_FULL;
	c.enosys_beyond = (options & LOCI_SECCOMP_ENOSYS_BEYOND) && bare != SECCOMP_RET_ALLOW &&
	                  bare != SECCOMP_RET_LOG;
	for (int i = 0; i < LOCI_N_ABIS; i++) {
		abis[i].id = (enum loci__abi)i;
		if (wanted[i] && (rc = collect(&c, &abis[i])) < 0)
			return rc;
	}
	c.out = loci__arena_array(arena, INSNS_MAX, sizeof(*c.out));
	if (!c.out)
		return loci__err_nomem(err);
	rc = emit_all(&c, abis, wanted);
	if (rc < 0)
		return rc;
	if (c.full)
		return loci__err_set(err, LOCI_E_TOO_LARGE,
		                     "$.linux.seccomp: more than the kernel's %d instructions",
		                     INSNS_MAX);
	*ret = (struct loci__seccomp_filter){c.out, c.n, flags};
	return 0;
}

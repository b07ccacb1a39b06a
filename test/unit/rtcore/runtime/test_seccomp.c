/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our filters against libseccomp's for the same profile: both run in a small interpreter over every
 * syscall number of each ABI and over arguments around the values that the profile names.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/err.h"
#include "rtcore/bundle/seccomp_default.h"
#include "rtcore/runtime/name_table.h"
#include "rtcore/runtime/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* --- the interpreter ------------------------------------------------------------------------ */

static uint32_t run_filter(const struct sock_filter *f, size_t n, const struct seccomp_data *d)
{
	uint32_t a = 0, x = 0, mem[16] = {0};
	for (size_t pc = 0; pc < n; pc++) {
		const struct sock_filter *i = &f[pc];
		bool jump = false;
		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS: memcpy(&a, (const char *)d + i->k, 4); break;
		case BPF_LD | BPF_IMM: a = i->k; break;
		case BPF_LD | BPF_MEM: a = mem[i->k]; break;
		case BPF_ST: mem[i->k] = a; break;
		case BPF_MISC | BPF_TAX: x = a; break;
		case BPF_MISC | BPF_TXA: a = x; break;
		case BPF_ALU | BPF_AND | BPF_K: a &= i->k; break;
		case BPF_RET | BPF_K: return i->k;
		case BPF_JMP | BPF_JA: pc += i->k; continue;
		case BPF_JMP | BPF_JEQ | BPF_K: jump = a == i->k; break;
		case BPF_JMP | BPF_JGT | BPF_K: jump = a > i->k; break;
		case BPF_JMP | BPF_JGE | BPF_K: jump = a >= i->k; break;
		case BPF_JMP | BPF_JSET | BPF_K: jump = a & i->k; break;
		default: fail_msg("instruction %zu: code %#x", pc, i->code);
		}
		if (BPF_CLASS(i->code) == BPF_JMP)
			pc += jump ? i->jt : i->jf;
	}
	fail_msg("ran off the end of %zu instructions", n);
	return 0;
}

/* --- the same profile by libseccomp, as runc uses it ---------------------------------------- */

static uint32_t scmp_action(const char *name, uint32_t data)
{
	static const struct {
		const char *name;
		uint32_t action;
	} actions[] = {{"SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD},
	               {"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS},
	               {"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW},
	               {"SCMP_ACT_LOG", SCMP_ACT_LOG},
	               {"SCMP_ACT_TRAP", SCMP_ACT_TRAP}};
	if (!strcmp(name, "SCMP_ACT_ERRNO"))
		return SCMP_ACT_ERRNO(data);
	if (!strcmp(name, "SCMP_ACT_TRACE"))
		return SCMP_ACT_TRACE(data);
	for (size_t i = 0; i < loci__array_len(actions); i++)
		if (!strcmp(name, actions[i].name))
			return actions[i].action;
	fail_msg("no action %s", name);
	return 0;
}

static enum scmp_compare scmp_op(const char *name)
{
	static const char *const ops[] = {"SCMP_CMP_NE",       "SCMP_CMP_LT", "SCMP_CMP_LE",
	                                  "SCMP_CMP_EQ",       "SCMP_CMP_GE", "SCMP_CMP_GT",
	                                  "SCMP_CMP_MASKED_EQ"};
	for (size_t i = 0; i < loci__array_len(ops); i++)
		if (!strcmp(name, ops[i]))
			return (enum scmp_compare)(i + 1);
	fail_msg("no operator %s", name);
	return 0;
}

static void add_scmp_rules(scmp_filter_ctx ctx, const struct loci__cfg_syscall *s,
                           uint32_t standard)
{
	uint32_t action =
	        scmp_action(s->action, s->errno_ret.set ? (uint32_t)s->errno_ret.v : EPERM);
	if (action == standard)
		return;
	struct scmp_arg_cmp args[6];
	for (size_t i = 0; i < s->n_args; i++)
		args[i] = (struct scmp_arg_cmp){.arg = (unsigned)s->args[i].index,
		                                .op = scmp_op(s->args[i].op),
		                                .datum_a = s->args[i].value,
		                                .datum_b = s->args[i].value_two};
	for (size_t i = 0; i < s->names.n; i++) {
		int nr = seccomp_syscall_resolve_name(s->names.v[i]);
		if (nr == __NR_SCMP_ERROR)
			continue;
		int rc = seccomp_rule_add_array(ctx, action, nr, (unsigned)s->n_args, args);
		if (rc < 0 && rc != -EINVAL && rc != -EDOM)
			fail_msg("libseccomp: %s: %s", s->names.v[i], strerror(-rc));
	}
}

static size_t compile_by_libseccomp(const struct loci__cfg_seccomp *c, struct sock_filter *out,
                                    size_t max)
{
	uint32_t standard =
	        scmp_action(c->default_action,
	                    c->default_errno_ret.set ? (uint32_t)c->default_errno_ret.v : EPERM);
	scmp_filter_ctx ctx = seccomp_init(standard);
	assert_non_null(ctx);
	for (size_t i = 0; i < c->architectures.n; i++) {
		const char *name = c->architectures.v[i];
		uint32_t arch = !strcmp(name, "SCMP_ARCH_X86")   ? SCMP_ARCH_X86
		                : !strcmp(name, "SCMP_ARCH_X32") ? SCMP_ARCH_X32
		                                                 : SCMP_ARCH_X86_64;
		int rc = seccomp_arch_add(ctx, arch);
		assert_true(rc == 0 || rc == -EEXIST);
	}
	for (size_t i = 0; i < c->n_syscalls; i++)
		add_scmp_rules(ctx, &c->syscalls[i], standard);
	int fd = memfd_create("bpf", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(seccomp_export_bpf(ctx, fd), 0);
	ssize_t n = pread(fd, out, max * sizeof(*out), 0);
	assert_true(n > 0);
	close(fd);
	seccomp_release(ctx);
	return (size_t)n / sizeof(*out);
}

/* --- comparing ------------------------------------------------------------------------------ */

struct both {
	struct loci__seccomp_filter ours;
	struct sock_filter theirs[8192];
	size_t n_theirs;
	size_t cases;
	size_t differences;
};

static void compare(struct both *b, const struct seccomp_data *d)
{
	uint32_t x = run_filter(b->ours.insns, b->ours.n, d);
	uint32_t y = run_filter(b->theirs, b->n_theirs, d);
	b->cases++;
	if (x == y)
		return;
	if (b->differences++ < 5)
		print_error("arch %#x nr %d args %#llx %#llx: ours %#x, libseccomp's %#x\n",
		            d->arch, d->nr, (unsigned long long)d->args[0],
		            (unsigned long long)d->args[1], x, y);
}

/* Around each value of the profile, in each argument, with the others at 0. */
static void compare_args(struct both *b, const struct loci__cfg_seccomp *c, struct seccomp_data *d)
{
	bool wide = d->arch == AUDIT_ARCH_X86_64;
	memset(d->args, 0, sizeof(d->args));
	compare(b, d);
	for (size_t i = 0; i < c->n_syscalls; i++) {
		const struct loci__cfg_syscall *s = &c->syscalls[i];
		for (size_t k = 0; k < s->n_args; k++) {
			uint64_t v = s->args[k].value, w = s->args[k].value_two;
			const uint64_t samples[] = {v,
			                            v - 1,
			                            v + 1,
			                            w,
			                            v | w,
			                            ~v,
			                            v ^ 1,
			                            v + (UINT64_C(1) << 32),
			                            v - (UINT64_C(1) << 32),
			                            UINT64_MAX};
			for (size_t n = 0; n < loci__array_len(samples); n++) {
				d->args[s->args[k].index] =
				        wide ? samples[n] : (uint32_t)samples[n];
				compare(b, d);
			}
		}
	}
}

/* libseccomp of Debian 12 knows the syscalls of Linux 5.17; beyond them the two must differ. */
#define KNOWN 451
#define X32   0x40000000u

static void compare_all(struct both *b, const struct loci__cfg_seccomp *c)
{
	static const struct {
		uint32_t arch, first, n;
	} ranges[] = {{AUDIT_ARCH_X86_64, 0, KNOWN},
	              {AUDIT_ARCH_I386, 0, KNOWN},
	              {AUDIT_ARCH_X86_64, X32, KNOWN},
	              {AUDIT_ARCH_X86_64, X32 + 512, 90},
	              {AUDIT_ARCH_X86_64, X32 - 16, 16},
	              {AUDIT_ARCH_X86_64, X32 + 0x3ffffff0, 32},
	              {AUDIT_ARCH_X86_64, 0xfffffff0, 15},
	              {AUDIT_ARCH_AARCH64, 0, 300},
	              {AUDIT_ARCH_ARM, 0, 5}};
	for (size_t r = 0; r < loci__array_len(ranges); r++)
		for (uint32_t i = 0; i < ranges[r].n; i++) {
			struct seccomp_data d = {.nr = (int)(ranges[r].first + i),
			                         .arch = ranges[r].arch};
			compare_args(b, c, &d);
		}
	/* socketcall and ipc of i386 */
	for (uint32_t call = 0; call < 32; call++)
		for (int k = 0; k < 2; k++) {
			struct seccomp_data d = {
			        .nr = k ? 102 : 117, .arch = AUDIT_ARCH_I386, .args = {call}};
			compare(b, &d);
		}
}

static void parse(const char *seccomp_json, struct loci__runtime_config *ret)
{
	struct loci_error err;
	size_t n = strlen(seccomp_json) + 256;
	char *text = malloc(n);
	snprintf(text, n,
	         "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"r\"},\"linux\":{\"seccomp\":%s}}",
	         seccomp_json);
	if (loci__runtime_config_parse(text, strlen(text), ret, &err) < 0)
		fail_msg("%s", err.msg);
	free(text);
}

static void check_equal(const char *seccomp_json)
{
	struct loci__runtime_config config;
	struct loci_error err;
	struct loci__arena arena = LOCI_ARENA_INIT(64u << 20);
	struct both *b = calloc(1, sizeof(*b));
	parse(seccomp_json, &config);
	if (loci__seccomp_compile(&config.seccomp, 0, &arena, &b->ours, &err) < 0)
		fail_msg("%s", err.msg);
	b->n_theirs = compile_by_libseccomp(&config.seccomp, b->theirs, loci__array_len(b->theirs));
	compare_all(b, &config.seccomp);
	print_message("%zu instructions, libseccomp's %zu; %zu cases\n", b->ours.n, b->n_theirs,
	              b->cases);
	assert_int_equal(b->differences, 0);
	free(b);
	loci__arena_done(&arena);
	loci__runtime_config_done(&config);
}

/* --- tests ---------------------------------------------------------------------------------- */

static void test_default_profile(void **state)
{
	(void)state;
	static const char *const caps[] = {"CAP_CHOWN", "CAP_KILL", "CAP_SYS_CHROOT"};
	for (size_t n = 0; n <= 3; n += 3) {
		struct loci_error err;
		json_t *v;
		if (loci__seccomp_default(caps, n, &v, &err) < 0)
			fail_msg("%s", err.msg);
		char *text = json_dumps(v, 0);
		check_equal(text);
		free(text);
		json_decref(v);
	}
}

#define ARCHES "\"architectures\":[\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_X86\",\"SCMP_ARCH_X32\"]"

static void test_operators(void **state)
{
	(void)state;
	static const char *const ops[] = {"NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"};
	static const char *const values[] = {"0", "1", "5", "2147483648", "4294967295"};
	for (size_t o = 0; o < loci__array_len(ops); o++)
		for (size_t v = 0; v < loci__array_len(values); v++) {
			char text[600];
			snprintf(text, sizeof(text),
			         "{\"defaultAction\":\"SCMP_ACT_ALLOW\"," ARCHES
			         ",\"syscalls\":[{\"names\":[\"read\",\"prctl\",\"socketcall\"],"
			         "\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":7,\"args\":[{"
			         "\"index\":%"
			         "zu,\"value\":%s,\"valueTwo\":%s,\"op\":\"SCMP_CMP_%s\"}]}]}",
			         v, values[v], v == 2 ? "4" : "0", ops[o]);
			check_equal(text);
		}
}

static void test_wide_values(void **state)
{
	(void)state;
	static const char *const ops[] = {"NE", "LT", "LE", "EQ", "GE", "GT"};
	for (size_t o = 0; o < loci__array_len(ops); o++) {
		char text[600];
		snprintf(text, sizeof(text),
		         "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_X86_"
		         "64\"],\"syscalls\":[{\"names\":[\"mmap\"],\"action\":\"SCMP_ACT_ALLOW\","
		         "\"args\":[{\"index\":1,\"value\":18446744073709551600,\"op\":\"SCMP_CMP_%"
		         "s\"},{\"index\":0,\"value\":12884901890,\"op\":\"SCMP_CMP_%s\"}]}]}",
		         ops[o], ops[(o + 2) % 6]);
		check_equal(text);
	}
}

static void test_several_rules(void **state)
{
	(void)state;
	/* alternatives, an unconditional rule beside a conditional one, a redundant action */
	check_equal("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":38," ARCHES
	            ",\"syscalls\":[{\"names\":[\"personality\"],\"action\":\"SCMP_ACT_ALLOW\","
	            "\"args\":[{\"index\":0,\"value\":8,\"op\":\"SCMP_CMP_EQ\"}]},"
	            "{\"names\":[\"personality\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{"
	            "\"index\":0,\"value\":131072,\"op\":\"SCMP_CMP_EQ\"}]},"
	            "{\"names\":[\"socket\",\"semop\"],\"action\":\"SCMP_ACT_ALLOW\"},"
	            "{\"names\":[\"write\"],\"action\":\"SCMP_ACT_TRAP\",\"args\":[{\"index\":2,"
	            "\"value\":9,\"op\":\"SCMP_CMP_GT\"}]},"
	            "{\"names\":[\"write\",\"no_such_call\"],\"action\":\"SCMP_ACT_ALLOW\"},"
	            "{\"names\":[\"kill\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":38}]}");
	check_equal("{\"defaultAction\":\"SCMP_ACT_KILL_PROCESS\","
	            "\"architectures\":[\"SCMP_ARCH_X86_64\"],\"syscalls\":[{\"names\":[\"read\","
	            "\"exit\",\"futex\"],\"action\":\"SCMP_ACT_LOG\"}]}");
}

static void test_enosys_beyond(void **state)
{
	(void)state;
	struct loci__runtime_config config;
	struct loci_error err;
	struct loci__arena arena = LOCI_ARENA_INIT(64u << 20);
	struct loci__seccomp_filter f;
	parse("{\"defaultAction\":\"SCMP_ACT_ERRNO\"," ARCHES
	      ",\"syscalls\":[{\"names\":[\"read\",\"openat2\"],\"action\":\"SCMP_ACT_ALLOW\"}]}",
	      &config);
	assert_int_equal(loci__seccomp_compile(&config.seccomp, LOCI_SECCOMP_ENOSYS_BEYOND, &arena,
	                                       &f, &err),
	                 0);
	struct seccomp_data d = {.nr = 437, .arch = AUDIT_ARCH_X86_64};
	assert_int_equal(run_filter(f.insns, f.n, &d), SECCOMP_RET_ALLOW);
	d.nr = 438;
	assert_int_equal(run_filter(f.insns, f.n, &d), SECCOMP_RET_ERRNO | ENOSYS);
	d.nr = 436;
	assert_int_equal(run_filter(f.insns, f.n, &d), SECCOMP_RET_ERRNO | EPERM);
	loci__arena_done(&arena);
	loci__runtime_config_done(&config);
}

static void test_refused(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		int code;
		const char *says;
	} rows[] = {
	        {"{\"defaultAction\":\"SCMP_ACT_MAYBE\"}", LOCI_E_INVALID, "SCMP_ACT_MAYBE"},
	        {"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"defaultErrnoRet\":1}", LOCI_E_INVALID,
	         "takes no errno"},
	        {"{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}", LOCI_E_UNSUPPORTED, "NOTIFY"},
	        {"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_Z80\"]}",
	         LOCI_E_INVALID, "SCMP_ARCH_Z80"},
	        {"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"SECCOMP_FILTER_FLAG_X\"]}",
	         LOCI_E_UNSUPPORTED, "SECCOMP_FILTER_FLAG_X"},
	        {"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[],\"action\":"
	         "\"SCMP_ACT_KILL\"}]}",
	         LOCI_E_INVALID, "syscalls[0].names"},
	        {"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],"
	         "\"action\":\"SCMP_ACT_KILL\",\"args\":[{\"index\":6,\"value\":0,\"op\":\"SCMP_"
	         "CMP_"
	         "EQ\"}]}]}",
	         LOCI_E_INVALID, "args[0]"},
	};
	for (size_t i = 0; i < loci__array_len(rows); i++) {
		struct loci__runtime_config config;
		struct loci_error err = {0};
		struct loci__arena arena = LOCI_ARENA_INIT(64u << 20);
		struct loci__seccomp_filter f;
		parse(rows[i].json, &config);
		int rc = loci__seccomp_compile(&config.seccomp, 0, &arena, &f, &err);
		assert_int_equal(rc, rows[i].code);
		assert_non_null(strstr(err.msg, rows[i].says));
		loci__arena_done(&arena);
		loci__runtime_config_done(&config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_default_profile), cmocka_unit_test(test_operators),
	        cmocka_unit_test(test_wide_values),     cmocka_unit_test(test_several_rules),
	        cmocka_unit_test(test_enosys_beyond),   cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

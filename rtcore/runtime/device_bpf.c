/* SPDX-License-Identifier: Apache-2.0 */
#include "rtcore/runtime/device_bpf.h"

#include "core/base/err.h"

#include <string.h>
#include <sys/syscall.h>

#define ALL_ACCESS (BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE)

enum reg { R_VERDICT, R_CTX, R_TYPE, R_ACCESS, R_MAJOR, R_MINOR, R_SCRATCH };

static struct bpf_insn load32(enum reg to, size_t offset)
{
	return (struct bpf_insn){.code = BPF_LDX | BPF_MEM | BPF_W,
	                         .dst_reg = to,
	                         .src_reg = R_CTX,
	                         .off = (int16_t)offset};
}
static struct bpf_insn alu(unsigned op, enum reg to, int32_t k)
{
	return (struct bpf_insn){.code = (uint8_t)(BPF_ALU | op | BPF_K), .dst_reg = to, .imm = k};
}
static struct bpf_insn copy(enum reg to, enum reg from)
{
	return (struct bpf_insn){.code = BPF_ALU | BPF_MOV | BPF_X, .dst_reg = to, .src_reg = from};
}
static struct bpf_insn leave(void)
{
	return (struct bpf_insn){.code = BPF_JMP | BPF_EXIT};
}

static unsigned access_bits(const char *access)
{
	unsigned bits = 0;
	for (; *access; access++)
		bits |= *access == 'm'   ? BPF_DEVCG_ACC_MKNOD
		        : *access == 'r' ? BPF_DEVCG_ACC_READ
		                         : BPF_DEVCG_ACC_WRITE;
	return bits;
}

/* A test that jumps past the rule when it does not hold; aimed when the rule's end is known. */
static size_t add_test(struct bpf_insn *out, size_t at, unsigned op, enum reg reg, int64_t k)
{
	out[at] = (struct bpf_insn){
	        .code = (uint8_t)(BPF_JMP | op | BPF_K), .dst_reg = reg, .imm = (int32_t)k};
	return at + 1;
}

/* An allowing rule must cover all that is asked for, a denying one any of it. */
static size_t add_rule(struct bpf_insn *out, const struct loci__cfg_device_rule *r)
{
	unsigned access = access_bits(r->access);
	size_t n = 0;
	if (r->type[0] != 'a')
		n = add_test(out, n, BPF_JNE, R_TYPE,
		             r->type[0] == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
	if (access != ALL_ACCESS) {
		out[n++] = copy(R_SCRATCH, R_ACCESS);
		out[n++] = alu(BPF_AND, R_SCRATCH,
		               (int32_t)(r->allow ? ALL_ACCESS & ~access : access));
		n = add_test(out, n, r->allow ? BPF_JNE : BPF_JEQ, R_SCRATCH, 0);
	}
	if (r->major.set && r->major.v >= 0)
		n = add_test(out, n, BPF_JNE, R_MAJOR, r->major.v);
	if (r->minor.set && r->minor.v >= 0)
		n = add_test(out, n, BPF_JNE, R_MINOR, r->minor.v);
	out[n++] = alu(BPF_MOV, R_VERDICT, r->allow);
	out[n++] = leave();
	for (size_t i = 0; i < n; i++)
		if (BPF_CLASS(out[i].code) == BPF_JMP && BPF_OP(out[i].code) != BPF_EXIT)
			out[i].off = (int16_t)(n - i - 1);
	return n;
}

bool loci__device_rule_is_total(const struct loci__cfg_device_rule *r)
{
	return r->type[0] == 'a' && access_bits(r->access) == ALL_ACCESS &&
	       !(r->major.set && r->major.v >= 0) && !(r->minor.set && r->minor.v >= 0);
}

size_t loci__device_bpf_make(const struct loci__cfg_device_rule *rules, size_t n,
                             struct bpf_insn *out)
{
	size_t at = 0;
	out[at++] = load32(R_TYPE, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	out[at++] = copy(R_ACCESS, R_TYPE);
	out[at++] = alu(BPF_AND, R_TYPE, 0xffff);
	out[at++] = alu(BPF_RSH, R_ACCESS, 16);
	out[at++] = load32(R_MAJOR, offsetof(struct bpf_cgroup_dev_ctx, major));
	out[at++] = load32(R_MINOR, offsetof(struct bpf_cgroup_dev_ctx, minor));
	/* Rules before one that decides everything are never reached, and the verifier refuses code
	 * that is not. */
	for (size_t i = n; i > 0; i--) {
		at += add_rule(out + at, &rules[i - 1]);
		if (loci__device_rule_is_total(&rules[i - 1]))
			return at;
	}
	out[at++] = alu(BPF_MOV, R_VERDICT, 0);
	out[at++] = leave();
	return at;
}

static int sys_bpf(int cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

int loci__device_bpf_attach(int cgroup_fd, const struct loci__cfg_device_rule *rules, size_t n,
                            struct loci_error *err)
{
	loci__cleanup_free struct bpf_insn *insns =
	        calloc(LOCI_DEVICE_BPF_FIXED + n * LOCI_DEVICE_BPF_RULE_INSNS, sizeof(*insns));
	if (!insns)
		return loci__err_nomem(err);
	union bpf_attr load;
	memset(&load, 0, sizeof(load));
	load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	load.insns = (uintptr_t)insns;
	load.insn_cnt = (uint32_t)loci__device_bpf_make(rules, n, insns);
	load.license = (uintptr_t) "Apache-2.0";
	loci__cleanup_close int prog = sys_bpf(BPF_PROG_LOAD, &load);
	if (prog < 0)
		return loci__err_sys(err, "load the device filter of %zu rules", n);
	union bpf_attr attach;
	memset(&attach, 0, sizeof(attach));
	attach.target_fd = (uint32_t)cgroup_fd;
	attach.attach_bpf_fd = (uint32_t)prog;
	attach.attach_type = BPF_CGROUP_DEVICE;
	attach.attach_flags = BPF_F_ALLOW_MULTI;
	if (sys_bpf(BPF_PROG_ATTACH, &attach) < 0)
		return loci__err_sys(err, "attach the device filter");
	return 0;
}

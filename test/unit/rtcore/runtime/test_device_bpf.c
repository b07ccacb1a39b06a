/* SPDX-License-Identifier: Apache-2.0 */
/* The device filter run in a small interpreter against the rules read by hand. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "rtcore/runtime/device_bpf.h"

#include <string.h>

static int run(const struct bpf_insn *p, size_t n, char type, const char *access, unsigned major,
               unsigned minor)
{
	uint64_t reg[11] = {0};
	unsigned bits = 0;
	for (; *access; access++)
		bits |= *access == 'm' ? 1 : *access == 'r' ? 2 : 4;
	struct bpf_cgroup_dev_ctx ctx = {bits << 16 | (type == 'b' ? 1 : 2), major, minor};
	for (size_t pc = 0; pc < n; pc++) {
		const struct bpf_insn *i = &p[pc];
		uint32_t k = (uint32_t)i->imm;
		uint64_t *d = &reg[i->dst_reg];
		switch (i->code) {
		case BPF_LDX | BPF_MEM | BPF_W: {
			uint32_t v;
			memcpy(&v, (const char *)&ctx + i->off, 4);
			*d = v;
			break;
		}
		case BPF_ALU | BPF_MOV | BPF_X: *d = (uint32_t)reg[i->src_reg]; break;
		case BPF_ALU | BPF_MOV | BPF_K: *d = k; break;
		case BPF_ALU | BPF_AND | BPF_K: *d = (uint32_t)*d & k; break;
		case BPF_ALU | BPF_RSH | BPF_K: *d = (uint32_t)*d >> k; break;
		case BPF_JMP | BPF_JNE | BPF_K: pc += *d != k ? (size_t)i->off : 0; break;
		case BPF_JMP | BPF_JEQ | BPF_K: pc += *d == k ? (size_t)i->off : 0; break;
		case BPF_JMP | BPF_EXIT: return (int)reg[0];
		default: fail_msg("instruction %zu: code %#x", pc, i->code);
		}
	}
	fail_msg("ran off the end");
	return -1;
}

#define ANY             \
	{               \
		.v = -1 \
	}
#define ONLY(n)                       \
	{                             \
		.v = (n), .set = true \
	}

static void test_last_match_counts(void **state)
{
	(void)state;
	static const struct loci__cfg_device_rule rules[] = {
	        {true, "a", ANY, ANY, "rwm"},          {false, "a", ANY, ANY, "rwm"},
	        {true, "c", ONLY(1), ONLY(3), "rw"},   {true, "b", ONLY(8), ANY, "r"},
	        {false, "b", ONLY(8), ONLY(1), "rwm"}, {true, "c", ANY, ANY, "m"},
	        {false, "c", ONLY(7), ANY, "w"},
	};
	static const struct {
		char type;
		const char *access;
		unsigned major, minor;
		int allowed;
	} rows[] = {
	        {'c', "r", 1, 3, 1},  {'c', "rw", 1, 3, 1}, {'c', "rwm", 1, 3, 0},
	        {'c', "r", 1, 4, 0},  {'b', "r", 8, 0, 1},  {'b', "rw", 8, 0, 0},
	        {'b', "r", 8, 1, 0},  {'b', "r", 9, 0, 0},  {'c', "m", 99, 99, 1},
	        {'b', "m", 8, 0, 0},  {'c', "w", 7, 0, 0},  {'c', "m", 7, 0, 1},
	        {'c', "wm", 7, 0, 0}, {'c', "r", 8, 0, 0},
	};
	struct bpf_insn p[LOCI_DEVICE_BPF_FIXED + 7 * LOCI_DEVICE_BPF_RULE_INSNS];
	size_t n = loci__device_bpf_make(rules, 7, p);
	assert_in_range(n, 1, sizeof(p) / sizeof(p[0]));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int got = run(p, n, rows[i].type, rows[i].access, rows[i].major, rows[i].minor);
		if (got != rows[i].allowed)
			fail_msg("row %zu: got %d", i, got);
	}
}

static void test_nothing_allowed_by_default(void **state)
{
	(void)state;
	static const struct loci__cfg_device_rule rule = {true, "c", ONLY(1), ONLY(3), "rwm"};
	struct bpf_insn p[LOCI_DEVICE_BPF_FIXED + LOCI_DEVICE_BPF_RULE_INSNS];
	size_t n = loci__device_bpf_make(&rule, 1, p);
	assert_int_equal(run(p, n, 'c', "rwm", 1, 3), 1);
	assert_int_equal(run(p, n, 'c', "r", 1, 5), 0);
	n = loci__device_bpf_make(NULL, 0, p);
	assert_int_equal(run(p, n, 'c', "r", 1, 3), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_last_match_counts),
	        cmocka_unit_test(test_nothing_allowed_by_default),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* config.json to a plan, its filter and its text; what compiles must be a program the kernel takes:
 * jumps forward and inside, a return at the end. */
#include "rtcore/runtime/plan.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_filter(const struct loci__seccomp_filter *f)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct sock_filter *s = &f->insns[i];
		size_t far = 0;
		if (s->code == (BPF_JMP | BPF_JA))
			far = s->k;
		else if (BPF_CLASS(s->code) == BPF_JMP)
			far = s->jt > s->jf ? s->jt : s->jf;
		if (i + 1 + far >= f->n && s->code != (BPF_RET | BPF_K))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loci__runtime_config c;
	struct loci__plan p;
	struct loci_error err;
	struct loci_create_opts o = {.struct_size = sizeof(o)};
	if (loci__runtime_config_parse((const char *)data, size, &c, &err) < 0)
		return 0;
	struct loci_buf warn = LOCI_BUF_INIT(1 << 16), out = LOCI_BUF_INIT(1 << 24);
	if (loci__plan_make(&c, "fuzz", &o, LOCI_CGROUP_FS, &warn, &p, &err) >= 0) {
		check_filter(&p.seccomp);
		(void)loci__plan_print(&p, &out, &err);
		loci__plan_done(&p);
	}
	loci__buf_done(&warn);
	loci__buf_done(&out);
	loci__runtime_config_done(&c);
	return 0;
}

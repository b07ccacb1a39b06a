/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration file: whatever comes, no crash; and what was taken can be printed and read again.
 */
#include "core/base/buf.h"
#include "test/unit/conf/sample_options.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loci_options *make(struct sample *s)
{
	struct loci_options *o;
	struct loci_option_set set = {"Options", sample_options, s};
	if (loci__options_new("SAMPLE_", &o, NULL) < 0 || loci__options_add(o, &set, NULL) < 0)
		abort();
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sample s = {0}, again = {0};
	struct loci_error err;
	struct loci_options *o = make(&s);
	if (loci__options_yaml(o, "fuzz", (const char *)data, size, &err) == 0) {
		struct loci_buf b loci__cleanup_buf = LOCI_BUF_INIT(4 << 20);
		struct loci_options *o2 = make(&again);
		loci__options_print_values(o, &b);
		if (!b.failed && loci__options_yaml(o2, "again", b.p, b.len, &err) < 0)
			abort();
		if (!b.failed && (again.idle_ms != s.idle_ms || again.listen.n != s.listen.n ||
		                  again.max_head != s.max_head))
			abort();
		loci__options_free(o2);
	}
	loci__options_free(o);
	return 0;
}

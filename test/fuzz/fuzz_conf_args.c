/* SPDX-License-Identifier: Apache-2.0 */
/* A command line, one argument a line. */
#include "core/base/buf.h"
#include "test/unit/conf/sample_options.h"

#include <stdlib.h>
#include <string.h>

#define ARGS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sample s = {0};
	struct loci_options *o;
	struct loci_option_set set = {"Options", sample_options, &s};
	char *text = malloc(size + 1);
	char *args[ARGS_MAX + 1] = {0}, *room[ARGS_MAX + 1];
	struct loci_positionals pos = {.v = room};
	struct loci_error err;
	size_t n = 0;
	if (!text || loci__options_new("SAMPLE_", &o, NULL) < 0 ||
	    loci__options_add(o, &set, NULL) < 0)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	for (char *p = text; p && n < ARGS_MAX; n++) {
		args[n] = p;
		p = strchr(p, '\n');
		if (p)
			*p++ = '\0';
	}
	for (unsigned flags = 0; flags <= LOCI_ARGS_STOP_AT_FIRST; flags++) {
		if (loci__options_args(o, args, flags, &pos, &err) == 0 && pos.n > n)
			abort();
	}
	loci__options_free(o);
	free(text);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A raw request target: decoded, routed, its query taken apart. */
#include "registry/route.h"
#include "registry/target.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_path(const struct loci__target *t)
{
	if (t->path.p[0] != '/' || t->path.p[t->path.n] != '\0')
		abort();
	for (size_t i = 0; i < t->path.n; i++)
		if ((unsigned char)t->path.p[i] < 0x20)
			abort();
}

static void check_params(const struct loci__target *t)
{
	for (size_t i = 0; i < t->n_params; i++) {
		const char *value;
		char key[LOCI_TARGET_MAX + 1];
		memcpy(key, t->params[i].key.p, t->params[i].key.n);
		key[t->params[i].key.n] = '\0';
		if (strpbrk(t->params[i].value, "\r\n"))
			abort();
		if (loci__target_param(t, key, &value, NULL) == 0 && !value)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct loci__target t;
	struct loci__match m;
	char *target = malloc(size + 1);
	if (!target)
		return 0;
	memcpy(target, data, size);
	target[size] = '\0';
	if (loci__target_parse(target, &t, NULL) == 0) {
		check_path(&t);
		check_params(&t);
		if (loci__route_match(t.path, &m) && m.reference.n &&
		    m.reference.p + m.reference.n != t.path.p + t.path.n)
			abort(); /* it is used as a NUL-terminated text */
	}
	loci_registry_may_block(NULL, "PUT", target);
	free(target);
	return 0;
}

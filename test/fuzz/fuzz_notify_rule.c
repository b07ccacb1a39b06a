/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of the webhooks' configuration: a rule that is taken is sound. */
#include "registry/notify/lines.h"
#include "registry/notify/rule.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_rule(const struct loci__notify_rule *r)
{
	if (!*r->name || !*r->url || !r->types || r->types & 1 || r->batch < 1 ||
	    r->batch > LOCI_NOTIFY_BATCH_MAX || r->n_globs > LOCI_NOTIFY_GLOBS_MAX)
		abort();
	for (const unsigned char *p = (const unsigned char *)r->url; *p; p++)
		if (*p <= ' ' || *p == 0x7f)
			abort();
	for (size_t i = 0; i < r->n_globs; i++) {
		struct loci_slice glob = {r->globs[i], strlen(r->globs[i])};
		if (loci__glob_check(glob, /* err= */ NULL) < 0)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loci__notify_rule r;
	struct loci__notify_line l;
	struct loci_error err;
	char *text = malloc(size + 1);
	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (loci__notify_rule_parse(text, &r, &err) == 0)
		check_rule(&r);
	/* Nothing that would end a header's line may come through. */
	if (loci__notify_header_parse(text, &l, &err) == 0 &&
	    (memchr(l.value.p, '\r', l.value.n) || memchr(l.value.p, '\n', l.value.n)))
		abort();
	if (loci__notify_secret_parse(text, &l, &err) == 0 && (!l.name.n || !l.value.n))
		abort();
	free(text);
	return 0;
}

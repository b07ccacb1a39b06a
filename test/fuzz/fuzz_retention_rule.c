/* SPDX-License-Identifier: Apache-2.0 */
/* A rule of retention: what is read stays within its limits, and is read alike again. */
#include "registry/retention.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_slice(const struct loci__retention_rule *r, struct loci_slice s)
{
	size_t n = strlen(r->text);
	if (s.n == 0 || s.p < r->text || s.p + s.n > r->text + n)
		abort();
}

static void check_rule(const struct loci__retention_rule *r)
{
	check_slice(r, r->repos);
	for (size_t i = 0; i < r->n_tags; i++)
		check_slice(r, r->tags[i]);
	if (!r->words || r->n_tags > LOCI_RETENTION_TAGS_MAX || r->last > LOCI_RETENTION_LAST_MAX)
		abort();
	if (!(r->words & LOCI_KEEP_TAGS) != !r->n_tags || !(r->words & LOCI_KEEP_LAST) != !r->last)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loci__retention_rule rule, again;
	struct loci_error err;
	char *text = malloc(size + 1);
	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (loci__retention_rule_parse(&rule, text, &err) == 0) {
		check_rule(&rule);
		if (loci__retention_rule_parse(&again, rule.text, &err) < 0 ||
		    again.words != rule.words || again.untagged_s != rule.untagged_s)
			abort();
		loci__retention_rule_done(&again);
		loci__retention_rule_done(&rule);
	}
	free(text);
	return 0;
}

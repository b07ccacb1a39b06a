/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of tags, a line each; what is one is asked about a name. */
#include "registry/tag_rule.h"

#include <stdlib.h>
#include <string.h>

#define RULES_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_rule(const char *text)
{
	struct loci__tag_rule rule;
	if (loci__tag_rule_parse(text, &rule, NULL) < 0)
		return;
	if (rule.repo.n == 0 || rule.tags.n == 0 || rule.text != text ||
	    rule.repo.n + 1 + rule.tags.n != strlen(text))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *texts[RULES_MAX];
	struct loci__tag_rules rules;
	size_t n = 0;
	char *text = malloc(size + 1);
	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	for (char *line = text; *line && n < RULES_MAX;) {
		char *end = strchrnul(line, '\n');
		texts[n++] = line;
		line = *end ? end + 1 : end;
		*end = '\0';
		check_rule(texts[n - 1]);
	}
	if (loci__tag_rules_init(&rules, texts, n, NULL) == 0) {
		const char *found = loci__tag_rules_find(&rules, "team/app", "v1.0");
		if (found && (found < (const char *)rules.v || !strchr(found, ':')))
			abort();
		loci__tag_rules_done(&rules);
	}
	free(text);
	return 0;
}

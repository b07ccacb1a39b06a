/* SPDX-License-Identifier: Apache-2.0 */
/* WWW-Authenticate: whatever parses has strings that end inside the copy, and findable names. */
#include "puller/challenge.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loci_challenges c;
	struct loci_error err;
	if (loci__challenges_parse((const char *)data, size, &c, &err) < 0)
		return 0;
	size_t total = 0;
	for (size_t i = 0; i < c.n; i++) {
		const struct loci_challenge *ch = &c.list[i];
		if (!*ch->scheme || !loci__challenges_find(&c, ch->scheme))
			abort();
		total += strlen(ch->scheme) + (ch->token68 ? strlen(ch->token68) : 0);
		for (size_t k = 0; k < ch->n_params; k++) {
			if (loci__challenge_param(ch, ch->params[k].name) != ch->params[k].value)
				abort();
			total += strlen(ch->params[k].name) + strlen(ch->params[k].value);
		}
	}
	if (total > size)
		abort();
	loci__challenges_done(&c);
	return 0;
}

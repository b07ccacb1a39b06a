/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/transfer/digest_set.h"

#include "core/base/err.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 1024

/* A digest's first bytes are as good as any hash. (Somebody who makes digests collide here makes
 * his own export slow.) */
static size_t find_slot(const struct loci__digest_set *s, const struct loci_digest *d)
{
	uint64_t hash;
	memcpy(&hash, d->bytes, sizeof(hash));
	size_t at = (size_t)hash & (s->n_slots - 1);
	while (s->slots[at] && !loci_digest_equal(&s->v[s->slots[at] - 1], d))
		at = (at + 1) & (s->n_slots - 1);
	return at;
}

static int grow(struct loci__digest_set *s, struct loci_error *err)
{
	size_t n_slots = s->n_slots ? 2 * s->n_slots : FIRST_SLOTS;
	uint32_t *slots = calloc(n_slots, sizeof(*slots));
	struct loci_digest *v = realloc(s->v, n_slots / 2 * sizeof(*v));
	if (v)
		s->v = v;
	if (!slots || !v) {
		free(slots);
		return loci__err_nomem(err);
	}
	free(s->slots);
	s->slots = slots;
	s->n_slots = n_slots;
	for (size_t i = 0; i < s->n; i++)
		s->slots[find_slot(s, &s->v[i])] = (uint32_t)(i + 1);
	return 0;
}

bool loci__digest_set_has(const struct loci__digest_set *s, const struct loci_digest *d)
{
	return s->n_slots && s->slots[find_slot(s, d)];
}

int loci__digest_set_add(struct loci__digest_set *s, const struct loci_digest *d,
                         struct loci_error *err)
{
	if (loci__digest_set_has(s, d))
		return 0;
	if (s->n == LOCI_DIGEST_SET_MAX)
		return loci__err_set(err, LOCI_E_TOO_LARGE, "more than %zu blobs and manifests",
		                     LOCI_DIGEST_SET_MAX);
	if (2 * s->n >= s->n_slots) {
		int rc = grow(s, err);
		if (rc < 0)
			return rc;
	}
	s->v[s->n] = *d;
	s->slots[find_slot(s, d)] = (uint32_t)(s->n + 1);
	s->n++;
	return 1;
}

void loci__digest_set_done(struct loci__digest_set *s)
{
	free(s->v);
	free(s->slots);
	*s = (struct loci__digest_set){0};
}

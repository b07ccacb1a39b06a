/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/http/pace.h"

void loci__pace_wait(struct loci__pace *p, uint64_t now_ms)
{
	if (!p->since_ms)
		p->since_ms = now_ms;
}

void loci__pace_go(struct loci__pace *p, uint64_t now_ms)
{
	if (p->since_ms)
		p->waited_ms += now_ms - p->since_ms;
	p->since_ms = 0;
}

void loci__pace_skip(struct loci__pace *p, uint64_t ms)
{
	if (p->since_ms)
		p->since_ms += ms;
}

static uint64_t waited(const struct loci__pace *p, uint64_t now_ms)
{
	return p->waited_ms + (p->since_ms ? now_ms - p->since_ms : 0);
}

bool loci__pace_is_due(const struct loci__pace *p, const struct loci__pace_rule *rule,
                       uint64_t now_ms)
{
	return waited(p, now_ms) >= rule->grace_ms;
}

bool loci__pace_close(struct loci__pace *p, const struct loci__pace_rule *rule, uint64_t now_ms,
                      uint64_t position)
{
	uint64_t least = rule->rate * waited(p, now_ms) / 1000;
	uint64_t moved = position - p->from;
	p->from = position;
	p->waited_ms = 0;
	if (p->since_ms)
		p->since_ms = now_ms;
	return moved < least;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/http/heads.h"

#include "registry/http/steps.h"

bool loci__heads_is_over(const struct loci__http_shared *s)
{
	return atomic_load_explicit(&s->head_memory, memory_order_relaxed) > s->max_head_memory;
}

/* Not here and now: this runs in the middle of a connection's step. */
static void shed_soon(struct loci__http_loop *l)
{
	if (!h2o_timeout_is_linked(&l->shed_entry))
		h2o_timeout_link(l->ev, &l->soon, &l->shed_entry);
}

void loci__heads_hold(struct loci__conn *c, size_t bytes)
{
	struct loci__http_shared *s = c->loop->shared;
	if (bytes == c->held)
		return;
	if (bytes > c->held)
		atomic_fetch_add(&s->head_memory, bytes - c->held);
	else
		atomic_fetch_sub(&s->head_memory, c->held - bytes);
	bool grows = bytes > c->held;
	c->held = bytes;
	if (grows && loci__heads_is_over(s))
		shed_soon(c->loop);
}

/* A time-out list is in the order in which its entries began to wait. */
void loci__heads_shed(struct loci__http_loop *l)
{
	while (loci__heads_is_over(l->shared)) {
		struct loci__conn *oldest = loci__loop_oldest(l, LOCI_TIMER_HEAD);
		if (!oldest)
			return;
		loci__count(l->counters, LOCI_COUNT_cut_head_memory, 1);
		loci__step_refuse(oldest, 503, "too many request heads are unfinished");
		loci__conn_pump(oldest);
	}
}

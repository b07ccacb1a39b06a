/* SPDX-License-Identifier: Apache-2.0 */
/* A connection's one timer, and what becomes of a client that is late. */
#include "registry/http/steps.h"

#include "core/base/clock.h"

static void start(struct loci__conn *c, enum loci__timer kind)
{
	loci__loop_notice_clock(c->loop);
	c->timer_kind = kind;
	c->timer_at = loci__clock_ms();
	h2o_timeout_link(c->loop->ev, &c->loop->timers[kind], &c->timer);
}

void loci__conn_timer(struct loci__conn *c, enum loci__timer kind, bool restart)
{
	if (c->timer_kind == kind && !restart)
		return;
	if (c->timer_kind != LOCI_TIMER_NONE)
		h2o_timeout_unlink(&c->timer);
	c->timer_kind = kind;
	if (kind == LOCI_TIMER_NONE)
		return;
	start(c, kind);
	if (kind == LOCI_TIMER_WRITE)
		c->taken_at = c->timer_at;
}

/* --- a response that is taken slowly --- */

/* What the kernel has taken over may still lie here: bytes that the client acknowledged count. */
static uint64_t taken(const struct loci__conn *c)
{
	return c->stream.ops->taken(&c->stream, c->written);
}

bool loci__conn_takes_too_slowly(struct loci__conn *c)
{
	const struct loci__pace_rule *rule = &c->loop->shared->write_pace;
	uint64_t now = loci__clock_ms();
	if (!loci__pace_is_due(&c->write_pace, rule, now) ||
	    !loci__pace_close(&c->write_pace, rule, now, taken(c)))
		return false;
	c->end = LOCI_END_WRITE_RATE;
	return true;
}

/* The write timer looks at least twice before it cuts: between two bursts of a slow but honest
 * client the socket is not writable for minutes. */
static bool takes_nothing(struct loci__conn *c)
{
	const struct loci__http_shared *s = c->loop->shared;
	uint64_t now = loci__clock_ms();
	uint64_t at = taken(c);
	if (at != c->taken) {
		c->taken = at;
		c->taken_at = now;
	}
	/* libh2o's clock may be ahead of this one by some milliseconds. */
	return now - c->taken_at + s->timer_ms[LOCI_TIMER_WRITE] / 4 >= s->write_ms;
}

static void on_write_timer(struct loci__conn *c)
{
	if (takes_nothing(c))
		loci__conn_close(c, LOCI_END_WRITE);
	else if (loci__conn_takes_too_slowly(c))
		loci__conn_close(c, LOCI_END_WRITE_RATE);
	else
		start(c, LOCI_TIMER_WRITE);
}

/* --- a request that comes slowly --- */

static void on_head_timer(struct loci__conn *c)
{
	loci__count(c->loop->counters, LOCI_COUNT_cut_head, 1);
	loci__step_refuse(c, 408, "the request head did not arrive in time");
	loci__conn_pump(c);
}

static void on_body_timer(struct loci__conn *c)
{
	if (c->state != LOCI_CONN_BODY) { /* one that is thrown away */
		loci__conn_close(c, LOCI_END_BODY);
		return;
	}
	loci__body_is_late(c->ex);
	loci__conn_pump(c);
}

static void on_handshake_timer(struct loci__conn *c)
{
	loci__conn_close(c, LOCI_END_HANDSHAKE);
}

static void on_idle_timer(struct loci__conn *c)
{
	loci__conn_close(c, LOCI_END_IDLE);
}

static void on_linger_timer(struct loci__conn *c)
{
	loci__conn_close(c, LOCI_END_LINGER);
}

static void (*const late[LOCI_TIMERS_])(struct loci__conn *c) = {
        [LOCI_TIMER_HANDSHAKE] = on_handshake_timer, [LOCI_TIMER_IDLE] = on_idle_timer,
        [LOCI_TIMER_HEAD] = on_head_timer,           [LOCI_TIMER_BODY] = on_body_timer,
        [LOCI_TIMER_WRITE] = on_write_timer,         [LOCI_TIMER_LINGER] = on_linger_timer,
};

/* libh2o's time is the wall clock's: set forward, it ends every timer at once. Half is enough to
 * tell, and the loop's idea of now may be a little old. */
static bool fired_early(const struct loci__conn *c)
{
	return loci__clock_ms() - c->timer_at < c->loop->timers[c->timer_kind].timeout / 2;
}

void loci__conn_on_timer(h2o_timeout_entry_t *entry)
{
	struct loci__conn *c = H2O_STRUCT_FROM_MEMBER(struct loci__conn, timer, entry);
	enum loci__timer kind = c->timer_kind;
	bool early = fired_early(c);
	c->timer_kind = LOCI_TIMER_NONE; /* the loop has unlinked it */
	if (early)
		start(c, kind);
	else
		late[kind](c);
}

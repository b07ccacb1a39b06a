/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is told of an exchange when it ends: counters, and a line of the access log. Lines about
 * requests that the server itself refused are counted after the first few of a second: whoever
 * sends garbage at a high rate fills no disk.
 */
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/logger.h"
#include "loci/metrics.h"
#include "registry/http/conn.h"

void loci__refusals_tell(struct loci__http_loop *l)
{
	struct loci__refusals *r = &l->refusals;
	char n[24];
	const struct loci_log_field field = {"count", n};
	snprintf(n, sizeof(n), "%llu", (unsigned long long)r->left_out);
	if (r->left_out && l->shared->access_log)
		loci__log_fields(l->shared->log, LOCI_LOG_INFO, "access",
		                 "more requests were refused", &field, 1);
	r->logged = 0;
	r->left_out = 0;
}

void loci__refusals_on_second(h2o_timeout_entry_t *entry)
{
	loci__refusals_tell(H2O_STRUCT_FROM_MEMBER(struct loci__http_loop, refusals.entry, entry));
}

bool loci__refusals_have_line(struct loci__http_loop *l)
{
	struct loci__refusals *r = &l->refusals;
	if (!h2o_timeout_is_linked(&r->entry))
		h2o_timeout_link(l->ev, &r->second, &r->entry);
	if (r->logged < l->shared->refusals_logged) {
		r->logged++;
		return true;
	}
	r->left_out++;
	return false;
}

static void count(const struct loci__exchange *ex, uint64_t duration_us)
{
	const struct loci_request_sample sample = {
	        .struct_size = sizeof(sample),
	        .method = ex->head.method,
	        .end_point = ex->end_point,
	        .status = ex->reply.status,
	        .bytes_in = ex->body.received,
	        .bytes_out = ex->reply.sent,
	        .duration_us = duration_us,
	};
	loci_registry_observe(ex->loop->shared->registry, &sample);
	loci__count(ex->loop->counters, LOCI_COUNT_ended, 1);
	if (ex->refuse_status)
		loci__count(ex->loop->counters, LOCI_COUNT_refused, 1);
}

static void log_line(const struct loci__exchange *ex, uint64_t duration_us, const char *why)
{
	char status[LOCI_U64_TEXT_MAX], in[LOCI_U64_TEXT_MAX], out[LOCI_U64_TEXT_MAX],
	        duration[LOCI_U64_TEXT_MAX];
	/* reason stands last: it is only there when the request did not go well */
	const struct loci_log_field fields[] = {
	        {"method", ex->head.method ? ex->head.method : "-"},
	        {"target", ex->head.target ? ex->head.target : "-"},
	        {"status",
	         loci__u64_text((uint64_t)ex->reply.status, status)}, /* 0: nothing was sent */
	        {"bytes_in", loci__u64_text(ex->body.received, in)},
	        {"bytes_out", loci__u64_text(ex->reply.sent, out)},
	        {"duration_ms", loci__u64_text(duration_us / 1000, duration)},
	        {"peer", ex->peer[0] ? ex->peer : "-"},
	        {"user_agent", ex->head.user_agent ? ex->head.user_agent : "-"},
	        {"request_id", ex->id},
	        {"reason", why ? why : ex->refuse_reason},
	};
	size_t n = loci__array_len(fields) - (why || ex->refuse_status ? 0 : 1);
	loci__log_fields(ex->loop->shared->log, LOCI_LOG_INFO, "access", "request", fields, n);
}

void loci__exchange_record(struct loci__exchange *ex, const char *why)
{
	const struct loci__http_shared *shared = ex->loop->shared;
	if (ex->recorded)
		return;
	ex->recorded = true;
	uint64_t duration_us = loci__clock_us() - ex->started_us;
	count(ex, duration_us);
	if (!shared->access_log || !loci__log_wants(shared->log, LOCI_LOG_INFO))
		return;
	if (!ex->refuse_status || loci__refusals_have_line(ex->loop))
		log_line(ex, duration_us, why);
}

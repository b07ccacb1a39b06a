/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/http/exchange.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "registry/http/conn.h"

#include <string.h>

/* Closing the last fd of a deleted file frees its blocks, which takes a while when it is big. */
#define CLOSE_INLINE_MAX (1024 * 1024)

static void take_id(struct loci__exchange *ex)
{
	ex->id = loci__request_id_find(ex->head.headers, ex->head.n_headers);
	if (ex->id)
		return;
	loci__request_id_make(ex->loop->id_seed, ex->loop->n_ids++, ex->made_id);
	ex->id = ex->made_id;
}

/* Most requests are answered before the next one of their loop is looked at: their memory goes from
 * one to the other. */
static struct loci__exchange *take_memory(struct loci__http_loop *l, size_t head_n)
{
	struct loci__exchange *ex = head_n < LOCI_HTTP_HEAD_USUAL ? l->spare : NULL;
	size_t room = head_n < LOCI_HTTP_HEAD_USUAL ? LOCI_HTTP_HEAD_USUAL : head_n + 1;
	if (ex)
		l->spare = NULL;
	else
		ex = malloc(sizeof(*ex) + room);
	if (!ex)
		return NULL;
	memset(ex, 0, offsetof(struct loci__exchange, head.headers));
	ex->head_room = room;
	return ex;
}

static void give_memory(struct loci__http_loop *l, struct loci__exchange *ex)
{
	if (l->spare || ex->head_room != LOCI_HTTP_HEAD_USUAL)
		free(ex);
	else
		l->spare = ex;
}

/* The loops share the time, so it is written only when it is another one. */
static void note_request(struct loci__http_loop *l, uint64_t now_ms)
{
	loci__count(l->counters, LOCI_COUNT_requests, 1);
	if (atomic_load_explicit(&l->shared->asked_ms, memory_order_relaxed) != now_ms)
		atomic_store_explicit(&l->shared->asked_ms, now_ms, memory_order_relaxed);
}

struct loci__exchange *loci__exchange_new(struct loci__conn *c, const char *head, size_t n)
{
	struct loci__exchange *ex = take_memory(c->loop, n);
	if (!ex)
		return NULL;
	ex->loop = c->loop;
	ex->conn = c;
	ex->started_us = loci__clock_us();
	memcpy(ex->peer, c->peer, sizeof(ex->peer));
	note_request(c->loop, ex->started_us / 1000);
	if (n) {
		memcpy(ex->head_bytes, head, n);
		ex->head_bytes[n] = '\0';
		ex->refuse_status = loci__http_head_parse(ex->head_bytes, n, &ex->head);
		ex->refuse_reason = ex->head.reason;
	}
	take_id(ex);
	if (!n)
		return ex;
	ex->rq = (struct loci_http_request){
	        .struct_size = sizeof(ex->rq),
	        .method = ex->head.method,
	        .target = ex->head.target,
	        .scheme = c->stream.ops->scheme,
	        .host = ex->head.host,
	        .peer = ex->peer[0] ? ex->peer : NULL,
	        .headers = ex->head.headers,
	        .n_headers = ex->head.n_headers,
	        .body_length = ex->head.body_length,
	        .request_id = ex->id,
	        .takes_parts = true,
	};
	loci__body_init(ex);
	return ex;
}

/* --- jobs --- */

static void run_job(struct loci__job *j)
{
	struct loci__exchange *ex = H2O_STRUCT_FROM_MEMBER(struct loci__exchange, job, j);
	ex->work(ex);
	loci__loop_send(ex->loop, &ex->done);
}

static void submit_to(struct loci__workers *w, struct loci__exchange *ex,
                      void (*work)(struct loci__exchange *ex))
{
	ex->busy = true;
	ex->work = work;
	ex->job.run = run_job;
	memset(&ex->done, 0, sizeof(ex->done));
	ex->loop->n_jobs++;
	loci__workers_submit(w, &ex->job);
}

static void submit(struct loci__exchange *ex, void (*work)(struct loci__exchange *ex))
{
	submit_to(ex->loop->shared->workers, ex, work);
}

static void note_end_point(struct loci__exchange *ex)
{
	if (ex->rs)
		ex->end_point = ex->rs->end_point;
}

void loci__exchange_job_done(struct loci__exchange *ex)
{
	struct loci__http_loop *l = ex->loop;
	ex->busy = ex->carrying = false;
	l->n_jobs--;
	note_end_point(ex);
	if (ex->conn)
		loci__conn_pump(ex->conn);
	else
		loci__exchange_leave(ex);
	loci__loop_one_less(l);
}

static void handle(struct loci__exchange *ex)
{
	ex->rs = loci_registry_handle(ex->loop->shared->registry, &ex->rq);
	if (ex->rs)
		ex->sink = loci__steal_ptr(&ex->rs->sink);
}

/* Here if it may be; what may block, and what found no memory, gets a worker. */
void loci__exchange_handle(struct loci__exchange *ex)
{
	ex->rq.must_not_block = true;
	handle(ex);
	ex->rq.must_not_block = false;
	if (ex->rs)
		note_end_point(ex);
	else
		submit(ex, handle);
}

static void abort_sink(struct loci__exchange *ex)
{
	loci_http_sink_abort(loci__steal_ptr(&ex->sink));
}

void loci__exchange_abort_sink(struct loci__exchange *ex)
{
	submit(ex, abort_sink);
}

void loci__exchange_warm(struct loci__exchange *ex)
{
	submit_to(ex->loop->shared->readers, ex, loci__reply_warm);
}

void loci__exchange_carry(struct loci__exchange *ex)
{
	ex->carrying = true;
	submit_to(ex->loop->shared->carriers, ex, loci__body_carry);
}

void loci__exchange_put(struct loci__exchange *ex)
{
	submit(ex, loci__body_put);
}

/* --- the end --- */

static void release(struct loci__exchange *ex)
{
	abort_sink(ex);
	loci_http_response_free(loci__steal_ptr(&ex->rs));
}

static bool release_may_block(const struct loci__exchange *ex)
{
	return ex->sink || (ex->rs && ex->rs->file_fd >= 0 && ex->rs->file_len > CLOSE_INLINE_MAX);
}

void loci__exchange_leave(struct loci__exchange *ex)
{
	ex->conn = NULL;
	if (ex->busy)
		return; /* comes back through _job_done */
	if (!ex->released) {
		ex->released = true;
		if (release_may_block(ex)) {
			submit(ex, release);
			return;
		}
		release(ex);
	}
	loci__body_done(&ex->body);
	loci__buf_done(&ex->reply.head);
	give_memory(ex->loop, ex);
}

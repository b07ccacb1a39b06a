/* SPDX-License-Identifier: Apache-2.0 */
/* A server that runs by itself: a thread and a loop for each slot. */
#include "registry/http/server.h"

#include "core/base/err.h"
#include "core/base/thread.h"

struct loop_thread {
	struct loci_http_server *server;
	unsigned i;
	pthread_t id;
	struct loci__http_loop loop;
};

static void *loop_main(void *arg)
{
	struct loop_thread *t = arg;
	loci__thread_be_prompt();
	h2o_evloop_t *ev = h2o_evloop_create();
	loci__server_enter(t->server, t->i, &t->loop, ev);
	loci__loop_run(&t->loop);
	loci__server_leave(t->server, t->i);
	h2o_evloop_run(ev, 0); /* frees sockets that were closed since the last round */
	h2o_evloop_destroy(ev);
	return NULL;
}

static int start_thread(struct loci_http_server *s, unsigned i, struct loop_thread **ret,
                        struct loci_error *err)
{
	struct loop_thread *t = malloc(sizeof(*t));
	if (!t)
		return loci__err_nomem(err);
	t->server = s;
	t->i = i;
	int rc = loci__thread_start(&t->id, loop_main, t, err);
	if (rc < 0) {
		free(t);
		return rc;
	}
	*ret = t;
	return 0;
}

static int run_loops(struct loci_http_server *s, struct loop_thread **threads,
                     struct loci_error *err)
{
	unsigned started = 0;
	int rc = 0;
	while (rc == 0 && started < s->n_loops) {
		rc = start_thread(s, started, &threads[started], err);
		started += rc == 0;
	}
	if (rc < 0)
		loci_http_server_stop(s);
	for (unsigned i = 0; i < started; i++) {
		pthread_join(threads[i]->id, NULL);
		free(threads[i]);
	}
	return rc;
}

int loci_http_server_run(struct loci_http_server *s, struct loci_error *err)
{
	if (!s->n_listeners || s->n_attached || s->was_run)
		return loci__err_set(
		        err, LOCI_E_USAGE,
		        "http server: run: expected listen addresses, and a server that "
		        "is neither attached to a loop nor was run before");
	s->was_run = true;
	struct loop_thread **threads = calloc(s->n_loops, sizeof(*threads));
	if (!threads)
		return loci__err_nomem(err);
	int rc = loci__server_start_workers(s, err);
	if (rc == 0)
		rc = run_loops(s, threads, err);
	loci__server_end_workers(s);
	free(threads);
	return rc;
}

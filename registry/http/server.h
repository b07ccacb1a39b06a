/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server: what its loops share, and a slot for each. run.c gives every slot a thread and a loop
 * of its own, attach.c a loop of somebody else's.
 */
#ifndef LOCI_REGISTRY_HTTP_SERVER_H
#define LOCI_REGISTRY_HTTP_SERVER_H

#include "registry/http/loop.h"

struct loci__loop_slot {
	struct loci__http_loop *loop; /* while it serves; under the server's lock */
};

struct loci_http_server {
	struct loci__http_shared shared;
	struct loci__listener listeners[LOCI_HTTP_LISTEN_MAX];
	size_t n_listeners;
	unsigned n_workers, n_carriers;
	pthread_mutex_t lock;
	bool was_run;
	unsigned n_attached;                  /* slots given to loops of somebody else's, ever */
	struct loci__http_counters *counters; /* [n_loops] */
	unsigned n_loops;
	struct loci__loop_slot slots[];
};

/* metrics.c: its numbers at the registry's /metrics, until the end. */
int loci__server_show_metrics(struct loci_http_server *s, struct loci_error *err);
void loci__server_hide_metrics(struct loci_http_server *s);
int loci__server_start_workers(struct loci_http_server *s, struct loci_error *err);
void loci__server_end_workers(struct loci_http_server *s);
/* On the loop's thread: makes what is at loop slot i of the server, with its share of the listening
 * sockets. From here on _stop wakes it; whether that was called before is to be looked at after. */
void loci__server_enter(struct loci_http_server *s, unsigned i, struct loci__http_loop *loop,
                        h2o_loop_t *ev);
/* On the loop's thread; it has no connections and no jobs. */
void loci__server_leave(struct loci_http_server *s, unsigned i);

#endif

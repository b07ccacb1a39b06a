/* SPDX-License-Identifier: Apache-2.0 */
/* A server on loops of somebody else's (loci/registry_h2o.h). */
#include "loci/registry_h2o.h"

#include "registry/http/conn.h"
#include "registry/http/server.h"

#include "core/base/err.h"

#include <errno.h>
#include <fcntl.h>

struct loci_http_loop {
	struct loci__http_loop loop;
	struct loci_http_server *server;
	unsigned slot;
};

/* The next slot, or the failure that there is none. */
static int take_slot(struct loci_http_server *s, unsigned *ret, struct loci_error *err)
{
	int rc = 0;
	pthread_mutex_lock(&s->lock);
	if (s->was_run || s->n_attached == s->n_loops)
		rc = loci__err_set(
		        err, LOCI_E_USAGE,
		        "http server: attach: expected a server that was not run, and at "
		        "most %u loops",
		        s->n_loops);
	else if ((rc = loci__server_start_workers(s, err)) == 0)
		*ret = s->n_attached++;
	pthread_mutex_unlock(&s->lock);
	return rc;
}

int loci_http_server_attach(struct loci_http_server *s, struct st_h2o_evloop_t *loop,
                            void (*on_drained)(void *arg), void *arg, struct loci_http_loop **ret,
                            struct loci_error *err)
{
	struct loci_http_loop *l = malloc(sizeof(*l));
	if (!l)
		return loci__err_nomem(err);
	int rc = take_slot(s, &l->slot, err);
	if (rc < 0) {
		free(l);
		return rc;
	}
	l->server = s;
	loci__server_enter(s, l->slot, &l->loop, loop);
	l->loop.on_drained = on_drained;
	l->loop.on_drained_arg = arg;
	if (atomic_load(&s->shared.stopping))
		loci__loop_tell_to_stop(&l->loop);
	*ret = l;
	return 0;
}

int loci_http_loop_take(struct loci_http_loop *l, int take_fd, struct loci_error *err)
{
	struct sockaddr_storage from = {0};
	socklen_t n = sizeof(from);
	if (l->loop.draining)
		return loci__err_set(err, LOCI_E_BUSY, "http server: it stops");
	if (!loci__loop_has_room(&l->loop))
		return loci__err_set(err, LOCI_E_BUSY,
		                     "http server: as many connections as may be");
	if (getpeername(take_fd, (struct sockaddr *)&from, &n) < 0)
		return loci__err_set(err, LOCI_E_INVALID,
		                     "http server: expected a connected socket");
	int flags = fcntl(take_fd, F_GETFL);
	if (flags < 0 || fcntl(take_fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(take_fd, F_SETFD, FD_CLOEXEC) < 0)
		return loci__err_sys(err, "http server: take a connection");
	loci__conn_accept(&l->loop, take_fd, (struct sockaddr *)&from);
	return 0;
}

void loci_http_loop_detach(struct loci_http_loop *l)
{
	if (!l)
		return;
	h2o_loop_t *ev = l->loop.ev;
	loci__loop_cut(&l->loop);
	loci__server_leave(l->server, l->slot);
	h2o_evloop_run(ev, 0); /* frees sockets that were closed since the last round */
	free(l);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server of registry_http.h on event loops that are somebody else's: those of a program
 * that has libh2o-evloop 2.2 loops with listeners, timers and handlers of its own. No thread is
 * made but workers and carriers. h2o.h is not needed here; whoever includes it builds with
 * -DH2O_USE_LIBUV=0 and links libh2o-evloop, as for any use of these loops.
 *
 * A server that is attached is not run with loci_http_server_run. docs/embedding.md tells the rest.
 */
#ifndef LOCI_REGISTRY_H2O_H
#define LOCI_REGISTRY_H2O_H

#include "loci/registry_http.h"

LOCI_BEGIN_DECLS

struct st_h2o_evloop_t; /* h2o_loop_t */

/** A server on one loop. Everything with it is done on the thread that runs the loop. */
struct loci_http_loop;

/** Serves on the loop from now on, its listen addresses (of which there may be none) included; to
 * be called once for each of .loops. The loop is borrowed until loci_http_loop_detach; nothing else
 *  on it is touched. SIGPIPE must be ignored or blocked on its thread.
 *  on_drained, which may be NULL, is called once, from the loop, when loci_http_server_stop has
 *  been called and the last request here has ended. It may not detach.
 *  Expected errors: USAGE (as many loops are attached as the server has, or it was run), SYS (a
 *  worker thread). */
LOCI_API LOCI_CHECK int loci_http_server_attach(struct loci_http_server *s,
                                                struct st_h2o_evloop_t *loop,
                                                void (*on_drained)(void *arg), void *arg,
                                                struct loci_http_loop **ret,
                                                struct loci_error *err);
/** Serves a connection that the caller accepted: any connected stream socket, TCP or Unix, of which
 *  nothing has been read. The fd is taken over, and made non-blocking. Expected: BUSY (the server
 *  stops, or has max_connections), INVALID (no socket). */
LOCI_API LOCI_CHECK int loci_http_loop_take(struct loci_http_loop *l, int take_fd,
                                            struct loci_error *err);
/** Ends serving on this loop, and waits for jobs that are on workers: requests that are not
 *  finished are cut, so stop first and wait for on_drained. Not from a callback of the loop, which
 *  is run to that end. NULL is fine. Before loci_http_server_free. */
LOCI_API void loci_http_loop_detach(struct loci_http_loop *l);

LOCI_END_DECLS
#endif

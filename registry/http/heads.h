/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of request heads: of those that are not whole yet, and of large ones whose request is
 * under way. All connections together have a budget. Beyond it the heads that have been unfinished
 * for longest are refused: whoever sends a head in one go never waits with an unfinished one, so it
 * is those who trickle that lose.
 */
#ifndef LOCI_REGISTRY_HTTP_HEADS_H
#define LOCI_REGISTRY_HTTP_HEADS_H

#include "registry/http/conn.h"

/* The connection holds so many bytes of heads now. */
void loci__heads_hold(struct loci__conn *c, size_t bytes);
bool loci__heads_is_over(const struct loci__http_shared *s);
/* From the loop: refuses unfinished heads, the oldest first, until the rest is within the budget.
 */
void loci__heads_shed(struct loci__http_loop *l);

#endif
